// The official `@google/genai` library for Node, unmodified, against the gateway.
//
// Each exported function is one case; its name is the case's name, and the same as in the
// Python suite.

import assert from 'node:assert/strict';
import { ApiError, FinishReason, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import { LONG_TEXT, SLOW, WEATHER_SCHEMA, contains, refusedAtLast, thrown } from './harness.mjs';

const TOOLS = {
  tools: [
    {
      functionDeclarations: [
        { name: 'get_weather', description: 'Weather of a city', parametersJsonSchema: WEATHER_SCHEMA },
      ],
    },
  ],
};

function models(pair, apiKey = pair.key) {
  return new GoogleGenAI({ apiKey, httpOptions: { baseUrl: pair.base, timeout: 60_000 } }).models;
}

function request(pair, contents = 'apricot', config = {}) {
  return { model: pair.model, contents, config };
}

export async function chat(pair) {
  const answer = await models(pair).generateContent(request(pair, 'apricot harvest'));
  contains(answer.text, 'apricot harvest', 'text');
  assert.equal(answer.candidates[0].finishReason, FinishReason.STOP);
  const { promptTokenCount, candidatesTokenCount, totalTokenCount } = answer.usageMetadata;
  assert.equal(totalTokenCount, promptTokenCount + candidatesTokenCount);
}

export async function chat_system(pair) {
  const plain = await models(pair).generateContent(request(pair));
  const instructed = await models(pair).generateContent(request(pair, 'apricot', { systemInstruction: LONG_TEXT }));
  assert.ok(instructed.usageMetadata.promptTokenCount > plain.usageMetadata.promptTokenCount + 20);
}

async function read(chunks) {
  const seen = [];
  for await (const chunk of chunks) seen.push(chunk);
  return seen;
}

export async function stream(pair) {
  const whole = await models(pair).generateContent(request(pair, LONG_TEXT));
  const seen = await read(await models(pair).generateContentStream(request(pair, LONG_TEXT)));
  assert.equal(seen.map((chunk) => chunk.text ?? '').join(''), whole.text);
  const finish = seen.flatMap((chunk) => chunk.candidates?.[0]?.finishReason ?? []);
  assert.deepEqual(finish, [FinishReason.STOP]);
  assert.equal(seen.at(-1).usageMetadata.candidatesTokenCount, whole.usageMetadata.candidatesTokenCount);
}

function only(calls) {
  assert.equal(calls?.length, 1, 'function calls');
  return calls[0];
}

export async function tools(pair) {
  for (const mode of [FunctionCallingConfigMode.AUTO, FunctionCallingConfigMode.VALIDATED]) {
    const config = { ...TOOLS, toolConfig: { functionCallingConfig: { mode } } };
    const call = only((await models(pair).generateContent(request(pair, 'USE_TOOL please', config))).functionCalls);
    assert.equal(call.name, 'get_weather');
    assert.equal(typeof call.args.city, 'string', 'city');
  }
}

export async function tools_streamed(pair) {
  const whole = only((await models(pair).generateContent(request(pair, 'USE_TOOL please', TOOLS))).functionCalls);
  const seen = await read(await models(pair).generateContentStream(request(pair, 'USE_TOOL please', TOOLS)));
  const call = only(seen.flatMap((chunk) => chunk.functionCalls ?? []));
  assert.deepEqual([call.name, call.args], [whole.name, whole.args]);
}

export async function tool_result(pair) {
  const asked = { role: 'user', parts: [{ text: 'USE_TOOL now' }] };
  const answer = await models(pair).generateContent(request(pair, [asked], TOOLS));
  const { id, name } = only(answer.functionCalls);
  const result = { role: 'user', parts: [{ functionResponse: { id, name, response: { output: '21 degrees' } } }] };
  const told = await models(pair).generateContent(request(pair, [asked, answer.candidates[0].content, result], TOOLS));
  contains(told.text, '21 degrees', 'the provider saw the result');
}

// The library puts the body's text into the message.
function check(error, status, word) {
  assert.equal(error.status, status, `status of ${error.message}`);
  contains(error.message, word, 'message');
}

export async function error_bad_parameter(pair) {
  const odd = { httpOptions: { extraBody: { generationConfig: { maxOutputTokens: 'many' } } } };
  const call = () => models(pair).generateContent(request(pair, 'x', odd));
  check(await thrown(ApiError, call, 'a limit of a wrong type'), 400, 'INVALID_ARGUMENT');
}

export async function error_wrong_key(pair) {
  const call = () => models(pair, `bg-${'x'.repeat(43)}`).generateContent(request(pair));
  check(await thrown(ApiError, call, 'wrong key'), 401, 'UNAUTHENTICATED');
}

export async function error_unknown_model(pair) {
  for (const method of ['generateContent', 'generateContentStream']) {
    const call = () => models(pair)[method]({ model: 'no-such', contents: 'x' });
    check(await thrown(ApiError, call, method), 404, 'NOT_FOUND');
  }
}

export async function budget_spent(pair) {
  const call = () => models(pair, `${pair.key}-poor`).generateContent(request(pair, 'x'));
  check(await refusedAtLast(ApiError, call, 'budget'), 429, 'budget_exceeded');
}

export async function rate_limited(pair) {
  const busy = models(pair, `${pair.key}-busy`);
  const stop = new AbortController();
  const held = await busy.generateContentStream(request(pair, SLOW, { abortSignal: stop.signal }));
  await held.next();
  const error = await thrown(ApiError, () => busy.generateContent(request(pair, 'x')), 'rate limit');
  stop.abort();
  check(error, 429, 'rate_limited');
}

export async function provider_down(pair) {
  const call = () => models(pair).generateContent({ model: pair.down, contents: 'x' });
  check(await thrown(ApiError, call, 'provider down'), 502, 'provider_failed');
}

// A stream cut before its proof must not look finished.
export async function cut_stream(pair) {
  const finish = [];
  try {
    for await (const chunk of await models(pair).generateContentStream({ model: pair.cut, contents: LONG_TEXT })) {
      finish.push(...(chunk.candidates ?? []).map((one) => one.finishReason).filter(Boolean));
    }
  } catch (error) {
    assert.deepEqual(finish, [], 'finish reasons before the failure');
    return `${error.constructor.name}: ${error.message}`;
  }
  assert.fail(`the library saw a clean end, finish reasons ${finish}`);
}

export async function cut_whole(pair) {
  const call = () => models(pair).generateContent({ model: pair.cut, contents: LONG_TEXT });
  check(await thrown(ApiError, call, 'cut answer'), 502, 'provider_failed');
}

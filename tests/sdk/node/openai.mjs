// The official `openai` library for Node, unmodified, against the gateway.
//
// Each exported function is one case; its name is the case's name, and the same as in the
// Python suite. The simulated provider echoes the last user text, calls a tool on `USE_TOOL`
// (n of them on `USE_TOOLS n`) and answers the same request always alike.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import {
  LONG_TEXT,
  Limit,
  PERSON_SCHEMA,
  PNG_BASE64,
  SLOW,
  WEATHER_SCHEMA,
  checkError,
  checkHeaders,
  checkPerson,
  contains,
  countingFetch,
  thrown,
} from './harness.mjs';

const TOOLS = [
  {
    type: 'function',
    function: { name: 'get_weather', description: 'Weather of a city', strict: true, parameters: WEATHER_SCHEMA },
  },
];

function chats(pair, options = {}) {
  return library(pair, options).chat.completions;
}

function library(pair, options = {}) {
  return new OpenAI({ baseURL: `${pair.base}/v1`, apiKey: pair.key, maxRetries: 0, timeout: 60_000, ...options });
}

function request(pair, text = 'apricot', fields = {}) {
  return { model: pair.model, messages: [{ role: 'user', content: text }], ...fields };
}

export async function chat(pair) {
  const answer = await chats(pair).create(request(pair, 'apricot harvest'));
  const [choice] = answer.choices;
  contains(choice.message.content, 'apricot harvest', 'content');
  assert.equal(choice.message.role, 'assistant');
  assert.equal(choice.finish_reason, 'stop');
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0, 'usage');
}

export async function system_prompt(pair) {
  const plain = await chats(pair).create(request(pair));
  const messages = [{ role: 'system', content: LONG_TEXT }, ...request(pair).messages];
  const instructed = await chats(pair).create({ model: pair.model, messages });
  assert.ok(
    instructed.usage.prompt_tokens > plain.usage.prompt_tokens + 20,
    `the provider did not see the system message: ${instructed.usage.prompt_tokens} tokens`,
  );
}

export async function stream(pair) {
  const whole = await chats(pair).create(request(pair, LONG_TEXT));
  let text = '';
  const finish = [];
  for await (const chunk of await chats(pair).create(request(pair, LONG_TEXT, { stream: true }))) {
    assert.ok(!chunk.usage, 'usage was sent without being asked for');
    text += chunk.choices[0].delta.content ?? '';
    if (chunk.choices[0].finish_reason) finish.push(chunk.choices[0].finish_reason);
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.deepEqual(finish, ['stop']);
}

export async function stream_usage(pair) {
  const whole = await chats(pair).create(request(pair, LONG_TEXT));
  const fields = { stream: true, stream_options: { include_usage: true } };
  const chunks = [];
  for await (const chunk of await chats(pair).create(request(pair, LONG_TEXT, fields))) chunks.push(chunk);
  const last = chunks.at(-1);
  assert.deepEqual(last.choices, [], 'choices of the usage chunk');
  assert.equal(last.usage.prompt_tokens, whole.usage.prompt_tokens);
  assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
}

export async function tools(pair) {
  assert.equal((await toolCalls(pair, 'USE_TOOL please')).length, 1);
}

export async function tools_parallel(pair) {
  const calls = await toolCalls(pair, 'USE_TOOLS 2');
  assert.equal(calls.length, 2);
  assert.notEqual(calls[0].id, calls[1].id, 'two calls share an id');
}

async function toolCalls(pair, text) {
  const answer = await chats(pair).create(request(pair, text, { tools: TOOLS }));
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  const calls = answer.choices[0].message.tool_calls ?? [];
  for (const call of calls) {
    assert.ok(call.id, 'a call without an id');
    assert.equal(call.function.name, 'get_weather');
    assert.equal(typeof JSON.parse(call.function.arguments).city, 'string', 'city');
  }
  return calls;
}

export async function tool_result(pair) {
  for (const text of ['USE_TOOL now', 'USE_TOOLS 2']) {
    const asked = await chats(pair).create(request(pair, text, { tools: TOOLS }));
    const { message } = asked.choices[0];
    const results = message.tool_calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: '21 degrees' }));
    const messages = [...request(pair, text).messages, message, ...results];
    const answer = await chats(pair).create({ model: pair.model, messages, tools: TOOLS });
    assert.equal(answer.choices[0].finish_reason, 'stop');
    contains(answer.choices[0].message.content, '21 degrees', 'the provider saw the result');
  }
}

export async function tools_streamed(pair) {
  for (const text of ['USE_TOOL please', 'USE_TOOLS 2']) {
    const whole = await toolCalls(pair, text);
    const final = await chats(pair).stream(request(pair, text, { tools: TOOLS })).finalChatCompletion();
    const facts = (call) => [call.function.name, JSON.parse(call.function.arguments)];
    assert.deepEqual(final.choices[0].message.tool_calls.map(facts), whole.map(facts));
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
  }
}

export async function image(pair) {
  const content = [
    { type: 'text', text: 'apricot picture' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG_BASE64}` } },
  ];
  const answer = await chats(pair).create(request(pair, content));
  contains(answer.choices[0].message.content, 'apricot picture', 'content');
  contains(answer.choices[0].message.content, '[image image/png', 'the provider saw the image');
}

export async function json_schema(pair) {
  const response_format = { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: PERSON_SCHEMA } };
  const answer = await chats(pair).create(request(pair, 'a person', { response_format }));
  checkPerson(JSON.parse(answer.choices[0].message.content), 'content');
}

export async function json_schema_parsed(pair) {
  const response_format = zodResponseFormat(z.object({ name: z.string(), age: z.number().int() }), 'person');
  const answer = await chats(pair).parse(request(pair, 'a person', { response_format }));
  checkPerson(answer.choices[0].message.parsed, 'parsed');
}

export async function stop_sequence(pair) {
  const asked = request(pair, 'alpha bravo charlie delta', { stop: ['charlie'] });
  if (pair.provider === 'responses') {
    const error = await thrown(OpenAI.BadRequestError, () => chats(pair).create(asked), 'stop');
    checkError(error, 400, 'cannot_translate', 'stop');
    return new Limit('stop');
  }
  const answer = await chats(pair).create(asked);
  contains(answer.choices[0].message.content, 'alpha bravo', 'content');
  assert.ok(!answer.choices[0].message.content.includes('charlie'), 'did not stop');
}

export async function max_tokens(pair) {
  const answer = await chats(pair).create(request(pair, LONG_TEXT, { max_completion_tokens: 20 }));
  assert.equal(answer.choices[0].finish_reason, 'length');
}

// What a provider's dialect does not take of reasoning, and is named for.
const NOT_TAKEN = {
  gemini: 'messages[1].content[0] dropped: past reasoning stays with its provider',
  bedrock: 'reasoning_effort dropped: this model is not known to take it',
};

// The message goes back as it came, with the fields this library has no type for.
export async function reasoning(pair) {
  const { message, messages } = await reasoningTurn(pair);
  if (pair.provider === 'anthropic') {
    assert.ok(message.reasoning_details?.some((detail) => detail.signature), 'no signature in reasoning_details');
  }
  const loss = await reasoningAnswer(pair, messages, message);
  // Only the word for the effort may become a number.
  const lost = loss
    .split('; ')
    .filter((item) => item.includes('reasoning') && !item.startsWith('reasoning_effort approximated: '))
    .filter((item) => item !== NOT_TAKEN[pair.provider]);
  assert.deepEqual(lost, [], 'reasoning was kept by the client and lost all the same');
}

export async function reasoning_dropped(pair) {
  const { message, messages } = await reasoningTurn(pair);
  const { role, content, tool_calls } = message;
  const loss = await reasoningAnswer(pair, messages, { role, content, tool_calls });
  if (pair.provider === 'anthropic') contains(loss, 'reasoning_effort approximated', 'x-bondgate-loss');
}

async function reasoningTurn(pair) {
  const asked = request(pair, 'USE_TOOL please', { tools: TOOLS, reasoning_effort: 'high' });
  const { message } = (await chats(pair).create(asked)).choices[0];
  assert.ok(message.tool_calls?.length, 'no tool call');
  return { message, messages: asked.messages };
}

async function reasoningAnswer(pair, messages, assistant) {
  const result = { role: 'tool', tool_call_id: assistant.tool_calls[0].id, content: '21 degrees' };
  const { data, response } = await chats(pair)
    .create({ model: pair.model, messages: [...messages, assistant, result], tools: TOOLS, reasoning_effort: 'high' })
    .withResponse();
  contains(data.choices[0].message.content, '21 degrees', 'the provider saw the result');
  return response.headers.get('x-bondgate-loss') ?? '';
}

// Providers whose dialect has a seed.
const SEEDED = ['chat', 'gemini', 'cohere'];

export async function loss_reported(pair) {
  const { response } = await chats(pair).create(request(pair, 'apricot', { seed: 7 })).withResponse();
  const loss = response.headers.get('x-bondgate-loss');
  if (SEEDED.includes(pair.provider)) assert.equal(loss, null, 'a loss of nothing');
  else contains(loss, 'seed', 'x-bondgate-loss');
}

export async function error_bad_parameter(pair) {
  const call = () => chats(pair).create(request(pair, 'x', { stream: 'yes' }));
  const error = await thrown(OpenAI.BadRequestError, call, 'stream of a wrong type');
  checkError(error, 400, 'invalid_request', 'stream of a wrong type');
  assert.equal(error.code, 'invalid_request');
}

export async function error_wrong_key(pair) {
  const stranger = chats(pair, { apiKey: `bg-${'x'.repeat(43)}` });
  const error = await thrown(OpenAI.AuthenticationError, () => stranger.create(request(pair)), 'wrong key');
  checkError(error, 401, 'invalid_key', 'wrong key');
}

export async function error_unknown_model(pair) {
  const call = () => chats(pair).create(request(pair, 'x', { model: pair.model.slice(0, -1) }));
  const error = await thrown(OpenAI.NotFoundError, call, 'unknown model');
  checkError(error, 404, 'model_not_found', 'unknown model');
  contains(error.message, pair.model, 'names a near one');
}

export async function raw_response(pair) {
  const { data, response, request_id } = await chats(pair).create(request(pair)).withResponse();
  checkHeaders(response.headers, pair, 'whole');
  assert.ok(request_id && data._request_id, 'no request id');
  const streamed = await chats(pair).create(request(pair, 'apricot', { stream: true })).asResponse();
  checkHeaders(streamed.headers, pair, 'streamed');
  assert.ok((await streamed.text()).endsWith('data: [DONE]\n\n'), 'last line');
}

export async function models(pair) {
  const listed = [];
  for await (const model of library(pair).models.list()) listed.push(model.id);
  assert.ok(listed.includes(pair.model), `${pair.model} is not in ${listed}`);
  assert.equal((await library(pair).models.retrieve(pair.model)).id, pair.model);
}

export async function provider_down(pair) {
  const counting = countingFetch();
  const eager = chats(pair, { maxRetries: 3, fetch: counting });
  const call = () => eager.create(request(pair, 'x', { model: pair.down }));
  const error = await thrown(OpenAI.InternalServerError, call, 'provider down');
  checkError(error, 502, 'provider_failed', 'provider down');
  assert.equal(counting.calls, 1, 'calls made by the library');
}

export async function budget_spent(pair) {
  const counting = countingFetch();
  const poor = chats(pair, { apiKey: `${pair.key}-poor`, maxRetries: 3, fetch: counting });
  let error;
  let before = 0;
  while (!error && before < 10) {
    before = counting.calls;
    await poor.create(request(pair, 'x')).catch((refused) => (error = refused));
  }
  assert.equal(error?.constructor.name, OpenAI.RateLimitError.name, `class of ${error}`);
  checkError(error, 429, 'budget_exceeded', 'budget');
  assert.equal(error.headers.get('x-should-retry'), 'false', 'x-should-retry');
  assert.equal(counting.calls - before, 1, 'calls made by the library');
}

export async function rate_limited(pair) {
  const counting = countingFetch();
  const apiKey = `${pair.key}-busy`;
  const busy = chats(pair, { apiKey, maxRetries: 5 });
  const stream = await busy.create(request(pair, SLOW, { stream: true }));
  const eager = chats(pair, { apiKey, maxRetries: 1, fetch: counting });
  const error = await thrown(OpenAI.RateLimitError, () => eager.create(request(pair, 'x')), 'rate limit');
  stream.controller.abort();
  checkError(error, 429, 'rate_limited', 'rate limit');
  assert.equal(error.headers.get('retry-after'), '1', 'retry-after');
  assert.equal(counting.calls, 2, 'calls made by the library');
}

export async function cut_stream(pair) {
  const finish = [];
  try {
    for await (const chunk of await chats(pair).create(request(pair, LONG_TEXT, { model: pair.cut, stream: true }))) {
      finish.push(...chunk.choices.map((choice) => choice.finish_reason).filter(Boolean));
    }
  } catch (error) {
    assert.deepEqual(finish, [], 'finish reasons before the failure');
    return `${error.constructor.name}: ${error.message}`;
  }
  assert.fail(`the library saw a clean end, finish reasons ${finish}`);
}

// The official `openai` library for Node, unmodified, asks the gateway for responses.
//
// Each exported function is one case; its name is the case's name, and the same as in the
// Python suite.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { LONG_TEXT, SLOW, WEATHER_SCHEMA, checkError, checkHeaders, contains, refusedAtLast, thrown } from './harness.mjs';

const TOOLS = [
  { type: 'function', name: 'get_weather', description: 'Weather of a city', strict: true, parameters: WEATHER_SCHEMA },
];

function responses(pair, options = {}) {
  const common = { baseURL: `${pair.base}/v1`, apiKey: pair.key, maxRetries: 0, timeout: 60_000 };
  return new OpenAI({ ...common, ...options }).responses;
}

function request(pair, input = 'apricot', fields = {}) {
  return { model: pair.model, input, store: false, ...fields };
}

export async function chat(pair) {
  const { data, response } = await responses(pair).create(request(pair, 'apricot harvest')).withResponse();
  checkHeaders(response.headers, pair, 'whole');
  assert.equal(data.status, 'completed');
  contains(data.output_text, 'apricot harvest', 'text');
  assert.equal(data.usage.total_tokens, data.usage.input_tokens + data.usage.output_tokens);
}

export async function chat_instructions(pair) {
  const plain = await responses(pair).create(request(pair));
  const instructed = await responses(pair).create(request(pair, 'apricot', { instructions: LONG_TEXT }));
  assert.ok(instructed.usage.input_tokens > plain.usage.input_tokens + 20, 'the provider did not see the instructions');
}

export async function stream(pair) {
  const whole = await responses(pair).create(request(pair, LONG_TEXT));
  const events = responses(pair).stream(request(pair, LONG_TEXT));
  let text = '';
  for await (const event of events) if (event.type === 'response.output_text.delta') text += event.delta;
  const final = await events.finalResponse();
  assert.equal(text, whole.output_text);
  assert.equal(final.output_text, whole.output_text);
  assert.deepEqual([final.status, final.usage.output_tokens], ['completed', whole.usage.output_tokens]);
}

function only(response) {
  const calls = response.output.filter((item) => item.type === 'function_call');
  assert.equal(calls.length, 1, 'function calls');
  assert.ok(calls[0].call_id, 'a call without an id');
  return calls[0];
}

export async function tools(pair) {
  const call = only(await responses(pair).create(request(pair, 'USE_TOOL please', { tools: TOOLS })));
  assert.equal(call.name, 'get_weather');
  assert.equal(typeof JSON.parse(call.arguments).city, 'string', 'city');
}

export async function tools_streamed(pair) {
  const asked = request(pair, 'USE_TOOL please', { tools: TOOLS });
  const whole = only(await responses(pair).create(asked));
  const call = only(await responses(pair).stream(asked).finalResponse());
  assert.deepEqual([call.name, JSON.parse(call.arguments)], [whole.name, JSON.parse(whole.arguments)]);
}

export async function tool_result(pair) {
  const input = [{ role: 'user', content: 'USE_TOOL now' }];
  const asked = await responses(pair).create(request(pair, input, { tools: TOOLS }));
  const result = { type: 'function_call_output', call_id: only(asked).call_id, output: '21 degrees' };
  const told = await responses(pair).create(request(pair, [...input, ...asked.output, result], { tools: TOOLS }));
  contains(told.output_text, '21 degrees', 'the provider saw the result');
}

export async function error_bad_parameter(pair) {
  const call = () => responses(pair).create(request(pair, 'x', { stream: 'yes' }));
  const error = await thrown(OpenAI.BadRequestError, call, 'stream of a wrong type');
  checkError(error, 400, 'invalid_request', 'stream of a wrong type');
}

export async function error_wrong_key(pair) {
  const stranger = responses(pair, { apiKey: `bg-${'x'.repeat(43)}` });
  const error = await thrown(OpenAI.AuthenticationError, () => stranger.create(request(pair)), 'wrong key');
  checkError(error, 401, 'invalid_key', 'wrong key');
}

export async function error_unknown_model(pair) {
  for (const stream of [false, true]) {
    const call = () => responses(pair).create(request(pair, 'x', { model: 'no-such', stream }));
    checkError(await thrown(OpenAI.NotFoundError, call, 'unknown model'), 404, 'model_not_found', 'unknown model');
  }
}

export async function budget_spent(pair) {
  const poor = responses(pair, { apiKey: `${pair.key}-poor` });
  const error = await refusedAtLast(OpenAI.RateLimitError, () => poor.create(request(pair, 'x')), 'budget');
  checkError(error, 429, 'budget_exceeded', 'budget');
}

export async function rate_limited(pair) {
  const busy = responses(pair, { apiKey: `${pair.key}-busy` });
  const held = await busy.create(request(pair, SLOW, { stream: true }));
  const error = await thrown(OpenAI.RateLimitError, () => busy.create(request(pair, 'x')), 'rate limit');
  held.controller.abort();
  checkError(error, 429, 'rate_limited', 'rate limit');
}

export async function provider_down(pair) {
  const call = () => responses(pair).create(request(pair, 'x', { model: pair.down }));
  const error = await thrown(OpenAI.InternalServerError, call, 'provider down');
  checkError(error, 502, 'provider_failed', 'provider down');
}

// A stream cut before its proof must not look finished: it throws, or says that it failed.
export async function cut_stream(pair) {
  const kinds = [];
  try {
    for await (const event of await responses(pair).create(request(pair, LONG_TEXT, { model: pair.cut, stream: true }))) {
      kinds.push(event.type);
    }
  } catch (error) {
    assert.ok(!kinds.includes('response.completed'), 'complete before the failure');
    return `${error.constructor.name}: ${error.message}`;
  }
  assert.ok(!kinds.includes('response.completed') && kinds.includes('response.failed'), `events ${kinds.slice(-3)}`);
}

export async function cut_whole(pair) {
  const call = () => responses(pair).create(request(pair, LONG_TEXT, { model: pair.cut }));
  const error = await thrown(OpenAI.InternalServerError, call, 'cut answer');
  checkError(error, 502, 'provider_failed', 'cut answer');
}

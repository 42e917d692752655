// The official `@anthropic-ai/sdk` library for Node, unmodified, against the gateway.
//
// Each exported function is one case; its name is the case's name, and the same as in the
// Python suite. The simulated provider echoes the last user text, calls a tool on `USE_TOOL`
// (n of them on `USE_TOOLS n`), answers the same request always alike, and refuses thinking
// whose signature is missing or changed.

import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
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

const TOOLS = [{ name: 'get_weather', description: 'Weather of a city', input_schema: WEATHER_SCHEMA }];
const THINKING = { tools: TOOLS, thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 4000 };

function library(pair, options = {}) {
  return new Anthropic({ baseURL: pair.base, apiKey: pair.key, maxRetries: 0, timeout: 60_000, ...options });
}

function messagesOf(pair, options = {}) {
  return library(pair, options).messages;
}

function request(pair, text = 'apricot', fields = {}) {
  return { model: pair.model, max_tokens: 1000, messages: [{ role: 'user', content: text }], ...fields };
}

function textOf(message) {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

function callsOf(message) {
  return message.content.filter((block) => block.type === 'tool_use');
}

export async function chat(pair) {
  const message = await messagesOf(pair).create(request(pair, 'apricot harvest'));
  contains(textOf(message), 'apricot harvest', 'text');
  assert.equal(message.role, 'assistant');
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0, 'usage');
}

export async function bearer_token(pair) {
  const message = await messagesOf(pair, { apiKey: null, authToken: pair.key }).create(request(pair));
  contains(textOf(message), 'apricot', 'text');
}

export async function system_prompt(pair) {
  const plain = await messagesOf(pair).create(request(pair));
  const instructed = await messagesOf(pair).create(request(pair, 'apricot', { system: LONG_TEXT }));
  assert.ok(
    instructed.usage.input_tokens > plain.usage.input_tokens + 20,
    `the provider did not see the system prompt: ${instructed.usage.input_tokens} tokens`,
  );
}

export async function stream(pair) {
  const whole = await messagesOf(pair).create(request(pair, LONG_TEXT));
  let joined = '';
  const events = messagesOf(pair).stream(request(pair, LONG_TEXT)).on('text', (part) => (joined += part));
  const final = await events.finalMessage();
  assert.equal(joined, textOf(whole));
  assert.equal(textOf(final), textOf(whole));
  assert.equal(final.stop_reason, whole.stop_reason);
}

export async function stream_usage(pair) {
  const whole = await messagesOf(pair).create(request(pair, LONG_TEXT));
  let delta;
  for await (const event of await messagesOf(pair).create(request(pair, LONG_TEXT, { stream: true }))) {
    if (event.type === 'message_delta') delta = event.usage;
  }
  assert.equal(delta?.output_tokens, whole.usage.output_tokens);
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
  const message = await messagesOf(pair).create(request(pair, text, { tools: TOOLS }));
  assert.equal(message.stop_reason, 'tool_use');
  const calls = callsOf(message);
  for (const call of calls) {
    assert.ok(call.id, 'a call without an id');
    assert.equal(call.name, 'get_weather');
    assert.equal(typeof call.input.city, 'string', 'city');
  }
  return calls;
}

// The assistant's turn sent back as it came, and a result for each of its calls.
async function afterTools(pair, text, asked, fields) {
  const results = callsOf(asked).map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: '21 degrees' }));
  const messages = [
    { role: 'user', content: text },
    { role: 'assistant', content: asked.content },
    { role: 'user', content: results },
  ];
  const answer = await messagesOf(pair).create({ ...request(pair, text, fields), messages });
  assert.equal(answer.stop_reason, 'end_turn');
  contains(textOf(answer), '21 degrees', 'the provider saw the result');
}

export async function tool_result(pair) {
  for (const text of ['USE_TOOL now', 'USE_TOOLS 2']) {
    const asked = await messagesOf(pair).create(request(pair, text, { tools: TOOLS }));
    await afterTools(pair, text, asked, { tools: TOOLS });
  }
}

export async function tools_streamed(pair) {
  for (const text of ['USE_TOOL please', 'USE_TOOLS 2']) {
    const whole = await toolCalls(pair, text);
    const final = await messagesOf(pair).stream(request(pair, text, { tools: TOOLS })).finalMessage();
    const facts = (call) => [call.name, call.input];
    assert.deepEqual(callsOf(final).map(facts), whole.map(facts));
    assert.equal(final.stop_reason, 'tool_use');
  }
}

export async function image(pair) {
  const source = { type: 'base64', media_type: 'image/png', data: PNG_BASE64 };
  const content = [{ type: 'image', source }, { type: 'text', text: 'apricot picture' }];
  const message = await messagesOf(pair).create(request(pair, content));
  contains(textOf(message), 'apricot picture', 'text');
  contains(textOf(message), '[image image/png', 'the provider saw the image');
}

export async function json_schema(pair) {
  const output_config = { format: { type: 'json_schema', schema: PERSON_SCHEMA } };
  const message = await messagesOf(pair).create(request(pair, 'a person', { output_config }));
  checkPerson(JSON.parse(textOf(message)), 'text');
}

export async function json_schema_parsed(pair) {
  const output_config = { format: zodOutputFormat(z.object({ name: z.string(), age: z.number().int() })) };
  const message = await messagesOf(pair).parse(request(pair, 'a person', { output_config }));
  checkPerson(message.parsed_output, 'parsed_output');
}

export async function stop_sequence(pair) {
  const asked = request(pair, 'alpha bravo charlie delta', { stop_sequences: ['charlie'] });
  if (pair.provider === 'responses') {
    const error = await thrown(Anthropic.BadRequestError, () => messagesOf(pair).create(asked), 'stop');
    checkError(error, 400, 'cannot_translate', 'stop');
    return new Limit('stop');
  }
  const message = await messagesOf(pair).create(asked);
  contains(textOf(message), 'alpha bravo', 'text');
  assert.ok(!textOf(message).includes('charlie'), 'did not stop');
}

export async function max_tokens(pair) {
  const message = await messagesOf(pair).create(request(pair, LONG_TEXT, { max_tokens: 20 }));
  assert.equal(message.stop_reason, 'max_tokens');
}

export async function thinking(pair) {
  const asked = await messagesOf(pair).create(request(pair, 'USE_TOOL please', THINKING));
  if (pair.provider === 'anthropic') signed(asked);
  await afterTools(pair, 'USE_TOOL please', asked, THINKING);
}

export async function thinking_streamed(pair) {
  const asked = await messagesOf(pair).stream(request(pair, 'USE_TOOL please', THINKING)).finalMessage();
  if (pair.provider === 'anthropic') signed(asked);
  await afterTools(pair, 'USE_TOOL please', asked, THINKING);
}

function signed(message) {
  assert.equal(message.content[0].type, 'thinking', 'first block');
  assert.ok(message.content[0].thinking && message.content[0].signature, 'thinking without text or signature');
}

// Providers whose dialect has a `top_k`.
const TOP_K = ['anthropic', 'gemini', 'cohere'];

export async function loss_reported(pair) {
  const { response } = await messagesOf(pair).create(request(pair, 'apricot', { top_k: 5 })).withResponse();
  const loss = response.headers.get('x-bondgate-loss');
  if (TOP_K.includes(pair.provider)) assert.equal(loss, null, 'a loss of nothing');
  else contains(loss, 'top_k', 'x-bondgate-loss');
}

export async function error_bad_parameter(pair) {
  const call = () => messagesOf(pair).create(request(pair, 'x', { stream: 'yes' }));
  const error = await thrown(Anthropic.BadRequestError, call, 'stream of a wrong type');
  checkError(error, 400, 'invalid_request', 'stream of a wrong type');
  assert.equal(error.type, 'invalid_request_error');
}

export async function error_wrong_key(pair) {
  const stranger = messagesOf(pair, { apiKey: `bg-${'x'.repeat(43)}` });
  const error = await thrown(Anthropic.AuthenticationError, () => stranger.create(request(pair)), 'wrong key');
  checkError(error, 401, 'invalid_key', 'wrong key');
}

export async function error_unknown_model(pair) {
  const call = () => messagesOf(pair).create(request(pair, 'x', { model: pair.model.slice(0, -1) }));
  const error = await thrown(Anthropic.NotFoundError, call, 'unknown model');
  checkError(error, 404, 'model_not_found', 'unknown model');
  contains(error.message, pair.model, 'names a near one');
}

export async function raw_response(pair) {
  const { data, response, request_id } = await messagesOf(pair).create(request(pair)).withResponse();
  checkHeaders(response.headers, pair, 'whole');
  assert.ok(request_id && data._request_id, 'no request id');
  const streamed = await messagesOf(pair).create(request(pair, 'apricot', { stream: true })).asResponse();
  checkHeaders(streamed.headers, pair, 'streamed');
  contains(await streamed.text(), 'event: message_stop', 'last event');
}

export async function models(pair) {
  const listed = [];
  for await (const model of library(pair).models.list()) listed.push(model.id);
  assert.ok(listed.includes(pair.model), `${pair.model} is not in ${listed}`);
  assert.equal((await library(pair).models.retrieve(pair.model)).id, pair.model);
}

export async function provider_down(pair) {
  const counting = countingFetch();
  const eager = messagesOf(pair, { maxRetries: 3, fetch: counting });
  const call = () => eager.create(request(pair, 'x', { model: pair.down }));
  const error = await thrown(Anthropic.InternalServerError, call, 'provider down');
  checkError(error, 502, 'provider_failed', 'provider down');
  assert.equal(counting.calls, 1, 'calls made by the library');
}

export async function budget_spent(pair) {
  const counting = countingFetch();
  const poor = messagesOf(pair, { apiKey: `${pair.key}-poor`, maxRetries: 3, fetch: counting });
  let error;
  let before = 0;
  while (!error && before < 10) {
    before = counting.calls;
    await poor.create(request(pair, 'x')).catch((refused) => (error = refused));
  }
  assert.equal(error?.constructor.name, Anthropic.RateLimitError.name, `class of ${error}`);
  checkError(error, 429, 'budget_exceeded', 'budget');
  assert.equal(error.headers.get('x-should-retry'), 'false', 'x-should-retry');
  assert.equal(counting.calls - before, 1, 'calls made by the library');
}

export async function rate_limited(pair) {
  const counting = countingFetch();
  const apiKey = `${pair.key}-busy`;
  const busy = messagesOf(pair, { apiKey, maxRetries: 5 });
  const stream = await busy.create(request(pair, SLOW, { stream: true }));
  const eager = messagesOf(pair, { apiKey, maxRetries: 1, fetch: counting });
  const error = await thrown(Anthropic.RateLimitError, () => eager.create(request(pair, 'x')), 'rate limit');
  stream.controller.abort();
  checkError(error, 429, 'rate_limited', 'rate limit');
  assert.equal(error.headers.get('retry-after'), '1', 'retry-after');
  assert.equal(counting.calls, 2, 'calls made by the library');
}

export async function cut_stream(pair) {
  const seen = [];
  try {
    for await (const event of await messagesOf(pair).create(
      request(pair, LONG_TEXT, { model: pair.cut, stream: true }),
    )) {
      seen.push(event.type);
    }
  } catch (error) {
    assert.ok(!seen.includes('message_stop'), 'message_stop before the failure');
    return `${error.constructor.name}: ${error.message}`;
  }
  assert.fail(`the library saw a clean end, last events ${seen.slice(-3)}`);
}

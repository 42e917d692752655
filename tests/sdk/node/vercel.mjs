// The Vercel AI SDK (`ai`) with its own providers, unmodified, against the gateway.
//
// What an application writes is the same for each provider package, so the cases are, too;
// the packages differ in the dialect that they speak. Each exported function is one case; its
// name is the case's name.

import assert from 'node:assert/strict';
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { LONG_TEXT, Limit, SLOW, contains, refusedAtLast, thrown } from './harness.mjs';

const DIALECTS = {
  'vercel-openai': ({ base }, apiKey) => createOpenAI({ baseURL: `${base}/v1`, apiKey }),
  'vercel-openai-chat': ({ base }, apiKey) => createOpenAI({ baseURL: `${base}/v1`, apiKey }).chat,
  'vercel-openai-compatible': ({ base }, apiKey) =>
    createOpenAICompatible({
      name: 'bondgate',
      baseURL: `${base}/v1`,
      apiKey,
      includeUsage: true,
      supportsStructuredOutputs: true,
    }),
  'vercel-anthropic': ({ base }, apiKey) => createAnthropic({ baseURL: `${base}/v1`, apiKey }),
  'vercel-google': ({ base }, apiKey) => createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey }),
  // What it signs with is of no account; the id is the virtual key.
  'vercel-bedrock': ({ base }, accessKeyId) =>
    createAmazonBedrock({ baseURL: base, region: 'us-east-1', accessKeyId, secretAccessKey: 'not-used' }),
};

function asks(pair, prompt, { model = pair.model, key = pair.key, ...fields } = {}) {
  return { model: DIALECTS[pair.client](pair, key)(model), prompt, maxRetries: 0, ...fields };
}

const TOOLS = {
  get_weather: tool({
    description: 'Weather of a city',
    inputSchema: z.object({ city: z.string(), unit: z.enum(['celsius', 'fahrenheit']) }),
    execute: async () => '21 degrees, sunny',
  }),
};

export async function chat(pair) {
  const answer = await generateText(asks(pair, 'apricot harvest'));
  contains(answer.text, 'apricot harvest', 'text');
  assert.equal(answer.finishReason, 'stop');
  assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 0, 'usage');
}

export async function chat_system(pair) {
  const plain = await generateText(asks(pair, 'apricot'));
  const instructed = await generateText(asks(pair, 'apricot', { system: LONG_TEXT }));
  assert.ok(instructed.usage.inputTokens > plain.usage.inputTokens + 20, 'the provider did not see the system prompt');
}

export async function chat_structured(pair) {
  const person = Output.object({ schema: z.object({ name: z.string(), age: z.number().int() }) });
  const fields = { output: person };
  // Of a model that it does not know, this package asks for one call of a tool and no other.
  const oneTool = pair.client === 'vercel-anthropic' && ['bedrock', 'cohere'].includes(pair.provider);
  if (oneTool) {
    const error = await refused(pair, 400, fields);
    contains(error.message, 'disable_parallel_tool_use dropped', 'message');
    fields.headers = { 'x-bondgate-fidelity': 'permit' };
  }
  const { output } = await generateText(asks(pair, 'a person', fields));
  assert.deepEqual([typeof output.name, Number.isInteger(output.age)], ['string', true]);
  return oneTool ? new Limit('one-tool') : undefined;
}

export async function stream(pair) {
  const whole = await generateText(asks(pair, LONG_TEXT));
  const streamed = streamText(asks(pair, LONG_TEXT));
  let text = '';
  for await (const piece of streamed.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal(await streamed.finishReason, 'stop');
  assert.equal((await streamed.usage).outputTokens, whole.usage.outputTokens);
}

// The SDK's own loop: a call, the tool, the answer that has seen its result.
export async function tools(pair) {
  const loop = { tools: TOOLS, stopWhen: stepCountIs(3) };
  const answer = await generateText(asks(pair, 'USE_TOOL please', loop));
  checkSteps(answer.steps);
  contains(answer.text, '21 degrees', 'the provider saw the result');
}

export async function tools_streamed(pair) {
  const streamed = streamText(asks(pair, 'USE_TOOL please', { tools: TOOLS, stopWhen: stepCountIs(3) }));
  await streamed.consumeStream();
  checkSteps(await streamed.steps);
  contains(await streamed.text, '21 degrees', 'the provider saw the result');
}

function checkSteps(steps) {
  assert.deepEqual(steps.map((step) => step.finishReason), ['tool-calls', 'stop']);
  const [call] = steps[0].toolCalls;
  assert.equal(call.toolName, 'get_weather');
  assert.equal(typeof call.input.city, 'string', 'city');
}

async function refused(pair, status, fields) {
  const error = await thrown(APICallError, () => generateText(asks(pair, 'x', fields)), `status ${status}`);
  assert.equal(error.statusCode, status);
  assert.equal(error.responseHeaders['x-bondgate-request-id']?.length, 26, 'x-bondgate-request-id');
  return error;
}

export async function error_wrong_key(pair) {
  await refused(pair, 401, { key: `bg-${'x'.repeat(43)}` });
}

export async function error_unknown_model(pair) {
  const error = await refused(pair, 404, { model: 'no-such' });
  contains(error.message, 'no-such', 'message');
}

export async function error_bad_parameter(pair) {
  await refused(pair, 400, { headers: { 'x-bondgate-colour': 'red' } });
}

export async function provider_down(pair) {
  await refused(pair, 502, { model: pair.down });
}

export async function budget_spent(pair) {
  const call = () => generateText(asks(pair, 'x', { key: `${pair.key}-poor` }));
  assert.equal((await refusedAtLast(APICallError, call, 'budget')).statusCode, 429);
}

export async function rate_limited(pair) {
  const stop = new AbortController();
  const key = `${pair.key}-busy`;
  const held = streamText(asks(pair, SLOW, { key, abortSignal: stop.signal, onError: () => {} }));
  await held.textStream[Symbol.asyncIterator]().next();
  const error = await refused(pair, 429, { key });
  stop.abort();
  assert.equal(error.responseHeaders['retry-after'], '1');
  assert.ok(error.isRetryable, 'retryable');
}

// A stream cut before its proof must not look finished.
export async function cut_stream(pair) {
  const errors = [];
  const streamed = streamText(asks(pair, LONG_TEXT, { model: pair.cut, onError: ({ error }) => errors.push(error) }));
  const kinds = [];
  try {
    for await (const part of streamed.fullStream) kinds.push(part.type === 'finish' ? part.finishReason : part.type);
  } catch (error) {
    errors.push(error);
  }
  assert.ok(!kinds.includes('stop'), `a clean end: ${kinds.slice(-3)}`);
  assert.ok(errors.length, `no error: ${kinds.slice(-3)}`);
  return String(errors[0]?.message ?? JSON.stringify(errors[0]));
}

export async function cut_whole(pair) {
  await refused(pair, 502, { model: pair.cut });
}

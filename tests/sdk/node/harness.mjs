// What every suite shares: the pairs under test, checks, and one JSON line a case.
//
// A suite is a list of functions that take a pair and throw when the client library saw
// something other than what it should. Nothing here knows a dialect, and no client library
// is changed or patched: the suites use them as an application would.

import assert from 'node:assert/strict';

export const PNG_BASE64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

// Long enough that a limit of a few tokens must cut its echo.
export const LONG_TEXT = Array.from({ length: 60 }, (_, number) => `word${number}`).join(' ');

// A stream of ten seconds.
export const SLOW = '[[chunks=200&gap_ms=50]]';

export const WEATHER_SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
  required: ['city', 'unit'],
  additionalProperties: false,
};

export const PERSON_SCHEMA = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
};

const PROVIDERS = ['chat', 'anthropic', 'responses', 'gemini', 'bedrock', 'cohere'];

// A client library against every provider dialect.
function pairsOf(client) {
  return PROVIDERS.map((provider) => [
    `${client}_to_${provider}`,
    { client, provider, model: `via-${provider}`, cut: `cut-${provider}`, down: `down-${provider}` },
  ]);
}

// What a case returns that asserted a refusal by name: the provider's dialect has no word for
// it. `name` is the note of docs/clients.md that explains it.
export class Limit {
  constructor(name) {
    this.name = name;
  }
}

export function contains(text, part, what) {
  assert.ok((text ?? '').includes(part), `${what}: ${JSON.stringify(part)} is not in ${shown(text)}`);
}

// The error of that very class which `call` must throw.
export async function thrown(errorClass, call, what) {
  let result;
  try {
    result = await call();
  } catch (error) {
    assert.equal(error.constructor.name, errorClass.name, `${what}: class of ${error}`);
    return error;
  }
  assert.fail(`${what}: ${errorClass.name} was not thrown, got ${shown(result)}`);
}

// The refusal of a budget for a few requests.
export async function refusedAtLast(errorClass, call, what) {
  for (let made = 0; made < 10; made += 1) {
    try {
      await call();
    } catch (error) {
      assert.equal(error.constructor.name, errorClass.name, `${what}: class of ${error}`);
      return error;
    }
  }
  assert.fail(`${what}: a budget for a few requests served ten`);
}

// A refusal carries the same facts in every dialect. The OpenAI library hands out the inner
// error object and the Anthropic one the whole body, so the facts may stand at either level.
export function checkError(error, status, code, what) {
  assert.equal(error.status, status, `${what}: status`);
  const facts = error.error?.bondgate ?? error.error?.error?.bondgate;
  const requestId = error.headers.get('x-bondgate-request-id') ?? '';
  assert.equal(requestId.length, 26, `${what}: length of x-bondgate-request-id`);
  assert.ok(error.requestID, `${what}: the client library found no request id`);
  if (facts) {
    assert.equal(facts.code, code, `${what}: bondgate.code`);
    assert.equal(facts.request_id, requestId, `${what}: bondgate.request_id`);
  } else {
    assert.equal(error.code, code, `${what}: code`);
  }
}

// The headers every whole answer has.
export function checkHeaders(headers, pair, what) {
  assert.equal((headers.get('x-bondgate-request-id') ?? '').length, 26, `${what}: x-bondgate-request-id`);
  assert.equal(headers.get('x-bondgate-model'), pair.model, `${what}: x-bondgate-model`);
  contains(headers.get('x-bondgate-target'), '/', `${what}: x-bondgate-target`);
  assert.equal(headers.get('x-bondgate-attempts'), '1', `${what}: x-bondgate-attempts`);
  assert.equal(headers.get('cache-control'), 'no-store', `${what}: cache-control`);
  if (!crosses(pair)) assert.ok(!headers.has('x-bondgate-loss'), `${what}: a loss without a translation`);
}

// Whether the gateway has to translate.
export function crosses(pair) {
  return pair.provider !== (pair.client === 'openai' ? 'chat' : pair.client);
}

export function checkPerson(value, what) {
  assert.deepEqual(Object.keys(value).sort(), ['age', 'name'], `${what}: fields`);
  assert.equal(typeof value.name, 'string', `${what}: name`);
  assert.ok(Number.isInteger(value.age), `${what}: age`);
}

// A fetch that counts, given to a library the way its documentation says.
export function countingFetch() {
  const counting = async (...args) => {
    counting.calls += 1;
    return fetch(...args);
  };
  counting.calls = 0;
  return counting;
}

function shown(value) {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return text.length <= 300 ? text : `${text.slice(0, 300)}… (${text.length} characters)`;
}

export function required(name) {
  const value = process.env[name];
  if (value) return value;
  console.error(`set ${name}`);
  process.exit(2);
}

export function report(fields) {
  process.stdout.write(`${JSON.stringify(fields)}\n`);
}

// Runs each client's suite and sets the process's exit code; `suites` maps a client to its cases.
export async function run(suites) {
  const base = required('BONDGATE_BASE').replace(/\/+$/, '');
  const key = required('BONDGATE_KEY');
  const described = Object.entries(JSON.parse(process.env.BONDGATE_PAIRS || '{}'));
  const only = process.env.BONDGATE_ONLY ?? '';
  let passed = 0;
  let failed = 0;
  for (const [name, fields] of described.length ? described : Object.keys(suites).flatMap(pairsOf)) {
    const pair = { name, base, key, ...fields };
    for (const [title, test] of Object.entries(suites[pair.client])) {
      if (!`${name}/${title}`.includes(only)) continue;
      (await runCase(pair, title, test)) ? (passed += 1) : (failed += 1);
    }
  }
  console.error(`${passed} passed, ${failed} failed`);
  if (passed + failed === 0) console.error(`no case matches BONDGATE_ONLY=${only}`);
  process.exitCode = passed + failed === 0 ? 2 : failed ? 1 : 0;
}

async function runCase(pair, title, test) {
  const start = performance.now();
  let ok = true;
  let limit = null;
  let detail = '';
  try {
    const outcome = await test(pair);
    if (outcome instanceof Limit) limit = outcome.name;
    else detail = outcome ?? '';
  } catch (error) {
    ok = false;
    detail = error instanceof assert.AssertionError ? error.message : `${error?.constructor?.name}: ${error?.message}`;
  }
  const { name, client, provider } = pair;
  report({ case: title, pair: name, client, provider, ok, limit, detail, ms: Math.round(performance.now() - start) });
  return ok;
}

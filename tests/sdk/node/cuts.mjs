// Reads many streams through the official Node libraries and says how each one ended.
//
// The same task, input and output as ../python/cuts.py, which explains them: on stdin a JSON
// list of {client, model, expect: "raised"|"broken"|"whole"}, environment BONDGATE_BASE and
// BONDGATE_KEY, one JSON line a stream on stdout.

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { text } from 'node:stream/consumers';
import { report, required } from './harness.mjs';

const EXPECTED = { raised: ['raised'], broken: ['raised', 'reported'], whole: ['whole'] };
const REQUEST = { messages: [{ role: 'user', content: 'apricot harvest' }], max_tokens: 1000 };

const base = required('BONDGATE_BASE').replace(/\/+$/, '');
const options = { apiKey: required('BONDGATE_KEY'), maxRetries: 0, timeout: 60_000 };
const openai = new OpenAI({ baseURL: `${base}/v1`, ...options });
const anthropic = new Anthropic({ baseURL: base, ...options });
const READERS = { openai: readOpenai, anthropic: readAnthropic };

// Whole when some choice was seen and every one of them has its finish reason.
async function readOpenai(model) {
  const finished = new Map();
  for await (const chunk of await openai.chat.completions.create({ model, stream: true, ...REQUEST })) {
    for (const choice of chunk.choices) finished.set(choice.index, Boolean(choice.finish_reason));
  }
  return finished.size > 0 && [...finished.values()].every(Boolean);
}

// Whole when the message was closed, stop reason included.
async function readAnthropic(model) {
  let stopped = false;
  let reason;
  for await (const event of await anthropic.messages.create({ model, stream: true, ...REQUEST })) {
    if (event.type === 'message_delta') reason = event.delta.stop_reason;
    stopped ||= event.type === 'message_stop';
  }
  return stopped && Boolean(reason);
}

async function ended({ client, model }) {
  try {
    return (await READERS[client](model)) ? ['whole', 'clean end'] : ['reported', 'no finish reason'];
  } catch (error) {
    return ['raised', `${error?.constructor?.name}: ${error?.message}`.slice(0, 300)];
  }
}

const wanted = JSON.parse(await text(process.stdin));
if (!wanted.length || wanted.some((item) => !READERS[item.client] || !EXPECTED[item.expect])) {
  console.error('stdin must hold a list of {client, model, expect}');
  process.exit(2);
}
let failed = 0;
for (const item of wanted) {
  const start = performance.now();
  const [ending, why] = await ended(item);
  const ok = EXPECTED[item.expect].includes(ending);
  if (!ok) failed += 1;
  const detail = `${ending}: ${why}; expected ${item.expect}`;
  report({ case: item.model, pair: item.client, ok, detail, ms: Math.round(performance.now() - start) });
}
console.error(`${wanted.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

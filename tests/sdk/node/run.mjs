// Drives the gateway with Node libraries: every case of every pair.
//
// Arguments: the clients, such as `openai vercel-google`; none: all. Environment: BONDGATE_BASE
// (the gateway's URL), BONDGATE_KEY (a virtual key), BONDGATE_PAIRS (JSON; else each client ×
// provider, see tests/README.md) and BONDGATE_ONLY (a part of `pair/case`, to run a few). One
// JSON line a case on stdout: {case, pair, client, provider, ok, limit, detail, ms}. Exit code 0
// when all passed, 1 when one failed, 2 when used wrongly.

import { run } from './harness.mjs';

// Imported when asked for: most of a run's start is libraries.
const SUITES = {
  openai: './openai.mjs',
  responses: './responses.mjs',
  anthropic: './anthropic.mjs',
  gemini: './gemini.mjs',
  'vercel-openai': './vercel.mjs',
  'vercel-openai-chat': './vercel.mjs',
  'vercel-openai-compatible': './vercel.mjs',
  'vercel-anthropic': './vercel.mjs',
  'vercel-google': './vercel.mjs',
  'vercel-bedrock': './vercel.mjs',
};

const clients = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SUITES);
const unknown = clients.filter((client) => !SUITES[client]);
if (unknown.length) {
  console.error(`no suite for ${unknown.join(', ')}; there are ${Object.keys(SUITES).join(', ')}`);
  process.exit(2);
}
const suites = {};
for (const client of clients) suites[client] = await import(SUITES[client]);
await run(suites);

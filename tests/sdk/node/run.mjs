// Drives the gateway with the official Node libraries: every case of every pair.
//
// Environment: BONDGATE_BASE (the gateway's URL), BONDGATE_KEY (a virtual key),
// BONDGATE_PAIRS (JSON; the four usual pairs by default, see tests/README.md) and
// BONDGATE_ONLY (a part of `pair/case`, to run a few). One JSON line a case on stdout:
// {case, pair, ok, detail, ms}. Exit code 0 when all passed, 1 when one failed, 2 when used wrongly.

import * as anthropic from './anthropic.mjs';
import { run } from './harness.mjs';
import * as openai from './openai.mjs';

await run({ openai, anthropic });

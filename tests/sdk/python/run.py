"""Drives the gateway with the official Python libraries: every case of every pair.

Environment: BONDGATE_BASE (the gateway's URL), BONDGATE_KEY (a virtual key),
BONDGATE_PAIRS (JSON; the four usual pairs by default, see tests/README.md) and
BONDGATE_ONLY (a part of `pair/case`, to run a few). One JSON line a case on stdout:
{case, pair, ok, detail, ms}. Exit code 0 when all passed, 1 when one failed, 2 when used wrongly.
"""

import sys

import anthropic_suite
import harness
import openai_suite

if __name__ == "__main__":
    sys.exit(harness.run({"openai": openai_suite.CASES, "anthropic": anthropic_suite.CASES}))

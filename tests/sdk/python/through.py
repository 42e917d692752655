"""Drives the gateway with the official Python libraries: counts, lists, what passes through.

The environment of `run.py`; the key must name the provider `openai` in its `passthrough`, and no other.
"""

import sys

import harness
import through_suite
from harness import PROVIDERS

SUITES = {
    "counts": through_suite.COUNTS,
    "lists": through_suite.LISTS,
    "passed": through_suite.PASSED,
}


def pair(client, provider):
    return {"client": client, "provider": provider, "model": f"via-{provider}"}


PAIRS = {f"counts_to_{provider}": pair("counts", provider) for provider in PROVIDERS}
PAIRS |= {f"{client}_to_chat": pair(client, "chat") for client in ("lists", "passed")}

if __name__ == "__main__":
    sys.exit(harness.run(SUITES, PAIRS))

"""Drives the gateway with the official Python libraries of the further dialects.

The same as `run.py`, with four other clients against providers of all six dialects. The
environment and what is printed are those of `run.py`.
"""

import sys

import bedrock_suite
import cohere_suite
import gemini_suite
import harness
import responses_suite

SUITES = {
    "gemini": gemini_suite.CASES,
    "bedrock": bedrock_suite.CASES,
    "responses": responses_suite.CASES,
    "cohere": cohere_suite.CASES,
}
PROVIDERS = ("chat", "anthropic", "responses", "gemini", "bedrock", "cohere")
PAIRS = {
    f"{client}_to_{provider}": {
        "client": client,
        "provider": provider,
        "model": f"via-{provider}",
        "cut": f"cut-{provider}",
        "down": f"down-{provider}",
    }
    for client in SUITES
    for provider in PROVIDERS
}

if __name__ == "__main__":
    sys.exit(harness.run(SUITES, PAIRS))

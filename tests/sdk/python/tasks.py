"""Drives the gateway with the official Python libraries in what they do beside chat.

Each library asks a provider of its own dialect, and, of vectors, those of the others too. The
environment and what is printed are those of `run.py`.
"""

import sys

import harness
import tasks_cohere_suite
import tasks_gemini_suite
import tasks_openai_suite

SUITES = {
    "openai": tasks_openai_suite.CASES,
    "gemini": tasks_gemini_suite.CASES,
    "cohere": tasks_cohere_suite.CASES,
}
OWN = {"openai": "chat", "gemini": "gemini", "cohere": "cohere"}
PAIRS = {
    f"{client}_tasks": {"client": client, "provider": provider, "model": f"via-{provider}", "cut": f"cut-{provider}"}
    for client, provider in OWN.items()
}

if __name__ == "__main__":
    sys.exit(harness.run(SUITES, PAIRS))

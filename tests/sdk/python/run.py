"""Drives the gateway with official Python libraries: every case of every pair.

Arguments: the clients, such as `openai gemini`; none: all that SUITES names but the
frameworks, which have packages of their own. Environment: BONDGATE_BASE (the gateway's URL),
BONDGATE_KEY (a virtual key), BONDGATE_PAIRS (JSON; else each client × provider, see
tests/README.md) and BONDGATE_ONLY (a part of `pair/case`, to run a few). One JSON line a case
on stdout: {case, pair, client, provider, ok, limit, detail, ms}. Exit code 0 when all passed,
1 when one failed, 2 when used wrongly.
"""

import importlib
import sys

import harness

# Imported when asked for: most of a run's start is libraries.
SUITES = {
    "openai": "openai_suite",
    "responses": "responses_suite",
    "anthropic": "anthropic_suite",
    "gemini": "gemini_suite",
    "bedrock": "bedrock_suite",
    "cohere": "cohere_suite",
}
FRAMEWORKS = {
    "langchain-openai": "langchain_suite",
    "langchain-anthropic": "langchain_suite",
    **{
        f"pydantic-ai-{dialect}": "pydantic_ai_suite"
        for dialect in ("openai", "responses", "anthropic", "google", "bedrock", "cohere")
    },
}


def main(clients):
    modules = SUITES | FRAMEWORKS
    unknown = [client for client in clients if client not in modules]
    if unknown:
        print(f"no suite for {', '.join(unknown)}; there are {', '.join(modules)}", file=sys.stderr)
        return 2
    return harness.run({client: importlib.import_module(modules[client]).CASES for client in clients})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(SUITES)))

"""What every suite shares: the pairs under test, checks, and one JSON line a case.

A suite is a list of functions that take a `Pair` and raise when the client library saw
something other than what it should. Nothing here knows a dialect, and no client library
is changed or patched: the suites use them as an application would.
"""

import dataclasses
import json
import os
import sys
import time
import traceback
import typing

PROVIDERS = ("chat", "anthropic", "responses", "gemini", "bedrock", "cohere")

# One pixel, as small as a valid PNG gets.
PNG_BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

# Long enough that a limit of a few tokens must cut its echo.
LONG_TEXT = " ".join(f"word{number}" for number in range(60))

# A stream of ten seconds.
SLOW = "[[chunks=200&gap_ms=50]]"

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}

PERSON_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a case returns that asserted a refusal by name: the provider's dialect has no word for it.

    `name` is the note of docs/clients.md that explains it.
    """

    name: str


class CaseFailed(Exception):
    """A check did not hold; the message says which and what was seen."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """A client library against a provider's dialect, and the logical models that make it."""

    name: str
    base: str
    key: str
    client: str
    provider: str
    model: str
    cut: str = ""
    down: str = ""

    def crosses(self):
        """Whether the gateway has to translate."""
        return self.provider != {"openai": "chat"}.get(self.client, self.client)


Case = typing.Callable[[Pair], str | Limit | None]


def pairs_of(clients, providers=PROVIDERS):
    """Every client library against every provider dialect."""
    return {
        f"{client}_to_{provider}": {
            "client": client,
            "provider": provider,
            "model": f"via-{provider}",
            "cut": f"cut-{provider}",
            "down": f"down-{provider}",
        }
        for client in clients
        for provider in providers
    }


def check(condition, what):
    if not condition:
        raise CaseFailed(what)


def equal(actual, expected, what):
    if actual != expected:
        raise CaseFailed(f"{what}: expected {shown(expected)}, got {shown(actual)}")


def contains(text, part, what):
    if part not in (text or ""):
        raise CaseFailed(f"{what}: {shown(part)} is not in {shown(text)}")


def raised(exception_class, call, what):
    """The exception of that very class which `call` must raise."""
    try:
        result = call()
    except exception_class as error:
        equal(type(error).__name__, exception_class.__name__, f"{what}: exception class")
        return error
    raise CaseFailed(f"{what}: {exception_class.__name__} was not raised, got {shown(result)}")


def refused_at_last(call, exception_class, what):
    """The refusal of a budget for a few requests, and how many calls were made before it."""
    for made in range(10):
        try:
            call()
        except exception_class as error:
            return error, made
    raise CaseFailed(f"{what}: a budget for a few requests served ten")


def check_error(error, status, code, what):
    """A refusal carries the same facts in every dialect, whoever the client is."""
    equal(error.status_code, status, f"{what}: status")
    body = error.response.json()
    facts = check_facts(body, error.response.headers, code, what)
    check(error.request_id, f"{what}: the client library found no request id")
    check(body["error"].get("message"), f"{what}: no sentence in {shown(body)}")
    return facts


def check_facts(body, headers, code, what):
    """The `bondgate` object of an error's body, and the header that names the same request."""
    facts = body.get("bondgate") or body.get("error", {}).get("bondgate")
    check(isinstance(facts, dict), f"{what}: no `bondgate` object in {shown(body)}")
    equal(facts.get("code"), code, f"{what}: bondgate.code")
    request_id = headers.get("x-bondgate-request-id", "")
    equal(len(request_id), 26, f"{what}: length of x-bondgate-request-id")
    equal(facts.get("request_id"), request_id, f"{what}: bondgate.request_id")
    return facts


def check_headers(headers, pair, what):
    """The headers every whole answer has."""
    equal(len(headers.get("x-bondgate-request-id", "")), 26, f"{what}: length of x-bondgate-request-id")
    equal(headers.get("x-bondgate-model"), pair.model, f"{what}: x-bondgate-model")
    contains(headers.get("x-bondgate-target"), "/", f"{what}: x-bondgate-target")
    equal(headers.get("x-bondgate-attempts"), "1", f"{what}: x-bondgate-attempts")
    equal(headers.get("cache-control"), "no-store", f"{what}: cache-control")
    if not pair.crosses():
        check("x-bondgate-loss" not in headers, f"{what}: a loss without a translation")


def check_person(value, what):
    """A value that fits PERSON_SCHEMA."""
    check(isinstance(value, dict), f"{what}: not an object: {shown(value)}")
    equal(sorted(value), ["age", "name"], f"{what}: fields")
    check(isinstance(value["name"], str) and isinstance(value["age"], int), f"{what}: types in {shown(value)}")


def check_weather(value, what):
    """Arguments that fit WEATHER_SCHEMA."""
    check(isinstance(value, dict), f"{what}: not an object: {shown(value)}")
    check(isinstance(value.get("city"), str), f"{what}: no city in {shown(value)}")


def shown(value, limit=300):
    text = value if isinstance(value, str) else repr(value)
    return repr(text) if len(text) <= limit else repr(text[:limit]) + f"… ({len(text)} characters)"


def pairs_from_environment(default):
    base, key = required("BONDGATE_BASE").rstrip("/"), required("BONDGATE_KEY")
    described = json.loads(os.environ.get("BONDGATE_PAIRS") or "{}") or default
    try:
        return [Pair(name=name, base=base, key=key, **fields) for name, fields in described.items()]
    except TypeError as error:
        print(f"BONDGATE_PAIRS: {error}", file=sys.stderr)
        sys.exit(2)


def required(name):
    value = os.environ.get(name)
    if not value:
        print(f"set {name}", file=sys.stderr)
        sys.exit(2)
    return value


def run(suites, pairs=None):
    """Runs each pair's suite; returns the process's exit code.

    `suites` maps a client to its cases; `pairs` takes the place of every client × provider.
    BONDGATE_ONLY (a part of `pair/case`) chooses some.
    """
    only = os.environ.get("BONDGATE_ONLY", "")
    passed = failed = 0
    for pair in pairs_from_environment(pairs or pairs_of(suites)):
        for case in suites[pair.client]:
            if only and only not in f"{pair.name}/{case.__name__}":
                continue
            ok = run_case(pair, case)
            passed, failed = passed + ok, failed + (not ok)
    print(f"{passed} passed, {failed} failed", file=sys.stderr)
    if passed + failed == 0:
        print(f"no case matches BONDGATE_ONLY={only}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def run_case(pair, case):
    start = time.monotonic()
    detail, limit, ok = "", None, True
    try:
        outcome = case(pair)
        if isinstance(outcome, Limit):
            limit = outcome.name
        else:
            detail = outcome or ""
    except CaseFailed as failure:
        detail, ok = str(failure), False
    except Exception as error:  # whatever a client library throws is the finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        detail, ok = f"{type(error).__name__}: {error} (at {place.name}:{place.lineno})", False
    took_ms = round((time.monotonic() - start) * 1000)
    where = {"pair": pair.name, "client": pair.client, "provider": pair.provider}
    report(case=case.__name__, **where, ok=ok, limit=limit, detail=detail, ms=took_ms)
    return ok


def report(**fields):
    print(json.dumps(fields), flush=True)

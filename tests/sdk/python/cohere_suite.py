"""The official `cohere` library for Python, unmodified, against the gateway.

Each function is one case; its name is the case's name. The simulated provider echoes the
last user text, calls a tool on `USE_TOOL` and answers the same request always alike, so
that a stream can be compared with the whole answer.
"""

import json

import cohere
import httpx
from cohere.core.api_error import ApiError

from harness import (
    LONG_TEXT,
    SLOW,
    WEATHER_SCHEMA,
    check,
    check_facts,
    check_headers,
    check_weather,
    contains,
    equal,
    raised,
    refused_at_last,
)

TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER_SCHEMA},
    }
]
ONCE = {"max_retries": 0}


def client(pair, key=None):
    return cohere.ClientV2(api_key=key or pair.key, base_url=pair.base, timeout=60, log_warning_experimental_features=False)


def user(text):
    return [{"role": "user", "content": text}]


def ask(pair, messages, **options):
    return client(pair).chat(model=pair.model, messages=messages, request_options=ONCE, **options)


def text_of(answer):
    return "".join(part.text for part in answer.message.content or [] if part.type == "text")


def chat(pair):
    raw = client(pair).with_raw_response.chat(model=pair.model, messages=user("apricot harvest"), request_options=ONCE)
    check_headers(raw.headers, pair, "whole")
    answer = raw.data
    contains(text_of(answer), "apricot harvest", "text")
    equal(answer.message.role, "assistant", "role")
    equal(answer.finish_reason, "COMPLETE", "finish_reason")
    tokens = answer.usage.tokens
    check(tokens.input_tokens > 0 and tokens.output_tokens > 0, f"usage: {answer.usage}")


def system_prompt(pair):
    plain = ask(pair, user("apricot"))
    instructed = ask(pair, [{"role": "system", "content": LONG_TEXT}, *user("apricot")])
    contains(text_of(instructed), "apricot", "text")
    counts = [answer.usage.tokens.input_tokens for answer in (instructed, plain)]
    check(counts[0] > counts[1] + 20, f"the provider did not see the system message: {counts} tokens")


def events(pair, model, text, **options):
    return client(pair).chat_stream(model=model, messages=user(text), request_options=ONCE, **options)


def stream(pair):
    whole = ask(pair, user(LONG_TEXT))
    seen = list(events(pair, pair.model, LONG_TEXT))
    text = "".join(event.delta.message.content.text for event in seen if event.type == "content-delta")
    equal(text, text_of(whole), "joined text")
    equal((seen[0].type, seen[-1].type), ("message-start", "message-end"), "first and last event")
    equal(seen[-1].delta.finish_reason, "COMPLETE", "finish_reason")
    for field in ("input_tokens", "output_tokens"):
        tokens = [usage.tokens for usage in (seen[-1].delta.usage, whole.usage)]
        equal(getattr(tokens[0], field), getattr(tokens[1], field), f"{field} against the whole answer's")


def only(calls):
    equal(len(calls or []), 1, "tool calls")
    return calls[0]


def tools(pair):
    answer = ask(pair, user("USE_TOOL please"), tools=TOOLS)
    equal(answer.finish_reason, "TOOL_CALL", "finish_reason")
    call = only(answer.message.tool_calls)
    check(call.id, "a call without an id")
    equal(call.function.name, "get_weather", "name")
    check_weather(json.loads(call.function.arguments), "arguments")


def tools_streamed(pair):
    whole = only(ask(pair, user("USE_TOOL please"), tools=TOOLS).message.tool_calls)
    seen = list(events(pair, pair.model, "USE_TOOL please", tools=TOOLS))
    call = only([event.delta.message.tool_calls for event in seen if event.type == "tool-call-start"])
    check(call.id, "a streamed call without an id")
    equal(call.function.name, whole.function.name, "name")
    pieces = [event.delta.message.tool_calls.function.arguments for event in seen if event.type == "tool-call-delta"]
    text = (call.function.arguments or "") + "".join(pieces)
    equal(json.loads(text), json.loads(whole.function.arguments), "arguments")
    equal(seen[-1].delta.finish_reason, "TOOL_CALL", "finish_reason")


def tool_result(pair):
    messages = user("USE_TOOL now")
    asked = ask(pair, messages, tools=TOOLS)
    call = only(asked.message.tool_calls)
    result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees, sunny"}
    answer = ask(pair, [*messages, asked.message, result], tools=TOOLS)
    equal(answer.finish_reason, "COMPLETE", "finish_reason after the result")
    contains(text_of(answer), "21 degrees", "the provider saw the result")


def check_error(error, status, code, what):
    equal(error.status_code, status, f"{what}: status")
    check(error.body.get("message"), f"{what}: no sentence in {error.body}")
    return check_facts(error.body, error.headers, code, what)


def error_wrong_key(pair):
    stranger = client(pair, "bg-" + "x" * 43)
    error = raised(
        cohere.UnauthorizedError,
        lambda: stranger.chat(model=pair.model, messages=user("x"), request_options=ONCE),
        "wrong key",
    )
    check_error(error, 401, "invalid_key", "wrong key")


def error_unknown_model(pair):
    for call in (client(pair).chat, lambda **asked: list(client(pair).chat_stream(**asked))):
        error = raised(
            cohere.NotFoundError,
            lambda: call(model="no-such", messages=user("x"), request_options=ONCE),
            "unknown model",
        )
        check_error(error, 404, "model_not_found", "unknown model")


def error_bad_parameter(pair):
    """The library adds what it is told to the body, unchecked."""
    odd = {**ONCE, "additional_body_parameters": {"max_tokens": "many"}}
    error = raised(
        cohere.BadRequestError,
        lambda: client(pair).chat(model=pair.model, messages=user("x"), request_options=odd),
        "a limit of a wrong type",
    )
    equal(error.status_code, 400, "status")
    check(error.body.get("message"), f"no sentence in {error.body}")


def budget_spent(pair):
    poor = client(pair, pair.key + "-poor")
    error, _ = refused_at_last(
        lambda: poor.chat(model=pair.model, messages=user("x"), request_options=ONCE),
        cohere.TooManyRequestsError,
        "budget",
    )
    facts = check_error(error, 429, "budget_exceeded", "budget")
    equal(facts["budget"], "poor", "the budget's name")


def rate_limited(pair):
    busy = client(pair, pair.key + "-busy")
    held = busy.chat_stream(model=pair.model, messages=user(SLOW), request_options=ONCE)
    next(iter(held))
    error = raised(
        cohere.TooManyRequestsError,
        lambda: busy.chat(model=pair.model, messages=user("x"), request_options=ONCE),
        "rate limit",
    )
    held.close()
    check_error(error, 429, "rate_limited", "rate limit")
    equal(error.headers.get("retry-after"), "1", "retry-after")


def provider_down(pair):
    error = raised(
        ApiError,
        lambda: client(pair).chat(model=pair.down, messages=user("x"), request_options=ONCE),
        "provider down",
    )
    check_error(error, 502, "provider_failed", "provider down")


def cut_stream(pair):
    """A stream cut before its proof says so in the vendor's own word, and its body breaks behind that."""
    ends = []

    def read():
        for event in events(pair, pair.cut, LONG_TEXT):
            if event.type == "message-end":
                ends.append(event.delta.finish_reason)

    raised(httpx.RemoteProtocolError, read, "cut stream")
    equal(ends, ["ERROR"], "finish reasons")


def cut_whole(pair):
    error = raised(
        ApiError,
        lambda: client(pair).chat(model=pair.cut, messages=user(LONG_TEXT), request_options=ONCE),
        "cut answer",
    )
    check_error(error, 502, "provider_failed", "cut answer")


CASES = [
    chat, system_prompt, stream, tools, tools_streamed, tool_result,
    error_bad_parameter, error_wrong_key, error_unknown_model, budget_spent, rate_limited, provider_down, cut_stream, cut_whole,
]

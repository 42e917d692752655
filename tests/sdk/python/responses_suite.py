"""The official `openai` library for Python, unmodified, asks the gateway for responses.

Each function is one case; its name is the case's name. The simulated provider echoes the
last user text, calls a tool on `USE_TOOL` and answers the same request always alike, so
that a stream can be compared with the whole answer.
"""

import json

import openai

from harness import (
    LONG_TEXT,
    SLOW,
    WEATHER_SCHEMA,
    check,
    check_error,
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
        "name": "get_weather",
        "description": "Weather of a city",
        "strict": True,
        "parameters": WEATHER_SCHEMA,
    }
]


def client(pair, **options):
    options = {"api_key": pair.key, "max_retries": 0, "timeout": 60, **options}
    return openai.OpenAI(base_url=pair.base + "/v1", **options)


def create(pair, asked, **options):
    return client(pair).responses.create(model=pair.model, input=asked, store=False, **options)


def calls_of(answer):
    return [item for item in answer.output if item.type == "function_call"]


def chat(pair):
    raw = client(pair).responses.with_raw_response.create(model=pair.model, input="apricot harvest", store=False)
    check_headers(raw.headers, pair, "whole")
    answer = raw.parse()
    equal(answer.object, "response", "object")
    equal(answer.status, "completed", "status")
    contains(answer.output_text, "apricot harvest", "text")
    check(answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, f"usage: {answer.usage}")
    equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens, "total_tokens")


def system_prompt(pair):
    plain = create(pair, "apricot")
    instructed = create(pair, "apricot", instructions=LONG_TEXT)
    contains(instructed.output_text, "apricot", "text")
    counts = [answer.usage.input_tokens for answer in (instructed, plain)]
    check(counts[0] > counts[1] + 20, f"the provider did not see the instructions: {counts} tokens")


def stream(pair):
    whole = create(pair, LONG_TEXT)
    text, kinds = "", []
    with client(pair).responses.stream(model=pair.model, input=LONG_TEXT, store=False) as events:
        for event in events:
            kinds.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
        final = events.get_final_response()
    equal(text, whole.output_text, "joined text")
    equal(final.output_text, whole.output_text, "text of the final response")
    equal(final.status, "completed", "status")
    equal((kinds[0], kinds[-1]), ("response.created", "response.completed"), "first and last event")
    for field in ("input_tokens", "output_tokens", "total_tokens"):
        equal(getattr(final.usage, field), getattr(whole.usage, field), f"{field} against the whole answer's")


def only(calls):
    equal(len(calls), 1, "function calls")
    return calls[0]


def tools(pair):
    call = only(calls_of(create(pair, "USE_TOOL please", tools=TOOLS)))
    check(call.call_id, "a call without an id")
    equal(call.name, "get_weather", "name")
    check_weather(json.loads(call.arguments), "arguments")


def tools_streamed(pair):
    whole = only(calls_of(create(pair, "USE_TOOL please", tools=TOOLS)))
    with client(pair).responses.stream(
        model=pair.model, input="USE_TOOL please", tools=TOOLS, store=False
    ) as events:
        text = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
        call = only(calls_of(events.get_final_response()))
    check(call.call_id, "a streamed call without an id")
    equal(call.name, whole.name, "name")
    equal(json.loads(call.arguments), json.loads(whole.arguments), "arguments")
    equal(text, call.arguments, "joined arguments")


def tool_result(pair):
    asked = [{"role": "user", "content": "USE_TOOL now"}]
    answer = create(pair, asked, tools=TOOLS)
    call = only(calls_of(answer))
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees, sunny"}
    turns = [*asked, *(item.model_dump(exclude_none=True) for item in answer.output), result]
    told = create(pair, turns, tools=TOOLS)
    contains(told.output_text, "21 degrees", "the provider saw the result")
    check(not calls_of(told), "called again after the result")


def error_wrong_key(pair):
    stranger = client(pair, api_key="bg-" + "x" * 43)
    error = raised(
        openai.AuthenticationError, lambda: stranger.responses.create(model=pair.model, input="x"), "wrong key"
    )
    check_error(error, 401, "invalid_key", "wrong key")


def error_unknown_model(pair):
    for streamed in (False, True):
        what = f"unknown model, stream {streamed}"
        error = raised(
            openai.NotFoundError,
            lambda: client(pair).responses.create(model="no-such", input="x", stream=streamed),
            what,
        )
        check_error(error, 404, "model_not_found", what)


def error_bad_parameter(pair):
    error = raised(
        openai.BadRequestError,
        lambda: create(pair, "x", extra_body={"stream": "yes"}),
        "stream of a wrong type",
    )
    check_error(error, 400, "invalid_request", "stream of a wrong type")
    contains(str(error), "stream", "message")


def budget_spent(pair):
    poor = client(pair, api_key=pair.key + "-poor").responses
    error, _ = refused_at_last(
        lambda: poor.create(model=pair.model, input="x", store=False), openai.RateLimitError, "budget"
    )
    facts = check_error(error, 429, "budget_exceeded", "budget")
    equal(facts["budget"], "poor", "the budget's name")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")


def rate_limited(pair):
    busy = client(pair, api_key=pair.key + "-busy").responses
    with busy.create(model=pair.model, input=SLOW, store=False, stream=True) as held:
        next(iter(held))
        error = raised(
            openai.RateLimitError, lambda: busy.create(model=pair.model, input="x", store=False), "rate limit"
        )
    check_error(error, 429, "rate_limited", "rate limit")
    equal(error.response.headers.get("retry-after"), "1", "retry-after")


def provider_down(pair):
    error = raised(
        openai.InternalServerError,
        lambda: client(pair).responses.create(model=pair.down, input="x", store=False),
        "provider down",
    )
    check_error(error, 502, "provider_failed", "provider down")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""
    kinds, failed = [], None
    try:
        for event in client(pair).responses.create(model=pair.cut, input=LONG_TEXT, store=False, stream=True):
            kinds.append(event.type)
            failed = event.response.error if event.type == "response.failed" else failed
    except openai.APIError as error:
        failed = error
    check("response.completed" not in kinds, "the library saw a complete response")
    check(failed, f"nothing says that it failed: {kinds}")
    return str(failed)


def cut_stream_collected(pair):
    """What collects a stream for the application has no response to give."""
    with client(pair).responses.stream(model=pair.cut, input=LONG_TEXT, store=False) as events:
        try:
            final = events.get_final_response()
        except (openai.APIError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
    equal(final.status, "failed", "status of the final response")


def cut_whole(pair):
    error = raised(
        openai.InternalServerError,
        lambda: client(pair).responses.create(model=pair.cut, input=LONG_TEXT, store=False),
        "cut answer",
    )
    check_error(error, 502, "provider_failed", "cut answer")


CASES = [
    chat, system_prompt, stream, tools, tools_streamed, tool_result,
    error_bad_parameter, error_wrong_key, error_unknown_model, budget_spent, rate_limited, provider_down, cut_stream, cut_stream_collected, cut_whole,
]

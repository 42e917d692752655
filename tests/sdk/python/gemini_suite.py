"""The official `google-genai` library for Python, unmodified, against the gateway.

Each function is one case; its name is the case's name. The simulated provider echoes the
last user text, calls a tool on `USE_TOOL` and answers the same request always alike, so
that a stream can be compared with the whole answer.
"""

from google import genai
from google.genai import errors, types

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

TOOLS = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather", description="Weather of a city", parameters_json_schema=WEATHER_SCHEMA
        )
    ]
)
WITH_TOOLS = types.GenerateContentConfig(
    tools=[TOOLS], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
)


def client(pair, key=None):
    options = types.HttpOptions(base_url=pair.base, timeout=60_000)
    return genai.Client(api_key=key or pair.key, http_options=options)


def generate(pair, contents, config=None):
    # The client must live as long as its request.
    with client(pair) as plain:
        return plain.models.generate_content(model=pair.model, contents=contents, config=config)


def chunks(pair, contents, config=None):
    with client(pair) as plain:
        return list(plain.models.generate_content_stream(model=pair.model, contents=contents, config=config))


def chat(pair):
    answer = generate(pair, "apricot harvest")
    contains(answer.text, "apricot harvest", "text")
    equal(len(answer.candidates), 1, "candidates")
    equal(answer.candidates[0].content.role, "model", "role")
    equal(answer.candidates[0].finish_reason, types.FinishReason.STOP, "finish_reason")
    usage = answer.usage_metadata
    check(usage.prompt_token_count > 0 and usage.candidates_token_count > 0, f"usage: {usage}")
    equal(usage.total_token_count, usage.prompt_token_count + usage.candidates_token_count, "total_token_count")
    check_headers(answer.sdk_http_response.headers, pair, "whole")


def system_prompt(pair):
    plain = generate(pair, "apricot")
    instructed = generate(pair, "apricot", types.GenerateContentConfig(system_instruction=LONG_TEXT))
    contains(instructed.text, "apricot", "text")
    counts = [answer.usage_metadata.prompt_token_count for answer in (instructed, plain)]
    check(counts[0] > counts[1] + 20, f"the provider did not see the system instruction: {counts} tokens")


def stream(pair):
    whole = generate(pair, LONG_TEXT)
    seen = chunks(pair, LONG_TEXT)
    equal("".join(chunk.text or "" for chunk in seen), whole.text, "joined text")
    finish = [chunk.candidates[0].finish_reason for chunk in seen if chunk.candidates]
    equal([reason for reason in finish if reason], [types.FinishReason.STOP], "finish reasons")
    usage, expected = seen[-1].usage_metadata, whole.usage_metadata
    for field in ("prompt_token_count", "candidates_token_count", "total_token_count"):
        equal(getattr(usage, field), getattr(expected, field), f"{field} against the whole answer's")


def tools(pair):
    call = only(generate(pair, "USE_TOOL please", WITH_TOOLS).function_calls)
    equal(call.name, "get_weather", "name")
    check_weather(call.args, "arguments")


def only(calls):
    equal(len(calls or []), 1, "function calls")
    return calls[0]


def tools_streamed(pair):
    whole = only(generate(pair, "USE_TOOL please", WITH_TOOLS).function_calls)
    seen = chunks(pair, "USE_TOOL please", WITH_TOOLS)
    call = only([call for chunk in seen for call in chunk.function_calls or []])
    equal((call.name, call.args), (whole.name, whole.args), "the call")


def tool_result(pair):
    asked = types.UserContent("USE_TOOL now")
    answer = generate(pair, [asked], WITH_TOOLS)
    call = only(answer.function_calls)
    result = types.Part(
        function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "21 degrees, sunny"})
    )
    contents = [asked, answer.candidates[0].content, types.Content(role="user", parts=[result])]
    told = generate(pair, contents, WITH_TOOLS)
    contains(told.text, "21 degrees", "the provider saw the result")
    check(not told.function_calls, "called again after the result")


def check_error(error, status, code, what):
    equal(error.code, status, f"{what}: code")
    check(error.message, f"{what}: no sentence")
    return check_facts(error.details, error.response.headers, code, what)


def error_wrong_key(pair):
    with client(pair, "bg-" + "x" * 43) as stranger:
        error = raised(
            errors.ClientError,
            lambda: stranger.models.generate_content(model=pair.model, contents="x"),
            "wrong key",
        )
    check_error(error, 401, "invalid_key", "wrong key")
    equal(error.status, "UNAUTHENTICATED", "status")


def error_unknown_model(pair):
    with client(pair) as plain:
        for call in (plain.models.generate_content, plain.models.generate_content_stream):
            error = raised(
                errors.ClientError, lambda: list(call(model="no-such", contents="x")), f"unknown model, {call.__name__}"
            )
            check_error(error, 404, "model_not_found", call.__name__)
            equal(error.status, "NOT_FOUND", "status")


def error_bad_parameter(pair):
    """The library adds what it is told to the body, unchecked."""
    odd = types.GenerateContentConfig(
        http_options=types.HttpOptions(extra_body={"generationConfig": {"maxOutputTokens": "many"}})
    )
    error = raised(errors.ClientError, lambda: generate(pair, "x", odd), "a limit of a wrong type")
    equal((error.code, error.status), (400, "INVALID_ARGUMENT"), "code and status")
    check(error.message, "no sentence")


def budget_spent(pair):
    with client(pair, pair.key + "-poor") as poor:
        error, _ = refused_at_last(
            lambda: poor.models.generate_content(model=pair.model, contents="x"), errors.ClientError, "budget"
        )
    facts = check_error(error, 429, "budget_exceeded", "budget")
    equal(facts["budget"], "poor", "the budget's name")
    equal(error.status, "RESOURCE_EXHAUSTED", "status")


def rate_limited(pair):
    with client(pair, pair.key + "-busy") as busy:
        held = busy.models.generate_content_stream(model=pair.model, contents=SLOW)
        next(held)
        error = raised(
            errors.ClientError, lambda: busy.models.generate_content(model=pair.model, contents="x"), "rate limit"
        )
        held.close()
    check_error(error, 429, "rate_limited", "rate limit")
    equal(error.status, "RESOURCE_EXHAUSTED", "status")
    equal(error.response.headers.get("retry-after"), "1", "retry-after")


def provider_down(pair):
    with client(pair) as plain:
        error = raised(
            errors.ServerError, lambda: plain.models.generate_content(model=pair.down, contents="x"), "provider down"
        )
    check_error(error, 502, "provider_failed", "provider down")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""
    finish = []
    with client(pair) as plain:
        try:
            for chunk in plain.models.generate_content_stream(model=pair.cut, contents=LONG_TEXT):
                finish += [one.finish_reason for one in chunk.candidates or [] if one.finish_reason]
        except errors.APIError as error:
            equal(finish, [], "finish reasons before the failure")
            return f"{type(error).__name__}: {error.message}"
    check(False, f"the library saw a clean end, finish reasons {finish}")


def cut_whole(pair):
    with client(pair) as plain:
        error = raised(
            errors.ServerError, lambda: plain.models.generate_content(model=pair.cut, contents=LONG_TEXT), "cut answer"
        )
    check_error(error, 502, "provider_failed", "cut answer")


CASES = [
    chat, system_prompt, stream, tools, tools_streamed, tool_result,
    error_bad_parameter, error_wrong_key, error_unknown_model, budget_spent, rate_limited, provider_down, cut_stream, cut_whole,
]

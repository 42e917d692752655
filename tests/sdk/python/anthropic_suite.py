"""The official `anthropic` library for Python, unmodified, against the gateway.

Each function is one case; its name is the case's name. The simulated provider echoes the
last user text, calls a tool on `USE_TOOL` (n of them on `USE_TOOLS n`) and answers the
same request always alike, so that a stream can be compared with the whole answer. As
Anthropic does, it refuses thinking whose signature is missing or changed.
"""

import asyncio
import json

import anthropic
import pydantic

from harness import (
    LONG_TEXT,
    PERSON_SCHEMA,
    PNG_BASE64,
    SLOW,
    WEATHER_SCHEMA,
    Limit,
    check,
    check_error,
    check_headers,
    check_person,
    check_weather,
    contains,
    equal,
    raised,
    refused_at_last,
)

TOOLS = [{"name": "get_weather", "description": "Weather of a city", "input_schema": WEATHER_SCHEMA}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


class Person(pydantic.BaseModel):
    name: str
    age: int


def client(pair, **options):
    options = {"api_key": pair.key, "max_retries": 0, "timeout": 60, **options}
    return anthropic.Anthropic(base_url=pair.base, **options)


def user(text):
    return [{"role": "user", "content": text}]


def request(pair, text="apricot", **fields):
    return {"model": pair.model, "max_tokens": 1000, "messages": user(text), **fields}


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def calls_of(message):
    return [block for block in message.content if block.type == "tool_use"]


def chat(pair):
    message = client(pair).messages.create(**request(pair, "apricot harvest"))
    equal((message.type, message.role), ("message", "assistant"), "type and role")
    check(message.id, "no id")
    check(message.model, "no model")
    contains(text_of(message), "apricot harvest", "text")
    equal(message.stop_reason, "end_turn", "stop_reason")
    check(message.usage.input_tokens > 0 and message.usage.output_tokens > 0, f"usage: {message.usage}")


def bearer_token(pair):
    bearer = anthropic.Anthropic(base_url=pair.base, auth_token=pair.key, api_key=None, max_retries=0)
    contains(text_of(bearer.messages.create(**request(pair))), "apricot", "text")


def system_prompt(pair):
    plain = client(pair).messages.create(**request(pair))
    for system in (LONG_TEXT, [{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}]):
        message = client(pair).messages.create(**request(pair, system=system))
        contains(text_of(message), "apricot", "text")
        usage = message.usage
        seen = usage.input_tokens + (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        check(
            seen > plain.usage.input_tokens + 20,
            f"the provider did not see the system prompt: {seen} tokens with it, "
            f"{plain.usage.input_tokens} without",
        )


def unicode_text(pair):
    text = "naïve 日本語 🦀 back\\slash \"quoted\" line\nend"
    contains(text_of(client(pair).messages.create(**request(pair, text))), text, "text")


def stream(pair):
    whole = client(pair).messages.create(**request(pair, LONG_TEXT))
    with client(pair).messages.stream(**request(pair, LONG_TEXT)) as events:
        joined = "".join(events.text_stream)
        final = events.get_final_message()
    equal(joined, text_of(whole), "joined text")
    equal(text_of(final), text_of(whole), "final text")
    equal(final.stop_reason, whole.stop_reason, "stop_reason")


def stream_grammar(pair):
    """The raw events stand in the order that the dialect prescribes."""
    kinds, opened = [], []
    for event in client(pair).messages.create(**request(pair, "USE_TOOLS 2", tools=TOOLS), stream=True):
        kinds.append(event.type)
        if event.type == "content_block_start":
            opened.append(event.index)
        elif event.type in ("content_block_delta", "content_block_stop"):
            equal(event.index, opened[-1], f"index of {event.type}")
    equal(kinds[0], "message_start", "first event")
    equal(kinds[-2:], ["message_delta", "message_stop"], "last events")
    equal(opened, list(range(len(opened))), "block indexes")
    equal(kinds.count("content_block_start"), kinds.count("content_block_stop"), "blocks closed")


def stream_usage(pair):
    whole = client(pair).messages.create(**request(pair, LONG_TEXT))
    delta = None
    with client(pair).messages.stream(**request(pair, LONG_TEXT)) as events:
        for event in events:
            delta = event.usage if event.type == "message_delta" else delta
        final = events.get_final_message()
    check(delta, "no message_delta")
    equal(delta.output_tokens, whole.usage.output_tokens, "output_tokens of message_delta")
    equal(final.usage.input_tokens, whole.usage.input_tokens, "input_tokens")


def tools(pair):
    equal(len(tool_calls(pair, "USE_TOOL please")), 1, "tool calls")


def tools_parallel(pair):
    calls = tool_calls(pair, "USE_TOOLS 2")
    equal(len(calls), 2, "tool calls")
    check(calls[0].id != calls[1].id, "two calls share an id")


def tool_calls(pair, text):
    message = client(pair).messages.create(**request(pair, text, tools=TOOLS))
    equal(message.stop_reason, "tool_use", "stop_reason")
    calls = calls_of(message)
    check(calls, "no tool call")
    for call in calls:
        check(call.id, "a call without an id")
        equal(call.name, "get_weather", "name")
        check_weather(call.input, "input")
    return calls


def tool_result(pair):
    for text, count in (("USE_TOOL now", 1), ("USE_TOOLS 2", 2)):
        asked = client(pair).messages.create(**request(pair, text, tools=TOOLS))
        equal(len(calls_of(asked)), count, "tool calls")
        answered(pair, client(pair).messages.create(**after_tools(pair, text, asked, tools=TOOLS)))


def after_tools(pair, text, asked, **fields):
    """The request that brings the results of every call, the assistant's turn sent back as it came."""
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees, sunny"} for call in calls_of(asked)
    ]
    turn = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]}
    messages = [*user(text), turn, {"role": "user", "content": results}]
    return {**request(pair, **fields), "messages": messages}


def answered(pair, message):
    equal(message.stop_reason, "end_turn", "stop_reason after the result")
    contains(text_of(message), "21 degrees", "the provider saw the result")
    check(not calls_of(message), "called again after the result")


def tool_choice(pair):
    for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
        message = client(pair).messages.create(**request(pair, "USE_TOOL", tools=TOOLS, tool_choice=choice))
        equal(calls_of(message)[0].name, "get_weather", f"name with {choice}")


def tools_streamed(pair):
    for text in ("USE_TOOL please", "USE_TOOLS 2"):
        whole = tool_calls(pair, text)
        parts = {}
        with client(pair).messages.stream(**request(pair, text, tools=TOOLS)) as events:
            for event in events:
                if event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                    parts[event.index] = parts.get(event.index, "") + event.delta.partial_json
            final = events.get_final_message()
        equal(final.stop_reason, "tool_use", "stop_reason")
        expected = [call.input for call in whole]
        equal([call.input for call in calls_of(final)], expected, "accumulated inputs")
        equal([json.loads(part) for part in parts.values()], expected, "joined inputs")
        equal([call.name for call in calls_of(final)], [call.name for call in whole], "names")


def image(pair):
    parts = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}},
        {"type": "text", "text": "apricot picture"},
    ]
    message = client(pair).messages.create(**{**request(pair), "messages": user(parts)})
    contains(text_of(message), "apricot picture", "text")
    contains(text_of(message), "[image image/png", "the provider saw the image")


def json_schema(pair):
    message = client(pair).messages.create(
        **request(pair, "a person", output_config={"format": {"type": "json_schema", "schema": PERSON_SCHEMA}})
    )
    check_person(json.loads(text_of(message)), "text")


def json_schema_parsed(pair):
    message = client(pair).messages.parse(**request(pair, "a person", output_format=Person))
    check(isinstance(message.parsed_output, Person), "nothing was parsed")


def stop_sequence(pair):
    fields = request(pair, "alpha bravo charlie delta", stop_sequences=["charlie"])
    if pair.provider == "responses":
        error = raised(anthropic.BadRequestError, lambda: client(pair).messages.create(**fields), "stop")
        check_error(error, 400, "cannot_translate", "stop")
        contains(str(error), "stop_sequences dropped", "message")
        return Limit("stop")
    message = client(pair).messages.create(**fields)
    contains(text_of(message), "alpha bravo", "text")
    check("charlie" not in text_of(message) and "delta" not in text_of(message), f"did not stop: {text_of(message)}")
    if not pair.crosses():
        equal((message.stop_reason, message.stop_sequence), ("stop_sequence", "charlie"), "stop")


def max_tokens(pair):
    message = client(pair).messages.create(**{**request(pair, LONG_TEXT), "max_tokens": 20})
    equal(message.stop_reason, "max_tokens", "stop_reason")
    check(message.usage.output_tokens <= 20, f"{message.usage.output_tokens} tokens")


def thinking(pair):
    """A tool loop with thinking goes through when the blocks are sent back as they came."""
    fields = {"tools": TOOLS, "thinking": THINKING, "max_tokens": 4000}
    asked = client(pair).messages.create(**request(pair, "USE_TOOL please", **fields))
    equal(asked.stop_reason, "tool_use", "stop_reason")
    if pair.provider == "anthropic":
        signed(asked)
    answered(pair, client(pair).messages.create(**after_tools(pair, "USE_TOOL please", asked, **fields)))


def thinking_streamed(pair):
    fields = {"tools": TOOLS, "thinking": THINKING, "max_tokens": 4000}
    with client(pair).messages.stream(**request(pair, "USE_TOOL please", **fields)) as events:
        asked = events.get_final_message()
    if pair.provider == "anthropic":
        signed(asked)
    answered(pair, client(pair).messages.create(**after_tools(pair, "USE_TOOL please", asked, **fields)))


def thinking_forged(pair):
    """The provider, not the gateway, judges a signature; its refusal reaches the client."""
    if pair.provider != "anthropic":
        return "the provider's dialect has no signatures"
    fields = {"tools": TOOLS, "thinking": THINKING, "max_tokens": 4000}
    asked = client(pair).messages.create(**request(pair, "USE_TOOL please", **fields))
    signed(asked).signature = "Zm9yZ2Vk"
    error = raised(
        anthropic.BadRequestError,
        lambda: client(pair).messages.create(**after_tools(pair, "USE_TOOL please", asked, **fields)),
        "forged signature",
    )
    contains(str(error), "signature", "message")


def signed(message):
    block = message.content[0]
    equal(block.type, "thinking", "first block")
    check(block.thinking, "empty thinking")
    check(block.signature, "no signature")
    return block


# Providers whose dialect has a `top_k`.
TOP_K = ("anthropic", "gemini", "cohere")


def loss_reported(pair):
    raw = client(pair).messages.with_raw_response.create(**request(pair, extra_body={"top_k": 5}))
    contains(text_of(raw.parse()), "apricot", "text")
    if pair.provider in TOP_K:
        check("x-bondgate-loss" not in raw.headers, f"a loss of nothing: {raw.headers.get('x-bondgate-loss')}")
    else:
        contains(raw.headers.get("x-bondgate-loss"), "top_k", "x-bondgate-loss")


def loss_refused(pair):
    def strict():
        return client(pair).messages.create(
            **request(pair, extra_body={"top_k": 5}, extra_headers={"x-bondgate-fidelity": "strict"})
        )

    if pair.provider in TOP_K:
        contains(text_of(strict()), "apricot", "text")
    else:
        error = raised(anthropic.BadRequestError, strict, "strict fidelity")
        check_error(error, 400, "cannot_translate", "strict fidelity")
        contains(str(error), "top_k", "message")


def error_bad_parameter(pair):
    error = raised(
        anthropic.BadRequestError,
        lambda: client(pair).messages.create(**request(pair, extra_body={"stream": "yes"})),
        "stream of a wrong type",
    )
    check_error(error, 400, "invalid_request", "stream of a wrong type")
    equal(error.type, "invalid_request_error", "type")
    contains(str(error), "stream", "message")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")


def error_messages(pair):
    error = raised(
        anthropic.BadRequestError,
        lambda: client(pair).messages.create(**{**request(pair), "messages": "not a list"}),
        "messages of a wrong type",
    )
    check(error.body["error"].get("message"), "no sentence")
    if pair.crosses():
        contains(str(error), "messages", "message")


def error_of_provider(pair):
    """A refusal by the provider arrives as one, and is not tried again."""
    orphan = [{"type": "tool_result", "tool_use_id": "call_of_nobody", "content": "21 degrees"}]
    error = raised(
        anthropic.BadRequestError,
        lambda: client(pair).messages.create(**{**request(pair), "messages": user(orphan)}),
        "result without its call",
    )
    check(error.body["error"].get("message"), "no sentence")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    equal(len(error.response.headers.get("x-bondgate-request-id", "")), 26, "length of x-bondgate-request-id")


def error_unknown_header(pair):
    error = raised(
        anthropic.BadRequestError,
        lambda: client(pair).messages.create(**request(pair, extra_headers={"x-bondgate-colour": "red"})),
        "unknown header",
    )
    check_error(error, 400, "invalid_request", "unknown header")
    contains(str(error), "x-bondgate-colour", "message")


def error_wrong_key(pair):
    stranger = client(pair, api_key="bg-" + "x" * 43)
    error = raised(
        anthropic.AuthenticationError, lambda: stranger.messages.create(**request(pair)), "wrong key"
    )
    check_error(error, 401, "invalid_key", "wrong key")
    equal(error.type, "authentication_error", "type")


def error_unknown_model(pair):
    error = raised(
        anthropic.NotFoundError,
        lambda: client(pair).messages.create(**{**request(pair), "model": pair.model[:-1]}),
        "unknown model",
    )
    check_error(error, 404, "model_not_found", "unknown model")
    equal(error.type, "not_found_error", "type")
    contains(str(error), pair.model, "names a near one")


def error_in_stream_request(pair):
    def call():
        with client(pair).messages.stream(**{**request(pair), "model": "no-such"}) as events:
            events.get_final_message()

    error = raised(anthropic.NotFoundError, call, "unknown model, streaming")
    check_error(error, 404, "model_not_found", "unknown model, streaming")


def raw_response(pair):
    raw = client(pair).messages.with_raw_response.create(**request(pair))
    equal(raw.status_code, 200, "status")
    check_headers(raw.headers, pair, "whole")
    check(raw.headers.get("request-id"), "no request-id")
    message = raw.parse()
    contains(text_of(message), "apricot", "text")
    check(message._request_id, "the library found no request id")
    with client(pair).messages.with_streaming_response.create(**request(pair), stream=True) as streamed:
        check_headers(streamed.headers, pair, "streamed")
        contains(streamed.headers.get("content-type"), "text/event-stream", "content-type")
        lines = [line for line in streamed.iter_lines() if line.startswith("event:")]
    equal(lines[-1], "event: message_stop", "last event")


def models(pair):
    listed = [model.id for model in client(pair).models.list()]
    check(pair.model in listed, f"{pair.model} is not in {listed}")
    equal(client(pair).models.retrieve(pair.model).id, pair.model, "retrieved id")
    raised(anthropic.NotFoundError, lambda: client(pair).models.retrieve("no-such"), "unknown model")


def provider_down(pair):
    """The gateway has retried already and says so: the library must not do it again."""
    calls = []
    counting = anthropic.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    eager = client(pair, max_retries=3, http_client=counting)
    error = raised(
        anthropic.InternalServerError,
        lambda: eager.messages.create(**{**request(pair), "model": pair.down}),
        "provider down",
    )
    check_error(error, 502, "provider_failed", "provider down")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    equal(len(calls), 1, "calls made by the library")


def budget_spent(pair):
    """A spent budget has no room before its reset: the library must not ask again."""
    calls = []
    counting = anthropic.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    poor = client(pair, api_key=pair.key + "-poor", max_retries=3, http_client=counting)
    error, made = refused_at_last(
        lambda: poor.messages.create(**request(pair, "x")), anthropic.RateLimitError, "budget"
    )
    facts = check_error(error, 429, "budget_exceeded", "budget")
    equal(facts["budget"], "poor", "the budget's name")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    equal(len(calls) - made, 1, "calls made by the library")


def rate_limited(pair):
    """A limit that is free again soon is worth a retry, after the time that the gateway names."""
    calls, key = [], pair.key + "-busy"
    counting = anthropic.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    with client(pair, api_key=key, max_retries=5).messages.create(**request(pair, SLOW, stream=True)) as stream:
        next(iter(stream))
        eager = client(pair, api_key=key, max_retries=1, http_client=counting)
        error = raised(
            anthropic.RateLimitError,
            lambda: eager.messages.create(**request(pair, "x")),
            "rate limit",
        )
    check_error(error, 429, "rate_limited", "rate limit")
    equal(error.response.headers.get("retry-after"), "1", "retry-after")
    equal(len(calls), 2, "calls made by the library")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""
    seen = []
    try:
        with client(pair).messages.stream(**{**request(pair, LONG_TEXT), "model": pair.cut}) as events:
            for event in events:
                seen.append(event.type)
    except anthropic.APIError as error:
        check("message_stop" not in seen, "message_stop before the failure")
        return f"{type(error).__name__}: {error}"
    check(False, f"the library saw a clean end, last events {seen[-3:]}")


def cut_whole(pair):
    error = raised(
        anthropic.InternalServerError,
        lambda: client(pair).messages.create(**{**request(pair, LONG_TEXT), "model": pair.cut}),
        "cut whole answer",
    )
    check_error(error, 502, "provider_failed", "cut whole answer")


def async_client(pair):
    async def talk():
        async with anthropic.AsyncAnthropic(base_url=pair.base, api_key=pair.key, max_retries=0) as plain:
            fields = request(pair, LONG_TEXT)
            whole = await plain.messages.create(**fields)
            async with plain.messages.stream(**fields) as events:
                text = "".join([part async for part in events.text_stream])
            equal(text, text_of(whole), "joined text")
            several = await asyncio.gather(*(plain.messages.create(**fields) for _ in range(8)))
            equal({text_of(each) for each in several}, {text}, "eight at once")

    asyncio.run(talk())


CASES = [
    chat, bearer_token, system_prompt, unicode_text, stream, stream_grammar, stream_usage,
    tools, tools_parallel, tool_result, tool_choice, tools_streamed, image, json_schema, json_schema_parsed,
    stop_sequence, max_tokens, thinking, thinking_streamed, thinking_forged, loss_reported, loss_refused,
    error_bad_parameter, error_messages, error_of_provider, error_unknown_header, error_wrong_key,
    error_unknown_model, error_in_stream_request, raw_response, models, provider_down, budget_spent, rate_limited, cut_stream, cut_whole,
    async_client,
]

"""The official `openai` library for Python, unmodified, against the gateway.

Each function is one case; its name is the case's name. The simulated provider echoes the
last user text, calls a tool on `USE_TOOL` (n of them on `USE_TOOLS n`) and answers the
same request always alike, so that a stream can be compared with the whole answer.
"""

import asyncio
import json

import openai
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

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "strict": True,
            "parameters": WEATHER_SCHEMA,
        },
    }
]


class Person(pydantic.BaseModel):
    name: str
    age: int


def client(pair, **options):
    options = {"api_key": pair.key, "max_retries": 0, "timeout": 60, **options}
    return openai.OpenAI(base_url=pair.base + "/v1", **options)


def user(text):
    return [{"role": "user", "content": text}]


def chat(pair):
    answer = client(pair).chat.completions.create(model=pair.model, messages=user("apricot harvest"))
    equal(answer.object, "chat.completion", "object")
    check(answer.id, "no id")
    check(answer.model, "no model")
    equal(len(answer.choices), 1, "choices")
    choice = answer.choices[0]
    equal(choice.message.role, "assistant", "role")
    contains(choice.message.content, "apricot harvest", "content")
    equal(choice.finish_reason, "stop", "finish_reason")
    check(answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0, f"usage: {answer.usage}")
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens, "total_tokens")


def base_url_without_version(pair):
    plain = openai.OpenAI(base_url=pair.base, api_key=pair.key, max_retries=0)
    answer = plain.chat.completions.create(model=pair.model, messages=user("apricot"))
    contains(answer.choices[0].message.content, "apricot", "content")


def system_prompt(pair):
    plain = client(pair).chat.completions.create(model=pair.model, messages=user("apricot"))
    for role in ("system", "developer"):
        instructed = client(pair).chat.completions.create(
            model=pair.model, messages=[{"role": role, "content": LONG_TEXT}, *user("apricot")]
        )
        contains(instructed.choices[0].message.content, "apricot", f"content after a {role} message")
        check(
            instructed.usage.prompt_tokens > plain.usage.prompt_tokens + 20,
            f"the provider did not see the {role} message: {instructed.usage.prompt_tokens} tokens "
            f"with it, {plain.usage.prompt_tokens} without",
        )


def unicode_text(pair):
    text = "naïve 日本語 🦀 back\\slash \"quoted\" line\nend"
    answer = client(pair).chat.completions.create(model=pair.model, messages=user(text))
    contains(answer.choices[0].message.content, text, "content")


def stream(pair):
    request = {"model": pair.model, "messages": user(LONG_TEXT)}
    whole = client(pair).chat.completions.create(**request)
    text, finish = "", []
    for chunk in client(pair).chat.completions.create(**request, stream=True):
        equal(chunk.object, "chat.completion.chunk", "object")
        check(chunk.usage is None, "usage was sent without being asked for")
        check(chunk.choices, "a chunk without a choice was sent without being asked for")
        text += chunk.choices[0].delta.content or ""
        finish += [chunk.choices[0].finish_reason] if chunk.choices[0].finish_reason else []
    equal(text, whole.choices[0].message.content, "joined text")
    equal(finish, [whole.choices[0].finish_reason], "finish reasons")


def stream_usage(pair):
    request = {"model": pair.model, "messages": user(LONG_TEXT)}
    whole = client(pair).chat.completions.create(**request)
    chunks = list(
        client(pair).chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
    )
    equal(len([chunk for chunk in chunks if chunk.usage]), 1, "chunks with usage")
    last = chunks[-1]
    equal(last.choices, [], "choices of the usage chunk")
    for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
        equal(getattr(last.usage, field), getattr(whole.usage, field), f"{field} against the whole answer's")


def tools(pair):
    call = tool_call_of(pair, "USE_TOOL please")[0]
    equal(call.type, "function", "type")


def tools_parallel(pair):
    calls = tool_call_of(pair, "USE_TOOLS 2", parallel_tool_calls=True)
    equal(len(calls), 2, "tool calls")
    check(calls[0].id != calls[1].id, "two calls share an id")


def tool_call_of(pair, text, **options):
    answer = client(pair).chat.completions.create(model=pair.model, messages=user(text), tools=TOOLS, **options)
    equal(answer.choices[0].finish_reason, "tool_calls", "finish_reason")
    calls = answer.choices[0].message.tool_calls or []
    check(calls, "no tool call")
    for call in calls:
        check(call.id, "a call without an id")
        equal(call.function.name, "get_weather", "name")
        check_weather(json.loads(call.function.arguments), "arguments")
    return calls


def tool_result(pair):
    for text, count in (("USE_TOOL now", 1), ("USE_TOOLS 2", 2)):
        messages = user(text)
        asked = client(pair).chat.completions.create(model=pair.model, messages=messages, tools=TOOLS)
        message = asked.choices[0].message
        equal(len(message.tool_calls), count, "tool calls")
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees, sunny"})
        answer = client(pair).chat.completions.create(model=pair.model, messages=messages, tools=TOOLS)
        equal(answer.choices[0].finish_reason, "stop", "finish_reason after the result")
        contains(answer.choices[0].message.content, "21 degrees", "the provider saw the result")
        check(not answer.choices[0].message.tool_calls, "called again after the result")


def tool_choice(pair):
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        answer = client(pair).chat.completions.create(
            model=pair.model, messages=user("USE_TOOL"), tools=TOOLS, tool_choice=choice
        )
        equal(answer.choices[0].message.tool_calls[0].function.name, "get_weather", f"name with {choice}")


def tools_streamed(pair):
    for text in ("USE_TOOL please", "USE_TOOLS 2"):
        whole = tool_call_of(pair, text)
        with client(pair).chat.completions.stream(model=pair.model, messages=user(text), tools=TOOLS) as events:
            for _ in events:
                pass
            final = events.get_final_completion()
        equal(final.choices[0].finish_reason, "tool_calls", "finish_reason")
        calls = final.choices[0].message.tool_calls or []
        equal(len(calls), len(whole), "streamed calls")
        for streamed, expected in zip(calls, whole, strict=True):
            check(streamed.id, "a streamed call without an id")
            equal(streamed.function.name, expected.function.name, "name")
            equal(json.loads(streamed.function.arguments), json.loads(expected.function.arguments), "arguments")


def image(pair):
    parts = [
        {"type": "text", "text": "apricot picture"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_BASE64}"}},
    ]
    answer = client(pair).chat.completions.create(model=pair.model, messages=[{"role": "user", "content": parts}])
    contains(answer.choices[0].message.content, "apricot picture", "content")
    contains(answer.choices[0].message.content, "[image image/png", "the provider saw the image")


def json_schema(pair):
    answer = client(pair).chat.completions.create(
        model=pair.model,
        messages=user("a person"),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "strict": True, "schema": PERSON_SCHEMA},
        },
    )
    check_person(json.loads(answer.choices[0].message.content), "content")


def json_schema_parsed(pair):
    answer = client(pair).chat.completions.parse(
        model=pair.model, messages=user("a person"), response_format=Person
    )
    check(isinstance(answer.choices[0].message.parsed, Person), "nothing was parsed")


def stop_sequence(pair):
    request = {"model": pair.model, "messages": user("alpha bravo charlie delta"), "stop": ["charlie"]}
    chats = client(pair).chat.completions
    if pair.provider == "responses":
        error = raised(openai.BadRequestError, lambda: chats.create(**request), "stop")
        check_error(error, 400, "cannot_translate", "stop")
        contains(str(error), "stop dropped", "message")
        return Limit("stop")
    answer = chats.create(**request)
    text = answer.choices[0].message.content
    contains(text, "alpha bravo", "content")
    check("charlie" not in text and "delta" not in text, f"did not stop: {text}")
    equal(answer.choices[0].finish_reason, "stop", "finish_reason")


def max_tokens(pair):
    for name in ("max_completion_tokens", "max_tokens"):
        answer = client(pair).chat.completions.create(model=pair.model, messages=user(LONG_TEXT), **{name: 20})
        equal(answer.choices[0].finish_reason, "length", f"finish_reason with {name}")
        check(answer.usage.completion_tokens <= 20, f"{answer.usage.completion_tokens} tokens with {name}")


def reasoning(pair):
    """A reasoning model's answer keeps its text apart, and its tool loop goes through."""
    messages, message, _ = reasoning_turn(pair)
    if pair.provider == "anthropic":
        details = (message.model_extra or {}).get("reasoning_details")
        check(details, f"no reasoning_details in {message.model_extra}")
        check(any(detail.get("signature") for detail in details), f"no signature in {details}")
    raw = reasoning_answer(pair, messages, message.model_dump(exclude_none=True))
    check_kept(pair, raw.headers.get("x-bondgate-loss", ""))


def reasoning_dropped(pair):
    """A client that does not send reasoning back gets an answer: the gateway has kept what its provider wants."""
    messages, message, _ = reasoning_turn(pair)
    kept = message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    raw = reasoning_answer(pair, messages, kept)
    if pair.provider == "anthropic":
        contains(raw.headers.get("x-bondgate-loss"), "reasoning_effort approximated", "x-bondgate-loss")


# What a provider's dialect does not take of reasoning, and is named for.
NOT_TAKEN = {
    "gemini": "messages[1].content[0] dropped: past reasoning stays with its provider",
    "bedrock": "reasoning_effort dropped: this model is not known to take it",
}


def check_kept(pair, loss):
    """What the client sent back was used; only the word for the effort may become a number."""
    lost = [item for item in loss.split("; ") if "reasoning" in item]
    lost = [item for item in lost if not item.startswith("reasoning_effort approximated: ")]
    lost = [item for item in lost if item != NOT_TAKEN.get(pair.provider)]
    check(not lost, f"reasoning was kept by the client and lost all the same: {lost}")


def reasoning_turn(pair):
    messages = user("USE_TOOL please")
    raw = client(pair).chat.completions.with_raw_response.create(
        model=pair.model, messages=messages, tools=TOOLS, reasoning_effort="high"
    )
    message = raw.parse().choices[0].message
    check(message.tool_calls, "no tool call")
    return messages, message, raw.headers


def reasoning_answer(pair, messages, assistant):
    result = {"role": "tool", "tool_call_id": assistant["tool_calls"][0]["id"], "content": "21 degrees"}
    raw = client(pair).chat.completions.with_raw_response.create(
        model=pair.model, messages=[*messages, assistant, result], tools=TOOLS, reasoning_effort="high"
    )
    contains(raw.parse().choices[0].message.content, "21 degrees", "the provider saw the result")
    return raw


def reasoning_streamed(pair):
    """What a client collects from the deltas can be sent back as a whole message's could."""
    if pair.provider != "anthropic":
        return "the provider's dialect has no signatures"
    details, calls, messages = [], {}, user("USE_TOOL please")
    for chunk in client(pair).chat.completions.create(
        model=pair.model, messages=messages, tools=TOOLS, reasoning_effort="high", stream=True
    ):
        delta = chunk.choices[0].delta
        details += (delta.model_extra or {}).get("reasoning_details") or []
        for part in delta.tool_calls or []:
            empty = {"type": "function", "id": "", "function": {"name": "", "arguments": ""}}
            call = calls.setdefault(part.index, empty)
            call["id"] += part.id or ""
            call["function"]["name"] += part.function.name or ""
            call["function"]["arguments"] += part.function.arguments or ""
    check(any(detail.get("signature") for detail in details), f"no signature in {details}")
    assistant = {"role": "assistant", "tool_calls": list(calls.values()), "reasoning_details": details}
    raw = reasoning_answer(pair, messages, assistant)
    check_kept(pair, raw.headers.get("x-bondgate-loss", ""))


# Providers whose dialect has a seed.
SEEDED = ("chat", "gemini", "cohere")


def loss_reported(pair):
    raw = client(pair).chat.completions.with_raw_response.create(
        model=pair.model, messages=user("apricot"), seed=7
    )
    contains(raw.parse().choices[0].message.content, "apricot", "content")
    if pair.provider in SEEDED:
        check("x-bondgate-loss" not in raw.headers, f"a loss of nothing: {raw.headers.get('x-bondgate-loss')}")
    else:
        contains(raw.headers.get("x-bondgate-loss"), "seed", "x-bondgate-loss")


def loss_refused(pair):
    def strict():
        return client(pair).chat.completions.create(
            model=pair.model, messages=user("apricot"), seed=7, extra_headers={"x-bondgate-fidelity": "strict"}
        )

    if pair.provider in SEEDED:
        contains(strict().choices[0].message.content, "apricot", "content")
    else:
        error = raised(openai.BadRequestError, strict, "strict fidelity")
        check_error(error, 400, "cannot_translate", "strict fidelity")
        contains(str(error), "seed", "message")


def error_bad_parameter(pair):
    def call():
        return client(pair).chat.completions.create(
            model=pair.model, messages=user("x"), extra_body={"stream": "yes"}
        )

    error = raised(openai.BadRequestError, call, "stream of a wrong type")
    check_error(error, 400, "invalid_request", "stream of a wrong type")
    equal(error.code, "invalid_request", "code")
    contains(str(error), "stream", "message")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")


def error_messages(pair):
    def call():
        return client(pair).chat.completions.create(model=pair.model, messages="not a list")

    error = raised(openai.BadRequestError, call, "messages of a wrong type")
    check(error.body.get("message"), "no sentence")
    if pair.crosses():
        contains(str(error), "messages", "message")


def error_of_provider(pair):
    """A refusal by the provider arrives as one, and is not tried again."""
    orphan = [*user("x"), {"role": "tool", "tool_call_id": "call_of_nobody", "content": "21 degrees"}]
    error = raised(
        openai.BadRequestError,
        lambda: client(pair).chat.completions.create(model=pair.model, messages=orphan),
        "result without its call",
    )
    check(error.body.get("message"), "no sentence")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    equal(len(error.response.headers.get("x-bondgate-request-id", "")), 26, "length of x-bondgate-request-id")


def error_unknown_header(pair):
    def call():
        return client(pair).chat.completions.create(
            model=pair.model, messages=user("x"), extra_headers={"x-bondgate-colour": "red"}
        )

    error = raised(openai.BadRequestError, call, "unknown header")
    check_error(error, 400, "invalid_request", "unknown header")
    contains(str(error), "x-bondgate-colour", "message")


def error_wrong_key(pair):
    stranger = client(pair, api_key="bg-" + "x" * 43)
    error = raised(
        openai.AuthenticationError,
        lambda: stranger.chat.completions.create(model=pair.model, messages=user("x")),
        "wrong key",
    )
    check_error(error, 401, "invalid_key", "wrong key")
    equal(error.code, "invalid_key", "code")


def error_unknown_model(pair):
    error = raised(
        openai.NotFoundError,
        lambda: client(pair).chat.completions.create(model=pair.model[:-1], messages=user("x")),
        "unknown model",
    )
    check_error(error, 404, "model_not_found", "unknown model")
    equal(error.code, "model_not_found", "code")
    contains(str(error), pair.model, "names a near one")


def error_in_stream_request(pair):
    error = raised(
        openai.NotFoundError,
        lambda: client(pair).chat.completions.create(model="no-such", messages=user("x"), stream=True),
        "unknown model, streaming",
    )
    check_error(error, 404, "model_not_found", "unknown model, streaming")


def raw_response(pair):
    raw = client(pair).chat.completions.with_raw_response.create(model=pair.model, messages=user("apricot"))
    equal(raw.status_code, 200, "status")
    check_headers(raw.headers, pair, "whole")
    check(raw.headers.get("x-request-id"), "no x-request-id")
    answer = raw.parse()
    contains(answer.choices[0].message.content, "apricot", "content")
    check(answer._request_id, "the library found no request id")
    with client(pair).chat.completions.with_streaming_response.create(
        model=pair.model, messages=user("apricot"), stream=True
    ) as streamed:
        check_headers(streamed.headers, pair, "streamed")
        contains(streamed.headers.get("content-type"), "text/event-stream", "content-type")
        lines = [line for line in streamed.iter_lines() if line]
    equal(lines[-1], "data: [DONE]", "last line")


def models(pair):
    listed = [model.id for model in client(pair).models.list()]
    check(pair.model in listed, f"{pair.model} is not in {listed}")
    equal(client(pair).models.retrieve(pair.model).id, pair.model, "retrieved id")
    raised(openai.NotFoundError, lambda: client(pair).models.retrieve("no-such"), "unknown model")


def provider_down(pair):
    """The gateway has retried already and says so: the library must not do it again."""
    calls = []
    counting = openai.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    eager = client(pair, max_retries=3, http_client=counting)
    error = raised(
        openai.InternalServerError,
        lambda: eager.chat.completions.create(model=pair.down, messages=user("x")),
        "provider down",
    )
    check_error(error, 502, "provider_failed", "provider down")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    equal(len(calls), 1, "calls made by the library")


def budget_spent(pair):
    """A spent budget has no room before its reset: the library must not ask again."""
    calls = []
    counting = openai.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    poor = client(pair, api_key=pair.key + "-poor", max_retries=3, http_client=counting)
    error, made = refused_at_last(
        lambda: poor.chat.completions.create(model=pair.model, messages=user("x")), openai.RateLimitError, "budget"
    )
    facts = check_error(error, 429, "budget_exceeded", "budget")
    equal(facts["budget"], "poor", "the budget's name")
    equal(error.response.headers.get("x-should-retry"), "false", "x-should-retry")
    equal(len(calls) - made, 1, "calls made by the library")


def rate_limited(pair):
    """A limit that is free again soon is worth a retry, after the time that the gateway names."""
    calls, key = [], pair.key + "-busy"
    counting = openai.DefaultHttpxClient(event_hooks={"request": [calls.append]})
    with client(pair, api_key=key, max_retries=5).chat.completions.create(model=pair.model, messages=user(SLOW), stream=True) as stream:
        next(iter(stream))
        eager = client(pair, api_key=key, max_retries=1, http_client=counting)
        error = raised(
            openai.RateLimitError,
            lambda: eager.chat.completions.create(model=pair.model, messages=user("x")),
            "rate limit",
        )
    check_error(error, 429, "rate_limited", "rate limit")
    equal(error.response.headers.get("retry-after"), "1", "retry-after")
    equal(len(calls), 2, "calls made by the library")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""
    seen = []

    def read():
        for chunk in client(pair).chat.completions.create(model=pair.cut, messages=user(LONG_TEXT), stream=True):
            seen.extend(choice.finish_reason for choice in chunk.choices if choice.finish_reason)

    try:
        read()
    except openai.APIError as error:
        equal(seen, [], "finish reasons before the failure")
        return f"{type(error).__name__}: {error}"
    check(False, f"the library saw a clean end, finish reasons {seen}")


def cut_whole(pair):
    error = raised(
        openai.InternalServerError,
        lambda: client(pair).chat.completions.create(model=pair.cut, messages=user(LONG_TEXT)),
        "cut whole answer",
    )
    check_error(error, 502, "provider_failed", "cut whole answer")


def async_client(pair):
    async def talk():
        async with openai.AsyncOpenAI(base_url=pair.base + "/v1", api_key=pair.key, max_retries=0) as plain:
            request = {"model": pair.model, "messages": user(LONG_TEXT)}
            whole = await plain.chat.completions.create(**request)
            text = ""
            async for chunk in await plain.chat.completions.create(**request, stream=True):
                text += chunk.choices[0].delta.content or ""
            equal(text, whole.choices[0].message.content, "joined text")
            several = await asyncio.gather(*(plain.chat.completions.create(**request) for _ in range(8)))
            equal({each.choices[0].message.content for each in several}, {text}, "eight at once")

    asyncio.run(talk())


CASES = [
    chat, base_url_without_version, system_prompt, unicode_text, stream, stream_usage,
    tools, tools_parallel, tool_result, tool_choice, tools_streamed, image, json_schema, json_schema_parsed,
    stop_sequence, max_tokens, reasoning, reasoning_dropped, reasoning_streamed, loss_reported, loss_refused,
    error_bad_parameter, error_messages, error_of_provider, error_unknown_header, error_wrong_key,
    error_unknown_model, error_in_stream_request, raw_response, models, provider_down, budget_spent, rate_limited, cut_stream, cut_whole,
    async_client,
]

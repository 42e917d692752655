"""The official Python libraries against a real engine, through the gateway.

The engine is tests/engine/serve.py, reached as two models: `engine-chat` in OpenAI's dialect
and `engine-anthropic` in Anthropic's. Its model has random weights, so what it says means
nothing; without sampling it says the same each time, and a grammar still holds it to a
schema. Environment, output and exit codes are those of run.py.
"""

import json
import sys

import anthropic
import openai

import harness
from harness import PERSON_SCHEMA, check, check_person, equal

PAIRS = {
    f"{client}_to_engine_{provider}": {"client": client, "provider": provider, "model": f"engine-{provider}"}
    for client in ("openai", "anthropic")
    for provider in ("chat", "anthropic")
}

MESSAGES = [{"role": "user", "content": "tell me of water and land"}]
CITY = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Paris"]}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
# The token `<tool_call>` of the engine's model, which it would hardly ever choose by itself.
CALL_A_TOOL = {"5": 100}


def openai_client(pair):
    return openai.OpenAI(base_url=pair.base + "/v1", api_key=pair.key, max_retries=0, timeout=60)


def anthropic_client(pair):
    return anthropic.Anthropic(base_url=pair.base, api_key=pair.key, max_retries=0, timeout=60)


def openai_request(pair, **fields):
    return {"model": pair.model, "messages": MESSAGES, "max_tokens": 24, "temperature": 0, **fields}


def anthropic_request(pair, **fields):
    return {"model": pair.model, "messages": MESSAGES, "max_tokens": 24, "extra_body": {"temperature": 0}, **fields}


def openai_chat(pair):
    """A stream with its usage is the whole answer, told in pieces."""
    chats = openai_client(pair).chat.completions
    whole = chats.create(**openai_request(pair))
    check(whole.choices[0].message.content, "no text")
    check(whole.usage.prompt_tokens > 5 and whole.usage.completion_tokens > 0, f"usage: {whole.usage}")
    text, finish, usage = "", None, None
    for chunk in chats.create(**openai_request(pair, stream=True, stream_options={"include_usage": True})):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    equal(text, whole.choices[0].message.content, "joined text")
    equal(finish, whole.choices[0].finish_reason, "finish_reason")
    check(usage, "no usage in the stream")
    equal(usage.completion_tokens, whole.usage.completion_tokens, "completion_tokens")


def openai_json_schema(pair):
    if pair.provider != "chat":
        return "this engine takes no schema in that dialect"
    schema = {**PERSON_SCHEMA, "properties": {"name": {"enum": ["Ada", "Bo"]}, "age": {"enum": [1, 2]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    answer = openai_client(pair).chat.completions.create(
        **openai_request(pair, response_format=wanted, max_tokens=200)
    )
    check_person(json.loads(answer.choices[0].message.content), "content")


def openai_tools(pair):
    """Calls are the same whole and streamed, and their results may be sent back.

    So weighted, the model calls until its limit: the last call is broken off and left out.
    """
    if pair.provider != "chat":
        return "tokens cannot be weighted in that dialect"
    chats = openai_client(pair).chat.completions
    request = openai_request(pair, tools=TOOLS, logit_bias=CALL_A_TOOL, max_tokens=200)
    whole = chats.create(**request).choices[0]
    equal(whole.finish_reason, "length", "finish_reason")
    complete = whole.message.tool_calls[:-1]
    check(complete, f"no complete tool call: {whole.message}")
    streamed = {}
    for chunk in chats.create(**request, stream=True):
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            name, arguments = streamed.get(call.index, ("", ""))
            streamed[call.index] = (name + (call.function.name or ""), arguments + (call.function.arguments or ""))
    equal(len(streamed), len(complete) + 1, "streamed calls")
    for call, (name, arguments) in zip(complete, streamed.values(), strict=False):
        equal((name, arguments), (call.function.name, call.function.arguments), "streamed call")
        check(json.loads(arguments)["city"] in ("Oslo", "Paris"), f"arguments: {arguments}")
    turn = {"role": "assistant", "tool_calls": [call.model_dump(exclude_none=True) for call in complete]}
    results = [{"role": "tool", "tool_call_id": call.id, "content": "21 degrees"} for call in complete]
    answer = chats.create(**openai_request(pair, messages=[*MESSAGES, turn, *results], tools=TOOLS, tool_choice="none"))
    check(answer.choices[0].message.content, "no text after the results")


def anthropic_chat(pair):
    """A stream is the whole answer, told in pieces."""
    messages = anthropic_client(pair).messages
    whole = messages.create(**anthropic_request(pair))
    text = "".join(block.text for block in whole.content)
    check(text, "no text")
    read = whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0)
    check(read > 5 and whole.usage.output_tokens > 0, f"usage: {whole.usage}")
    with messages.stream(**anthropic_request(pair)) as events:
        equal("".join(events.text_stream), text, "joined text")
        final = events.get_final_message()
    equal(final.stop_reason, whole.stop_reason, "stop_reason")
    equal(final.usage.output_tokens, whole.usage.output_tokens, "output_tokens")


def openai_too_long(pair):
    """The engine's refusal of a prompt longer than its context arrives as one."""
    endless = [{"role": "user", "content": "water and land " * 20000}]
    error = harness.raised(
        openai.BadRequestError,
        lambda: openai_client(pair).chat.completions.create(**openai_request(pair, messages=endless)),
        "too long",
    )
    check("context" in str(error), f"does not name the context: {error}")


def anthropic_too_long(pair):
    """The engine's refusal of a prompt longer than its context arrives as one."""
    endless = [{"role": "user", "content": "water and land " * 20000}]
    error = harness.raised(
        anthropic.BadRequestError,
        lambda: anthropic_client(pair).messages.create(**anthropic_request(pair, messages=endless)),
        "too long",
    )
    check("context" in str(error), f"does not name the context: {error}")


SUITES = {
    "openai": [openai_chat, openai_json_schema, openai_tools, openai_too_long],
    "anthropic": [anthropic_chat, anthropic_too_long],
}

if __name__ == "__main__":
    sys.exit(harness.run(SUITES, PAIRS))

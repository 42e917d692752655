"""The official Python libraries against a real engine, through the gateway.

The engine is tests/engine/serve.py, reached as three models: `engine-chat`, `engine-anthropic`
and `engine-responses`, each in that dialect. Its model has random weights, so what it says
means nothing; without sampling it says the same each time, and a grammar still holds it to a
schema, or to the call of a tool. Environment, output and exit codes are those of run.py.
"""

import json
import sys

import harness
from engine_clients import CITY, CLIENTS
from harness import PERSON_SCHEMA, check, check_person, equal
from openai_suite import client as openai_client

PROVIDERS = ("chat", "anthropic")
PAIRS = {
    f"{client}_to_engine_{provider}": {"client": client, "provider": provider, "model": f"engine-{provider}"}
    for client in CLIENTS
    for provider in PROVIDERS
}

TEXT = "tell me of water and land"
MESSAGES = [{"role": "user", "content": TEXT}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
# The token `<tool_call>` of the engine's model, which it would hardly ever choose by itself.
CALL_A_TOOL = {"5": 100}


def chat(pair):
    whole = CLIENTS[pair.client][0](pair, TEXT)
    check(whole.text and whole.output_tokens > 0, f"said: {whole}")


def stream(pair):
    """A stream is the whole answer, told in pieces."""
    whole, streamed, _ = CLIENTS[pair.client]
    equal(streamed(pair, TEXT), whole(pair, TEXT), "streamed against whole")


def tools(pair):
    said = CLIENTS[pair.client][0](pair, TEXT, tool=True)
    check_call(said)


def tools_streamed(pair):
    whole, streamed, _ = CLIENTS[pair.client]
    said = streamed(pair, TEXT, tool=True)
    check_call(said)
    equal(said.calls, whole(pair, TEXT, tool=True).calls, "streamed calls against whole")


def check_call(said):
    equal([name for name, _ in said.calls], ["get_weather"], "names")
    check(said.calls[0][1].get("city") in ("Oslo", "Paris"), f"arguments: {said.calls}")


def error_too_long(pair):
    """The engine's refusal of a prompt longer than its context arrives as one."""
    whole, _, refusal = CLIENTS[pair.client]
    try:
        answer = whole(pair, "water and land " * 20000)
    except refusal as error:
        check("context" in str(error), f"does not name the context: {error}")
        return
    raise harness.CaseFailed(f"not refused: {harness.shown(answer)}")


def openai_request(pair, **fields):
    return {"model": pair.model, "messages": MESSAGES, "max_tokens": 24, "temperature": 0, **fields}


def chat_schema(pair):
    if pair.provider != "chat":
        return "this engine takes no schema in that dialect"
    schema = {**PERSON_SCHEMA, "properties": {"name": {"enum": ["Ada", "Bo"]}, "age": {"enum": [1, 2]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    answer = openai_client(pair).chat.completions.create(
        **openai_request(pair, response_format=wanted, max_tokens=200)
    )
    check_person(json.loads(answer.choices[0].message.content), "content")


def tools_parallel(pair):
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


EVERYWHERE = [chat, stream, tools, tools_streamed, error_too_long]
SUITES = {client: EVERYWHERE for client in CLIENTS}
SUITES["openai"] = [*EVERYWHERE, chat_schema, tools_parallel]

if __name__ == "__main__":
    sys.exit(harness.run(SUITES, PAIRS))

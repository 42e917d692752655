"""LangChain's chat models, unmodified, against the gateway.

`langchain-openai` asks by OpenAI's chat, `langchain-anthropic` by Anthropic's messages; what
an application writes is the same for both. Each function is one case; its name is the case's
name.
"""

import anthropic
import openai
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from harness import (
    LONG_TEXT,
    CaseFailed,
    check,
    check_error,
    check_weather,
    contains,
    equal,
    refused_at_last,
)

# Each package raises what the official library below it raises, as a class derived from that.
BELOW = {"langchain-openai": openai, "langchain-anthropic": anthropic}


@tool
def get_weather(city: str, unit: str) -> str:
    """Weather of a city"""
    return "21 degrees, sunny"


class Person(BaseModel):
    name: str
    age: int


def model(pair, **options):
    options = {"model": pair.model, "api_key": pair.key, "max_retries": 0, "timeout": 60, **options}
    if pair.client == "langchain-openai":
        return ChatOpenAI(base_url=pair.base + "/v1", stream_usage=True, **options)
    return ChatAnthropic(base_url=pair.base, max_tokens=1000, **options)


def refused(pair, name, call, what):
    """The exception of that class of the library below."""
    try:
        answer = call()
    except getattr(BELOW[pair.client], name) as error:
        return error
    raise CaseFailed(f"{what}: {name} was not raised, got {answer!r}")


def text_of(message):
    """Joined, since one package gives a string and the other may give blocks."""
    return "".join(block["text"] for block in message.content_blocks if block["type"] == "text")


def chat(pair):
    answer = model(pair).invoke("apricot harvest")
    contains(text_of(answer), "apricot harvest", "text")
    usage = answer.usage_metadata
    check(usage["input_tokens"] > 0 and usage["output_tokens"] > 0, f"usage: {usage}")


def chat_system(pair):
    plain = model(pair).invoke("apricot")
    instructed = model(pair).invoke([SystemMessage(LONG_TEXT), HumanMessage("apricot")])
    counts = [answer.usage_metadata["input_tokens"] for answer in (instructed, plain)]
    check(counts[0] > counts[1] + 20, f"the provider did not see the system message: {counts} tokens")


def chat_structured(pair):
    answer = model(pair).with_structured_output(Person, method="json_schema").invoke("a person")
    check(isinstance(answer, Person), f"nothing was parsed: {answer!r}")


def stream(pair):
    whole = model(pair).invoke(LONG_TEXT)
    total = None
    for chunk in model(pair).stream(LONG_TEXT):
        total = chunk if total is None else total + chunk
    equal(text_of(total), text_of(whole), "joined text")
    equal(total.usage_metadata["output_tokens"], whole.usage_metadata["output_tokens"], "output_tokens")


def tools(pair):
    """The whole loop: a call, the tool, the answer that has seen its result."""
    for text, count in (("USE_TOOL now", 1), ("USE_TOOLS 2", 2)):
        bound = model(pair).bind_tools([get_weather])
        asked = bound.invoke(text)
        equal([call["name"] for call in asked.tool_calls], ["get_weather"] * count, "names")
        for call in asked.tool_calls:
            check_weather(call["args"], "arguments")
        results = [get_weather.invoke(call) for call in asked.tool_calls]
        check(all(isinstance(result, ToolMessage) for result in results), f"results: {results}")
        answer = bound.invoke([HumanMessage(text), asked, *results])
        contains(text_of(answer), "21 degrees", "the provider saw the result")
        equal(answer.tool_calls, [], "calls after the result")


def tools_streamed(pair):
    bound = model(pair).bind_tools([get_weather])
    whole = bound.invoke("USE_TOOLS 2")
    total = None
    for chunk in bound.stream("USE_TOOLS 2"):
        total = chunk if total is None else total + chunk
    facts = [[(call["name"], call["args"]) for call in answer.tool_calls] for answer in (total, whole)]
    equal(facts[0], facts[1], "calls")


def error_wrong_key(pair):
    stranger = model(pair, api_key="bg-" + "x" * 43)
    error = refused(pair, "AuthenticationError", lambda: stranger.invoke("x"), "wrong key")
    check_error(error, 401, "invalid_key", "wrong key")


def error_unknown_model(pair):
    unknown = model(pair, model="no-such")
    for call in (unknown.invoke, lambda text: list(unknown.stream(text))):
        error = refused(pair, "NotFoundError", lambda: call("x"), "unknown model")
        check_error(error, 404, "model_not_found", "unknown model")


def error_bad_parameter(pair):
    odd = model(pair).bind(stop=7) if pair.client == "langchain-openai" else model(pair).bind(stop_sequences=7)
    error = refused(pair, "BadRequestError", lambda: odd.invoke("x"), "stop of a wrong type")
    equal(error.status_code, 400, "status")


def budget_spent(pair):
    poor = model(pair, api_key=pair.key + "-poor")
    error, _ = refused_at_last(lambda: poor.invoke("x"), BELOW[pair.client].RateLimitError, "budget")
    check_error(error, 429, "budget_exceeded", "budget")


def provider_down(pair):
    error = refused(pair, "InternalServerError", lambda: model(pair, model=pair.down).invoke("x"), "down")
    check_error(error, 502, "provider_failed", "provider down")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""
    ends = []
    try:
        for chunk in model(pair, model=pair.cut).stream(LONG_TEXT):
            facts = chunk.response_metadata
            ends += [end for end in (facts.get("finish_reason"), facts.get("stop_reason")) if end]
    except BELOW[pair.client].APIError as error:
        equal(ends, [], "ends before the failure")
        return f"{type(error).__name__}: {error}"
    check(False, f"LangChain saw a clean end, {ends}")


def cut_whole(pair):
    cut = model(pair, model=pair.cut)
    error = refused(pair, "InternalServerError", lambda: cut.invoke(LONG_TEXT), "cut answer")
    check_error(error, 502, "provider_failed", "cut answer")


CASES = [
    chat, chat_system, chat_structured, stream, tools, tools_streamed,
    error_wrong_key, error_unknown_model, error_bad_parameter, budget_spent, provider_down, cut_stream, cut_whole,
]

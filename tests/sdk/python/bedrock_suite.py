"""The official `boto3` library for Python, unmodified, against the gateway.

Each function is one case; its name is the case's name. The simulated provider echoes the
last user text, calls a tool on `USE_TOOL` and answers the same request always alike, so
that a stream can be compared with the whole answer.
"""

import functools
import json
import os

import boto3
from botocore.config import Config
from botocore.exceptions import EventStreamError

from harness import (
    LONG_TEXT,
    SLOW,
    WEATHER_SCHEMA,
    check,
    check_headers,
    check_weather,
    contains,
    equal,
    raised,
    refused_at_last,
)

TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "Weather of a city",
                "inputSchema": {"json": WEATHER_SCHEMA},
            }
        }
    ]
}


def client(pair, key=None):
    return connected(pair.base, key or pair.key)


@functools.cache
def connected(base, key):
    """Over TLS the virtual key is a bearer token, which the library sends over nothing else.

    In the clear it is the id of the access key; what that signs with is of no account.
    """
    shown = {"aws_access_key_id": key, "aws_secret_access_key": "not-used"}
    if base.startswith("https://"):
        os.environ["AWS_BEARER_TOKEN_BEDROCK"], shown = key, {}
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=base,
        **shown,
        # What it would refuse by itself shall reach the gateway.
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60, parameter_validation=False),
    )


def user(text):
    return [{"role": "user", "content": [{"text": text}]}]


def converse(pair, messages, **options):
    return client(pair).converse(modelId=pair.model, messages=messages, **options)


def text_of(answer):
    return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])


def calls_of(answer):
    return [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]


def chat(pair):
    answer = converse(pair, user("apricot harvest"))
    contains(text_of(answer), "apricot harvest", "text")
    equal(answer["output"]["message"]["role"], "assistant", "role")
    equal(answer["stopReason"], "end_turn", "stopReason")
    usage = answer["usage"]
    check(usage["inputTokens"] > 0 and usage["outputTokens"] > 0, f"usage: {usage}")
    equal(usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"], "totalTokens")
    check("latencyMs" in answer["metrics"], f"metrics: {answer['metrics']}")
    check_headers(answer["ResponseMetadata"]["HTTPHeaders"], pair, "whole")


def system_prompt(pair):
    plain = converse(pair, user("apricot"))
    instructed = converse(pair, user("apricot"), system=[{"text": LONG_TEXT}])
    contains(text_of(instructed), "apricot", "text")
    counts = [answer["usage"]["inputTokens"] for answer in (instructed, plain)]
    check(counts[0] > counts[1] + 20, f"the provider did not see the system prompt: {counts} tokens")


def events(pair, model, text, **options):
    return client(pair).converse_stream(modelId=model, messages=user(text), **options)["stream"]


def stream(pair):
    whole = converse(pair, user(LONG_TEXT))
    seen = list(events(pair, pair.model, LONG_TEXT))
    deltas = [event["contentBlockDelta"]["delta"] for event in seen if "contentBlockDelta" in event]
    equal("".join(delta.get("text", "") for delta in deltas), text_of(whole), "joined text")
    stops = [event["messageStop"]["stopReason"] for event in seen if "messageStop" in event]
    equal(stops, ["end_turn"], "stop reasons")
    equal(next(iter(seen[0])), "messageStart", "first event")
    equal(next(iter(seen[-1])), "metadata", "last event")
    for field in ("inputTokens", "outputTokens", "totalTokens"):
        equal(seen[-1]["metadata"]["usage"][field], whole["usage"][field], f"{field} against the whole answer's")


def only(calls):
    equal(len(calls), 1, "tool calls")
    return calls[0]


def tools(pair):
    answer = converse(pair, user("USE_TOOL please"), toolConfig=TOOLS)
    equal(answer["stopReason"], "tool_use", "stopReason")
    call = only(calls_of(answer))
    check(call["toolUseId"], "a call without an id")
    equal(call["name"], "get_weather", "name")
    check_weather(call["input"], "input")


def tools_streamed(pair):
    whole = only(calls_of(converse(pair, user("USE_TOOL please"), toolConfig=TOOLS)))
    seen = list(events(pair, pair.model, "USE_TOOL please", toolConfig=TOOLS))
    starts = [event["contentBlockStart"]["start"] for event in seen if "contentBlockStart" in event]
    call = only([start["toolUse"] for start in starts if "toolUse" in start])
    check(call["toolUseId"], "a streamed call without an id")
    equal(call["name"], whole["name"], "name")
    deltas = [event["contentBlockDelta"]["delta"] for event in seen if "contentBlockDelta" in event]
    text = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    equal(json.loads(text), whole["input"], "input")
    stops = [event["messageStop"]["stopReason"] for event in seen if "messageStop" in event]
    equal(stops, ["tool_use"], "stop reasons")


def tool_result(pair):
    messages = user("USE_TOOL now")
    asked = converse(pair, messages, toolConfig=TOOLS)
    call = only(calls_of(asked))
    result = {"toolUseId": call["toolUseId"], "content": [{"text": "21 degrees, sunny"}]}
    messages += [asked["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    answer = converse(pair, messages, toolConfig=TOOLS)
    equal(answer["stopReason"], "end_turn", "stopReason after the result")
    contains(text_of(answer), "21 degrees", "the provider saw the result")


def check_error(error, status, what):
    """The library keeps the sentence and the headers; the body's further members it does not show."""
    metadata = error.response["ResponseMetadata"]
    equal(metadata["HTTPStatusCode"], status, f"{what}: status")
    equal(len(metadata["HTTPHeaders"].get("x-bondgate-request-id", "")), 26, f"{what}: length of x-bondgate-request-id")
    check(error.response["Error"]["Message"], f"{what}: no sentence")


def error_wrong_key(pair):
    stranger = client(pair, "bg-" + "x" * 43)
    error = raised(
        stranger.exceptions.AccessDeniedException,
        lambda: stranger.converse(modelId=pair.model, messages=user("x")),
        "wrong key",
    )
    check_error(error, 401, "wrong key")


def error_unknown_model(pair):
    plain = client(pair)
    for call in (plain.converse, plain.converse_stream):
        error = raised(
            plain.exceptions.ResourceNotFoundException,
            lambda: call(modelId="no-such", messages=user("x")),
            f"unknown model, {call.__name__}",
        )
        check_error(error, 404, f"unknown model, {call.__name__}")
        contains(str(error), "no-such", "message")


def error_bad_parameter(pair):
    plain = client(pair)
    error = raised(
        plain.exceptions.ValidationException,
        lambda: converse(pair, user("x"), inferenceConfig={"maxTokens": "many"}),
        "a limit of a wrong type",
    )
    check_error(error, 400, "a limit of a wrong type")


def budget_spent(pair):
    poor = client(pair, pair.key + "-poor")
    error, _ = refused_at_last(
        lambda: poor.converse(modelId=pair.model, messages=user("x")), poor.exceptions.ThrottlingException, "budget"
    )
    check_error(error, 429, "budget")
    contains(str(error), "poor", "the sentence names the budget")


def rate_limited(pair):
    busy = client(pair, pair.key + "-busy")
    held = busy.converse_stream(modelId=pair.model, messages=user(SLOW))["stream"]
    next(iter(held))
    error = raised(
        busy.exceptions.ThrottlingException,
        lambda: busy.converse(modelId=pair.model, messages=user("x")),
        "rate limit",
    )
    held.close()
    check_error(error, 429, "rate limit")
    equal(error.response["ResponseMetadata"]["HTTPHeaders"].get("retry-after"), "1", "retry-after")


def provider_down(pair):
    plain = client(pair)
    error = raised(
        plain.exceptions.InternalServerException,
        lambda: plain.converse(modelId=pair.down, messages=user("x")),
        "provider down",
    )
    check_error(error, 502, "provider down")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""
    stops = []
    try:
        for event in events(pair, pair.cut, LONG_TEXT):
            stops += [event["messageStop"]] if "messageStop" in event else []
    except EventStreamError as error:
        equal(stops, [], "ends of the message before the failure")
        return str(error)
    check(False, f"the library saw a clean end, {stops}")


def cut_whole(pair):
    plain = client(pair)
    error = raised(
        plain.exceptions.InternalServerException,
        lambda: plain.converse(modelId=pair.cut, messages=user(LONG_TEXT)),
        "cut answer",
    )
    check_error(error, 502, "cut answer")


CASES = [
    chat, system_prompt, stream, tools, tools_streamed, tool_result,
    error_bad_parameter, error_wrong_key, error_unknown_model, budget_spent, rate_limited, provider_down, cut_stream, cut_whole,
]

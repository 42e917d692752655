"""Drives the gateway with the official libraries that ask clouds for Claude.

The same as `run.py`, with three other clients: `AnthropicBedrock` and `AnthropicVertex` of
`anthropic`, which share the cases of `anthropic_suite`, and `invoke_model` of `boto3`. The
providers are those of `run.py`, and Claude as Bedrock and Vertex serve it. The environment
and what is printed are those of `run.py`.
"""

import json
import sys

import anthropic
from botocore.exceptions import EventStreamError

import anthropic_suite
import bedrock_suite
import harness
from harness import LONG_TEXT, check, check_headers, check_weather, contains, equal, raised

PROVIDERS = ("chat", "anthropic", "responses", "gemini", "bedrock", "cohere", "bedrock-claude", "vertex-claude")
# Cases that hold however the library shows its key and whatever else the host serves.
SHARED = [
    anthropic_suite.chat,
    anthropic_suite.system_prompt,
    anthropic_suite.unicode_text,
    anthropic_suite.stream,
    anthropic_suite.stream_grammar,
    anthropic_suite.stream_usage,
    anthropic_suite.tools,
    anthropic_suite.tools_streamed,
    anthropic_suite.tool_result,
    anthropic_suite.cut_stream,
]


def on_bedrock(pair, api_key=None, **options):
    return anthropic.AnthropicBedrock(
        base_url=pair.base,
        aws_region="us-east-1",
        aws_access_key=api_key or pair.key,
        aws_secret_key="not-used",
        **{"max_retries": 0, "timeout": 60, **options},
    )


def on_vertex(pair, api_key=None, **options):
    return anthropic.AnthropicVertex(
        base_url=pair.base,
        region="us-east5",
        project_id="project",
        access_token=api_key or pair.key,
        **{"max_retries": 0, "timeout": 60, **options},
    )


MAKERS = {"anthropic-bedrock": on_bedrock, "anthropic-vertex": on_vertex}
anthropic_suite.client = lambda pair, **options: MAKERS[pair.client](pair, **options)


def create(pair, model, api_key=None, text="x"):
    return anthropic_suite.client(pair, api_key=api_key).messages.create(
        model=model, max_tokens=1000, messages=anthropic_suite.user(text)
    )


def refused(pair, error_class, status, code, call, what):
    error = raised(error_class, call, what)
    equal(error.status_code, status, f"{what}: status")
    harness.check_facts(error.response.json(), error.response.headers, code, what)
    check(error.response.json()["error"]["message"], f"{what}: no sentence")


def errors(pair):
    """The class is that of the status, and the facts are those of every other client."""
    refused(
        pair,
        anthropic.AuthenticationError,
        401,
        "invalid_key",
        lambda: create(pair, pair.model, "bg-" + "x" * 43),
        "wrong key",
    )
    refused(
        pair, anthropic.NotFoundError, 404, "model_not_found", lambda: create(pair, "no-such"), "unknown model"
    )
    refused(
        pair,
        anthropic.InternalServerError,
        502,
        "provider_failed",
        lambda: create(pair, pair.down),
        "provider down",
    )
    refused(
        pair,
        anthropic.InternalServerError,
        502,
        "provider_failed",
        lambda: create(pair, pair.cut, text=LONG_TEXT),
        "cut whole answer",
    )


def max_tokens(pair):
    message = anthropic_suite.client(pair).messages.create(
        model=pair.model, max_tokens=20, messages=anthropic_suite.user(LONG_TEXT)
    )
    equal(message.stop_reason, "max_tokens", "stop_reason")
    check(message.usage.output_tokens <= 20, f"{message.usage.output_tokens} tokens")


def betas(pair):
    """What the library puts into a header or the body reaches nobody who does not know it."""
    message = anthropic_suite.client(pair).beta.messages.create(
        model=pair.model, max_tokens=100, messages=anthropic_suite.user("apricot"), betas=["context-1m-2025-08-07"]
    )
    contains(anthropic_suite.text_of(message), "apricot", "text")


def body(text, **fields):
    request = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1000}
    return json.dumps({**request, "messages": [{"role": "user", "content": text}], **fields})


def invoke(pair, text, model=None, **fields):
    answer = bedrock_suite.client(pair).invoke_model(modelId=model or pair.model, body=body(text, **fields))
    return answer, json.loads(answer["body"].read())


def chunks(pair, text, model=None, **fields):
    answer = bedrock_suite.client(pair).invoke_model_with_response_stream(
        modelId=model or pair.model, body=body(text, **fields)
    )
    for event in answer["body"]:
        yield json.loads(event["chunk"]["bytes"])


def invoked(pair):
    answer, message = invoke(pair, "apricot harvest")
    contains(anthropic_suite_text(message), "apricot harvest", "text")
    equal(message["stop_reason"], "end_turn", "stop_reason")
    check(message["usage"]["output_tokens"] > 0, f"usage: {message['usage']}")
    check_headers(answer["ResponseMetadata"]["HTTPHeaders"], pair, "whole")


def anthropic_suite_text(message):
    return "".join(block.get("text", "") for block in message["content"])


def invoked_streaming(pair):
    _, whole = invoke(pair, LONG_TEXT)
    seen = list(chunks(pair, LONG_TEXT))
    kinds = [event["type"] for event in seen]
    equal((kinds[0], kinds[-1]), ("message_start", "message_stop"), "first and last event")
    check("ping" not in kinds, "a ping, for which chunks have no word")
    deltas = [event["delta"].get("text", "") for event in seen if event["type"] == "content_block_delta"]
    equal("".join(deltas), anthropic_suite_text(whole), "joined text")


def invoked_tools(pair):
    _, message = invoke(pair, "USE_TOOL please", tools=anthropic_suite.TOOLS)
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    equal(len(calls), 1, "tool calls")
    check_weather(calls[0]["input"], "input")


def invoked_wrongly(pair):
    plain = bedrock_suite.client(pair)
    for exception, call in (
        ("ResourceNotFoundException", lambda: invoke(pair, "x", model="no-such")),
        ("InternalServerException", lambda: invoke(pair, "x", model=pair.down)),
        ("ValidationException", lambda: invoke(pair, "x", max_tokens="many")),
        ("ResourceNotFoundException", lambda: list(chunks(pair, "x", model="no-such"))),
    ):
        error = raised(getattr(plain.exceptions, exception), call, exception)
        check(error.response["Error"]["Message"], f"{exception}: no sentence")


def invoked_cut(pair):
    kinds = []
    try:
        for event in chunks(pair, LONG_TEXT, model=pair.cut):
            kinds.append(event["type"])
    except EventStreamError as error:
        check("message_stop" not in kinds, "an end before the failure")
        return str(error)
    check(False, f"the library saw a clean end, {kinds[-1:]}")


SUITES = {
    "anthropic-bedrock": [*SHARED, max_tokens, errors, betas],
    "anthropic-vertex": [*SHARED, max_tokens, errors, betas],
    "boto3-invoke": [invoked, invoked_streaming, invoked_tools, invoked_wrongly, invoked_cut],
}
PAIRS = {
    f"{client}_to_{provider}": {
        "client": client,
        "provider": provider,
        "model": f"via-{provider}",
        "cut": f"cut-{provider}",
        "down": f"down-{provider}",
    }
    for client in SUITES
    for provider in PROVIDERS
}

if __name__ == "__main__":
    sys.exit(harness.run(SUITES, PAIRS))

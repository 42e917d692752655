"""What engine.py asks of a client library: an answer whole and streamed, in one shape for all six.

Each client is two functions, `whole` and `streamed`, that take a pair, the user's text and
whether a tool must be called, and return a `Said`.
"""

import dataclasses
import json

import anthropic
import openai
from botocore.exceptions import ClientError
from google.genai import errors, types

import anthropic_suite
import bedrock_suite
import cohere
import cohere_suite
import gemini_suite
import openai_suite
import responses_suite

MAX_TOKENS = 200
CITY = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Paris"]}}, "required": ["city"]}
ABOUT = "Weather of a city"


@dataclasses.dataclass
class Said:
    """What an answer says; `calls` are names and arguments of tools."""

    text: str
    calls: list
    output_tokens: int


def openai_request(pair, text, tool):
    fields = {"model": pair.model, "messages": openai_suite.user(text), "max_tokens": MAX_TOKENS, "temperature": 0}
    if tool:
        function = {"name": "get_weather", "description": ABOUT, "parameters": CITY}
        fields |= {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}
    return openai_suite.client(pair).chat.completions, fields


def openai_said(answer):
    message = answer.choices[0].message
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
    return Said(message.content or "", calls, answer.usage.completion_tokens)


def openai_whole(pair, text, tool=False):
    chats, fields = openai_request(pair, text, tool)
    return openai_said(chats.create(**fields))


def openai_streamed(pair, text, tool=False):
    chats, fields = openai_request(pair, text, tool)
    with chats.stream(**fields, stream_options={"include_usage": True}) as events:
        return openai_said(events.get_final_completion())


def responses_request(pair, text, tool):
    fields = {"model": pair.model, "input": text, "max_output_tokens": MAX_TOKENS, "temperature": 0, "store": False}
    if tool:
        function = {"type": "function", "name": "get_weather", "description": ABOUT, "parameters": CITY}
        fields |= {"tools": [function | {"strict": False}], "tool_choice": "required"}
    return responses_suite.client(pair).responses, fields


def responses_said(answer):
    calls = [(call.name, json.loads(call.arguments)) for call in responses_suite.calls_of(answer)]
    return Said(answer.output_text, calls, answer.usage.output_tokens)


def responses_whole(pair, text, tool=False):
    responses, fields = responses_request(pair, text, tool)
    return responses_said(responses.create(**fields))


def responses_streamed(pair, text, tool=False):
    responses, fields = responses_request(pair, text, tool)
    ended = ("response.completed", "response.incomplete")
    final = [event.response for event in responses.create(**fields, stream=True) if event.type in ended]
    return responses_said(final[-1])


def anthropic_request(pair, text, tool):
    fields = {"model": pair.model, "messages": anthropic_suite.user(text), "max_tokens": MAX_TOKENS}
    fields |= {"extra_body": {"temperature": 0}}
    if tool:
        function = {"name": "get_weather", "description": ABOUT, "input_schema": CITY}
        fields |= {"tools": [function], "tool_choice": {"type": "any"}}
    return anthropic_suite.client(pair).messages, fields


def anthropic_said(message):
    calls = [(call.name, call.input) for call in anthropic_suite.calls_of(message)]
    return Said(anthropic_suite.text_of(message), calls, message.usage.output_tokens)


def anthropic_whole(pair, text, tool=False):
    messages, fields = anthropic_request(pair, text, tool)
    return anthropic_said(messages.create(**fields))


def anthropic_streamed(pair, text, tool=False):
    messages, fields = anthropic_request(pair, text, tool)
    with messages.stream(**fields) as events:
        return anthropic_said(events.get_final_message())


def gemini_config(tool):
    fields = {"max_output_tokens": MAX_TOKENS, "temperature": 0}
    if tool:
        function = types.FunctionDeclaration(name="get_weather", description=ABOUT, parameters_json_schema=CITY)
        calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
        fields |= {
            "tools": [types.Tool(function_declarations=[function])],
            "tool_config": types.ToolConfig(function_calling_config=calling),
            "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
        }
    return types.GenerateContentConfig(**fields)


def gemini_said(answers):
    parts = [part for answer in answers for one in answer.candidates or [] for part in one.content.parts or []]
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    text = "".join(part.text or "" for part in parts)
    return Said(text, calls, answers[-1].usage_metadata.candidates_token_count)


def gemini_whole(pair, text, tool=False):
    return gemini_said([gemini_suite.generate(pair, text, gemini_config(tool))])


def gemini_streamed(pair, text, tool=False):
    return gemini_said(gemini_suite.chunks(pair, text, gemini_config(tool)))


def bedrock_fields(tool):
    fields = {"inferenceConfig": {"maxTokens": MAX_TOKENS, "temperature": 0.0}}
    if tool:
        spec = {"name": "get_weather", "description": ABOUT, "inputSchema": {"json": CITY}}
        fields |= {"toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}}
    return fields


def bedrock_whole(pair, text, tool=False):
    answer = bedrock_suite.converse(pair, bedrock_suite.user(text), **bedrock_fields(tool))
    calls = [(call["name"], call["input"]) for call in bedrock_suite.calls_of(answer)]
    return Said(bedrock_suite.text_of(answer), calls, answer["usage"]["outputTokens"])


def bedrock_streamed(pair, text, tool=False):
    said, names, pieces = Said("", [], 0), {}, {}
    for event in bedrock_suite.events(pair, pair.model, text, **bedrock_fields(tool)):
        if start := event.get("contentBlockStart"):
            names[start["contentBlockIndex"]] = start["start"]["toolUse"]["name"]
        elif block := event.get("contentBlockDelta"):
            said.text += block["delta"].get("text", "")
            at = block["contentBlockIndex"]
            pieces[at] = pieces.get(at, "") + block["delta"].get("toolUse", {}).get("input", "")
        elif facts := event.get("metadata"):
            said.output_tokens = facts["usage"]["outputTokens"]
    said.calls = [(name, json.loads(pieces[at])) for at, name in names.items()]
    return said


def cohere_fields(tool):
    fields = {"max_tokens": MAX_TOKENS, "temperature": 0.0}
    if tool:
        function = {"name": "get_weather", "description": ABOUT, "parameters": CITY}
        fields |= {"tools": [{"type": "function", "function": function}], "tool_choice": "REQUIRED"}
    return fields


def cohere_whole(pair, text, tool=False):
    answer = cohere_suite.ask(pair, cohere_suite.user(text), **cohere_fields(tool))
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in answer.message.tool_calls or []]
    return Said(cohere_suite.text_of(answer), calls, int(answer.usage.tokens.output_tokens))


def cohere_streamed(pair, text, tool=False):
    said, calls = Said("", [], 0), {}
    for event in cohere_suite.events(pair, pair.model, text, **cohere_fields(tool)):
        if event.type == "content-delta":
            said.text += event.delta.message.content.text
        elif event.type in ("tool-call-start", "tool-call-delta"):
            function = event.delta.message.tool_calls.function
            name, arguments = calls.get(event.index, ("", ""))
            name += getattr(function, "name", None) or ""
            calls[event.index] = (name, arguments + (function.arguments or ""))
        elif event.type == "message-end":
            said.output_tokens = int(event.delta.usage.tokens.output_tokens)
    said.calls = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    return said


CLIENTS = {
    "openai": (openai_whole, openai_streamed, openai.BadRequestError),
    "responses": (responses_whole, responses_streamed, openai.BadRequestError),
    "anthropic": (anthropic_whole, anthropic_streamed, anthropic.BadRequestError),
    "gemini": (gemini_whole, gemini_streamed, errors.ClientError),
    "bedrock": (bedrock_whole, bedrock_streamed, ClientError),
    "cohere": (cohere_whole, cohere_streamed, cohere.BadRequestError),
}

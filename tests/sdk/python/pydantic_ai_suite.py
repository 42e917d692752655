"""pydantic-ai, unmodified, against the gateway, by each of the six dialects.

One agent with one tool, whatever the model behind it. Each function is one case; its name is
the case's name.
"""

import asyncio

import boto3
import pydantic
from botocore.config import Config
from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelHTTPError

from harness import LONG_TEXT, CaseFailed, check, contains, equal, refused_at_last


class Person(pydantic.BaseModel):
    name: str
    age: int


def openai(pair, model, key):
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(model, provider=OpenAIProvider(base_url=pair.base + "/v1", api_key=key))


def responses(pair, model, key):
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=pair.base + "/v1", api_key=key))


def anthropic(pair, model, key):
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    return AnthropicModel(model, provider=AnthropicProvider(base_url=pair.base, api_key=key))


def google(pair, model, key):
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    return GoogleModel(model, provider=GoogleProvider(base_url=pair.base, api_key=key))


def bedrock(pair, model, key):
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=pair.base,
        aws_access_key_id=key,
        aws_secret_access_key="not-used",
        config=Config(retries={"total_max_attempts": 1}),
    )
    return BedrockConverseModel(model, provider=BedrockProvider(bedrock_client=client))


def cohere(pair, model, key):
    from cohere import AsyncClientV2
    from pydantic_ai.models.cohere import CohereModel
    from pydantic_ai.providers.cohere import CohereProvider

    client = AsyncClientV2(api_key=key, base_url=pair.base)
    return CohereModel(model, provider=CohereProvider(cohere_client=client))


MODELS = {
    "pydantic-ai-openai": openai,
    "pydantic-ai-responses": responses,
    "pydantic-ai-anthropic": anthropic,
    "pydantic-ai-google": google,
    "pydantic-ai-bedrock": bedrock,
    "pydantic-ai-cohere": cohere,
}


def agent(pair, model=None, key=None, **options):
    made = Agent(MODELS[pair.client](pair, model or pair.model, key or pair.key), retries=0, **options)

    @made.tool_plain
    def get_weather(city: str, unit: str) -> str:
        """Weather of a city"""
        return "21 degrees, sunny"

    return made


def chat(pair):
    run = agent(pair).run_sync("apricot harvest")
    contains(run.output, "apricot harvest", "output")
    usage = run.usage
    check(usage.input_tokens > 0 and usage.output_tokens > 0, f"usage: {usage}")


def chat_structured(pair):
    """By a tool call that the library makes of the schema."""
    person = agent(pair, output_type=Person).run_sync("USE_TOOL final_result").output
    check(isinstance(person, Person), f"nothing was parsed: {person!r}")


def stream(pair):
    whole = agent(pair).run_sync(LONG_TEXT).output

    async def read():
        async with agent(pair).run_stream(LONG_TEXT) as run:
            return "".join([piece async for piece in run.stream_text(delta=True)])

    equal(asyncio.run(read()), whole, "joined text")


def tools(pair):
    """The library's own loop: a call, the tool, the answer that has seen its result."""
    for text, count in (("USE_TOOL get_weather", 1), ("USE_TOOLS 2", 2)):
        run = agent(pair).run_sync(text)
        contains(run.output, "21 degrees", "the provider saw the result")
        equal((run.usage.tool_calls, run.usage.requests), (count, 2), "tool calls and requests")


def tools_streamed(pair):
    async def read():
        async with agent(pair).run_stream("USE_TOOL get_weather") as run:
            return "".join([piece async for piece in run.stream_text(delta=True)])

    contains(asyncio.run(read()), "21 degrees", "the provider saw the result")


def refused(pair, status, **who):
    try:
        run = agent(pair, **who).run_sync("x")
    except ModelHTTPError as error:
        equal(error.status_code, status, "status")
        check(error.body, "no body")
        return error
    raise CaseFailed(f"ModelHTTPError was not raised, got {run.output!r}")


def error_wrong_key(pair):
    refused(pair, 401, key="bg-" + "x" * 43)


def error_unknown_model(pair):
    refused(pair, 404, model="no-such")


def provider_down(pair):
    refused(pair, 502, model=pair.down)


def budget_spent(pair):
    poor = agent(pair, key=pair.key + "-poor")
    error, _ = refused_at_last(lambda: poor.run_sync("x"), ModelHTTPError, "budget")
    equal(error.status_code, 429, "status")


def cut_stream(pair):
    """A stream cut before its proof must not look finished."""

    async def read():
        async with agent(pair, pair.cut).run_stream(LONG_TEXT) as run:
            text = "".join([piece async for piece in run.stream_text(delta=True)])
            return text, run.response.finish_reason

    try:
        text, finish = asyncio.run(read())
    except Exception as error:  # of this library or of the one below it: it was not taken for whole
        return f"{type(error).__name__}: {error}"
    raise CaseFailed(f"pydantic-ai saw a clean end, {finish}, after {text!r}")


def cut_whole(pair):
    try:
        run = agent(pair, pair.cut).run_sync(LONG_TEXT)
    except (AgentRunError, ModelAPIError) as error:
        return f"{type(error).__name__}: {error}"
    check(False, f"pydantic-ai saw an answer: {run.output!r}")


CASES = [
    chat, chat_structured, stream, tools, tools_streamed,
    error_wrong_key, error_unknown_model, budget_spent, provider_down, cut_stream, cut_whole,
]

"""Counts of tokens, lists of models and what passes through, by the official libraries, unmodified.

Each function is one case; its name is the case's name. A count is compared with what the same
provider says when it answers the same.
"""

import anthropic
import cohere
import openai
from google import genai
from google.genai import types

import bedrock_suite
from harness import LONG_TEXT, check, equal, raised

# Providers of these dialects count; of all others a count is estimated.
COUNTING = ("anthropic", "responses", "gemini", "bedrock")


def of_anthropic(pair):
    return anthropic.Anthropic(api_key=pair.key, base_url=pair.base, max_retries=0, timeout=60)


def of_openai(pair, base="/v1"):
    return openai.OpenAI(api_key=pair.key, base_url=pair.base + base, max_retries=0, timeout=60)


def of_google(pair):
    return genai.Client(api_key=pair.key, http_options=types.HttpOptions(base_url=pair.base, timeout=60_000))


def of_cohere(pair):
    return cohere.ClientV2(api_key=pair.key, base_url=pair.base, timeout=60, log_warning_experimental_features=False)


def check_count(pair, counted, answered, headers):
    equal(headers.get("x-bondgate-estimate"), None if pair.provider in COUNTING else "1", "x-bondgate-estimate")
    if pair.provider in COUNTING:
        equal(counted, answered, "count against the answer's own")
    else:
        check(0 < counted < 10 * answered, f"an estimate of {counted} for {answered}")


def anthropic_counts(pair):
    asked = {"model": pair.model, "messages": [{"role": "user", "content": LONG_TEXT}]}
    raw = of_anthropic(pair).messages.with_raw_response.count_tokens(**asked)
    answer = of_anthropic(pair).messages.create(max_tokens=2000, **asked)
    check_count(pair, raw.parse().input_tokens, answer.usage.input_tokens, raw.headers)


def openai_counts(pair):
    plain = of_openai(pair)
    raw = plain.responses.input_tokens.with_raw_response.count(model=pair.model, input=LONG_TEXT)
    counted = raw.parse()
    equal(counted.object, "response.input_tokens", "object")
    answer = plain.responses.create(model=pair.model, input=LONG_TEXT)
    check_count(pair, counted.input_tokens, answer.usage.input_tokens, raw.headers)


def google_counts(pair):
    with of_google(pair) as plain:
        counted = plain.models.count_tokens(model=pair.model, contents=LONG_TEXT)
        answer = plain.models.generate_content(model=pair.model, contents=LONG_TEXT)
        headers = counted.sdk_http_response.headers
        check_count(pair, counted.total_tokens, answer.usage_metadata.prompt_token_count, headers)


def amazon_counts(pair):
    plain = bedrock_suite.client(pair)
    messages = bedrock_suite.user(LONG_TEXT)
    counted = plain.count_tokens(modelId=pair.model, input={"converse": {"messages": messages}})
    answer = plain.converse(modelId=pair.model, messages=messages)
    headers = counted["ResponseMetadata"]["HTTPHeaders"]
    check_count(pair, counted["inputTokens"], answer["usage"]["inputTokens"], headers)


def anthropic_lists(pair):
    listed = [model.id for model in of_anthropic(pair).models.list(limit=1)]
    check(pair.model in listed, f"{pair.model} is not in {listed}")
    equal(of_anthropic(pair).models.retrieve(pair.model).id, pair.model, "id")


def google_lists(pair):
    with of_google(pair) as plain:
        listed = {model.name for model in plain.models.list()}
        check(f"models/{pair.model}" in listed, f"{pair.model} is not in {listed}")
        equal(plain.models.get(model=pair.model).name, f"models/{pair.model}", "name")


def cohere_lists(pair):
    listed = [model.name for model in of_cohere(pair).models.list().models]
    check(pair.model in listed, f"{pair.model} is not in {listed}")
    equal(of_cohere(pair).models.get(pair.model).name, pair.model, "name")


def openai_lists(pair):
    listed = [model.id for model in of_openai(pair).models.list()]
    check(pair.model in listed, f"{pair.model} is not in {listed}")


def files(pair):
    plain = of_openai(pair, "/provider/openai/v1")
    made = plain.files.create(file=("notes.jsonl", b"{}\n" * 1000), purpose="batch")
    check(made.bytes > 3000, f"the provider got {made.bytes} bytes")
    equal([file.id for file in plain.files.list()], ["file-sim"], "ids")


def passed_chat(pair):
    plain = of_openai(pair, "/provider/openai/v1")
    asked = {"model": "echo", "messages": [{"role": "user", "content": LONG_TEXT}]}
    whole = plain.chat.completions.create(**asked).choices[0].message.content
    equal(whole, LONG_TEXT, "text")
    chunks = plain.chat.completions.create(stream=True, **asked)
    parts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    equal("".join(parts), whole, "joined text")


def refused_paths(pair):
    plain = of_openai(pair, "/provider/openai/v1")
    error = raised(openai.PermissionDeniedError, lambda: plain.fine_tuning.jobs.cancel("job"), "a path that is not listed")
    equal(error.code, "policy_refused", "code")
    other = of_openai(pair, "/provider/chat/v1")
    error = raised(openai.PermissionDeniedError, lambda: other.models.list(), "a provider that is not named")
    equal(error.code, "policy_refused", "code")


COUNTS = [anthropic_counts, openai_counts, google_counts, amazon_counts]
LISTS = [anthropic_lists, google_lists, cohere_lists, openai_lists]
PASSED = [files, passed_chat, refused_paths]

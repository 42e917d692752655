"""Drives the gateway with the official `openai` library over answers that the provider keeps.

The environment and what is printed are those of `run.py`. A second key, the first one's text with
`-other` behind it, belongs to another tenant.
"""

import sys

import openai

import harness
from harness import check, check_error, contains, equal, raised


def client(pair, key=None):
    return openai.OpenAI(base_url=pair.base + "/v1", api_key=key or pair.key, max_retries=0, timeout=60)


def create(pair, text, **options):
    return client(pair).responses.create(model=pair.model, input=text, **options)


def goes_on(pair):
    first = create(pair, "apricot")
    second = create(pair, "banana", previous_response_id=first.id)
    equal(second.previous_response_id, first.id, "previous_response_id")
    check(second.usage.input_tokens > first.usage.input_tokens, "the history counts")


def goes_on_streamed(pair):
    with client(pair).responses.stream(model=pair.model, input="apricot") as events:
        first = events.get_final_response()
    with client(pair).responses.stream(model=pair.model, input="banana", previous_response_id=first.id) as events:
        second = events.get_final_response()
    equal(second.previous_response_id, first.id, "previous_response_id")
    contains(second.output_text, "banana", "text")


def retrieved_and_deleted(pair):
    made = create(pair, "apricot")
    kept = client(pair).responses.retrieve(made.id)
    equal(kept.output_text, made.output_text, "text")
    items = client(pair).responses.input_items.list(made.id)
    equal(len(items.data), 1, "items")
    client(pair).responses.delete(made.id)
    error = raised(openai.NotFoundError, lambda: client(pair).responses.retrieve(made.id), "deleted")
    check_error(error, 404, "not_found", "deleted")


def cancelled(pair):
    made = create(pair, "apricot")
    error = raised(openai.BadRequestError, lambda: client(pair).responses.cancel(made.id), "cancel")
    contains(str(error), "Cannot cancel", "what the provider says")


def another_tenants(pair):
    made = create(pair, "apricot")
    other = client(pair, pair.key + "-other").responses
    calls = {
        "retrieve": lambda: other.retrieve(made.id),
        "delete": lambda: other.delete(made.id),
        "cancel": lambda: other.cancel(made.id),
        "input items": lambda: other.input_items.list(made.id),
        "create": lambda: other.create(model=pair.model, input="x", previous_response_id=made.id),
    }
    for what, call in calls.items():
        check_error(raised(openai.NotFoundError, call, what), 404, "not_found", what)
    equal(client(pair).responses.retrieve(made.id).id, made.id, "its own")


def in_the_background(pair):
    error = raised(openai.BadRequestError, lambda: create(pair, "x", background=True), "background")
    check_error(error, 400, "invalid_request", "background")


CASES = [goes_on, goes_on_streamed, retrieved_and_deleted, cancelled, another_tenants, in_the_background]
PAIRS = {"responses_to_responses": {"client": "responses", "provider": "responses", "model": "via-responses"}}

if __name__ == "__main__":
    sys.exit(harness.run({"responses": CASES}, PAIRS))

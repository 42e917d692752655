"""The official `cohere` library for Python, unmodified: vectors and ranks."""

import cohere
from cohere.core.api_error import ApiError

from harness import check, check_headers, equal, raised

ONCE = {"max_retries": 0}


def client(pair):
    return cohere.ClientV2(api_key=pair.key, base_url=pair.base, timeout=60, log_warning_experimental_features=False)


def vectors(pair):
    raw = client(pair).with_raw_response.embed(
        model=pair.model,
        texts=["apricot", "harvest"],
        input_type="search_document",
        embedding_types=["float"],
        output_dimension=256,
        request_options=ONCE,
    )
    check_headers(raw.headers, pair, "vectors")
    vectors = raw.data.embeddings.float_
    equal([len(vector) for vector in vectors], [256, 256], "dimensions")
    check(raw.data.meta.billed_units.input_tokens > 0, f"usage: {raw.data.meta}")


def ranks(pair):
    answer = client(pair).rerank(
        model=pair.model,
        query="apricot harvest",
        documents=["a tree", "the apricot harvest", "an apricot"],
        top_n=2,
        request_options=ONCE,
    )
    equal([result.index for result in answer.results], [1, 2], "order")
    equal(answer.meta.billed_units.search_units, 1, "searches")


def unknown_model(pair):
    def ask():
        return client(pair).rerank(model="nobody", query="x", documents=["y"], request_options=ONCE)

    error = raised(cohere.NotFoundError, ask, "an unknown model")
    check(isinstance(error, ApiError), "class")
    equal(error.status_code, 404, "status")


CASES = [vectors, ranks, unknown_model]

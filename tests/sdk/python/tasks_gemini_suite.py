"""The official `google-genai` library for Python, unmodified: vectors."""

from google import genai
from google.genai import errors, types

from harness import check, equal, raised


def embed(pair, contents, model=None, **options):
    http = types.HttpOptions(base_url=pair.base, timeout=60_000)
    config = types.EmbedContentConfig(**options) if options else None
    with genai.Client(api_key=pair.key, http_options=http) as client:
        return client.models.embed_content(model=model or pair.model, contents=contents, config=config)


def vector(pair):
    answer = embed(pair, "apricot harvest", output_dimensionality=256, task_type="RETRIEVAL_QUERY")
    equal(len(answer.embeddings), 1, "vectors")
    equal(len(answer.embeddings[0].values), 256, "dimensions")


def vectors(pair):
    # Texts alone the library puts into one content, for models that it takes to see images too.
    contents = [types.Content(parts=[types.Part(text=text)]) for text in ("apricot", "harvest")]
    both = embed(pair, contents)
    equal(len(both.embeddings), 2, "vectors")
    one = embed(pair, "harvest")
    equal(both.embeddings[1].values, one.embeddings[0].values, "order")


def unknown_model(pair):
    error = raised(errors.ClientError, lambda: embed(pair, "x", model="nobody"), "an unknown model")
    equal(error.code, 404, "status")
    check("nobody" in str(error), f"message: {error}")


CASES = [vector, vectors, unknown_model]

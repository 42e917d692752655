"""The official `openai` library for Python, unmodified, in what it does beside chat."""

import base64
import io

import openai

from harness import PNG_BASE64, check, check_error, check_headers, equal, raised

SOUND = b"\xff\xfb\x90\x00" + bytes(2000)
PNG = base64.b64decode(PNG_BASE64)


def client(pair):
    return openai.OpenAI(api_key=pair.key, base_url=pair.base + "/v1", max_retries=0, timeout=60)


def sound():
    return ("talk.mp3", io.BytesIO(SOUND), "audio/mpeg")


def vectors(pair):
    """The library asks for base64 where nothing is said, and unpacks it."""
    raw = client(pair).embeddings.with_raw_response.create(model=pair.model, input=["apricot", "harvest"], dimensions=256)
    check_headers(raw.headers, pair, "vectors")
    check("out=0" in raw.headers.get("x-bondgate-tokens", ""), "x-bondgate-tokens")
    answer = raw.parse()
    equal([item.index for item in answer.data], [0, 1], "order")
    equal([len(item.embedding) for item in answer.data], [256, 256], "dimensions")
    check(all(isinstance(value, float) for value in answer.data[0].embedding), "values")
    check(answer.usage.prompt_tokens > 0, f"usage: {answer.usage}")


def vectors_as_numbers(pair):
    packed = client(pair).embeddings.create(model=pair.model, input="apricot")
    plain = client(pair).embeddings.create(model=pair.model, input="apricot", encoding_format="float")
    near = zip(packed.data[0].embedding, plain.data[0].embedding, strict=True)
    check(all(abs(one - other) < 1e-6 for one, other in near), "base64 and numbers differ")


def moderation(pair):
    answer = client(pair).moderations.create(model=pair.model, input="a fine day")
    equal(len(answer.results), 1, "results")
    check(not answer.results[0].flagged, "flagged")


def completion(pair):
    answer = client(pair).completions.create(model=pair.model, prompt="apricot harvest", max_tokens=50)
    check(answer.choices[0].text, "text")
    check(answer.usage.completion_tokens > 0, f"usage: {answer.usage}")


def completion_streamed(pair):
    whole = client(pair).completions.create(model=pair.model, prompt="apricot harvest", max_tokens=50)
    chunks = list(client(pair).completions.create(model=pair.model, prompt="apricot harvest", max_tokens=50, stream=True))
    check(all(chunk.choices for chunk in chunks), "a chunk of usage that was not asked for")
    equal("".join(chunk.choices[0].text for chunk in chunks), whole.choices[0].text, "text")
    equal(chunks[-1].choices[0].finish_reason, "stop", "finish_reason")


def completion_cut(pair):
    stream = client(pair).completions.create(model=pair.cut, prompt="apricot " * 50, max_tokens=500, stream=True)
    raised(openai.APIError, lambda: list(stream), "a cut stream")


def image(pair):
    answer = client(pair).images.generate(model=pair.model, prompt="a boat", n=2)
    equal(len(answer.data), 2, "images")
    check(base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG"), "bytes of an image")
    check(answer.usage.output_tokens > 0, f"usage: {answer.usage}")


def image_streamed(pair):
    events = list(client(pair).images.generate(model=pair.model, prompt="a boat", stream=True, partial_images=2))
    kinds = [event.type for event in events]
    equal(kinds, ["image_generation.partial_image"] * 2 + ["image_generation.completed"], "events")


def image_edit(pair):
    files = [("a.png", io.BytesIO(PNG), "image/png"), ("b.png", io.BytesIO(PNG), "image/png")]
    answer = client(pair).images.edit(model=pair.model, prompt="a boat", image=files)
    check(answer.data[0].b64_json, "an image")


def speech(pair):
    with client(pair).audio.speech.with_streaming_response.create(
        model=pair.model, input="apricot harvest", voice="alloy"
    ) as answer:
        equal(answer.headers.get("content-type"), "audio/mpeg", "content-type")
        bytes_ = b"".join(answer.iter_bytes())
    equal(len(bytes_), 64 * len("apricot harvest"), "bytes of sound")


def speech_cut(pair):
    def read():
        return client(pair).audio.speech.create(model=pair.cut, input="apricot " * 50, voice="alloy").read()

    raised(openai.APIConnectionError, read, "cut speech")


def transcription(pair):
    answer = client(pair).audio.transcriptions.create(model=pair.model, file=sound())
    check(answer.text, "text")
    text = client(pair).audio.transcriptions.create(model=pair.model, file=sound(), response_format="srt")
    check("-->" in text, f"subtitles: {text}")


def transcription_streamed(pair):
    events = list(client(pair).audio.transcriptions.create(model=pair.model, file=sound(), stream=True))
    equal(events[-1].type, "transcript.text.done", "the last event")
    said = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    equal(said, events[-1].text, "text")


def translation(pair):
    answer = client(pair).audio.translations.create(model=pair.model, file=sound())
    check(answer.text, "text")


def bad_requests(pair):
    error = raised(
        openai.BadRequestError,
        lambda: client(pair).embeddings.create(model=pair.model, input=[]),
        "an empty list",
    )
    check_error(error, 400, "invalid_request", "an empty list")
    error = raised(
        openai.NotFoundError,
        lambda: client(pair).audio.transcriptions.create(model="nobody", file=sound()),
        "an unknown model",
    )
    check_error(error, 404, "model_not_found", "an unknown model")


CASES = [
    vectors,
    vectors_as_numbers,
    moderation,
    completion,
    completion_streamed,
    completion_cut,
    image,
    image_streamed,
    image_edit,
    speech,
    speech_cut,
    transcription,
    transcription_streamed,
    translation,
    bad_requests,
]

//! What is sent to providers and what clients read holds against the vendors' published
//! schemas, in all pairs of dialects: requests, whole answers and the events of streams.
//!
//! The schemas lie beside the repository; where they are absent the tests say so. They are
//! relaxed as far as real answers are: `null` counts as absent, and some members that are
//! required there are left out by the vendors themselves.

mod check;
mod shape;

use dialect::Dialect;
use dialect::frame::Framing;
use dialect::frame::sse::MAX_EVENT;
use dialect::loss::Losses;
use serde_json::Value;

use self::check::{Schema, stripped};
use crate::corpus::{Sample, none, requests, streams, wholes};
use crate::laws::{events, others, target, with_usage};

/// What of a dialect a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Whole,
    Event,
}

/// What is said although the schemas have no word for it, and why.
const SPOKEN_ANYHOW: &[(&str, &str)] = &[
    (
        "something_new",
        "an end that has no word is told in its provider's",
    ),
    (
        "novel_reason",
        "an end that has no word is told in its provider's",
    ),
    (
        "\"incomplete\" is no",
        "an end that has no word is told in its provider's",
    ),
    (
        "_FUNCTION_CALL",
        "an end that has no word is told in its provider's",
    ),
    (
        "_TOOL_CALL",
        "an end that has no word is told in its provider's",
    ),
    (
        "/tool_calls/0/type \"custom\"",
        "the vendor streams calls of custom tools so",
    ),
    (
        "/reasoning/effort",
        "a word for an effort may be newer than the schema",
    ),
    (
        "/max_output_tokens",
        "a bound is never raised: it may be a budget's",
    ),
    (
        "/messages []",
        "what goes on from what its provider keeps is refused before",
    ),
];

/// The schema of that kind in a dialect; none where there is none here.
fn schema(dialect: Dialect, kind: Kind) -> Option<Schema> {
    use {Dialect as D, Kind as K};
    let (file, at) = match (dialect, kind) {
        (D::OpenaiChat, K::Request) => (
            "openai-openapi.json",
            "/components/schemas/CreateChatCompletionRequest",
        ),
        (D::OpenaiChat, K::Whole) => ("openai_ChatCompletion.json", ""),
        (D::OpenaiChat, K::Event) => ("openai_ChatCompletionChunk.json", ""),
        (D::AnthropicMessages, K::Request) => ("anthropic_MessageCreateParams.json", ""),
        (D::AnthropicMessages, K::Whole) => ("anthropic_Message.json", ""),
        (D::AnthropicMessages, K::Event) => ("anthropic_RawMessageStreamEvent.json", ""),
        (D::OpenaiResponses, K::Request) => {
            ("openai-openapi.json", "/components/schemas/CreateResponse")
        }
        (D::OpenaiResponses, K::Whole) => ("openai_Response.json", ""),
        (D::OpenaiResponses, K::Event) => ("openai_ResponseStreamEvent.json", ""),
        (D::Gemini, K::Request) => (
            "aiplatform.v1.json",
            "/schemas/GoogleCloudAiplatformV1GenerateContentRequest",
        ),
        (D::Gemini, K::Whole | K::Event) => (
            "aiplatform.v1.json",
            "/schemas/GoogleCloudAiplatformV1GenerateContentResponse",
        ),
        (D::BedrockConverse, K::Request) => return Schema::of_service("ConverseRequest"),
        (D::BedrockConverse, K::Whole) => return Schema::of_service("ConverseResponse"),
        (D::BedrockConverse, K::Event) => return Schema::of_service("ConverseStreamOutput"),
        // Its vendor publishes none of its requests.
        (D::Cohere, K::Request) => return None,
        (D::Cohere, K::Whole) => ("cohere_V2ChatResponse.json", ""),
        (D::Cohere, K::Event) => ("cohere_V2ChatStreamResponse.json", ""),
    };
    Schema::of_file(file, at)
}

#[test]
fn requests_fit_the_published_schemas() {
    hold(requests(), Kind::Request, |sample, other| {
        let hub = sample.dialect.server().decode_request(&sample.bytes).ok()?;
        let target = target("m");
        let out = other
            .client()
            .encode_request(&hub, &target, &mut Losses::default());
        let mut request: Value = serde_json::from_slice(&out).unwrap();
        if other == Dialect::AnthropicMessages {
            // The file holds the form without a stream.
            request.as_object_mut().unwrap().remove("stream");
        }
        Some(vec![request])
    });
}

#[test]
fn whole_answers_fit_the_published_schemas() {
    hold(wholes(), Kind::Whole, |sample, other| {
        let hub = sample
            .dialect
            .client()
            .decode_response(&sample.bytes)
            .ok()?;
        let out = other.server().encode_response(&hub, &mut Losses::default());
        Some(vec![serde_json::from_slice(&out).unwrap()])
    });
}

#[test]
fn events_of_streams_fit_the_published_schemas() {
    hold(streams(), Kind::Event, |sample, other| {
        let told = events(sample.dialect, sample.candidates, &sample.bytes).ok()?;
        let mut writer = other.server().encoder(with_usage());
        let mut out = Vec::new();
        told.iter().for_each(|event| writer.push(event, &mut out));
        Some(framed(other, out))
    });
}

/// The events of a stream as JSON; those of an event stream as their union's one member.
fn framed(dialect: Dialect, stream: Vec<u8>) -> Vec<Value> {
    let framing = dialect.server().stream_framing();
    let mut framer = framing.framer(MAX_EVENT);
    framer.push(stream.into());
    let mut found = Vec::new();
    while let Some(raw) = framer.next_frame().unwrap() {
        let Some(frame) = raw.frame().unwrap() else {
            continue;
        };
        if frame.data == "[DONE]" {
            continue;
        }
        let data: Value = serde_json::from_str(&frame.data).unwrap();
        if data["type"] == "ping" {
            // The client library, whose schema it is, keeps these to itself.
            continue;
        }
        found.push(match framing {
            Framing::EventStream => serde_json::json!({ frame.event.as_ref(): data }),
            Framing::Sse | Framing::JsonArray => data,
        });
    }
    found
}

/// Holds what each sample becomes in each other dialect against that dialect's schema.
fn hold(samples: &[Sample], kind: Kind, become_: impl Fn(&Sample, Dialect) -> Option<Vec<Value>>) {
    let mut complaints = Vec::new();
    let mut held = 0;
    for to in Dialect::ALL {
        let Some(schema) = schema(to, kind) else {
            println!("SKIPPED: no schema of {kind:?} of {} is here", to.name());
            continue;
        };
        for (at, sample) in samples.iter().enumerate() {
            let pair = others(sample.dialect).any(|(other, _)| other == to);
            if !pair || !sample.meets(at, to) {
                continue;
            }
            for value in become_(sample, to).unwrap_or_default() {
                held += 1;
                if let Some(why) = schema.misfit(&stripped(&value))
                    && !SPOKEN_ANYHOW.iter().any(|(end, _)| why.contains(end))
                {
                    let (id, to) = (&sample.id, to.name());
                    complaints.push(format!("{id} as {to}: {why}"));
                    break;
                }
            }
        }
    }
    none(&complaints, held);
}

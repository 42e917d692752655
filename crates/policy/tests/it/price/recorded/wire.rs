//! The usage object of an answer, found in the provider's own bytes by plain JSON.

use dialect::Dialect;
use serde_json::Value;

use super::corpus::Recording;

/// The usage object of an answer; of a stream the one said last, and of Anthropic's the
/// members said last.
pub(super) fn raw_usage(recording: &Recording) -> Option<Value> {
    let mut usage: Option<Value> = None;
    for document in documents(recording) {
        for place in places(recording.dialect) {
            let said = document.pointer(place).filter(|said| said.is_object());
            if let Some(said) = said {
                usage = Some(later(recording.dialect, usage, said));
            }
        }
    }
    usage
}

/// Where a dialect tells usage: in a whole answer, in the events of a stream.
fn places(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::OpenaiChat => &["/usage", "/x_groq/usage"],
        Dialect::OpenaiResponses => &["/usage", "/response/usage"],
        Dialect::AnthropicMessages => &["/usage", "/message/usage"],
        Dialect::Gemini => &["/usageMetadata"],
        Dialect::BedrockConverse => &["/usage"],
        Dialect::Cohere => &["/usage", "/delta/usage"],
    }
}

/// What is known once another usage object was said.
fn later(dialect: Dialect, known: Option<Value>, said: &Value) -> Value {
    match (known, dialect) {
        (Some(Value::Object(mut known)), Dialect::AnthropicMessages) => {
            let said = said.as_object().into_iter().flatten();
            let told = said.filter(|(_, value)| !value.is_null());
            known.extend(told.map(|(name, value)| (name.clone(), value.clone())));
            Value::Object(known)
        }
        // Chunks before and behind the one that counts may tell the kind of traffic alone.
        (Some(known), Dialect::Gemini) if said.get("promptTokenCount").is_none() => known,
        (_, _) => said.clone(),
    }
}

/// The JSON documents of an answer: itself, or each that its stream carries.
fn documents(recording: &Recording) -> Vec<Value> {
    let body = &recording.response;
    if !recording.stream {
        return vec![serde_json::from_slice(body).unwrap()];
    }
    if recording.is_array() {
        return serde_json::from_slice(body).unwrap();
    }
    if recording.dialect == Dialect::BedrockConverse {
        return messages(body);
    }
    let text = str::from_utf8(body).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

/// The payloads of Amazon's messages: the length of all, that of the headers, a checksum; the
/// headers; the payload; a checksum.
fn messages(mut body: &[u8]) -> Vec<Value> {
    let length = |at: &[u8]| u32::from_be_bytes(at.try_into().unwrap()) as usize;
    let mut payloads = Vec::new();
    while !body.is_empty() {
        let (all, headers) = (length(&body[..4]), length(&body[4..8]));
        payloads.push(serde_json::from_slice(&body[12 + headers..all - 4]).unwrap());
        body = &body[all..];
    }
    payloads
}

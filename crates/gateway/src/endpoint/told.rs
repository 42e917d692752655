//! The dialect of an answer where the path alone does not say it.

use dialect::{Dialect, Spoken};
use http::{HeaderMap, HeaderName};

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const GOOGLES: [HeaderName; 2] = [
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-goog-api-client"),
];
const SDK_NAME: HeaderName = HeaderName::from_static("x-fern-sdk-name");

/// Below these paths a dialect's errors are expected, whether there is such a path or not.
const BELOW: &[(&str, Dialect)] = &[
    ("/v1/messages/", Dialect::AnthropicMessages),
    ("/messages/", Dialect::AnthropicMessages),
    ("/v1beta/", Dialect::Gemini),
    ("/v1beta1/", Dialect::Gemini),
    ("/v1/projects/", Dialect::Gemini),
    ("/model/", Dialect::BedrockConverse),
    ("/inference-profiles/", Dialect::BedrockConverse),
    ("/v2/", Dialect::Cohere),
    ("/v1/responses/", Dialect::OpenaiResponses),
    ("/responses/", Dialect::OpenaiResponses),
    ("/openai/v1/responses/", Dialect::OpenaiResponses),
];

/// The dialect in which a client expects an answer where the path does not say: all of Anthropic's
/// clients send a header of theirs, Google's show their key or their name in one, and Cohere's tell
/// their name.
pub(super) fn named(headers: &HeaderMap) -> Spoken {
    let sdk = headers.get(SDK_NAME).map(http::HeaderValue::as_bytes);
    Spoken::of(if headers.contains_key(ANTHROPIC_VERSION) {
        Dialect::AnthropicMessages
    } else if GOOGLES.iter().any(|name| headers.contains_key(name)) {
        Dialect::Gemini
    } else if sdk.is_some_and(|name| name.starts_with(b"cohere")) {
        Dialect::Cohere
    } else {
        Dialect::OpenaiChat
    })
}

pub(super) fn below(path: &str) -> Option<Spoken> {
    if path.contains("/publishers/anthropic/") {
        return Some(Spoken::VERTEX_PREDICT);
    }
    let found = BELOW.iter().find(|(root, _)| path.starts_with(root));
    found.map(|(_, dialect)| Spoken::of(*dialect))
}

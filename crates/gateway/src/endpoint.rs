//! Which path means what: the one table that names dialects.
//!
//! A path that is known here is served; everything else is refused before a
//! byte of its body is read.

use dialect::Dialect;
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;
use policy::failure::{Code, Failure};

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The dialect of request, answer and errors.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An answer of a model.
    Chat {
        /// The model, where the path names it.
        model: Option<String>,
    },
    /// The models that the key may call.
    Models,
    /// One of them.
    Model {
        /// Its name.
        id: String,
    },
    /// Whether the process runs; asked without a key.
    Live,
    /// Whether it can serve; asked without a key.
    Ready,
}

impl Operation {
    /// The word in records.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Operation::Chat { .. } => "chat",
            Operation::Models | Operation::Model { .. } => "models",
            Operation::Live | Operation::Ready => "probe",
        }
    }
}

/// Finds what method and path ask for in that dialect.
///
/// # Errors
/// `not_found`, with the method that the path takes where only that is wrong.
pub(crate) fn find(method: &Method, path: &str, dialect: Dialect) -> Result<Endpoint, Failure> {
    let path = said_once(path);
    let path = path
        .strip_suffix('/')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(path);
    let (wanted, operation) = match path {
        "/v1/chat/completions"
        | "/chat/completions"
        | "/openai/v1/chat/completions"
        | "/v1/messages"
        | "/messages" => (Method::POST, Operation::Chat { model: None }),
        "/v1/models" | "/models" | "/openai/v1/models" => (Method::GET, Operation::Models),
        "/livez" => (Method::GET, Operation::Live),
        "/readyz" => (Method::GET, Operation::Ready),
        "/" => (Method::HEAD, Operation::Live),
        _ => named(path).ok_or_else(|| {
            let why = format!("there is no path {}", shorten(path));
            Failure::new(Code::NotFound, why)
        })?,
    };
    if *method != wanted && !(wanted == Method::GET && *method == Method::HEAD) {
        return Err(Failure::new(
            Code::NotFound,
            format!("{} takes {wanted}, not {method}", shorten(path)),
        ));
    }
    Ok(Endpoint { dialect, operation })
}

/// The dialect in which the client expects an answer, known or not.
#[must_use]
pub(crate) fn spoken(path: &str, headers: &HeaderMap) -> Dialect {
    let path = said_once(path);
    let below = path.strip_prefix("/v1").unwrap_or(path);
    let below = below.strip_prefix("/messages");
    let messages = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // Where a path names neither, as for models, the header that all of Anthropic's clients send does.
    let is_chat = || path.contains("/chat/completions");
    if messages || (headers.contains_key(ANTHROPIC_VERSION) && !is_chat()) {
        Dialect::AnthropicMessages
    } else {
        Dialect::OpenaiChat
    }
}

/// The path without the `/v1` of a base URL to which the client has added its own.
fn said_once(path: &str) -> &str {
    path.strip_prefix("/v1")
        .filter(|rest| rest.starts_with("/v1/"))
        .unwrap_or(path)
}

/// Paths that name a model: `/openai/deployments/{model}/chat/completions`, and
/// `/v1/models/{model}`, in which a slash may stand as it is.
fn named(path: &str) -> Option<(Method, Operation)> {
    let decoded = |model: &str| {
        let model = percent_decode_str(model).decode_utf8().ok()?;
        (!model.is_empty()).then(|| model.into_owned())
    };
    if let Some(rest) = path.strip_prefix("/openai/deployments/") {
        let model = rest.strip_suffix("/chat/completions")?;
        let model = decoded(model).filter(|_| !model.contains('/'))?;
        return Some((Method::POST, Operation::Chat { model: Some(model) }));
    }
    let id = ["/v1/models/", "/models/", "/openai/v1/models/"]
        .iter()
        .find_map(|root| path.strip_prefix(root))?;
    Some((Method::GET, Operation::Model { id: decoded(id)? }))
}

fn shorten(path: &str) -> &str {
    path.char_indices()
        .nth(120)
        .and_then(|(at, _)| path.get(..at))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use dialect::Dialect::{self, AnthropicMessages, OpenaiChat};
    use http::{HeaderMap, HeaderValue, Method};
    use policy::failure::Code;

    use super::{Endpoint, Operation, find, spoken};

    fn get(path: &str) -> Option<Operation> {
        let found = find(&Method::GET, path, OpenaiChat);
        found.ok().map(|endpoint| endpoint.operation)
    }

    fn post(path: &str, headers: &HeaderMap) -> (Dialect, Operation) {
        let spoken = spoken(path, headers);
        let Endpoint { dialect, operation } = find(&Method::POST, path, spoken).unwrap();
        (dialect, operation)
    }

    #[test]
    fn the_path_says_the_dialect_where_it_can_whatever_the_headers_say() {
        let bare = HeaderMap::new();
        let mut versioned = HeaderMap::new();
        versioned.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        for headers in [&bare, &versioned] {
            let chat = Operation::Chat { model: None };
            for path in [
                "/v1/messages",
                "/messages",
                "/v1/messages/",
                "/v1/v1/messages",
            ] {
                let found = post(path, headers);
                assert_eq!(found, (AnthropicMessages, chat.clone()), "{path}");
            }
            for path in ["/v1/chat/completions", "/chat/completions/"] {
                assert_eq!(post(path, headers), (OpenaiChat, chat.clone()), "{path}");
            }
        }
        assert_eq!(spoken("/v1/models", &versioned), AnthropicMessages);
        assert_eq!(spoken("/v1/models", &bare), OpenaiChat);
    }

    #[test]
    fn a_model_in_a_path_is_decoded_and_may_hold_a_slash() {
        let one = |id: &str| Some(Operation::Model { id: id.to_owned() });
        assert_eq!(get("/v1/models/fast"), one("fast"));
        assert_eq!(get("/models/sim/echo"), one("sim/echo"));
        assert_eq!(get("/openai/v1/models/sim%2Fecho%20b"), one("sim/echo b"));
        assert_eq!(get("/v1/models/%FF"), None, "no text");
        assert_eq!(get("/v1/models/"), Some(Operation::Models));
        assert_eq!(get("/v1/v1/models"), Some(Operation::Models));
        assert_eq!(get("/v1/v1"), None);
        let deployed = "/openai/deployments/a%2Fb/chat/completions";
        let model = Some("a/b".to_owned());
        let found = post(deployed, &HeaderMap::new());
        assert_eq!(found, (OpenaiChat, Operation::Chat { model }));
    }

    #[test]
    fn a_wrong_method_is_told_which_one_is_right() {
        let wrong = find(&Method::DELETE, "/v1/models/fast", OpenaiChat).unwrap_err();
        assert_eq!(wrong.code, Code::NotFound);
        assert!(wrong.message.contains("takes GET"), "{}", wrong.message);
    }
}

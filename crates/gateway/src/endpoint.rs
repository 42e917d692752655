//! Which path means what: the one table that names dialects.
//!
//! A path that is known here is served; everything else is refused before a
//! byte of its body is read.

use dialect::Dialect;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use policy::failure::{Code, Failure};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The dialect of request, answer and errors.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An answer of a model.
    Chat {
        /// The model, where the path names it.
        model: Option<String>,
    },
    /// The models that the key may call.
    Models,
    /// Whether the process runs; asked without a key.
    Live,
    /// Whether it can serve; asked without a key.
    Ready,
}

/// Finds what method and path ask for.
///
/// # Errors
/// `not_found`, with the method that the path takes where only that is wrong.
pub fn find(method: &Method, path: &str, headers: &HeaderMap) -> Result<Endpoint, Failure> {
    let dialect = spoken(path, headers);
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
        _ => match deployment(path) {
            Some(model) => (Method::POST, Operation::Chat { model: Some(model) }),
            None => {
                return Err(Failure::new(
                    Code::NotFound,
                    format!("there is no path {}", shorten(path)),
                ));
            }
        },
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
pub fn spoken(path: &str, headers: &HeaderMap) -> Dialect {
    if path.ends_with("/messages") || headers.contains_key("anthropic-version") {
        Dialect::AnthropicMessages
    } else {
        Dialect::OpenaiChat
    }
}

/// The model in `/openai/deployments/{model}/chat/completions`.
fn deployment(path: &str) -> Option<String> {
    let model = path
        .strip_prefix("/openai/deployments/")?
        .strip_suffix("/chat/completions")?;
    if model.is_empty() || model.contains('/') {
        return None;
    }
    percent_decode_str(model)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

fn shorten(path: &str) -> &str {
    path.char_indices()
        .nth(120)
        .and_then(|(at, _)| path.get(..at))
        .unwrap_or(path)
}

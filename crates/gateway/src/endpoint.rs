//! Which path means what: the one table that names dialects.
//!
//! A path that is known here is served; everything else is refused before a
//! byte of its body is read. A further path is a further row and nothing else.

mod tasks;
mod told;

use dialect::task::Task;
use dialect::{Dialect, Spoken};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use policy::failure::{Code, Failure};
use policy::snapshot::Snapshot;

use self::told::{below, named};
use crate::stored_calls::StoredCall;
use crate::through;

/// What a request asks for, and in which dialect it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The dialect of request, answer and errors, and whose paths carry it.
    pub dialect: Spoken,
    /// What is asked for, or why that is not known.
    pub operation: Result<Operation, Failure>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An answer of a model.
    Chat(Form),
    /// How many tokens such a request has.
    CountTokens(Form),
    /// What passes through to a provider's own path.
    Through(through::Asked),
    /// Something else of a model.
    Task(Task, Form),
    /// The models that the key may call.
    Models,
    /// One of them.
    Model {
        /// Its name.
        id: String,
    },
    /// An answer that a provider keeps.
    Stored(StoredCall),
    /// Whether the process runs; asked without a key.
    Live,
    /// Whether it can serve; asked without a key.
    Ready,
}

/// What path and query say of a request that its body may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// The model, where the path names it.
    pub model: Option<String>,
    /// Whether a stream is wanted, where the path says.
    pub stream: Option<bool>,
    /// Whether a stream is wanted as one JSON array, where the dialect has both forms.
    pub json_array: bool,
}

impl Operation {
    /// Which task of a model is asked for, and what path and query say of it.
    #[must_use]
    pub(crate) fn form(&self) -> (Task, Form) {
        match self {
            Operation::Chat(form) | Operation::CountTokens(form) => (Task::Chat, form.clone()),
            Operation::Task(task, form) => (*task, form.clone()),
            Operation::Models
            | Operation::Model { .. }
            | Operation::Through(_)
            | Operation::Stored(_)
            | Operation::Live
            | Operation::Ready => (Task::Chat, Form::default()),
        }
    }

    /// The word in records.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Operation::Chat(_) => "chat",
            Operation::CountTokens(_) => "count_tokens",
            Operation::Through(_) => "passthrough",
            Operation::Task(task, _) => task.name(),
            Operation::Models | Operation::Model { .. } => "models",
            Operation::Stored(_) => "responses",
            Operation::Live | Operation::Ready => "probe",
        }
    }
}

/// One line of the table.
struct Row {
    /// Its dialect. None: the headers say.
    dialect: Option<Spoken>,
    method: Method,
    /// What may stand in front of the path; `*` is any one segment.
    roots: &'static [&'static str],
    /// The path below its root: `{model}` is one segment, `{path}` may hold slashes as they are.
    path: &'static str,
    means: Means,
}

/// What a row's path asks for.
#[derive(Clone, Copy)]
enum Means {
    /// Chat; whether as a stream is said by the body.
    Chat,
    /// Chat, whole.
    WholeChat,
    /// Chat as a stream.
    StreamedChat,
    /// Chat as a stream: server-sent events with `alt=sse`, one JSON array without.
    StreamedChatByAlt,
    CountTokens,
    /// Another task of a model.
    Task(Task),
    Models,
    Model,
    /// An answer that a provider keeps, and what of it or to be done with it.
    Stored(&'static str),
    Live,
    Ready,
}

const OPENAI: &[&str] = &["/v1", "", "/openai/v1"];
const AZURE: &[&str] = &["/openai/deployments"];
const ANTHROPIC: &[&str] = &["/v1", ""];
/// Gemini's own paths, and Vertex's.
const GEMINI: &[&str] = &[
    "/v1beta",
    "/v1",
    "/v1/projects/*/locations/*/publishers/google",
    "/v1beta1/projects/*/locations/*/publishers/google",
];
/// Vertex's paths of Claude; its clients take the root with the version and without it.
const VERTEX_CLAUDE: &[&str] = &[
    "/v1/projects/*/locations/*/publishers/anthropic",
    "/v1beta1/projects/*/locations/*/publishers/anthropic",
    "/projects/*/locations/*/publishers/anthropic",
];
const NONE: &[&str] = &[""];

const fn post(
    dialect: Dialect,
    roots: &'static [&'static str],
    path: &'static str,
    means: Means,
) -> Row {
    post_as(Spoken::of(dialect), roots, path, means)
}

const fn post_as(
    dialect: Spoken,
    roots: &'static [&'static str],
    path: &'static str,
    means: Means,
) -> Row {
    Row {
        dialect: Some(dialect),
        method: Method::POST,
        roots,
        path,
        means,
    }
}

const fn get(
    dialect: Option<Dialect>,
    roots: &'static [&'static str],
    path: &'static str,
    means: Means,
) -> Row {
    Row {
        dialect: match dialect {
            Some(dialect) => Some(Spoken::of(dialect)),
            None => None,
        },
        method: Method::GET,
        roots,
        path,
        means,
    }
}

const fn stored(method: Method, path: &'static str, below: &'static str) -> Row {
    Row {
        dialect: Some(Spoken::of(Dialect::OpenaiResponses)),
        method,
        roots: OPENAI,
        path,
        means: Means::Stored(below),
    }
}

/// The table, what is asked most first.
static ROWS: &[Row] = &[
    post(
        Dialect::OpenaiChat,
        OPENAI,
        "/chat/completions",
        Means::Chat,
    ),
    post(
        Dialect::AnthropicMessages,
        ANTHROPIC,
        "/messages",
        Means::Chat,
    ),
    post(Dialect::OpenaiResponses, OPENAI, "/responses", Means::Chat),
    post(
        Dialect::Gemini,
        GEMINI,
        "/models/{path}:streamGenerateContent",
        Means::StreamedChatByAlt,
    ),
    post(
        Dialect::Gemini,
        GEMINI,
        "/models/{path}:generateContent",
        Means::WholeChat,
    ),
    post(
        Dialect::BedrockConverse,
        NONE,
        "/model/{path}/converse-stream",
        Means::StreamedChat,
    ),
    post(
        Dialect::BedrockConverse,
        NONE,
        "/model/{path}/converse",
        Means::WholeChat,
    ),
    post_as(
        Spoken::BEDROCK_INVOKE,
        NONE,
        "/model/{path}/invoke-with-response-stream",
        Means::StreamedChat,
    ),
    post_as(
        Spoken::BEDROCK_INVOKE,
        NONE,
        "/model/{path}/invoke",
        Means::WholeChat,
    ),
    post_as(
        Spoken::VERTEX_PREDICT,
        VERTEX_CLAUDE,
        "/models/{path}:streamRawPredict",
        Means::StreamedChat,
    ),
    // On Vertex the count is a model of its own; the body names the one that is meant.
    post_as(
        Spoken::VERTEX_PREDICT,
        VERTEX_CLAUDE,
        "/models/count-tokens:rawPredict",
        Means::CountTokens,
    ),
    post_as(
        Spoken::VERTEX_PREDICT,
        VERTEX_CLAUDE,
        "/models/{path}:rawPredict",
        Means::WholeChat,
    ),
    post(Dialect::Cohere, NONE, "/v2/chat", Means::Chat),
    post(
        Dialect::OpenaiChat,
        AZURE,
        "/{model}/chat/completions",
        Means::Chat,
    ),
    post(
        Dialect::AnthropicMessages,
        ANTHROPIC,
        "/messages/count_tokens",
        Means::CountTokens,
    ),
    post(
        Dialect::OpenaiResponses,
        OPENAI,
        "/responses/input_tokens",
        Means::CountTokens,
    ),
    post(
        Dialect::Gemini,
        GEMINI,
        "/models/{path}:countTokens",
        Means::CountTokens,
    ),
    post(
        Dialect::BedrockConverse,
        NONE,
        "/model/{path}/count-tokens",
        Means::CountTokens,
    ),
    get(None, OPENAI, "/models", Means::Models),
    get(
        Some(Dialect::Gemini),
        &["/v1beta"],
        "/models",
        Means::Models,
    ),
    get(
        Some(Dialect::BedrockConverse),
        NONE,
        "/inference-profiles",
        Means::Models,
    ),
    get(
        Some(Dialect::BedrockConverse),
        NONE,
        "/inference-profiles/{path}",
        Means::Model,
    ),
    get(None, OPENAI, "/models/{path}", Means::Model),
    get(
        Some(Dialect::Gemini),
        &["/v1beta"],
        "/models/{path}",
        Means::Model,
    ),
    stored(Method::GET, "/responses/{id}", ""),
    stored(Method::DELETE, "/responses/{id}", ""),
    stored(Method::GET, "/responses/{id}/input_items", "/input_items"),
    stored(Method::POST, "/responses/{id}/cancel", "/cancel"),
    get(None, NONE, "/livez", Means::Live),
    get(None, NONE, "/readyz", Means::Ready),
    Row {
        dialect: None,
        method: Method::HEAD,
        roots: NONE,
        path: "/",
        means: Means::Live,
    },
];

impl Asked {
    /// The same, answered in what its provider speaks where it passes through to one.
    #[must_use]
    pub(crate) fn spoken_by(self, snapshot: &Snapshot) -> Self {
        let provider = match &self.operation {
            Ok(Operation::Through(asked)) => snapshot.providers.get(&asked.provider),
            Ok(_) | Err(_) => None,
        };
        Self {
            dialect: provider.map_or(self.dialect, |provider| provider.dialect.into()),
            ..self
        }
    }
}

/// What a path below `/provider/` asks for; what stands behind the provider stays as it was written.
fn through(uri: &http::Uri) -> Option<Operation> {
    let (provider, path) = uri.path().strip_prefix("/provider/")?.split_once('/')?;
    let provider = percent_decode_str(provider).decode_utf8().ok()?;
    Some(Operation::Through(through::Asked {
        provider: provider.into_owned(),
        path: path.to_owned(),
    }))
}

/// Finds what method, path and query ask for.
pub(crate) fn find(method: &Method, uri: &http::Uri, headers: &HeaderMap) -> Asked {
    if let Some(operation) = through(uri) {
        return Asked {
            dialect: named(headers),
            operation: Ok(operation),
        };
    }
    let path = said_once(uri.path());
    let path = path
        .strip_suffix('/')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(path);
    let mut wrong: Option<(Spoken, &Method)> = None;
    for row in ROWS.iter().chain(tasks::ROWS) {
        let Some(model) = row.fits(path) else {
            continue;
        };
        let dialect = row.dialect.unwrap_or_else(|| named(headers));
        if *method == row.method || (row.method == Method::GET && *method == Method::HEAD) {
            let operation = row
                .operation(model, uri.query())
                .ok_or_else(|| unknown(path));
            return Asked { dialect, operation };
        }
        wrong.get_or_insert((dialect, &row.method));
    }
    match wrong {
        Some((dialect, takes)) => Asked {
            dialect,
            operation: Err(Failure::new(
                Code::NotFound,
                format!("{} takes {takes}, not {method}", shorten(path)),
            )),
        },
        None => Asked {
            dialect: below(path).unwrap_or_else(|| named(headers)),
            operation: Err(unknown(path)),
        },
    }
}

impl Row {
    /// What stands for the model in the path, empty where the row names none; none where the
    /// path is another.
    fn fits<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = self.roots.iter().find_map(|root| {
            let below = without(root, path)?;
            between(self.path, below)
        })?;
        Some(below)
    }

    /// None where what stands in the path is no text.
    fn operation(&self, model: &str, query: Option<&str>) -> Option<Operation> {
        let model = percent_decode_str(model).decode_utf8().ok()?.into_owned();
        let form = |stream: Option<bool>, json_array: bool| Form {
            model: Some(model.clone()).filter(|model| !model.is_empty()),
            stream,
            json_array,
        };
        let chat = |stream, json_array| Operation::Chat(form(stream, json_array));
        Some(match self.means {
            Means::Chat => chat(None, false),
            Means::WholeChat => chat(Some(false), false),
            Means::StreamedChat => chat(Some(true), false),
            Means::StreamedChatByAlt => {
                let mut pairs = query.unwrap_or_default().split('&');
                chat(Some(true), !pairs.any(|pair| pair == "alt=sse"))
            }
            Means::CountTokens => Operation::CountTokens(form(Some(false), false)),
            Means::Task(task) => Operation::Task(task, form(None, false)),
            Means::Models => Operation::Models,
            Means::Model => Operation::Model { id: model },
            Means::Stored(below) => Operation::Stored(StoredCall {
                method: self.method.clone(),
                id: model,
                below,
                query: query.map(str::to_owned),
            }),
            Means::Live => Operation::Live,
            Means::Ready => Operation::Ready,
        })
    }
}

/// The path below a root.
fn without<'p>(root: &str, path: &'p str) -> Option<&'p str> {
    let mut below = path;
    let mut pieces = root.split('*');
    below = below.strip_prefix(pieces.next()?)?;
    for piece in pieces {
        let end = below.find('/').filter(|end| *end > 0)?;
        below = below.get(end..)?.strip_prefix(piece)?;
    }
    Some(below)
}

/// What stands in the path where the pattern has its blank; empty where it has none.
fn between<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let (name, after) = rest.split_once('}')?;
    let stands = path.strip_prefix(before)?.strip_suffix(after)?;
    let whole = name == "path" || !stands.contains('/');
    (whole && !stands.is_empty()).then_some(stands)
}

/// The path without the `/v1` of a base URL to which the client has added its own.
fn said_once(path: &str) -> &str {
    path.strip_prefix("/v1")
        .filter(|rest| rest.starts_with("/v1/") || rest.starts_with("/v1beta/"))
        .unwrap_or(path)
}

fn unknown(path: &str) -> Failure {
    let why = format!("there is no path {}", shorten(path));
    Failure::new(Code::NotFound, why)
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
    use http::{HeaderMap, HeaderValue, Method, Uri};
    use policy::failure::{Code, Failure};

    use super::{Form, Operation, between, find, without};
    use dialect::Spoken;

    fn asked(
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> (Dialect, Result<Operation, Failure>) {
        let found = find(method, &Uri::try_from(path).unwrap(), headers);
        (found.dialect.dialect(), found.operation)
    }

    fn get(path: &str) -> Option<Operation> {
        asked(&Method::GET, path, &HeaderMap::new()).1.ok()
    }

    fn post(path: &str, headers: &HeaderMap) -> (Dialect, Operation) {
        let (dialect, operation) = asked(&Method::POST, path, headers);
        (dialect, operation.unwrap())
    }

    #[test]
    fn the_path_says_the_dialect_where_it_can_whatever_the_headers_say() {
        let bare = HeaderMap::new();
        let mut versioned = HeaderMap::new();
        versioned.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        for headers in [&bare, &versioned] {
            let chat = Operation::Chat(Form::default());
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
            let unknown = asked(&Method::POST, "/v1/messages/nothing", headers);
            assert_eq!(unknown.0, AnthropicMessages);
            assert!(unknown.1.is_err());
        }
        let models = |headers| asked(&Method::GET, "/v1/models", headers).0;
        assert_eq!(models(&versioned), AnthropicMessages);
        assert_eq!(models(&bare), OpenaiChat);
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
        let deployed = "/openai/deployments/a%2Fb/chat/completions?api-version=1";
        let form = Form {
            model: Some("a/b".to_owned()),
            ..Form::default()
        };
        let found = post(deployed, &HeaderMap::new());
        assert_eq!(found, (OpenaiChat, Operation::Chat(form)));
        let deeper = "/openai/deployments/a/b/chat/completions";
        assert!(asked(&Method::POST, deeper, &HeaderMap::new()).1.is_err());
    }

    #[test]
    fn a_wrong_method_is_told_which_one_is_right() {
        let wrong = asked(&Method::DELETE, "/v1/models/fast", &HeaderMap::new());
        let wrong = wrong.1.unwrap_err();
        assert_eq!(wrong.code, Code::NotFound);
        assert!(wrong.message.contains("takes GET"), "{}", wrong.message);
    }

    #[test]
    fn roots_and_patterns_have_blanks() {
        let vertex = "/v1/projects/*/locations/*/publishers/google";
        let path = "/v1/projects/p/locations/eu/publishers/google/models/g:generateContent";
        assert_eq!(without(vertex, path), Some("/models/g:generateContent"));
        assert_eq!(without(vertex, "/v1/projects//locations/eu/x"), None);
        let pattern = "/models/{path}:generateContent";
        assert_eq!(between(pattern, "/models/a/b:generateContent"), Some("a/b"));
        assert_eq!(between(pattern, "/models/:generateContent"), None);
        assert_eq!(between(pattern, "/models/a:streamGenerateContent"), None);
        assert_eq!(between("/{model}/x", "/a/b/x"), None);
    }

    #[test]
    fn what_the_path_says_of_a_stream_is_found_in_every_dialect_that_is_built() {
        for (name, path, stream, json_array) in [
            ("gemini", "/v1beta/models/m:generateContent", false, false),
            (
                "gemini",
                "/v1beta/models/m:streamGenerateContent?alt=sse",
                true,
                false,
            ),
            (
                "gemini",
                "/v1beta/models/m:streamGenerateContent?key=k",
                true,
                true,
            ),
            ("bedrock-converse", "/model/m/converse", false, false),
            ("bedrock-converse", "/model/m/converse-stream", true, false),
        ] {
            let (dialect, operation) = asked(&Method::POST, path, &HeaderMap::new());
            let spoken = Dialect::by_name(name).unwrap();
            let form = Form {
                model: Some("m".to_owned()),
                stream: Some(stream),
                json_array,
            };
            assert_eq!(
                (dialect, operation.unwrap()),
                (spoken, Operation::Chat(form))
            );
        }
    }
    #[test]
    fn claude_under_the_paths_of_clouds_is_found_with_the_form_that_its_path_says() {
        let vertex = "/projects/p/locations/us-east5/publishers/anthropic/models";
        for (path, spoken, stream) in [
            ("/model/m/invoke".to_owned(), Spoken::BEDROCK_INVOKE, false),
            (
                "/model/m/invoke-with-response-stream".to_owned(),
                Spoken::BEDROCK_INVOKE,
                true,
            ),
            (
                format!("{vertex}/m:rawPredict"),
                Spoken::VERTEX_PREDICT,
                false,
            ),
            (
                format!("/v1{vertex}/m:streamRawPredict"),
                Spoken::VERTEX_PREDICT,
                true,
            ),
        ] {
            let found = find(
                &Method::POST,
                &Uri::try_from(path).unwrap(),
                &HeaderMap::new(),
            );
            let form = Form {
                model: Some("m".to_owned()),
                stream: Some(stream),
                json_array: false,
            };
            assert_eq!(found.dialect, spoken);
            assert_eq!(found.operation.unwrap(), Operation::Chat(form));
        }
        let unknown = Uri::try_from(format!("{vertex}/m:predict")).unwrap();
        let found = find(&Method::POST, &unknown, &HeaderMap::new());
        assert_eq!(found.dialect, Spoken::VERTEX_PREDICT);
    }

    #[test]
    fn what_stands_behind_a_provider_stays_as_it_was_written() {
        for (path, provider, behind) in [
            ("/provider/openai/v1/files?a=b", "openai", "v1/files"),
            ("/provider/a%20b/%2e%2e/x/", "a b", "%2e%2e/x/"),
            ("/provider/v1//files", "v1", "/files"),
        ] {
            let wanted = Operation::Through(crate::through::Asked {
                provider: provider.to_owned(),
                path: behind.to_owned(),
            });
            for method in [Method::GET, Method::DELETE, Method::PATCH] {
                let found = asked(&method, path, &HeaderMap::new()).1;
                assert_eq!(found.unwrap(), wanted, "{path}");
            }
        }
        for path in ["/provider", "/provider/", "/provider/x", "/providers/x/y"] {
            assert!(
                asked(&Method::GET, path, &HeaderMap::new()).1.is_err(),
                "{path}"
            );
        }
    }
}

use dialect::Dialect::{self, AnthropicMessages, OpenaiChat};
use http::{HeaderMap, HeaderValue, Method, Uri};
use policy::failure::{Code, Failure};

use super::{Form, Operation, between, find, without};

fn asked(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> (Dialect, Result<Operation, Failure>) {
    let found = find(method, &Uri::try_from(path).unwrap(), headers);
    (found.dialect, found.operation)
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

//! Models that the path names: what goes upstream is the target's name, whatever the body says.

use dialect::Dialect;
use serde_json::{Value, json};

use crate::asking::{Ask, assert_error};
use crate::harness::{Road, WRITTEN, model, provider, sim, snapshot, target};

const CHAT: Dialect = Dialect::OpenaiChat;

/// What the provider got, and under which name it was called.
async fn sent(served: Dialect, ask: Ask) -> (Value, String) {
    let sim = sim().await;
    // `echo` is a model here and at the provider, and `m` is served by it.
    let mut own = model(vec![target(provider("p", served, sim.addr()), "echo")]);
    let mut other = own.clone();
    other.name = "echo".into();
    own.name = "m".into();
    let road = Road::start(snapshot(vec![own, other]));
    let got = ask.send(&road).await;
    assert_eq!(got.said(), "hi", "{}", got.text());
    let called = got.header("x-bondgate-model").to_owned();
    let body = serde_json::from_slice(&sim.seen()[0].body).unwrap();
    (body, called)
}

#[tokio::test]
async fn a_model_in_the_path_wins_over_the_bodys_and_needs_none_there() {
    for served in WRITTEN {
        for named in ["m", "echo"] {
            for own in [None, Some("m"), Some("echo"), Some("nobodys")] {
                let path = format!("/openai/deployments/{named}/chat/completions?api-version=1");
                let mut body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
                if let Some(own) = own {
                    body["model"] = json!(own);
                }
                let ask = Ask::new(CHAT, "").at(&path).raw(body.to_string());
                let (got, called) = sent(served, ask).await;
                assert_eq!(got["model"], "echo", "{served:?} {named} {own:?}");
                assert_eq!(called, named);
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_names_no_model_goes_on_as_it_stood_with_one() {
    let body = r#"{ "x": [1,  2], "messages": [{"role":"user","content":"hi"}] }"#;
    let path = "/openai/deployments/m/chat/completions";
    let sim = sim().await;
    let road = Road::to(vec![target(provider("p", CHAT, sim.addr()), "echo")]);
    Ask::new(CHAT, "").at(path).raw(body).send(&road).await;
    let sent = String::from_utf8_lossy(&sim.seen()[0].body).into_owned();
    assert_eq!(sent.replace(r#""model":"echo","#, ""), body);
}

#[tokio::test]
async fn where_neither_path_nor_body_names_a_model_it_is_said() {
    let sim = sim().await;
    let road = Road::to(vec![target(provider("p", CHAT, sim.addr()), "echo")]);
    for client in WRITTEN {
        let ask = Ask::new(client, "hi").raw(r#"{"max_tokens":9,"messages":[]}"#);
        let got = ask.send(&road).await;
        assert_error(client, &got, 400, "invalid_request");
        assert!(
            got.message().ends_with("model: field required"),
            "{}",
            got.text()
        );
    }
    assert!(sim.seen().is_empty());
}

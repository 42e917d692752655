//! What a request needs, against what is known of its targets: decided before anything is sent.

use std::sync::Arc;

use dialect::Dialect;
use policy::model::{Fallback, Model, Target};
use policy::profile::{Profile, Thinking};
use serde_json::{Value, json};
use sim::Sim;

use crate::asking::{Ask, assert_error};
use crate::harness::{Road, model, provider, sim, target};
use crate::speaking;

/// A target of which this is known.
fn known(name: &str, dialect: Dialect, sim: &Sim, profile: Profile) -> Arc<Target> {
    let target = target(provider(name, dialect, sim.addr()), "echo");
    let mut target = Arc::into_inner(target).unwrap();
    target.profile = profile;
    Arc::new(target)
}

fn blind() -> Profile {
    Profile {
        vision: Some(false),
        ..Profile::default()
    }
}

/// A request with a picture, in the words of each dialect.
fn with_a_picture(dialect: Dialect) -> Ask {
    let ask = Ask::new(dialect, "what is this?");
    let data = "iVBORw0KGgo=";
    let url = format!("data:image/png;base64,{data}");
    let user = |parts: Value| json!([{ "role": "user", "content": parts }]);
    match dialect {
        Dialect::OpenaiChat | Dialect::Cohere => ask.with(
            "messages",
            user(json!([{ "type": "image_url", "image_url": { "url": url } }])),
        ),
        Dialect::AnthropicMessages => {
            let source = json!({ "type": "base64", "media_type": "image/png", "data": data });
            let parts = json!([{ "type": "image", "source": source }]);
            ask.with("messages", user(parts))
        }
        Dialect::OpenaiResponses => ask.with(
            "input",
            user(json!([{ "type": "input_image", "image_url": url, "detail": "auto" }])),
        ),
        Dialect::Gemini => {
            let inline = json!({ "mimeType": "image/png", "data": data });
            let parts = json!([{ "role": "user", "parts": [{ "inlineData": inline }] }]);
            ask.with("contents", parts)
        }
        Dialect::BedrockConverse => {
            let image = json!({ "format": "png", "source": { "bytes": data } });
            let parts = json!([{ "role": "user", "content": [{ "image": image }] }]);
            ask.with("messages", parts)
        }
    }
}

#[tokio::test]
async fn a_target_that_sees_nothing_gets_no_picture() {
    for client in Dialect::ALL {
        let (first, second) = (sim().await, sim().await);
        let road = Road::to(vec![
            known("blind", client, &first, blind()),
            known("seeing", client, &second, Profile::default()),
        ]);
        let got = with_a_picture(client).send(&road).await;
        assert_eq!(got.header("x-bondgate-target"), "seeing/echo", "{got:?}");
        assert!(first.seen().is_empty());
        let got = Ask::new(client, "no picture, only \"image_url\" and \"image\"");
        let got = got.send(&road).await;
        assert_eq!(got.header("x-bondgate-target"), "blind/echo", "{got:?}");
    }
}

#[tokio::test]
async fn where_no_target_can_the_client_is_told_what_each_lacks() {
    for client in Dialect::ALL {
        let sim = sim().await;
        let road = Road::to(vec![known("blind", client, &sim, blind())]);
        let got = with_a_picture(client).send(&road).await;
        assert_error(client, &got, 400, "cannot_translate");
        assert!(
            got.message().contains("blind/echo lacks `vision`"),
            "{got:?}"
        );
        assert_eq!(got.facts()["unfit"][0]["target"], "blind/echo");
        assert!(sim.seen().is_empty());
    }
}

#[tokio::test]
async fn tools_go_to_a_target_that_calls_them() {
    for client in Dialect::ALL {
        let (first, second) = (sim().await, sim().await);
        let without = Profile {
            tools: Some(false),
            ..Profile::default()
        };
        let road = Road::to(vec![
            known("without", client, &first, without),
            known("with", client, &second, Profile::default()),
        ]);
        let got = Ask::new(client, "hi").tool().send(&road).await;
        assert_eq!(got.header("x-bondgate-target"), "with/echo", "{got:?}");
        assert!(first.seen().is_empty());
    }
}

#[tokio::test]
async fn what_is_too_long_beyond_doubt_goes_where_there_is_room() {
    let small = Profile {
        max_input_tokens: Some(1_000),
        ..Profile::default()
    };
    for client in Dialect::ALL {
        let (first, second) = (sim().await, sim().await);
        let large = known("large", client, &second, Profile::default());
        let road = Road::with(Model {
            fallback: Fallback {
                context_window: vec![large],
                ..Fallback::default()
            },
            ..model(vec![known("small", client, &first, small)])
        });
        let got = Ask::new(client, &"words ".repeat(20_000)).send(&road).await;
        assert_eq!(got.header("x-bondgate-target"), "large/echo", "{got:?}");
        assert!(first.seen().is_empty());
        let got = Ask::new(client, "few words").send(&road).await;
        assert_eq!(got.header("x-bondgate-target"), "small/echo", "{got:?}");
    }
}

#[tokio::test]
async fn a_beginning_of_the_answer_goes_to_who_takes_it() {
    let (first, second) = (sim().await, sim().await);
    let refuses = Profile {
        prefill: Some(false),
        ..Profile::default()
    };
    let claude = Dialect::AnthropicMessages;
    let road = Road::to(vec![
        known("refuses", claude, &first, refuses),
        known("takes", claude, &second, Profile::default()),
    ]);
    let turns =
        json!([{ "role": "user", "content": "hi" }, { "role": "assistant", "content": "I" }]);
    let got = Ask::new(claude, "hi")
        .with("messages", turns)
        .send(&road)
        .await;
    assert_eq!(got.header("x-bondgate-target"), "takes/echo", "{got:?}");
    let turns =
        json!([{ "role": "assistant", "content": "I" }, { "role": "user", "content": "hi" }]);
    let got = Ask::new(claude, "hi")
        .with("messages", turns)
        .send(&road)
        .await;
    assert_eq!(got.header("x-bondgate-target"), "refuses/echo", "{got:?}");
}

#[tokio::test]
async fn a_model_that_thinks_as_it_sees_fit_is_asked_how_hard() {
    let sim = sim().await;
    for (thinking, budget) in [(Thinking::Adaptive, false), (Thinking::Budget, true)] {
        let profile = Profile {
            thinking: Some(thinking),
            ..Profile::default()
        };
        let road = Road::to(vec![known("p", Dialect::AnthropicMessages, &sim, profile)]);
        let mut ask = Ask::new(Dialect::OpenaiChat, "hi").with("reasoning_effort", json!("medium"));
        let mut body: Value = serde_json::from_slice(&ask.body).unwrap();
        speaking::limit(Dialect::OpenaiChat, &mut body, 20_000);
        ask.body = body.to_string().into_bytes();
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{got:?}");
        let asked: Value = serde_json::from_slice(&sim.seen().pop().unwrap().body).unwrap();
        assert_eq!(
            asked["thinking"]["budget_tokens"].is_number(),
            budget,
            "{asked}"
        );
        let kind = if budget { "enabled" } else { "adaptive" };
        assert_eq!(asked["thinking"]["type"], kind, "{asked}");
        assert_eq!(
            asked["output_config"]["effort"] == "medium",
            !budget,
            "{asked}"
        );
    }
}

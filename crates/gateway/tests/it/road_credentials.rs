//! Several credentials for one provider: all are used, and one that is refused costs the client nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use dialect::Dialect;
use policy::model::Target;
use policy::secret::{ProviderKey, Secret};
use serde_json::{Value, json};
use sim::Sim;

use crate::asking::{Ask, assert_error};
use crate::harness::{Road, model, provider, scripted, sim, target};

const KEYS: [&str; 3] = ["sk-a-0123456789", "sk-b-0123456789", "sk-c-0123456789"];

/// Targets of one provider that has all three keys.
fn targets(sim: &Sim, models: &[&str]) -> Vec<Arc<Target>> {
    let mut provider = provider("p", Dialect::OpenaiChat, sim.addr());
    let key = |secret: &&str| {
        let origin = provider.origin.clone();
        let secret = Secret::new((*secret).to_owned());
        Arc::new(ProviderKey::new("p".to_owned(), secret, origin))
    };
    provider.keys = KEYS.iter().map(key).collect();
    let first = target(provider, "");
    let of = |name: &&str| Arc::new(Target::new(Arc::clone(&first.provider), (*name).to_owned()));
    models.iter().map(of).collect()
}

/// A provider that answers `status` to every key but the last.
async fn refusing(status: &Value) -> Sim {
    let rule = |key: &&str| json!({ "when": { "header": { "authorization": format!("Bearer {key}") } }, "do": { "status": status } });
    scripted(json!({ "rules": KEYS[..2].iter().map(rule).collect::<Vec<_>>() })).await
}

/// The credentials that a provider was shown, in order.
fn shown(sim: &Sim) -> Vec<String> {
    let shown = |seen: &sim::Seen| seen.headers["authorization"].to_str().unwrap().to_owned();
    sim.seen().iter().map(shown).collect()
}

#[tokio::test]
async fn every_credential_carries_its_share() {
    let sim = sim().await;
    let road = Road::to(targets(&sim, &["echo"]));
    // By chance one of three is left out for so long about once in 10^17 runs.
    for _ in 0..100 {
        let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
        assert_eq!(got.header("x-bondgate-attempts"), "1");
    }
    assert_eq!(shown(&sim).into_iter().collect::<BTreeSet<_>>().len(), 3);
}

#[tokio::test]
async fn the_next_credential_is_shown_where_one_is_refused_limited_or_used_up() {
    let refusals = [
        json!({ "status": 401 }),
        json!({ "status": 403 }),
        json!({ "status": 402 }),
        json!({ "status": 429 }),
        json!({ "status": 429, "code": "insufficient_quota" }),
    ];
    for status in refusals {
        let sim = refusing(&status).await;
        let road = Road::to(targets(&sim, &["echo"]));
        for stream in [false, true, false, true, false, true] {
            sim.reset();
            let ask = Ask::either(Dialect::AnthropicMessages, stream, "hi");
            let got = ask.send(&road).await;
            assert_eq!(got.said(), "hi", "{status} {}", got.text());
            let shown = shown(&sim);
            assert_eq!(shown.last().unwrap(), &format!("Bearer {}", KEYS[2]));
            assert_eq!(got.header("x-bondgate-attempts"), shown.len().to_string());
            assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len());
        }
    }
}

#[tokio::test]
async fn a_refused_credential_is_shown_to_no_other_target_either() {
    let sim = scripted(json!({ "rules": [{ "do": { "status": { "status": 401 } } }] })).await;
    let mut own = model(targets(&sim, &["one", "two"]));
    own.retry.max_attempts = 9;
    let road = Road::with(own);
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    assert_error(Dialect::OpenaiChat, &got, 502, "provider_failed");
    let shown = shown(&sim);
    assert_eq!(
        (shown.len(), shown.iter().collect::<BTreeSet<_>>().len()),
        (3, 3)
    );
}

#[tokio::test]
async fn one_that_is_limited_at_a_target_may_be_shown_to_another() {
    let rule = json!({ "when": { "model": "one" }, "do": { "status": { "status": 429 } } });
    let sim = scripted(json!({ "rules": [rule] })).await;
    let road = Road::to(targets(&sim, &["one", "echo"]));
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    assert_eq!(got.said(), "hi", "{}", got.text());
    assert_eq!(got.header("x-bondgate-target"), "p/echo");
    assert_eq!(got.header("x-bondgate-attempts"), "4");
}

#[tokio::test]
async fn the_bound_of_attempts_holds_for_credentials_too() {
    let sim = scripted(json!({ "rules": [{ "do": { "status": { "status": 401 } } }] })).await;
    let mut own = model(targets(&sim, &["one"]));
    own.retry.max_attempts = 2;
    let got = Ask::new(Dialect::OpenaiChat, "hi")
        .send(&Road::with(own))
        .await;
    assert_error(Dialect::OpenaiChat, &got, 502, "provider_failed");
    assert_eq!(shown(&sim).len(), 2);
}

//! Reasoning over the turns of a loop with a tool, for clients that drop all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dialect::Dialect;
use gateway::reasoning::LASTS_MS;
use gateway::{Timings, WallClock};
use policy::model::Target;
use serde_json::{Value, json};
use sim::Sim;

use crate::asking::{Ask, Got};
use crate::harness::{Road, add_key, key, model, provider, scripted, sim, snapshot, target};
use crate::looping::{Call, brought_back, call, first, next, reasoner, saying};

const RESULT: &str = "the note is taken";

fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    let of = |client| Dialect::ALL.map(move |provider| (client, provider));
    Dialect::ALL
        .into_iter()
        .flat_map(of)
        .filter(|(client, provider)| client != provider)
}

fn reasoning(name: &str, dialect: Dialect, sim: &Sim) -> Arc<Target> {
    let mut provider = provider(name, dialect, sim.addr());
    provider.quirks.plain_reasoning = dialect == Dialect::OpenaiChat;
    target(provider, reasoner(dialect))
}

/// What the last request that the provider got brings back.
fn last(dialect: Dialect, sim: &Sim) -> Vec<String> {
    brought_back(dialect, &sim.seen().last().unwrap().body)
}

async fn called(ask: &Ask, stream: bool, road: &Road) -> Call {
    let got = ask.send(road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    call(ask.dialect, stream, &got)
}

fn assert_answers(got: &Got, case: &str) {
    assert_eq!(
        got.status,
        200,
        "{case}: {:?}",
        String::from_utf8_lossy(&got.body)
    );
    assert!(got.said().contains(RESULT), "{case}: {got:?}");
}

#[tokio::test]
async fn a_loop_with_a_tool_keeps_its_reasoning_in_every_pair() {
    for (client, to) in pairs() {
        for stream in [false, true] {
            let case = format!("{client:?} to {to:?}, stream {stream}");
            let sim = sim().await;
            let road = Road::to(vec![reasoning("p", to, &sim)]);
            let ask = first(client, stream);
            let call = called(&ask, stream, &road).await;
            let again = next(&ask, &call, RESULT);
            let got = again.send(&road).await;
            assert_answers(&got, &case);
            assert_eq!(last(to, &sim).len(), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_comes_back_gets_its_own_and_no_other_sees_it() {
    for (client, to) in pairs() {
        let case = format!("{client:?} to {to:?}");
        let down = json!({ "status": { "status": 500 } });
        let script = json!({ "rules": [{ "when": { "nth": [2, 2] }, "do": down }] });
        let (ours, others) = (scripted(script).await, sim().await);
        let other = target(provider("q", to, others.addr()), "another-reasoner");
        let road = Road::to(vec![reasoning("p", to, &ours), other]);
        let ask = first(client, false);
        let call = called(&ask, false, &road).await;
        let again = next(&ask, &call, RESULT);
        let got = again.send(&road).await;
        if to != Dialect::OpenaiChat {
            assert_answers(&got, &case);
        }
        assert_eq!(last(to, &others), [""; 0], "{case}");
        let got = again.send(&road).await;
        assert_answers(&got, &case);
        assert_eq!(last(to, &ours).len(), 1, "{case}");
    }
}

/// The turn of an answer to a chat client that keeps all of it, with the tool's answer behind.
fn carried(ask: &Ask, got: &Got) -> Ask {
    let answer = got.json();
    let message = &answer["choices"][0]["message"];
    let id = &message["tool_calls"][0]["id"];
    let mut body: Value = serde_json::from_slice(&ask.body).unwrap();
    let result = json!({ "role": "tool", "tool_call_id": id, "content": RESULT });
    let turns = body["messages"].as_array_mut().unwrap();
    turns.extend([message.clone(), result]);
    ask.clone().raw(body.to_string())
}

#[tokio::test]
async fn what_one_model_signed_goes_to_no_other_though_its_client_carries_it() {
    let down = json!({ "status": { "status": 500 } });
    let script = json!({ "rules": [{ "when": { "nth": [2, 2] }, "do": down }] });
    let (ours, others) = (scripted(script).await, sim().await);
    let to = Dialect::AnthropicMessages;
    let other = target(provider("q", to, others.addr()), "another-reasoner");
    let road = Road::to(vec![reasoning("p", to, &ours), other]);
    let ask = first(Dialect::OpenaiChat, false);
    let again = carried(&ask, &ask.send(&road).await);
    let got = again.send(&road).await;
    assert_answers(&got, "with the other");
    assert_eq!(got.header("x-bondgate-target"), "q/another-reasoner");
    assert_eq!(last(to, &others), [""; 0]);
    let losses = got.header("x-bondgate-loss");
    assert!(losses.contains("messages[1]"), "{losses}");
    assert_answers(&again.send(&road).await, "back again");
    assert_eq!(last(to, &ours).len(), 1);
}

#[tokio::test]
async fn another_tenant_gets_nothing_for_the_same_call() {
    const OTHER: &str = "bg-the-key-of-somebody-else-who-saw-an-id-go-by";
    for (client, to) in pairs() {
        let sim = sim().await;
        let mut rules = snapshot(vec![model(vec![reasoning("p", to, &sim)])]);
        add_key(&mut rules, key("other", OTHER));
        let road = Road::start(rules);
        let ask = first(client, false);
        let call = called(&ask, false, &road).await;
        let again = next(&ask, &call, RESULT);
        let bare = ["authorization", "x-api-key", "x-goog-api-key"];
        let theirs = bare
            .iter()
            .fold(again.clone(), |ask, name| ask.without(name));
        let theirs = theirs.header("authorization", &format!("Bearer {OTHER}"));
        theirs.send(&road).await;
        let case = format!("{client:?} to {to:?}");
        assert_eq!(last(to, &sim), [""; 0], "{case}");
        again.send(&road).await;
        assert_eq!(last(to, &sim).len(), 1, "{case}");
    }
}

#[tokio::test]
async fn an_id_that_comes_again_in_another_conversation_brings_nothing() {
    let sim = sim().await;
    let to = Dialect::AnthropicMessages;
    let road = Road::to(vec![reasoning("p", to, &sim)]);
    let ask = first(Dialect::OpenaiChat, false);
    let call = called(&ask, false, &road).await;
    let other = saying(
        Dialect::OpenaiChat,
        false,
        "USE_TOOL take, says another user",
    );
    let got = next(&other, &call, RESULT).send(&road).await;
    assert_answers(&got, "another conversation");
    assert_eq!(last(to, &sim), [""; 0]);
}

#[tokio::test]
async fn what_is_kept_lasts_a_day_and_its_end_is_a_loss_and_no_failure() {
    for to in [
        Dialect::AnthropicMessages,
        Dialect::Gemini,
        Dialect::BedrockConverse,
    ] {
        let sim = sim().await;
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let clock = Arc::clone(&now);
        let road = Road::clocked(
            snapshot(vec![model(vec![reasoning("p", to, &sim)])]),
            (512 << 20, Timings::default()),
            WallClock::new(move || clock.load(Ordering::Relaxed)),
        );
        let ask = first(Dialect::OpenaiChat, false);
        let call = called(&ask, false, &road).await;
        let again = next(&ask, &call, RESULT);
        now.fetch_add(LASTS_MS - 1, Ordering::Relaxed);
        assert_answers(&again.send(&road).await, "in time");
        assert_eq!(last(to, &sim).len(), 1, "{to:?}");
        now.fetch_add(1, Ordering::Relaxed);
        let got = again.send(&road).await;
        assert_answers(&got, "too late");
        assert_eq!(last(to, &sim), [""; 0], "{to:?}");
        let losses = got.header("x-bondgate-loss");
        let named = if to == Dialect::Gemini {
            "messages[1].tool_calls[0] approximated"
        } else {
            "reasoning_effort"
        };
        assert!(losses.contains(named), "{to:?}: {losses}");
        // The next answer that is kept lets the old one go.
        let other = saying(Dialect::OpenaiChat, false, "USE_TOOL take once more");
        let before = road.shared.reasoning.bytes();
        called(&other, false, &road).await;
        assert!(road.shared.reasoning.bytes() < 2 * before, "{to:?}");
    }
}

#[tokio::test]
async fn the_oldest_goes_where_there_is_no_room_and_memory_is_counted() {
    const MEMORY: usize = 256 << 10;
    let sim = sim().await;
    let to = Dialect::AnthropicMessages;
    let rules = snapshot(vec![model(vec![reasoning("p", to, &sim)])]);
    let road = Road::tuned(rules, MEMORY, Timings::default());
    let mut loops = Vec::new();
    for n in 0..80 {
        let ask = saying(
            Dialect::OpenaiChat,
            false,
            &format!("USE_TOOL take number {n}"),
        );
        let call = called(&ask, false, &road).await;
        loops.push(next(&ask, &call, RESULT));
        assert!(road.shared.reasoning.bytes() <= MEMORY / 8);
    }
    assert_answers(&loops[79].send(&road).await, "the newest");
    assert_eq!(last(to, &sim).len(), 1);
    assert_answers(&loops[0].send(&road).await, "the oldest");
    assert_eq!(last(to, &sim), [""; 0]);
    let kept = road.shared.reasoning.bytes();
    crate::harness::until("only what is kept is lent", || {
        road.shared.memory.held() == kept
    })
    .await;
}

/// One loop of its own text.
async fn walk(road: Arc<Road>, n: usize) {
    let text = format!("USE_TOOL take number {n}");
    let stream = n.is_multiple_of(2);
    let ask = saying(Dialect::OpenaiChat, stream, &text);
    let call = called(&ask, stream, &road).await;
    assert_answers(&next(&ask, &call, RESULT).send(&road).await, &text);
}

/// Each conversation's text with what it brought back.
fn all_brought_back(dialect: Dialect, sim: &Sim) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for seen in sim.seen() {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let text = body["messages"][0]["content"].to_string();
        let own = brought_back(dialect, &seen.body).into_iter();
        all.extend(own.map(|own| (text.clone(), own)));
    }
    all.sort();
    all
}

#[tokio::test]
async fn loops_at_once_get_each_their_own() {
    let to = Dialect::AnthropicMessages;
    let mut rounds = Vec::new();
    for at_once in [1, 16] {
        let sim = sim().await;
        let road = Arc::new(Road::to(vec![reasoning("p", to, &sim)]));
        for begin in (0..32).step_by(at_once) {
            let walks = (begin..begin + at_once).map(|n| tokio::spawn(walk(Arc::clone(&road), n)));
            for walk in walks.collect::<Vec<_>>() {
                walk.await.unwrap();
            }
        }
        rounds.push(all_brought_back(to, &sim));
    }
    assert_eq!(rounds[0].len(), 32);
    assert_eq!(rounds[0], rounds[1]);
}

#[tokio::test]
async fn what_nothing_signs_goes_back_to_those_alone_that_want_it() {
    let sim = sim().await;
    let to = Dialect::OpenaiChat;
    let road = Road::to(vec![target(provider("p", to, sim.addr()), "deepseek")]);
    let ask = first(Dialect::AnthropicMessages, false);
    let call = called(&ask, false, &road).await;
    assert_answers(&next(&ask, &call, RESULT).send(&road).await, "without");
    assert_eq!(last(to, &sim), [""; 0]);
}

//! Bounds: slow readers, full memory, large answers, tool calls that wait, and a configuration that
//! changes under load.

use std::sync::Arc;
use std::time::Duration;

use dialect::Dialect;
use gateway::Timings;
use policy::model::{Recovery, ToolCalls};
use serde_json::json;
use tokio::task::JoinSet;

use crate::asking::{Ask, Got, assert_error, assert_failure_event, has_terminator};
use crate::harness::{
    PAIRS, Road, WRITTEN, echo, faulty, model, provider, scripted, sim, snapshot, soon, target,
    until,
};
use crate::puppet::Puppet;

/// What the kernel may hold between provider, gateway and client, far above its limits.
const KERNEL: u64 = 16 << 20;

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_provider() {
    for (client, served) in PAIRS {
        let fast = scripted(json!({ "split": { "bytes": 16384 } })).await;
        let talker = target(provider("a", served, fast.addr()), "talker");
        let road = Road::to(vec![talker]);
        let ask = Ask::stream(client, "[[chunks=60000&bytes=500]]").unlimited();
        let line = ask.open(&road).await;
        soon(fast.arrived(1)).await;
        let sent = at_a_stand(&fast).await;
        let seen = fast.seen().remove(0);
        assert_eq!(seen.outcome, None, "all of it was taken");
        assert!(sent < KERNEL, "{sent} bytes were taken");
        let held = road.shared.memory.held();
        assert!(held < 1 << 20, "{held} bytes are held");
        let got = line.rest().await;
        assert!(has_terminator(&got.body));
        assert_eq!(got.said().len(), 60_000 * 500);
        assert_eq!(road.outcome().await, "answered");
    }
}

/// Waits until nothing more is sent, and says how much was.
async fn at_a_stand(sim: &sim::Sim) -> u64 {
    let (mut sent, mut same) = (0, 0);
    until("nothing more is sent", || {
        let now = sim.seen().first().map_or(0, |seen| seen.bytes_sent);
        same = if now == sent && now > 0 { same + 1 } else { 0 };
        sent = now;
        same > 150
    })
    .await;
    sent
}

#[tokio::test]
async fn beyond_its_memory_the_gateway_refuses_and_comes_back() {
    for (client, served) in PAIRS {
        let slow = faulty(json!("stall_before")).await;
        let own = model(vec![echo("a", served, &slow)]);
        // In one dialect the client's own bytes go on; else they are held as they came and as they go.
        let (least, memory) = if client == served {
            (120 << 10, 200 << 10)
        } else {
            (240 << 10, 400 << 10)
        };
        let road = Road::tuned(snapshot(vec![own]), memory, Timings::default());
        let large = Ask::new(client, &"x".repeat(120 << 10));
        let line = large.open(&road).await;
        soon(slow.arrived(1)).await;
        let held = road.shared.memory.held();
        assert!((least..memory).contains(&held), "{held}");
        for again in [large, Ask::new(client, &"x".repeat(900 << 10))] {
            let got = again.send(&road).await;
            assert_error(client, &got, 503, "overloaded");
            assert!(!got.header("retry-after").is_empty());
            assert_eq!(got.header("x-should-retry"), "");
            assert_eq!(got.facts()["fault"], "gateway");
        }
        assert_eq!(slow.seen().len(), 1);
        drop(line);
        road.at_rest().await;
        slow.set_script(sim::Script::default());
        let got = Ask::new(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
        road.at_rest().await;
    }
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_memory_is_refused_and_not_asked_again() {
    for (client, served) in PAIRS {
        let good = sim().await;
        let talker = |name| target(provider(name, served, good.addr()), "talker");
        let own = model(vec![talker("a"), talker("b")]);
        let road = Road::tuned(snapshot(vec![own]), 64 << 10, Timings::default());
        let ask = Ask::new(client, "[[chunks=1000&bytes=500]]").unlimited();
        let got = ask.send(&road).await;
        assert_error(client, &got, 503, "overloaded");
        assert_eq!(good.seen().len(), 1);
        road.at_rest().await;
    }
}

#[tokio::test]
async fn an_event_for_which_there_is_no_memory_breaks_its_stream() {
    for (client, served) in PAIRS {
        let endless = faulty(json!({ "no_newline": { "mib": 64 } })).await;
        let own = model(vec![echo("a", served, &endless)]);
        let road = Road::tuned(snapshot(vec![own]), 1 << 20, Timings::default());
        let got = Ask::stream(client, "hi").send(&road).await;
        assert_error(client, &got, 503, "overloaded");
        road.at_rest().await;
    }
}

/// A whole chat answer with so many bytes of text.
fn long_chat(bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes);
    format!("{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"x\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}").into_bytes()
}

fn long_message(bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes);
    format!("{{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{{\"input_tokens\":1,\"output_tokens\":1}}}}").into_bytes()
}

fn long(dialect: Dialect, bytes: usize) -> Vec<u8> {
    match dialect {
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::BedrockConverse | Dialect::Cohere => {
            panic!("{WRITTEN:?} are asked for")
        }
        Dialect::OpenaiChat => long_chat(bytes),
        Dialect::AnthropicMessages => long_message(bytes),
    }
}

#[tokio::test]
async fn a_whole_answer_too_large_to_hold_is_relayed() {
    for dialect in WRITTEN {
        let answer = long(dialect, 12 << 20);
        let puppet = Puppet::answering(200, "application/json", &answer).await;
        let road = Road::to(vec![target(provider("a", dialect, puppet.address), "x")]);
        let got = Ask::new(dialect, "hi").send(&road).await;
        assert_eq!(got.status, 200);
        assert!(got.whole && got.body == answer);
        assert_eq!(got.header("x-bondgate-tokens"), "");
        let settled = road.settled(1).await.remove(0);
        assert_eq!(settled.outcome, "answered");
        assert!(!settled.complete, "nobody read what it used");
        assert!(settled.output_tokens >= (12 << 20) / 4);
        road.at_rest().await;
    }
}

#[tokio::test]
async fn an_answer_counts_until_its_client_has_read_it() {
    for (dialect, bytes) in [
        (Dialect::OpenaiChat, 7 << 20),
        (Dialect::AnthropicMessages, 12 << 20),
    ] {
        let answer = long(dialect, bytes);
        let puppet = Puppet::answering(200, "application/json", &answer).await;
        let road = Road::to(vec![target(provider("a", dialect, puppet.address), "x")]);
        let mut line = Ask::new(dialect, "hi").open(&road).await;
        line.until(|got| got.status == 200).await;
        let held = road.shared.memory.held();
        assert!(held >= 7 << 20, "{held} bytes are held");
        let got = line.rest().await;
        assert!(got.whole && got.body == answer);
        assert_eq!(road.outcome().await, "answered");
        road.at_rest().await;
    }
}

#[tokio::test]
async fn a_whole_answer_that_breaks_while_it_is_relayed_breaks_for_the_client() {
    for dialect in WRITTEN {
        let answer = long(dialect, 12 << 20);
        let puppet = Puppet::framed(
            200,
            "application/json",
            "",
            answer.len(),
            &answer[..10 << 20],
        )
        .await;
        let road = Road::to(vec![target(provider("a", dialect, puppet.address), "x")]);
        let got = Ask::new(dialect, "hi").send(&road).await;
        assert_eq!(got.status, 200);
        assert!(!got.whole, "it looks whole");
        assert_eq!(road.outcome().await, "broken");
        road.at_rest().await;
    }
}

#[tokio::test]
async fn a_whole_answer_too_large_to_translate_is_an_error() {
    for (client, served) in PAIRS {
        if client == served {
            continue;
        }
        let puppet = Puppet::answering(200, "application/json", &long(served, 9 << 20)).await;
        let mut own = model(vec![target(provider("a", served, puppet.address), "x")]);
        own.recovery = Recovery::Off;
        let road = Road::with(own);
        let got = Ask::new(client, "hi").send(&road).await;
        assert_error(client, &got, 502, "provider_failed");
        assert!(got.message().contains("longer"), "{}", got.text());
        road.at_rest().await;
    }
}

/// Whether any byte of a tool call is in it.
fn has_call(got: &Got) -> bool {
    let text = got.text();
    ["tool_calls\":[", "tool_use", "input_json_delta"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// The arguments of the calls in a stream, joined.
fn arguments(got: &Got) -> String {
    let events = got.events();
    let pieces = events.iter().filter_map(|event| {
        let call = &event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"];
        let block = &event["delta"]["partial_json"];
        call.as_str().or(block.as_str())
    });
    pieces.collect()
}

#[tokio::test]
async fn no_client_ever_holds_half_a_call_where_calls_come_whole() {
    for (client, served) in PAIRS {
        let ask = Ask::stream(client, "USE_TOOL take").tool();
        let mut parts = 0;
        for tenth in 1..10 {
            let at = f64::from(tenth) / 10.0;
            let cut = faulty(json!({ "cut": { "at_fraction": at } })).await;
            let mut own = model(vec![target(provider("a", served, cut.addr()), "caller")]);
            own.recovery = Recovery::Off;
            let live = ask.send(&Road::with(own.clone())).await;
            parts += usize::from(live.status == 200 && has_call(&live));
            own.tool_calls = ToolCalls::Whole;
            let whole = ask.send(&Road::with(own)).await;
            if whole.status != 200 {
                continue;
            }
            assert_failure_event(client, &whole);
            if has_call(&whole) {
                let call = arguments(&whole);
                let read = serde_json::from_str::<serde_json::Value>(&call);
                assert!(read.is_ok(), "half a call at {at}: {}", whole.text());
            }
        }
        assert!(parts > 0, "no cut fell into the call of {served:?}");
        let good = sim().await;
        let mut own = model(vec![target(provider("a", served, good.addr()), "caller")]);
        own.tool_calls = ToolCalls::Whole;
        let got = ask.send(&Road::with(own)).await;
        assert!(has_terminator(&got.body), "{}", got.text());
        let call: serde_json::Value = serde_json::from_str(&arguments(&got)).unwrap();
        assert!(call["note"].is_string(), "{}", got.text());
    }
}

/// A stream that calls a tool with so many bytes of arguments.
fn calling(dialect: Dialect, bytes: usize) -> String {
    let piece = "a".repeat(bytes / 16);
    let event = |name: &str, data: String| match dialect {
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::BedrockConverse | Dialect::Cohere => {
            panic!("{WRITTEN:?} are asked for")
        }
        Dialect::OpenaiChat => format!("data: {data}\n\n"),
        Dialect::AnthropicMessages => format!("event: {name}\ndata: {data}\n\n"),
    };
    let chat = |delta: &str| {
        let data = format!(
            "{{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}"
        );
        event("", data)
    };
    let pieces: String = (0..16)
        .map(|_| match dialect {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => chat(&format!(
                "{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{piece}\"}}}}]}}"
            )),
            Dialect::AnthropicMessages => event("content_block_delta", format!("{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{piece}\"}}}}")),
        })
        .collect();
    let opening = match dialect {
        Dialect::OpenaiResponses
        | Dialect::Gemini
        | Dialect::BedrockConverse
        | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
        Dialect::OpenaiChat => chat("{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"take\",\"arguments\":\"\"}}]}"),
        Dialect::AnthropicMessages => [
            event("message_start", "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}".to_owned()),
            event("content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"take\",\"input\":{}}}".to_owned()),
        ]
        .concat(),
    };
    opening + &pieces
}

#[tokio::test]
async fn a_call_too_large_to_wait_breaks_the_stream() {
    for (client, served) in PAIRS {
        let bytes = calling(served, 2 << 20);
        let puppet = Puppet::answering(200, "text/event-stream", bytes.as_bytes()).await;
        let mut own = model(vec![target(provider("a", served, puppet.address), "x")]);
        own.tool_calls = ToolCalls::Whole;
        own.recovery = Recovery::Off;
        let road = Road::with(own);
        let got = Ask::stream(client, "hi").tool().send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(!has_call(&got));
        assert_failure_event(client, &got);
        assert!(got.message().contains("1048576"), "{}", got.text());
        road.at_rest().await;
    }
}

#[tokio::test]
async fn a_configuration_that_changes_under_load_fails_nobody() {
    let sims = [sim().await, sim().await];
    let serving = |at: usize| {
        let served = WRITTEN[at % 2];
        snapshot(vec![model(vec![echo("p", served, &sims[at % 2])])])
    };
    let road = Arc::new(Road::start(serving(0)));
    let mut asked = JoinSet::new();
    for at in 0..500 {
        let road = Arc::clone(&road);
        asked.spawn(async move {
            let client = WRITTEN[at % 2];
            let text = format!("[[chunks=4&gap_ms=10&delay_ms=50]] number {at}");
            let got = Ask::either(client, at % 3 == 0, &text).send(&road).await;
            assert_eq!(got.status, 200, "{}", got.text());
            assert!(got.whole);
            assert_eq!(has_terminator(&got.body), at % 3 == 0);
        });
    }
    for at in 1..=50 {
        let before = sims[0].seen().len() + sims[1].seen().len();
        road.shared.snapshot.store(Arc::new(serving(at)));
        until("requests go on", || {
            sims[0].seen().len() + sims[1].seen().len() > before || before >= 500
        })
        .await;
    }
    while let Some(ended) = asked.join_next().await {
        ended.unwrap();
    }
    let settled = road.settled(500).await;
    assert!(settled.iter().all(|s| s.outcome == "answered"));
    road.at_rest().await;
}

#[tokio::test]
async fn a_client_gets_signs_of_life_while_a_call_waits() {
    for (client, served) in PAIRS {
        let still = faulty(json!({ "stall_inside": { "after_events": 4 } })).await;
        let mut own = model(vec![target(provider("a", served, still.addr()), "caller")]);
        own.tool_calls = ToolCalls::Whole;
        let timings = Timings {
            keep_alive: Duration::from_millis(20),
            ..Timings::default()
        };
        let road = Road::tuned(snapshot(vec![own]), 64 << 20, timings);
        let ask = Ask::stream(client, "USE_TOOL take").tool();
        let sign = match client {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => ":",
            Dialect::AnthropicMessages => "event: ping",
        };
        let mut line = ask.open(&road).await;
        let got = line
            .until(|got| {
                let text = String::from_utf8_lossy(&got.body).into_owned();
                text.split("\n\n").filter(|e| e.starts_with(sign)).count() > 3
            })
            .await;
        assert_eq!(got.header("x-bondgate-target"), "a/caller");
        assert!(!has_call(&got), "{}", got.text());
    }
}

//! What clients and operators are told of money: headers, details of streams, the model and tier that
//! served, figures.

use std::time::Duration;

use dialect::Dialect;
use policy::limit::{Limit, Resource};
use policy::money::Nanos;
use policy::price::{Rates, Schedule, Tier};
use policy::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{
    KEY, PAIRS, Road, WRITTEN, credential, faulty, model, provider, sim, snapshot, target,
};
use crate::money::{OUTPUT_NANOS, at_rest, budget, limit, price, priced, road, spent};
use crate::puppet::Puppet;

const CHAT: Dialect = Dialect::OpenaiChat;
const ROOM: i64 = 1_000_000_000;

#[tokio::test]
async fn a_whole_answer_tells_in_headers_who_served_it_and_what_it_cost() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let talker = target(provider("p", served, sim.addr()), "talker");
        let limits = vec![budget("all", ROOM), limit("rpm", Resource::Requests, 9)];
        let road = road(vec![talker], limits);
        let got = Ask::new(client, "hi, CACHED").send(&road).await;
        let call = sim.bill().calls.remove(0);
        let cost = Nanos(i64::try_from(call.cost_nanos).unwrap()).to_string();
        let (input, cached) = (call.input_tokens + call.cached_tokens, call.cached_tokens);
        let tokens = format!("in={input},cached={cached},out={}", call.output_tokens);
        let remaining = match client {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => "x-ratelimit-remaining-requests",
            Dialect::AnthropicMessages => "anthropic-ratelimit-requests-remaining",
        };
        for (name, value) in [
            ("x-bondgate-model", "m"),
            ("x-bondgate-target", "p/talker"),
            ("x-bondgate-attempts", "1"),
            ("x-bondgate-cost-usd", cost.as_str()),
            ("x-bondgate-tokens", tokens.as_str()),
            ("x-bondgate-cache", "off"),
            ("cache-control", "no-store"),
            (remaining, "8"),
            ("x-should-retry", ""),
        ] {
            assert_eq!(got.header(name), value, "{name}: {:?}", got.headers);
        }
        for name in ["x-bondgate-request-id", "x-bondgate-overhead-us"] {
            assert!(!got.header(name).is_empty(), "{name}");
        }
    }
}

/// The `bondgate` member of the last event that has one.
fn details(got: &Got) -> Value {
    let events = got.events();
    let all = events.iter().rev();
    let mut all = all.flat_map(|event| [&event["usage"]["bondgate"], &event["bondgate"]]);
    all.find(|told| told.is_object())
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_stream_tells_in_its_details_what_it_cost() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let talker = target(provider("p", served, sim.addr()), "talker");
        let road = road(vec![talker], vec![budget("all", ROOM)]);
        let ask = Ask::stream(client, "hi, CACHED");
        let silent = ask.send(&road).await;
        assert!(!silent.text().contains("bondgate"), "{}", silent.text());
        let got = ask.header("x-bondgate-details", "1").send(&road).await;
        let told = details(&got);
        at_rest(&road).await;
        let call = sim.bill().calls.remove(1);
        let cost = Nanos(i64::try_from(call.cost_nanos).unwrap()).to_string();
        assert_eq!(
            told["cost_usd"],
            cost,
            "{client:?} {served:?} {}",
            got.text()
        );
        assert_eq!(told["tokens"]["out"], call.output_tokens);
        assert_eq!(told["target"], "p/talker");
        assert_eq!(told["request_id"], got.header("x-bondgate-request-id"));
    }
}

#[tokio::test]
async fn a_refusal_that_cost_something_says_so() {
    let silent = faulty(json!("hang_up")).await;
    let talker = target(provider("p", CHAT, silent.addr()), "talker");
    let mut own = model(vec![talker]);
    own.retry.max_attempts = 1;
    let rows = own.targets.iter().map(|one| price(one)).collect();
    let road = Road::start(priced(snapshot(vec![own]), rows, vec![budget("all", ROOM)]));
    let got = Ask::new(CHAT, "hi")
        .with("max_tokens", json!(10))
        .send(&road)
        .await;
    assert_eq!(got.status, 502);
    assert_eq!(got.header("x-should-retry"), "false");
    let told: Nanos = got.header("x-bondgate-cost-usd").parse().unwrap();
    assert!(told > Nanos::ZERO);
    at_rest(&road).await;
    assert_eq!(spent(&road, "all"), told.0);
}

/// A gateway to a provider that says exactly that, with a price for every tier.
fn tiered(puppet: &Puppet, served: Dialect) -> Road {
    let target = target(provider("p", served, puppet.address), "talker");
    let mut row = price(&target);
    row.tiers = Tier::ALL
        .iter()
        .zip(1..)
        .map(|(tier, times)| {
            let rates = Rates {
                input: Some(0),
                output: Some(OUTPUT_NANOS * 1_000 * 10 * times),
                ..row.rates
            };
            let schedule = Schedule {
                rates,
                above: Vec::new(),
            };
            (*tier, schedule)
        })
        .collect();
    let snapshot = snapshot(vec![model(vec![target])]);
    Road::start(priced(snapshot, vec![row], vec![budget("all", ROOM)]))
}

fn chat_answer(tier: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"talker-2026-01-01",{tier}"choices":[{{"index":0,"message":{{"role":"assistant","content":"hi"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":10,"total_tokens":15}}}}"#
    )
}

fn message_answer(usage: &str) -> String {
    format!(
        r#"{{"id":"c","type":"message","role":"assistant","model":"talker-2026-01-01","content":[{{"type":"text","text":"hi"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":5,"output_tokens":10{usage}}}}}"#
    )
}

#[tokio::test]
async fn the_tier_that_served_is_charged_or_the_one_asked_for() {
    let standard = 5 * 1_000 + 10 * 2_000;
    let times = |n: i64| 10 * 20_000 * n;
    let (chat, messages) = (Dialect::OpenaiChat, Dialect::AnthropicMessages);
    let cases = [
        (chat, None, chat_answer(""), standard),
        (
            chat,
            None,
            chat_answer(r#""service_tier":"default","#),
            standard,
        ),
        (
            chat,
            None,
            chat_answer(r#""service_tier":"flex","#),
            times(2),
        ),
        (chat, Some("priority"), chat_answer(""), times(3)),
        (
            chat,
            Some("priority"),
            chat_answer(r#""service_tier":"default","#),
            standard,
        ),
        (
            chat,
            Some("auto"),
            chat_answer(r#""service_tier":"priority","#),
            times(3),
        ),
        (
            messages,
            None,
            message_answer(r#","service_tier":"standard""#),
            standard,
        ),
        (
            messages,
            None,
            message_answer(r#","service_tier":"priority""#),
            times(3),
        ),
        (
            messages,
            None,
            message_answer(r#","service_tier":"standard","speed":"fast""#),
            times(4),
        ),
    ];
    for (served, asked, answer, cost) in cases {
        for client in WRITTEN {
            if asked.is_some() && client != served {
                continue;
            }
            let puppet = Puppet::answering(200, "application/json", answer.as_bytes()).await;
            let road = tiered(&puppet, served);
            let mut ask = Ask::new(client, "hi");
            if let Some(tier) = asked {
                ask = ask.with("service_tier", json!(tier));
            }
            let got = ask.send(&road).await;
            assert_eq!(got.status, 200, "{}", got.text());
            let record = road.settled_record().await;
            assert_eq!(record.cost.0, cost, "{client:?} {asked:?} {answer}");
            assert_eq!(&*record.served_model, "talker-2026-01-01");
            at_rest(&road).await;
        }
    }
}

/// A gateway to a provider that says exactly that, without a price for any tier but the standard one.
fn untiered(puppet: &Puppet, served: Dialect, set: impl Fn(&mut Limit, &mut Snapshot)) -> Road {
    let talker = target(provider("p", served, puppet.address), "talker");
    let row = price(&talker);
    let mut house = snapshot(vec![model(vec![talker])]);
    let mut all = budget("all", ROOM);
    set(&mut all, &mut house);
    Road::start(priced(house, vec![row], vec![all]))
}

#[tokio::test]
async fn a_dearer_tier_without_a_price_is_refused_under_a_hard_budget_and_named() {
    let cases = [
        (
            CHAT,
            ("service_tier", "priority"),
            chat_answer(r#""service_tier":"priority","#),
        ),
        (
            Dialect::AnthropicMessages,
            ("speed", "fast"),
            message_answer(r#","service_tier":"standard","speed":"fast""#),
        ),
    ];
    for (client, (field, tier), answer) in cases {
        let puppet = Puppet::answering(200, "application/json", answer.as_bytes()).await;
        let asked = Ask::new(client, "hi").with(field, json!(tier));
        let hard = untiered(&puppet, client, |_, _| {});
        let got = asked.send(&hard).await;
        assert_error(client, &got, 403, "unbounded_request");
        let named = format!("no price is known for the service tier `{tier}` of p/talker");
        assert!(got.message().contains(&named), "{}", got.text());
        assert!(hard.ledger.dispatched().is_empty(), "nothing was sent");
        // The operator's word is a bound, and what is charged.
        let word = untiered(&puppet, client, |_, house| {
            house.ceilings.house = Some(Nanos(50_000_000));
        });
        assert_eq!(asked.send(&word).await.status, 200);
        assert_eq!(word.settled_record().await.cost, Nanos(50_000_000));
        // Where no budget refuses it is entered at the rates that are known, and flagged.
        let free = untiered(&puppet, client, |all, _| all.hard = false);
        assert_eq!(asked.send(&free).await.status, 200);
        let record = free.settled_record().await;
        assert!(record.flags.unpriced && record.cost > Nanos::ZERO);
    }
}

#[tokio::test]
async fn a_tier_that_is_not_dearer_or_not_sent_needs_no_price_of_its_own() {
    let answer = chat_answer(r#""service_tier":"default","#);
    let puppet = Puppet::answering(200, "application/json", answer.as_bytes()).await;
    let road = untiered(&puppet, CHAT, |_, _| {});
    for tier in ["flex", "auto", "default"] {
        let ask = Ask::new(CHAT, "hi").with("service_tier", json!(tier));
        assert_eq!(ask.send(&road).await.status, 200, "{tier}");
    }
    let answer = message_answer(r#","service_tier":"standard""#);
    let puppet = Puppet::answering(200, "application/json", answer.as_bytes()).await;
    let road = untiered(&puppet, Dialect::AnthropicMessages, |_, _| {});
    let ask = Ask::new(CHAT, "hi").with("service_tier", json!("priority"));
    assert_eq!(ask.send(&road).await.status, 200);
}

#[tokio::test]
async fn a_stream_is_charged_by_the_tier_that_it_names() {
    let chunk = |rest: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"talker-2026-01-01\",\"service_tier\":\"priority\",{rest}}}\n\n"
        )
    };
    let body = [
        chunk(r#""choices":[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":null}]"#),
        chunk(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#),
        chunk(r#""choices":[],"usage":{"prompt_tokens":5,"completion_tokens":10,"total_tokens":15}"#),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    for client in WRITTEN {
        let puppet = Puppet::answering(200, "text/event-stream", body.as_bytes()).await;
        let road = tiered(&puppet, CHAT);
        let got = Ask::stream(client, "hi").send(&road).await;
        assert_eq!(got.said(), "hi");
        let record = road.settled_record().await;
        assert_eq!(record.cost.0, 10 * 20_000 * 3);
        assert_eq!(&*record.served_model, "talker-2026-01-01");
    }
}

#[tokio::test]
async fn an_attempt_tells_how_long_its_connection_took() {
    let sim = sim().await;
    let talker = target(provider("p", CHAT, sim.addr()), "talker");
    let road = road(vec![talker], Vec::new());
    for _ in 0..2 {
        assert_eq!(Ask::new(CHAT, "hi").send(&road).await.status, 200);
    }
    let records = road.ledger.closed();
    let connect: Vec<u64> = records
        .iter()
        .map(|one| one.attempts[0].connect_us)
        .collect();
    assert!(connect[0] > 0 && connect[0] < Duration::from_secs(20).as_micros() as u64);
    assert_eq!(connect[1], 0, "a kept connection takes no time");
}

#[tokio::test]
async fn the_figures_tell_the_money_and_no_secret() {
    let sim = sim().await;
    let talker = target(provider("p", CHAT, sim.addr()), "talker");
    let road = road(vec![talker], vec![budget("all", 6_000_000)]);
    let mut refused = 0;
    while Ask::new(CHAT, "hi there").send(&road).await.status == 200 {
        refused += 1;
    }
    at_rest(&road).await;
    let bill = sim.bill();
    let text = road.shared.telemetry.text();
    let sum = |name: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(sum("bondgate_cost_nanos_total"), bill.total_nanos, "{text}");
    assert_eq!(sum("bondgate_requests_total"), refused + 1);
    assert!(text.contains("outcome=\"budget_exceeded\""), "{text}");
    let output: u64 = bill.calls.iter().map(|call| call.output_tokens).sum();
    let of_output = text.lines().find(|line| {
        line.starts_with("gen_ai_client_token_usage_total")
            && line.contains("\"output\"")
            && line.contains("p/talker")
    });
    assert!(
        of_output.unwrap().ends_with(&format!(" {output}")),
        "{text}"
    );
    for secret in [KEY, credential("p").as_str(), "hi there"] {
        assert!(!text.contains(secret), "{text}");
    }
}

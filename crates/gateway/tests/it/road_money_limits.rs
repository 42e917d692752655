//! Who is limited by what: every account of a caller, all or nothing, each by its own rules.

use std::sync::Arc;

use dialect::Dialect;
use policy::bound::{OUTPUT_TOKENS_MAX, REQUEST_TOKENS};
use policy::caller::{Group, MaySet, VirtualKey};
use policy::limit::{Each, Limit, Mode, Period, Resource, WhenUnbounded};
use policy::money::Nanos;
use policy::snapshot::{Ceilings, Snapshot};
use serde_json::json;

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{
    Road, WRITTEN, add_key, key, model, provider, sim, snapshot, soon, target, until,
};
use crate::money::{
    INPUT_NANOS, OUTPUT_NANOS, assert_budget_refusal, at_once, at_rest, balances, budget, house,
    limit, priced, road, spent,
};

const CHAT: Dialect = Dialect::OpenaiChat;
const ROOM: i64 = 1_000_000_000;
const OTHER: &str = "bg-another-key-that-nobody-else-shows";

/// A key of a team of an organisation, of a user, with a tag of its own.
fn member() -> VirtualKey {
    let acme = Arc::new(Group {
        name: "acme".into(),
        ..Group::default()
    });
    let team = Group {
        name: "support".into(),
        organisation: Some(acme),
        ..Group::default()
    };
    let mut may_set = MaySet::default();
    assert!(may_set.allow("tags"));
    VirtualKey {
        team: Some(Arc::new(team)),
        user: Some("ada".into()),
        tags: vec![("app".into(), "desk".into())],
        may_set,
        ..key("member", OTHER)
    }
}

fn on(name: &str, scope: &str, amount: i64) -> Limit {
    Limit {
        scope: scope.parse().unwrap(),
        ..budget(name, amount)
    }
}

fn each(name: &str, each: Each, amount: i64) -> Limit {
    Limit {
        each: Some(each),
        ..budget(name, amount)
    }
}

/// The same request with the member's key.
fn by_member(ask: Ask) -> Ask {
    ask.without("authorization")
        .header("authorization", &format!("Bearer {OTHER}"))
}

fn with_member(mut house: Snapshot) -> Snapshot {
    add_key(&mut house, member());
    house
}

fn hi() -> Ask {
    Ask::new(CHAT, "hi").with("max_tokens", json!(100))
}

#[tokio::test]
async fn an_absurd_output_limit_is_presumed_to_be_no_more_than_a_model_writes() {
    let sim = sim().await;
    for dialect in WRITTEN {
        let talker = target(provider("p", dialect, sim.addr()), "talker");
        let mut soft = budget("all", ROOM);
        soft.hard = false;
        let mut shaped = limit("tokens", Resource::Tokens, 1_000_000);
        shaped.mode = Mode::Report;
        let road = Arc::new(road(vec![talker], vec![soft, shaped]));
        let most = json!(9_000_000_000_000_000_000_u64);
        let ask = Ask::new(dialect, "[[delay_ms=50]]").with("max_tokens", most);
        for got in at_once(&road, 20, &ask).await {
            assert_eq!(got.status, 200, "{}", got.text());
        }
        at_rest(&road).await;
        let input = REQUEST_TOKENS + ask.body.len() as u64;
        let most = input * INPUT_NANOS + OUTPUT_TOKENS_MAX * OUTPUT_NANOS;
        let records = road.ledger.recorder.dispatched_records();
        assert_eq!(records.len(), 20);
        for record in records {
            assert_eq!(record.held.0, most as i64);
            let money = record.holds.iter().filter(|one| &*one.limit == "all");
            assert_eq!(money.map(|one| one.amount).sum::<i64>(), record.held.0);
        }
    }
}

#[tokio::test]
async fn a_request_is_counted_by_all_its_accounts_or_by_none() {
    let limits = || {
        vec![
            on("a-organisation", "organisation:acme", ROOM),
            on("b-team", "team:support", ROOM),
            on("c-key", "key:member", ROOM),
            on("d-user", "user:ada", ROOM),
            on("e-tag", "tag:app=desk", ROOM),
            on("f-provider", "provider:p", ROOM),
            on("g-model", "model:m", ROOM),
            each("h-each-key", Each::Key, ROOM),
            each("i-each-user", Each::User, ROOM),
            each("j-each-tag", Each::Tag("app".into()), ROOM),
            each("k-each-run", Each::Run, ROOM),
            budget("l-all", ROOM),
        ]
    };
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "talker");
    let ask = by_member(hi()).header("x-bondgate-run", "r1");

    let road = Road::start(with_member(house(
        vec![model(vec![Arc::clone(&target)])],
        limits(),
    )));
    assert_eq!(ask.send(&road).await.status, 200);
    at_rest(&road).await;
    let cost = sim.bill().total_nanos as i64;
    let all = balances(&road);
    assert_eq!(all.len(), 12);
    assert!(all.iter().all(|one| one.settled == cost), "{all:?}");

    for small in 0..limits().len() {
        let mut limits = limits();
        limits[small].amount = 2_500_000;
        // Spent but for less than one request needs.
        let name = Arc::clone(&limits[small].name);
        let road = Road::start(with_member(house(
            vec![model(vec![Arc::clone(&target)])],
            limits,
        )));
        while ask.send(&road).await.status == 200 {}
        at_rest(&road).await;
        let before = balances(&road);
        let got = ask.send(&road).await;
        assert_budget_refusal(&got, &name);
        let after = balances(&road);
        let figures = |all: &[policy::accounts::Balance]| {
            all.iter()
                .map(|one| (one.settled, one.held))
                .collect::<Vec<_>>()
        };
        assert_eq!(figures(&before), figures(&after), "{name}");
    }
}

#[tokio::test]
async fn a_caller_sees_and_spends_only_its_own() {
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "talker");
    let limits = vec![
        each("each", Each::Key, 6_000_000),
        on("own", "key:member", ROOM),
    ];
    let road = Road::start(with_member(house(vec![model(vec![target])], limits)));
    while hi().send(&road).await.status == 200 {}
    let refused = hi().send(&road).await;
    assert_budget_refusal(&refused, "each");
    assert!(!refused.text().contains("member"), "{}", refused.text());
    at_rest(&road).await;
    assert_eq!(spent(&road, "own"), 0);
    let got = by_member(hi()).send(&road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    at_rest(&road).await;
    let last = sim.bill().calls.pop().unwrap().cost_nanos;
    assert_eq!(spent(&road, "own") as u64, last);
}

#[tokio::test]
async fn runs_have_buckets_of_their_own() {
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "talker");
    let mut own = each("run", Each::Run, 3_000_000);
    own.period = Period::Run;
    let road = road(vec![target], vec![own]);
    let of = |run: &str| hi().header("x-bondgate-run", run);
    while of("one").send(&road).await.status == 200 {}
    assert_budget_refusal(&of("one").send(&road).await, "run");
    assert_eq!(of("two").send(&road).await.status, 200);
    // Without a run nobody counts it.
    assert_eq!(hi().send(&road).await.status, 200);
    at_rest(&road).await;
    let buckets: Vec<Arc<str>> = balances(&road).into_iter().map(|one| one.bucket).collect();
    assert_eq!(buckets, ["one".into(), "two".into()]);
    let records = road.ledger.closed();
    assert!(
        records
            .iter()
            .any(|one| one.who.run.as_deref() == Some("two"))
    );
}

fn assert_rate_limited(got: &Got, client: Dialect, name: &str) {
    assert_error(client, got, 429, "rate_limited");
    assert_eq!(got.facts()["limit"], name);
    assert!(got.facts()["resource"].is_string());
    let after: u64 = got.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&after));
    assert_eq!(got.header("x-should-retry"), "");
}

#[tokio::test]
async fn requests_are_limited_and_told_in_each_dialects_headers() {
    for client in WRITTEN {
        let sim = sim().await;
        let target = target(provider("p", CHAT, sim.addr()), "echo");
        let mut requests = limit("rpm", Resource::Requests, 3);
        requests.period = Period::Minute;
        let mut tokens = limit("tpm", Resource::Tokens, 1_000_000);
        tokens.period = Period::Hour;
        let road = road(vec![target], vec![requests, tokens]);
        let mut refused = None;
        // A minute may turn while this runs.
        for _ in 0..8 {
            let got = Ask::new(client, "hi").send(&road).await;
            let names = match client {
                Dialect::OpenaiResponses
                | Dialect::Gemini
                | Dialect::BedrockConverse
                | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
                Dialect::OpenaiChat => [
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                    "x-ratelimit-limit-tokens",
                    "x-ratelimit-remaining-tokens",
                    "x-ratelimit-reset-tokens",
                ],
                Dialect::AnthropicMessages => [
                    "anthropic-ratelimit-requests-limit",
                    "anthropic-ratelimit-requests-remaining",
                    "anthropic-ratelimit-requests-reset",
                    "anthropic-ratelimit-tokens-limit",
                    "anthropic-ratelimit-tokens-remaining",
                    "anthropic-ratelimit-tokens-reset",
                ],
            };
            let told = names.map(|name| got.header(name).to_owned());
            assert_eq!(
                (told[0].as_str(), told[3].as_str()),
                ("3", "1000000"),
                "{told:?}"
            );
            match client {
                Dialect::OpenaiResponses
                | Dialect::Gemini
                | Dialect::BedrockConverse
                | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
                Dialect::OpenaiChat => assert!(told[2].ends_with('s') && told[5].ends_with('s')),
                Dialect::AnthropicMessages => {
                    assert!(told[2].parse::<jiff::Timestamp>().is_ok(), "{told:?}");
                }
            }
            if got.status == 429 {
                assert_eq!(told[1], "0");
                refused = Some(got);
                break;
            }
        }
        assert_rate_limited(&refused.unwrap(), client, "rpm");
    }
}

#[tokio::test]
async fn tokens_are_estimated_and_settled_to_what_was_used() {
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "talker");
    let road = road(vec![target], vec![limit("tokens", Resource::Tokens, 3_000)]);
    let got = hi().send(&road).await;
    assert_eq!(got.status, 200);
    at_rest(&road).await;
    let call = sim.bill().calls.remove(0);
    let used = call.input_tokens + call.cached_tokens + call.output_tokens;
    assert_eq!(spent(&road, "tokens") as u64, used);
    let got = hi().with("max_tokens", json!(5_000)).send(&road).await;
    assert_error(CHAT, &got, 400, "limit_too_small");
    assert_eq!(got.header("x-should-retry"), "false");
    assert_eq!(got.header("retry-after"), "");
    let got = hi().with("max_tokens", json!(2_950)).send(&road).await;
    assert_error(CHAT, &got, 429, "rate_limited");
    at_rest(&road).await;
}

#[tokio::test]
async fn concurrency_is_given_back_at_the_end() {
    for client in WRITTEN {
        let sim = sim().await;
        let target = target(provider("p", CHAT, sim.addr()), "echo");
        let road = road(vec![target], vec![limit("two", Resource::Concurrent, 2)]);
        let slow = Ask::stream(client, "[[chunks=20&gap_ms=20]]");
        let (one, two) = (slow.open(&road).await, slow.open(&road).await);
        soon(sim.arrived(2)).await;
        let got = Ask::new(client, "hi").send(&road).await;
        assert_rate_limited(&got, client, "two");
        drop(one);
        let free = || balances(&road)[0].held == 1;
        until("one is given back", free).await;
        assert_eq!(Ask::new(client, "hi").send(&road).await.status, 200);
        assert_eq!(two.rest().await.status, 200);
        at_rest(&road).await;
    }
}

#[tokio::test]
async fn limits_that_only_report_and_soft_ones_refuse_nobody_and_are_recorded() {
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "talker");
    let reporting = Limit {
        mode: Mode::Report,
        ..budget("report", 1)
    };
    let soft = Limit {
        hard: false,
        ..limit("soft", Resource::Requests, 1)
    };
    let road = road(vec![target], vec![reporting, soft]);
    for _ in 0..2 {
        assert_eq!(hi().send(&road).await.status, 200);
    }
    at_rest(&road).await;
    let records = road.ledger.closed();
    assert!(records.iter().all(|one| one.flags.would_refuse));
    assert!(records[0].decision.contains("report") && !records[0].decision.contains("soft"));
    assert!(records[1].decision.contains("report") && records[1].decision.contains("soft"));
    assert!(spent(&road, "report") > 1);
    assert_eq!(spent(&road, "soft"), 2);
    let text = road.shared.telemetry.text();
    assert!(text.contains("bondgate_would_refuse_total 2"), "{text}");
}

#[tokio::test]
async fn an_output_without_a_bound_is_clamped_or_refused_as_the_budget_says() {
    let sim = sim().await;
    let target = || target(provider("p", CHAT, sim.addr()), "talker");
    let open = || Ask::new(CHAT, "[[words=3000]]");
    let refuse = Limit {
        when_unbounded: WhenUnbounded::Refuse,
        ..budget("strict", ROOM)
    };
    let strict = crate::money::road(vec![target()], vec![refuse]);
    let got = open().send(&strict).await;
    assert_error(CHAT, &got, 403, "unbounded_request");
    assert_eq!(got.header("x-should-retry"), "false");
    assert!(sim.seen().is_empty());

    let clamped = crate::money::road(vec![target()], vec![budget("all", 4_000_000)]);
    let got = open().send(&clamped).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json()["choices"][0]["finish_reason"], "length");
    at_rest(&clamped).await;
    let record = clamped.settled_record().await;
    assert!(
        record.decision.contains("clamped_to_tokens"),
        "{}",
        record.decision
    );
    assert_eq!(spent(&clamped, "all") as u64, sim.bill().total_nanos);
}

#[tokio::test]
async fn a_target_without_a_price_needs_a_ceiling_under_a_hard_budget() {
    let sim = sim().await;
    let target = || target(provider("p", CHAT, sim.addr()), "unheard-of");
    let unpriced = || {
        priced(
            snapshot(vec![model(vec![target()])]),
            Vec::new(),
            vec![budget("all", ROOM)],
        )
    };
    let road = Road::start(unpriced());
    let got = hi().send(&road).await;
    assert_error(CHAT, &got, 403, "unbounded_request");
    assert!(got.message().contains("p/unheard-of"), "{}", got.message());
    assert!(sim.seen().is_empty());

    let mut with_ceiling = unpriced();
    with_ceiling.ceilings = Ceilings {
        providers: [("p".to_owned(), Nanos(7_000_000))].into(),
        ..Ceilings::default()
    };
    let road = Road::start(with_ceiling);
    let got = hi().send(&road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.header("x-bondgate-cost-usd"), "");
    let record = road.settled_record().await;
    assert!(record.flags.unpriced);
    assert_eq!(record.cost, Nanos(7_000_000));
    at_rest(&road).await;
    assert_eq!(spent(&road, "all"), 7_000_000);

    // Without a budget it is served and flagged.
    let mut free = unpriced();
    free.limits = policy::accounts::LimitSet::default();
    let road = Road::start(free);
    assert_eq!(hi().send(&road).await.status, 200);
    assert!(road.settled_record().await.flags.unpriced);
}

#[tokio::test]
async fn tags_and_users_are_taken_as_far_as_the_key_lets_them() {
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "echo");
    let mut house = with_member(house(vec![model(vec![target])], Vec::new()));
    house.require_tags = vec!["app".into(), "use_case".into()];
    let road = Road::start(house);

    let got = by_member(hi()).send(&road).await;
    assert_error(CHAT, &got, 400, "tags_required");
    assert_eq!(got.facts()["tags"], json!(["use_case"]));
    assert_eq!(got.header("x-should-retry"), "false");
    let got = hi()
        .header("x-bondgate-tags", "app=a,use_case=b")
        .send(&road)
        .await;
    assert_error(CHAT, &got, 400, "invalid_request");
    let got = by_member(hi())
        .header("x-bondgate-user", "eve")
        .send(&road)
        .await;
    assert_error(CHAT, &got, 400, "invalid_request");
    let got = by_member(hi())
        .header("x-bondgate-cache", "no-store")
        .send(&road)
        .await;
    assert_error(CHAT, &got, 400, "invalid_request");
    // Refusals of a known caller are on record, with the caller; nobody's are counted.
    let refused = road.ledger.refused();
    let outcomes: Vec<&str> = refused.iter().map(|one| &*one.outcome).collect();
    assert_eq!(
        outcomes,
        [
            "tags_required",
            "invalid_request",
            "invalid_request",
            "invalid_request"
        ]
    );
    assert_eq!(&*refused[0].who.key, "member");
    assert_eq!(refused[0].who.team.as_deref(), Some("support"));
    assert_eq!(refused[0].status, 400);
    assert!(refused.iter().all(|one| one.attempts.is_empty()));

    let tagged = by_member(hi()).header("x-bondgate-tags", "app=mine,use_case=triage");
    assert_eq!(tagged.send(&road).await.status, 200);
    let record = road.settled_record().await;
    let tags: Vec<String> = record
        .who
        .tags
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    assert_eq!(tags, ["app=desk", "use_case=triage"]);
    assert_eq!(record.who.user.as_deref(), Some("ada"));
    assert!(
        sim.seen()[0]
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("x-bondgate"))
    );
}

#[tokio::test]
async fn what_the_gateway_answers_itself_is_on_record_and_costs_nothing() {
    let sim = sim().await;
    let target = target(provider("p", CHAT, sim.addr()), "echo");
    let road = road(vec![target], vec![limit("one", Resource::Requests, 1)]);
    let list = Ask::new(CHAT, "").by("GET").at("/v1/models").raw("");
    assert_eq!(list.send(&road).await.status, 200);
    let live = Ask::new(CHAT, "")
        .by("GET")
        .at("/livez")
        .raw("")
        .without("authorization");
    assert_eq!(live.send(&road).await.status, 200);
    let stranger = hi()
        .without("authorization")
        .header("authorization", "Bearer nobody");
    assert_eq!(stranger.send(&road).await.status, 401);
    let records = road.ledger.refused();
    assert_eq!(records.len(), 1, "{records:?}");
    let record = &records[0];
    assert_eq!(
        (&*record.operation, &*record.outcome, record.status),
        ("models", "answered", 200)
    );
    assert_eq!((record.cost, &*record.who.key), (Nanos::ZERO, "default"));
    assert!(road.ledger.closed().is_empty());
    // It is no request of a model, so no limit counts it.
    assert_eq!(hi().send(&road).await.status, 200);
    let text = road.shared.telemetry.text();
    assert!(text.contains("bondgate_unauthenticated_total 1"), "{text}");
}

//! The stages of the road, each alone, as often as asked: `stages NAME TIMES`, or `stages` for the names.
//!
//! `cargo xtask ratchet` counts the instructions of each. What a stage needs is made before; what is
//! counted is the difference between two numbers of times. Nothing here reads a clock or draws lots.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use dialect::Dialect;
use dialect::codec::{Edits, TargetModel};
use dialect::frame::sse::Framer;
use dialect::loss::Losses;
use jiff::tz::TimeZone;
use policy::accounts::{Accounts, Actual, Ask, Billed, LimitSet};
use policy::caller::Attribution;
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::money::Nanos;
use store::journal::{Batch, Journal, Options, Position, Positions, Recorder};
use store::ledger::{self, LedgerWriter, Source, SourceError};
use store::record::{Attempt, Dispatched, Exchange, Held, Record};
use ulid::Ulid;

/// 2026-03-01T00:00:00Z.
const AT_MS: i64 = 1_772_323_200_000;

type Stage = (&'static str, fn(u64) -> Result<()>);

/// All stages.
const STAGES: [Stage; 10] = [
    ("head", head),
    ("media", media),
    ("patch", patch),
    ("weigh", weigh),
    ("decode", decode),
    ("encode", encode),
    ("stream", stream),
    ("accounts", accounts),
    ("journal", journal),
    ("ledger", ledger),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for (name, _) in STAGES {
            println!("{name}");
        }
        return Ok(());
    };
    let times = arguments.next().context("how often?")?.parse()?;
    let Some((_, stage)) = STAGES.iter().find(|(known, _)| *known == name) else {
        bail!("`{name}` is no stage");
    };
    stage(times)
}

/// A request of a kilobyte, as an agent would send it.
fn request() -> Bytes {
    let text = r#"Voilà un \"texte\" plus long,\n with a tab\t, 漢字 and a \u00e9; "#.repeat(10);
    let body = format!(
        r#"{{"model":"bench","messages":[{{"role":"system","content":"You are a careful assistant."}},{{"role":"user","content":"{text}"}}],"max_tokens":1024,"temperature":0.5,"stream":false}}"#
    );
    Bytes::from(body)
}

fn answer() -> Bytes {
    let text = "lorem ipsum dolor sit amet ".repeat(12);
    let body = format!(
        r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1790000000,"model":"bench","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":300,"completion_tokens":100,"total_tokens":400,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}},"system_fingerprint":"fp_bench"}}"#
    );
    Bytes::from(body)
}

fn head(times: u64) -> Result<()> {
    let body = request();
    for _ in 0..times {
        black_box(Dialect::OpenaiChat.server().head(black_box(&body))?);
    }
    Ok(())
}

fn media(times: u64) -> Result<()> {
    let body = request();
    for _ in 0..times {
        black_box(Dialect::OpenaiChat.server().media(black_box(&body)));
    }
    Ok(())
}

fn patch(times: u64) -> Result<()> {
    let body = request();
    let head = Dialect::OpenaiChat.server().head(&body)?;
    let edits = Edits {
        model: "bench-large",
        force_usage: true,
        max_output_tokens: Some(512),
    };
    for _ in 0..times {
        let patch = Dialect::OpenaiChat.server().patch(black_box(&head), &edits);
        black_box(patch.splice(&body));
    }
    Ok(())
}

fn weigh(times: u64) -> Result<()> {
    let body = answer();
    for _ in 0..times {
        black_box(
            Dialect::OpenaiChat
                .client()
                .weigh_response(black_box(&body))?,
        );
    }
    Ok(())
}

fn decode(times: u64) -> Result<()> {
    let body = request();
    for _ in 0..times {
        black_box(
            Dialect::OpenaiChat
                .server()
                .decode_request(black_box(&body))?,
        );
    }
    Ok(())
}

fn encode(times: u64) -> Result<()> {
    let request = Dialect::OpenaiChat.server().decode_request(&request())?;
    let model = TargetModel {
        model: "bench",
        default_max_tokens: 1024,
        force_usage: true,
        adaptive_thinking: false,
    };
    for _ in 0..times {
        let client = Dialect::AnthropicMessages.client();
        black_box(client.encode_request(black_box(&request), &model, &mut Losses::default()));
    }
    Ok(())
}

/// A stream of twenty events: framed and decoded.
fn stream(times: u64) -> Result<()> {
    let event = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lorem ipsum dolor sit amet\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    let bytes = Bytes::from(event.repeat(20));
    for _ in 0..times {
        let mut framer = Framer::new(1 << 20);
        let mut decoder = Dialect::OpenaiChat.client().decoder(1);
        let mut events = Vec::new();
        framer.push(black_box(bytes.clone()));
        while let Some(raw) = framer.next_frame()? {
            if let Some(frame) = raw.frame()? {
                decoder.push(&frame, &mut events)?;
            }
        }
        black_box(events);
    }
    Ok(())
}

fn who() -> Attribution {
    Attribution {
        key: Arc::from("bench"),
        team: Some(Arc::from("bench")),
        tags: vec![(Arc::from("app"), Arc::from("bench"))],
        ..Attribution::default()
    }
}

fn limit(name: &str, scope: Scope, resource: Resource, period: Period) -> Limit {
    Limit {
        name: Arc::from(name),
        scope,
        each: None,
        resource,
        amount: i64::MAX / 4,
        period,
        time_zone: TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: WhenUnbounded::Clamp,
        alert_at_percent: vec![50, 80, 100],
    }
}

/// Four limits and two budgets: taken, and settled.
fn accounts(times: u64) -> Result<()> {
    let (key, team) = (
        || Scope::Key(Arc::from("bench")),
        || Scope::Team(Arc::from("bench")),
    );
    let mut daily = limit("daily", Scope::Everything, Resource::Money, Period::Day);
    daily.each = Some(Each::Key);
    let set = LimitSet::new(vec![
        limit("a", key(), Resource::Requests, Period::Minute),
        limit("b", key(), Resource::Tokens, Period::Minute),
        limit("c", key(), Resource::Concurrent, Period::Minute),
        limit("d", team(), Resource::Requests, Period::Day),
        limit("company", Scope::Everything, Resource::Money, Period::Month),
        daily,
    ]);
    let (accounts, who) = (Accounts::new(), who());
    for _ in 0..times {
        let mut ask = Ask {
            who: &who,
            model: "bench",
            providers: &["mock"],
            at_ms: AT_MS,
            amounts: &[(Resource::Requests, 1), (Resource::Concurrent, 1)],
        };
        let admission = accounts
            .take(&set, &ask)
            .map_err(|why| anyhow::anyhow!("{why}"))?;
        black_box(accounts.affordable(&set, &ask));
        ask.amounts = &[(Resource::Money, 11_000_000), (Resource::Tokens, 1_300)];
        let spending = accounts
            .take(&set, &ask)
            .map_err(|why| anyhow::anyhow!("{why}"))?;
        let billed = [Billed {
            provider: "mock",
            money: 1_400_000,
            tokens: 400,
            requests: 1,
        }];
        for hold in [&admission, &spending] {
            hold.dispatch();
            black_box(hold.settle(&Actual::Billed(&billed)));
        }
    }
    Ok(())
}

fn held(limit: &str, resource: Resource, amount: i64) -> Held {
    Held {
        limit: Arc::from(limit),
        bucket: Arc::from(""),
        resource,
        window_ms: AT_MS,
        amount,
    }
}

fn dispatched(n: u64) -> Dispatched {
    Dispatched {
        id: Ulid::from_parts(AT_MS.unsigned_abs(), u128::from(n)),
        at_ms: AT_MS,
        who: who(),
        model: Arc::from("bench"),
        target: Arc::from("mock/bench"),
        config_revision: Arc::from("0123456789abcdef"),
        held: Nanos(11_000_000),
        holds: vec![
            held("key:bench requests", Resource::Requests, 1),
            held("team:bench requests", Resource::Requests, 1),
            held("company", Resource::Money, 11_000_000),
            held("daily", Resource::Money, 11_000_000),
            held("key:bench tokens", Resource::Tokens, 1_300),
        ],
    }
}

fn closed(n: u64) -> Exchange {
    let opening = dispatched(n);
    let usage = dialect::chat::Usage {
        input: 300,
        output: 100,
        ..Default::default()
    };
    Exchange {
        id: opening.id,
        at_ms: AT_MS,
        who: opening.who,
        dialect: "openai-chat".into(),
        operation: "chat".into(),
        model: opening.model,
        target: Arc::clone(&opening.target),
        served_model: Arc::from("bench"),
        status: 200,
        outcome: "answered".into(),
        usage: usage.clone(),
        cost: Nanos(1_400_000),
        price_id: Arc::from("config mock/bench"),
        charges: opening.holds,
        attempts: vec![Attempt {
            kind: "initial".into(),
            target: opening.target,
            outcome: "answered".into(),
            first_us: 40_000,
            total_us: 40_100,
            usage,
            cost: Nanos(1_400_000),
            status: 200,
            ..Attempt::default()
        }],
        config_revision: opening.config_revision,
        overhead_us: 40,
        took_us: 40_140,
        first_us: 40_040,
        ..Exchange::default()
    }
}

/// Both records of a request, written.
fn journal(times: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options {
        // Its thread sleeps meanwhile.
        sync_every: Duration::from_secs(3600),
        ..Options::default()
    };
    let journal = Journal::open(dir.path(), options)?;
    let writer = journal.writer(0);
    let (mut opening, mut closing) = (dispatched(0), closed(0));
    for n in 0..times {
        opening.id = Ulid::from_parts(AT_MS.unsigned_abs(), u128::from(n));
        closing.id = opening.id;
        let _receipt = writer.dispatched(&opening)?;
        let _receipt = writer.closed(&closing);
    }
    Ok(())
}

/// Records in memory.
struct Made(VecDeque<(Position, Record)>);

impl Source for Made {
    fn next_batch(&mut self, max: usize) -> Result<Batch, SourceError> {
        let count = self.0.len().min(max);
        Ok(Batch {
            records: self.0.drain(..count).collect(),
            refused: Vec::new(),
        })
    }

    fn wait(&mut self, _: Duration) -> bool {
        !self.0.is_empty()
    }

    fn committed(&mut self, _: &Positions) {}
}

/// Both records of a request, entered.
fn ledger(times: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let records = (0..times).flat_map(|n| {
        let at = |sequence| Position {
            writer: 0,
            sequence,
        };
        [
            (at(2 * n + 1), Record::Dispatched(Box::new(dispatched(n)))),
            (at(2 * n + 2), Record::Closed(Box::new(closed(n)))),
        ]
    });
    let mut source = Made(records.collect());
    let mut writer = LedgerWriter::open(dir.path(), ledger::Options::default())?;
    writer.recover(&mut source)?;
    Ok(())
}

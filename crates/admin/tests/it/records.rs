//! A ledger with some requests in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dialect::chat::Usage;
use policy::caller::Attribution;
use policy::money::Nanos;
use store::journal::{Batch, Position, Positions};
use store::ledger::{LedgerWriter, Options, Source, SourceError};
use store::record::{Attempt, Dispatched, Exchange, Flags, LossNote, Record, State};
use ulid::Ulid;

use crate::kit::Bed;

/// 2026-11-02T00:00:00Z.
pub(crate) const AT: i64 = 1_793_577_600_000;

struct Memory(VecDeque<(Position, Record)>);

impl Source for Memory {
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

/// The id of the n-th request.
pub(crate) fn id(n: u64) -> String {
    ulid(n).to_string()
}

fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(at(n) as u64, u128::from(n))
}

fn at(n: u64) -> i64 {
    AT + n as i64 * 1_000
}

/// Writes that many requests: even ones of team `support`, odd ones of none; each third failed,
/// each fifth has no price.
pub(crate) fn write(bed: &Bed, count: u64) {
    let options = Options {
        linger: Duration::ZERO,
        ..Options::default()
    };
    let mut writer = LedgerWriter::open(bed.dir.path(), options).unwrap();
    let records = (0..count).flat_map(|n| {
        let exchange = closed(n);
        let dispatched = Dispatched {
            id: exchange.id,
            at_ms: exchange.at_ms,
            who: exchange.who.clone(),
            model: Arc::clone(&exchange.model),
            target: Arc::clone(&exchange.target),
            held: Nanos(5_000_000),
            ..Dispatched::default()
        };
        [
            Record::Dispatched(Box::new(dispatched)),
            Record::Closed(Box::new(exchange)),
        ]
    });
    let numbered = (1..).zip(records).map(|(sequence, record)| {
        let position = Position {
            writer: 1,
            sequence,
        };
        (position, record)
    });
    writer.recover(&mut Memory(numbered.collect())).unwrap();
}

fn closed(n: u64) -> Exchange {
    let usage = Usage {
        input: 1_000,
        output: 100,
        ..Usage::default()
    };
    let answered = n % 3 != 2;
    let outcome = if answered { "answered" } else { "broken" };
    let priced = n % 5 != 4;
    let cost = if priced { Nanos(1_500) } else { Nanos::ZERO };
    let target: Arc<str> = Arc::from("openai/gpt-5-mini");
    Exchange {
        id: ulid(n),
        at_ms: at(n),
        state: State::Settled,
        who: Attribution {
            key: Arc::from(if n.is_multiple_of(2) {
                "support-bot"
            } else {
                "lone"
            }),
            team: (n.is_multiple_of(2)).then(|| Arc::from("support")),
            tags: vec![(Arc::from("app"), Arc::from(format!("app-{}", n % 2)))],
            ..Attribution::default()
        },
        dialect: "openai-chat".into(),
        operation: "chat".into(),
        model: Arc::from("fast"),
        target: Arc::clone(&target),
        served_model: Arc::from("gpt-5-mini-2025-08-07"),
        status: if answered { 200 } else { 502 },
        outcome: outcome.into(),
        usage: usage.clone(),
        cost,
        price_id: Arc::from(if priced { "p1" } else { "" }),
        flags: Flags {
            unpriced: !priced,
            ..Flags::default()
        },
        attempts: vec![Attempt {
            kind: "initial".into(),
            target,
            outcome: outcome.into(),
            connect_us: 900,
            first_us: 40_000,
            total_us: 700_500,
            usage,
            cost,
            status: 200,
            ..Attempt::default()
        }],
        losses: vec![LossNote {
            path: "seed".to_owned(),
            why: "not there".to_owned(),
            functional: false,
        }],
        decision: r#"{"order":["openai/gpt-5-mini"]}"#.to_owned(),
        config_revision: Arc::from("0123456789abcdef"),
        overhead_us: 40,
        took_us: 700_600,
        first_us: 40_040,
        ..Exchange::default()
    }
}

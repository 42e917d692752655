//! What the ledger's tests share: a source in memory, made-up traffic, and sums of the book.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dialect::chat::Usage;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use policy::caller::Attribution;
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::money::Nanos;
use policy::viewer::{Sees, Viewer};
use rusqlite::Connection;
use store::journal::{Batch, Position, Positions};
use store::ledger::{LedgerWriter, Options, Source, SourceError};
use store::record::{Attempt, Dispatched, Exchange, Flags, Held, LossNote, Record, State};
use store::sqlite::{MAIN_FILE, Month};
use ulid::Ulid;

/// 2026-03-01T00:00:00Z.
pub(crate) const MARCH: i64 = 1_772_323_200_000;
pub(crate) const DAY: i64 = 86_400_000;

/// Records in memory; what was pushed while the writer runs is given too.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    records: VecDeque<(Position, Record)>,
    refused: Vec<Exchange>,
    committed: Positions,
}

impl Memory {
    /// Records of one writer, numbered from 1, without those up to `after`.
    pub(crate) fn of(records: &[Record], after: u64) -> Self {
        let memory = Memory::default();
        memory.push(records, 1, after);
        memory
    }

    pub(crate) fn push(&self, records: &[Record], first: u64, after: u64) {
        let numbered = (first..)
            .zip(records.iter().cloned())
            .map(|(sequence, record)| {
                (
                    Position {
                        writer: 1,
                        sequence,
                    },
                    record,
                )
            });
        let new = numbered.filter(|(at, _)| at.sequence > after);
        self.0.lock().records.extend(new);
    }

    pub(crate) fn refuse(&self, exchange: Exchange) {
        self.0.lock().refused.push(exchange);
    }

    pub(crate) fn committed_to(&self) -> u64 {
        self.0.lock().committed.get(&1).copied().unwrap_or(0)
    }
}

impl Source for Memory {
    fn next_batch(&mut self, max: usize) -> Result<Batch, SourceError> {
        let mut inner = self.0.lock();
        let count = inner.records.len().min(max);
        Ok(Batch {
            records: inner.records.drain(..count).collect(),
            refused: inner.refused.drain(..).map(Box::new).collect(),
        })
    }

    fn wait(&mut self, timeout: Duration) -> bool {
        std::thread::sleep(timeout.min(Duration::from_millis(5)));
        !self.0.lock().records.is_empty()
    }

    fn committed(&mut self, positions: &Positions) {
        self.0.lock().committed.clone_from(positions);
    }
}

/// Options that do not linger.
pub(crate) fn quick() -> Options {
    Options {
        linger: Duration::ZERO,
        busy_timeout: Duration::from_millis(5),
        backoff_max: Duration::from_millis(20),
        patience: Duration::ZERO,
        ..Options::default()
    }
}

/// Numbers that look random and are always the same.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

pub(crate) fn id(at_ms: i64, n: u64) -> Ulid {
    Ulid::from_parts(at_ms as u64, u128::from(n))
}

fn named(kind: &str, n: u64) -> Arc<str> {
    Arc::from(format!("{kind}-{n}"))
}

pub(crate) fn who(n: u64) -> Attribution {
    Attribution {
        key: named("key", n % 7),
        team: (n % 4 != 3).then(|| named("team", n % 4)),
        organisation: (n.is_multiple_of(2)).then(|| Arc::from("house")),
        user: (n.is_multiple_of(3)).then(|| named("user", n % 9)),
        run: (n.is_multiple_of(5)).then(|| named("run", n)),
        tags: vec![(Arc::from("app"), named("app", n % 3))],
    }
}

pub(crate) fn held(limit: &str, resource: Resource, amount: i64) -> Held {
    Held {
        limit: Arc::from(limit),
        bucket: Arc::from(""),
        resource,
        window_ms: MARCH,
        amount,
    }
}

/// A hard budget of a month in UTC, on everything.
pub(crate) fn budget(name: &str, each: Option<Each>) -> Limit {
    Limit {
        name: Arc::from(name),
        scope: Scope::Everything,
        each,
        resource: Resource::Money,
        amount: 1_000_000_000,
        period: Period::Month,
        time_zone: TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: WhenUnbounded::Clamp,
        alert_at_percent: Vec::new(),
    }
}

pub(crate) fn dispatched(n: u64, at_ms: i64) -> Dispatched {
    Dispatched {
        id: id(at_ms, n),
        at_ms,
        who: who(n),
        model: Arc::from("fast"),
        target: Arc::from("openai/gpt-5-mini"),
        config_revision: Arc::from("r1"),
        held: Nanos(5_000_000),
        holds: vec![
            held("company", Resource::Money, 5_000_000),
            held("rate", Resource::Tokens, 4_000),
            held("open", Resource::Concurrent, 1),
        ],
    }
}

pub(crate) fn closed(n: u64, at_ms: i64) -> Exchange {
    let usage = Usage {
        input: 100 + n % 50,
        cache_read: n % 7,
        output: 10 + n % 90,
        ..Usage::default()
    };
    let cost = Nanos(1_000 + (n % 1_000) as i64);
    let answered = !n.is_multiple_of(11);
    Exchange {
        id: id(at_ms, n),
        at_ms,
        state: State::Settled,
        who: who(n),
        dialect: "openai-chat".into(),
        operation: "chat".into(),
        model: Arc::from("fast"),
        target: Arc::from("openai/gpt-5-mini"),
        served_model: Arc::from("gpt-5-mini-2026"),
        status: if answered { 200 } else { 502 },
        outcome: if answered { "answered" } else { "broken" }.into(),
        stream: n.is_multiple_of(2),
        usage: usage.clone(),
        cost,
        price_id: Arc::from("p1"),
        flags: Flags {
            unpriced: n.is_multiple_of(13),
            ..Flags::default()
        },
        charges: vec![
            held("company", Resource::Money, cost.0),
            held("team", Resource::Money, cost.0),
            held("rate", Resource::Tokens, 200),
            held("calls", Resource::Requests, 1),
        ],
        attempts: vec![Attempt {
            kind: "initial".into(),
            target: Arc::from("openai/gpt-5-mini"),
            outcome: if answered { "answered" } else { "broken" }.into(),
            connect_us: 900,
            first_us: 40_000,
            total_us: 700_000,
            usage,
            cost,
            status: 200,
            ..Attempt::default()
        }],
        losses: if n.is_multiple_of(17) {
            vec![LossNote {
                path: "seed".to_owned(),
                why: "not there".to_owned(),
                functional: false,
            }]
        } else {
            Vec::new()
        },
        decision: r#"{"order":["openai/gpt-5-mini"],"because":"weighted"}"#.to_owned(),
        config_revision: Arc::from("r1"),
        overhead_us: 40,
        took_us: 700_100,
        first_us: 40_040,
    }
}

/// Traffic over some days: most requests close, some never do, some ask for more.
pub(crate) fn traffic(count: u64, days: i64) -> Vec<Record> {
    let mut dice = Dice(count);
    let mut records = Vec::new();
    let mut waiting: VecDeque<Exchange> = VecDeque::new();
    for n in 0..count {
        let at_ms = MARCH - DAY + days * DAY * n as i64 / count as i64;
        records.push(Record::Dispatched(Box::new(dispatched(n, at_ms))));
        if dice.roll(10) == 0 {
            records.push(Record::Extended(store::record::Extended {
                id: id(at_ms, n),
                more: Nanos(70),
                holds: vec![held("company", Resource::Money, 70)],
            }));
        }
        if dice.roll(20) != 0 {
            let mut exchange = closed(n, at_ms);
            if dice.roll(9) == 0 {
                exchange.state = State::Released;
                exchange.cost = Nanos::ZERO;
                exchange.charges.clear();
            }
            waiting.push_back(exchange);
        }
        while waiting.len() > dice.roll(12) as usize {
            records.extend(waiting.pop_front().map(|x| Record::Closed(Box::new(x))));
        }
    }
    records.extend(waiting.into_iter().map(|x| Record::Closed(Box::new(x))));
    records
}

/// Writes all of these records, and presumes what stays open.
pub(crate) fn write_all(dir: &Path, records: &[Record]) -> LedgerWriter {
    let mut writer = LedgerWriter::open(dir, quick()).unwrap();
    let after = writer.positions().get(&1).copied().unwrap_or(0);
    writer.recover(&mut Memory::of(records, after)).unwrap();
    writer
}

pub(crate) fn operator() -> Viewer {
    Viewer::operator("test")
}

pub(crate) fn of_team(team: &str) -> Viewer {
    Viewer {
        name: Arc::from("lead"),
        sees: Sees::Team(Arc::from(team)),
    }
}

/// Everything that the files of a directory hold, in an order of its own, as text.
pub(crate) fn contents(dir: &Path) -> String {
    let mut text = String::new();
    for (table, order) in [
        ("checkpoint", "1"),
        ("writers", "1"),
        ("entries", "1, 2"),
        ("balances", "1, 2, 3, 4"),
        ("rollups", "1, 2"),
        ("open", "1"),
        ("prices", "1"),
        ("tagsets", "1"),
        ("dimensions", "1"),
    ] {
        dump(&dir.join(MAIN_FILE), table, order, &mut text);
    }
    for month in Month::list(dir).unwrap() {
        dump(&dir.join(month.file_name()), "exchanges", "1", &mut text);
        dump(&dir.join(month.file_name()), "attempts", "1, 2", &mut text);
    }
    text
}

fn dump(file: &Path, table: &str, order: &str, text: &mut String) {
    let connection = Connection::open(file).unwrap();
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))
        .unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    text.push_str(&format!("-- {table}\n"));
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            text.push_str(&format!("{:?}|", row.get_ref(column).unwrap()));
        }
        text.push('\n');
    }
}

/// One value of a file.
pub(crate) fn value<T: rusqlite::types::FromSql>(file: &Path, sql: &str) -> T {
    let connection = Connection::open(file).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Waits until it is so, for long; says what was waited for where it never is.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited for: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a writer on a thread of the test's own while `during` happens; whether it wrote all.
pub(crate) fn while_running(writer: LedgerWriter, source: &Memory, during: impl FnOnce()) -> bool {
    let stop = AtomicBool::new(false);
    let mut source = source.clone();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| writer.run(&mut source, &stop));
        let at_the_end = StopAtLast(&stop);
        during();
        drop(at_the_end);
        running.join().unwrap().all_written
    })
}

/// Stops the writer where the test fails too.
struct StopAtLast<'a>(&'a AtomicBool);

impl Drop for StopAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

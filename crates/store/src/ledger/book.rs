//! Entries as they are appended, with the rollups and balances that follow from them.
//!
//! Lives for one transaction on the main file. An entry, the day's sum and the
//! balance that it changes are in the file together or not at all; an entry that
//! is there already changes nothing.

use std::collections::HashMap;
use std::sync::LazyLock;

use dialect::chat::Usage;
use policy::caller::Attribution;
use policy::limit::Resource;
use rusqlite::{Connection, OptionalExtension, params};

use super::balances::Balances;
use super::dimensions::Dimensions;
use super::insert::{Cell, Insert, InsertSql, Pace};
use super::rows::TokenCounts;
use super::spend::FIGURES;
use super::text;
use crate::record::Held;
use crate::sqlite::DAY_MS;

/// What kind of entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Settled,
    Presumed,
    Adjusted,
    External,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Settled => "settled",
            Kind::Presumed => "presumed",
            Kind::Adjusted => "adjusted",
            Kind::External => "external",
        }
    }
}

/// An entry to be appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) exchange: &'a str,
    pub(super) revision: i64,
    pub(super) kind: Kind,
    pub(super) at_ms: i64,
    pub(super) who: &'a Attribution,
    pub(super) model: &'a str,
    pub(super) target: &'a str,
    pub(super) sums: Sums,
    pub(super) price_id: &'a str,
    pub(super) flags: i64,
    pub(super) note: &'a str,
}

/// What is summed up by day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) requests: i64,
    pub(super) failures: i64,
    pub(super) tokens: TokenCounts,
    pub(super) cost: i64,
    pub(super) unpriced: i64,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
        self.tokens = self.tokens.plus(&other.tokens);
        self.cost = self.cost.saturating_add(other.cost);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }
}

/// The most tokens of a kind that an entry may hold, so that no sum of a file's entries
/// leaves 64 bits: a trillion.
const TOKENS_MAX: i64 = 1_000_000_000_000;

/// The most nano-dollars of an entry, by the same reason: ten million dollars.
pub(super) const COST_MAX: i64 = 10_000_000_000_000_000;

/// The most nano-dollars of one request: a hundred thousand dollars. What is presumed follows
/// what a client asked for, so many of them must not fill a sum either.
pub(super) const REQUEST_COST_MAX: i64 = 100_000_000_000_000;

/// The counts of a usage, each at most [`TOKENS_MAX`].
pub(super) fn tokens(usage: &Usage) -> TokenCounts {
    let count = |n: u64| i64::try_from(n).unwrap_or(TOKENS_MAX).min(TOKENS_MAX);
    TokenCounts {
        input: count(usage.input),
        cache_read: count(usage.cache_read),
        cache_write: count(usage.cache_write),
        cache_write_1h: count(usage.cache_write_1h),
        audio_in: count(usage.audio_in),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
        audio_out: count(usage.audio_out),
    }
}

/// A transaction's worth of entries.
pub(super) struct Book<'c> {
    connection: &'c Connection,
    entries: Insert<'c>,
    dimensions: &'c mut Dimensions,
    writer: i64,
    number: i64,
    rollups: HashMap<(i64, i64), Sums>,
    balances: Balances,
}

/// Sets columns to their sums. One that leaves 64 bits would become a float, which no
/// column takes and no batch would ever get past: the bounds keep it an integer.
fn add_to(columns: &[&str]) -> String {
    let sums = columns.iter().map(|column| {
        format!(
            "{column} = min(9000000000000000000, max(-9000000000000000000,
                {column} + excluded.{column}))"
        )
    });
    sums.collect::<Vec<_>>().join(", ")
}

const ENTRY_COLUMNS: [&str; 23] = [
    "writer",
    "number",
    "exchange",
    "revision",
    "kind",
    "at_ms",
    "dimension",
    "run",
    "requests",
    "failures",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "audio_in",
    "output",
    "reasoning",
    "audio_out",
    "cost_nanos",
    "price_id",
    "unpriced",
    "flags",
    "note",
];

static APPEND: LazyLock<InsertSql> =
    LazyLock::new(|| InsertSql::new("entries", &ENTRY_COLUMNS, "(exchange, revision) DO NOTHING"));

const CHARGE: &str = "INSERT INTO balances VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET ";

// Limits of tokens and requests shape and do not owe: the window before is enough.
const FORGET: &str = "DELETE FROM balances
WHERE \"limit\" = ?1 AND bucket = ?2 AND resource = ?3 AND window_ms < (
    SELECT max(window_ms) FROM balances
    WHERE \"limit\" = ?1 AND bucket = ?2 AND resource = ?3 AND window_ms < ?4
)";

impl<'c> Book<'c> {
    /// Begins to append, as the next numbers of that writer.
    pub(super) fn new(
        connection: &'c Connection,
        dimensions: &'c mut Dimensions,
        writer: i64,
        pace: Pace,
    ) -> rusqlite::Result<Self> {
        let number = connection
            .prepare_cached("SELECT number FROM writers WHERE writer = ?1")?
            .query_row([writer], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        Ok(Self {
            connection,
            entries: Insert::new(connection, &APPEND, pace)?,
            dimensions,
            writer,
            number,
            rollups: HashMap::new(),
            balances: Balances::default(),
        })
    }

    /// Appends an entry; false where that revision of that exchange is there already.
    pub(super) fn post(&mut self, line: &Line<'_>) -> rusqlite::Result<bool> {
        let dimension = self.dimensions.id(self.connection, line)?;
        let mut sums = line.sums;
        sums.cost = sums.cost.clamp(-COST_MAX, COST_MAX);
        let tokens = &sums.tokens;
        let row: [Cell<'_>; ENTRY_COLUMNS.len()] = [
            self.writer.into(),
            (self.number + 1).into(),
            line.exchange.into(),
            line.revision.into(),
            line.kind.name().into(),
            line.at_ms.into(),
            dimension.into(),
            text::or_empty(line.who.run.as_ref()).into(),
            sums.requests.into(),
            sums.failures.into(),
            tokens.input.into(),
            tokens.cache_read.into(),
            tokens.cache_write.into(),
            tokens.cache_write_1h.into(),
            tokens.audio_in.into(),
            tokens.output.into(),
            tokens.reasoning.into(),
            tokens.audio_out.into(),
            sums.cost.into(),
            line.price_id.into(),
            sums.unpriced.into(),
            line.flags.into(),
            line.note.into(),
        ];
        if !self.entries.push(&row)? {
            return Ok(false);
        }
        self.number += 1;
        let day = line.at_ms.div_euclid(DAY_MS);
        self.rollups.entry((day, dimension)).or_default().add(&sums);
        Ok(true)
    }

    /// Changes balances by these amounts, or by their opposites. What is under way
    /// at once is not a thing to keep.
    pub(super) fn charge(&mut self, held: &[Held], sign: i64) {
        for (place, held) in held.iter().enumerate() {
            match held.resource {
                Resource::Concurrent => {}
                Resource::Money | Resource::Tokens | Resource::Requests => {
                    self.balances
                        .add(place, held, held.amount.saturating_mul(sign));
                }
            }
        }
    }

    /// Puts what was appended into the file, for those who read it within the transaction.
    pub(super) fn flush(&mut self) -> rusqlite::Result<()> {
        self.entries.flush()
    }

    /// Writes the sums and the writer's last number.
    pub(super) fn finish(mut self) -> rusqlite::Result<()> {
        self.flush()?;
        self.add_up()?;
        self.write_balances()?;
        self.connection
            .prepare_cached(
                "INSERT INTO writers VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET number = excluded.number",
            )?
            .execute((self.writer, self.number))?;
        Ok(())
    }

    fn add_up(&self) -> rusqlite::Result<()> {
        let mut days: Vec<_> = self.rollups.iter().collect();
        days.sort_unstable_by_key(|(key, _)| **key);
        let add_up = format!(
            "INSERT INTO rollups (day, dimension, {}) VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (day, dimension) DO UPDATE SET {}",
            FIGURES.join(", "),
            add_to(&FIGURES)
        );
        let mut add_up = self.connection.prepare_cached(&add_up)?;
        for ((day, dimension), sums) in days {
            let tokens = &sums.tokens;
            add_up.execute(params![
                day,
                dimension,
                sums.requests,
                sums.failures,
                tokens.input,
                tokens.cache_read,
                tokens.cache_write,
                tokens.cache_write_1h,
                tokens.audio_in,
                tokens.output,
                tokens.reasoning,
                tokens.audio_out,
                sums.cost,
                sums.unpriced,
            ])?;
        }
        Ok(())
    }

    fn write_balances(&self) -> rusqlite::Result<()> {
        let mut charges: Vec<_> = self.balances.sums().collect();
        charges.sort_unstable();
        let charge = format!("{CHARGE}{}", add_to(&["settled"]));
        let mut charge = self.connection.prepare_cached(&charge)?;
        let mut forget = self.connection.prepare_cached(FORGET)?;
        for ((limit, bucket, resource, window_ms), amount) in charges {
            charge.execute(params![limit, bucket, resource.name(), window_ms, amount])?;
            match resource {
                Resource::Money => {}
                Resource::Tokens | Resource::Requests | Resource::Concurrent => {
                    forget.execute(params![limit, bucket, resource.name(), window_ms])?;
                }
            }
        }
        Ok(())
    }
}

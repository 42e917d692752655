//! Rows as they are read: exchanges, attempts, entries, balances; and the columns that they have.
//!
//! Texts that are not there are empty. Times are milliseconds since 1970,
//! durations microseconds.

use policy::caller::Tags;
use policy::limit::Resource;
use policy::money::Nanos;
use rusqlite::Row;

use super::text;
use crate::record::Flags;

/// Tokens by kind; differences of them in corrections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Input that no cache served.
    pub input: i64,
    /// Input read from a cache.
    pub cache_read: i64,
    /// Input written to a cache.
    pub cache_write: i64,
    /// Input written to a cache for an hour.
    pub cache_write_1h: i64,
    /// Input that is sound.
    pub audio_in: i64,
    /// Output without reasoning, where that is told apart.
    pub output: i64,
    /// Reasoning.
    pub reasoning: i64,
    /// Output that is sound.
    pub audio_out: i64,
}

impl TokenCounts {
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            audio_in: self.audio_in.saturating_add(other.audio_in),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_out: self.audio_out.saturating_add(other.audio_out),
        }
    }

    /// From eight columns, beginning at that one.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            input: row.get(first)?,
            cache_read: row.get(first + 1)?,
            cache_write: row.get(first + 2)?,
            cache_write_1h: row.get(first + 3)?,
            audio_in: row.get(first + 4)?,
            output: row.get(first + 5)?,
            reasoning: row.get(first + 6)?,
            audio_out: row.get(first + 7)?,
        })
    }
}

/// Columns of `exchanges` in a month's file, in the order of [`ExchangeRow::read`].
pub(super) const EXCHANGE_COLUMNS: [&str; 36] = [
    "id",
    "at_ms",
    "state",
    "key",
    "team",
    "organisation",
    "user",
    "run",
    "tags",
    "dialect",
    "operation",
    "model",
    "target",
    "served_model",
    "status",
    "outcome",
    "stream",
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
    "flags",
    "attempts",
    "losses",
    "verdicts",
    "decision",
    "config_revision",
    "overhead_us",
    "first_us",
    "took_us",
];

/// Columns of `attempts` in a month's file, in the order of [`AttemptRow::read`].
pub(super) const ATTEMPT_COLUMNS: [&str; 21] = [
    "exchange",
    "n",
    "kind",
    "target",
    "outcome",
    "why",
    "phase",
    "status",
    "connect_us",
    "first_us",
    "total_us",
    "cut_by_us",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "audio_in",
    "output",
    "reasoning",
    "audio_out",
    "cost_nanos",
];

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeRow {
    /// Its id, a ULID.
    pub id: String,
    /// When it came.
    pub at_ms: i64,
    /// `open`, `settled`, `presumed`, `released` or `refused`.
    pub state: String,
    /// The key's name.
    pub key: String,
    /// The team's name.
    pub team: String,
    /// The organisation's name.
    pub organisation: String,
    /// The user.
    pub user: String,
    /// The run.
    pub run: String,
    /// The tags.
    pub tags: Tags,
    /// The dialect that the client spoke.
    pub dialect: String,
    /// The operation.
    pub operation: String,
    /// The logical model.
    pub model: String,
    /// The target that answered or was tried last.
    pub target: String,
    /// The model that served, in the provider's words.
    pub served_model: String,
    /// HTTP status that the client saw.
    pub status: u16,
    /// How it ended: `answered` or a failure's code.
    pub outcome: String,
    /// Whether the client wanted a stream.
    pub stream: bool,
    /// What it used.
    pub tokens: TokenCounts,
    /// What it cost, or is presumed to have cost.
    pub cost: Nanos,
    /// Version of the price row.
    pub price_id: String,
    /// What is to be known of the cost.
    pub flags: Flags,
    /// How many attempts were made.
    pub attempt_count: u32,
    /// What translations lost: a JSON array, or empty.
    pub losses: String,
    /// What guardrails said: a JSON array, or empty.
    pub verdicts: String,
    /// Why these targets in this order: a JSON text, or empty.
    pub decision: String,
    /// Hash of the configuration in force.
    pub config_revision: String,
    /// What the gateway added, in microseconds.
    pub overhead_us: i64,
    /// Until the first semantic event, in microseconds; 0 where none came.
    pub first_us: i64,
    /// Until its end, in microseconds.
    pub took_us: i64,
    /// The attempts, in their order.
    pub attempts: Vec<AttemptRow>,
}

impl ExchangeRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            state: row.get(2)?,
            key: row.get(3)?,
            team: row.get(4)?,
            organisation: row.get(5)?,
            user: row.get(6)?,
            run: row.get(7)?,
            tags: text::tags_of(&row.get::<_, String>(8)?),
            dialect: row.get(9)?,
            operation: row.get(10)?,
            model: row.get(11)?,
            target: row.get(12)?,
            served_model: row.get(13)?,
            status: row.get(14)?,
            outcome: row.get(15)?,
            stream: row.get(16)?,
            tokens: TokenCounts::read(row, 17)?,
            cost: Nanos(row.get(25)?),
            price_id: row.get(26)?,
            flags: text::flags_of(row.get(27)?),
            attempt_count: row.get(28)?,
            losses: row.get(29)?,
            verdicts: row.get(30)?,
            decision: row.get(31)?,
            config_revision: row.get(32)?,
            overhead_us: row.get(33)?,
            first_us: row.get(34)?,
            took_us: row.get(35)?,
            attempts: Vec::new(),
        })
    }
}

/// One try at one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which try it was, from 1.
    pub n: u32,
    /// Why it was made.
    pub kind: String,
    /// The target.
    pub target: String,
    /// How it ended.
    pub outcome: String,
    /// Why it failed, for operators.
    pub why: String,
    /// The phase in which it failed.
    pub phase: String,
    /// The provider's status; 0 where it gave none.
    pub status: u16,
    /// Until the connection stood, in microseconds.
    pub connect_us: i64,
    /// Until the first semantic event, in microseconds.
    pub first_us: i64,
    /// Until its end, in microseconds.
    pub total_us: i64,
    /// Whether one of our own timeouts ended it.
    pub cut_by_us: bool,
    /// What it used.
    pub tokens: TokenCounts,
    /// What it cost.
    pub cost: Nanos,
}

impl AttemptRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            n: row.get(1)?,
            kind: row.get(2)?,
            target: row.get(3)?,
            outcome: row.get(4)?,
            why: row.get(5)?,
            phase: row.get(6)?,
            status: row.get(7)?,
            connect_us: row.get(8)?,
            first_us: row.get(9)?,
            total_us: row.get(10)?,
            cut_by_us: row.get(11)?,
            tokens: TokenCounts::read(row, 12)?,
            cost: Nanos(row.get(20)?),
        })
    }
}

/// One entry of the book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryRow {
    /// The writer that numbered it.
    pub writer: i64,
    /// Its number there, without gaps from 1.
    pub number: i64,
    /// The exchange; an id of its own for what came from outside.
    pub exchange: String,
    /// 0 for the first entry of an exchange, one more for each correction.
    pub revision: i64,
    /// `settled`, `presumed`, `adjusted` or `external`.
    pub kind: String,
    /// When the request came, or the correction was made.
    pub at_ms: i64,
    /// The key's name.
    pub key: String,
    /// The team's name.
    pub team: String,
    /// The organisation's name.
    pub organisation: String,
    /// The user.
    pub user: String,
    /// The run.
    pub run: String,
    /// The tags.
    pub tags: Tags,
    /// The logical model.
    pub model: String,
    /// The provider.
    pub provider: String,
    /// The target.
    pub target: String,
    /// How many requests it counts: 1, or 0 in corrections.
    pub requests: i64,
    /// How many of them failed.
    pub failures: i64,
    /// What was used.
    pub tokens: TokenCounts,
    /// What it cost; the difference in corrections.
    pub cost: Nanos,
    /// Version of the price row.
    pub price_id: String,
    /// How many requests without a known price it counts; −1 where one was found later.
    pub unpriced: i64,
    /// What is to be known of the cost.
    pub flags: Flags,
    /// Why, in corrections and entries from outside.
    pub note: String,
}

/// What [`EntryRow::read`] reads, from `entries e`, `dimensions d` and `tagsets t`.
pub(super) const ENTRY_SELECT: &str = "SELECT e.writer, e.number, e.exchange, e.revision, e.kind,
    e.at_ms, d.key, d.team, d.organisation, d.user, e.run, t.tags, d.model, d.provider, d.target,
    e.requests, e.failures, e.input, e.cache_read, e.cache_write, e.cache_write_1h, e.audio_in,
    e.output, e.reasoning, e.audio_out, e.cost_nanos, e.price_id, e.unpriced, e.flags, e.note
FROM entries e JOIN dimensions d ON d.id = e.dimension JOIN tagsets t ON t.id = d.tagset";

impl EntryRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            writer: row.get(0)?,
            number: row.get(1)?,
            exchange: row.get(2)?,
            revision: row.get(3)?,
            kind: row.get(4)?,
            at_ms: row.get(5)?,
            key: row.get(6)?,
            team: row.get(7)?,
            organisation: row.get(8)?,
            user: row.get(9)?,
            run: row.get(10)?,
            tags: text::tags_of(&row.get::<_, String>(11)?),
            model: row.get(12)?,
            provider: row.get(13)?,
            target: row.get(14)?,
            requests: row.get(15)?,
            failures: row.get(16)?,
            tokens: TokenCounts::read(row, 17)?,
            cost: Nanos(row.get(25)?),
            price_id: row.get(26)?,
            unpriced: row.get(27)?,
            flags: text::flags_of(row.get(28)?),
            note: row.get(29)?,
        })
    }
}

/// What was charged to a bucket of a limit in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    /// The limit's name.
    pub limit: String,
    /// The bucket within it.
    pub bucket: String,
    /// What it limits.
    pub resource: Resource,
    /// When the window began.
    pub window_ms: i64,
    /// Nano-dollars, tokens or requests.
    pub settled: i64,
}

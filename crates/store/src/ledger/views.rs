//! The views that `query` reads, with their columns: a contract, so nothing is renamed or removed.
//!
//! Four are made from the ledger's files, four from rows that the caller gives.
//! No view shows a secret, nor the hash of one.

use crate::sqlite::Month;

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub what: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
}

/// A column of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub what: &'static str,
    /// Where it comes from, in SQL; its own name where that is the same.
    sql: &'static str,
}

macro_rules! columns {
    ($($name:literal $what:literal $(= $sql:literal)?),* $(,)?) => {
        &[$(Column { name: $name, what: $what, sql: columns!(@ $name $($sql)?) }),*]
    };
    (@ $name:literal $sql:literal) => { $sql };
    (@ $name:literal) => { $name };
}

/// Every view.
pub const VIEWS: &[View] = &[
    EXCHANGES,
    ATTEMPTS,
    LEDGER,
    SPEND_DAILY,
    BUDGETS,
    KEYS,
    TARGETS,
    PATHS,
];

/// Requests.
const EXCHANGES: View = View {
    name: "exchanges",
    what: "one row a request, refused ones too",
    columns: columns![
        "id" "its id, a ULID",
        "at" "when it came, RFC 3339 UTC" = "strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch')",
        "at_ms" "the same in milliseconds since 1970",
        "state" "settled, presumed, released or refused",
        "key" "the key's name",
        "team" "the team's name, or null" = "nullif(team, '')",
        "organisation" "the organisation's name, or null" = "nullif(organisation, '')",
        "user" "the user, or null" = "nullif(user, '')",
        "run" "the run, or null" = "nullif(run, '')",
        "tags" "the tags, a JSON object",
        "dialect" "the dialect that the client spoke",
        "operation" "the operation, such as chat",
        "model" "the logical model",
        "target" "the target that answered or was tried last, or null" = "nullif(target, '')",
        "served_model" "the model that served in the provider's words, or null" = "nullif(served_model, '')",
        "status" "HTTP status that the client saw",
        "failure" "how it failed, or null" = "nullif(outcome, 'answered')",
        "stream" "1 for a stream",
        "input_tokens" "input that no cache served" = "input",
        "cache_read_tokens" "input read from a cache" = "cache_read",
        "cache_write_tokens" "input written to a cache" = "cache_write",
        "cache_write_1h_tokens" "input written to a cache for an hour" = "cache_write_1h",
        "audio_in_tokens" "input that is sound" = "audio_in",
        "output_tokens" "output without reasoning, where told apart" = "output",
        "reasoning_tokens" "reasoning" = "reasoning",
        "audio_out_tokens" "output that is sound" = "audio_out",
        "cost_nanos" "what it cost, in nano-dollars",
        "price_id" "version of the price row, or null" = "nullif(price_id, '')",
        "estimated" "1 where counts are not the provider's" = "flags & 1",
        "unpriced" "1 where no price is known" = "flags >> 1 & 1",
        "overrun" "1 where it cost more than was held" = "flags >> 2 & 1",
        "would_refuse" "1 where a limit in mode report would have refused it" = "flags >> 3 & 1",
        "shortened" "1 where texts of the record were cut" = "flags >> 4 & 1",
        "attempts" "how many tries were made",
        "losses" "what translations lost: a JSON array, or null" = "nullif(losses, '')",
        "verdicts" "what guardrails said: a JSON array, or null" = "nullif(verdicts, '')",
        "decision" "why these targets in this order: JSON, or null" = "nullif(decision, '')",
        "config_revision" "the configuration in force",
        "overhead_us" "microseconds that the gateway added",
        "first_token_ms" "milliseconds until the first token, or null" = "nullif(first_us, 0) / 1000.0",
        "total_ms" "milliseconds until its end" = "took_us / 1000.0",
    ],
};

/// Tries.
const ATTEMPTS: View = View {
    name: "attempts",
    what: "one row a try at one target",
    columns: columns![
        "exchange" "the request's id",
        "n" "which try, from 1",
        "kind" "initial, retry or fallback",
        "target" "the target",
        "outcome" "answered, or the failure's kind",
        "why" "why it failed, or null" = "nullif(why, '')",
        "phase" "the phase in which it failed, or null" = "nullif(phase, '')",
        "status" "the provider's status, or null" = "nullif(status, 0)",
        "connect_ms" "milliseconds until the connection stood" = "connect_us / 1000.0",
        "first_token_ms" "milliseconds until the first token, or null" = "nullif(first_us, 0) / 1000.0",
        "total_ms" "milliseconds until its end" = "total_us / 1000.0",
        "cut_by_us" "1 where one of our own timeouts ended it",
        "input_tokens" "input that no cache served" = "input",
        "cache_read_tokens" "input read from a cache" = "cache_read",
        "cache_write_tokens" "input written to a cache" = "cache_write",
        "cache_write_1h_tokens" "input written to a cache for an hour" = "cache_write_1h",
        "audio_in_tokens" "input that is sound" = "audio_in",
        "output_tokens" "output without reasoning, where told apart" = "output",
        "reasoning_tokens" "reasoning" = "reasoning",
        "audio_out_tokens" "output that is sound" = "audio_out",
        "cost_nanos" "what it cost, in nano-dollars",
    ],
};

/// The book.
const LEDGER: View = View {
    name: "ledger",
    what: "one row an entry of the book; corrections are entries too",
    columns: columns![
        "writer" "who numbered it" = "e.writer",
        "number" "its number there, without gaps" = "e.number",
        "exchange" "the request's id" = "e.exchange",
        "revision" "0 for the first entry, one more for each correction" = "e.revision",
        "kind" "settled, presumed, adjusted or external" = "e.kind",
        "at" "when the request came or the correction was made, RFC 3339 UTC" = "strftime('%Y-%m-%dT%H:%M:%fZ', e.at_ms / 1000.0, 'unixepoch')",
        "at_ms" "the same in milliseconds since 1970" = "e.at_ms",
        "key" "the key's name" = "d.key",
        "team" "the team's name, or null" = "nullif(d.team, '')",
        "organisation" "the organisation's name, or null" = "nullif(d.organisation, '')",
        "user" "the user, or null" = "nullif(d.user, '')",
        "run" "the run, or null" = "nullif(e.run, '')",
        "tags" "the tags, a JSON object" = "t.tags",
        "model" "the logical model" = "d.model",
        "provider" "the provider" = "d.provider",
        "target" "the target" = "d.target",
        "requests" "1, or what a correction makes of it" = "e.requests",
        "failures" "1 where it failed" = "e.failures",
        "input_tokens" "input that no cache served" = "e.input",
        "cache_read_tokens" "input read from a cache" = "e.cache_read",
        "cache_write_tokens" "input written to a cache" = "e.cache_write",
        "cache_write_1h_tokens" "input written to a cache for an hour" = "e.cache_write_1h",
        "audio_in_tokens" "input that is sound" = "e.audio_in",
        "output_tokens" "output without reasoning, where told apart" = "e.output",
        "reasoning_tokens" "reasoning" = "e.reasoning",
        "audio_out_tokens" "output that is sound" = "e.audio_out",
        "cost_nanos" "the amount in nano-dollars; a difference in corrections" = "e.cost_nanos",
        "price_id" "version of the price row, or null" = "nullif(e.price_id, '')",
        "unpriced" "1 where no price is known, -1 where one was found" = "e.unpriced",
        "estimated" "1 where counts are not the provider's" = "e.flags & 1",
        "note" "why, in corrections and entries from outside" = "nullif(e.note, '')",
    ],
};

/// Sums by day.
const SPEND_DAILY: View = View {
    name: "spend_daily",
    what: "the entries of a day summed, by all that can be told apart",
    columns: columns![
        "day" "the day in UTC, YYYY-MM-DD" = "date(r.day * 86400, 'unixepoch')",
        "key" "the key's name" = "d.key",
        "team" "the team's name, or null" = "nullif(d.team, '')",
        "organisation" "the organisation's name, or null" = "nullif(d.organisation, '')",
        "user" "the user, or null" = "nullif(d.user, '')",
        "model" "the logical model" = "d.model",
        "provider" "the provider" = "d.provider",
        "target" "the target" = "d.target",
        "tags" "the tags, a JSON object" = "t.tags",
        "requests" "requests that were billed" = "r.requests",
        "failures" "those that failed" = "r.failures",
        "input_tokens" "input that no cache served" = "r.input",
        "cache_read_tokens" "input read from a cache" = "r.cache_read",
        "cache_write_tokens" "input written to a cache" = "r.cache_write",
        "cache_write_1h_tokens" "input written to a cache for an hour" = "r.cache_write_1h",
        "audio_in_tokens" "input that is sound" = "r.audio_in",
        "output_tokens" "output without reasoning, where told apart" = "r.output",
        "reasoning_tokens" "reasoning" = "r.reasoning",
        "audio_out_tokens" "output that is sound" = "r.audio_out",
        "cost_nanos" "what it cost, in nano-dollars" = "r.cost_nanos",
        "unpriced" "requests without a known price" = "r.unpriced",
    ],
};

/// Budgets and other limits; given by the caller.
const BUDGETS: View = View {
    name: "budgets",
    what: "one row a budget and bucket, in the window that is now",
    columns: columns![
        "name" "the budget's name",
        "account" "whose requests count, such as team:support; null for all",
        "bucket" "the bucket, or null",
        "resource" "money, tokens, requests or concurrent",
        "amount" "what a window allows; nano-dollars where it is money",
        "per" "the window",
        "time_zone" "where the calendar is read",
        "hard" "1 where it refuses",
        "mode" "enforce or report",
        "window_at" "when the window began, RFC 3339 UTC",
        "settled" "what was charged in it",
        "held" "what is held",
        "source" "file or store",
    ],
};

/// Virtual keys; given by the caller.
const KEYS: View = View {
    name: "keys",
    what: "one row a virtual key, without secret and hash",
    columns: columns![
        "id" "its id",
        "name" "its name",
        "team" "its team, or null",
        "organisation" "its organisation, or null",
        "user" "its user, or null",
        "owner" "who owns it, or null",
        "tags" "its tags, a JSON object",
        "models" "what it may call: a JSON array, or null for all",
        "created_at" "when it was made, RFC 3339 UTC",
        "expires_at" "until when it is good, or null",
        "revoked_at" "when it was revoked, or null",
        "source" "file or store",
    ],
};

/// Targets; given by the caller.
const TARGETS: View = View {
    name: "targets",
    what: "one row a target of a model",
    columns: columns![
        "model" "the logical model",
        "target" "provider/model",
        "provider" "the provider",
        "dialect" "the dialect that it speaks",
        "priority" "which come first",
        "weight" "its share among equals",
        "residency" "where it is, or null",
        "approved_for" "data classes: a JSON array, or null",
        "state" "how it fares",
    ],
};

/// Who reaches what; given by the caller.
const PATHS: View = View {
    name: "paths",
    what: "one row a key and target that it reaches",
    columns: columns![
        "key" "the key's name",
        "team" "its team, or null",
        "organisation" "its organisation, or null",
        "model" "the logical model",
        "target" "provider/model",
        "provider" "the provider",
        "residency" "where it is, or null",
        "fallback" "the failure after which it is reached, or null",
    ],
};

/// The statements that make the views over these months, attached as `m0`, `m1` and so on.
///
/// Each view reads one of a name that begins with `inner`, and only that one reads
/// tables: SQLite tells the guard which view a table is read for, but it tells the
/// name of a query's own `WITH ledger AS (…)` too. A name that nobody can guess is
/// told for the real one alone.
pub(super) fn definitions(months: &[Month], inner: &str) -> String {
    let book = "main.entries e JOIN main.dimensions d ON d.id = e.dimension
        JOIN main.tagsets t ON t.id = d.tagset";
    let days = "main.rollups r JOIN main.dimensions d ON d.id = r.dimension
        JOIN main.tagsets t ON t.id = d.tagset";
    let mut sql = String::new();
    for view in [EXCHANGES, ATTEMPTS] {
        let of_month = |(at, _): (usize, &Month)| select(&view, &format!("m{at}.{}", view.name));
        let mut parts: Vec<String> = months.iter().enumerate().map(of_month).collect();
        if parts.is_empty() {
            let nulls: Vec<String> = view
                .columns
                .iter()
                .map(|column| format!("NULL AS {}", column.name))
                .collect();
            parts.push(format!("SELECT {} WHERE 0", nulls.join(", ")));
        }
        define(&mut sql, inner, view.name, &parts.join(" UNION ALL "));
    }
    define(&mut sql, inner, LEDGER.name, &select(&LEDGER, book));
    define(
        &mut sql,
        inner,
        SPEND_DAILY.name,
        &select(&SPEND_DAILY, days),
    );
    for view in [BUDGETS, KEYS, TARGETS, PATHS] {
        let names: Vec<&str> = view.columns.iter().map(|column| column.name).collect();
        sql.push_str(&format!(
            "CREATE TEMP TABLE {} ({});",
            view.name,
            names.join(", ")
        ));
    }
    sql
}

fn define(sql: &mut String, inner: &str, name: &str, body: &str) {
    sql.push_str(&format!(
        "CREATE TEMP VIEW {inner}{name} AS {body};
         CREATE TEMP VIEW {name} AS SELECT * FROM temp.{inner}{name};"
    ));
}

fn select(view: &View, from: &str) -> String {
    let columns: Vec<String> = view
        .columns
        .iter()
        .map(|column| format!("{} AS {}", column.sql, column.name))
        .collect();
    format!("SELECT {} FROM {from}", columns.join(", "))
}

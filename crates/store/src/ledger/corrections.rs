//! What is found out after a request is over: another price, or spend from outside.
//!
//! Appends entries on a connection of its own, in turns with the ledger's writer.
//! It changes no entry and no balance: what a budget's window was charged stays.

use std::path::Path;
use std::sync::Arc;

use policy::caller::Attribution;
use policy::money::Nanos;
use rusqlite::{Connection, TransactionBehavior, params};
use ulid::Ulid;

use super::LedgerError;
use super::book::{Book, COST_MAX, Kind, Line, Sums};
use super::dimensions::Dimensions;
use super::insert::Pace;
use super::main_file::next_revision;
use super::read::Ledger;
use super::rows::TokenCounts;
use super::text;
use crate::sqlite::{OpenMode, open_main};

/// Exchanges that are rated anew in one transaction.
const RATED_AT_ONCE: usize = 1_000;

/// Appends corrections and spend from outside.
pub struct Corrections {
    connection: Connection,
    writer: i64,
}

/// What the book has of an exchange, all its entries together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Its id.
    pub exchange: String,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who paid.
    pub who: Attribution,
    /// The logical model.
    pub model: String,
    /// The target, `provider/model`.
    pub target: String,
    /// What it used.
    pub tokens: TokenCounts,
    /// What it is charged with.
    pub cost: Nanos,
    /// Version of the price row of its newest entry; empty where none was known.
    pub price_id: String,
    /// Whether no price was known.
    pub unpriced: bool,
}

/// What an exchange should have cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rated {
    /// The cost.
    pub cost: Nanos,
    /// Version of the price row.
    pub price_id: Arc<str>,
}

/// What rating anew came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rerated {
    /// Exchanges that were looked at.
    pub seen: u64,
    /// Exchanges that cost another amount.
    pub adjusted: u64,
    /// By how much, all together.
    pub difference: Nanos,
}

/// Spend that did not go through the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// An id of its own: entering the same one twice enters it once.
    pub id: Ulid,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who pays.
    pub who: Attribution,
    /// The model; may be empty.
    pub model: Arc<str>,
    /// `provider/model`, or the provider alone.
    pub target: Arc<str>,
    /// The amount; negative for a credit.
    pub cost: Nanos,
    /// What it is.
    pub note: String,
}

impl Ledger {
    /// What appends to this book, as the same writer as [`super::Options::writer`].
    ///
    /// # Errors
    /// As for [`Corrections::open`].
    pub fn corrections(&self, writer: i64) -> Result<Corrections, LedgerError> {
        Corrections::open(self.dir(), writer)
    }
}

impl Corrections {
    /// For the book of a data directory, as the same writer as [`super::Options::writer`].
    ///
    /// # Errors
    /// Where the main file is missing or cannot be opened.
    pub fn open(dir: &Path, writer: i64) -> Result<Self, LedgerError> {
        Ok(Self {
            connection: open_main(dir, OpenMode::Existing)?,
            writer,
        })
    }

    /// Rates the exchanges of a time anew, and appends the differences at `now_ms`.
    /// `rate` answers `None` where an exchange stays as it is. Presumed ones are left out.
    ///
    /// # Errors
    /// Where the file cannot be read or written; what was appended before stays, and
    /// doing it again appends nothing twice.
    pub fn rerate(
        &mut self,
        since_ms: i64,
        until_ms: i64,
        now_ms: i64,
        rate: &mut dyn FnMut(&Charged) -> Option<Rated>,
    ) -> Result<Rerated, LedgerError> {
        let mut done = Rerated::default();
        let mut after = (since_ms, String::new());
        loop {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found = charged(&transaction, &after, until_ms)?;
            let Some(last) = found.last() else {
                return Ok(done);
            };
            after = (last.at_ms, last.exchange.clone());
            let mut dimensions = Dimensions::default();
            let mut book = Book::new(&transaction, &mut dimensions, self.writer, Pace::Each)?;
            for charged in &found {
                done.seen += 1;
                let Some(rated) = rate(charged) else {
                    continue;
                };
                let cost = rated.cost.0.saturating_sub(charged.cost.0);
                if cost == 0 && !charged.unpriced {
                    continue;
                }
                let line = Line {
                    exchange: &charged.exchange,
                    revision: next_revision(&transaction, &charged.exchange)?,
                    kind: Kind::Adjusted,
                    at_ms: now_ms,
                    who: &charged.who,
                    model: &charged.model,
                    target: &charged.target,
                    sums: Sums {
                        cost,
                        unpriced: -i64::from(charged.unpriced),
                        ..Sums::default()
                    },
                    price_id: &rated.price_id,
                    flags: 0,
                    note: "rated anew",
                };
                if book.post(&line)? {
                    done.adjusted += 1;
                    done.difference = done.difference.plus(Nanos(cost));
                }
            }
            book.finish()?;
            transaction.commit()?;
        }
    }

    /// Enters spend from outside; false where that id is entered already.
    ///
    /// # Errors
    /// Where the file cannot be written, or the amount is beyond ten million dollars.
    pub fn external(&mut self, spend: &External) -> Result<bool, LedgerError> {
        if spend.cost.0.unsigned_abs() > COST_MAX.unsigned_abs() {
            return Err(LedgerError::Refused(
                "one entry holds ten million dollars at most; enter it in parts".to_owned(),
            ));
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut dimensions = Dimensions::default();
        let mut book = Book::new(&transaction, &mut dimensions, self.writer, Pace::Each)?;
        let posted = book.post(&Line {
            exchange: &spend.id.to_string(),
            revision: 0,
            kind: Kind::External,
            at_ms: spend.at_ms,
            who: &spend.who,
            model: &spend.model,
            target: &spend.target,
            sums: Sums {
                cost: spend.cost.0,
                ..Sums::default()
            },
            price_id: "",
            flags: 0,
            note: &spend.note,
        })?;
        book.finish()?;
        transaction.commit()?;
        Ok(posted)
    }
}

/// The next exchanges of a time with what the book has of them, by time and id.
fn charged(
    connection: &Connection,
    after: &(i64, String),
    until_ms: i64,
) -> rusqlite::Result<Vec<Charged>> {
    let mut statement = connection.prepare_cached(
        "SELECT e.exchange, e.at_ms, d.key, d.team, d.organisation, d.user, e.run, t.tags,
             d.model, d.target,
             sum(a.input), sum(a.cache_read), sum(a.cache_write), sum(a.cache_write_1h),
             sum(a.audio_in), sum(a.output), sum(a.reasoning), sum(a.audio_out),
             sum(a.cost_nanos), sum(a.unpriced) > 0,
             (SELECT price_id FROM entries n WHERE n.exchange = e.exchange
              ORDER BY revision DESC LIMIT 1)
         FROM (SELECT exchange, at_ms, dimension, run FROM entries
               WHERE at_ms >= ?1 AND at_ms < ?3 AND (at_ms > ?1 OR exchange > ?2)
                   AND kind = 'settled'
               ORDER BY at_ms, exchange LIMIT ?4) e
             JOIN dimensions d ON d.id = e.dimension JOIN tagsets t ON t.id = d.tagset
             JOIN entries a ON a.exchange = e.exchange
         GROUP BY e.at_ms, e.exchange ORDER BY e.at_ms, e.exchange",
    )?;
    let rows = statement.query_map(
        params![after.0, after.1, until_ms, RATED_AT_ONCE as i64],
        |row| {
            let named = |at| {
                let name: String = row.get(at)?;
                Ok::<_, rusqlite::Error>((!name.is_empty()).then(|| Arc::from(name)))
            };
            Ok(Charged {
                exchange: row.get(0)?,
                at_ms: row.get(1)?,
                who: Attribution {
                    key: row.get(2)?,
                    team: named(3)?,
                    organisation: named(4)?,
                    user: named(5)?,
                    run: named(6)?,
                    tags: text::tags_of(&row.get::<_, String>(7)?),
                },
                model: row.get(8)?,
                target: row.get(9)?,
                tokens: TokenCounts::read(row, 10)?,
                cost: Nanos(row.get(18)?),
                unpriced: row.get(19)?,
                price_id: row.get(20)?,
            })
        },
    )?;
    rows.collect()
}

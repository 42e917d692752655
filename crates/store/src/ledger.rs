//! The ledger: the book that the journal's records are written into, and what is read from it.
//!
//! [`LedgerWriter`] moves records from a [`Source`] into the SQLite files of a
//! data directory, each exactly once: the months' files first, by the exchange's
//! id, then the main file together with the checkpoint. [`Ledger`] reads, and
//! shows nobody more than they may see. [`Corrections`] appends what is found out
//! later. Nothing here ever changes or removes an entry, and nothing here is on
//! the road: where the files cannot be written, the journal keeps what waits.

mod balances;
mod book;
mod corrections;
mod dimensions;
mod effects;
mod filter;
mod guard;
mod health;
mod insert;
mod main_file;
mod months;
mod opening;
mod query;
mod read;
mod retention;
mod rows;
mod source;
mod spend;
mod text;
mod views;
mod writer;

pub use corrections::{Charged, Corrections, External, Rated, Rerated};
pub use filter::{EntryFilter, ExchangeFilter};
pub use health::{Health, Standing};
pub use query::{Answer, Cell, Given, Limits};
pub use read::{Follow, Ledger, Page};
pub use retention::remove_months_before;
pub use rows::{AttemptRow, BalanceRow, EntryRow, ExchangeRow, TokenCounts};
pub use source::{Source, SourceError};
pub use spend::{By, Figures, SpendQuery, SpendReport, SpendRow};
pub use views::{Column, VIEWS, View};
pub use writer::{LedgerWriter, Left, Options, Recovered};

use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::sqlite::OpenError;

/// Something that the ledger could not do.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file is not what it was when it was opened.
    #[error("{} {what}; restart the gateway once the file is in its place", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        what: &'static str,
    },
    /// SQLite failed.
    #[error("the ledger: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// A read that took longer than it may.
    #[error(
        "it took too long and was ended; ask for less: a shorter time, a filter, or fewer dimensions"
    )]
    TooLong,
    /// The file system failed.
    #[error("the ledger's directory: {0}")]
    Io(#[from] std::io::Error),
    /// The journal cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What was asked for cannot be done; says what can.
    #[error("{0}")]
    Refused(String),
}

impl From<rusqlite::Error> for LedgerError {
    fn from(why: rusqlite::Error) -> Self {
        match why.sqlite_error_code() {
            // Nothing interrupts but the clock of a read.
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Sqlite(why),
        }
    }
}

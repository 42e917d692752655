//! Why the journal cannot be opened, or a record cannot be kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What keeps the journal from keeping a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No room is set aside for the record and the ones that must follow it. It mends itself when the disk has room.
    #[error(
        "the journal in {dir} has no room for another request: free space on that disk, or let the ledger catch up"
    )]
    Full {
        /// The folder of the stream.
        dir: PathBuf,
    },
    /// The disk took a write back, or the journal is closed: nothing is admitted until a restart.
    #[error("the journal has stopped: {0}; restart once the disk is sound")]
    Failed(Arc<str>),
    /// The record is longer than the journal keeps, and none of it may be cut.
    #[error(
        "a record of {bytes} bytes is longer than the {bytes_max} that the journal keeps: send fewer or shorter tags"
    )]
    TooLong {
        /// Its bytes.
        bytes: u64,
        /// The most that there may be.
        bytes_max: u64,
    },
    /// Records that were on the disk are damaged. Nothing was changed.
    #[error(
        "{file} is damaged at byte {offset}: {why}; nothing was changed; docs/journal.md says how to go on"
    )]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// A record or segment of a later format.
    #[error("{file} at byte {offset} was written by a later version ({why}): start that version")]
    Newer {
        /// The segment.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What is not known.
        why: String,
    },
    /// The operating system refused something while the journal was opened or read.
    #[error("{path}: cannot {what}: {why}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A setting that cannot work.
    #[error("the journal cannot be opened so: {0}")]
    Setting(String),
}

impl StorageError {
    /// Whether it is a lack of room, which mends itself.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, StorageError::Full { .. })
    }

    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| StorageError::Io {
            what,
            path: path.to_owned(),
            why: error.to_string(),
        }
    }
}

/// Whether the system refused for want of room on the disk or in a quota.
pub(super) fn no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

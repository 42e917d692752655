//! The SQLite files of a data directory: how they are opened, and what shape they have.
//!
//! `bondgate.db` is the main file: ledger, balances, accounts, keys. Each month
//! has a file of its own for exchanges and attempts. A file that is damaged, or
//! whose schema is newer than this program, is refused and left as it is: this
//! module must never write to a file that it does not know.

mod migrate;
mod month;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use migrate::{MAIN_MIGRATIONS, MONTH_MIGRATIONS, Migration, RESPONSES_MIGRATIONS};
pub(crate) use month::DAY_MS;
pub use month::Month;

/// Name of the main file within the data directory.
pub const MAIN_FILE: &str = "bondgate.db";

/// How long a statement waits for a lock before it is `busy`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What an opened file may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Read and write; made where it is missing, migrated where it is older.
    Create,
    /// Read and write; missing is an error, migrated where it is older.
    Existing,
    /// Read only; missing or older is an error.
    ReadOnly,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there.
    #[error("{} is missing; give the data directory that holds it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is no SQLite file, or a damaged one. It was not touched.
    #[error(
        "{} is damaged ({why}); it was left as it is: put a backup in its place, or move it away to begin anew",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// A newer program has written it.
    #[error(
        "{} has schema {found} and this program knows {known} at most; start a newer program, or restore the copy that was made before the migration",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// It is older than this program and was opened for reading only.
    #[error(
        "{} has schema {found} and this program reads {known}; start the gateway once to bring it up to date",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema's version.
        found: i64,
        /// What this program reads.
        known: i64,
    },
    /// One of its migrations is not the one that this program knows by that version.
    #[error(
        "{} was made with another migration {version} ({name}) than this program's; start the program that made it",
        path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// The migration's version.
        version: i64,
        /// Its name in the file.
        name: String,
    },
    /// The file system refuses.
    #[error("{} cannot be opened: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        #[source]
        why: std::io::Error,
    },
    /// SQLite refuses.
    #[error("{} cannot be opened: {why}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        #[source]
        why: rusqlite::Error,
    },
}

/// Opens the main file of a data directory, brought up to date.
///
/// In WAL mode, each commit synced: the journal is cut on the strength of the
/// checkpoint that stands here. A lock is waited for 5 s.
///
/// # Errors
/// [`OpenError`]; a damaged or newer file is not touched.
pub fn open_main(dir: &Path, mode: OpenMode) -> Result<Connection, OpenError> {
    open(&dir.join(MAIN_FILE), mode, MAIN_MIGRATIONS)
}

/// Opens the file of a month, brought up to date; see [`open_main`].
///
/// # Errors
/// [`OpenError`]; a damaged or newer file is not touched.
pub fn open_month(dir: &Path, month: Month, mode: OpenMode) -> Result<Connection, OpenError> {
    open(&dir.join(month.file_name()), mode, MONTH_MIGRATIONS)
}

/// Opens a file with these migrations.
pub(crate) fn open(
    path: &Path,
    mode: OpenMode,
    migrations: &[Migration],
) -> Result<Connection, OpenError> {
    let fresh = match header(path)? {
        Header::Missing if mode == OpenMode::Create => {
            make(path)?;
            true
        }
        Header::Missing => {
            return Err(OpenError::Missing {
                path: path.to_owned(),
            });
        }
        Header::Empty => true,
        Header::Sqlite => false,
        Header::Other => {
            return Err(OpenError::Corrupt {
                path: path.to_owned(),
                why: "it does not begin like an SQLite file".to_owned(),
            });
        }
    };
    let found = if fresh {
        0
    } else {
        // Looked at read-only first, so that a file that is refused keeps every byte.
        let looking = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        migrate::version(&looking, path, migrations)?
    };
    let known = migrate::newest(migrations);
    if mode == OpenMode::ReadOnly {
        if found < known {
            return Err(OpenError::Older {
                path: path.to_owned(),
                found,
                known,
            });
        }
        return connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    settings(&connection).map_err(|why| refused(path, why))?;
    if found < known {
        migrate::apply(&mut connection, path, migrations)?;
    }
    Ok(connection)
}

/// Opens the file of answers that providers keep, brought up to date; see [`open_main`].
///
/// # Errors
/// [`OpenError`]; a damaged or newer file is not touched.
pub(crate) fn open_responses(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(crate::responses::FILE);
    open(&file, OpenMode::Create, RESPONSES_MIGRATIONS)
}

/// What an error of SQLite means for that file.
pub(crate) fn refused(path: &Path, why: rusqlite::Error) -> OpenError {
    match why.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Corrupt {
            path: path.to_owned(),
            why: why.to_string(),
        },
        _ => OpenError::Sqlite {
            path: path.to_owned(),
            why,
        },
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|why| refused(path, why))?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(|why| refused(path, why))?;
    Ok(connection)
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The trees are written at their right edges: what a batch changes stays in less than this.
    connection.pragma_update(None, "cache_size", -4_096)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

enum Header {
    Missing,
    Empty,
    Sqlite,
    Other,
}

fn header(path: &Path) -> Result<Header, OpenError> {
    let io = |why| OpenError::Io {
        path: path.to_owned(),
        why,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Header::Missing),
        Err(why) => return Err(io(why)),
    };
    let mut begins = Vec::with_capacity(MAGIC.len());
    let mut start = file.take(MAGIC.len() as u64);
    start.read_to_end(&mut begins).map_err(io)?;
    Ok(if begins.is_empty() {
        Header::Empty
    } else if begins == MAGIC {
        Header::Sqlite
    } else {
        Header::Other
    })
}

/// Makes an empty file that only its owner reads; SQLite gives its companions the same mode.
fn make(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(why) => Err(OpenError::Io {
            path: path.to_owned(),
            why,
        }),
    }
}

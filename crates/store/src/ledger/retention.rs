//! Retention: exchanges, attempts and payloads go a month at a time, by removing its file.
//!
//! The main file is never shortened: entries, rollups and balances stay.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::LedgerError;
use super::read::Ledger;
use crate::sqlite::Month;

impl Ledger {
    /// The months before that one of which there are records, the newest first.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn months_before(&self, first_kept: Month) -> Result<Vec<Month>, LedgerError> {
        let mut months = Month::list(self.dir())?;
        months.retain(|month| *month < first_kept);
        Ok(months)
    }

    /// Removes the files of all months before that one.
    ///
    /// # Errors
    /// As [`remove_months_before`].
    pub fn remove_months_before(&self, first_kept: Month) -> Result<Vec<Month>, LedgerError> {
        remove_months_before(self.dir(), first_kept)
    }
}

/// Removes the files of all months before that one; answers which.
///
/// # Errors
/// Where the directory cannot be read or a file not be removed.
pub fn remove_months_before(dir: &Path, first_kept: Month) -> Result<Vec<Month>, LedgerError> {
    let mut months = Month::list(dir)?;
    months.retain(|month| *month < first_kept);
    for month in &months {
        let name = month.file_name();
        // The file first: its companions alone mean nothing, and the other way about they do.
        for suffix in ["", "-wal", "-shm"] {
            match fs::remove_file(dir.join(format!("{name}{suffix}"))) {
                Ok(()) => {}
                Err(why) if why.kind() == ErrorKind::NotFound => {}
                Err(why) => return Err(why.into()),
            }
        }
    }
    Ok(months)
}

//! What was told to whom: so that each alert is told once, over restarts too.
//!
//! A file of its own, one line of JSON for each alert that a receiver has taken. It is not in the
//! database, because trouble with the database is told as well. It is written anew at the start and
//! when it has grown, without what is over. A file that cannot be written costs nothing but that
//! alerts may be told again after a restart; a line that cannot be read is passed over.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::alert::Once;
use crate::say::say;

/// How many alerts are remembered; further ones may be told again.
const ENTRIES_MAX: usize = 100_000;

/// How much of the file is read, in bytes.
const FILE_MAX: u64 = 64 * 1024 * 1024;

/// What was told, in memory and in a file.
pub(super) struct Told {
    path: PathBuf,
    file: Option<File>,
    lines: usize,
    entries: HashMap<String, Entry>,
    complained: bool,
}

/// An alert to one receiver.
struct Entry {
    /// Until when it is not told again, in milliseconds since 1970.
    until_ms: i64,
    /// Whether the receiver has taken it; else it is on its way, which is not kept.
    done: bool,
}

/// One line of the file. A time that is over says that it may be told again.
#[derive(Serialize, Deserialize)]
struct Line {
    told: String,
    until_ms: i64,
}

impl Told {
    /// Reads what was told before, and drops what is over at that time.
    pub(super) fn open(path: PathBuf, now_ms: i64) -> Self {
        let mut told = Self {
            entries: read(&path).unwrap_or_default(),
            path,
            file: None,
            lines: 0,
            complained: false,
        };
        told.forget_old(now_ms);
        told.rewrite();
        told
    }

    /// Whether it is to be told to that receiver. Says yes once.
    pub(super) fn begin(&mut self, to: &str, key: &str, once: Once, now_ms: i64) -> bool {
        let until_ms = match once {
            Once::Until(until_ms) => until_ms,
            Once::Begins => i64::MAX,
            Once::Ends => {
                self.entries.remove(&name(to, key));
                return true;
            }
        };
        let name = name(to, key);
        let before = self.entries.get(&name);
        if before.is_some_and(|before| before.until_ms > now_ms) {
            return false;
        }
        if self.entries.len() < ENTRIES_MAX {
            let done = false;
            self.entries.insert(name, Entry { until_ms, done });
        }
        true
    }

    /// It was told: that is remembered over a restart.
    pub(super) fn done(&mut self, to: &str, key: &str, once: Once) {
        let until_ms = match once {
            Once::Until(until_ms) => until_ms,
            Once::Begins => i64::MAX,
            Once::Ends => 0,
        };
        let told = name(to, key);
        if let Some(entry) = self.entries.get_mut(&told) {
            entry.done = true;
        }
        self.append(&Line { told, until_ms });
    }

    /// It could not be told: it may be told again from then on, if it happens again.
    pub(super) fn failed(&mut self, to: &str, key: &str, again_ms: i64) {
        if let Some(entry) = self.entries.get_mut(&name(to, key)) {
            entry.until_ms = entry.until_ms.min(again_ms);
        }
    }

    /// Whether somebody was told this and not that it is over.
    pub(super) fn is_open(&self, key: &str) -> bool {
        let told = |(name, entry): (&String, &Entry)| {
            entry.done && name.split_once(' ').is_some_and(|(_, rest)| rest == key)
        };
        self.entries.iter().any(told)
    }

    /// Drops what is over, and shortens the file where it has grown.
    pub(super) fn tidy(&mut self, now_ms: i64) {
        self.forget_old(now_ms);
        if self.file.is_none() || self.lines > 2 * self.entries.len() + 1000 {
            self.rewrite();
        }
    }

    fn forget_old(&mut self, now_ms: i64) {
        self.entries.retain(|_, entry| entry.until_ms > now_ms);
    }

    fn append(&mut self, line: &Line) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_vec(line).map_err(io::Error::from);
        let written = written.and_then(|mut text| {
            text.push(b'\n');
            file.write_all(&text)
        });
        self.lines = self.lines.saturating_add(1);
        if let Err(error) = written {
            self.file = None;
            self.complain(&error);
        }
    }

    /// Written beside and renamed, so that a crash leaves the old one or the new one.
    fn rewrite(&mut self) {
        match self.written_anew() {
            Ok(file) => {
                self.file = Some(file);
                self.lines = self.entries.len();
                self.complained = false;
            }
            Err(error) => self.complain(&error),
        }
    }

    fn written_anew(&self) -> io::Result<File> {
        let beside = self.path.with_extension("new");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        let mut out = BufWriter::new(file);
        for (told, entry) in self.entries.iter().filter(|(_, entry)| entry.done) {
            let (told, until_ms) = (told.clone(), entry.until_ms);
            serde_json::to_writer(&mut out, &Line { told, until_ms })?;
            out.write_all(b"\n")?;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        Ok(file)
    }

    fn complain(&mut self, error: &io::Error) {
        if !self.complained {
            self.complained = true;
            let path = self.path.display();
            say(&format!(
                "{path} cannot be written ({error}): alerts may be told again after a restart"
            ));
        }
    }
}

fn name(to: &str, key: &str) -> String {
    format!("{to} {key}")
}

fn read(path: &PathBuf) -> io::Result<HashMap<String, Entry>> {
    let mut told = HashMap::new();
    for line in BufReader::new(File::open(path)?.take(FILE_MAX)).split(b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(&line?) else {
            continue;
        };
        if told.len() < ENTRIES_MAX || told.contains_key(&line.told) {
            let (until_ms, done) = (line.until_ms, true);
            told.insert(line.told, Entry { until_ms, done });
        }
    }
    Ok(told)
}

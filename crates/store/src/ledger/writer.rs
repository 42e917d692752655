//! The ledger's one writer: it moves records from a [`Source`] into the files, each exactly once.
//!
//! A batch goes to the months' files, then to the main file with the checkpoint.
//! Between the two the process may die: the batch then comes again and the
//! months' rows are written over by themselves. A batch that cannot be written
//! is held and tried again, for as long as it takes; the journal keeps what
//! waits behind it. Nothing is told to be committed before it is.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::LedgerError;
use super::effects::{Effects, presumed_exchange};
use super::health::{Health, Standing};
use super::main_file::MainFile;
use super::months::Months;
use super::source::Source;
use crate::journal::{Batch, Position, Positions};
use crate::record::{Exchange, Record};
use crate::sqlite::{OpenError, OpenMode};

/// How long it waits for a record before it looks whether it should stop.
const IDLE: Duration = Duration::from_millis(200);

/// How long it waits before it tries again what failed, the first time.
const BACKOFF: Duration = Duration::from_millis(20);

/// Records of a batch that is large.
const LARGE: usize = 128;

/// How the writer works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of this writer in the book; entries are numbered within it.
    pub writer: i64,
    /// Records of one transaction at most.
    pub batch_max: usize,
    /// How long a batch waits for more records; five times that where it is large already.
    pub linger: Duration,
    /// How long a lock that another holds is waited for.
    pub busy_timeout: Duration,
    /// How long it waits at most before it tries again what failed.
    pub backoff_max: Duration,
    /// How long it goes on trying once it was told to stop.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            writer: 0,
            batch_max: 4_096,
            linger: Duration::from_millis(50),
            busy_timeout: Duration::from_millis(500),
            backoff_max: Duration::from_secs(2),
            patience: Duration::from_secs(5),
        }
    }
}

/// What the end of the journal of dead processes came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that were not in the ledger yet.
    pub records: u64,
    /// Requests that were open at the end and are presumed.
    pub presumed: u64,
}

/// How the writer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whether all records that were there are in the ledger; else the journal keeps the rest.
    pub all_written: bool,
}

/// Writes the ledger of a data directory; there is one at a time.
pub struct LedgerWriter {
    dir: PathBuf,
    options: Options,
    health: Arc<Health>,
    main: Option<MainFile>,
    months: Months,
    /// What was told to be committed: no file that holds less may be written on.
    told: Positions,
}

impl LedgerWriter {
    /// Opens the main file, made or brought up to date where that is needed.
    ///
    /// # Errors
    /// Where it cannot be opened or read.
    pub fn open(dir: &Path, options: Options) -> Result<Self, LedgerError> {
        let main = MainFile::open(dir, OpenMode::Create, options.writer, options.busy_timeout)?;
        Ok(Self {
            dir: dir.to_owned(),
            health: Arc::new(Health::default()),
            months: Months::new(dir, options.busy_timeout),
            told: main.checkpoint.clone(),
            main: Some(main),
            options,
        })
    }

    /// The last record of each of the journal's writers that the ledger holds: a source begins after it.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.told
    }

    /// How it fares.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Writes all that a dead process left, and presumes what it left open. To be
    /// called before any request is let in.
    ///
    /// # Errors
    /// Where records cannot be read or written; nothing is lost, and it may be called again
    /// with a source that begins at [`LedgerWriter::positions`].
    pub fn recover(&mut self, source: &mut dyn Source) -> Result<Recovered, LedgerError> {
        let mut recovered = Recovered::default();
        loop {
            let batch = source.next_batch(self.options.batch_max)?;
            if batch.is_empty() {
                break;
            }
            recovered.records += batch.records.len() as u64;
            recovered.presumed += self.commit(&batch)?;
            source.committed(&self.told);
        }
        let Some(main) = self.main.as_mut() else {
            return Ok(recovered);
        };
        let effects = Effects::all_died(&main.open);
        if effects.presumed.is_empty() {
            return Ok(recovered);
        }
        recovered.presumed += effects.presumed.len() as u64;
        let written = write(&mut self.months, main, &effects, &Positions::new());
        if written.is_err() {
            self.main = None;
            self.months.close();
        }
        written.map(|()| recovered)
    }

    /// Moves records until it is told to stop, and then until none waits. For a
    /// thread of its own; it never fails, it tells [`Health`].
    pub fn run(mut self, source: &mut dyn Source, stop: &AtomicBool) -> Left {
        let _watch = Watch(Arc::clone(&self.health));
        loop {
            let stopping = stop.load(Ordering::Acquire);
            match self.gather(source, stop) {
                Ok(batch) if batch.is_empty() => {
                    if stopping {
                        return Left { all_written: true };
                    }
                    self.health.tell(Standing::Ok);
                    source.wait(IDLE);
                }
                Ok(batch) => {
                    if !self.insist(&batch, source, stop) {
                        return Left { all_written: false };
                    }
                }
                Err(why) => {
                    self.fails(&why, 0);
                    if stopping {
                        return Left { all_written: false };
                    }
                    self.pause(self.options.backoff_max, stop);
                }
            }
        }
    }

    /// A batch: full, or what came while it lingered.
    fn gather(&self, source: &mut dyn Source, stop: &AtomicBool) -> Result<Batch, LedgerError> {
        let max = self.options.batch_max;
        let mut batch = source.next_batch(max)?;
        if batch.is_empty() {
            return Ok(batch);
        }
        let began = Instant::now();
        while size(&batch) < max && !stop.load(Ordering::Acquire) {
            // A commit costs much the same for few records and for many.
            let lingers = if size(&batch) < LARGE { 1 } else { 5 };
            let left = (self.options.linger * lingers).saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            // Not the source's own wait, which ends at the next record: that would be a spin.
            thread::sleep(left.min(Duration::from_millis(25)));
            match source.next_batch(max - size(&batch)) {
                Ok(more) => {
                    batch.records.extend(more.records);
                    batch.refused.extend(more.refused);
                }
                // What was given is held; the error comes again where it lasts.
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    /// Writes a batch, however often it takes; false where it was told to stop and could not.
    fn insist(&mut self, batch: &Batch, source: &mut dyn Source, stop: &AtomicBool) -> bool {
        self.health.writes(size(batch) as u64);
        let mut backoff = BACKOFF;
        let mut told_to_stop: Option<Instant> = None;
        loop {
            let why = match self.commit(batch) {
                Ok(_) => {
                    source.committed(&self.told);
                    self.health.tell(if size(batch) < self.options.batch_max {
                        Standing::Ok
                    } else {
                        Standing::Behind(size(batch) as u64)
                    });
                    return true;
                }
                Err(why) => why,
            };
            self.fails(&why, size(batch) as u64);
            if stop.load(Ordering::Acquire) {
                let since = *told_to_stop.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.options.patience {
                    return false;
                }
                backoff = BACKOFF;
            }
            self.pause(backoff, stop);
            backoff = (backoff * 2).min(self.options.backoff_max);
        }
    }

    /// Writes a batch; answers how many requests it presumed.
    fn commit(&mut self, batch: &Batch) -> Result<u64, LedgerError> {
        let written = self.try_commit(batch);
        if written.is_err() {
            // What a failed commit left is not known: files are opened and read anew.
            self.main = None;
            self.months.close();
        }
        written
    }

    fn try_commit(&mut self, batch: &Batch) -> Result<u64, LedgerError> {
        let main = match &mut self.main {
            Some(main) => main,
            closed => closed.insert(reopen(&self.dir, &self.options, &self.told)?),
        };
        let fresh = without_known(batch, &main.checkpoint);
        let effects = Effects::of(&main.open, &fresh);
        if !fresh.is_empty() {
            write(&mut self.months, main, &effects, &fresh.positions())?;
        }
        self.told.clone_from(&main.checkpoint);
        Ok(effects.presumed.len() as u64)
    }

    fn fails(&self, why: &LedgerError, waiting: u64) {
        self.health.tell(Standing::Failing {
            why: Arc::from(why.to_string()),
            waiting,
        });
    }

    /// Sleeps, but not on after it was told to stop.
    fn pause(&self, time: Duration, stop: &AtomicBool) {
        let began = Instant::now();
        let was_stopping = stop.load(Ordering::Acquire);
        while began.elapsed() < time && (was_stopping || !stop.load(Ordering::Acquire)) {
            thread::sleep(Duration::from_millis(20).min(time));
        }
    }
}

/// Tells where the thread falls, which nobody waits for while the gateway runs.
struct Watch(Arc<Health>);

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.tell(Standing::Failing {
                why: Arc::from("its thread has fallen; restart the gateway"),
                waiting: 0,
            });
        }
    }
}

fn size(batch: &Batch) -> usize {
    batch.records.len() + batch.refused.len()
}

/// A batch as it came, or what is left of it.
enum Fresh<'a> {
    All(&'a Batch),
    Some(Batch),
}

impl Deref for Fresh<'_> {
    type Target = Batch;

    fn deref(&self) -> &Batch {
        match self {
            Fresh::All(batch) => batch,
            Fresh::Some(batch) => batch,
        }
    }
}

/// A batch without the records that the file holds already.
fn without_known<'a>(batch: &'a Batch, checkpoint: &Positions) -> Fresh<'a> {
    let is_new = |(at, _): &&(Position, Record)| {
        let held = checkpoint.get(&at.writer);
        held.is_none_or(|held| at.sequence > *held)
    };
    if batch.records.iter().all(|record| is_new(&record)) {
        return Fresh::All(batch);
    }
    Fresh::Some(Batch {
        records: batch.records.iter().filter(is_new).cloned().collect(),
        refused: batch.refused.clone(),
    })
}

/// The months first: whoever finds an entry finds its exchange.
fn write(
    months: &mut Months,
    main: &mut MainFile,
    effects: &Effects<'_>,
    reached: &Positions,
) -> Result<(), LedgerError> {
    let presumed: Vec<Exchange> = effects
        .presumed
        .iter()
        .map(|open| presumed_exchange(&open.dispatched))
        .collect();
    months.write(presumed.iter().chain(effects.closed.iter().copied()))?;
    main.write(effects, reached)
}

fn reopen(dir: &Path, options: &Options, told: &Positions) -> Result<MainFile, LedgerError> {
    let main = MainFile::open(
        dir,
        OpenMode::Existing,
        options.writer,
        options.busy_timeout,
    )?;
    let holds_less = told.iter().any(|(writer, sequence)| {
        let held = main.checkpoint.get(writer);
        held.is_none_or(|held| held < sequence)
    });
    if holds_less {
        let path = dir.join(crate::sqlite::MAIN_FILE);
        return Err(LedgerError::Open(OpenError::Corrupt {
            path,
            why: "it is an older copy than the one that this process has written".to_owned(),
        }));
    }
    Ok(main)
}

//! What lasts: the journal, the ledger built from it, and the objects made at run time.
//!
//! Opened before anything serves: what a dead process left is read to its end first.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use gateway::stored::Stored;
use policy::accounts::{Accounts, Balance, LimitSet};
use policy::secret::Secret;
use policy::viewer::Viewer;
use store::journal::Journal;
use store::journal::{self, OnFailure, Recorder};
use store::keys::KeyHasher;
use store::ledger::{self, Ledger, LedgerWriter};
use store::objects::Objects;
use store::responses::{Bound, Responses};
use store::seal::Sealer;
use store::sqlite::{OpenMode, open_main};
use tokio_util::sync::CancellationToken;

use super::rules::Rules;
use crate::config::{Config, Durability};
use crate::say::say;

/// The folder of the journal within the data folder.
const JOURNAL: &str = "journal";

/// How long a stop waits for the disk to take the last records.
const LAST_SYNC: Duration = Duration::from_secs(10);

/// A recovery of more records than that is told.
const TOLD_RECORDS: u64 = 10_000;

/// What lasts.
pub(crate) struct Books {
    /// Where the cores write.
    pub(crate) journal: Arc<Journal>,
    /// What operators read.
    pub(crate) ledger: Arc<Ledger>,
    /// Keys, teams, budgets and providers made at run time.
    pub(crate) objects: Arc<Objects>,
    /// The file of answers that providers keep, and its thread.
    pub(crate) responses: Responses,
    /// How the ledger's writer fares.
    pub(crate) ledger_health: Arc<ledger::Health>,
    /// The disk took back what it had: nothing may go on.
    pub(crate) failed: CancellationToken,
    writing: Writing,
    /// What the file of kept answers knew at the start.
    known: Vec<Bound>,
}

/// The thread that moves the journal's records into the ledger.
struct Writing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<ledger::Left>>,
}

/// How the books are opened.
pub(crate) struct BooksOptions<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) cores: usize,
    pub(crate) durability: Durability,
    pub(crate) master_key: &'a Secret,
    pub(crate) now_ms: i64,
}

impl Books {
    /// Opens everything, and enters what a dead process left.
    pub(crate) fn open(options: &BooksOptions<'_>) -> Result<Self> {
        let dir = options.dir;
        let mut writer = LedgerWriter::open(dir, ledger::Options::default())?;
        let failed = CancellationToken::new();
        let opening = journal::Options {
            writers: u32::try_from(options.cores).unwrap_or(u32::MAX),
            durability: match options.durability {
                Durability::Process => journal::Durability::Process,
                Durability::Power => journal::Durability::Power,
            },
            committed: writer.positions().clone(),
            at_ms: options.now_ms,
            on_failure: Some(on_failure(&failed)),
            ..journal::Options::default()
        };
        let journal = Journal::open(&dir.join(JOURNAL), opening)?;
        for mended in journal.mended() {
            say(&format!("the journal was mended: {mended}"));
        }
        let mut tail = journal.tail(writer.positions());
        let began = Instant::now();
        let recovered = writer.recover(&mut tail)?;
        if let Some(told) = told(&recovered, began.elapsed()) {
            say(&told);
        }
        let ledger = Arc::new(Ledger::open(dir)?);
        let (responses, known) = Responses::open(dir, options.now_ms)?;
        let secret = options.master_key.reveal().as_bytes();
        let objects = Objects::open(
            open_main(dir, OpenMode::Existing)?,
            KeyHasher::new(secret),
            Sealer::new(secret)?,
        )?;
        let ledger_health = writer.health();
        let stop = Arc::new(AtomicBool::new(false));
        let named = thread::Builder::new().name("ledger".to_owned());
        let thread = named
            .spawn({
                let stop = Arc::clone(&stop);
                move || writer.run(&mut tail, &stop)
            })
            .context("the system gives no thread")?;
        Ok(Self {
            journal: Arc::new(journal),
            ledger,
            objects: Arc::new(objects),
            responses,
            known,
            ledger_health,
            failed,
            writing: Writing {
                stop,
                thread: Some(thread),
            },
        })
    }

    /// What the road goes by: that configuration with the objects.
    pub(crate) fn rules(&self, config: &Arc<Config>, hasher: KeyHasher) -> Arc<Rules> {
        Arc::new(Rules::new(
            Arc::clone(config),
            Arc::clone(&self.objects),
            Arc::clone(&self.ledger),
            hasher,
        ))
    }

    /// Which answers are kept, as their file knows it.
    pub(crate) fn stored(&mut self) -> Stored {
        Stored::new(&std::mem::take(&mut self.known), self.responses.changes())
    }

    /// Where a core writes.
    pub(crate) fn recorder(&self, core: usize) -> Arc<dyn Recorder> {
        self.journal.writer(core)
    }

    /// Moves what is written into the ledger; to be called when nothing writes any more.
    pub(crate) fn close(mut self) {
        // The ledger is given only what the disk has; what it has not yet comes at the next start.
        let _ = self.journal.is_kept_within(LAST_SYNC);
        self.writing.end();
        self.responses.close();
    }
}

/// What is said of what the last run left; nothing of what concerns nobody.
fn told(recovered: &ledger::Recovered, took: Duration) -> Option<String> {
    let entered = (recovered.records > TOLD_RECORDS).then(|| {
        format!(
            "{} records that the last run left in the journal were entered into the ledger in {} ms",
            recovered.records,
            took.as_millis()
        )
    });
    let presumed = match recovered.presumed {
        0 => None,
        1 => Some(
            "1 request was under way when the last run ended: it is charged with what was held for it"
                .to_owned(),
        ),
        many => Some(format!(
            "{many} requests were under way when the last run ended: they are charged with what was held for them"
        )),
    };
    let both: Vec<String> = entered.into_iter().chain(presumed).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

impl Writing {
    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else {
            return;
        };
        match thread.join() {
            Ok(left) if left.all_written => {}
            Ok(_) => say(
                "the ledger could not be written to its end; the journal keeps the rest for the next start",
            ),
            // It has said why it fell.
            Err(_panicked) => {}
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.end();
    }
}

fn on_failure(failed: &CancellationToken) -> OnFailure {
    let failed = failed.clone();
    Arc::new(move |error| {
        tracing::error!(%error, "the journal failed");
        failed.cancel();
    })
}

/// Tells the accounts what the ledger knows to be spent of these limits.
pub(crate) fn restore(
    accounts: &Accounts,
    limits: &LimitSet,
    (ledger, now_ms): (&Ledger, i64),
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    for balance in balances(ledger, limits, now_ms)? {
        if wanted(&balance.limit.name) {
            accounts.restore(&balance);
        }
    }
    Ok(())
}

/// What the ledger knows to be spent of these limits, in the windows of that time.
pub(crate) fn balances(ledger: &Ledger, limits: &LimitSet, now_ms: i64) -> Result<Vec<Balance>> {
    let viewer = Viewer::operator("accounts");
    let mut known = Vec::new();
    for limit in limits.iter() {
        let rows = ledger.balances(&viewer, limit, now_ms)?.into_iter();
        known.extend(rows.map(|row| Balance {
            limit: Arc::clone(limit),
            bucket: row.bucket.into(),
            window: limit.window(now_ms),
            amount: limit.amount,
            settled: row.settled,
            held: 0,
        }));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_run_left_is_said_in_plain_words_and_nothing_where_it_left_nothing() {
        let told = |records, presumed| {
            let recovered = ledger::Recovered { records, presumed };
            told(&recovered, Duration::from_millis(7))
        };
        assert_eq!(told(0, 0), None);
        assert_eq!(told(20, 0), None, "an orderly end leaves a few");
        let one = told(0, 1).unwrap();
        assert!(one.starts_with("1 request was under way"), "{one}");
        assert!(!one.contains("0 records"), "{one}");
        let many = told(20_000, 3).unwrap();
        assert!(
            many.starts_with("20000 records") && many.contains("; 3 requests were under way"),
            "{many}"
        );
    }
}

//! Answers that providers keep, each bound to the tenant and the target that made it.
//!
//! A file of its own, `responses.db`: it is written by a thread of its own, off the road, and losing
//! it loses no money. What was bound less than a moment before a kill may be missing afterwards; the
//! answer is then unknown, which is the safe side.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::sqlite::{OpenError, open_responses};

/// Name of the file within the data directory.
pub const FILE: &str = "responses.db";

/// How long an answer stays bound, in milliseconds: 30 days, as long as OpenAI keeps one.
pub const LASTS_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// The most answers that are bound at a time; beyond it the oldest are forgotten.
pub const MOST: usize = 500_000;

/// Changes that may wait for the disk; beyond it the file lacks some.
const WAITING: usize = 65_536;

/// How often what is over is deleted.
const SWEEP: Duration = Duration::from_secs(600);

/// The most changes of one transaction.
const BATCH: usize = 1024;

/// Where an answer is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The provider's name.
    pub provider: String,
    /// The model, in the provider's words.
    pub model: String,
    /// Name of the provider key; empty where the provider asks for none.
    pub credential: String,
}

/// An answer that is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Keyed hash of tenant and id.
    pub name: u128,
    /// Where it is.
    pub place: Arc<Place>,
    /// When it was bound, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is bound.
    Bind(Bound),
    /// It was deleted.
    Forget(u128),
}

/// Where changes go on their way to the file. Never waits.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Changes; none means that the thread is to end.
    way: SyncSender<Option<Change>>,
    unwritten: Arc<AtomicU64>,
}

impl Changes {
    /// Hands a change on; where too many wait it is left to the memory alone.
    pub fn tell(&self, change: Change) {
        if self.way.try_send(Some(change)).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The file, and the thread that writes it.
pub struct Responses {
    changes: Changes,
    thread: JoinHandle<()>,
}

impl Responses {
    /// Opens the file of a data directory and starts its thread; gives what is bound, the oldest
    /// first.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged file is not touched.
    pub fn open(dir: &Path, now_ms: i64) -> Result<(Self, Vec<Bound>), OpenError> {
        let connection = open_responses(dir)?;
        let refused = |why| crate::sqlite::refused(&dir.join(FILE), why);
        sweep(&connection, now_ms).map_err(refused)?;
        let known = load(&connection).map_err(refused)?;
        let (way, waiting) = sync_channel(WAITING);
        let unwritten = Arc::new(AtomicU64::new(0));
        let failed = Arc::clone(&unwritten);
        let changes = Changes { way, unwritten };
        let named = thread::Builder::new().name("responses".to_owned());
        let thread = named
            .spawn(move || run(connection, &waiting, &failed))
            .map_err(|why| OpenError::Io {
                path: dir.join(FILE),
                why,
            })?;
        Ok((Self { changes, thread }, known))
    }

    /// Where changes go.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// How many changes are not in the file, since it could not be written or fell too far behind.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.changes.unwritten.load(Ordering::Relaxed)
    }

    /// Writes what waits; what is told later is not written any more.
    pub fn close(self) {
        // A thread that panicked has said so.
        let _ = self.changes.way.send(None);
        let _ = self.thread.join();
    }
}

fn load(connection: &Connection) -> rusqlite::Result<Vec<Bound>> {
    let mut places: BTreeSet<Arc<Place>> = BTreeSet::new();
    let mut rows = connection.prepare(
        "SELECT name, provider, model, credential, at_ms FROM responses ORDER BY at_ms DESC LIMIT ?1",
    )?;
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let rows = rows.query_map([most], |row| {
        let place = Arc::new(Place {
            provider: row.get(1)?,
            model: row.get(2)?,
            credential: row.get(3)?,
        });
        let place = match places.get(&place) {
            Some(known) => Arc::clone(known),
            None => {
                places.insert(Arc::clone(&place));
                place
            }
        };
        Ok(Bound {
            name: u128::from_be_bytes(row.get(0)?),
            place,
            at_ms: row.get(4)?,
        })
    })?;
    let mut known = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    known.reverse();
    Ok(known)
}

/// Deletes what is over, and what is beyond the bound.
fn sweep(connection: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    let over = now_ms.saturating_sub(LASTS_MS);
    connection.execute("DELETE FROM responses WHERE at_ms <= ?1", [over])?;
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let beyond = "DELETE FROM responses WHERE at_ms < \
                  (SELECT at_ms FROM responses ORDER BY at_ms DESC LIMIT 1 OFFSET ?1)";
    connection.execute(beyond, [most])?;
    Ok(())
}

/// Writes what comes, in batches, until it is told to end.
fn run(mut connection: Connection, waiting: &Receiver<Option<Change>>, failed: &AtomicU64) {
    let mut newest_ms = i64::MIN;
    let mut swept = Instant::now();
    let mut ending = false;
    while !ending && let Ok(first) = waiting.recv() {
        let come = std::iter::once(first).chain(waiting.try_iter().take(BATCH));
        let come: Vec<Option<Change>> = come.collect();
        ending = come.iter().any(Option::is_none);
        let batch: Vec<Change> = come.into_iter().flatten().collect();
        for change in &batch {
            if let Change::Bind(bound) = change {
                newest_ms = newest_ms.max(bound.at_ms);
            }
        }
        if write(&mut connection, &batch).is_err() {
            failed.fetch_add(batch.len() as u64, Ordering::Relaxed);
        } else if swept.elapsed() > SWEEP {
            swept = Instant::now();
            // What could not be deleted is over all the same, and is deleted at the next turn.
            let _ = sweep(&connection, newest_ms);
        }
    }
}

fn write(connection: &mut Connection, batch: &[Change]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for change in batch {
        match change {
            Change::Bind(Bound { name, place, at_ms }) => transaction
                .prepare_cached("INSERT OR REPLACE INTO responses VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    name.to_be_bytes(),
                    place.provider,
                    place.model,
                    place.credential,
                    at_ms
                ])?,
            Change::Forget(name) => transaction
                .prepare_cached("DELETE FROM responses WHERE name = ?1")?
                .execute([name.to_be_bytes()])?,
        };
    }
    transaction.commit()
}

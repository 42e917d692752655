//! What a limit on money begins with: what the book has in its window already.
//!
//! A budget may be made, or change whose requests count, in the middle of a window. Its balance
//! is then set to the spend of that window, and goes on from there. Nothing here touches an
//! entry, nor the balance of a limit that goes on as it was.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use policy::accounts::{Ask, LimitSet};
use policy::caller::Attribution;
use policy::limit::{Each, Limit, Resource};
use policy::viewer::Viewer;
use policy::window::Window;
use rusqlite::{Connection, TransactionBehavior, params};

use super::LedgerError;
use super::read::Ledger;
use super::spend::{Lines, SpendQuery};
use super::text;
use crate::sqlite::{OpenMode, open_main};

/// What was spent in a window by those who have all names in common.
struct Spent {
    who: Attribution,
    model: String,
    provider: String,
    nanos: i64,
}

impl Ledger {
    /// Sets the balances of limits on money that are new, or were not counted in this shape
    /// before, to what the book has in the window that is now; those of all others stay.
    ///
    /// It is what `spend` says of that window, corrections and spend from outside included. An
    /// exchange belongs to the provider that answered it, or was tried last. A limit of each run
    /// begins with nothing, and so does what is under way or not in the book yet.
    ///
    /// # Errors
    /// Where the file cannot be read or written; then no balance was changed.
    pub fn open_limits(&self, limits: &LimitSet, now_ms: i64) -> Result<(), LedgerError> {
        let of_money = limits
            .iter()
            .filter(|limit| limit.resource == Resource::Money);
        let wanted: BTreeMap<Arc<str>, Arc<str>> = of_money
            .map(|limit| (Arc::clone(&limit.name), limit.shape()))
            .collect();
        if self.main(counted)? == wanted {
            return Ok(());
        }
        let mut main = open_main(self.dir(), OpenMode::Existing)?;
        // The book and what follows from it at one moment: the writer waits.
        let main = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = counted(&main)?;
        let is_new = |limit: &Limit| {
            wanted.contains_key(&limit.name) && known.get(&limit.name) != wanted.get(&limit.name)
        };
        let mut windows: HashMap<Window, Vec<Spent>> = HashMap::new();
        for limit in limits.iter().filter(|limit| is_new(limit)) {
            let window = limit.window(now_ms);
            let spent = match windows.entry(window) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(spent(&main, window)?),
            };
            open(&main, limit, window, &buckets(limits, limit, spent))?;
        }
        main.execute("DELETE FROM counted", [])?;
        let mut insert = main.prepare_cached("INSERT INTO counted VALUES (?1, ?2)")?;
        for (name, shape) in &wanted {
            insert.execute(params![name, shape])?;
        }
        drop(insert);
        Ok(main.commit()?)
    }
}

/// The limits on money that go on, with their shapes.
fn counted(main: &Connection) -> rusqlite::Result<BTreeMap<Arc<str>, Arc<str>>> {
    let mut statement = main.prepare_cached("SELECT \"limit\", shape FROM counted")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn spent(main: &Connection, window: Window) -> rusqlite::Result<Vec<Spent>> {
    let query = SpendQuery {
        by: Vec::new(),
        since_ms: window.end_ms.map(|_| window.start_ms),
        until_ms: window.end_ms,
    };
    let lines = Lines::of(&Viewer::operator("opening"), &query);
    let sql = format!(
        "SELECT d.key, d.team, d.organisation, d.user, d.model, d.provider, t.tags,
             sum(l.cost_nanos)
         FROM {} GROUP BY l.dimension",
        lines.sql
    );
    let mut statement = main.prepare(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(&lines.values), |row| {
        let named = |at| {
            let name: String = row.get(at)?;
            Ok::<_, rusqlite::Error>((!name.is_empty()).then(|| Arc::from(name)))
        };
        Ok(Spent {
            who: Attribution {
                key: row.get(0)?,
                team: named(1)?,
                organisation: named(2)?,
                user: named(3)?,
                run: None,
                tags: text::tags_of(&row.get::<_, String>(6)?),
            },
            model: row.get(4)?,
            provider: row.get(5)?,
            nanos: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// What was spent in each bucket of a limit.
fn buckets(limits: &LimitSet, limit: &Limit, spent: &[Spent]) -> HashMap<String, i64> {
    let mut buckets: HashMap<String, i64> = HashMap::new();
    if limit.each == Some(Each::Run) {
        return buckets;
    }
    for one in spent {
        let ask = Ask {
            who: &one.who,
            model: &one.model,
            providers: &[&one.provider],
            at_ms: 0,
            amounts: &[],
        };
        let mut counting = limits.counting(&ask, Resource::Money);
        if let Some((_, bucket)) = counting.find(|(counting, _)| counting.name == limit.name) {
            let sum = buckets.entry(bucket.to_owned()).or_default();
            *sum = sum.saturating_add(one.nanos);
        }
    }
    buckets
}

/// Sets the balances of a limit in a window.
fn open(
    main: &Connection,
    limit: &Limit,
    window: Window,
    buckets: &HashMap<String, i64>,
) -> rusqlite::Result<()> {
    let resource = Resource::Money.name();
    main.prepare_cached(
        "DELETE FROM balances WHERE \"limit\" = ?1 AND resource = ?2 AND window_ms = ?3",
    )?
    .execute(params![limit.name, resource, window.start_ms])?;
    let mut insert = main.prepare_cached("INSERT INTO balances VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (bucket, nanos) in buckets.iter().filter(|(_, nanos)| **nanos != 0) {
        insert.execute(params![
            limit.name,
            bucket,
            resource,
            window.start_ms,
            nanos
        ])?;
    }
    Ok(())
}

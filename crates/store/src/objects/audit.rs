//! Who changed what and when, and which configurations were given.
//!
//! Entries are numbered without gaps, written in the transaction of the change, and only added
//! to: the tables refuse anything else. None holds a secret, since no object does.

use policy::viewer::Viewer;
use rusqlite::{Connection, Row, params};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::check;
use super::error::{Error, Invalid};
use super::object::{Object, Spec};
use super::open::{Objects, may};
use super::read::{Page, page_size};
use super::values::Moment;

/// A change.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number: the first is 1, each next is one more.
    pub number: i64,
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// `create`, `change`, `delete`, `rotate` or `revoke`; `rerate` or `prune` of the records.
    pub action: String,
    /// The object's kind; `ledger` or `exchanges` where records were meant.
    pub kind: String,
    /// The object's id; empty for records.
    pub id: String,
    /// The object's name; of records, the time that was meant.
    pub name: String,
    /// The object before; absent where it was made.
    pub before: Option<Value>,
    /// The object after, or what was done to records; absent where it was deleted.
    pub after: Option<Value>,
}

/// Something done to records, which are no objects.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// What, such as `rerate`.
    pub action: &'static str,
    /// To which records, such as `ledger`.
    pub kind: &'static str,
    /// Those of which time.
    pub name: &'a str,
    /// What it came to.
    pub facts: Value,
}

/// A configuration that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Revision {
    /// Its number: the first is 1, each next is one more.
    pub number: i64,
    /// When it was given.
    pub at: Moment,
    /// Hash of the configuration.
    pub revision: String,
    /// Who gave it.
    pub who: String,
    /// Where it was read, such as the file's name.
    pub source: String,
    /// Whether it came into force.
    pub accepted: bool,
    /// Why it did not.
    pub message: Option<String>,
}

/// A configuration that is given now.
#[derive(Clone, Copy, Debug)]
pub struct NewRevision<'a> {
    /// Hash of the configuration.
    pub revision: &'a str,
    /// Who gave it.
    pub who: &'a str,
    /// Where it was read.
    pub source: &'a str,
    /// Whether it comes into force.
    pub accepted: bool,
    /// Why it does not.
    pub message: Option<&'a str>,
}

/// Bytes of a revision's texts that are kept.
const KEPT: usize = 4096;

impl Objects {
    /// Changes, the newest first; `cursor` is the number of the last one seen.
    ///
    /// # Errors
    /// [`Error`]: a wrong cursor or limit, a viewer of one team.
    pub fn audit_list(
        &self,
        viewer: &Viewer,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<AuditEntry>, Error> {
        may(viewer, "read the audit trail")?;
        let sql = "SELECT number, at_ms, who, action, kind, object_id, name, before, after \
                   FROM audit WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
        let numbers = |entry: &AuditEntry| entry.number;
        newest_first(&self.db.lock(), sql, (cursor, limit), entry, numbers)
    }

    /// Notes something done to records.
    ///
    /// # Errors
    /// [`Error`]: a viewer of one team, a store that cannot be written.
    pub fn record_deed(&self, viewer: &Viewer, deed: Deed<'_>, now_ms: i64) -> Result<(), Error> {
        may(viewer, "change records")?;
        let entry = Entry {
            action: deed.action,
            kind: deed.kind,
            id: "",
            name: deed.name,
            before: None,
            after: Some(deed.facts),
        };
        self.change_with(|db| write(db, viewer, &entry, now_ms))
    }

    /// Notes a configuration that was given.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn record_revision(&self, new: NewRevision<'_>, now_ms: i64) -> Result<(), Error> {
        self.change_with(|db| {
            let next = "INSERT INTO config_revisions \
                 (number, at_ms, revision, who, source, accepted, message) VALUES \
                 ((SELECT coalesce(max(number), 0) + 1 FROM config_revisions), \
                  ?1, ?2, ?3, ?4, ?5, ?6)";
            db.prepare_cached(next)?.execute(params![
                now_ms,
                kept(new.revision),
                kept(new.who),
                kept(new.source),
                new.accepted,
                new.message.map(kept),
            ])?;
            Ok(())
        })
    }

    /// Configurations that were given, the newest first; `cursor` is the number of the last one
    /// seen.
    ///
    /// # Errors
    /// [`Error`]: a wrong cursor or limit, a viewer of one team.
    pub fn list_revisions(
        &self,
        viewer: &Viewer,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Revision>, Error> {
        may(viewer, "read the configuration's revisions")?;
        let sql = "SELECT number, at_ms, revision, who, source, accepted, message \
                   FROM config_revisions WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
        let numbers = |revision: &Revision| revision.number;
        newest_first(&self.db.lock(), sql, (cursor, limit), revision, numbers)
    }
}

/// An entry to be written.
pub(super) struct Entry<'a> {
    action: &'static str,
    kind: &'static str,
    id: &'a str,
    name: &'a str,
    before: Option<Value>,
    after: Option<Value>,
}

impl<'a> Entry<'a> {
    /// An entry of something done to an object.
    pub(super) fn new<S: Spec>(action: &'static str, object: &'a Object<S>) -> Self {
        Self {
            action,
            kind: S::KIND.name(),
            id: &object.id,
            name: &object.name,
            before: None,
            after: None,
        }
    }

    /// The same with the object as it is now.
    pub(super) fn after<S: Spec>(mut self, after: &Object<S>) -> Self {
        self.after = Some(after.fields());
        self
    }

    /// The same with the object as it was, and is where it still is.
    pub(super) fn between<S: Spec>(
        mut self,
        before: &Object<S>,
        after: Option<&Object<S>>,
    ) -> Self {
        self.before = Some(before.fields());
        self.after = after.map(Object::fields);
        self
    }
}

/// Writes an entry under the next number.
pub(super) fn write(
    db: &Connection,
    viewer: &Viewer,
    entry: &Entry<'_>,
    now_ms: i64,
) -> Result<(), Error> {
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    db.prepare_cached(
        "INSERT INTO audit (number, at_ms, who, action, kind, object_id, name, before, after) \
         VALUES ((SELECT coalesce(max(number), 0) + 1 FROM audit), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        now_ms,
        &*viewer.name,
        entry.action,
        entry.kind,
        entry.id,
        entry.name,
        json(&entry.before),
        json(&entry.after),
    ])?;
    Ok(())
}

fn newest_first<T>(
    db: &Connection,
    sql: &str,
    (cursor, limit): (Option<&str>, Option<usize>),
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
    number: fn(&T) -> i64,
) -> Result<Page<T>, Error> {
    let size = page_size(limit)?;
    let before = match cursor {
        None => i64::MAX,
        Some(text) => text.parse::<i64>().map_err(|_| {
            Invalid::new("cursor", "is none that a list gave; begin again without it")
        })?,
    };
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(
        params![before, i64::try_from(size).unwrap_or(i64::MAX - 1) + 1],
        read,
    )?;
    let mut items = rows.collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > size;
    items.truncate(size);
    let next_cursor = items
        .last()
        .filter(|_| more)
        .map(|last| number(last).to_string());
    Ok(Page { items, next_cursor })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let json = |text: Option<String>| {
        text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
    };
    Ok(AuditEntry {
        number: row.get(0)?,
        at: Moment(row.get(1)?),
        who: row.get(2)?,
        action: row.get(3)?,
        kind: row.get(4)?,
        id: row.get(5)?,
        name: row.get(6)?,
        before: json(row.get(7)?),
        after: json(row.get(8)?),
    })
}

fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    Ok(Revision {
        number: row.get(0)?,
        at: Moment(row.get(1)?),
        revision: row.get(2)?,
        who: row.get(3)?,
        source: row.get(4)?,
        accepted: row.get(5)?,
        message: row.get(6)?,
    })
}

/// The beginning of a text, its line ends kept.
fn kept(text: &str) -> String {
    let seen = |c: char| {
        if c != '\n' && check::is_hidden(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    let end = text.floor_char_boundary(KEPT.min(text.len()));
    text.get(..end)
        .unwrap_or_default()
        .chars()
        .map(seen)
        .collect()
}

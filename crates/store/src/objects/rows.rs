//! The statements on the tables of objects. Nothing here decides; every value is bound.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::error::Error;
use super::object::{Kind, Object, Source, Spec};
use super::values::Moment;

/// What the tables hold of one object.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) spec: String,
    pub(super) created_at_ms: i64,
    pub(super) created_by: String,
    pub(super) changed_at_ms: i64,
    pub(super) changed_by: String,
    pub(super) revoked_at_ms: Option<i64>,
    pub(super) hint: Option<String>,
    pub(super) previous_until_ms: Option<i64>,
    pub(super) sealed_keys: u32,
}

/// The columns of [`Facts`], in its order.
const SELECT: &str = "SELECT o.id, o.name, o.spec, o.created_at_ms, o.created_by, \
     o.changed_at_ms, o.changed_by, o.revoked_at_ms, \
     (SELECT s.hint FROM key_secrets s WHERE s.key_id = o.id AND s.valid_until_ms IS NULL), \
     (SELECT max(s.valid_until_ms) FROM key_secrets s WHERE s.key_id = o.id), \
     (SELECT count(*) FROM provider_keys p WHERE p.provider_id = o.id) \
     FROM objects o WHERE o.kind = ?1";

impl Facts {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            spec: row.get(2)?,
            created_at_ms: row.get(3)?,
            created_by: row.get(4)?,
            changed_at_ms: row.get(5)?,
            changed_by: row.get(6)?,
            revoked_at_ms: row.get(7)?,
            hint: row.get(8)?,
            previous_until_ms: row.get(9)?,
            sealed_keys: row.get(10)?,
        })
    }

    /// The object that they tell of.
    pub(super) fn object<S: Spec>(&self) -> Result<Object<S>, Error> {
        let spec = serde_json::from_str(&self.spec).map_err(|error| {
            let called = Object::<S>::called(S::KIND, &self.name);
            Error::Storage(format!("{called} cannot be read from its row: {error}"))
        })?;
        Ok(Object {
            id: self.id.clone(),
            name: self.name.clone(),
            source: Source::Store,
            created_at: Some(Moment(self.created_at_ms)),
            created_by: Some(self.created_by.clone()),
            changed_at: Some(Moment(self.changed_at_ms)),
            changed_by: Some(self.changed_by.clone()),
            spec,
            state: S::state(self),
        })
    }
}

/// The object of that id, else of that name.
pub(super) fn find<S: Spec>(db: &Connection, key: &str) -> Result<Option<Object<S>>, Error> {
    let sql = format!("{SELECT} AND (o.id = ?2 OR o.name = ?2) ORDER BY o.id = ?2 DESC LIMIT 1");
    let mut statement = db.prepare_cached(&sql)?;
    let facts = statement
        .query_row(params![S::KIND.name(), key], Facts::read)
        .optional()?;
    facts.map(|facts| facts.object()).transpose()
}

/// Whether there is one of that name.
pub(super) fn exists(db: &Connection, kind: Kind, name: &str) -> Result<bool, Error> {
    let mut statement = db.prepare_cached("SELECT 1 FROM objects WHERE kind = ?1 AND name = ?2")?;
    Ok(statement.exists(params![kind.name(), name])?)
}

/// How many there are.
pub(super) fn count(db: &Connection, kind: Kind) -> Result<u32, Error> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM objects WHERE kind = ?1")?;
    Ok(statement.query_row([kind.name()], |row| row.get(0))?)
}

/// Which objects of a kind are wanted.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// Names after this one only.
    pub after: &'a str,
    /// Fields that must be equal; a field is one of the kind's own list, never a request's text.
    pub fields: Vec<(&'static str, String)>,
    /// That name only.
    pub named: Option<&'a str>,
    /// At most so many; all when absent.
    pub most: Option<usize>,
}

/// Objects in the order of their names.
pub(super) fn list<S: Spec>(db: &Connection, wanted: &Wanted<'_>) -> Result<Vec<Object<S>>, Error> {
    let most = wanted
        .most
        .map_or(-1, |most| i64::try_from(most).unwrap_or(-1));
    let kind = S::KIND.name();
    let mut values: Vec<&dyn ToSql> = vec![&kind, &wanted.after];
    let mut sql = format!("{SELECT} AND o.name > ?2");
    for (field, value) in &wanted.fields {
        values.push(value);
        sql.push_str(&format!(
            " AND json_extract(o.spec, '$.{field}') = ?{}",
            values.len()
        ));
    }
    if let Some(name) = &wanted.named {
        values.push(name);
        sql.push_str(&format!(" AND o.name = ?{}", values.len()));
    }
    values.push(&most);
    sql.push_str(&format!(" ORDER BY o.name LIMIT ?{}", values.len()));
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(values.as_slice(), Facts::read)?;
    rows.map(|facts| facts?.object()).collect()
}

/// Writes a new object.
pub(super) fn insert<S: Spec>(db: &Connection, object: &Object<S>) -> Result<(), Error> {
    let mut statement = db.prepare_cached(
        "INSERT INTO objects (id, kind, name, spec, created_at_ms, created_by, changed_at_ms, \
         changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5, ?6)",
    )?;
    let at_ms = object.created_at.unwrap_or_default().0;
    statement.execute(params![
        object.id,
        S::KIND.name(),
        object.name,
        text(&object.spec)?,
        at_ms,
        object.created_by,
    ])?;
    refer(db, object)
}

/// Writes what is said of an object now, and who said so.
pub(super) fn update<S: Spec>(
    db: &Connection,
    object: &Object<S>,
    who: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let mut statement = db.prepare_cached(
        "UPDATE objects SET spec = ?2, changed_at_ms = ?3, changed_by = ?4 WHERE id = ?1",
    )?;
    statement.execute(params![object.id, text(&object.spec)?, now_ms, who])?;
    refer(db, object)
}

/// Revokes a key.
pub(super) fn revoke(db: &Connection, id: &str, now_ms: i64) -> Result<(), Error> {
    let mut statement = db.prepare_cached("UPDATE objects SET revoked_at_ms = ?2 WHERE id = ?1")?;
    statement.execute(params![id, now_ms])?;
    Ok(())
}

/// Deletes an object and all that hangs on it.
pub(super) fn delete(db: &Connection, id: &str) -> Result<(), Error> {
    db.execute("DELETE FROM objects WHERE id = ?1", [id])?;
    Ok(())
}

/// Some of those that refer to an object, as messages call them.
pub(super) fn referring(db: &Connection, kind: Kind, name: &str) -> Result<Vec<String>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT o.kind, o.name FROM object_references r JOIN objects o ON o.id = r.from_id \
         WHERE r.to_kind = ?1 AND r.to_name = ?2 ORDER BY o.kind, o.name LIMIT 5",
    )?;
    let rows = statement.query_map(params![kind.name(), name], |row| {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(format!("{kind} `{name}`"))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn refer<S: Spec>(db: &Connection, object: &Object<S>) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM object_references WHERE from_id = ?1")?
        .execute([&object.id])?;
    let mut statement = db.prepare_cached(
        "INSERT OR IGNORE INTO object_references (from_id, to_kind, to_name) VALUES (?1, ?2, ?3)",
    )?;
    for (_, kind, name) in object.spec.references() {
        statement.execute(params![object.id, kind.name(), name])?;
    }
    Ok(())
}

fn text<S: Spec>(spec: &S) -> Result<String, Error> {
    serde_json::to_string(spec).map_err(|error| Error::Storage(error.to_string()))
}

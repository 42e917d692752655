//! Making, changing and deleting objects: each with its audit entry in one transaction.

use policy::viewer::Viewer;
use rusqlite::Connection;

use super::audit::{self, Entry};
use super::check;
use super::error::{Error, Invalid};
use super::file::FileObjects;
use super::input::{Change, New};
use super::object::{Kind, Object, Plain, Source, Spec};
use super::open::{MOST_OBJECTS, Objects, may_change};
use super::rows;
use super::values::Moment;
use crate::keys::random_256;

impl Objects {
    /// Makes an object; a key is made by [`Objects::create_key`].
    ///
    /// # Errors
    /// [`Error`]: a wrong field, a name that is taken, a viewer who may not.
    pub fn create<S: Plain>(
        &self,
        viewer: &Viewer,
        new: New<S>,
        now_ms: i64,
    ) -> Result<Object<S>, Error> {
        let New {
            name,
            spec,
            secrets,
        } = new;
        may_change(viewer)?;
        self.change_with(|db| {
            let object = make(db, &self.file(), viewer, (name, spec), now_ms)?;
            self.seal(db, &object, &secrets)?;
            made(db, viewer, &object.id, now_ms)
        })
    }

    /// Makes many objects, or none of them.
    ///
    /// # Errors
    /// As [`Objects::create`], with the place in the list of the one at fault.
    pub fn create_all<S: Plain>(
        &self,
        viewer: &Viewer,
        list: Vec<New<S>>,
        now_ms: i64,
    ) -> Result<Vec<Object<S>>, (usize, Error)> {
        let mut at = 0;
        let all = may_change(viewer).and_then(|()| {
            self.change_with(|db| {
                let file = self.file();
                let mut all = Vec::with_capacity(list.len());
                for (n, new) in list.into_iter().enumerate() {
                    at = n;
                    let object = make(db, &file, viewer, (new.name, new.spec), now_ms)?;
                    self.seal(db, &object, &new.secrets)?;
                    all.push(made(db, viewer, &object.id, now_ms)?);
                }
                Ok(all)
            })
        });
        all.map_err(|error| (at, error))
    }

    /// Changes what is said of an object. Without a difference nothing is written.
    ///
    /// # Errors
    /// [`Error`]: a wrong field, an object of the file, a viewer who may not.
    pub fn change<S: Spec>(
        &self,
        viewer: &Viewer,
        key: &str,
        change: &Change<S>,
        now_ms: i64,
    ) -> Result<Object<S>, Error> {
        may_change(viewer)?;
        self.change_with(|db| {
            let before = self.own::<S>(db, key)?;
            let mut after = before.clone();
            after.spec = change.applied_to(&before.spec)?;
            if after.spec == before.spec && change.secrets.is_none() {
                return Ok(before);
            }
            after.spec.validate()?;
            referred(db, &self.file(), &after)?;
            self.reseal(db, &before, &after, change.secrets.as_deref())?;
            rows::update(db, &after, &viewer.name, now_ms)?;
            let after = again(db, &after.id)?;
            let entry = Entry::new("change", &after).between(&before, Some(&after));
            audit::write(db, viewer, &entry, now_ms)?;
            Ok(after)
        })
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// [`Error::InUse`] while others refer to it; an object of the file, a viewer who may not.
    pub fn delete<S: Spec>(&self, viewer: &Viewer, key: &str, now_ms: i64) -> Result<(), Error> {
        may_change(viewer)?;
        self.change_with(|db| {
            let object = self.own::<S>(db, key)?;
            let file = self.file();
            // Where the file has one of the name, those that refer to it mean the file's.
            if !file.has(S::KIND, &object.name) {
                unused(db, &file, &object)?;
            }
            rows::delete(db, &object.id)?;
            let entry = Entry::new("delete", &object).between(&object, None);
            audit::write(db, viewer, &entry, now_ms)
        })
    }

    /// The object of the store that a name or id means.
    pub(super) fn own<S: Spec>(&self, db: &Connection, key: &str) -> Result<Object<S>, Error> {
        let file = self.file();
        let found = rows::find::<S>(db, key)?;
        let by_id = found.as_ref().is_some_and(|object| object.id == key);
        let name = key.strip_prefix("file:").unwrap_or(key);
        if !by_id && file.has(S::KIND, name) {
            return Err(Error::ReadOnly {
                kind: S::KIND,
                name: name.to_owned(),
            });
        }
        found.ok_or_else(|| not_found(S::KIND, key))
    }
}

/// Refuses while others refer to an object.
fn unused<S: Spec>(db: &Connection, file: &FileObjects, object: &Object<S>) -> Result<(), Error> {
    let mut by = rows::referring(db, S::KIND, &object.name)?;
    by.extend(file.referring(S::KIND, &object.name));
    if by.is_empty() {
        return Ok(());
    }
    Err(Error::InUse {
        kind: S::KIND,
        name: object.name.clone(),
        by,
    })
}

/// Writes a new object, without a record of it.
pub(super) fn make<S: Spec>(
    db: &Connection,
    file: &FileObjects,
    viewer: &Viewer,
    (name, spec): (String, S),
    now_ms: i64,
) -> Result<Object<S>, Error> {
    let id = new_id(now_ms)?;
    let name = if name.is_empty() && S::KIND == Kind::Price {
        id.to_ascii_lowercase()
    } else {
        name
    };
    check::name("name", &name)?;
    spec.validate()?;
    let taken = |by| Error::Taken {
        kind: S::KIND,
        name: name.clone(),
        by,
    };
    if file.has(S::KIND, &name) {
        return Err(taken(Source::File));
    }
    if rows::exists(db, S::KIND, &name)? {
        return Err(taken(Source::Store));
    }
    if rows::count(db, S::KIND)? >= MOST_OBJECTS {
        return Err(Error::Full {
            kind: S::KIND,
            most: MOST_OBJECTS,
        });
    }
    let object = Object {
        id,
        name,
        source: Source::Store,
        created_at: Some(Moment(now_ms)),
        created_by: Some(viewer.name.to_string()),
        changed_at: Some(Moment(now_ms)),
        changed_by: Some(viewer.name.to_string()),
        spec,
        state: S::State::default(),
    };
    referred(db, file, &object)?;
    rows::insert(db, &object)?;
    Ok(object)
}

/// Records that an object was made, and gives it as it stands.
pub(super) fn made<S: Spec>(
    db: &Connection,
    viewer: &Viewer,
    id: &str,
    now_ms: i64,
) -> Result<Object<S>, Error> {
    let object = again::<S>(db, id)?;
    let entry = Entry::new("create", &object).after(&object);
    audit::write(db, viewer, &entry, now_ms)?;
    Ok(object)
}

/// An object as it stands now.
pub(super) fn again<S: Spec>(db: &Connection, id: &str) -> Result<Object<S>, Error> {
    rows::find(db, id)?.ok_or_else(|| not_found(S::KIND, id))
}

/// There is none of that name or id.
pub(super) fn not_found(kind: Kind, key: &str) -> Error {
    let shown = Invalid::new(key, "");
    Error::NotFound {
        kind,
        name: shown.field,
    }
}

/// Whether the teams, organisations and keys that it names are there. Users need not be: they
/// may be known to a sign-on only.
fn referred<S: Spec>(db: &Connection, file: &FileObjects, object: &Object<S>) -> Result<(), Error> {
    for (field, kind, name) in object.spec.references() {
        if kind != Kind::User && !file.has(kind, &name) && !rows::exists(db, kind, &name)? {
            let message = format!("there is no {kind} `{name}`; make it first or name another");
            return Err(Invalid::new(field, message).into());
        }
    }
    Ok(())
}

fn new_id(now_ms: i64) -> Result<String, Error> {
    let random = random_256()?;
    let random = random.first_chunk::<16>().copied().unwrap_or_default();
    let at_ms = u64::try_from(now_ms).unwrap_or_default();
    Ok(ulid::Ulid::from_parts(at_ms, u128::from_be_bytes(random)).to_string())
}

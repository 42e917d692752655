//! Lists and single objects, those of the file among those of the store, as a viewer sees them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::check;
use super::error::{Error, Invalid};
use super::object::{Object, Source, Spec, TeamSees};
use super::open::Objects;
use super::rows::{self, Wanted};
use super::write::not_found;

/// Items of a page where nothing is said.
const PAGE: usize = 100;
/// Items of a page at most.
const MOST: usize = 1000;

/// What a list is asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Fields and what they must be.
    pub filters: Vec<(String, String)>,
    /// What the page before gave as `next_cursor`.
    pub cursor: Option<String>,
    /// Items of the page, 1 to 1000; 100 when absent.
    pub limit: Option<usize>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What asks for the next part; absent at the end.
    pub next_cursor: Option<String>,
}

impl Objects {
    /// Objects in the order of their names.
    ///
    /// # Errors
    /// [`Error`]: a filter, cursor or limit that cannot be.
    pub fn list<S: Spec>(&self, viewer: &Viewer, query: &Query) -> Result<Page<Object<S>>, Error> {
        let size = page_size(query.limit)?;
        let after = query.cursor.as_deref().unwrap_or_default();
        if !after.is_empty() {
            check::text("cursor", after)?;
        }
        let mut wanted = Wanted {
            after,
            fields: filters::<S>(query)?,
            named: None,
            most: Some(size + 1),
        };
        match (viewer.team(), S::TEAM_SEES) {
            (None, _) => {}
            (Some(_), TeamSees::Nothing) => return Ok(Page::empty()),
            (Some(team), TeamSees::Named) => wanted.named = Some(team),
            (Some(team), TeamSees::Field(field, prefix)) => {
                wanted.fields.push((field, format!("{prefix}{team}")));
            }
        }
        let file = self.file();
        let stored = rows::list::<S>(&self.db.lock(), &wanted)?;
        let mut items: BTreeMap<String, Object<S>> = BTreeMap::new();
        let of_file = S::of_file(&file)
            .iter()
            .filter(|object| wanted.takes(object));
        for object in stored.into_iter().chain(of_file.cloned()) {
            match items.entry(object.name.clone()) {
                Entry::Vacant(place) => drop(place.insert(object)),
                Entry::Occupied(mut place) if object.source == Source::File => {
                    place.insert(object);
                }
                Entry::Occupied(_) => {}
            }
        }
        let more = items.len() > size;
        let mut items: Vec<_> = items.into_values().take(size).collect();
        let next_cursor = items.last().filter(|_| more).map(|last| last.name.clone());
        // What the file hides is not in force.
        items.retain(|object| object.source == Source::File || !file.has(S::KIND, &object.name));
        Ok(Page { items, next_cursor })
    }

    /// The object of that name or id.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for what the viewer may not see.
    pub fn get<S: Spec>(&self, viewer: &Viewer, key: &str) -> Result<Object<S>, Error> {
        let file = self.file();
        let name = key.strip_prefix("file:").unwrap_or(key);
        let stored = rows::find::<S>(&self.db.lock(), key)?;
        let by_id = stored.as_ref().is_some_and(|object| object.id == key);
        let of_file = S::of_file(&file).iter().find(|object| object.name == name);
        let found = match (of_file, stored) {
            (Some(object), _) if !by_id => Some(object.clone()),
            (_, stored) => stored,
        };
        found
            .filter(|object| match viewer.team() {
                None => true,
                Some(team) => S::TEAM_SEES.shows(team, &object.name, &object.fields()),
            })
            .ok_or_else(|| not_found(S::KIND, key))
    }
}

impl<T> Page<T> {
    fn empty() -> Self {
        Self {
            items: Vec::new(),
            next_cursor: None,
        }
    }
}

impl Wanted<'_> {
    /// Whether an object of the file is among what is wanted.
    fn takes<S: Spec>(&self, object: &Object<S>) -> bool {
        let fields = object.fields();
        let is =
            |field: &str, value: &str| fields.get(field).and_then(Value::as_str) == Some(value);
        object.name.as_str() > self.after
            && self.named.is_none_or(|name| object.name == name)
            && self.fields.iter().all(|(field, value)| is(field, value))
    }
}

/// How many items a page has.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, Invalid> {
    match limit {
        None => Ok(PAGE),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(_) => Err(Invalid::new(
            "limit",
            format!("is a number from 1 to {MOST}"),
        )),
    }
}

fn filters<S: Spec>(query: &Query) -> Result<Vec<(&'static str, String)>, Invalid> {
    let mut fields = Vec::with_capacity(query.filters.len());
    for (field, value) in &query.filters {
        let known = S::FILTERS.iter().find(|known| *known == field);
        let Some(known) = known else {
            let message = format!("is no filter here; there are `{}`", S::FILTERS.join("`, `"));
            return Err(Invalid::new(field, message));
        };
        if fields.iter().any(|(seen, _)| seen == known) {
            return Err(Invalid::new(field, "stands here twice: give it once"));
        }
        check::text(field, value)?;
        fields.push((*known, value.clone()));
    }
    Ok(fields)
}

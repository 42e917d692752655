//! Dimensions: what entries and rollups have in common, by the number under which it is written.

use std::collections::HashMap;

use policy::caller::Attribution;
use rusqlite::{Connection, params};

use super::book::Line;
use super::text;

/// The ids of dimensions, remembered; to be thrown away with a transaction that failed.
#[derive(Debug, Default)]
pub(super) struct Dimensions {
    ids: HashMap<String, i64>,
    name: String,
    last: Option<Last>,
}

/// The dimension of the last entry: the next often has the same.
#[derive(Debug)]
struct Last {
    /// Without its run, which is no dimension.
    who: Attribution,
    model: String,
    target: String,
    id: i64,
}

impl Last {
    fn is_of(&self, line: &Line<'_>) -> bool {
        let Attribution {
            key,
            team,
            organisation,
            user,
            run: _,
            tags,
        } = line.who;
        self.who.key == *key
            && self.who.team == *team
            && self.who.organisation == *organisation
            && self.who.user == *user
            && self.who.tags == *tags
            && self.model == line.model
            && self.target == line.target
    }
}

/// Dimensions that are remembered before all are forgotten.
const REMEMBERED: usize = 65_536;

impl Dimensions {
    /// The dimension of an entry, made where there is none yet.
    pub(super) fn id(&mut self, connection: &Connection, line: &Line<'_>) -> rusqlite::Result<i64> {
        if let Some(last) = self.last.as_ref().filter(|last| last.is_of(line)) {
            return Ok(last.id);
        }
        let id = self.look_up(connection, line)?;
        self.last = Some(Last {
            who: line.who.clone(),
            model: line.model.to_owned(),
            target: line.target.to_owned(),
            id,
        });
        Ok(id)
    }

    fn look_up(&mut self, connection: &Connection, line: &Line<'_>) -> rusqlite::Result<i64> {
        let who = line.who;
        let columns = [
            &*who.key,
            text::or_empty(who.user.as_ref()),
            text::or_empty(who.team.as_ref()),
            text::or_empty(who.organisation.as_ref()),
            line.model,
            text::provider(line.target),
            line.target,
        ];
        self.name.clear();
        let tags = who.tags.iter().flat_map(|(name, value)| [&**name, value]);
        for part in columns.into_iter().chain(tags) {
            // With its length before it, no two lists of texts look alike.
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.name.extend(char::from_u32(length.min(0xd000)));
            self.name.push_str(part);
        }
        if let Some(id) = self.ids.get(&self.name) {
            return Ok(*id);
        }
        let id = find_or_make(connection, columns, &text::tags(&who.tags))?;
        if self.ids.len() >= REMEMBERED {
            self.ids.clear();
        }
        self.ids.insert(self.name.clone(), id);
        Ok(id)
    }
}

fn find_or_make(connection: &Connection, columns: [&str; 7], tags: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO tagsets (tags) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([tags])?;
    let tagset: i64 = connection
        .prepare_cached("SELECT id FROM tagsets WHERE tags = ?1")?
        .query_row([tags], |row| row.get(0))?;
    let [key, user, team, organisation, model, provider, target] = columns;
    let row = params![
        key,
        user,
        team,
        organisation,
        model,
        provider,
        target,
        tagset
    ];
    connection
        .prepare_cached(
            "INSERT INTO dimensions
                 (key, user, team, organisation, model, provider, target, tagset)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(row)?;
    connection
        .prepare_cached(
            "SELECT id FROM dimensions
             WHERE key = ?1 AND user = ?2 AND team = ?3 AND organisation = ?4
               AND model = ?5 AND provider = ?6 AND target = ?7 AND tagset = ?8",
        )?
        .query_row(row, |row| row.get(0))
}

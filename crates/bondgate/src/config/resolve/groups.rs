//! Organisations and teams, and what is said of anybody who spends.
//!
//! A name that leads nowhere is a problem: a group that is not there would allow what it
//! was meant to forbid.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::caller::Group;
use policy::limit::Scope;
use policy::snapshot::About;

use super::tags;
use crate::config::file::{ConfigFile, ModelFile};
use crate::config::problem::{Problem, nearest};
use crate::config::values::At;

/// Groups by name.
pub struct Groups {
    /// Organisations.
    pub organisations: BTreeMap<String, Arc<Group>>,
    /// Teams.
    pub teams: BTreeMap<String, Arc<Group>>,
}

/// Resolves organisations and teams.
pub fn resolve(file: &ConfigFile, problems: &mut Vec<Problem>) -> Groups {
    let mut organisations = BTreeMap::new();
    for (name, written) in &file.organisations {
        let own = &written.value;
        let who = format!("organisation `{name}`");
        let group = Group {
            name: name.as_str().into(),
            organisation: None,
            models: known_models(&who, own.models.as_ref(), &file.models, problems),
            tags: tags::resolve(own.tags.as_ref(), problems),
            expires_ms: None,
            disabled: false,
        };
        organisations.insert(name.clone(), Arc::new(group));
    }
    let mut teams = BTreeMap::new();
    for (name, written) in &file.teams {
        let own = &written.value;
        let who = format!("team `{name}`");
        let organisation = own.organisation.as_ref().and_then(|named| {
            known(&who, named, "organisations", &organisations, problems).cloned()
        });
        let group = Group {
            name: name.as_str().into(),
            organisation,
            models: known_models(&who, own.models.as_ref(), &file.models, problems),
            tags: tags::resolve(own.tags.as_ref(), problems),
            expires_ms: own.expires.map(|moment| moment.ms),
            disabled: false,
        };
        teams.insert(name.clone(), Arc::new(group));
    }
    Groups {
        organisations,
        teams,
    }
}

/// What is said of anybody who spends, by scope.
#[must_use]
pub fn about(file: &ConfigFile) -> BTreeMap<String, About> {
    let mut all = BTreeMap::new();
    let mut add = |scope: Scope, [owner, cost_center, purpose]: [&Option<String>; 3]| {
        let about = About {
            owner: owner.clone(),
            cost_center: cost_center.clone(),
            purpose: purpose.clone(),
        };
        if about != About::default() {
            all.insert(scope.to_string(), about);
        }
    };
    for (name, At { value, .. }) in &file.organisations {
        let said = [&value.owner, &value.cost_center, &value.purpose];
        add(Scope::Organisation(name.as_str().into()), said);
    }
    for (name, At { value, .. }) in &file.teams {
        let said = [&value.owner, &value.cost_center, &value.purpose];
        add(Scope::Team(name.as_str().into()), said);
    }
    for (name, At { value, .. }) in &file.users {
        let said = [&value.owner, &value.cost_center, &value.purpose];
        add(Scope::User(name.as_str().into()), said);
    }
    for (name, At { value, .. }) in &file.keys {
        let said = [&value.owner, &value.cost_center, &value.purpose];
        add(Scope::Key(name.as_str().into()), said);
    }
    all
}

/// What `named` leads to in one of the file's collections.
pub(super) fn known<'a, T>(
    who: &str,
    named: &At<String>,
    collection: &str,
    among: &'a BTreeMap<String, T>,
    problems: &mut Vec<Problem>,
) -> Option<&'a T> {
    let found = among.get(&named.value);
    if found.is_none() {
        let mend = match nearest(&named.value, among.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add it under `{collection}`"),
        };
        let what = format!(
            "{who} names {}, which is not in `{collection}`",
            named.shown()
        );
        problems.push(Problem::at(named.place, what, mend));
    }
    found
}

/// The models that a list names; those that are none are said.
pub(super) fn known_models(
    who: &str,
    list: Option<&At<Vec<At<String>>>>,
    models: &BTreeMap<String, At<ModelFile>>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<String>> {
    let list = list?;
    for model in list.value.iter().filter(|m| !models.contains_key(&m.value)) {
        let mend = match nearest(&model.value, models.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if model.value.contains('/') => {
                "name a model; `direct: true` of a key allows `provider/model`".to_owned()
            }
            None => "name one of the models".to_owned(),
        };
        let what = format!("{who} names {}, which is no model", model.shown());
        problems.push(Problem::at(model.place, what, mend));
    }
    Some(list.value.iter().map(|model| model.value.clone()).collect())
}

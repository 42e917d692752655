//! Keys that the file issues.
//!
//! Secrets are compared with each other here and nowhere shown.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use policy::secret::Secret;

use super::groups::{Groups, known, known_models};
use super::{MIN_SECRET, tags};
use crate::config::Key;
use crate::config::file::{ConfigFile, KeyFile};
use crate::config::problem::Problem;
use crate::config::values::{At, SecretText};

/// Resolves all keys.
pub fn resolve(file: &ConfigFile, groups: &Groups, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    let mut keys = Vec::new();
    for (name, written) in &file.keys {
        let rest = One {
            name,
            written,
            file,
            groups,
        }
        .resolve(problems);
        let Some(secret) = secret(name, written, problems) else {
            continue;
        };
        if let Some(other) = owners.insert(secret.value.0.reveal(), name) {
            let what = format!("keys `{other}` and `{name}` have the same secret");
            let mend = "give each a secret of its own";
            problems.push(Problem::at(secret.place, what, mend));
        }
        keys.push(Key {
            secret: Secret::new(secret.value.0.reveal().to_owned()),
            ..rest
        });
    }
    keys
}

fn secret<'f>(
    name: &str,
    file: &'f At<KeyFile>,
    problems: &mut Vec<Problem>,
) -> Option<&'f At<SecretText>> {
    let Some(written) = &file.value.secret else {
        if file.whole {
            let what = format!("key `{name}` has no secret");
            let mend = format!("add `secret: \"${{{}}}\"`", variable(name));
            problems.push(Problem::at(file.place, what, mend));
        }
        return None;
    };
    if let Some((wrong, mend)) = wrong_secret(written.value.0.reveal()) {
        let what = format!("the secret of key `{name}` {wrong}");
        problems.push(Problem::at(written.place, what, mend));
        return None;
    }
    Some(written)
}

struct One<'a> {
    name: &'a str,
    written: &'a At<KeyFile>,
    file: &'a ConfigFile,
    groups: &'a Groups,
}

impl One<'_> {
    /// Everything but the secret.
    fn resolve(&self, problems: &mut Vec<Problem>) -> Key {
        let own = &self.written.value;
        let who = format!("key `{}`", self.name);
        self.may_call_something(problems);
        let (teams, organisations) = (&self.groups.teams, &self.groups.organisations);
        let team = own
            .team
            .as_ref()
            .and_then(|team| known(&who, team, "teams", teams, problems).cloned());
        let organisation = own.organisation.as_ref().and_then(|named| {
            let found = known(&who, named, "organisations", organisations, problems)?;
            if team
                .as_ref()
                .is_some_and(|team| team.organisation.is_some())
            {
                let what = format!("`organisation` of {who} does nothing: its team's counts");
                problems.push(Problem::at(named.place, what, "leave it out"));
            }
            Some(Arc::clone(found))
        });
        if let Some(user) = &own.user {
            known(&who, user, "users", &self.file.users, problems);
        }
        Key {
            name: self.name.to_owned(),
            secret: Secret::new(String::new()),
            models: known_models(&who, own.models.as_ref(), &self.file.models, problems),
            direct: own.direct.unwrap_or(false),
            passthrough: self.passthrough(problems),
            expires_ms: own.expires.map(|moment| moment.ms),
            team,
            organisation,
            user: own.user.as_ref().map(|user| user.value.as_str().into()),
            tags: tags::resolve(own.tags.as_ref(), problems),
            may_set: tags::may_set(own.may_set.as_ref(), problems),
        }
    }

    /// The providers whose own paths it may call; those that are none are said.
    fn passthrough(&self, problems: &mut Vec<Problem>) -> BTreeSet<String> {
        let who = format!("key `{}`", self.name);
        let named = self.written.value.passthrough.iter().flatten();
        let known = named
            .filter(|one| known(&who, one, "providers", &self.file.providers, problems).is_some());
        known.map(|one| one.value.clone()).collect()
    }

    fn may_call_something(&self, problems: &mut Vec<Problem>) {
        let own = &self.written.value;
        let empty = own.models.as_ref();
        let empty = empty.filter(|list| list.value.is_empty() && list.whole);
        let elsewhere = own.direct == Some(true) || own.passthrough.is_some();
        if let Some(list) = empty.filter(|_| !elsewhere) {
            let what = format!(
                "key `{}` may call nothing: its `models` is empty",
                self.name
            );
            let mend = "leave `models` out for all of them";
            problems.push(Problem::at(list.place, what, mend));
        }
    }
}

fn wrong_secret(secret: &str) -> Option<(String, &'static str)> {
    let make = "make one with `openssl rand -base64 32`";
    if secret.chars().count() < MIN_SECRET {
        return Some((format!("has fewer than {MIN_SECRET} characters"), make));
    }
    if secret.len() > 512 {
        return Some(("has more than 512 characters".to_owned(), make));
    }
    (!secret.bytes().all(|b| b.is_ascii_graphic())).then(|| {
        let wrong = "holds a space, a line end or a character that no header can carry";
        (wrong.to_owned(), "use letters, digits and signs")
    })
}

/// The name as that of an environment variable.
fn variable(name: &str) -> String {
    let mut variable: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    variable.push_str("_KEY");
    variable
}

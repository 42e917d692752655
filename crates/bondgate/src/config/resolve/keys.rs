//! Keys that the file issues.
//!
//! Secrets are compared with each other here and nowhere shown.

use std::collections::{BTreeMap, HashMap};

use policy::secret::Secret;

use super::MIN_SECRET;
use crate::config::Key;
use crate::config::file::{KeyFile, ModelFile};
use crate::config::problem::{Problem, nearest};
use crate::config::values::At;

/// Resolves all keys.
pub fn resolve(
    files: &BTreeMap<String, At<KeyFile>>,
    models: &BTreeMap<String, At<ModelFile>>,
    problems: &mut Vec<Problem>,
) -> Vec<Key> {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    let mut keys = Vec::new();
    for (name, file) in files {
        allowed_models(name, &file.value, models, problems);
        let Some(written) = &file.value.secret else {
            if file.whole {
                let what = format!("key `{name}` has no secret");
                let mend = format!("add `secret: \"${{{}}}\"`", variable(name));
                problems.push(Problem::at(file.place, what, mend));
            }
            continue;
        };
        let secret = written.value.0.reveal();
        if let Some((wrong, mend)) = wrong_secret(secret) {
            let what = format!("the secret of key `{name}` {wrong}");
            problems.push(Problem::at(written.place, what, mend));
            continue;
        }
        if let Some(other) = owners.insert(secret, name) {
            let what = format!("keys `{other}` and `{name}` have the same secret");
            problems.push(Problem::at(
                written.place,
                what,
                "give each a secret of its own",
            ));
        }
        keys.push(Key {
            name: name.clone(),
            secret: Secret::new(secret.to_owned()),
            models: file
                .value
                .models
                .as_ref()
                .map(|list| list.value.iter().map(|model| model.value.clone()).collect()),
            direct: file.value.direct.unwrap_or(false),
            expires_ms: file.value.expires.map(|moment| moment.ms),
        });
    }
    keys
}

fn allowed_models(
    name: &str,
    file: &KeyFile,
    models: &BTreeMap<String, At<ModelFile>>,
    problems: &mut Vec<Problem>,
) {
    let Some(list) = &file.models else {
        return;
    };
    if list.value.is_empty() && list.whole && file.direct != Some(true) {
        let what = format!("key `{name}` may call nothing: its `models` is empty");
        problems.push(Problem::at(
            list.place,
            what,
            "leave `models` out for all of them",
        ));
    }
    for model in list
        .value
        .iter()
        .filter(|model| !models.contains_key(&model.value))
    {
        let mend = match nearest(&model.value, models.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if model.value.contains('/') => {
                "name a model; `direct: true` allows `provider/model`".to_owned()
            }
            None => "name one of the models".to_owned(),
        };
        let what = format!("key `{name}` names {}, which is no model", model.shown());
        problems.push(Problem::at(model.place, what, mend));
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

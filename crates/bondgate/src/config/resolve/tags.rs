//! Tags: what names and values may hold, which are required, and what callers may set.
//!
//! Bounds and signs are those of the `x-bondgate-tags` header, so that a tag means the same
//! wherever it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::caller::{MaySet, Tags, VirtualKey};

use crate::config::file::ConfigFile;
use crate::config::problem::{Place, Problem};
use crate::config::values::At;

/// Longest name of a tag, in bytes.
pub const MAX_NAME: usize = 128;
/// Longest value of a tag, in bytes.
pub const MAX_VALUE: usize = 128;

/// Resolves tags, in the order of their names.
pub fn resolve(
    written: Option<&BTreeMap<String, At<String>>>,
    problems: &mut Vec<Problem>,
) -> Tags {
    let mut tags = Tags::new();
    for (name, value) in written.into_iter().flatten() {
        check_name(name, value.place, problems);
        let text = &value.value;
        let wrong = if text.is_empty() {
            Some("has no value")
        } else if text.len() > MAX_VALUE {
            Some("has a value longer than 128 bytes")
        } else if text.contains(',') || text.chars().any(char::is_control) {
            Some("has a value with a comma or a control character")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let what = format!("tag `{name}` {wrong}");
            problems.push(Problem::at(value.place, what, "use plain text"));
        }
        tags.push((name.as_str().into(), text.as_str().into()));
    }
    tags
}

/// Resolves `require_tags`.
pub fn required(written: Option<&Vec<At<String>>>, problems: &mut Vec<Problem>) -> Vec<Arc<str>> {
    let mut required: Vec<Arc<str>> = Vec::new();
    for name in written.into_iter().flatten() {
        check_name(&name.value, name.place, problems);
        if required.iter().any(|known| **known == *name.value) {
            let what = format!("tag {} is required twice", name.shown());
            problems.push(Problem::at(name.place, what, "keep one"));
        } else {
            required.push(name.value.as_str().into());
        }
    }
    required
}

/// Resolves `may_set`.
pub fn may_set(written: Option<&Vec<At<String>>>, problems: &mut Vec<Problem>) -> MaySet {
    let mut allowed = MaySet::default();
    for word in written.into_iter().flatten() {
        if !allowed.allow(&word.value) {
            let what = format!("{} is nothing that a caller may set", word.shown());
            let mend = format!("use {}", MaySet::WORDS);
            problems.push(Problem::at(word.place, what, mend));
        }
    }
    allowed
}

/// Warnings: required tags that no key, or one key, can never have.
pub fn unsatisfied(file: &ConfigFile, keys: &[VirtualKey]) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for tag in file.require_tags.iter().flatten() {
        let without: Vec<&VirtualKey> = keys.iter().filter(|key| !has(key, &tag.value)).collect();
        if !keys.is_empty() && without.len() == keys.len() {
            let what = format!(
                "no key carries or may set the required tag {}: every call will be refused",
                tag.shown()
            );
            let mend = format!(
                "add it to `tags` of keys or teams, or `tag:{}` to `may_set`",
                tag.value
            );
            warnings.push(Problem::at(tag.place, what, mend));
            continue;
        }
        for key in without {
            let place = file
                .keys
                .get(&*key.name)
                .map_or(Place::START, |key| key.place);
            let what = format!(
                "key `{}` neither carries nor may set the required tag {}: its calls will be refused",
                key.name,
                tag.shown()
            );
            let mend = format!(
                "add it to its `tags`, or `tag:{}` to its `may_set`",
                tag.value
            );
            warnings.push(Problem::at(place, what, mend));
        }
    }
    warnings
}

fn has(key: &VirtualKey, tag: &str) -> bool {
    let carries = |tags: &Tags| tags.iter().any(|(name, _)| **name == *tag);
    key.may_set.tag(tag) || carries(&key.tags) || key.groups().any(|group| carries(&group.tags))
}

fn check_name(name: &str, place: Place, problems: &mut Vec<Problem>) {
    let plain = |c: char| !(c.is_control() || c.is_whitespace() || matches!(c, '=' | ','));
    let wrong = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME {
        "is longer than 128 bytes"
    } else if !name.chars().all(plain) {
        "holds a space, a comma, an equals sign or a control character"
    } else {
        return;
    };
    let what = format!("the name of a tag {wrong}");
    problems.push(Problem::at(place, what, "choose another name"));
}

//! On whose account a request runs.
//!
//! What the key says wins; what the caller says counts only as far as the key lets it.

use std::sync::Arc;

use dialect::json::{Json, Writer};
use policy::caller::{Attribution, Tags, VirtualKey};
use policy::failure::{Code, Failure};

use crate::options::Options;
use crate::refuse::quote;

/// Finds whom the request is charged to.
///
/// # Errors
/// `invalid_request` where the caller says what its key does not let it say, `tags_required`
/// where a tag of `required` is missing.
pub(crate) fn attribute(
    key: &VirtualKey,
    options: &Options,
    required: &[Arc<str>],
) -> Result<Attribution, Failure> {
    if options.user.is_some() && !key.may_set.user {
        return Err(not_settable("x-bondgate-user", "user"));
    }
    let unsettable = options.tags.iter().find(|(name, _)| !key.may_set.tag(name));
    if let Some((name, _)) = unsettable {
        return Err(not_settable(
            "x-bondgate-tags",
            &format!("tags or tag:{name}"),
        ));
    }
    let tags = merged(key, &options.tags);
    let missing: Vec<&str> = required
        .iter()
        .filter(|name| !tags.iter().any(|(known, _)| known == *name))
        .map(|name| &**name)
        .collect();
    if !missing.is_empty() {
        return Err(tags_required(&missing));
    }
    Ok(Attribution {
        key: Arc::clone(&key.name),
        team: key.team.as_ref().map(|team| Arc::clone(&team.name)),
        organisation: key.organisation().map(|group| Arc::clone(&group.name)),
        user: key.user.clone().or_else(|| options.user.clone()),
        run: options.run.clone(),
        tags,
    })
}

/// What the key alone says, of a request that comes no further.
#[must_use]
pub(crate) fn of_key(key: &VirtualKey) -> Attribution {
    Attribution {
        key: Arc::clone(&key.name),
        team: key.team.as_ref().map(|team| Arc::clone(&team.name)),
        organisation: key.organisation().map(|group| Arc::clone(&group.name)),
        user: key.user.clone(),
        run: None,
        tags: merged(key, &Tags::new()),
    }
}

/// The key's tags, then the team's and the organisation's, then the caller's; the first word stands.
fn merged(key: &VirtualKey, said: &Tags) -> Tags {
    let groups = key.groups().map(|group| &group.tags);
    let mut all = key.tags.clone();
    for (name, value) in groups.chain(std::iter::once(said)).flatten() {
        if let Err(at) = all.binary_search_by(|(known, _)| known.cmp(name)) {
            all.insert(at, (Arc::clone(name), Arc::clone(value)));
        }
    }
    all
}

fn not_settable(header: &str, what: &str) -> Failure {
    let why = format!(
        "this key does not let its caller set the header {header}: its `may_set` lacks {what}"
    );
    Failure::new(Code::InvalidRequest, why).at(header)
}

fn tags_required(missing: &[&str]) -> Failure {
    let names: Vec<String> = missing.iter().map(|name| quote(name)).collect();
    let message = format!(
        "every request needs the tag {}: send `x-bondgate-tags: name=value,…`, or let the key carry it",
        names.join(" and ")
    );
    let mut list = Writer::default();
    list.array(|out| {
        missing.iter().for_each(|name| {
            out.string(name);
        });
    });
    let failure = Failure::new(Code::TagsRequired, message).at("x-bondgate-tags");
    match Json::parse(&String::from_utf8_lossy(&list.into_bytes())) {
        Ok(list) => failure.with("tags", list),
        Err(_) => failure,
    }
}

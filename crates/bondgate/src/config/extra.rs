//! Objects made at run time, in a form of their own: whoever keeps them fills it in, and
//! [`snapshot`](super::snapshot()) lays them beside the file's.
//!
//! Names of the file win: an object of the same kind and name made at run time is passed
//! over. Secrets never come here, only their hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::caller::{Group, KeyHash, MaySet, Tags, VirtualKey};
use policy::limit::Limit;
use policy::money::Nanos;
use policy::provider::Provider;
use policy::snapshot::About;

/// Objects made at run time; nothing by default.
#[derive(Default)]
pub struct Extra {
    /// Keys.
    pub keys: Vec<ExtraKey>,
    /// Teams.
    pub teams: Vec<ExtraGroup>,
    /// Organisations; what they say of an organisation is not looked at.
    pub organisations: Vec<ExtraGroup>,
    /// Budgets, and limits at objects: see [`super::at_object`].
    pub limits: Vec<Limit>,
    /// Providers.
    pub providers: Vec<Arc<Provider>>,
    /// The most that one request counts as, by provider.
    pub ceilings: BTreeMap<String, Nanos>,
    /// Who answers for an account, by its scope, such as `team:support`.
    pub about: BTreeMap<String, About>,
}

/// A key made at run time.
#[derive(Clone, Debug, Default)]
pub struct ExtraKey {
    /// Its name.
    pub name: String,
    /// Hashes of its secrets: one, or more while a rotation lasts.
    pub hashes: Vec<ValidHash>,
    /// Name of its team.
    pub team: Option<String>,
    /// Name of its organisation, where its team has none.
    pub organisation: Option<String>,
    /// The user whose it is.
    pub user: Option<String>,
    /// Tags of all its requests.
    pub tags: Tags,
    /// What its caller may say of a request.
    pub may_set: MaySet,
    /// Logical models that it may call; `None` for all.
    pub models: Option<Vec<String>>,
    /// Whether it may call `provider/model` too.
    pub direct: bool,
    /// Until when it is good, in milliseconds since 1970; `None` for ever.
    pub expires_ms: Option<i64>,
}

/// The hash of a secret and until when the secret is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidHash {
    /// The hash.
    pub hash: KeyHash,
    /// Until when, in milliseconds since 1970; `None` for as long as its key.
    pub until_ms: Option<i64>,
}

/// A team or an organisation made at run time.
#[derive(Clone, Debug, Default)]
pub struct ExtraGroup {
    /// Its name.
    pub name: String,
    /// Name of the organisation that a team belongs to.
    pub organisation: Option<String>,
    /// Logical models that its keys may call; `None` for all.
    pub models: Option<Vec<String>>,
    /// Tags of all requests of its keys.
    pub tags: Tags,
    /// Whether its keys may call at all.
    pub disabled: bool,
}

/// Groups by name.
pub(super) type Groups = BTreeMap<String, Arc<Group>>;

/// The file's groups and those made at run time.
pub(super) fn groups(
    file: &Groups,
    extra: &[ExtraGroup],
    organisations: Option<&Groups>,
) -> Groups {
    let mut all = file.clone();
    for group in extra {
        let organisation = organisations.and_then(|all| named(group.organisation.as_ref(), all));
        let entry = all.entry(group.name.clone());
        entry.or_insert_with(|| {
            Arc::new(Group {
                name: group.name.as_str().into(),
                organisation,
                models: group.models.clone(),
                tags: group.tags.clone(),
                disabled: group.disabled,
            })
        });
    }
    all
}

/// The callers that one key stands for: one for each of its secrets.
pub(super) fn callers<'a>(
    key: &'a ExtraKey,
    teams: &'a Groups,
    organisations: &'a Groups,
) -> impl Iterator<Item = VirtualKey> + 'a {
    key.hashes
        .iter()
        .map(move |ValidHash { hash, until_ms }| VirtualKey {
            name: key.name.as_str().into(),
            hash: *hash,
            team: named(key.team.as_ref(), teams),
            organisation: named(key.organisation.as_ref(), organisations),
            user: key.user.as_deref().map(Arc::from),
            tags: key.tags.clone(),
            may_set: key.may_set.clone(),
            models: key.models.clone(),
            direct: key.direct,
            expires_ms: [key.expires_ms, *until_ms].into_iter().flatten().min(),
        })
}

/// The group of that name. One that is gone stands there disabled: who belonged to it must
/// not be allowed more than before.
fn named(name: Option<&String>, groups: &Groups) -> Option<Arc<Group>> {
    let name = name?;
    let gone = || {
        Arc::new(Group {
            name: name.as_str().into(),
            disabled: true,
            ..Group::default()
        })
    };
    Some(groups.get(name).cloned().unwrap_or_else(gone))
}

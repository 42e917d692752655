//! Who calls, what they may use, and on whose account.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Keyed hash of a virtual key's secret: HMAC-SHA-256 under the master key.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    /// The first bytes only: enough to tell keys apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "KeyHash({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A group that keys belong to: a team, or the organisation that teams belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// The organisation that a team belongs to.
    pub organisation: Option<Arc<Group>>,
    /// Logical models that its keys may call; `None` for all.
    pub models: Option<Vec<String>>,
    /// Tags of all its requests; a key's own win.
    pub tags: Tags,
    /// Until when its keys are good, in milliseconds since 1970; `None` for ever.
    pub expires_ms: Option<i64>,
    /// Whether its keys may not call at all: it is gone.
    pub disabled: bool,
}

/// Tags of a request, in the order of their names; each name once.
pub type Tags = Vec<(Arc<str>, Arc<str>)>;

/// A credential that we issued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualKey {
    /// Its name.
    pub name: Arc<str>,
    /// Hash of its secret.
    pub hash: KeyHash,
    /// The team that it belongs to.
    pub team: Option<Arc<Group>>,
    /// The organisation, where it belongs to no team.
    pub organisation: Option<Arc<Group>>,
    /// The user whose it is.
    pub user: Option<Arc<str>>,
    /// Tags of all its requests.
    pub tags: Tags,
    /// What its caller may say of a request.
    pub may_set: MaySet,
    /// Logical models that it may call; `None` for all.
    pub models: Option<Vec<String>>,
    /// Whether it may call `provider/model` too.
    pub direct: bool,
    /// Providers whose own paths it may call.
    pub passthrough: BTreeSet<String>,
    /// Until when it is good, in milliseconds since 1970; `None` for ever.
    pub expires_ms: Option<i64>,
}

/// Why a key is no longer good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has expired.
    Key,
    /// The team that it belongs to has expired.
    Group(Arc<str>),
    /// The team or organisation that it belongs to is no longer there.
    GroupGone(Arc<str>),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Key => f.write_str("this key has expired"),
            Ended::Group(name) => write!(f, "the team `{name}` of this key has expired"),
            Ended::GroupGone(name) => write!(f, "`{name}`, which this key belongs to, is gone"),
        }
    }
}

/// What a key's caller may say of a request; a run may always be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaySet {
    /// The user.
    pub user: bool,
    /// Every tag.
    pub tags: bool,
    /// These tags.
    pub named_tags: BTreeSet<String>,
    /// The priority.
    pub priority: bool,
}

impl MaySet {
    /// The words that [`MaySet::allow`] knows, for messages.
    pub const WORDS: &str = "`user`, `tags`, `tag:NAME` or `priority`";

    /// Allows what a word of a configuration says; false where the word means nothing.
    pub fn allow(&mut self, word: &str) -> bool {
        match (word, word.strip_prefix("tag:")) {
            ("user", _) => self.user = true,
            ("tags", _) => self.tags = true,
            ("priority", _) => self.priority = true,
            (_, Some(name)) if !name.is_empty() => {
                self.named_tags.insert(name.to_owned());
            }
            (_, Some(_) | None) => return false,
        }
        true
    }

    /// Whether the caller may set that tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> bool {
        self.tags || self.named_tags.contains(name)
    }
}

impl VirtualKey {
    /// Whether key, team and organisation all allow that logical model.
    #[must_use]
    pub fn may_call(&self, model: &str) -> bool {
        let allows = |models: &Option<Vec<String>>| {
            models
                .as_ref()
                .is_none_or(|models| models.iter().any(|m| m == model))
        };
        allows(&self.models) && self.groups().all(|group| allows(&group.models))
    }

    /// Whether the key is good at that time.
    #[must_use]
    pub fn is_current(&self, now_ms: i64) -> bool {
        self.ended(now_ms).is_none()
    }

    /// Why the key is not good at that time; `None` where it is.
    #[must_use]
    pub fn ended(&self, now_ms: i64) -> Option<Ended> {
        let past = |expires_ms: Option<i64>| expires_ms.is_some_and(|expires| expires <= now_ms);
        if past(self.expires_ms) {
            return Some(Ended::Key);
        }
        self.groups().find_map(|group| {
            let name = || Arc::clone(&group.name);
            if group.disabled {
                return Some(Ended::GroupGone(name()));
            }
            past(group.expires_ms).then(|| Ended::Group(name()))
        })
    }

    /// The team and the organisation, as far as there are any.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.team.iter().chain(self.organisation())
    }

    /// The organisation: the team's, else the key's own.
    #[must_use]
    pub fn organisation(&self) -> Option<&Arc<Group>> {
        let of_team = self
            .team
            .as_ref()
            .and_then(|team| team.organisation.as_ref());
        of_team.or(self.organisation.as_ref())
    }
}

/// On whose account a request runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The key's name.
    pub key: Arc<str>,
    /// The team's name.
    pub team: Option<Arc<str>>,
    /// The organisation's name.
    pub organisation: Option<Arc<str>>,
    /// The user.
    pub user: Option<Arc<str>>,
    /// The run: an agent's piece of work over many requests.
    pub run: Option<Arc<str>>,
    /// The tags.
    pub tags: Tags,
}

impl Attribution {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&Arc<str>> {
        let mut tags = self.tags.iter();
        tags.find(|(known, _)| **known == *name)
            .map(|(_, value)| value)
    }
}

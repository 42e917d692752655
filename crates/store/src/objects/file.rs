//! The objects of the configuration's file, as the store shows them: read-only.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::caller::{Group, MaySet, Tags, VirtualKey};
use policy::limit::{Resource, Scope};
use policy::price::Source;
use policy::provider::Provider as RoadProvider;
use policy::snapshot::{About, Snapshot};

use super::budget::BudgetSpec;
use super::caller::{KeySpec, OrganisationSpec, Rates, TeamSpec, UserSpec};
use super::effective::limit_name;
use super::object::{Kind, Object, Spec};
use super::price::PriceSpec;
use super::provider::ProviderSpec;
use super::values::{Moment, Rate, Usd};
use super::{Budget, Key, Organisation, Price, Provider, Team, User};

/// What the configuration's file has; each list in the order of names.
#[derive(Clone, Debug, Default)]
pub struct FileObjects {
    /// Keys.
    pub keys: Vec<Key>,
    /// Teams.
    pub teams: Vec<Team>,
    /// Users.
    pub users: Vec<User>,
    /// Organisations.
    pub organisations: Vec<Organisation>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// Providers.
    pub providers: Vec<Provider>,
    /// Prices.
    pub prices: Vec<Price>,
}

impl FileObjects {
    /// What a snapshot says of the objects that its file owns, before those of the store are
    /// laid beside them. A price is named by its version, which records have as `price_id`.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let owned = &snapshot.of_file;
        let see = See { snapshot };
        let mut keys: BTreeMap<&str, &VirtualKey> = BTreeMap::new();
        for key in snapshot.keys.values() {
            keys.insert(&key.name, key);
        }
        Self {
            keys: named(&owned.keys, |name| see.key(keys.get(name).copied(), name)),
            teams: named(&owned.teams, |name| see.team(name)),
            users: named(&owned.users, |name| see.user(name)),
            organisations: named(&owned.organisations, |name| see.organisation(name)),
            budgets: owned
                .budgets
                .iter()
                .filter_map(|name| Some(Object::of_file(name, see.budget(name)?)))
                .collect(),
            providers: named(&owned.providers, |name| see.provider(name)),
            prices: prices(snapshot),
        }
    }

    /// Whether the file has an object of that name.
    #[must_use]
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        fn among<S: Spec>(objects: &[Object<S>], name: &str) -> bool {
            objects.iter().any(|object| object.name == name)
        }
        match kind {
            Kind::Key => among(&self.keys, name),
            Kind::Team => among(&self.teams, name),
            Kind::User => among(&self.users, name),
            Kind::Organisation => among(&self.organisations, name),
            Kind::Budget => among(&self.budgets, name),
            Kind::Provider => among(&self.providers, name),
            Kind::Price => among(&self.prices, name),
        }
    }

    /// Objects of the file that refer to an object, as messages call them; a few of them.
    pub(super) fn referring(&self, kind: Kind, name: &str) -> Vec<String> {
        fn those<S: Spec>(objects: &[Object<S>], to: (Kind, &str)) -> Vec<String> {
            let refers = |object: &&Object<S>| {
                let references = object.spec.references();
                references
                    .iter()
                    .any(|(_, kind, name)| (*kind, name.as_str()) == to)
            };
            let called = |object: &Object<S>| {
                format!("{} of the file", Object::<S>::called(S::KIND, &object.name))
            };
            objects.iter().filter(refers).take(3).map(called).collect()
        }
        let mut by = those(&self.keys, (kind, name));
        by.extend(those(&self.teams, (kind, name)));
        by.extend(those(&self.budgets, (kind, name)));
        by
    }
}

fn prices(snapshot: &Snapshot) -> Vec<Price> {
    let rows = snapshot.prices.iter().flat_map(|book| book.rows());
    let of_file = rows.filter(|row| row.source == Source::Configuration);
    let by_name: BTreeMap<&str, Price> = of_file
        .map(|row| (&*row.id, Object::of_file(&row.id, PriceSpec::of(row))))
        .collect();
    by_name.into_values().collect()
}

fn named<'n, S: Spec>(
    names: impl IntoIterator<Item = &'n String>,
    spec: impl Fn(&str) -> S,
) -> Vec<Object<S>> {
    let names = names.into_iter();
    names
        .map(|name| Object::of_file(name, spec(name)))
        .collect()
}

/// A snapshot, looked at for what its objects were said to be.
struct See<'s> {
    snapshot: &'s Snapshot,
}

impl See<'_> {
    fn key(&self, key: Option<&VirtualKey>, name: &str) -> KeySpec {
        let about = self.about(Kind::Key, name);
        let mut spec = KeySpec {
            owner: about.owner,
            cost_center: about.cost_center,
            purpose: about.purpose,
            limits: self.rates(&Scope::Key(name.into())),
            ..KeySpec::default()
        };
        if let Some(key) = key {
            let called = |group: &Arc<Group>| group.name.to_string();
            spec.team = key.team.as_ref().map(called);
            spec.organisation = key.organisation.as_ref().map(called);
            spec.user = key.user.as_deref().map(str::to_owned);
            spec.tags = tags(&key.tags);
            spec.models.clone_from(&key.models);
            spec.direct = key.direct;
            spec.passthrough = key.passthrough.iter().cloned().collect();
            spec.may_set = may_set(&key.may_set);
            spec.expires_at = key.expires_ms.map(Moment);
        }
        spec
    }

    fn team(&self, name: &str) -> TeamSpec {
        let about = self.about(Kind::Team, name);
        let group = self.snapshot.teams.get(name);
        let organisation = group.and_then(|group| group.organisation.as_ref());
        TeamSpec {
            organisation: organisation.map(|group| group.name.to_string()),
            owner: about.owner,
            cost_center: about.cost_center,
            purpose: about.purpose,
            models: group.and_then(|group| group.models.clone()),
            tags: group.map(|group| tags(&group.tags)).unwrap_or_default(),
            limits: self.rates(&Scope::Team(name.into())),
            expires_at: group.and_then(|group| group.expires_ms).map(Moment),
        }
    }

    fn user(&self, name: &str) -> UserSpec {
        let about = self.about(Kind::User, name);
        UserSpec {
            owner: about.owner,
            cost_center: about.cost_center,
            purpose: about.purpose,
            limits: self.rates(&Scope::User(name.into())),
        }
    }

    fn organisation(&self, name: &str) -> OrganisationSpec {
        let about = self.about(Kind::Organisation, name);
        let group = self.snapshot.organisations.get(name);
        OrganisationSpec {
            owner: about.owner,
            cost_center: about.cost_center,
            purpose: about.purpose,
            models: group.and_then(|group| group.models.clone()),
            limits: self.rates(&Scope::Organisation(name.into())),
        }
    }

    fn budget(&self, name: &str) -> Option<BudgetSpec> {
        let limit = self.snapshot.limits.get(name)?;
        let on = (limit.scope != Scope::Everything).then(|| limit.scope.to_string());
        let percent = limit.alert_at_percent.iter();
        Some(BudgetSpec {
            on,
            each: limit.each.as_ref().map(ToString::to_string),
            limit: Usd(policy::money::Nanos(limit.amount)),
            per: limit.period.to_string(),
            time_zone: limit.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            hard: limit.hard,
            mode: limit.mode.to_string(),
            when_unbounded: limit.when_unbounded.to_string(),
            alert_at: percent.map(|percent| format!("{percent}%")).collect(),
        })
    }

    fn provider(&self, name: &str) -> ProviderSpec {
        let provider = self.snapshot.providers.get(name);
        provider.map(|provider| told(provider)).unwrap_or_default()
    }

    fn about(&self, kind: Kind, name: &str) -> About {
        let scope = format!("{kind}:{name}");
        self.snapshot.about.get(&scope).cloned().unwrap_or_default()
    }

    fn rates(&self, scope: &Scope) -> Rates {
        let limit = |resource| self.snapshot.limits.get(&limit_name(scope, resource));
        let rate = |resource| {
            limit(resource).map(|limit| Rate {
                amount: limit.amount,
                period: limit.period,
            })
        };
        let concurrent = limit(Resource::Concurrent);
        Rates {
            requests: rate(Resource::Requests),
            tokens: rate(Resource::Tokens),
            concurrent: concurrent.and_then(|limit| u32::try_from(limit.amount).ok()),
        }
    }
}

fn told(provider: &RoadProvider) -> ProviderSpec {
    ProviderSpec {
        provider: None,
        base_url: Some(format!("{}{}", provider.origin, provider.base_path)),
        dialect: Some(provider.dialect.name().to_owned()),
        auth: Some(provider.auth.name().to_owned()),
        residency: provider.residency.clone(),
        region: provider.region.clone(),
        project: None,
        resource: None,
        account: None,
        api_version: provider
            .paths
            .query
            .strip_prefix("api-version=")
            .map(str::to_owned),
        aws: None,
        google: None,
        entra: None,
        approved_for: None,
        stream_usage: Some(provider.quirks.stream_usage),
    }
}

fn tags(tags: &Tags) -> BTreeMap<String, String> {
    let pairs = tags.iter();
    pairs
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

fn may_set(may: &MaySet) -> Vec<String> {
    let words = [
        (may.user, "user"),
        (may.tags, "tags"),
        (may.priority, "priority"),
    ];
    let words = words.into_iter().filter(|(allowed, _)| *allowed);
    let named = may.named_tags.iter().map(|tag| format!("tag:{tag}"));
    words
        .map(|(_, word)| word.to_owned())
        .chain(named)
        .collect()
}

//! From what is stored to what the road reads: groups, keys and limits. Pure.
//!
//! A key whose team or organisation is gone gets one that may do nothing: what an operator took
//! away must never leave more behind than it took.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use policy::accounts::LimitSet;
use policy::caller::{Group, KeyHash, Tags, VirtualKey};
use policy::limit::{Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::price::PriceRow;
use policy::snapshot::{About, Snapshot};

use super::caller::{KeySpec, OrganisationSpec, Rates};
use super::object::{Object, Spec};
use super::open::{All, StoredKey};
use super::values::Rate;

/// Groups by name.
type Groups = BTreeMap<String, Arc<Group>>;

/// Adds everything stored to a snapshot of the configuration's file; what the file has stays.
/// Secrets whose end is before `now_ms` are left out.
pub fn apply(all: &All, snapshot: &mut Snapshot, now_ms: i64) {
    for organisation in &all.organisations {
        let group = Group {
            name: organisation.name.as_str().into(),
            models: organisation.spec.models.clone(),
            ..Group::default()
        };
        let name = organisation.name.clone();
        snapshot
            .organisations
            .entry(name)
            .or_insert_with(|| Arc::new(group));
    }
    for team in &all.teams {
        let organisation = team.spec.organisation.as_deref();
        let group = Group {
            name: team.name.as_str().into(),
            organisation: organisation.map(|name| group(&snapshot.organisations, name)),
            models: team.spec.models.clone(),
            tags: tags(&team.spec.tags),
            expires_ms: team.spec.expires_at.map(|at| at.0),
            disabled: false,
        };
        snapshot
            .teams
            .entry(team.name.clone())
            .or_insert_with(|| Arc::new(group));
    }
    for (hash, key) in virtual_keys(all, &snapshot.teams, &snapshot.organisations, now_ms) {
        snapshot.keys.entry(hash).or_insert_with(|| Arc::new(key));
    }
    let of_file = snapshot.limits.iter().map(|limit| (**limit).clone());
    let mut all_limits: Vec<Limit> = of_file.collect();
    let stored = limits(all).into_iter();
    all_limits.extend(stored.filter(|limit| snapshot.limits.get(&limit.name).is_none()));
    snapshot.limits = LimitSet::new(all_limits);
    if let Some(book) = &snapshot.prices {
        let of_file = book.given().iter().map(|row| PriceRow::clone(row));
        let rows = of_file.chain(prices(all));
        snapshot.prices = Some(Arc::new(book.with(rows.collect())));
    }
    about(all, &mut snapshot.about);
}

/// Every stored limit: those that stand at objects, named like `team:support requests`, and the
/// budgets under their own names.
#[must_use]
pub fn limits(all: &All) -> Vec<Limit> {
    let mut limits = Vec::new();
    for StoredKey { key, .. } in &all.keys {
        of_object(
            &Scope::Key(key.name.as_str().into()),
            &key.spec.limits,
            &mut limits,
        );
    }
    for team in &all.teams {
        of_object(
            &Scope::Team(team.name.as_str().into()),
            &team.spec.limits,
            &mut limits,
        );
    }
    for user in &all.users {
        of_object(
            &Scope::User(user.name.as_str().into()),
            &user.spec.limits,
            &mut limits,
        );
    }
    for organisation in &all.organisations {
        let scope = Scope::Organisation(organisation.name.as_str().into());
        of_object(&scope, &organisation.spec.limits, &mut limits);
    }
    // What was accepted has a meaning: `validate` asks the same function.
    limits.extend(
        all.budgets
            .iter()
            .filter_map(|budget| budget.spec.limit(&budget.name).ok()),
    );
    limits
}

/// Every stored key once for each of its secrets, with the groups of file and store.
#[must_use]
pub fn virtual_keys(
    all: &All,
    teams: &Groups,
    organisations: &Groups,
    now_ms: i64,
) -> Vec<(KeyHash, VirtualKey)> {
    let mut keys = Vec::with_capacity(all.keys.len());
    for StoredKey { key, secrets } in &all.keys {
        let spec = &key.spec;
        let virtual_key = VirtualKey {
            name: key.name.as_str().into(),
            team: spec.team.as_deref().map(|name| group(teams, name)),
            organisation: spec
                .organisation
                .as_deref()
                .map(|name| group(organisations, name)),
            user: spec.user.as_deref().map(Arc::from),
            tags: tags(&spec.tags),
            may_set: spec.may_set().unwrap_or_default(),
            models: spec.models.clone(),
            direct: spec.direct,
            passthrough: spec.passthrough.iter().cloned().collect(),
            ..VirtualKey::default()
        };
        let ends = spec.expires_at.map(|at| at.0);
        for (hash, until) in secrets {
            let expires_ms = match (ends, *until) {
                (Some(key), Some(secret)) => Some(key.min(secret)),
                (key, secret) => key.or(secret),
            };
            if expires_ms.is_none_or(|expires| now_ms < expires) {
                let hash = *hash;
                let key = VirtualKey {
                    hash,
                    expires_ms,
                    ..virtual_key.clone()
                };
                keys.push((hash, key));
            }
        }
    }
    keys
}

/// Every stored price as a row of the price book.
#[must_use]
pub fn prices(all: &All) -> Vec<PriceRow> {
    // What was accepted can be: `validate` asks the same function.
    all.prices
        .iter()
        .filter_map(|price| price.spec.row().ok())
        .collect()
}

/// The name of a limit that stands at an object.
pub(super) fn limit_name(scope: &Scope, resource: Resource) -> String {
    format!("{scope} {resource}")
}

fn of_object(scope: &Scope, rates: &Rates, limits: &mut Vec<Limit>) {
    let concurrent = rates.concurrent.map(|amount| Rate {
        amount: i64::from(amount),
        period: Period::Total,
    });
    let rates = [
        (Resource::Requests, rates.requests),
        (Resource::Tokens, rates.tokens),
        (Resource::Concurrent, concurrent),
    ];
    for (resource, rate) in rates {
        limits.extend(rate.map(|rate| Limit {
            name: limit_name(scope, resource).into(),
            scope: scope.clone(),
            each: None,
            resource,
            amount: rate.amount,
            period: rate.period,
            time_zone: TimeZone::UTC,
            hard: true,
            mode: Mode::Enforce,
            when_unbounded: WhenUnbounded::default(),
            alert_at_percent: Vec::new(),
        }));
    }
}

fn about(all: &All, about: &mut BTreeMap<String, About>) {
    let mut add = |scope: String,
                   owner: &Option<String>,
                   cost_center: &Option<String>,
                   purpose: &Option<String>| {
        about.entry(scope).or_insert_with(|| About {
            owner: owner.clone(),
            cost_center: cost_center.clone(),
            purpose: purpose.clone(),
        });
    };
    for StoredKey { key, .. } in &all.keys {
        let KeySpec {
            owner,
            cost_center,
            purpose,
            ..
        } = &key.spec;
        add(scope_of(key), owner, cost_center, purpose);
    }
    for team in &all.teams {
        add(
            scope_of(team),
            &team.spec.owner,
            &team.spec.cost_center,
            &team.spec.purpose,
        );
    }
    for user in &all.users {
        add(
            scope_of(user),
            &user.spec.owner,
            &user.spec.cost_center,
            &user.spec.purpose,
        );
    }
    for organisation in &all.organisations {
        let OrganisationSpec {
            owner,
            cost_center,
            purpose,
            ..
        } = &organisation.spec;
        add(scope_of(organisation), owner, cost_center, purpose);
    }
}

fn scope_of<S: Spec>(object: &Object<S>) -> String {
    format!("{}:{}", S::KIND, object.name)
}

fn group(groups: &Groups, name: &str) -> Arc<Group> {
    groups.get(name).cloned().unwrap_or_else(|| {
        Arc::new(Group {
            name: name.into(),
            disabled: true,
            ..Group::default()
        })
    })
}

fn tags(tags: &BTreeMap<String, String>) -> Tags {
    let pairs = tags.iter();
    pairs
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect()
}

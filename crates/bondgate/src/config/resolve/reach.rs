//! Warnings on what may be reached: targets without a price under a hard budget, and models
//! that a key names outside its team's.
//!
//! Nothing here refuses a configuration: what it says is allowed and probably not meant.

use std::collections::BTreeSet;

use policy::caller::VirtualKey;
use policy::limit::{Limit, Resource, Scope};
use policy::model::{Model, Target};
use policy::price::PriceBook;

use crate::config::Config;
use crate::config::file::ConfigFile;
use crate::config::problem::{Place, Problem};
use crate::config::snapshot::price_book;

/// How many targets a warning names.
const SHOWN: usize = 3;

/// The prices that hold now.
struct Prices {
    book: Option<PriceBook>,
    at_ms: i64,
}

impl Prices {
    /// Whether the file or the house knows what a target costs.
    fn know(&self, target: &Target) -> bool {
        let Target {
            provider, model, ..
        } = target;
        let found =
            |book: &PriceBook| book.find(&provider.name, provider.catalogue_id, model, self.at_ms);
        self.book.as_ref().and_then(found).is_some()
    }
}

/// Hard budgets that would refuse a target because nobody knows what it costs.
pub fn unpriced(file: &ConfigFile, config: &Config, keys: &[VirtualKey]) -> Vec<Problem> {
    let prices = Prices {
        book: price_book(config),
        at_ms: jiff::Timestamp::now().as_millisecond(),
    };
    let budgets = config
        .limits
        .iter()
        .filter(|limit| limit.resource == Resource::Money && limit.refuses());
    let warnings = budgets.filter_map(|budget| {
        let unknown = unpriced_targets(budget, config, keys, &prices);
        if unknown.is_empty() {
            return None;
        }
        let shown: Vec<String> = unknown
            .iter()
            .take(SHOWN)
            .map(|t| format!("`{t}`"))
            .collect();
        let more = match unknown.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let place = file
            .budgets
            .get(&*budget.name)
            .map_or(Place::START, |b| b.place);
        let what = format!(
            "budget `{}` is hard and {}{more} have no price: such requests will be refused",
            budget.name,
            shown.join(", ")
        );
        let mend =
            "add them under `prices`, or a `ceiling` at the model, the provider or `defaults`";
        Some(Problem::at(place, what, mend))
    });
    warnings.collect()
}

/// Models that a key names and its team or organisation does not allow.
pub fn outside(file: &ConfigFile, keys: &[VirtualKey]) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for key in keys {
        let list = file
            .keys
            .get(&*key.name)
            .and_then(|file| file.value.models.as_ref());
        for model in list.into_iter().flat_map(|list| &list.value) {
            let refuses = key.groups().find(|group| {
                group
                    .models
                    .as_ref()
                    .is_some_and(|models| !models.contains(&model.value))
            });
            if let Some(group) = refuses {
                let what = format!(
                    "key `{}` names {}, which `{}` does not allow it: both must",
                    key.name,
                    model.shown(),
                    group.name
                );
                let mend = "add the model there too, or leave it out here";
                warnings.push(Problem::at(model.place, what, mend));
            }
        }
    }
    warnings
}

fn unpriced_targets(
    budget: &Limit,
    config: &Config,
    keys: &[VirtualKey],
    prices: &Prices,
) -> BTreeSet<String> {
    let reached = config
        .models
        .iter()
        .filter(|(name, model)| reaches(&budget.scope, name, model, keys));
    let targets = reached.flat_map(|(_, model)| targets(model).map(move |target| (model, target)));
    targets
        .filter(|(model, target)| {
            let provider = &target.provider.name;
            let counts = match &budget.scope {
                Scope::Provider(name) => **name == **provider,
                Scope::Everything
                | Scope::Organisation(_)
                | Scope::Team(_)
                | Scope::Key(_)
                | Scope::User(_)
                | Scope::Tag { .. }
                | Scope::Model(_) => true,
            };
            counts && config.ceilings.of(&model.name, provider).is_none() && !prices.know(target)
        })
        .map(|(_, target)| target.name().to_string())
        .collect()
}

/// Whether requests that count in that scope can ask for that model.
fn reaches(scope: &Scope, name: &str, model: &Model, keys: &[VirtualKey]) -> bool {
    let by = |counts: &dyn Fn(&VirtualKey) -> bool| {
        keys.iter().any(|key| counts(key) && key.may_call(name))
    };
    match scope {
        Scope::Everything | Scope::User(_) | Scope::Tag { .. } | Scope::Provider(_) => true,
        Scope::Model(wanted) => **wanted == *model.name,
        Scope::Key(wanted) => by(&|key| key.name == *wanted),
        Scope::Team(wanted) => by(&|key| key.team.as_ref().is_some_and(|t| t.name == *wanted)),
        Scope::Organisation(wanted) => {
            by(&|key| key.organisation().is_some_and(|o| o.name == *wanted))
        }
    }
}

fn targets(model: &Model) -> impl Iterator<Item = &Target> {
    let fallback = &model.fallback;
    let all = [
        &model.targets,
        &fallback.failure,
        &fallback.context_window,
        &fallback.content_policy,
    ];
    all.into_iter().flatten().map(|target| &**target)
}

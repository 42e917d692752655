//! Budgets, and limits that stand at objects: names found, calendars read, contradictions
//! refused.
//!
//! A limit at an object is named by its scope and resource, such as `team:support requests`;
//! no budget may have such a name.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope};

use crate::config::file::{BudgetFile, ConfigFile, LimitsFile};
use crate::config::problem::{Problem, nearest};
use crate::config::units::Percent;
use crate::config::values::At;

/// A limit as it stands at an object: hard, enforced, in UTC, and named by scope and resource.
#[must_use]
pub fn at_object(scope: Scope, resource: Resource, amount: i64, period: Period) -> Limit {
    Limit {
        name: format!("{scope} {resource}").into(),
        scope,
        each: None,
        resource,
        amount,
        period,
        time_zone: TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: policy::limit::WhenUnbounded::default(),
        alert_at_percent: Vec::new(),
    }
}

/// Resolves every limit: those at objects, then budgets.
pub fn resolve(file: &ConfigFile, problems: &mut Vec<Problem>) -> Vec<Limit> {
    let mut limits = Vec::new();
    for (name, object) in &file.organisations {
        let scope = Scope::Organisation(name.as_str().into());
        objects(&scope, object.value.limits.as_ref(), &mut limits);
    }
    for (name, object) in &file.teams {
        let scope = Scope::Team(name.as_str().into());
        objects(&scope, object.value.limits.as_ref(), &mut limits);
    }
    for (name, object) in &file.users {
        let scope = Scope::User(name.as_str().into());
        objects(&scope, object.value.limits.as_ref(), &mut limits);
    }
    for (name, object) in &file.keys {
        let scope = Scope::Key(name.as_str().into());
        objects(&scope, object.value.limits.as_ref(), &mut limits);
    }
    let taken: BTreeSet<Arc<str>> = limits.iter().map(|limit| Arc::clone(&limit.name)).collect();
    for (name, budget) in &file.budgets {
        if taken.contains(name.as_str()) {
            let what = format!("`{name}` is the name of a limit that stands at an object");
            problems.push(Problem::at(budget.place, what, "choose another name"));
        }
        let mut one = One {
            name,
            budget,
            file,
            problems,
        };
        limits.extend(one.limit());
    }
    limits
}

fn objects(scope: &Scope, written: Option<&At<LimitsFile>>, limits: &mut Vec<Limit>) {
    let Some(At { value: file, .. }) = written else {
        return;
    };
    let rates = [
        (Resource::Requests, file.requests),
        (Resource::Tokens, file.tokens),
    ];
    let rates = rates
        .into_iter()
        .filter_map(|(resource, rate)| Some((resource, rate?)))
        .map(|(resource, rate)| (resource, rate.amount, rate.period));
    let concurrent = file
        .concurrent
        .map(|most| (Resource::Concurrent, i64::from(most), Period::Total));
    for (resource, amount, period) in rates.chain(concurrent) {
        limits.push(Limit {
            mode: file.mode.as_ref().map_or(Mode::Enforce, |mode| mode.0),
            ..at_object(scope.clone(), resource, amount, period)
        });
    }
}

struct One<'a> {
    name: &'a str,
    budget: &'a At<BudgetFile>,
    file: &'a ConfigFile,
    problems: &'a mut Vec<Problem>,
}

impl One<'_> {
    fn limit(&mut self) -> Option<Limit> {
        let file = &self.budget.value;
        self.missing();
        if let Some(limit) = file.limit.as_ref().filter(|limit| limit.value.0.0 == 0) {
            let what = format!(
                "budget `{}` allows nothing: its `limit` is 0 USD",
                self.name
            );
            let mend = "give an amount; a key that may not call is left out";
            self.problems.push(Problem::at(limit.place, what, mend));
        }
        if let Some(on) = &file.on {
            self.scope(on.place, &on.value.0);
        }
        let hard = file.hard.unwrap_or(true);
        self.useless(hard);
        let time_zone = self.time_zone();
        let alert_at_percent = self.alerts();
        let scope = file
            .on
            .as_ref()
            .map_or(Scope::Everything, |on| on.value.0.clone());
        self.each(&scope);
        Some(Limit {
            name: self.name.into(),
            scope,
            each: file.each.as_ref().map(|each| each.value.0.clone()),
            resource: Resource::Money,
            amount: file.limit.as_ref()?.value.0.0,
            period: file.per.as_ref()?.value.0,
            time_zone,
            hard,
            mode: file
                .mode
                .as_ref()
                .map_or(Mode::default(), |mode| mode.value.0),
            when_unbounded: file
                .when_unbounded
                .as_ref()
                .map(|when| when.value.0)
                .unwrap_or_default(),
            alert_at_percent,
        })
    }

    fn missing(&mut self) {
        let file = &self.budget.value;
        let needed = [
            (file.limit.is_none(), "limit", "`limit: 500 USD`"),
            (file.per.is_none(), "per", "`per: month`"),
        ];
        for (missing, key, example) in needed {
            if missing && self.budget.whole {
                let what = format!("budget `{}` has no `{key}`", self.name);
                let mend = format!("add {example}");
                self.problems
                    .push(Problem::at(self.budget.place, what, mend));
            }
        }
    }

    /// Whether what the budget is on is there.
    fn scope(&mut self, place: crate::config::problem::Place, scope: &Scope) {
        let file = self.file;
        let aliased = |name: &str| file.models.get(name)?.value.alias.as_ref();
        let (name, collection, names): (_, _, Vec<&String>) = match scope {
            Scope::Everything | Scope::Tag { .. } => return,
            Scope::Organisation(name) => {
                (name, "organisations", file.organisations.keys().collect())
            }
            Scope::Team(name) => (name, "teams", file.teams.keys().collect()),
            Scope::Key(name) => (name, "keys", file.keys.keys().collect()),
            Scope::User(name) => (name, "users", file.users.keys().collect()),
            Scope::Provider(name) => (name, "providers", file.providers.keys().collect()),
            Scope::Model(name) => (name, "models", file.models.keys().collect()),
        };
        let written = self.budget.value.on.as_ref().is_some_and(|on| on.written);
        let shown = if written {
            format!("`{name}`")
        } else {
            "something".to_owned()
        };
        if !names.iter().any(|known| known.as_str() == &**name) {
            let mend = match nearest(name, names.iter().map(|known| known.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add it under `{collection}`"),
            };
            let what = format!(
                "budget `{}` is on {shown}, which is not in `{collection}`",
                self.name
            );
            self.problems.push(Problem::at(place, what, mend));
        } else if let Scope::Model(name) = scope
            && let Some(alias) = aliased(name)
        {
            let what = format!(
                "budget `{}` is on {shown}, which is only an alias",
                self.name
            );
            let mend = format!("name the model itself: `model:{}`", alias.value);
            self.problems.push(Problem::at(place, what, mend));
        }
    }

    /// Settings that would do nothing beside the others.
    fn useless(&mut self, hard: bool) {
        let file = &self.budget.value;
        let each_run = file
            .each
            .as_ref()
            .is_some_and(|each| each.value.0 == Each::Run);
        if let Some(per) = file.per.as_ref().filter(|per| per.value.0 == Period::Run)
            && !each_run
        {
            let what = format!("budget `{}` is `per: run` without `each: run`", self.name);
            let mend = "add `each: run`, or choose a window of the calendar";
            self.problems.push(Problem::at(per.place, what, mend));
        }
        let period = file.per.as_ref().map(|per| per.value.0);
        if let (Some(zone), Some(period @ (Period::Minute | Period::Total | Period::Run))) =
            (&file.time_zone, period)
        {
            let what = format!("`time_zone` does nothing with `per: {period}`");
            self.problems
                .push(Problem::at(zone.place, what, "leave it out"));
        }
        if hard {
            return;
        }
        let places = [
            ("mode", file.mode.as_ref().map(|mode| mode.place)),
            (
                "when_unbounded",
                file.when_unbounded.as_ref().map(|when| when.place),
            ),
        ];
        for (key, place) in places {
            if let Some(place) = place {
                let what = format!("`{key}` does nothing with `hard: false`, which never refuses");
                self.problems
                    .push(Problem::at(place, what, "keep one of them"));
            }
        }
    }

    fn each(&mut self, scope: &Scope) {
        let Some(each) = &self.budget.value.each else {
            return;
        };
        let one_only = match (&each.value.0, scope) {
            (Each::Key, Scope::Key(_)) | (Each::User, Scope::User(_)) => true,
            (Each::Tag(each), Scope::Tag { name, .. }) => each == name,
            (Each::Key | Each::User | Each::Tag(_) | Each::Run, _) => false,
        };
        if one_only {
            let what = format!(
                "`each: {}` does nothing: `on: {scope}` is one of them",
                each.value.0
            );
            self.problems
                .push(Problem::at(each.place, what, "keep one of them"));
        }
    }

    fn time_zone(&mut self) -> TimeZone {
        let Some(written) = &self.budget.value.time_zone else {
            return TimeZone::UTC;
        };
        if let Ok(zone) = TimeZone::get(&written.value) {
            return zone;
        }
        let known: Vec<String> = jiff::tz::db()
            .available()
            .map(|zone| zone.to_string())
            .collect();
        let near = near_zone(&written.value, &known);
        let mend = near.map_or_else(
            || "use a name of the IANA database, such as `Europe/Paris`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let what = format!("{} is no time zone", written.shown());
        self.problems.push(Problem::at(written.place, what, mend));
        TimeZone::UTC
    }

    fn alerts(&mut self) -> Vec<u8> {
        let mut steps: Vec<u8> = Vec::new();
        for step in self.budget.value.alert_at.iter().flatten() {
            let Percent { basis_points } = step.value;
            let whole = u8::try_from(basis_points / 100).unwrap_or(u8::MAX);
            let wrong = if basis_points % 100 != 0 || !(1..=100).contains(&whole) {
                Some((
                    "is not a whole per cent from 1 to 100",
                    "write one such as `80%`",
                ))
            } else if steps.last().is_some_and(|before| *before >= whole) {
                Some((
                    "comes too late",
                    "list them from the smallest to the largest",
                ))
            } else {
                None
            };
            match wrong {
                Some((wrong, mend)) => {
                    let what = format!("a step of `alert_at` {wrong}");
                    self.problems.push(Problem::at(step.place, what, mend));
                }
                None => steps.push(whole),
            }
        }
        steps
    }
}

/// A zone of nearly that name, or one whose city it is.
fn near_zone<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let city = |zone: &str| {
        zone.rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let named = known
        .iter()
        .find(|zone| !wanted.is_empty() && city(zone) == city(&wanted));
    named
        .map(String::as_str)
        .or_else(|| nearest(name, known.iter().map(String::as_str)))
}

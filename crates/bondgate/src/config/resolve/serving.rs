//! Policy as it is written, laid over what holds otherwise.
//!
//! A setting that would do nothing where it stands, or that another one makes useless, is a problem.

use dialect::loss::Fidelity;
use policy::health::BreakerRules;
use policy::model::{Balance, Model, Recovery, Retry, Sticky, Timeouts, ToolCalls};
use policy::retries::RetryRules;

use crate::config::file::{
    BalanceFile, BreakerFile, ConfigFile, FidelityFile, Policy, RecoveryFile, RetryFile,
    StickyFile, TimeoutsFile, ToolCallsFile,
};
use crate::config::problem::{Place, Problem};
use crate::config::units::{Percent, Period};
use crate::config::values::At;

/// Lays policy as written over what holds otherwise.
pub(super) fn lay_over(model: &mut Model, policy: Policy<'_>, problems: &mut Vec<Problem>) {
    if let Some(balance) = policy.balance {
        model.balance = match balance {
            BalanceFile::Ordered => Balance::Ordered,
            BalanceFile::Weighted => Balance::Weighted,
            BalanceFile::LeastLatency => Balance::LeastLatency,
            BalanceFile::LeastBusy => Balance::LeastBusy,
            BalanceFile::Cheapest => Balance::Cheapest,
        };
    }
    if let Some(sticky) = policy.sticky {
        model.sticky = Some(match sticky.value {
            StickyFile::Key => Sticky::Key,
            StickyFile::User => Sticky::User,
        });
    }
    if let Some(breaker) = policy.breaker {
        model.breaker = lay_breaker(model.breaker, breaker, problems);
    }
    if let Some(recovery) = policy.recovery {
        model.recovery = match recovery {
            RecoveryFile::Off => Recovery::Off,
            RecoveryFile::Restart => Recovery::Restart,
        };
    }
    if let Some(fidelity) = policy.fidelity {
        model.fidelity = match fidelity {
            FidelityFile::Strict => Fidelity::Strict,
            FidelityFile::Report => Fidelity::Report,
            FidelityFile::Permit => Fidelity::Permit,
        };
    }
    if let Some(tool_calls) = policy.tool_calls {
        model.tool_calls = match tool_calls {
            ToolCallsFile::Live => ToolCalls::Live,
            ToolCallsFile::Whole => ToolCalls::Whole,
        };
    }
    if let Some(timeouts) = policy.timeouts {
        model.timeouts = lay_timeouts(model.timeouts, timeouts, problems);
    }
    if let Some(retry) = policy.retry {
        model.retry = lay_retry(model.retry, retry, problems);
    }
}

fn lay_timeouts(
    base: Timeouts,
    written: &At<TimeoutsFile>,
    problems: &mut Vec<Problem>,
) -> Timeouts {
    let file = &written.value;
    let or = |own: &Option<At<Period>>, base| own.as_ref().map_or(base, |own| own.value.0);
    let timeouts = Timeouts {
        connect: or(&file.connect, base.connect),
        first_token: or(&file.first_token, base.first_token),
        idle: or(&file.idle, base.idle),
        total: or(&file.total, base.total),
    };
    let all = [
        ("connect", &file.connect),
        ("first_token", &file.first_token),
        ("idle", &file.idle),
        ("total", &file.total),
    ];
    for (name, own) in all {
        let Some(own) = own else {
            continue;
        };
        if own.value.0.is_zero() {
            let what = format!("a timeout of zero: `{name}` would end every call");
            let mend = "give a length, or leave it out";
            problems.push(Problem::at(own.place, what, mend));
        } else if own.value.0 > timeouts.total {
            // A short total alone cuts the others short, as it is meant to.
            let what = format!("`{name}` is longer than `total`, which ends the call before");
            let mend = format!("lower `{name}` or raise `total`");
            problems.push(Problem::at(own.place, what, mend));
        }
    }
    timeouts
}

fn lay_retry(base: Retry, written: &At<RetryFile>, problems: &mut Vec<Problem>) -> Retry {
    let file = &written.value;
    let backoff = file.backoff.as_ref().map(|backoff| &backoff.value);
    let initial = backoff.and_then(|backoff| backoff.initial.as_ref());
    let max = backoff.and_then(|backoff| backoff.max);
    let same_target = file.same_target.as_ref();
    let retry = Retry {
        same_target: same_target.map_or(base.same_target, |own| own.value),
        max_attempts: file.max_attempts.unwrap_or(base.max_attempts),
        backoff_initial: initial.map_or(base.backoff_initial, |own| own.value.0),
        backoff_max: max.map_or(base.backoff_max, |period| period.0),
    };
    if retry.backoff_initial > retry.backoff_max {
        let place = initial.map(|own| own.place);
        let place = place.or(file.backoff.as_ref().map(|backoff| backoff.place));
        let what = "`backoff.initial` is longer than `backoff.max`";
        let mend = "lower the one or raise the other";
        problems.push(Problem::at(place.unwrap_or(written.place), what, mend));
    }
    if let Some(own) = same_target.filter(|own| own.value > 0 && own.value >= retry.max_attempts) {
        let what = "`same_target` takes every attempt that `max_attempts` allows";
        let mend = "raise `max_attempts` above `same_target`";
        problems.push(Problem::at(own.place, what, mend));
    }
    retry
}

fn lay_breaker(
    base: BreakerRules,
    written: &At<BreakerFile>,
    problems: &mut Vec<Problem>,
) -> BreakerRules {
    let file = &written.value;
    let or = |own: &Option<At<Period>>, base| own.as_ref().map_or(base, |own| own.value.0);
    let rules = BreakerRules {
        failures: file.failures.unwrap_or(base.failures),
        ratio_percent: match &file.ratio {
            Some(ratio) => whole_percent(ratio, "ratio", problems).unwrap_or(base.ratio_percent),
            None => base.ratio_percent,
        },
        minimum: file.minimum.unwrap_or(base.minimum),
        window: or(&file.window, base.window),
        open: or(&file.open, base.open),
        open_max: or(&file.open_max, base.open_max),
    };
    for (name, own) in [
        ("window", &file.window),
        ("open", &file.open),
        ("open_max", &file.open_max),
    ] {
        if let Some(own) = own.as_ref().filter(|own| own.value.0.is_zero()) {
            let what = format!("`{name}` of a breaker is zero: it would do nothing");
            let mend = "give a length, or leave it out";
            problems.push(Problem::at(own.place, what, mend));
        }
    }
    if rules.open > rules.open_max {
        let place = file.open.as_ref().or(file.open_max.as_ref());
        let place = place.map_or(written.place, |own| own.place);
        let what = "`breaker.open` is longer than `breaker.open_max`";
        let mend = "lower the one or raise the other";
        problems.push(Problem::at(place, what, mend));
    }
    rules
}

/// A share in whole per cent, from 1 to 100.
fn whole_percent(written: &At<Percent>, name: &str, problems: &mut Vec<Problem>) -> Option<u8> {
    let points = written.value.basis_points;
    let whole = u8::try_from(points / 100).ok();
    let whole = whole.filter(|whole| points.is_multiple_of(100) && (1..=100).contains(whole));
    if whole.is_none() {
        let what = format!("`{name}` is not a whole per cent from 1 to 100");
        problems.push(Problem::at(written.place, what, "write one such as `50%`"));
    }
    whole
}

/// The budget of retries, which is one for the house.
pub fn retries(file: &ConfigFile, problems: &mut Vec<Problem>) -> RetryRules {
    let budget = |policy: Policy<'_>| -> Option<Place> {
        let budget = policy.retry?.value.budget.as_ref()?;
        Some(budget.place)
    };
    for (name, model) in &file.models {
        if let Some(place) = budget(model.value.policy()) {
            let what =
                format!("model `{name}` has a budget of retries, which is one for the house");
            let mend = "move it to `defaults: { retry: { budget: … } }`";
            problems.push(Problem::at(place, what, mend));
        }
    }
    let mut rules = RetryRules::default();
    let defaults = file.defaults.as_ref();
    let retry = defaults.and_then(|defaults| defaults.value.retry.as_ref());
    let Some(own) = retry.and_then(|retry| retry.value.budget.as_ref()) else {
        return rules;
    };
    rules.floor = own.value.per_second.unwrap_or(rules.floor);
    if let Some(ratio) = &own.value.ratio {
        let whole = whole_percent(ratio, "ratio", problems);
        rules.ratio_percent = whole.unwrap_or(rules.ratio_percent);
    }
    rules
}

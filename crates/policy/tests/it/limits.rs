//! Limits and callers for tests.

use std::sync::Arc;

use jiff::tz::TimeZone;
use policy::accounts::Ask;
use policy::caller::Attribution;
use policy::limit::{Limit, Mode, Period, Resource, Scope, WhenUnbounded};

/// A hard limit on everything.
pub(crate) fn limit(name: &str, resource: Resource, amount: i64, period: Period) -> Limit {
    Limit {
        name: name.into(),
        scope: Scope::Everything,
        each: None,
        resource,
        amount,
        period,
        time_zone: TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: WhenUnbounded::Clamp,
        alert_at_percent: Vec::new(),
    }
}

/// A caller with every kind of name, numbered.
pub(crate) fn caller(n: usize) -> Attribution {
    let name = |what: &str| -> Arc<str> { format!("{what}{n}").into() };
    Attribution {
        key: name("key"),
        team: Some(name("team")),
        organisation: Some(name("organisation")),
        user: Some(name("user")),
        run: Some(name("run")),
        tags: vec![("app".into(), name("app"))],
    }
}

/// What a caller asks of the model `fast`, which `openai` and `anthropic` serve.
pub(crate) fn ask<'a>(who: &'a Attribution, at_ms: i64, amounts: &'a [(Resource, i64)]) -> Ask<'a> {
    Ask {
        who,
        model: "fast",
        providers: &["openai", "anthropic"],
        at_ms,
        amounts,
    }
}

//! Errors of the layers below, as failures that a client can be told.

use std::time::Duration;

use dialect::Dialect;
use dialect::json::{Invalid, Json, Writer};
use dialect::loss::Loss;
use dialect::task::Task;
use http::HeaderMap;
use http::header::UPGRADE;
use jiff::Timestamp;
use policy::accounts::{Refusal, RefusalKind};
use policy::failure::{Code, Failure};
use policy::fit::{self, Unfit};
use policy::limit::Resource;
use policy::model::{Model, Target};
use policy::money::Nanos;
use store::journal::StorageError;

use crate::respond::loss_list;

/// A body that is not what the dialect says.
#[must_use]
pub(crate) fn invalid(invalid: &Invalid) -> Failure {
    let failure = Failure::new(
        Code::InvalidRequest,
        format!("the request is invalid: {invalid}"),
    );
    if invalid.path.is_empty() {
        failure
    } else {
        failure.at(invalid.path.clone())
    }
}

/// A request that names no model, neither in its body nor in its path.
#[must_use]
pub(crate) fn no_model_named() -> Failure {
    invalid(&Invalid::new("field required").under("model"))
}

/// A request that must not be read further. Clients that would rather have a WebSocket are told so that
/// they go on without one.
#[must_use]
pub(crate) fn form(headers: &HeaderMap, why: &str) -> Failure {
    let mut offered = headers.get_all(UPGRADE).iter();
    if offered.any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        let why = "WebSockets are not offered here: send the request by POST";
        return Failure::new(Code::UpgradeRefused, why);
    }
    Failure::new(
        Code::InvalidRequest,
        format!("the request is malformed: {why}"),
    )
}

/// A name that is no model the caller may use, with those that are near it.
#[must_use]
pub(crate) fn no_model(name: &str, near: &[String]) -> Failure {
    let hint = match near {
        [] => String::new(),
        names => format!("; near it: {}", names.join(", ")),
    };
    let mut list = Writer::default();
    list.array(|out| {
        near.iter().for_each(|name| {
            out.string(name);
        })
    });
    let failure = Failure::new(
        Code::ModelNotFound,
        format!("there is no model {}{hint}", quote(name)),
    )
    .at("model");
    match Json::parse(&String::from_utf8_lossy(&list.into_bytes())) {
        Ok(list) => failure.with("near", list),
        Err(_) => failure,
    }
}

/// Losses that the fidelity does not allow; `what` says what cannot carry what.
#[must_use]
pub(crate) fn cannot_translate(what: &str, refused: &[&Loss]) -> Failure {
    let owned: Vec<Loss> = refused.iter().map(|loss| (*loss).clone()).collect();
    let mut fields = Writer::default();
    fields.array(|out| {
        for loss in &owned {
            out.object(|out| {
                out.key("path").string(&loss.path);
                out.key("kind").string(loss.kind.name());
                out.key("why").string(&loss.why);
            });
        }
    });
    let message = format!(
        "{what}: {} (x-bondgate-fidelity: permit goes without)",
        loss_list(&owned)
    );
    let failure = Failure::new(Code::CannotTranslate, message).at(owned
        .first()
        .map(|loss| loss.path.clone())
        .unwrap_or_default());
    match Json::parse(&String::from_utf8_lossy(&fields.into_bytes())) {
        Ok(list) => failure.with("fields", list),
        Err(_) => failure,
    }
}

/// A request that needs what each target of its model is known to lack. Asking again cannot help.
#[must_use]
pub(crate) fn unfit(model: &str, unfit: &[Unfit]) -> Failure {
    let mut fields = Writer::default();
    fields.array(|out| {
        for one in unfit {
            out.object(|out| {
                out.key("target").string(one.target.name());
                out.key("why").string(&one.lacks.told());
            });
        }
    });
    let message = format!(
        "no target of the model {} can serve this request: {} (`profile` on a target overrides what is known of it)",
        quote(model),
        fit::told(unfit)
    );
    let failure = Failure::new(Code::CannotTranslate, message);
    match Json::parse(&String::from_utf8_lossy(&fields.into_bytes())) {
        Ok(list) => failure.with("unfit", list),
        Err(_) => failure,
    }
}

/// A model none of whose targets does what is asked for, each with why.
#[must_use]
pub(crate) fn no_target_does(model: &Model, task: Task, client: Dialect) -> Failure {
    let targets = model.targets.iter().chain(&model.fallback.failure);
    let why = targets.map(|target| format!("{} {}", target.name(), lacks(target, client)));
    let why: Vec<String> = why.collect();
    let message = format!(
        "no target of the model {} does what is asked for, `{}`: {}",
        quote(&model.name),
        task.name(),
        why.join("; ")
    );
    Failure::new(Code::NoTarget, message).at("model")
}

/// Why a target does not do that.
fn lacks(target: &Target, client: Dialect) -> String {
    let provider = &target.provider;
    let name = provider.dialect.name();
    if provider.dialect.shares_tasks(client) {
        format!("speaks {name}, and its provider has no such operation")
    } else {
        format!("speaks {name}, into which this is not translated")
    }
}

/// A request for vectors that only its own maker can read.
#[must_use]
pub(crate) fn cannot_cross(target: &Target, invalid: &Invalid) -> Failure {
    let message = format!("{} cannot carry this request: {invalid}", target.name());
    Failure::new(Code::CannotTranslate, message).at(invalid.path.clone())
}

/// What must be on record cannot be.
#[must_use]
pub(crate) fn unrecorded(error: &StorageError) -> Failure {
    let failure = Failure::new(Code::StorageUnavailable, error.to_string());
    failure.retry_after(Duration::from_secs(1))
}

/// How soon a request that only others' holds stand in the way of may be sent again.
const HELD_WAITS: Duration = Duration::from_secs(1);

/// How soon a limit that counts as many values as it can may have let one go.
const BUCKETS_WAIT: Duration = Duration::from_secs(60);

/// A limit that has no room.
#[must_use]
pub(crate) fn limit(refusal: &Refusal, now_ms: i64) -> Failure {
    let money = refusal.limit.resource == Resource::Money;
    let code = match refusal.kind {
        RefusalKind::NeverFits => Code::LimitTooSmall,
        RefusalKind::Settled | RefusalKind::Held if money => Code::BudgetExceeded,
        RefusalKind::Settled | RefusalKind::Held | RefusalKind::TooManyBuckets => Code::RateLimited,
    };
    let after = match refusal.kind {
        RefusalKind::NeverFits => None,
        RefusalKind::Held => Some(HELD_WAITS),
        RefusalKind::TooManyBuckets => Some(BUCKETS_WAIT),
        // A budget that is spent is worth no retry that an SDK would wait for.
        RefusalKind::Settled if money => None,
        RefusalKind::Settled => refusal.resets_ms.map(|resets| {
            Duration::from_millis(u64::try_from(resets.saturating_sub(now_ms)).unwrap_or(0))
        }),
    };
    let what = if money { "budget" } else { "limit" };
    let resets = refusal
        .resets_ms
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let until = match (refusal.kind, resets) {
        (RefusalKind::Settled, Some(at)) => format!("; it resets at {at}"),
        (RefusalKind::Held, _) => {
            "; requests under way hold the rest, so a retry may find room".to_owned()
        }
        (RefusalKind::NeverFits, _) => "; it could never fit".to_owned(),
        (RefusalKind::Settled | RefusalKind::TooManyBuckets, _) => String::new(),
    };
    let message = format!("no room in the {what}: {refusal}{until}");
    let mut failure = Failure::new(code, message)
        .with(what, Json::string(&refusal.limit.name))
        .with("account", Json::string(&refusal.limit.scope.to_string()))
        .with("resource", Json::string(refusal.limit.resource.name()));
    for (name, amount) in [
        ("limit", refusal.limit.amount),
        ("spent", refusal.settled),
        ("held", refusal.held),
        ("asked", refusal.asked),
    ] {
        // The limit's own name stands under `limit` already where it is no budget.
        let name = if name == "limit" && !money {
            "amount"
        } else {
            name
        };
        failure = failure.with(name, amount_json(amount, money));
    }
    if let Some(at) = resets {
        failure = failure.with("resets_at", Json::string(&at.to_string()));
    }
    match after {
        Some(after) => failure.retry_after(after),
        None => failure,
    }
}

/// US dollars as a decimal string, anything else as a number.
fn amount_json(amount: i64, money: bool) -> Json {
    if money {
        return Json::string(&Nanos(amount).to_string());
    }
    Json::parse(&amount.to_string()).unwrap_or_else(|_| Json::string(""))
}

/// A name as it may stand in a sentence: bounded, without control characters.
#[must_use]
pub(crate) fn quote(name: &str) -> String {
    let plain: String = name
        .chars()
        .take(120)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("`{plain}`")
}

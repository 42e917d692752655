//! Errors of the layers below, as failures that a client can be told.

use dialect::json::{Invalid, Json, Writer};
use dialect::loss::Loss;
use policy::failure::{Code, Failure};

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

/// A request that must not be read further.
#[must_use]
pub(crate) fn malformed(why: &str) -> Failure {
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

//! What the client is told when nothing is left to try.

use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::Model;

use crate::answer::Failed;
use crate::exchange::{Attempt, Exchange};

/// Why there is no answer.
#[derive(Default)]
pub(crate) struct Ends {
    /// The last attempt.
    pub last: Option<Failed>,
    /// The first target that could not be tried at all.
    pub unusable: Option<Failure>,
    /// What a further attempt may cost, for which there is no room.
    pub unheld: Option<Failure>,
}

/// The failure that the client is told when nothing is left to try.
#[must_use]
pub(crate) fn conclude(ends: Ends, exchange: &Exchange, model: &Model) -> Failure {
    let Some(failed) = ends.last else {
        return ends.unusable.unwrap_or_else(|| {
            Failure::new(
                Code::NoTarget,
                format!("the model {} has no target that can be used", model.name),
            )
        });
    };
    let Failed {
        kind,
        at_target: _,
        why: _,
        said,
        retry_after,
        timed_out,
        ours: _,
    } = failed;
    let why = exchange.attempts.last().map_or("", Attempt::told);
    let about_the_request = matches!(
        kind,
        at_target: _,
        AttemptFailure::BadRequest | AttemptFailure::ContextWindow | AttemptFailure::ContentPolicy
    );
    let mut failure = match (&said, timed_out) {
        (_, Some(_)) => Failure::new(
            Code::Timeout,
            format!(
                "{why} (attempt {} on {})",
                exchange.attempts.len(),
                tried(exchange)
            ),
        ),
        (Some(said), None) if about_the_request => {
            let message = Some(&said.error.message).filter(|message| !message.is_empty());
            let message = message
                .cloned()
                .unwrap_or_else(|| format!("the provider refused: {why}"));
            Failure::new(Code::ProviderRejected, message)
        }
        (_, None) => Failure::new(
            Code::ProviderFailed,
            format!(
                "no target gave an answer; the last, {}: {why}",
                tried(exchange)
            ),
        ),
    };
    failure.retry_after = retry_after;
    failure.provider = said;
    if let Some(unheld) = ends.unheld {
        let also = format!("; another try cannot be paid for: {}", unheld.message);
        failure.message.push_str(&also);
    }
    failure.with("failures", crate::respond::attempts(exchange))
}

fn tried(exchange: &Exchange) -> &str {
    exchange.target().map_or("", |target| target.name())
}

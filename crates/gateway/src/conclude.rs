//! What the client is told when no attempt gave an answer.

use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::Model;
use policy::plan::Excluded;

use crate::answer::Failed;
use crate::choice::{Choice, out_of_use};
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
    /// Whether a further try was refused by the budget of retries.
    pub unbudgeted: bool,
    /// Targets that went out of use since the plan was made, and those that were before.
    pub excluded: Vec<Excluded>,
}

/// Why a target is not tried.
pub(crate) enum NotReady {
    /// The request or its credentials do not fit it.
    Unusable(Box<Failure>),
    /// It is out of use by now.
    OutOfUse(Excluded),
    /// The budget of retries is used up.
    Unbudgeted,
}

impl Ends {
    /// Nothing was tried yet; those targets were out of use when the plan was made.
    pub(crate) fn new(excluded: &[Excluded]) -> Self {
        Self {
            excluded: excluded.to_vec(),
            ..Self::default()
        }
    }

    /// A target is not tried.
    pub(crate) fn add(&mut self, why: NotReady) {
        match why {
            NotReady::Unusable(failure) => {
                self.unusable.get_or_insert(*failure);
            }
            NotReady::OutOfUse(excluded) => self.excluded.push(excluded),
            NotReady::Unbudgeted => self.unbudgeted = true,
        }
    }
}

/// The failure that the client is told when nothing is left to try.
pub(crate) fn conclude(ends: Ends, exchange: &Exchange, model: &Model, choice: &Choice) -> Failure {
    let Some(failed) = ends.last else {
        if !ends.excluded.is_empty() && ends.unusable.is_none() {
            return out_of_use(model, &ends.excluded, choice.now());
        }
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
        vague: _,
        why: _,
        said,
        retry_after,
        timed_out,
        ours: _,
    } = failed;
    let why = exchange.attempts.last().map_or("", Attempt::told);
    let about_the_request = matches!(
        kind,
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
    if ends.unbudgeted {
        failure
            .message
            .push_str("; the budget of retries is used up, so it was not tried again");
    }
    failure.with("failures", crate::respond::attempts(exchange))
}

fn tried(exchange: &Exchange) -> &str {
    exchange.target().map_or("", |target| target.name())
}

//! Everything known of one request, from socket to settlement.
//!
//! An exchange is opened once and settled once: when its answer is whole, when
//! it fails, or when it is dropped because the client went. Settling is the only
//! place that writes of a request to journal and log.

use std::sync::Arc;
use std::time::Duration;

use dialect::chat::Usage;
use dialect::json::Writer;
use dialect::loss::Loss;
use http_body_util::BodyExt;
use policy::caller::VirtualKey;
use policy::failure::{AttemptFailure, Code};
use policy::model::{Model, Target};
use policy::reservation::{Reservation, State};
use store::journal::Settled;
use tokio::time::{Instant, timeout};

use crate::respond::loss_list;
use crate::tasks::Tasks;
use crate::upstream::{BodyEnd, UpstreamBody};
use crate::{Gateway, Shared};

/// One request and what became of it.
pub(crate) struct Exchange {
    /// Its id, a ULID.
    pub id: Arc<str>,
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it began.
    pub opened: Instant,
    /// The key that called.
    pub key: Option<Arc<VirtualKey>>,
    /// The model that was asked for.
    pub model: Option<Arc<Model>>,
    /// Every try.
    pub attempts: Vec<Attempt>,
    /// What the translation to and from the provider lost.
    pub losses: Vec<Loss>,
    /// What the try at hand used.
    pub used: Used,
    /// What is held for it.
    pub reservation: Option<Reservation>,
    /// Time spent waiting for providers.
    pub waited: Duration,
    /// Time that the try at hand spent on an answer once it had come.
    pub worked: Duration,
    outcome: Option<Outcome>,
    settled: bool,
    shared: Arc<Shared>,
    tasks: Tasks,
}

/// One try at one target.
pub(crate) struct Attempt {
    /// The target.
    pub target: Arc<Target>,
    /// How it failed, or `None` for the one that answered.
    pub failure: Option<AttemptFailure>,
    /// Why it failed, for records; clients are told [`Attempt::told`].
    pub why: String,
    /// The provider's status, where it gave one.
    pub status: Option<u16>,
    /// How long it took until it failed or began to answer.
    pub took: Duration,
    /// What it used, where it failed.
    pub used: Used,
}

impl Attempt {
    /// A try that begins.
    #[must_use]
    pub(crate) fn new(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            failure: None,
            why: String::new(),
            status: None,
            took: Duration::ZERO,
            used: Used::default(),
        }
    }

    /// Why it failed, in a clause that a client may read. What a provider says of a credential
    /// concerns the operator alone, and may repeat parts of it.
    #[must_use]
    pub(crate) fn told(&self) -> &str {
        if self.failure == Some(AttemptFailure::Credential) {
            "it does not take the gateway's credential"
        } else {
            &self.why
        }
    }
}

/// What a try used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// What the provider says.
    pub usage: Option<Usage>,
    /// Bytes of text, reasoning and arguments that went by, for an estimate where usage is missing; of
    /// an answer that is too large to be read, all of its bytes.
    pub output_bytes: u64,
}

impl Used {
    fn output_tokens(&self) -> u64 {
        let seen = self.output_bytes.div_ceil(4);
        self.usage.as_ref().map_or(seen, Usage::total_output)
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a whole answer.
    Answered,
    /// With an error instead of an answer.
    Refused(Code),
    /// With an answer that broke after its beginning had gone out.
    Broken(Code),
    /// The client went first.
    ClientGone,
}

impl Outcome {
    /// The word in records.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Refused(code) => code.name(),
            Outcome::Broken(_) => "broken",
            Outcome::ClientGone => "client_gone",
        }
    }
}

impl Exchange {
    /// Opens the record of a request.
    #[must_use]
    pub(crate) fn open(gateway: &Gateway) -> Box<Self> {
        let shared = Arc::clone(&gateway.shared);
        let at_ms = shared.now_ms();
        let ulid =
            ulid::Ulid::from_parts(u64::try_from(at_ms).unwrap_or_default(), fastrand::u128(..));
        let mut buffer = [0; ulid::ULID_LEN];
        Box::new(Self {
            id: Arc::from(&*ulid.array_to_str(&mut buffer)),
            at_ms,
            opened: Instant::now(),
            key: None,
            model: None,
            attempts: Vec::with_capacity(1),
            losses: Vec::new(),
            used: Used::default(),
            reservation: None,
            waited: Duration::ZERO,
            worked: Duration::ZERO,
            outcome: None,
            settled: false,
            shared,
            tasks: gateway.tasks.clone(),
        })
    }

    /// Says how it ended; the first word stands.
    pub(crate) fn conclude(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }

    /// Number of attempts, as clients are told.
    #[must_use]
    pub(crate) fn attempt_count(&self) -> u32 {
        u32::try_from(self.attempts.len()).unwrap_or(u32::MAX)
    }

    /// The target that answered, or the last that was tried.
    #[must_use]
    pub(crate) fn target(&self) -> Option<&Arc<Target>> {
        self.attempts.last().map(|attempt| &attempt.target)
    }

    /// What the gateway did, as a JSON object for clients that asked.
    #[must_use]
    pub(crate) fn details(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("request_id").string(&self.id);
            if let Some(model) = &self.model {
                out.key("model").string(&model.name);
            }
            if let Some(target) = self.target() {
                out.key("target").string(&target.name());
            }
            out.key("attempts").number(self.attempt_count());
            if let Some(usage) = &self.used.usage {
                out.key("tokens").object(|out| {
                    out.key("in").number(usage.total_input());
                    out.key("cached").number(usage.cache_read);
                    out.key("out").number(usage.total_output());
                });
            }
            if !self.losses.is_empty() {
                out.key("loss").string(&loss_list(&self.losses));
            }
        });
        out.into_bytes()
    }

    /// Reads the end of a body whose meaning is complete, so that its connection
    /// can serve again; gives up after a second.
    pub(crate) fn finish_reading(&self, mut body: UpstreamBody) {
        if body.end() != BodyEnd::Open {
            return;
        }
        self.tasks.spawn(async move {
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = timeout(Duration::from_secs(1), rest).await;
        });
    }

    /// Settles it, once: what was dispatched is charged, what was not is released.
    pub(crate) fn settle(&mut self) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let outcome = *self.outcome.get_or_insert(Outcome::ClientGone);
        let charged = self
            .reservation
            .as_mut()
            .is_some_and(|held| match held.state() {
                State::Reserved => {
                    held.release();
                    false
                }
                State::Dispatched => held.settle(),
                State::Settled | State::Released => false,
            });
        if charged {
            self.shared.journal.settled(&self.record(outcome));
        }
        self.log(outcome);
    }

    /// What all tries together used; those that broke may be billed too.
    fn record(&self, outcome: Outcome) -> Settled {
        let tries = || {
            let failed = self.attempts.iter().map(|attempt| &attempt.used);
            failed.chain(std::iter::once(&self.used))
        };
        let said = || tries().filter_map(|used| used.usage.as_ref());
        let guessed = self.attempts.iter().filter_map(|attempt| attempt.failure);
        Settled {
            id: Arc::clone(&self.id),
            input_tokens: said().map(Usage::total_input).fold(0, u64::saturating_add),
            cached_tokens: said().map(|u| u.cache_read).fold(0, u64::saturating_add),
            output_tokens: tries()
                .map(Used::output_tokens)
                .fold(0, u64::saturating_add),
            complete: outcome == Outcome::Answered
                && self.used.usage.is_some()
                && !guessed.into_iter().any(AttemptFailure::may_be_billed),
            outcome: outcome.name(),
        }
    }

    fn log(&self, outcome: Outcome) {
        tracing::debug!(
            target: "exchange",
            id = %self.id,
            key = self.key.as_ref().map(|key| &*key.name),
            model = self.model.as_ref().map(|model| model.name.as_str()),
            target = self.target().map(|target| target.name()),
            attempts = self.attempts.len(),
            outcome = outcome.name(),
            failures = ?self.attempts.iter().filter_map(|attempt| attempt.failure.map(|kind| (kind.name(), &attempt.why))).collect::<Vec<_>>(),
            took_us = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX),
        );
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.settle();
    }
}

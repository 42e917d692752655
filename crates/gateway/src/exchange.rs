//! Everything known of one request, from socket to settlement.
//!
//! An exchange is opened once and settled once: when its answer is whole, when
//! it fails, or when it is dropped because the client went. Settling is the only
//! place that writes of a request to accounts, journal, figures and log.

use std::sync::Arc;
use std::time::Duration;

use dialect::Dialect;
use dialect::chat::Usage;
use dialect::json::Writer;
use dialect::loss::Loss;
use http_body_util::BodyExt;
use policy::accounts::Accounts;
use policy::caller::Attribution;
use policy::failure::{AttemptFailure, Code};
use policy::model::{Model, Target};
use policy::snapshot::Snapshot;
use store::journal::{Receipt, Recorder};
use store::record::State;
use tokio::time::{Instant, timeout};
use ulid::Ulid;

use crate::bill::Bill;
use crate::notice::Notice;
use crate::respond::loss_list;
use crate::spend::{Resolved, Spend};
use crate::tasks::Tasks;
use crate::upstream::{BodyEnd, UpstreamBody};
use crate::{Gateway, Shared};

mod record;

/// One request and what became of it.
pub(crate) struct Exchange {
    /// Its id, a ULID.
    pub id: Arc<str>,
    /// The same as a number.
    pub ulid: Ulid,
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it began.
    pub opened: Instant,
    /// The configuration that it runs under.
    pub snapshot: Arc<Snapshot>,
    /// The dialect that the client speaks.
    pub dialect: Dialect,
    /// On whose account it runs, once the caller is known.
    pub who: Option<Attribution>,
    /// The name that the client called.
    pub asked: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Bytes of the request's body.
    pub input_bytes: u64,
    /// The model that was asked for.
    pub model: Option<Arc<Model>>,
    /// The targets of the plan, in order, as decisions are told.
    pub order: Vec<Arc<Target>>,
    /// Every try.
    pub attempts: Vec<Attempt>,
    /// What the translation to and from the provider lost.
    pub losses: Vec<Loss>,
    /// What the try at hand used.
    pub used: Used,
    /// The model that served, in the provider's words, where it said so.
    pub served_model: Option<String>,
    /// What it holds of the accounts.
    pub spend: Spend,
    /// What it came to, once it is settled.
    pub bill: Option<Bill>,
    /// HTTP status that the client saw.
    pub status: u16,
    /// Time spent waiting for providers.
    pub waited: Duration,
    /// Time that the try at hand spent on an answer once it had come.
    pub worked: Duration,
    /// From its beginning to the first semantic event or the whole answer.
    pub first: Duration,
    outcome: Option<Outcome>,
    settled: bool,
    shared: Arc<Shared>,
    journal: Arc<dyn Recorder>,
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
    /// The phase that ran out of time, if one did.
    pub phase: &'static str,
    /// How long it took until its connection stood.
    pub connected: Duration,
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
            phase: "",
            connected: Duration::ZERO,
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
    pub(crate) fn open(gateway: &Gateway, snapshot: Arc<Snapshot>, dialect: Dialect) -> Box<Self> {
        let shared = Arc::clone(&gateway.shared);
        let at_ms = shared.now_ms();
        let ulid = Ulid::from_parts(u64::try_from(at_ms).unwrap_or_default(), fastrand::u128(..));
        let mut buffer = [0; ulid::ULID_LEN];
        Box::new(Self {
            id: Arc::from(&*ulid.array_to_str(&mut buffer)),
            ulid,
            at_ms,
            opened: Instant::now(),
            snapshot,
            dialect,
            who: None,
            asked: String::new(),
            stream: false,
            input_bytes: 0,
            model: None,
            order: Vec::new(),
            attempts: Vec::with_capacity(1),
            losses: Vec::new(),
            used: Used::default(),
            served_model: None,
            spend: Spend::default(),
            bill: None,
            status: 200,
            waited: Duration::ZERO,
            worked: Duration::ZERO,
            first: Duration::ZERO,
            outcome: None,
            settled: false,
            shared,
            journal: Arc::clone(&gateway.journal),
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

    /// What is spent and held of every limit.
    #[must_use]
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.shared.accounts
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
                let bill = Bill::of(self, Outcome::Answered);
                if !bill.unpriced {
                    out.key("cost_usd").string(&bill.cost.to_string());
                }
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

    /// Settles it, once: what was dispatched is charged, what was not is released. The receipt says
    /// when the record is as safe as was asked.
    pub(crate) fn settle(&mut self) -> Option<Receipt> {
        if std::mem::replace(&mut self.settled, true) {
            return None;
        }
        let outcome = *self.outcome.get_or_insert(Outcome::ClientGone);
        let dispatched = self.spend.is_dispatched();
        let bill = Bill::of(self, outcome);
        let (state, mut resolved) = if dispatched {
            let billed = bill.billed(self);
            if billed.is_empty() {
                (State::Released, self.spend.release())
            } else {
                (State::Settled, self.spend.settle(&billed))
            }
        } else {
            (State::Refused, self.spend.release())
        };
        self.tell(&bill, std::mem::take(&mut resolved.notices));
        let receipt = self.write(outcome, (state, &bill, resolved));
        self.bill = Some(bill);
        self.log(outcome);
        receipt
    }

    /// Writes the record. A request that was never sent is kept off the road; one without a good key is
    /// only counted.
    fn write(
        &self,
        outcome: Outcome,
        (state, bill, resolved): (State, &Bill, Resolved),
    ) -> Option<Receipt> {
        let Some(who) = &self.who else {
            if outcome == Outcome::Refused(Code::InvalidKey) {
                self.shared.telemetry.unauthenticated();
            }
            return None;
        };
        if state == State::Refused && outcome == Outcome::Answered {
            return None;
        }
        let record = self.record(who, outcome, (state, bill, resolved));
        self.shared.telemetry.observe(&record);
        if state == State::Refused {
            self.journal.refused(Box::new(record));
            return None;
        }
        Some(self.journal.closed(&record))
    }

    fn tell(&self, bill: &Bill, notices: Vec<Notice>) {
        for notice in notices {
            self.shared.notices.tell(notice);
        }
        if bill.unpriced
            && let Some(target) = self.target()
        {
            let target = Arc::from(target.name());
            self.shared.notices.tell(Notice::Unpriced { target });
        }
    }

    fn log(&self, outcome: Outcome) {
        tracing::debug!(
            target: "exchange",
            id = %self.id,
            key = self.who.as_ref().map(|who| &*who.key),
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
        // Whoever waited for the answer is gone: nobody is left to wait for the disk.
        let _receipt = self.settle();
    }
}

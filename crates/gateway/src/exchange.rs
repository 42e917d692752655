//! Everything known of one request, from socket to settlement.
//!
//! An exchange is opened once and settled once: when its answer is whole, when
//! it fails, or when it is dropped because the client went. Settling is the only
//! place that writes of a request to accounts, journal, figures and log.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dialect::Spoken;
use dialect::chat::Usage;
use dialect::json::Writer;
use dialect::loss::Loss;
use dialect::task::Work;
use http::HeaderValue;
use http_body_util::BodyExt;
use policy::accounts::Accounts;
use policy::affinity::Conversation;
use policy::caller::{Attribution, VirtualKey};
use policy::failure::{AttemptFailure, Code, Failure};
use policy::health::Ticket;
use policy::model::{Model, Target};
use policy::money::Nanos;
use policy::plan::Excluded;
use policy::price::Tier;
use policy::snapshot::Snapshot;
use store::journal::{Receipt, Recorder};
use store::record::{Extended, State};
use tokio::time::{Instant, timeout};
use ulid::Ulid;

use crate::attribute::of_key;
use crate::bill::Bill;
use crate::choice;
use crate::notice::Notice;
use crate::refuse;
use crate::respond::loss_list;
use crate::spend::{Resolved, Spend};
use crate::stored::Binder;
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
    pub dialect: Spoken,
    /// What was asked for.
    pub operation: &'static str,
    /// The caller's key, once it is known.
    pub key: Option<Arc<VirtualKey>>,
    /// On whose account it runs, once that is known too.
    pub who: Option<Attribution>,
    /// The name that the client called.
    pub asked: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// How much a request of another task than chat asks for.
    pub work: Option<Box<Work>>,
    /// The answer's type, where it is its provider's.
    pub content_type: Option<HeaderValue>,
    /// Bytes of the request's body.
    pub input_bytes: u64,
    /// The model that was asked for.
    pub model: Option<Arc<Model>>,
    /// The targets of the plan, in order, as decisions are told.
    pub order: Vec<Arc<Target>>,
    /// Targets that would stand among them if they were well.
    pub excluded: Vec<Excluded>,
    /// The conversation that it belongs to, where targets are chosen by that.
    pub conversation: Option<Conversation>,
    /// The target that answered the conversation before.
    pub home: Option<u32>,
    /// Every try.
    pub attempts: Vec<Attempt>,
    /// What the translation to and from the provider lost.
    pub losses: Vec<Loss>,
    /// What the try at hand used.
    pub used: Used,
    /// The model that served, in the provider's words, where it said so.
    pub served_model: Option<Arc<str>>,
    /// Binds the answer of the try at hand, where its provider keeps it.
    pub binder: Option<Binder>,
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
    /// Its name, as records and headers have it.
    pub name: Arc<str>,
    /// How it failed, or `None` for the one that answered.
    pub failure: Option<AttemptFailure>,
    /// Why it failed, for records; clients are told [`Attempt::told`].
    pub why: String,
    /// The provider's status, where it gave one.
    pub status: Option<u16>,
    /// The phase that ran out of time, if one did.
    pub phase: &'static str,
    /// How long it took until its connection stood; `None` while none does, so that nothing was sent.
    pub connected: Option<Duration>,
    /// How long it took until it failed or began to answer.
    pub took: Duration,
    /// What it used, where it failed.
    pub used: Used,
    /// Whether it asks for nothing that anybody bills.
    pub is_free: bool,
    /// What stands for the credential that it showed.
    pub key: Option<Arc<str>>,
    /// When a limit of the provider is renewed, of which the answer said that nothing remains.
    pub emptied: Option<Duration>,
    /// Shows that it is under way.
    pub ticket: Option<Ticket>,
}

impl Attempt {
    /// A try that begins.
    #[must_use]
    pub(crate) fn new(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            name: Arc::clone(target.name()),
            failure: None,
            why: String::new(),
            status: None,
            phase: "",
            connected: None,
            took: Duration::ZERO,
            used: Used::default(),
            is_free: false,
            key: None,
            emptied: None,
            ticket: None,
        }
    }

    /// A try that begins, and asks for nothing that anybody bills.
    #[must_use]
    pub(crate) fn free(target: &Arc<Target>) -> Self {
        Self {
            is_free: true,
            ..Self::new(target)
        }
    }

    /// Whether its provider may bill it, where that is what it used.
    #[must_use]
    pub(crate) fn may_be_billed(&self, used: &Used) -> bool {
        let by_its_end = match self.failure {
            Some(failure) => failure.may_be_billed(),
            None => self.connected.is_some(),
        };
        !self.is_free && (by_its_end || used.usage.is_some() || used.output_bytes > 0)
    }

    /// Why it failed, in a clause that a client may read. What a provider says of a credential
    /// concerns the operator alone, and may repeat parts of it; so does where a provider or proxy stands.
    #[must_use]
    pub(crate) fn told(&self) -> &str {
        match self.failure {
            Some(AttemptFailure::Credential) => "it does not take the gateway's credential",
            Some(AttemptFailure::NotSent) if self.phase.is_empty() => {
                "the request could not be sent to it"
            }
            Some(_) | None => &self.why,
        }
    }
}

/// What a try used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// What the provider says.
    pub usage: Option<Usage>,
    /// Whether that is its last word: of a whole answer, or of a stream that had come to its end.
    pub is_final: bool,
    /// The service tier: the one that served, or the one asked for until the provider says.
    pub tier: Option<Tier>,
    /// Whether nothing is told of it: it is charged by the request.
    pub is_uncounted: bool,
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
    pub(crate) fn open(gateway: &Gateway, snapshot: Arc<Snapshot>, dialect: Spoken) -> Box<Self> {
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
            operation: "",
            key: None,
            who: None,
            asked: String::new(),
            stream: false,
            work: None,
            content_type: None,
            input_bytes: 0,
            model: None,
            order: Vec::new(),
            excluded: Vec::new(),
            conversation: None,
            home: None,
            attempts: Vec::with_capacity(1),
            losses: Vec::new(),
            used: Used::default(),
            served_model: None,
            binder: None,
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

    /// Binds the answer of that id to its tenant and its target, where the provider keeps it.
    pub(crate) fn answered_as(&self, id: &str) {
        if let Some(binder) = &self.binder {
            binder.bind(id, &self.shared);
        }
    }

    /// Notes who serves the try at hand, as the provider says.
    pub(crate) fn served_by(&mut self, model: &str, tier: Option<&str>) {
        if !model.is_empty() && self.served_model.as_deref() != Some(model) {
            self.served_model = Some(model.into());
        }
        // `auto` is the word of who has not chosen yet.
        if let Some(tier) = tier.filter(|tier| *tier != "auto") {
            self.used.tier = Tier::by_name(tier);
        }
    }

    /// Holds that much more for it, and writes that down.
    ///
    /// # Errors
    /// The failure of the limit that has no room, or `storage_unavailable`.
    pub(crate) fn hold_more(&mut self, more: Nanos) -> Result<Receipt, Failure> {
        let holds = self.spend.extend(more);
        let holds = holds.map_err(|refusal| refuse::limit(&refusal, self.at_ms))?;
        let id = self.ulid;
        let receipt = self.journal.extended(&Extended { id, more, holds });
        receipt.map_err(|error| refuse::unrecorded(&error))
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
                out.key("target").string(target.name());
            }
            out.key("attempts").number(self.attempt_count());
            if let Some(usage) = &self.used.usage {
                let bill = Bill::of(self);
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
        choice::over(&self.shared, self.model.as_deref(), &mut self.attempts);
        let dispatched = self.spend.is_dispatched();
        let bill = Bill::of(self);
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

    /// Writes the record, of whatever a known caller asked: what a provider was not asked for, refused
    /// or answered here, is written off the road. A refusal of nobody known is only counted.
    fn write(
        &self,
        outcome: Outcome,
        (state, bill, resolved): (State, &Bill, Resolved),
    ) -> Option<Receipt> {
        let who = match (&self.who, &self.key) {
            (Some(who), _) => Cow::Borrowed(who),
            (None, Some(key)) => Cow::Owned(of_key(key)),
            (None, None) => {
                if outcome != Outcome::Answered {
                    self.shared.telemetry.unauthenticated();
                }
                return None;
            }
        };
        let record = self.record(&who, outcome, (state, bill, resolved));
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
            let target = Arc::clone(target.name());
            self.shared.notices.tell(Notice::Unpriced { target });
        }
    }

    fn log(&self, outcome: Outcome) {
        tracing::debug!(
            target: "exchange",
            id = %self.id,
            key = self.who.as_ref().map(|who| &*who.key),
            model = self.model.as_ref().map(|model| &*model.name),
            target = self.target().map(|target| &**target.name()),
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

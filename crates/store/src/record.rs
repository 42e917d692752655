//! What the journal keeps and the ledger is built from.
//!
//! One request writes [`Record::Dispatched`] before its first byte goes to a
//! provider and [`Record::Closed`] before the last byte of its answer goes to the
//! client. Everything that a query may ask later is in the second; the first is
//! enough to charge the request where the second never came.

use std::borrow::Cow;
use std::sync::Arc;

use dialect::chat::Usage;
use policy::caller::Attribution;
use policy::limit::Resource;
use policy::money::Nanos;
use ulid::Ulid;

/// A word of the program, such as a dialect's name: borrowed where it is written, owned where it was read.
pub type Word = Cow<'static, str>;

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A process began to write here.
    Opened(Opened),
    /// A request may be billed from now on.
    Dispatched(Box<Dispatched>),
    /// More is held for a request under way.
    Extended(Extended),
    /// A request is over.
    Closed(Box<Exchange>),
}

impl Record {
    /// The exchange it tells of; nil for [`Record::Opened`].
    #[must_use]
    pub fn id(&self) -> Ulid {
        match self {
            Record::Opened(_) => Ulid::nil(),
            Record::Dispatched(record) => record.id,
            Record::Extended(record) => record.id,
            Record::Closed(record) => record.id,
        }
    }
}

/// A process began to write here: what was dispatched before and is not closed died with another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// How many processes have opened this journal, this one included.
    pub epoch: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A request that may be billed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Id of the exchange.
    pub id: Ulid,
    /// When the request came, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who pays.
    pub who: Attribution,
    /// The logical model that was asked for.
    pub model: Arc<str>,
    /// The first target of the plan, `provider/model`.
    pub target: Arc<str>,
    /// Hash of the configuration in force.
    pub config_revision: Arc<str>,
    /// The most that it can cost; what is presumed if it never closes.
    pub held: Nanos,
    /// What is held of each account.
    pub holds: Vec<Held>,
}

/// What is held, or was charged, of one account in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The limit's name.
    pub limit: Arc<str>,
    /// The bucket within the limit; empty where it has one for all.
    pub bucket: Arc<str>,
    /// What the limit limits.
    pub resource: Resource,
    /// When the window began, in milliseconds since 1970.
    pub window_ms: i64,
    /// Nano-dollars, tokens or requests: held in [`Dispatched`], charged in [`Exchange`].
    pub amount: i64,
}

/// More that is held for a request under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// Id of the exchange.
    pub id: Ulid,
    /// What is held beyond what was.
    pub more: Nanos,
    /// What is held beyond it of each account.
    pub holds: Vec<Held>,
}

/// How an exchange stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It was dispatched and is not over.
    Open,
    /// It is charged with what it cost.
    #[default]
    Settled,
    /// It was dispatched, its process died, and it is charged with what was held.
    Presumed,
    /// It was dispatched and cannot have been billed.
    Released,
    /// It was never dispatched: refused, or answered by the gateway itself.
    Refused,
}

impl State {
    /// The word in records and queries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Settled => "settled",
            State::Presumed => "presumed",
            State::Released => "released",
            State::Refused => "refused",
        }
    }
}

/// All that is kept of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Its id.
    pub id: Ulid,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// How it stands.
    pub state: State,
    /// Who pays.
    pub who: Attribution,
    /// The dialect that the client spoke.
    pub dialect: Word,
    /// The operation, such as `chat`.
    pub operation: Word,
    /// The logical model that was asked for.
    pub model: Arc<str>,
    /// The target that answered or was tried last, `provider/model`; empty where none was.
    pub target: Arc<str>,
    /// The model that served, in the provider's words; empty where it did not say.
    pub served_model: Arc<str>,
    /// HTTP status that the client saw.
    pub status: u16,
    /// How it ended: `answered`, a failure's code, `broken`, `client_gone`.
    pub outcome: Word,
    /// Whether the client wanted a stream.
    pub stream: bool,
    /// What all attempts together used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Nanos,
    /// Version of the price row that the cost was found by; empty where none was.
    pub price_id: Arc<str>,
    /// What is to be known of the cost.
    pub flags: Flags,
    /// What was charged to each account.
    pub charges: Vec<Held>,
    /// Every try.
    pub attempts: Vec<Attempt>,
    /// What the translation lost.
    pub losses: Vec<LossNote>,
    /// Why these targets in this order, and what limits said: a JSON text, or empty.
    pub decision: String,
    /// Hash of the configuration in force.
    pub config_revision: Arc<str>,
    /// Microseconds that the gateway added.
    pub overhead_us: u64,
    /// Microseconds from the request's coming to its end.
    pub took_us: u64,
    /// Microseconds until the first semantic event or the whole answer; 0 where none came.
    pub first_us: u64,
}

/// What is to be known of a cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The counts, or some of them, are not the provider's.
    pub estimated: bool,
    /// No price is known for the target.
    pub unpriced: bool,
    /// It cost more than was held.
    pub overrun: bool,
    /// A limit in mode `report` would have refused it.
    pub would_refuse: bool,
    /// Texts of the record were cut or left out, because it was longer than the journal keeps.
    pub shortened: bool,
}

/// One try at one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Why it was made: `initial`, `retry` or `fallback`.
    pub kind: Word,
    /// The target, `provider/model`.
    pub target: Arc<str>,
    /// How it ended: `answered` or the failure's kind.
    pub outcome: Word,
    /// Why it failed, for operators.
    pub why: String,
    /// The phase in which it failed, or empty.
    pub phase: Word,
    /// Microseconds until the connection stood.
    pub connect_us: u64,
    /// Microseconds until the first semantic event or the whole answer.
    pub first_us: u64,
    /// Microseconds until its end.
    pub total_us: u64,
    /// Whether one of our own timeouts ended it.
    pub cut_by_us: bool,
    /// What it used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Nanos,
    /// The provider's status; 0 where it gave none.
    pub status: u16,
}

/// One thing that a translation lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossNote {
    /// The field.
    pub path: String,
    /// Why, in a word or a clause.
    pub why: String,
    /// Whether the answer may be another for it.
    pub functional: bool,
}

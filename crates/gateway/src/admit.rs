//! Requests and concurrency: whether the caller may ask at all.

use dialect::head::Head;
use http::HeaderMap;
use policy::accounts::Ask;
use policy::failure::Failure;
use policy::limit::Resource;

use crate::Shared;
use crate::exchange::Exchange;
use crate::identify::Caller;
use crate::options::Options;
use crate::refuse;
use crate::speech::Speech;

/// What came with the request beside its body.
pub(crate) struct Call {
    /// What the client speaks.
    pub speech: Speech,
    /// What it asks of the gateway itself.
    pub options: Options,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Call {
    /// A call in that speech.
    #[must_use]
    pub(crate) fn new(speech: Speech, options: Options, headers: HeaderMap) -> Self {
        Self {
            speech,
            options,
            headers,
        }
    }
}

/// Shows that the request was admitted: nothing can be held for one that was not.
pub(crate) struct Grant(());

/// A request that may be worked on.
pub(crate) struct Admitted {
    /// Who asks.
    pub caller: Caller,
    /// How.
    pub call: Call,
    /// For what.
    pub head: Head,
    /// That it may.
    pub grant: Grant,
}

/// One request, which is under way until it ends.
const ONE: [(Resource, i64); 2] = [(Resource::Requests, 1), (Resource::Concurrent, 1)];

/// Lets the request in: takes it of every limit of requests and of concurrency, or of none.
///
/// # Errors
/// `rate_limited` naming the limit.
pub(crate) fn admit(
    shared: &Shared,
    (caller, call, head): (Caller, Call, Head),
    exchange: &mut Exchange,
) -> Result<Admitted, Failure> {
    exchange.asked.clone_from(&head.model);
    exchange.stream = head.stream;
    exchange.work.clone_from(&head.work);
    let limits = &exchange.snapshot.limits;
    if !limits.is_empty()
        && let Some(who) = &exchange.who
    {
        let ask = Ask {
            who,
            model: &head.model,
            providers: &[],
            at_ms: exchange.at_ms,
            amounts: &ONE,
        };
        let taken = shared.accounts.take(limits, &ask);
        let hold = taken.map_err(|refusal| refuse::limit(&refusal, exchange.at_ms))?;
        exchange.spend.admitted(hold);
    }
    Ok(Admitted {
        caller,
        call,
        head,
        grant: Grant(()),
    })
}

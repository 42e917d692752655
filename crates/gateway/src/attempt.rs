//! Attempts: the loop of the road. Counts of tokens walk the same plan in `count.rs`.
//!
//! Targets are tried in the plan's order until one begins an answer that holds
//! together. Nothing has gone to the client before that, so a failed attempt is
//! never seen.

mod forwarded;
mod pumped;

use std::pin::Pin;
use std::sync::Arc;

use dialect::Spoken;
use dialect::codec::ClientCodec;
use http::{HeaderMap, HeaderValue, Response, header};
use policy::failure::{AttemptFailure, Failure};
use policy::health::Ticket;
use policy::model::{Model, Target};
use policy::reset;
use policy::secret::ProviderKey;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{
    Answer, Collected, Content, Failed, Said, TOTAL, WHOLE_MAX, collect, refused, without_room,
};
use crate::choice::{Tries, answered, begin, failed};
use crate::clock::Pace;
use crate::conclude::{Ends, NotReady, conclude};
use crate::dispatch::{Go, dispatch};
use crate::exchange::{Attempt, Exchange};
use crate::memory::Permit;
use crate::names;
use crate::outgoing::{Encoded, Outgoing};
use crate::pump::Gear;
use crate::reasoning::Keeper;
use crate::reserve::{Reserved, tier_asked};
use crate::route::{Move, Route, Wait, names_kept};
use crate::speech::Speech;
use crate::translation::{self, Translation};
use crate::upstream::UpstreamBody;
use crate::{Gateway, Shared};

/// No answer, and why.
pub(crate) struct Refused {
    /// Why.
    pub failure: Failure,
    /// The record of the request.
    pub exchange: Box<Exchange>,
}

/// Attempts under way.
pub(crate) struct Attempting {
    /// Id of the exchange.
    pub id: Arc<str>,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// What that is written in.
    pub speech: Speech,
    /// How long all of it may take, and the client be left without a sign of life.
    pub pace: Pace,
    /// Gives the answer.
    pub answer: Pin<Box<dyn Future<Output = Result<Answer, Refused>> + Send>>,
}

/// Starts to send the request.
#[must_use]
pub(crate) fn attempt(gateway: Gateway, reserved: Reserved, exchange: Box<Exchange>) -> Attempting {
    let most = reserved.planned.plan.model.timeouts.total;
    let own = reserved.planned.screened.admitted.call.options.timeout;
    let deadline = exchange.opened + own.map_or(most, |own| own.min(most));
    Attempting {
        id: Arc::clone(&exchange.id),
        stream: reserved.planned.screened.admitted.head.begins_early(),
        speech: reserved.planned.screened.admitted.call.speech,
        pace: Pace {
            deadline,
            timings: gateway.shared.timings,
        },
        answer: Box::pin(all_attempts(gateway, reserved, exchange, deadline)),
    }
}

async fn all_attempts(
    gateway: Gateway,
    reserved: Reserved,
    mut exchange: Box<Exchange>,
    deadline: Instant,
) -> Result<Answer, Refused> {
    let shared = Arc::clone(&gateway.shared);
    let model = Arc::clone(&reserved.planned.plan.model);
    let admitted = &reserved.planned.screened.admitted;
    let nested = is_retry(&admitted.call.headers);
    let tries = Tries::of(&shared.choice, exchange.snapshot.retries, nested);
    let mut route = Route::new(&reserved.planned.plan, admitted);
    let mut outgoing = Outgoing::new(reserved.planned, exchange.spend.clamped, shared.clone());
    let mut ends = Ends::new(&exchange.excluded);
    while let Some(target) = route.target().cloned() {
        let (spoken, at) = (target.provider.spoken(), (&tries, &route, &target));
        let next = match ready(&shared, &mut outgoing, at, spoken) {
            Err(why) => {
                ends.add(why);
                route.pass()
            }
            Ok((encoded, ticket)) => {
                match dispatch(&gateway, &mut exchange).await {
                    Ok(Go::Send) => route.count(),
                    Ok(Go::Stop(failure)) => {
                        ends.unheld = Some(failure);
                        break;
                    }
                    Err(failure) => return Err(Refused { failure, exchange }),
                }
                let one = One {
                    gateway: &gateway,
                    outgoing: &outgoing,
                    model: &model,
                    target: &target,
                    deadline,
                };
                let key = encoded.key.clone();
                match one.attempt((encoded, ticket), &mut exchange).await {
                    Ok(got) => return Ok(Answer::new(exchange, got)),
                    Err(Failed {
                        ours: Some(failure),
                        ..
                    }) => {
                        let failure = *failure;
                        return Err(Refused { failure, exchange });
                    }
                    Err(failed) => {
                        let next = follow(&mut route, &mut outgoing, (key, &target), &failed);
                        ends.last = Some(failed);
                        next
                    }
                }
            }
        };
        match next {
            Move::Try { wait } if waited(wait, deadline).await => {}
            Move::Try { .. } | Move::Stop => break,
        }
    }
    let failure = conclude(ends, &exchange, &model, &shared.choice);
    Err(Refused { failure, exchange })
}

/// What follows a failed attempt at a target that was shown `key`.
fn follow(
    route: &mut Route,
    outgoing: &mut Outgoing,
    (key, target): (Option<Arc<ProviderKey>>, &Arc<Target>),
    failed: &Failed,
) -> Move {
    if failed.timed_out == Some(TOTAL) {
        return Move::Stop;
    }
    let another_key = outgoing.after(key, target, failed.kind);
    if failed.kind.may_be_billed() && names_kept(&outgoing.planned().screened) {
        route.ask_once();
    }
    route.after(failed.kind, another_key, failed.retry_after)
}

/// Whether the client's library says that it has sent the same before.
pub(crate) fn is_retry(headers: &HeaderMap) -> bool {
    let count = headers.get("x-stainless-retry-count");
    count.is_some_and(|count| !matches!(count.as_bytes(), b"" | b"0"))
}

/// Writes the request for a target and begins a try at it, where that may be.
///
/// # Errors
/// Why it may not be.
pub(crate) fn ready(
    shared: &Arc<Shared>,
    outgoing: &mut Outgoing,
    (tries, route, target): (&Tries, &Route, &Arc<Target>),
    spoken: Spoken,
) -> Result<(Encoded, Ticket), NotReady> {
    let encoded = outgoing.encode(spoken, target, shared);
    let encoded = encoded.map_err(|failure| NotReady::Unusable(Box::new(failure)))?;
    if !tries.allow(&shared.choice, route, target) {
        return Err(NotReady::Unbudgeted);
    }
    let ticket = begin(&shared.choice, target, encoded.key.as_deref());
    Ok((encoded, ticket.map_err(NotReady::OutOfUse)?))
}

/// Waits; not at all where the deadline would pass meanwhile.
pub(crate) async fn waited(wait: Wait, deadline: Instant) -> bool {
    let drawn = wait.up_to.mul_f64(fastrand::f64());
    let wait = wait.at_least.saturating_add(drawn);
    if wait.is_zero() {
        return true;
    }
    let in_time = deadline.checked_duration_since(Instant::now());
    let in_time = in_time.is_some_and(|left| wait < left);
    if in_time {
        Box::pin(sleep(wait)).await;
    }
    in_time
}

/// One attempt at one target.
struct One<'a> {
    gateway: &'a Gateway,
    outgoing: &'a Outgoing,
    model: &'a Model,
    target: &'a Arc<Target>,
    deadline: Instant,
}

type Got = (Content, Option<HeaderValue>);

impl One<'_> {
    async fn attempt(
        &self,
        (mut encoded, ticket): (Encoded, Ticket),
        exchange: &mut Exchange,
    ) -> Result<Got, Failed> {
        let began = Instant::now();
        exchange.attempts.push(Attempt {
            key: encoded.key.as_deref().map(|key| key.name().into()),
            ticket: Some(ticket),
            ..Attempt::new(self.target)
        });
        exchange.losses.clone_from(&encoded.losses);
        let asked = tier_asked(&self.outgoing.planned().screened.admitted, self.target);
        exchange.used.tier = asked;
        exchange.served_model = None;
        exchange.binder = self.outgoing.binder(self.target, &encoded);
        let stream = self.outgoing.planned().screened.admitted.head.stream;
        let patience = if stream {
            began + self.model.timeouts.first_token
        } else {
            self.deadline
        };
        let result = match timeout_at(
            patience.min(self.deadline),
            self.exchange_bytes(&mut encoded, stream, exchange),
        )
        .await
        {
            Ok(result) => result,
            Err(_elapsed) => {
                let sent = exchange.attempts.last().and_then(|one| one.connected);
                let kind = match sent {
                    Some(_) => AttemptFailure::Ambiguous,
                    None => AttemptFailure::NotSent,
                };
                let first = patience < self.deadline;
                Err(Failed::timed_out(
                    kind,
                    if first { "first_token" } else { TOTAL },
                ))
            }
        };
        let result = result.map_err(|failed| failed.concealed(self.target));
        let took = began.elapsed();
        let worked = std::mem::take(&mut exchange.worked);
        exchange.waited += took.saturating_sub(worked);
        if result.is_ok() {
            exchange.first = exchange.opened.elapsed();
        }
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.took = took;
            let shared = &self.gateway.shared;
            match &result {
                Ok(_) => answered(shared, self.model, attempt),
                Err(why) => {
                    attempt.failure = Some(why.kind);
                    attempt.why.clone_from(&why.why);
                    attempt.phase = why.timed_out.unwrap_or_default();
                    attempt.used = std::mem::take(&mut exchange.used);
                    failed(shared, self.model, (attempt, why));
                }
            }
        }
        if let (Ok(_), Some(conversation)) = (&result, exchange.conversation) {
            let affinity = &self.gateway.shared.choice.affinity;
            affinity.answered(conversation, exchange.home, self.target);
        }
        result
    }

    async fn exchange_bytes(
        &self,
        encoded: &mut Encoded,
        stream: bool,
        exchange: &mut Exchange,
    ) -> Result<Got, Failed> {
        let codec = self.target.provider.spoken().client();
        let shared = &self.gateway.shared;
        let request = self
            .outgoing
            .request(self.target, encoded, (&shared.hasher, shared.now_ms()))
            .map_err(|failure| Failed::new(AttemptFailure::NotSent, failure.message))?;
        let origin = &self.target.provider.origin;
        let mut unlisted = None;
        let connected = match exchange.attempts.last_mut() {
            Some(attempt) => &mut attempt.connected,
            None => &mut unlisted,
        };
        let asked = (request, self.model.timeouts.connect);
        let upstream = &self.gateway.upstream;
        let response = upstream.send_timed(origin, asked, connected).await?;
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.status = Some(response.status().as_u16());
            attempt.emptied = reset::emptied(&Said(response.headers()), shared.now_ms());
        }
        if !response.status().is_success() {
            // Boxed: it is rare and has a timer, and every attempt would carry it.
            let reading = refused(response, self.target, (&shared.memory, shared.now_ms()));
            let screened = &self.outgoing.planned().screened;
            return Err(Box::pin(reading).await.weighed(|| names_kept(screened)));
        }
        if let Some(encoding) = response
            .headers()
            .get(header::CONTENT_ENCODING)
            .filter(|v| *v != "identity")
        {
            let why = format!(
                "the provider compressed its answer ({}) although it was asked not to",
                encoding.to_str().unwrap_or("?")
            );
            return Err(Failed::new(AttemptFailure::MidStream, why));
        }
        let provider_id = response
            .headers()
            .get(&names::of(self.target.provider.spoken()).request_id)
            .cloned();
        let content = match &self.outgoing.planned().screened.admitted.head.work {
            Some(work) => self.forwarded(work, response, (encoded, exchange)).await?,
            None if stream => {
                self.begin_stream(response, codec, encoded, exchange)
                    .await?
            }
            None => {
                self.read_whole(response.into_body(), codec, encoded, exchange)
                    .await?
            }
        };
        Ok((content, provider_id))
    }

    /// Reads until the stream has said something, so that a failure before that is still unseen.
    async fn begin_stream(
        &self,
        response: Response<UpstreamBody>,
        codec: &dyn ClientCodec,
        encoded: &Encoded,
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let kind = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let framing = codec.framing();
        if !kind.starts_with(framing.media_type()) {
            let why = format!(
                "a stream was asked for and `{}` came",
                kind.split(';').next().unwrap_or_default()
            );
            let shared = &self.gateway.shared;
            let reading = refused(response, self.target, (&shared.memory, shared.now_ms()));
            let failed = Box::pin(reading).await;
            return Err(Failed {
                kind: AttemptFailure::MidStream,
                why,
                ..failed
            });
        }
        let admitted = &self.outgoing.planned().screened.admitted;
        let speech = admitted.call.speech;
        let include_usage = admitted.head.stream_usage || admitted.call.options.details;
        // Frames go on as they came only where the client wants them framed like that.
        let as_it_came = speech.is_framed_as(framing);
        let gear = if as_it_came && encoded.same_dialect
            || speech.reframes(self.target.provider.spoken())
        {
            Gear::First {
                dialect: speech.dialect,
                withhold_usage: !include_usage,
                reframed: !as_it_came,
            }
        } else {
            let keeper = self.keeper(encoded);
            Gear::Second(
                Translation::new(
                    speech.dialect,
                    speech.options(include_usage),
                    self.outgoing.fidelity(),
                )
                .keeping(keeper),
            )
        };
        let decoder = codec.decoder(admitted.head.candidates.max(1));
        self.pumped(response.into_body(), decoder, (framing, gear), exchange)
            .await
    }

    /// Keeps the reasoning of what is translated; in one dialect the client carries its own.
    fn keeper(&self, encoded: &Encoded) -> Option<Keeper> {
        let shared = &self.gateway.shared;
        let keeper = || self.outgoing.keeper(self.target, shared);
        (!encoded.same_dialect).then(keeper).flatten()
    }

    async fn read_whole(
        &self,
        body: UpstreamBody,
        codec: &dyn ClientCodec,
        encoded: &Encoded,
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let memory = &self.gateway.shared.memory;
        let (bytes, permit) = match collect(body, WHOLE_MAX, memory).await? {
            Collected::Whole(bytes, permit) => (bytes, permit),
            Collected::Long(first, permit, rest) if encoded.same_dialect => {
                return Ok(Content::Long(first, permit, rest));
            }
            Collected::Long(..) => {
                let why = format!(
                    "the answer is longer than the {WHOLE_MAX} bytes that can be translated"
                );
                return Err(Failed::new(AttemptFailure::MidStream, why));
            }
        };
        let came = Instant::now();
        let content = if encoded.same_dialect {
            let weighed = codec.weigh_response(&bytes)?;
            exchange.served_by(&weighed.model, weighed.service_tier.as_deref());
            exchange.answered_as(&weighed.id);
            exchange.used.is_final = weighed.usage.is_some();
            exchange.used.usage = weighed.usage;
            if translation::may_hold_calls(&bytes) {
                translation::calls_are_whole(&codec.decode_response(&bytes)?)?;
            }
            Content::Whole(bytes, permit)
        } else {
            self.translate(&bytes, codec, permit, exchange)?
        };
        exchange.worked = came.elapsed();
        Ok(content)
    }

    /// A whole answer in the client's dialect.
    fn translate(
        &self,
        bytes: &[u8],
        codec: &dyn ClientCodec,
        mut permit: Permit,
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let mut response = codec.decode_response(bytes)?;
        exchange.served_by(&response.model, response.service_tier.as_deref());
        exchange.used.is_final = response.usage.is_some();
        exchange.used.usage.clone_from(&response.usage);
        translation::calls_are_whole(&response)?;
        response
            .created
            .get_or_insert(u64::try_from(exchange.at_ms / 1000).unwrap_or_default());
        let dialect = self
            .outgoing
            .planned()
            .screened
            .admitted
            .call
            .speech
            .dialect;
        let wanted = (dialect, self.outgoing.fidelity());
        let written = translation::whole(&mut response, wanted, exchange).map_err(Failed::ours)?;
        if let Some(keeper) = self.outgoing.keeper(self.target, &self.gateway.shared) {
            keeper.whole(&response);
        }
        if !permit.grow(written.len().saturating_sub(permit.held())) {
            return Err(without_room());
        }
        Ok(Content::Whole(written.into(), permit))
    }
}

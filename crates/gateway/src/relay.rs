//! The answer on its way to the client.
//!
//! A body is polled by the client's connection and polls the provider's in turn,
//! so a slow reader slows the provider and nothing piles up between. Dropping it
//! drops the provider's connection and settles the exchange.

mod long;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dialect::Spoken;
use dialect::codec::EventEncoder;
use http::{HeaderValue, Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use policy::failure::{AttemptFailure, Code, Failure};
use store::journal::Receipt;
use store::journal::StorageError;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::answer::{Answer, Content, Failed, TOTAL};
use crate::attempt::Attempting;
use crate::clock::{Clock, Pace, Tick};
use crate::ending::Ending;
use crate::exchange::{Exchange, Outcome};
use crate::pump::{Flow, Pump};
use crate::refuse;
use crate::rescue::{rescue, tell};
use crate::respond;
use crate::speech::Speech;
use crate::through::Passing;
use crate::upstream::UpstreamBody;

use long::Long;

/// The body of an answer.
pub enum Body {
    /// All of it.
    Full(Option<Bytes>),
    /// A stream under way.
    Stream(Box<Stream>),
    /// A stream whose attempts are still under way.
    Late(Box<Late>),
    /// A stream that failed before its first event.
    Failed(Failing),
    /// A whole answer too large to hold.
    Long(Box<Long>),
    /// What passes through.
    Through(Box<Passing>),
}

/// The answer broke after its head had gone out: the framing must break too.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke: {0}")]
pub struct Cut(String);

impl Cut {
    /// Behind a failure event.
    pub(crate) fn told() -> Self {
        Self("its failure event says why".to_owned())
    }
}

/// A failure event under way.
pub struct Failing(Ending);

impl Body {
    /// A body that is all there.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }

    /// A body that goes on as it comes, and is billed to nobody.
    #[must_use]
    pub(crate) fn uncounted(
        first: Bytes,
        rest: Box<UpstreamBody>,
        (exchange, deadline): (Box<Exchange>, Instant),
    ) -> Self {
        Self::Long(Box::new(Long {
            first: Some(first).filter(|first| !first.is_empty()),
            rest,
            exchange,
            deadline: Box::pin(sleep_until(deadline)),
            counts: false,
        }))
    }
}

/// Waits for the answer and hands it on. The status line of a stream waits for
/// the first semantic event, but no longer than ten seconds.
pub(crate) async fn relay(dialect: Spoken, mut attempting: Attempting) -> Response<Body> {
    let speech = attempting.speech;
    let outcome = if attempting.stream {
        // Boxed, so that only streams carry the timer.
        let waits = attempting.pace.timings.head_waits;
        match Box::pin(timeout(waits, &mut attempting.answer)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => return late(speech, attempting),
        }
    } else {
        attempting.answer.await
    };
    match outcome {
        Ok(answer) => hand_on(speech, answer, attempting.pace).await,
        Err(refused) => rescue(dialect, &refused.failure, refused.exchange).await,
    }
}

async fn hand_on(speech: Speech, answer: Answer, pace: Pace) -> Response<Body> {
    let dialect = speech.dialect;
    let Answer {
        mut exchange,
        provider_id,
        content,
    } = answer;
    if matches!(content, Content::Whole(..)) {
        exchange.conclude(Outcome::Answered);
        if let Err(error) = recorded(exchange.settle()).await {
            // The answer came and its record was lost: it is not given as if all were well.
            return rescue(dialect, &refuse::unrecorded(&error), exchange).await;
        }
    }
    let mut response = Response::new(Body::Full(None));
    let headers = response.headers_mut();
    headers.reserve(20);
    respond::common(headers, dialect, &exchange, provider_id);
    respond::answered(headers, &exchange);
    respond::limits(headers, dialect, &exchange);
    let kind = if matches!(content, Content::Stream(_)) {
        speech.content_type()
    } else {
        "application/json"
    };
    let own = exchange.content_type.take();
    let kind = own.unwrap_or_else(|| HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_TYPE, kind);
    *response.body_mut() = match content {
        Content::Whole(bytes, room) => {
            if let Some(usage) = &exchange.used.usage {
                respond::tokens(headers, usage);
            }
            respond::cost(headers, &exchange);
            Body::full(room.keep_for(bytes))
        }
        Content::Stream(pump) => Body::Stream(Box::new(Stream::new(speech, pump, exchange, pace))),
        Content::Long(first, room, rest) => Body::Long(Box::new(Long {
            first: Some(room.keep_for(first)),
            rest,
            exchange,
            deadline: Box::pin(sleep_until(pace.deadline)),
            counts: true,
        })),
    };
    response
}

fn late(speech: Speech, attempting: Attempting) -> Response<Body> {
    let mut response = Response::new(Body::Full(None));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(speech.content_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&attempting.id) {
        headers.insert("x-bondgate-request-id", id);
    }
    let keep_alive = Box::pin(sleep_until(Instant::now()));
    *response.body_mut() = Body::Late(Box::new(Late {
        speech,
        attempting,
        keep_alive,
    }));
    response
}

/// A stream whose head went out before its first event came.
pub struct Late {
    speech: Speech,
    attempting: Attempting,
    keep_alive: Pin<Box<Sleep>>,
}

/// What a late stream turns into.
enum Turn {
    Send(Bytes),
    Flow(Box<Stream>),
    End(Ending),
}

impl Late {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        match self.attempting.answer.as_mut().poll(context) {
            Poll::Ready(Ok(Answer {
                exchange,
                content: Content::Stream(pump),
                ..
            })) => Poll::Ready(Turn::Flow(Box::new(Stream::new(
                self.speech,
                pump,
                exchange,
                self.attempting.pace,
            )))),
            Poll::Ready(Ok(Answer {
                mut exchange,
                content: Content::Whole(..) | Content::Long(..),
                ..
            })) => {
                let failure = Failure::new(
                    Code::ProviderFailed,
                    "a stream was asked for and a whole answer came",
                );
                Poll::Ready(Turn::End(self.fail(&failure, &mut exchange)))
            }
            Poll::Ready(Err(mut refused)) => {
                let ending = self.fail(&refused.failure, &mut refused.exchange);
                Poll::Ready(Turn::End(ending))
            }
            Poll::Pending => {
                if self.keep_alive.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                let next = Instant::now() + self.attempting.pace.timings.keep_alive;
                self.keep_alive.as_mut().reset(next);
                // Polled again so that the timer knows this task; it cannot be due yet.
                let _ = self.keep_alive.as_mut().poll(context);
                let sign = self.speech.encoder().keep_alive();
                if sign.is_empty() {
                    Poll::Pending
                } else {
                    Poll::Ready(Turn::Send(Bytes::from_static(sign)))
                }
            }
        }
    }

    fn fail(&self, failure: &Failure, exchange: &mut Exchange) -> Ending {
        let words = fail(self.speech.encoder(), failure, exchange);
        Ending::failed(words, self.speech.breaks())
    }
}

/// Settles a broken stream and writes its failure event.
fn fail(encoder: Box<dyn EventEncoder>, failure: &Failure, exchange: &mut Exchange) -> Bytes {
    exchange.conclude(Outcome::Broken(failure.code));
    // The event says that there is no answer, so it need not wait for the record's disk.
    let _receipt = exchange.settle();
    words(encoder, failure, exchange)
}

fn words(mut encoder: Box<dyn EventEncoder>, failure: &Failure, exchange: &Exchange) -> Bytes {
    let mut out = Vec::new();
    encoder.fail(&tell(failure, exchange), &mut out);
    out.into()
}

/// Waits until a settled record is as safe as was asked.
async fn recorded(receipt: Option<Receipt>) -> Result<(), StorageError> {
    match receipt {
        Some(receipt) if !receipt.is_durable() => receipt.durable().await,
        Some(_) | None => Ok(()),
    }
}

/// A stream under way.
pub struct Stream {
    speech: Speech,
    /// Gone once the stream is whole or broken.
    pump: Option<Box<Pump>>,
    exchange: Box<Exchange>,
    clock: Clock,
    /// What goes out last: the rest of the answer, or a failure event.
    ending: Option<Ending>,
    /// The record is on its way to the disk, before which the last bytes do not go out.
    recording: Option<Recording>,
}

type Recording = Pin<Box<dyn Future<Output = Result<(), StorageError>> + Send>>;

impl Stream {
    fn new(speech: Speech, pump: Box<Pump>, exchange: Box<Exchange>, pace: Pace) -> Self {
        let timeouts = exchange
            .model
            .as_ref()
            .map(|model| model.timeouts)
            .unwrap_or_default();
        let clock = Clock::new(timeouts.idle, pace);
        Self {
            speech,
            pump: Some(pump),
            exchange,
            clock,
            ending: None,
            recording: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Some(recording) = &mut self.recording {
                let recorded = ready!(recording.as_mut().poll(context));
                self.recording = None;
                if let Err(error) = recorded {
                    let failure = refuse::unrecorded(&error);
                    let words = words(self.speech.encoder(), &failure, &self.exchange);
                    self.end_badly(self.speech.behind(words));
                }
            }
            let Some(pump) = self.pump.as_mut() else {
                return match &mut self.ending {
                    Some(ending) => ending.poll(context),
                    None => Poll::Ready(None),
                };
            };
            if pump.is_complete() {
                self.complete();
                continue;
            }
            if pump.has_ready() {
                // A provider that never pauses leaves the timer no turn.
                if self.clock.sent() {
                    self.time_out(TOTAL);
                    continue;
                }
                return Poll::Ready(pump.take_ready().map(Ok));
            }
            match pump.poll(context, &mut self.exchange) {
                Poll::Ready(Ok(Flow::Open { semantic })) => {
                    if semantic {
                        self.clock.said();
                    }
                }
                Poll::Ready(Ok(Flow::Complete)) => {}
                Poll::Ready(Err(broken)) => {
                    let failed = match self.exchange.target() {
                        Some(target) => Failed::broken(broken, target),
                        None => Failed::new(AttemptFailure::MidStream, broken.why),
                    };
                    let failure = broke(failed, &mut self.exchange);
                    self.fail(&failure);
                }
                Poll::Pending => match self.clock.poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Tick::KeepAlive) => {
                        let sign = self.speech.encoder().keep_alive();
                        if !sign.is_empty() {
                            return Poll::Ready(Some(Ok(Bytes::from_static(sign))));
                        }
                    }
                    Poll::Ready(Tick::TimedOut(phase)) => self.time_out(phase),
                },
            }
        }
    }

    /// The answer is whole: it is settled before its last bytes go out.
    fn complete(&mut self) {
        let Some(mut pump) = self.pump.take() else {
            return;
        };
        self.exchange.conclude(Outcome::Answered);
        let receipt = self.exchange.settle();
        self.recording = receipt
            .filter(|receipt| !receipt.is_durable())
            .map(|receipt| Box::pin(receipt.durable()) as Recording);
        self.ending = Some(Ending::whole(pump.take_ready()));
        self.exchange.finish_reading(pump.into_rest());
    }

    fn is_over(&self) -> bool {
        let ended = self.ending.as_ref().is_none_or(Ending::is_over);
        self.pump.is_none() && self.recording.is_none() && ended
    }

    fn time_out(&mut self, phase: &'static str) {
        let failed = Failed {
            why: format!("the answer broke off at the `{phase}` timeout"),
            ..Failed::timed_out(AttemptFailure::MidStream, phase)
        };
        let failure = broke(failed, &mut self.exchange);
        self.fail(&failure);
    }

    fn fail(&mut self, failure: &Failure) {
        let approved = self.pump.take().and_then(|mut pump| pump.take_ready());
        let words = fail(self.speech.encoder(), failure, &mut self.exchange);
        let words = self.speech.behind(words);
        self.end_badly(match approved {
            Some(approved) => [approved, words].concat().into(),
            None => words,
        });
    }

    fn end_badly(&mut self, words: Bytes) {
        self.ending = Some(Ending::failed(words, self.speech.breaks()));
    }
}

/// Enters that the last attempt broke after it had begun to answer, and says what the client is told.
fn broke(mut failed: Failed, exchange: &mut Exchange) -> Failure {
    let mut told = String::new();
    if let Some(attempt) = exchange.attempts.last_mut() {
        failed = failed.concealed(&attempt.target);
        attempt.failure = Some(failed.kind);
        attempt.why.clone_from(&failed.why);
        attempt.used = std::mem::take(&mut exchange.used);
        attempt.told().clone_into(&mut told);
        // What is ours, and how long all of it may take, says nothing of a target that was answering.
        if failed.ours.is_some() || failed.vague || failed.timed_out == Some(TOTAL) {
            attempt.ticket = None;
        }
    }
    if let Some(ours) = failed.ours {
        return *ours;
    }
    let code = match failed.timed_out {
        Some(_phase) => Code::Timeout,
        None => Code::ProviderFailed,
    };
    let mut failure = Failure::new(code, told);
    failure.provider = failed.said;
    failure
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            let next = match &mut *self {
                Body::Full(bytes) => Poll::Ready(bytes.take().map(Ok)),
                Body::Stream(stream) => stream.poll(context),
                Body::Failed(Failing(ending)) => ending.poll(context),
                Body::Long(long) => long.poll(context),
                Body::Through(passing) => {
                    let piece = passing.poll(context);
                    piece.map(|piece| piece.map(|piece| piece.map_err(Cut)))
                }
                Body::Late(late) => match late.poll(context) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Turn::Send(bytes)) => Poll::Ready(Some(Ok(bytes))),
                    Poll::Ready(Turn::Flow(stream)) => {
                        *self = Body::Stream(stream);
                        continue;
                    }
                    Poll::Ready(Turn::End(ending)) => {
                        *self = Body::Failed(Failing(ending));
                        continue;
                    }
                },
            };
            return next.map(|bytes| bytes.map(|result| result.map(Frame::data)));
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.is_none(),
            Body::Stream(stream) => stream.is_over(),
            Body::Failed(Failing(ending)) => ending.is_over(),
            Body::Late(_) | Body::Long(_) | Body::Through(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Body::Stream(_)
            | Body::Late(_)
            | Body::Failed(_)
            | Body::Long(_)
            | Body::Through(_) => SizeHint::default(),
        }
    }
}

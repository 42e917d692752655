//! An answer that passes through, as it comes.
//!
//! It is polled by the client's connection and polls the provider's. It carries no length of its own, so
//! that its end goes out when it is settled and not before; where it breaks, its framing breaks.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as HttpBody;
use policy::failure::{AttemptFailure, Code};
use store::journal::StorageError;
use tokio::time::{Instant, Sleep, sleep_until};

use super::probe::Probe;
use crate::answer::TOTAL;
use crate::exchange::{Exchange, Outcome};
use crate::upstream::{BodyEnd, UpstreamBody};

/// An answer under way.
pub struct Passing {
    rest: Box<UpstreamBody>,
    probe: Option<Probe>,
    exchange: Box<Exchange>,
    deadline: Pin<Box<Sleep>>,
    /// The record is on its way to the disk, before which the end does not go out.
    recording: Option<Recording>,
    is_over: bool,
}

type Recording = Pin<Box<dyn Future<Output = Result<(), StorageError>> + Send>>;

impl Passing {
    pub(super) fn new(
        rest: UpstreamBody,
        probe: Option<Probe>,
        exchange: Box<Exchange>,
        deadline: Instant,
    ) -> Self {
        Self {
            rest: Box::new(rest),
            probe,
            exchange,
            deadline: Box::pin(sleep_until(deadline)),
            recording: None,
            is_over: false,
        }
    }

    /// The next piece; an error is why it broke.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            if let Some(recording) = &mut self.recording {
                let recorded = ready!(recording.as_mut().poll(context));
                self.recording = None;
                return Poll::Ready(recorded.err().map(|error| Err(error.to_string())));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            if self.deadline.as_mut().poll(context).is_ready() {
                let why = format!("no end within the `{TOTAL}` timeout");
                return Poll::Ready(Some(Err(self.break_off(Code::Timeout, why))));
            }
            match ready!(Pin::new(&mut *self.rest).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.copy(&piece);
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                None if self.rest.end() == BodyEnd::Clean => self.complete(),
                broken => {
                    let why = broken
                        .and_then(Result::err)
                        .map_or_else(|| "its end is not proven".to_owned(), |e| e.to_string());
                    let why = self.break_off(Code::ProviderFailed, why);
                    return Poll::Ready(Some(Err(why)));
                }
            }
        }
    }

    fn copy(&mut self, piece: &Bytes) {
        if let Some(probe) = &mut self.probe
            && !probe.takes(piece)
        {
            self.probe = None;
        }
    }

    /// All of it came: it is settled before its end goes out.
    fn complete(&mut self) {
        self.is_over = true;
        if let Some(probe) = self.probe.take() {
            probe.enter(&mut self.exchange);
        }
        self.exchange.conclude(Outcome::Answered);
        let receipt = self.exchange.settle();
        self.recording = receipt
            .filter(|receipt| !receipt.is_durable())
            .map(|receipt| Box::pin(receipt.durable()) as Recording);
    }

    fn break_off(&mut self, code: Code, why: String) -> String {
        self.is_over = true;
        if let Some(attempt) = self.exchange.attempts.last_mut() {
            attempt.failure = Some(AttemptFailure::MidStream);
            attempt.why.clone_from(&why);
            attempt.used = std::mem::take(&mut self.exchange.used);
        }
        self.exchange.conclude(Outcome::Broken(code));
        // What broke is no answer, so that nobody waits for its record.
        let _receipt = self.exchange.settle();
        why
    }
}

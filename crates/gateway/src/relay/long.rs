//! An answer that is too large to hold.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body as _;
use policy::failure::Code;
use tokio::time::Sleep;

use super::Cut;
use crate::answer::TOTAL;
use crate::exchange::{Exchange, Outcome};
use crate::upstream::{BodyEnd, UpstreamBody};

/// A whole answer too large to hold, relayed as it comes.
pub struct Long {
    /// What was read before it was known to be too large.
    pub(super) first: Option<Bytes>,
    pub(super) rest: Box<UpstreamBody>,
    pub(super) exchange: Box<Exchange>,
    pub(super) deadline: Pin<Box<Sleep>>,
    /// Whether its bytes are to be billed.
    pub(super) counts: bool,
}

impl Long {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(self.metered(first))));
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            self.break_off(Code::Timeout);
            let why = format!("no end within the `{TOTAL}` timeout");
            return Poll::Ready(Some(Err(Cut(why))));
        }
        loop {
            match Pin::new(&mut *self.rest).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(self.metered(data))));
                    }
                }
                Poll::Ready(None) if self.rest.end() == BodyEnd::Clean => {
                    self.exchange.conclude(Outcome::Answered);
                    self.exchange.settle();
                    return Poll::Ready(None);
                }
                Poll::Ready(broken) => {
                    self.break_off(Code::ProviderFailed);
                    let why = broken
                        .and_then(Result::err)
                        .map_or_else(|| "its end is not proven".to_owned(), |e| e.to_string());
                    return Poll::Ready(Some(Err(Cut(why))));
                }
            }
        }
    }

    /// Nobody reads it, so its bytes are all that can be counted.
    fn metered(&mut self, bytes: Bytes) -> Bytes {
        if self.counts {
            self.exchange.used.output_bytes += bytes.len() as u64;
        }
        bytes
    }

    fn break_off(&mut self, code: Code) {
        self.exchange.conclude(Outcome::Broken(code));
        self.exchange.settle();
    }
}

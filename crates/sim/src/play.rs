//! How an answer goes over the wire: the tape that a dialect writes, the play
//! that faults make of it, and the HTTP body that performs it.
//!
//! Each step of a play is one write of its own, so what a script says in bytes
//! is exact in bytes. Nothing here knows a dialect or a fault's name.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::books::Ticket;
use crate::wire::{By, Line};

/// A whole answer as bytes, with a mark behind each event.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) buf: BytesMut,
    pub(crate) marks: Vec<Mark>,
}

/// The end of an event on a [`Tape`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) end: usize,
    /// Output tokens generated when this event is out.
    pub(crate) tokens: u64,
    /// Whether it carries content: the gap of a directive stands before it.
    pub(crate) content: bool,
}

impl Tape {
    /// Ends an event.
    pub(crate) fn mark(&mut self, tokens: u64, content: bool) {
        let end = self.buf.len();
        self.marks.push(Mark {
            end,
            tokens,
            content,
        });
    }
}

/// One write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) wait: Duration,
    pub(crate) bytes: Bytes,
    /// How many times the bytes are sent.
    pub(crate) repeat: u64,
    /// Output tokens and events that are out once this is.
    pub(crate) tokens: u64,
    pub(crate) events: u64,
}

/// What stands at the end of a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The body ends properly and the answer is whole.
    Whole,
    /// The body ends properly, the answer does not.
    Short(&'static str),
    /// The connection breaks.
    Cut(By),
    /// Nothing more is ever sent.
    Stall,
}

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) end: End,
    /// `content-length`, for an answer that declares one.
    pub(crate) length: Option<u64>,
    /// Bytes of each write and the time between them.
    pub(crate) slice: Option<(usize, Duration)>,
}

impl Play {
    /// A proper short body, such as an error's.
    pub(crate) fn plain(bytes: Bytes) -> Play {
        let length = Some(bytes.len() as u64);
        let step = Step {
            bytes,
            repeat: 1,
            events: 1,
            ..Step::default()
        };
        Play {
            steps: VecDeque::from([step]),
            end: End::Whole,
            length,
            slice: None,
        }
    }
}

/// A [`Play`] on its way.
pub(crate) struct PlayBody {
    play: Play,
    ticket: Option<Ticket>,
    line: Arc<Line>,
    /// When the next write is due, once its wait has begun.
    sleep: Option<Pin<Box<Sleep>>>,
    /// A write just went out and must reach the socket before the next.
    settle: bool,
    /// Bytes of the first step that are already out.
    offset: usize,
    cut_at_flush: Option<u64>,
    /// Before a reset: what was written is arriving.
    drained: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The connection was told to close.
    closing: bool,
    done: bool,
}

/// The connection's error after a scripted cut.
#[derive(Debug, thiserror::Error)]
#[error("the script cut this answer")]
pub(crate) struct CutError;

impl PlayBody {
    pub(crate) fn new(play: Play, mut ticket: Option<Ticket>, line: Arc<Line>) -> PlayBody {
        // A body of no bytes is never asked for.
        if let (Some(0), Some(ticket)) = (play.length, &mut ticket) {
            match play.end {
                End::Short(why) => ticket.cut(why),
                End::Whole | End::Cut(_) | End::Stall => ticket.complete(),
            }
        }
        PlayBody {
            play,
            ticket,
            line,
            sleep: None,
            settle: false,
            offset: 0,
            cut_at_flush: None,
            drained: None,
            closing: false,
            done: false,
        }
    }

    /// The bytes of the next write, and what is out once it is.
    fn take(&mut self) -> Option<(Bytes, Option<(u64, u64)>)> {
        let slice = self.play.slice.map(|(n, _)| n.max(1));
        let step = self.play.steps.front_mut()?;
        let left = step.bytes.len().saturating_sub(self.offset);
        if let Some(n) = slice.filter(|n| *n < left) {
            let part = step.bytes.slice(self.offset..self.offset + n);
            self.offset += n;
            return Some((part, None));
        }
        let part = step.bytes.slice(step.bytes.len() - left..);
        self.offset = 0;
        if step.repeat > 1 {
            step.repeat -= 1;
            step.wait = Duration::ZERO;
            return Some((part, None));
        }
        let out = (step.events, step.tokens);
        self.play.steps.pop_front();
        Some((part, Some(out)))
    }

    /// How long the next write waits.
    fn due(&self) -> Duration {
        match (self.offset, self.play.slice) {
            (1.., Some((_, every))) => every,
            _ => self.play.steps.front().map_or(Duration::ZERO, |s| s.wait),
        }
    }

    fn send(&mut self) -> Option<Bytes> {
        let (bytes, out) = self.take()?;
        let last = self.play.steps.is_empty();
        if let Some(ticket) = &mut self.ticket {
            ticket.sent(bytes.len() as u64, out);
            if last {
                match self.play.end {
                    End::Whole => ticket.complete(),
                    End::Short(why) => ticket.cut(why),
                    End::Cut(_) | End::Stall => {}
                }
            }
        }
        Some(bytes)
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        match self.play.end {
            End::Whole | End::Short(_) => {
                self.done = true;
                self.ticket = None;
                Poll::Ready(None)
            }
            End::Stall => {
                if let Some(ticket) = &mut self.ticket {
                    ticket.stalled();
                }
                Poll::Pending
            }
            End::Cut(by) => self.cut(by, cx),
        }
    }

    /// Breaks the connection (or the HTTP/2 stream) after all writes are out.
    fn cut(
        &mut self,
        by: By,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        if let Some(ticket) = &mut self.ticket {
            ticket.cut(by.name());
        }
        if self.closing {
            return Poll::Pending;
        }
        if by == By::Fin {
            self.closing = true;
            self.line.close(by);
            return Poll::Pending;
        }
        let now = self.line.flushes(cx.waker());
        let before = *self.cut_at_flush.get_or_insert(now);
        if before == now {
            self.line.wake();
            return Poll::Pending;
        }
        if self.line.is_h2() {
            self.done = true;
            self.ticket = None;
            return Poll::Ready(Some(Err(CutError)));
        }
        let line = Arc::clone(&self.line);
        let drained = self.drained.get_or_insert_with(|| Box::pin(line.drained()));
        std::task::ready!(drained.as_mut().poll(cx));
        self.closing = true;
        self.line.close(by);
        Poll::Pending
    }
}

impl http_body::Body for PlayBody {
    type Data = Bytes;
    type Error = CutError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        let this = self.get_mut();
        if this.play.steps.is_empty() {
            return this.finish(cx);
        }
        if this.settle {
            this.settle = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.sleep.is_none() {
            let wait = this.due();
            if !wait.is_zero() {
                this.sleep = Some(Box::pin(sleep_until(Instant::now() + wait)));
            }
        }
        if let Some(sleep) = &mut this.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
            this.sleep = None;
        }
        this.settle = true;
        match this.send() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => this.finish(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let over = matches!(self.play.end, End::Whole | End::Short(_));
        self.done || (over && self.play.steps.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.play
            .length
            .map(SizeHint::with_exact)
            .unwrap_or_default()
    }
}

//! The hold-back: bytes that wait until a tap lets them go.
//!
//! With `tool_calls: whole` the bytes of a tool call wait until the call is
//! complete, so that no client ever holds half a call. What waits is bounded;
//! beyond the bound the stream breaks rather than let half a call out.

use bytes::Bytes;
use dialect::chat::{PartStart, StreamEvent};
use dialect::frame::{RawFrame, Run};
use policy::model::ToolCalls;

/// Most bytes that wait.
pub(crate) const HELD_MAX: usize = 1024 * 1024;

/// More than [`HELD_MAX`] bytes would have to wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// Bytes for the client.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A frame as the provider sent it.
    Frame(RawFrame),
    /// Bytes written anew.
    Written(Bytes),
}

impl Piece {
    /// Its length in bytes.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        match self {
            Piece::Frame(frame) => frame.bytes().len(),
            Piece::Written(bytes) => bytes.len(),
        }
    }

    /// Its bytes.
    #[must_use]
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Piece::Frame(frame) => frame.into_bytes(),
            Piece::Written(bytes) => bytes,
        }
    }

    fn push_to(self, run: &mut Run) {
        match self {
            Piece::Frame(frame) => run.push(frame),
            Piece::Written(bytes) => run.push_bytes(bytes),
        }
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct HoldBack {
    whole: bool,
    /// Tool calls that have begun and not ended, as (candidate, part).
    open: Vec<(u64, u64)>,
    held: Vec<Piece>,
    bytes: usize,
}

impl HoldBack {
    /// A hold-back for that delivery of tool calls.
    #[must_use]
    pub(crate) fn new(tool_calls: ToolCalls) -> Self {
        Self {
            whole: tool_calls == ToolCalls::Whole,
            ..Self::default()
        }
    }

    /// Takes a piece that means `events` and appends to `ready` what may go on, in order. Events
    /// for which the client's dialect has no bytes come without a piece.
    ///
    /// # Errors
    /// [`TooMuch`] where the bound is reached.
    pub(crate) fn offer(
        &mut self,
        piece: Option<Piece>,
        events: &[StreamEvent],
        ready: &mut Run,
    ) -> Result<(), TooMuch> {
        if !self.whole {
            piece.into_iter().for_each(|piece| piece.push_to(ready));
            return Ok(());
        }
        for event in events {
            match event {
                StreamEvent::PartStart {
                    candidate,
                    part,
                    start: PartStart::ToolCall { .. },
                } => self.open.push((*candidate, *part)),
                StreamEvent::PartEnd { candidate, part } => {
                    self.open.retain(|open| open != &(*candidate, *part));
                    if self.open.is_empty() {
                        self.release(ready);
                    }
                }
                StreamEvent::PartStart { .. }
                | StreamEvent::Start(_)
                | StreamEvent::Delta { .. }
                | StreamEvent::Logprobs { .. }
                | StreamEvent::Finish { .. }
                | StreamEvent::Usage(_)
                | StreamEvent::Ping
                | StreamEvent::Error(_) => {}
                // The provider's proof covers every call.
                StreamEvent::End => self.open.clear(),
            }
        }
        if self.open.is_empty() {
            self.release(ready);
            piece.into_iter().for_each(|piece| piece.push_to(ready));
            return Ok(());
        }
        self.bytes += piece.as_ref().map_or(0, Piece::len);
        self.held.extend(piece);
        if self.bytes > HELD_MAX {
            Err(TooMuch)
        } else {
            Ok(())
        }
    }

    /// How many bytes wait.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.bytes
    }

    fn release(&mut self, ready: &mut Run) {
        for piece in self.held.drain(..) {
            piece.push_to(ready);
        }
        self.bytes = 0;
    }
}

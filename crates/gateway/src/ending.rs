//! What a stream says last, and how its body ends behind that.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::relay::Cut;

/// The last of a stream.
pub(crate) struct Ending {
    words: Option<Bytes>,
    then: Then,
}

/// What comes behind the last words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The framing's end.
    End,
    /// One turn for the connection, which writes out what it was given before it hears of the break.
    Flush,
    /// No end: the framing breaks.
    Break,
}

impl Ending {
    /// The rest of a whole answer.
    #[must_use]
    pub(crate) fn whole(words: Option<Bytes>) -> Self {
        Self {
            words,
            then: Then::End,
        }
    }

    /// A failure event, behind which the framing ends or breaks.
    #[must_use]
    pub(crate) fn failed(words: Bytes, breaks: bool) -> Self {
        Self {
            words: Some(words),
            then: if breaks { Then::Flush } else { Then::End },
        }
    }

    /// The next piece.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(words) = self.words.take() {
            return Poll::Ready(Some(Ok(words)));
        }
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Flush => {
                self.then = Then::Break;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Break => Poll::Ready(Some(Err(Cut::told()))),
        }
    }

    /// Whether nothing comes any more but the framing's end.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        self.words.is_none() && self.then == Then::End
    }
}

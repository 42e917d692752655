//! The parts that a stream's writer keeps and writes.

use crate::chat::{Opaque, ToolCallKind};
use crate::json::{Json, Writer};

/// Where the deltas of an open part go.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    Text,
    /// A thought: whether words of it were written, and what signs it.
    Thought {
        worded: bool,
        opaque: Option<Box<Opaque>>,
    },
    /// A call, and its arguments as far as they came.
    Call {
        id: String,
        name: String,
        kind: ToolCallKind,
        arguments: String,
    },
    Opaque(Box<Opaque>),
}

/// A part to be written.
pub(super) struct Piece<'a> {
    said: Said<'a>,
    signature: Option<&'a Json>,
}

enum Said<'a> {
    Text(&'a str),
    Thought(&'a str),
    Call(&'a str, &'a str, &'a str),
}

impl<'a> Piece<'a> {
    /// Words, be they said or thought.
    pub(super) fn text(words: &'a str, thought: bool, signature: Option<&'a Json>) -> Self {
        let said = if thought {
            Said::Thought(words)
        } else {
            Said::Text(words)
        };
        Self { said, signature }
    }

    /// A call by its id and name, with its arguments as an object.
    pub(super) fn call(
        id: &'a str,
        name: &'a str,
        args: &'a str,
        signature: Option<&'a Json>,
    ) -> Self {
        Self {
            said: Said::Call(id, name, args),
            signature,
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.object(|out| {
            match self.said {
                Said::Text(words) => {
                    out.key("text").string(words);
                }
                Said::Thought(words) => {
                    out.key("text").string(words);
                    out.key("thought").bool(true);
                }
                Said::Call(id, name, args) => {
                    out.key("functionCall").object(|out| {
                        out.key("id").string(id);
                        out.key("name").string(name);
                        out.key("args").raw(args);
                    });
                }
            }
            if let Some(signature) = self.signature {
                out.key("thoughtSignature").json(signature);
            }
        });
    }
}

/// Writes JSON behind what stands in `out`.
pub(super) fn append(out: &mut Vec<u8>, inner: impl FnOnce(&mut Writer)) {
    let mut writer = Writer::append_to(std::mem::take(out));
    inner(&mut writer);
    *out = writer.into_bytes();
}

//! One event of a stream as it was read, before the grammar weighs its meaning.
//!
//! Values that only some events need stay unread where they stand. Reading must
//! never decide what an event means for the stream.

use crate::json::{Invalid, Kind, Reader};

/// An event as it was read.
#[derive(Default)]
pub(super) struct Event<'a> {
    /// Which item.
    pub(super) item_index: Option<u64>,
    /// The id of the item.
    pub(super) item_id: Option<Reader<'a>>,
    /// The id by which it was found, where no number says which.
    pub(super) id: Option<String>,
    /// Which piece of its content, or of its summary.
    pub(super) inner_index: Option<u64>,
    pub(super) delta: Option<Reader<'a>>,
    /// The whole text, refusal, arguments or input, once it is complete.
    pub(super) whole: Option<Reader<'a>>,
    pub(super) item: Option<Reader<'a>>,
    pub(super) part: Option<Reader<'a>>,
    pub(super) response: Option<Reader<'a>>,
    pub(super) annotation: Option<Reader<'a>>,
    pub(super) logprobs: Option<Reader<'a>>,
}

impl<'a> Event<'a> {
    /// Reads the data of an event of that kind.
    pub(super) fn read(data: &'a str, kind: &str, unknown: &mut Unknown) -> Result<Self, Invalid> {
        let mut event = Self::default();
        let mut reader = Reader::over(data);
        let mut typed = false;
        reader.object(|key, member| {
            let slot = match key {
                "type" => {
                    typed = true;
                    if member.string()? == kind {
                        return Ok(());
                    }
                    return Err(Invalid::new("the event has another name than its data"));
                }
                "output_index" => {
                    event.item_index = Some(member.u64()?);
                    return Ok(());
                }
                "content_index" | "summary_index" => {
                    event.inner_index = Some(member.u64()?);
                    return Ok(());
                }
                "item_id" if member.peek()? == Kind::String => &mut event.item_id,
                "delta" => &mut event.delta,
                "text" | "refusal" | "arguments" | "input" => &mut event.whole,
                "item" => &mut event.item,
                "part" => &mut event.part,
                "response" => &mut event.response,
                "annotation" => &mut event.annotation,
                "logprobs" => &mut event.logprobs,
                _ => {
                    if !KNOWN.contains(&key) && member.peek()? != Kind::Null {
                        unknown.note(kind, key);
                    }
                    return member.skip().map(drop);
                }
            };
            *slot = Some(member.clone());
            member.skip().map(drop)
        })?;
        reader.end()?;
        if !typed {
            return Err(Invalid::new("field required").under("type"));
        }
        Ok(event)
    }
}

/// Members of events that tell nothing of the answer, or what stands in its item too.
const KNOWN: [&str; 18] = [
    "sequence_number",
    "item_id",
    "annotation_index",
    "obfuscation",
    "name",
    "code",
    "command",
    "command_index",
    "partial_image_b64",
    "partial_image_index",
    "background",
    "output_format",
    "quality",
    "size",
    "output",
    "error",
    "message",
    "param",
];

/// Names of fields and kinds of events that were passed over.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknown {
    pub(super) names: Vec<String>,
}

/// Most names that are kept, and most letters of one.
const KEPT: (usize, usize) = (32, 64);

impl Unknown {
    /// Keeps a name.
    pub(super) fn note(&mut self, of: &str, name: &str) {
        let (names, letters) = KEPT;
        let name = format!("{}.{}", short(of, letters), short(name, letters));
        if self.names.len() < names && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

fn short(name: &str, letters: usize) -> &str {
    name.get(..name.floor_char_boundary(letters))
        .unwrap_or_default()
}

//! The pieces that a stream's writer works with: parts that wait, and events as bytes.
//!
//! An event's data is one line, whatever JSON it carries; nothing here may
//! break that.

use crate::chat::{Delta, PartStart};
use crate::frame::sse::one_line;
use crate::json::{Json, Writer};

/// A sign of life, as the API writes it.
pub(super) const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// A part on its way to be a block.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) start: PartStart,
    /// Whether its block was begun.
    pub(super) begun: bool,
    /// Whether a delta was written.
    pub(super) grown: bool,
    /// What came while another block was open.
    pub(super) deltas: Vec<Delta>,
    pub(super) ended: bool,
}

/// What a part that waits counts beside its deltas, in bytes.
pub(super) const HELD_PART: usize = 256;

pub(super) fn weight(delta: &Delta) -> usize {
    const STEP: usize = 64;
    let text = match delta {
        Delta::Text(text) | Delta::Arguments(text) => text.len(),
        Delta::Opaque(opaque) => opaque.value.text().len(),
        Delta::Citation(citation) => citation.raw.value.text().len(),
        Delta::Raw(raw) => raw.text().len(),
    };
    text + STEP
}

/// The free text of a custom call as the object that the API wants.
pub(super) fn free_text(deltas: &[Delta]) -> String {
    let mut words = String::new();
    for delta in deltas {
        if let Delta::Arguments(more) = delta {
            words.push_str(more);
        }
    }
    let object = Json::written(|out| {
        out.object(|out| {
            out.key("input").string(&words);
        });
    });
    object.text().to_owned()
}

/// Appends one event whose data has that type and the members that `inner` writes.
pub(super) fn frame(out: &mut Vec<u8>, kind: &str, inner: impl FnOnce(&mut Writer)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let start = out.len();
    let mut data = Writer::append_to(std::mem::take(out));
    data.object(|data| {
        data.key("type").string(kind);
        inner(data);
    });
    *out = data.into_bytes();
    one_line(out.get_mut(start..).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

//! What an answer that passes through tells of its usage, if it is one of a dialect that is known.
//!
//! A copy is read once the answer has ended. What is longer than [`MAX`], compressed or of another kind is
//! not read: such a request is charged as a request.

use bytes::{Bytes, BytesMut};
use dialect::Dialect;
use dialect::chat::{StreamEvent, Usage};
use dialect::codec::{Broken, End};
use dialect::frame::Framing;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::exchange::Exchange;
use crate::memory::{Memory, Permit};

/// The longest answer that is read, in bytes.
pub(super) const MAX: usize = 8 * 1024 * 1024;

/// A copy of an answer.
pub(super) struct Probe {
    /// What its provider speaks as a rule.
    dialect: Dialect,
    /// How it is framed, where it is a stream.
    framing: Option<Framing>,
    bytes: BytesMut,
    room: Permit,
}

/// What an answer tells.
struct Told {
    usage: Usage,
    model: String,
    tier: Option<String>,
}

impl Probe {
    /// A copy that is begun, where such an answer can be read.
    pub(super) fn of(headers: &HeaderMap, dialect: Dialect, memory: &Memory) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if text(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return None;
        }
        let kind = text(CONTENT_TYPE)?;
        let streams = [Framing::Sse, Framing::EventStream];
        let framing = streams
            .into_iter()
            .find(|framing| kind.starts_with(framing.media_type()));
        if framing.is_none() && !kind.starts_with("application/json") {
            return None;
        }
        Some(Self {
            dialect,
            framing,
            bytes: BytesMut::new(),
            room: memory.try_reserve(0)?,
        })
    }

    /// Takes a piece in; false where it is too much.
    pub(super) fn takes(&mut self, piece: &Bytes) -> bool {
        let fits = self.bytes.len() + piece.len() <= MAX && self.room.grow(piece.len());
        if fits {
            self.bytes.extend_from_slice(piece);
        }
        fits
    }

    /// Enters what the whole answer tells.
    pub(super) fn enter(self, exchange: &mut Exchange) {
        let bytes = self.bytes.freeze();
        let others = Dialect::ALL.into_iter().filter(|one| *one != self.dialect);
        let mut dialects = std::iter::once(self.dialect).chain(others);
        let told = dialects.find_map(|dialect| match self.framing {
            None => whole(dialect, &bytes),
            Some(framing) if dialect.client().framing() == framing => streamed(dialect, &bytes),
            Some(_) => None,
        });
        if let Some(told) = told {
            exchange.served_by(&told.model, told.tier.as_deref());
            let used = &mut exchange.used;
            used.usage = Some(told.usage);
            (used.is_final, used.is_uncounted) = (true, false);
        }
    }
}

fn whole(dialect: Dialect, bytes: &Bytes) -> Option<Told> {
    let weighed = dialect.client().weigh_response(bytes).ok()?;
    Some(Told {
        usage: weighed.usage?,
        model: weighed.model.into_owned(),
        tier: weighed.service_tier.map(std::borrow::Cow::into_owned),
    })
}

/// Of a stream that came to its end by its own proof only.
fn streamed(dialect: Dialect, bytes: &Bytes) -> Option<Told> {
    let events = events(dialect, bytes).ok()?;
    let (mut usage, mut model, mut tier) = (None, String::new(), None);
    for event in events {
        match event {
            StreamEvent::Start(start) => (model, tier) = (start.model, start.service_tier),
            StreamEvent::Usage(told) => usage = Some(*told),
            StreamEvent::Error(_) => return None,
            StreamEvent::PartStart { .. }
            | StreamEvent::Delta { .. }
            | StreamEvent::PartEnd { .. }
            | StreamEvent::Logprobs { .. }
            | StreamEvent::Finish { .. }
            | StreamEvent::Ping
            | StreamEvent::End => {}
        }
    }
    let usage = usage?;
    Some(Told { usage, model, tier })
}

fn events(dialect: Dialect, bytes: &Bytes) -> Result<Vec<StreamEvent>, Broken> {
    let codec = dialect.client();
    let (mut decoder, mut events) = (codec.decoder(1), Vec::new());
    let mut framer = codec.framing().framer(MAX);
    let unframed = |_| Broken::new("it is not framed as it says");
    framer.push(bytes.clone());
    while let Some(raw) = framer.next_frame().map_err(unframed)? {
        if let Some(frame) = raw.frame().map_err(unframed)? {
            decoder.push(&frame, &mut events)?;
        }
    }
    if !events.iter().any(|event| matches!(event, StreamEvent::End)) {
        decoder.finish(End::Clean, &mut events)?;
    }
    Ok(events)
}

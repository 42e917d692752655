//! The API's stream inside AWS's event stream: each event of it in a message named `chunk`,
//! as `{"bytes": "…"}` in base64.
//!
//! What an event means is read and written by the API's own codec; nothing here may
//! make an end.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Decoder, Encoder};
use crate::anthropic::failure;
use crate::anthropic::request::Dress;
use crate::anthropic::wire::kind_of;
use crate::chat::StreamEvent;
use crate::codec::{Broken, EncoderOptions, End, EventDecoder, EventEncoder};
use crate::failure::ClientFailure;
use crate::frame::Frame;
use crate::frame::event_stream::write;
use crate::json::{Invalid, Reader, Writer};
use crate::loss::Losses;

/// The reader of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Unpacker {
    inner: Decoder,
    failed: bool,
}

impl Unpacker {
    pub(crate) fn new(candidates: u64) -> Self {
        Self {
            inner: Decoder::new(candidates),
            failed: false,
        }
    }

    fn unpack(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if self.failed {
            return Err(Broken::new("an event came after a failure"));
        }
        if let Some((_, kind)) = frame.event.split_once(':') {
            self.failed = true;
            let mut error = failure::decode(frame.data.as_bytes());
            error.code = Some(kind.to_owned());
            events.push(StreamEvent::Error(Box::new(error)));
            return Ok(());
        }
        let frame = Frame {
            event: "".into(),
            data: chunk(frame)?.into(),
        };
        self.inner.push(&frame, events)
    }
}

const CHUNK: &str = "chunk";

/// The API's event in a chunk.
fn chunk(frame: &Frame<'_>) -> Result<String, Broken> {
    if frame.event != CHUNK {
        return Err(Broken::new("a message of the stream is no chunk"));
    }
    let mut bytes = None;
    let mut reader = Reader::over(&frame.data).with_unique_keys();
    reader.object(|key, member| {
        if key != "bytes" {
            return member.skip().map(drop);
        }
        let decoded = STANDARD.decode(&*member.string()?);
        bytes = Some(decoded.map_err(|_| Invalid::new("no base64"))?);
        Ok(())
    })?;
    reader.end()?;
    let bytes = bytes.ok_or_else(|| Broken::new("a chunk has no bytes"))?;
    String::from_utf8(bytes).map_err(|_| Broken::new("a chunk is not valid UTF-8"))
}

/// A frame of the API's stream in any dress as this one frames it: the event's own bytes. None for
/// what keeps a connection alive only, for which chunks have no word.
///
/// # Errors
/// [`Broken`] where the frame is none of the API's.
pub(crate) fn reframe(dress: Dress, frame: &Frame<'_>) -> Result<Option<Vec<u8>>, Broken> {
    let event = if frame.event == CHUNK {
        chunk(frame)?
    } else {
        frame.data.clone().into_owned()
    };
    let kind = kind_of(&Reader::over(&event))?;
    if kind.chars().any(char::is_control) {
        return Err(Broken::new("an event's type is no word"));
    }
    let mut out = Vec::with_capacity(2 * event.len() + 64);
    match dress {
        Dress::Bedrock if kind == "ping" => return Ok(None),
        Dress::Bedrock => pack_one(event.as_bytes(), &mut out),
        Dress::Plain | Dress::Vertex => {
            for piece in ["event: ", &kind, "\n"] {
                out.extend_from_slice(piece.as_bytes());
            }
            for line in event.lines() {
                for piece in ["data: ", line, "\n"] {
                    out.extend_from_slice(piece.as_bytes());
                }
            }
            out.push(b'\n');
        }
    }
    Ok(Some(out))
}

impl EventDecoder for Unpacker {
    fn push(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        let taken = self.unpack(frame, events);
        self.failed |= taken.is_err();
        taken
    }

    fn finish(&mut self, end: End, events: &mut Vec<StreamEvent>) -> Result<(), Broken> {
        if self.failed {
            return Err(Broken::new("the stream failed"));
        }
        self.inner.finish(end, events)
    }

    fn unknown_fields(&self) -> &[String] {
        self.inner.unknown_fields()
    }

    fn boxed_clone(&self) -> Box<dyn EventDecoder> {
        Box::new(self.clone())
    }
}

/// The writer of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Packer {
    inner: Encoder,
    closed: bool,
}

impl Packer {
    pub(crate) fn new(options: EncoderOptions) -> Self {
        Self {
            inner: Encoder::new(options),
            closed: false,
        }
    }
}

/// Appends each event of the API's stream as a message, but for pings, for which chunks have no word.
fn pack(events: &[u8], out: &mut Vec<u8>) {
    let mut lines = events.split(|byte| *byte == b'\n');
    while let Some(line) = lines.next() {
        if line == b"event: ping" {
            lines.next();
        } else if let Some(data) = line.strip_prefix(b"data: ") {
            pack_one(data, out);
        }
    }
}

/// Appends one event as a message.
fn pack_one(event: &[u8], out: &mut Vec<u8>) {
    const HEADERS: [(&str, &str); 3] = [
        (":event-type", CHUNK),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    write(out, &HEADERS, |out| {
        let mut payload = Writer::append_to(std::mem::take(out));
        payload.object(|payload| {
            payload.key("bytes").string(&STANDARD.encode(event));
        });
        *out = payload.into_bytes();
    });
}

impl EventEncoder for Packer {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        let mut events = Vec::new();
        self.inner.push(event, &mut events);
        pack(&events, out);
        self.closed = matches!(event, StreamEvent::End);
    }

    fn fail(&mut self, failure: &ClientFailure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let kind = match failure.status {
            429 => "throttlingException",
            503 | 529 => "serviceUnavailableException",
            408 | 504 => "modelTimeoutException",
            400..=499 => "validationException",
            _ => "internalServerException",
        };
        let headers = [
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ];
        write(out, &headers, |out| {
            let mut payload = Writer::append_to(std::mem::take(out));
            payload.object(|payload| {
                payload.key("message").string(&failure.message);
                failure.write_details(payload);
            });
            *out = payload.into_bytes();
        });
    }

    /// The framing has nothing that client libraries would pass over.
    fn keep_alive(&self) -> &'static [u8] {
        b""
    }

    fn losses(&self) -> &Losses {
        self.inner.losses()
    }

    fn boxed_clone(&self) -> Box<dyn EventEncoder> {
        Box::new(self.clone())
    }
}

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
        if frame.event != "chunk" {
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
        let data = std::str::from_utf8(&bytes);
        let data = data.map_err(|_| Broken::new("a chunk is not valid UTF-8"))?;
        let frame = Frame {
            event: "".into(),
            data: data.into(),
        };
        self.inner.push(&frame, events)
    }
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

/// Appends each event of the API's stream as a message.
fn pack(events: &[u8], out: &mut Vec<u8>) {
    const HEADERS: [(&str, &str); 3] = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    let lines = events.split(|byte| *byte == b'\n');
    for data in lines.filter_map(|line| line.strip_prefix(b"data: ")) {
        write(out, &HEADERS, |out| {
            let mut payload = Writer::append_to(std::mem::take(out));
            payload.object(|payload| {
                payload.key("bytes").string(&STANDARD.encode(data));
            });
            *out = payload.into_bytes();
        });
    }
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

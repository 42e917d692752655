//! The laws of translation, held against every recording and fixture.

mod ambiguous;
mod broken;
mod chop;
mod cut;
mod differential;
mod fields;
mod fold;
mod fuzz;
mod generated;
mod head;
mod hostile;
mod named;
mod robust;
mod round_trip;
mod translate;
mod weigh;

use bytes::Bytes;
use dialect::Dialect;
use dialect::chat::StreamEvent;
use dialect::codec::{Broken, ClientCodec, EncoderOptions, End, EventDecoder, TargetModel};
use dialect::failure::{ClientFailure, FailureDetails};
use dialect::fold::Accumulator;
use dialect::frame::Framer;
use dialect::frame::sse::MAX_EVENT;

/// Reads a stream as the road does.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) framer: Framer,
    pub(crate) decoder: Box<dyn EventDecoder>,
    pub(crate) events: Vec<StreamEvent>,
}

impl Stream {
    pub(crate) fn new(dialect: Dialect, candidates: u64) -> Self {
        Self {
            framer: dialect.client().framing().framer(MAX_EVENT),
            decoder: dialect.client().decoder(candidates),
            events: Vec::new(),
        }
    }

    /// Takes bytes in.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.framer.push(Bytes::copy_from_slice(bytes));
        while let Some(raw) = self.framer.next_frame()? {
            if let Some(frame) = raw.frame()? {
                self.decoder.push(&frame, &mut self.events)?;
            }
        }
        Ok(())
    }

    /// Ends the body. An event that lacks only its blank line counts where the body ended cleanly.
    pub(crate) fn finish(mut self, end: End) -> (Vec<StreamEvent>, Result<(), Broken>) {
        let result = self.last(end);
        (self.events, result)
    }

    fn last(&mut self, end: End) -> Result<(), Broken> {
        let framer = self.framer.clone();
        if let (End::Clean, Some(raw)) = (end, framer.finish())
            && let Some(frame) = raw.frame()?
        {
            self.decoder.push(&frame, &mut self.events)?;
        }
        self.decoder.finish(end, &mut self.events)
    }
}

/// The events of a whole stream that ended cleanly.
pub(crate) fn events(
    dialect: Dialect,
    candidates: u64,
    stream: &[u8],
) -> Result<Vec<StreamEvent>, Broken> {
    let mut reader = Stream::new(dialect, candidates);
    reader.push(stream)?;
    let (events, result) = reader.finish(End::Clean);
    result.map(|()| events)
}

pub(crate) fn fold(origin: Dialect, events: &[StreamEvent]) -> Accumulator {
    let mut accumulator = Accumulator::new(origin);
    events.iter().for_each(|event| accumulator.push(event));
    accumulator
}

/// Whether a dialect names the model in the path and not in the body.
pub(crate) fn names_model_in_path(dialect: Dialect) -> bool {
    let path = |model| dialect.client().chat_path(model, false);
    path("a") != path("b")
}

pub(crate) fn target(model: &str) -> TargetModel<'_> {
    TargetModel {
        model,
        default_max_tokens: 4096,
        force_usage: false,
        adaptive_thinking: false,
    }
}

/// The other dialects, as a provider speaks them.
pub(crate) fn others(
    dialect: Dialect,
) -> impl Iterator<Item = (Dialect, &'static dyn ClientCodec)> {
    Dialect::ALL
        .into_iter()
        .filter(move |other| *other != dialect)
        .map(|other| (other, other.client()))
}

/// A writer that tells usage.
pub(crate) fn with_usage() -> EncoderOptions {
    EncoderOptions {
        include_usage: true,
        ..EncoderOptions::default()
    }
}

/// Whether the bytes of a stream hold its dialect's mark of success.
pub(crate) fn has_terminator(dialect: Dialect, out: &[u8]) -> bool {
    let marks: &[&str] = match dialect {
        Dialect::OpenaiChat => &["data: [DONE]"],
        Dialect::OpenaiResponses => &["event: response.completed", "event: response.incomplete"],
        Dialect::AnthropicMessages => &["event: message_stop"],
        Dialect::BedrockConverse => {
            let mark = b":event-type\x07\x00\x0bmessageStop";
            return out.windows(mark.len()).any(|bytes| bytes == mark);
        }
        Dialect::Cohere => &[r#"data: {"type":"message-end""#],
        // There is no event for it; the reason in the last one is what a client goes by.
        Dialect::Gemini => {
            return out.split(|byte| *byte == b'\n').any(|line| {
                let line = String::from_utf8_lossy(line);
                let data = line.strip_prefix("data: ").unwrap_or_default();
                let chunk: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
                chunk["promptFeedback"]["blockReason"].is_string()
                    || chunk["candidates"][0].get("finishReason").is_some()
            });
        }
    };
    // The one event that ends a stream of Cohere's tells of failures too.
    let failed: &[u8] = br#""finish_reason":"ERROR""#;
    let fails = |line: &[u8]| line.windows(failed.len()).any(|at| at == failed);
    out.split(|byte| *byte == b'\n').any(|line| {
        marks.iter().any(|mark| line.starts_with(mark.as_bytes()))
            && !(dialect == Dialect::Cohere && fails(line))
    })
}

pub(crate) fn failure() -> ClientFailure {
    ClientFailure {
        status: 502,
        code: "provider_failed",
        message: "the provider's answer broke off".into(),
        param: None,
        details: FailureDetails {
            request_id: "01J00000000000000000000000".into(),
            fault: "provider",
            attempts: 1,
            retry_after_ms: None,
            provider_code: None,
            more: Vec::new(),
        },
    }
}

//! The gateway's reading of an answer.

use bytes::Bytes;
use dialect::chat::{StreamEvent, Usage};
use dialect::codec::{Broken, End, EventDecoder};
use dialect::fold::Accumulator;
use dialect::frame::Framing;
use dialect::frame::sse::MAX_EVENT;

use super::corpus::Recording;

/// What the gateway reads of an answer: its usage and the model that served.
pub(super) fn decode(recording: &Recording) -> Result<(Option<Usage>, String), Broken> {
    let client = recording.dialect.client();
    let response = if recording.stream {
        let mut decoder = client.decoder(recording.candidates);
        let framing = if recording.is_array() {
            Framing::JsonArray
        } else {
            client.framing()
        };
        let events = read_stream(decoder.as_mut(), framing, &recording.response)?;
        let mut whole = Accumulator::new(recording.dialect);
        events.iter().for_each(|event| whole.push(event));
        whole.into_response()
    } else {
        client.decode_response(&recording.response)?
    };
    Ok((response.usage, response.model))
}

fn read_stream(
    decoder: &mut dyn EventDecoder,
    framing: Framing,
    stream: &[u8],
) -> Result<Vec<StreamEvent>, Broken> {
    let mut events = Vec::new();
    let mut framer = framing.framer(MAX_EVENT);
    framer.push(Bytes::copy_from_slice(stream));
    while let Some(raw) = framer.next_frame()? {
        if let Some(frame) = raw.frame()? {
            decoder.push(&frame, &mut events)?;
        }
    }
    if let Some(raw) = framer.finish()
        && let Some(frame) = raw.frame()?
    {
        decoder.push(&frame, &mut events)?;
    }
    decoder.finish(End::Clean, &mut events)?;
    Ok(events)
}

//! What is held against any bytes: one plain function for each kind of target.
//!
//! The targets in `fuzz_targets` call these with what libFuzzer makes; the tests of the
//! dialect crate call them with a fixed set of altered fixtures and recordings. A body
//! fails by panicking, and must depend on its bytes alone.

use bytes::Bytes;
use dialect::Dialect;
use dialect::chat::{StreamEvent, Usage};
use dialect::codec::{Broken, EncoderOptions, End, EventDecoder, TargetModel};
use dialect::fold::Accumulator;
use dialect::frame::Framing;
use dialect::frame::sse::MAX_EVENT;
use dialect::json::Json;
use dialect::loss::Losses;
use dialect::needs::Needs;

/// Frames are the same wherever their bytes were split.
pub fn frames(framing: Framing, bytes: &[u8]) {
    let whole = cut(framing, &[bytes]);
    let at = usize::from(bytes.first().copied().unwrap_or_default()) % (bytes.len() + 1);
    let (before, behind) = bytes.split_at(at);
    assert_eq!(whole, cut(framing, &[before, behind]), "split at {at}");
}

/// The frames of a body that came in those pieces, and whether it broke.
fn cut(framing: Framing, pieces: &[&[u8]]) -> (Vec<Bytes>, bool) {
    let mut framer = framing.framer(MAX_EVENT);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        loop {
            match framer.next_frame() {
                Ok(Some(raw)) => {
                    let broken = raw.frame().is_err();
                    frames.push(raw.into_bytes());
                    if broken {
                        return (frames, true);
                    }
                }
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    frames.extend(framer.finish().map(|raw| raw.into_bytes()));
    (frames, false)
}

/// A request that is read is written as JSON that reads as the same, and its head agrees.
pub fn request(dialect: Dialect, bytes: &[u8]) {
    let server = dialect.server();
    let head = server.head(bytes);
    let _ = server.media(bytes);
    let Ok(hub) = server.decode_request(bytes) else {
        return;
    };
    if let Ok(head) = head {
        assert_eq!(head.stream, hub.stream, "the head says otherwise");
    }
    let _ = Needs::of(&hub);
    let written = encoded(dialect, &hub);
    let again = server.decode_request(&written);
    let again = again.unwrap_or_else(|error| unreadable(&error.to_string(), &written));
    assert_eq!(
        written,
        encoded(dialect, &again),
        "written again it is another request"
    );
}

/// A request for one dialect is one for each: JSON that the other side reads.
pub fn pair(from: Dialect, to: Dialect, bytes: &[u8]) {
    let Ok(hub) = from.server().decode_request(bytes) else {
        return;
    };
    let written = encoded(to, &hub);
    let again = to.server().decode_request(&written);
    again.unwrap_or_else(|error| unreadable(&error.to_string(), &written));
}

fn encoded(to: Dialect, hub: &dialect::chat::Request) -> Vec<u8> {
    let target = TargetModel {
        adaptive_thinking: false,
        model: "m",
        default_max_tokens: 4096,
        force_usage: false,
    };
    let client = to.client();
    let written = client.encode_request(hub, &target, &mut Losses::default());
    let is_json = |text: &str| Json::parse(text).is_ok();
    assert!(
        std::str::from_utf8(&written).is_ok_and(is_json),
        "no JSON is written"
    );
    written
}

/// Fails and shows what was written.
fn unreadable(why: &str, written: &[u8]) -> ! {
    let shown = String::from_utf8_lossy(written);
    std::panic::panic_any(format!("{why}: {shown}"))
}

/// A stream ends well only if its decoder says so, and is told in each dialect.
pub fn stream(dialect: Dialect, bytes: &[u8]) {
    for end in [End::Clean, End::Cut] {
        let mut events = Vec::new();
        let decoder = dialect.client().decoder(1);
        let ended = read(dialect, decoder, bytes, (end, &mut events));
        let told = events.iter().position(|event| *event == StreamEvent::End);
        assert!(
            told.is_none_or(|at| at + 1 == events.len()),
            "something is told behind the end"
        );
        assert!(
            told.is_some() || ended.is_err(),
            "a stream ended well without an end"
        );
        let mut folded = Accumulator::new(dialect);
        events.iter().for_each(|event| folded.push(event));
        let _ = folded.into_response();
        for other in Dialect::ALL {
            let mut writer = other.server().encoder(EncoderOptions::default());
            let mut out = Vec::new();
            events.iter().for_each(|event| writer.push(event, &mut out));
        }
    }
}

fn read(
    dialect: Dialect,
    mut decoder: Box<dyn EventDecoder>,
    bytes: &[u8],
    (end, events): (End, &mut Vec<StreamEvent>),
) -> Result<(), Broken> {
    let mut framer = dialect.client().framing().framer(MAX_EVENT);
    framer.push(Bytes::copy_from_slice(bytes));
    while let Some(raw) = framer.next_frame()? {
        if let Some(frame) = raw.frame()? {
            decoder.push(&frame, events)?;
        }
    }
    decoder.finish(end, events)
}

/// A whole answer that is built was weighed as whole too, with the same usage, and each dialect
/// tells it in JSON.
pub fn answer(dialect: Dialect, bytes: &[u8]) {
    let client = dialect.client();
    let weighed = client.weigh_response(bytes).map(|weighed| weighed.usage);
    let Ok(hub) = client.decode_response(bytes) else {
        return;
    };
    let counts = |usage: Option<Usage>| usage.map(|usage| Usage { raw: None, ..usage });
    assert_eq!(weighed.map(counts), Ok(counts(hub.usage.clone())));
    for other in Dialect::ALL {
        let out = other.server().encode_response(&hub, &mut Losses::default());
        let is_json = |text: &str| Json::parse(text).is_ok();
        assert!(
            std::str::from_utf8(&out).is_ok_and(is_json),
            "no JSON is written"
        );
    }
}

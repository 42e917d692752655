//! No bytes make a codec panic, however near they are to real ones.

use dialect::Dialect;
use dialect::chat::Usage;
use dialect::codec::{EncoderOptions, End};
use dialect::frame::sse::MAX_EVENT;
use dialect::frame::{Frame, Framing};
use dialect::loss::Losses;
use dialect::needs::Needs;
use proptest::prelude::*;

use super::{Stream, fold, target};
use crate::corpus::{Sample, requests, streams, wholes};

/// Everything that a codec does with bytes from outside.
fn all_of(dialect: Dialect, bytes: &[u8]) {
    let _ = dialect.server().head(bytes);
    let _ = dialect.client().decode_failure(bytes);
    if let Ok(hub) = dialect.server().decode_request(bytes) {
        let _ = Needs::of(&hub);
        for other in Dialect::ALL {
            let codec = other.client();
            let out = codec.encode_request(&hub, &target("m"), &mut Losses::default());
            let text = std::str::from_utf8(&out).expect("requests are UTF-8");
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
                "no JSON: {text}"
            );
        }
    }
    let weighed = dialect.client().weigh_response(bytes);
    let weighed = weighed.map(|weighed| weighed.usage);
    if let Ok(hub) = dialect.client().decode_response(bytes) {
        let counts = |usage: Option<Usage>| usage.map(|usage| Usage { raw: None, ..usage });
        assert_eq!(weighed.map(counts), Ok(counts(hub.usage.clone())));
        for other in Dialect::ALL {
            let out = other.server().encode_response(&hub, &mut Losses::default());
            let text = std::str::from_utf8(&out).expect("answers are UTF-8");
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
                "no JSON: {text}"
            );
        }
    }
    stream(dialect, bytes);
}

fn stream(dialect: Dialect, bytes: &[u8]) {
    for end in [End::Clean, End::Cut] {
        let mut reader = Stream::new(dialect, 1);
        let _ = reader.push(bytes);
        let (events, _) = reader.finish(end);
        let _ = fold(dialect, &events).into_response();
        for other in Dialect::ALL {
            let mut writer = other.server().encoder(EncoderOptions::default());
            let mut out = Vec::new();
            events.iter().for_each(|event| writer.push(event, &mut out));
            let text = other.server().stream_framing() == Framing::Sse;
            assert!(!text || std::str::from_utf8(&out).is_ok());
        }
    }
}

/// Real bytes with some put in, taken out, exchanged or moved.
fn mutate(bytes: &mut Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) {
    const TOKENS: [&[u8]; 12] = [
        b"null",
        b"[]",
        b"{}",
        b"\"\"",
        b"-1",
        b"1e99",
        b"true",
        b"\"\\ud800\"",
        b"\xff",
        b"99999999999999999999",
        b"\"type\":",
        b"\n\n",
    ];
    for (at, how, with) in edits {
        if bytes.is_empty() {
            return;
        }
        let at = at.index(bytes.len());
        let stop = bytes.len().min(at + usize::from(*with));
        match how % 5 {
            0 => bytes[at] = *with,
            1 => bytes.insert(at, *with),
            2 => drop(bytes.drain(at..stop)),
            3 => {
                // A value where another one stood.
                let colon = bytes[at..]
                    .iter()
                    .position(|b| *b == b':')
                    .map_or(at, |c| at + c + 1);
                let end = bytes[colon..]
                    .iter()
                    .position(|b| b",}]".contains(b))
                    .map_or(colon, |e| colon + e);
                let token = TOKENS[usize::from(*with) % TOKENS.len()];
                bytes.splice(colon..end, token.iter().copied());
            }
            _ => {
                let piece = bytes[at..stop].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec(
        (any::<prop::sample::Index>(), any::<u8>(), any::<u8>()),
        1..6,
    )
}

/// Where the first event stands that tells of the end; none where there is no such event.
fn before_the_proof(sample: &Sample) -> Option<usize> {
    let words = match sample.dialect {
        Dialect::OpenaiChat => ["\"finish_reason\":", "[DONE]"],
        Dialect::AnthropicMessages => ["message_delta", "message_stop"],
        Dialect::BedrockConverse => ["messageStop", "stopReason"],
        Dialect::OpenaiResponses => ["response.completed", "response.incomplete"],
        Dialect::Gemini => ["finishReason", "blockReason"],
        Dialect::Cohere => ["message-end", "finish_reason"],
    };
    let said = |frame: &str| {
        let null =
            frame.contains("\"finish_reason\":null") || frame.contains("\"finish_reason\": null");
        !null && words.iter().any(|word| frame.contains(word))
    };
    let mut framer = sample.dialect.client().framing().framer(MAX_EVENT);
    framer.push(sample.bytes.clone());
    let mut at = 0;
    while let Some(raw) = framer.next_frame().unwrap() {
        if said(&String::from_utf8_lossy(raw.bytes())) {
            return Some(at);
        }
        at += raw.bytes().len();
    }
    None
}

fn small(samples: &'static [Sample]) -> Vec<&'static Sample> {
    samples
        .iter()
        .filter(|sample| sample.text.len() < 20_000)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        Dialect::ALL.into_iter().for_each(|dialect| all_of(dialect, &bytes));
    }

    #[test]
    fn changed_requests_are_no_panic(at in any::<prop::sample::Index>(), edits in edits()) {
        let sample = *at.get(&small(requests()));
        let mut bytes = sample.text.clone().into_bytes();
        mutate(&mut bytes, &edits);
        Dialect::ALL.into_iter().for_each(|dialect| all_of(dialect, &bytes));
    }

    #[test]
    fn changed_answers_are_no_panic(at in any::<prop::sample::Index>(), edits in edits()) {
        let sample = *at.get(&small(wholes()));
        let mut bytes = sample.text.clone().into_bytes();
        mutate(&mut bytes, &edits);
        Dialect::ALL.into_iter().for_each(|dialect| all_of(dialect, &bytes));
    }

    #[test]
    fn changed_streams_are_no_panic(at in any::<prop::sample::Index>(), edits in edits()) {
        let sample = *at.get(&small(streams()));
        let mut bytes = sample.bytes.to_vec();
        mutate(&mut bytes, &edits);
        Dialect::ALL.into_iter().for_each(|dialect| stream(dialect, &bytes));
    }

    /// What was put into an answer cannot stand in for the end that was cut off.
    #[test]
    fn a_changed_answer_that_is_cut_is_never_whole(
        at in any::<prop::sample::Index>(),
        edits in edits(),
        cut in any::<prop::sample::Index>(),
    ) {
        let sample = *at.get(&small(wholes()));
        let mut bytes = sample.text.trim_end().as_bytes().to_vec();
        mutate(&mut bytes, &edits);
        let end = cut.index(bytes.len().max(1));
        let (kept, gone) = bytes.split_at(end.min(bytes.len()));
        // Only white space may be missing of a document that is whole.
        if !gone.trim_ascii().is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(kept).is_err() {
            let codec = sample.dialect.client();
            prop_assert!(codec.decode_response(kept).is_err());
            prop_assert!(codec.weigh_response(kept).is_err());
        }
    }

    /// However a stream was changed, without its last frames it does not end well.
    #[test]
    fn a_changed_stream_without_its_end_is_never_whole(
        at in any::<prop::sample::Index>(),
        edits in edits(),
    ) {
        let sample = *at.get(&small(streams()));
        let Some(end) = before_the_proof(sample) else { return Ok(()) };
        let mut bytes = sample.bytes[..end].to_vec();
        mutate(&mut bytes, &edits);
        let mut reader = Stream::new(sample.dialect, sample.candidates);
        let pushed = reader.push(&bytes);
        let (events, result) = reader.finish(End::Cut);
        prop_assert!(pushed.is_err() || result.is_err());
        prop_assert!(!events.contains(&dialect::chat::StreamEvent::End));
    }

    #[test]
    fn arbitrary_frames_are_no_panic(
        event in prop::sample::select(vec!["", "ping", "message_start", "content_block_delta", "message-end", "error",
            "messageStart", "contentBlockDelta", "contentBlockStop", "metadata", "exception:throttlingException",
            "response.created"]),
        data in ".{0,40}",
    ) {
        for dialect in Dialect::ALL {
            let mut events = Vec::new();
            let mut decoder = dialect.client().decoder(1);
            let frame = Frame { event: event.into(), data: data.as_str().into() };
            let _ = decoder.push(&frame, &mut events);
            prop_assert!(decoder.finish(End::Clean, &mut events).is_err());
        }
    }
}

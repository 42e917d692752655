//! An event that cannot be parsed is a failure, never skipped.

use std::borrow::Cow;

use dialect::Dialect;
use dialect::chat::StreamEvent;
use dialect::codec::End;
use dialect::frame::Frame;
use dialect::frame::sse::MAX_EVENT;

use super::{Stream, events};
use crate::corpus::{Sample, none, streams};

#[test]
fn an_event_that_does_not_parse_breaks_the_stream() {
    let complaints: Vec<String> = streams().iter().filter_map(garbled).collect();
    none(&complaints, streams().len());
}

fn garbled(sample: &Sample) -> Option<String> {
    let mut framer = sample.dialect.client().framing().framer(MAX_EVENT);
    framer.push(sample.bytes.clone());
    let mut reader = Stream::new(sample.dialect, sample.candidates);
    let mut ended = false;
    while let Some(raw) = framer.next_frame().unwrap() {
        let Some(frame) = raw.frame().unwrap() else {
            continue;
        };
        for data in garble(&frame.data) {
            // What comes behind the terminator is no part of the answer any more.
            if ended || frame.data.trim() == data.trim() {
                continue;
            }
            let frame = Frame {
                event: frame.event.clone(),
                data: Cow::Borrowed(&data),
            };
            let mut broken = reader.clone();
            broken.events.clear();
            let pushed = broken.decoder.push(&frame, &mut broken.events);
            // An event named `error` is one, whatever it says.
            let told = matches!(broken.events.last(), Some(StreamEvent::Error(_)));
            if pushed.is_ok() && !told {
                return Some(format!("{}: passes over {data:?}", sample.id));
            }
            for end in [End::Clean, End::Cut] {
                let (events, result) = broken.clone().finish(end);
                if result.is_ok() || events.contains(&StreamEvent::End) {
                    return Some(format!("{}: ends well after {data:?}", sample.id));
                }
            }
        }
        reader.events.clear();
        if reader.decoder.push(&frame, &mut reader.events).is_err() {
            return None;
        }
        ended |= reader.events.contains(&StreamEvent::End);
    }
    None
}

/// The data cut short in places, and things that are no event.
fn garble(data: &str) -> Vec<String> {
    let cut = |length: usize| data[..data.floor_char_boundary(length)].to_owned();
    let mut all = vec![
        cut(1),
        cut(data.len() / 2),
        cut(data.len() - 1),
        format!("{data}}}"),
        format!("x{data}"),
        data.replacen(':', ";", 1),
        "garbage".to_owned(),
        "[DONE".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        "[]".to_owned(),
    ];
    all.retain(|data| !data.is_empty());
    all
}

/// Some providers give a reason for what is no end but a breakdown of theirs.
#[test]
fn an_answer_whose_reason_is_an_error_is_broken() {
    for word in [
        "error",
        "network_error",
        "insufficient_system_resource",
        "abort",
    ] {
        let choice = format!(
            r#"{{"index":0,"MESSAGE":{{"role":"assistant","content":"Half"}},"finish_reason":"{word}"}}"#
        );
        let answer = format!(r#"{{"id":"a","model":"m","choices":[{choice}]}}"#);
        let whole = answer.replace("MESSAGE", "message");
        let client = Dialect::OpenaiChat.client();
        assert!(client.decode_response(whole.as_bytes()).is_err(), "{word}");
        let chunk = answer.replace("MESSAGE", "delta");
        let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
        assert!(
            events(Dialect::OpenaiChat, 1, stream.as_bytes()).is_err(),
            "{word}"
        );
        let good = whole.replace(word, "stop");
        assert!(client.decode_response(good.as_bytes()).is_ok());
        let good = stream.replace(word, "stop");
        assert!(events(Dialect::OpenaiChat, 1, good.as_bytes()).is_ok());
    }
}

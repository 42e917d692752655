//! A provider that is wrong, or means harm, sells no answer as whole and costs no more
//! than its bytes.

use dialect::Dialect;
use dialect::chat::StreamEvent;
use dialect::codec::{EncoderOptions, End};
use dialect::frame::Frame;

use super::{events, failure, has_terminator};

fn chat(chunks: &[&str]) -> Vec<u8> {
    let frames: Vec<String> = chunks.iter().map(|c| format!("data: {c}\n\n")).collect();
    frames.concat().into_bytes()
}

/// A stream of messages in which one event is replaced.
fn messages(event: &str, by: &str) -> Vec<u8> {
    const EVENTS: [(&str, &str); 6] = [
        (
            "message_start",
            r#"{"type":"message_start","message":{"id":"a","type":"message","role":"assistant","model":"m","content":[]}}"#,
        ),
        (
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        ),
        (
            "content_block_stop",
            r#"{"type":"content_block_stop","index":0}"#,
        ),
        (
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        ),
        ("message_stop", r#"{"type":"message_stop"}"#),
    ];
    let frames = EVENTS.map(|(name, data)| {
        let data = if name == event { by } else { data };
        format!("event: {name}\ndata: {data}\n\n")
    });
    frames.concat().into_bytes()
}

#[test]
fn a_stream_of_chunks_that_gives_no_proof_is_broken() {
    const HI: &str = r#"{"id":"a","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    const STOP: &str = r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    assert!(events(Dialect::OpenaiChat, 1, &chat(&[HI, STOP])).is_ok());
    let last = [
        // No reason, however it is written.
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":""}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"null"}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":7}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":["stop"]}]}"#,
        // Another choice ended, or goes on.
        r#"{"id":"a","choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"},{"index":1,"delta":{}}]}"#,
        // A failure beside the end, of all or of the choice.
        r#"{"id":"a","error":{"message":"no"},"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"error":{"message":"no"},"finish_reason":"stop"}]}"#,
        // What would be read differently elsewhere, or cannot be read.
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"choices":[]}"#,
        r#"{"id":"a","choices":{"index":0,"delta":{},"finish_reason":"stop"},"usage":{}}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":"Hi","finish_reason":"stop"}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{"content":7},"finish_reason":"stop"}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{"tool_calls":{}},"finish_reason":"stop"}]}"#,
        r#"{"id":"a","choices":[{"index":-1,"delta":{},"finish_reason":"stop"}]}"#,
        // Nothing of an answer.
        r#"{"id":"a","choices":[],"usage":{"prompt_tokens":1}}"#,
        "[DONE]",
    ];
    for chunk in last {
        for done in [&["[DONE]"][..], &[]] {
            let stream = chat(&[&[HI, chunk], done].concat());
            assert!(events(Dialect::OpenaiChat, 1, &stream).is_err(), "{chunk}");
        }
    }
    for more in [
        r#"{"id":"a","choices":[{"index":0,"delta":{"content":"!"}}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"error":{"message":"no"}}]}"#,
        r#"{"error":{"message":"no"}}"#,
    ] {
        let stream = chat(&[HI, STOP, more, "[DONE]"]);
        assert!(events(Dialect::OpenaiChat, 1, &stream).is_err(), "{more}");
    }
    assert!(events(Dialect::OpenaiChat, 2, &chat(&[HI, STOP, "[DONE]"])).is_err());
}

#[test]
fn a_stream_of_messages_that_gives_no_proof_is_broken() {
    let read = |stream: &[u8]| events(Dialect::AnthropicMessages, 1, stream);
    assert!(read(&messages("", "")).is_ok());
    for (event, by) in [
        (
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":""}}"#,
        ),
        (
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":null}}"#,
        ),
        (
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":1}}"#,
        ),
        ("message_delta", r#"{"type":"ping"}"#),
        (
            "message_stop",
            r#"{"type":"message_stop","error":{"message":"no"}}"#,
        ),
        (
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":7}}"#,
        ),
        (
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":"{\"a\":"}}"#,
        ),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        ),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
        ),
    ] {
        assert!(read(&messages(event, by)).is_err(), "{by}");
    }
}

#[test]
fn a_writer_that_told_a_failure_tells_no_end_and_the_reverse() {
    for dialect in Dialect::ALL {
        let stream = messages("", "");
        let told = events(Dialect::AnthropicMessages, 1, &stream).unwrap();
        let (end, before) = told.split_last().unwrap();
        assert_eq!(*end, StreamEvent::End);
        let mut writer = dialect.server().encoder(EncoderOptions::default());
        let mut out = Vec::new();
        before.iter().for_each(|event| writer.push(event, &mut out));
        let mut ended = writer.clone();
        writer.fail(&failure(), &mut out);
        writer.push(end, &mut out);
        assert!(!has_terminator(dialect, &out), "{}", dialect.name());

        let mut out = Vec::new();
        ended.push(end, &mut out);
        assert!(has_terminator(dialect, &out), "{}", dialect.name());
        let length = out.len();
        ended.fail(&failure(), &mut out);
        ended.push(end, &mut out);
        assert_eq!(out.len(), length, "{}", dialect.name());
    }
}

/// Each of these would take hours if its cost were the square of its size.
#[test]
fn what_is_read_costs_no_more_than_its_size() {
    const MANY: usize = 100_000;
    let members: String = (0..MANY).map(|n| format!(r#""key{n}":1,"#)).collect();
    let datas = [
        format!(r#"{{{members}"id":"a","choices":[]}}"#),
        format!(r#"{{"id":"a","choices":[{{{members}"delta":{{}}}}]}}"#),
        format!(r#"{{"id":"a","choices":[{{"delta":{{{members}"content":"Hi"}}}}]}}"#),
        format!(r#"{{"id":"a","choices":[{{"delta":{{}},"logprobs":{{{members}"a":1}}}}]}}"#),
        format!(r#"{{"type":"message_start","message":{{{members}"usage":{{{members}"a":1}}}}}}"#),
        format!(r#"{{"type":"message_start",{members}"message":{{}}}}"#),
        format!(r#"{{"type":"message_delta","delta":{{{members}"stop_reason":"end_turn"}}}}"#),
        format!(r#"{{"type":"message-start",{members}"id":"a"}}"#),
        format!(r#"{{"type":"message-start","delta":{{"message":{{{members}"role":"a"}}}}}}"#),
        format!(r#"{{"type":"message-end","delta":{{{members}"usage":{{{members}"a":1}}}}}}"#),
        format!(
            r#"{{"type":"response.created","response":{{{members}"usage":{{{members}"a":1}}}}}}"#
        ),
        format!(r#"{{"type":"response.created",{members}"response":{{}}}}"#),
        format!(r#"{{{members}"candidates":[]}}"#),
        format!(r#"{{"candidates":[{{{members}"content":{{}}}}]}}"#),
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{{members}"text":"Hi"}}]}}}}]}}"#),
    ];
    for dialect in Dialect::ALL {
        for data in &datas {
            let mut told = Vec::new();
            let mut decoder = dialect.client().decoder(1);
            let frame = Frame {
                event: "".into(),
                data: data.as_str().into(),
            };
            let _ = decoder.push(&frame, &mut told);
            assert!(decoder.finish(End::Clean, &mut told).is_err());
            let kept = decoder.unknown_fields();
            assert!(kept.iter().map(String::len).sum::<usize>() < 8192);
        }
        let body = format!(
            r#"{{"model":"m","max_tokens":1,"messages":[],"input":[],"contents":[],{members}"z":1}}"#
        );
        assert!(dialect.server().head(body.as_bytes()).is_ok());
        assert!(dialect.server().decode_request(body.as_bytes()).is_ok());
    }
}

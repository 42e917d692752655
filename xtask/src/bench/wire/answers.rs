//! What the upstream answers in each dialect: whole, and as a stream of equal chunks.

use bytes::Bytes;

use super::{Wire, event_stream};

/// The bytes of one content event; a little more where a dialect says more.
const CHUNK_BYTES: usize = 268;

/// The bytes of a whole answer, likewise.
const WHOLE_BYTES: usize = 745;

/// Content events of a stream whose end repeats its text.
const CHUNKS: usize = 100;

/// What the upstream answers in one dialect.
#[derive(Debug)]
pub struct Script {
    /// The whole answer.
    pub whole: Bytes,
    before: Vec<Bytes>,
    chunk: Bytes,
    after: Vec<Bytes>,
}

impl Script {
    /// The answers of a dialect.
    pub fn of(wire: Wire) -> Self {
        match wire {
            Wire::Chat => chat(),
            Wire::Messages => messages(),
            Wire::Responses => responses(),
            Wire::Gemini => gemini(),
            Wire::Converse => converse(),
            Wire::Cohere => cohere(),
        }
    }

    /// Event `n` of a stream of this many content events, and whether it is
    /// one of those; none past the end.
    pub fn event(&self, n: usize, chunks: usize) -> Option<(Bytes, bool)> {
        if let Some(event) = self.before.get(n) {
            return Some((event.clone(), false));
        }
        let n = n - self.before.len();
        if n < chunks {
            return Some((self.chunk.clone(), true));
        }
        self.after
            .get(n - chunks)
            .map(|event| (event.clone(), false))
    }
}

fn chat() -> Script {
    let delta = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"bench\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{{\"index\":0,\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let content = |text: &str| delta(&format!(r#""content":"{text}""#), "null");
    let usage = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":300,\"completion_tokens\":100,\"total_tokens\":400}}\n\n";
    let whole = |text: &str| {
        format!(
            r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1790000000,"model":"bench","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":300,"completion_tokens":100,"total_tokens":400,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}},"system_fingerprint":"fp_bench"}}"#
        )
    };
    Script {
        whole: padded(whole, WHOLE_BYTES),
        before: Vec::new(),
        chunk: padded(content, CHUNK_BYTES),
        after: vec![
            Bytes::from(delta("", r#""stop""#)),
            Bytes::from(usage),
            Bytes::from("data: [DONE]\n\n"),
        ],
    }
}

fn messages() -> Script {
    let event = |name: &str, rest: &str| {
        Bytes::from(format!(
            "event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n"
        ))
    };
    let content = |text: &str| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        )
    };
    let whole = |text: &str| {
        format!(
            r#"{{"id":"msg_bench","type":"message","role":"assistant","model":"bench","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":300,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":100}}}}"#
        )
    };
    let start = r#","message":{"id":"msg_bench","type":"message","role":"assistant","model":"bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":300,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}"#;
    Script {
        whole: padded(whole, WHOLE_BYTES),
        before: vec![
            event("message_start", start),
            event(
                "content_block_start",
                r#","index":0,"content_block":{"type":"text","text":""}"#,
            ),
        ],
        chunk: padded(content, CHUNK_BYTES),
        after: vec![
            event("content_block_stop", r#","index":0"#),
            event(
                "message_delta",
                r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":100}"#,
            ),
            event("message_stop", ""),
        ],
    }
}

fn responses() -> Script {
    let event = |name: &str, rest: &str| {
        format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":1{rest}}}\n\n")
    };
    let response = |status: &str, output: &str, usage: &str| {
        format!(
            r#"{{"id":"resp_bench","object":"response","created_at":1790000000,"status":"{status}","error":null,"incomplete_details":null,"model":"bench","output":[{output}],"tools":[],"usage":{usage}}}"#
        )
    };
    let part = |text: &str| {
        format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#)
    };
    let item = |status: &str, content: &str| {
        format!(
            r#"{{"id":"msg_bench","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#
        )
    };
    let usage = r#"{"input_tokens":300,"input_tokens_details":{"cached_tokens":0},"output_tokens":100,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":400}"#;
    let whole = |text: &str| response("completed", &item("completed", &part(text)), usage);
    let content = |text: &str| {
        let rest = r#","item_id":"msg_bench","output_index":0,"content_index":0,"logprobs":[]"#;
        event(
            "response.output_text.delta",
            &format!(r#"{rest},"delta":"{text}""#),
        )
    };
    let said = filler(CHUNK_BYTES.saturating_sub(content("").len())).repeat(CHUNKS);
    let at = r#","item_id":"msg_bench","output_index":0,"content_index":0"#;
    let begun = format!(r#","response":{}"#, response("in_progress", "", "null"));
    let added = format!(r#","output_index":0,"item":{}"#, item("in_progress", ""));
    let done = format!(
        r#","output_index":0,"item":{}"#,
        item("completed", &part(&said))
    );
    let told = |name: &str, rest: &str| Bytes::from(event(name, rest));
    let with_part = |text: &str| format!(r#"{at},"part":{}"#, part(text));
    Script {
        whole: padded(whole, WHOLE_BYTES),
        before: vec![
            told("response.created", &begun),
            told("response.in_progress", &begun),
            told("response.output_item.added", &added),
            told("response.content_part.added", &with_part("")),
        ],
        chunk: padded(content, CHUNK_BYTES),
        after: vec![
            told(
                "response.output_text.done",
                &format!(r#"{at},"text":"{said}""#),
            ),
            told("response.content_part.done", &with_part(&said)),
            told("response.output_item.done", &done),
            told(
                "response.completed",
                &format!(r#","response":{}"#, whole(&said)),
            ),
        ],
    }
}

fn gemini() -> Script {
    let answer = |text: &str, finish: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}}{finish},"index":0}}],"usageMetadata":{{"promptTokenCount":300,"candidatesTokenCount":100,"totalTokenCount":400}},"modelVersion":"bench","responseId":"bench"}}"#
        )
    };
    let stop = r#","finishReason":"STOP""#;
    let content = |text: &str| format!("data: {}\r\n\r\n", answer(text, ""));
    Script {
        whole: padded(|text| answer(text, stop), WHOLE_BYTES),
        before: Vec::new(),
        chunk: padded(content, CHUNK_BYTES),
        after: vec![Bytes::from(format!("data: {}\r\n\r\n", answer("", stop)))],
    }
}

fn converse() -> Script {
    let usage = r#"{"inputTokens":300,"outputTokens":100,"totalTokens":400}"#;
    let whole = |text: &str| {
        format!(
            r#"{{"metrics":{{"latencyMs":377}},"output":{{"message":{{"content":[{{"text":"{text}"}}],"role":"assistant"}}}},"stopReason":"end_turn","usage":{usage}}}"#
        )
    };
    let content = |text: &str| format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#);
    let event = |name: &str, payload: &str| event_stream::event(name, payload.as_bytes());
    // As many bytes on the wire as in the other dialects.
    let framed = event("contentBlockDelta", "").len();
    let text = padded(content, CHUNK_BYTES.saturating_sub(framed));
    Script {
        whole: padded(whole, WHOLE_BYTES),
        before: vec![event("messageStart", r#"{"role":"assistant"}"#)],
        chunk: event_stream::event("contentBlockDelta", &text),
        after: vec![
            event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
            event("messageStop", r#"{"stopReason":"end_turn"}"#),
            event(
                "metadata",
                &format!(r#"{{"metrics":{{"latencyMs":377}},"usage":{usage}}}"#),
            ),
        ],
    }
}

fn cohere() -> Script {
    let event =
        |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n");
    let told = |name: &str, rest: &str| Bytes::from(event(name, rest));
    let usage = r#"{"billed_units":{"input_tokens":300,"output_tokens":100},"tokens":{"input_tokens":300,"output_tokens":100}}"#;
    let whole = |text: &str| {
        format!(
            r#"{{"id":"bench","message":{{"role":"assistant","content":[{{"type":"text","text":"{text}"}}]}},"finish_reason":"COMPLETE","usage":{usage}}}"#
        )
    };
    let content = |text: &str| {
        event(
            "content-delta",
            &format!(r#","index":0,"delta":{{"message":{{"content":{{"text":"{text}"}}}}}}"#),
        )
    };
    let start = r#","id":"bench","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}"#;
    let end = format!(r#","delta":{{"finish_reason":"COMPLETE","usage":{usage}}}"#);
    Script {
        whole: padded(whole, WHOLE_BYTES),
        before: vec![
            told("message-start", start),
            told(
                "content-start",
                r#","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}"#,
            ),
        ],
        chunk: padded(content, CHUNK_BYTES),
        after: vec![
            told("content-end", r#","index":0"#),
            told("message-end", &end),
        ],
    }
}

/// The text that `around` makes, filled up to this many bytes.
fn padded(around: impl Fn(&str) -> String, bytes: usize) -> Bytes {
    let bare = around("").len();
    Bytes::from(around(&filler(bytes.saturating_sub(bare))))
}

fn filler(bytes: usize) -> String {
    let words = "lorem ipsum dolor sit amet ";
    words.chars().cycle().take(bytes).collect()
}

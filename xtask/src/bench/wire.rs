//! What the benchmark's client says and its upstream answers, in both
//! dialects: requests of an exact size, whole answers, streams of equal
//! chunks.
//!
//! Written out here by hand, so that what is measured judges nothing of
//! itself: no code is shared with the gateway.

use bytes::Bytes;

/// The virtual key of the benchmark's only caller.
pub const KEY: &str = "bench-key-0123456789abcdef";

/// The bytes of one content event, in either dialect.
const CHUNK_BYTES: usize = 268;

/// The bytes of a whole answer.
const WHOLE_BYTES: usize = 745;

/// A wire format, as the client or the upstream speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/messages`.
    Messages,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document.
    Whole,
    /// This many content events, this many milliseconds apart (0: at once).
    Stream {
        /// Content events.
        chunks: usize,
        /// Milliseconds between two.
        gap_ms: u64,
    },
}

/// One request, as the load generator repeats it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What the client speaks.
    pub wire: Wire,
    /// The logical model.
    pub model: &'static str,
    /// Bytes of the body.
    pub size: usize,
    /// How the answer comes.
    pub shape: Shape,
    /// Milliseconds the upstream waits before it answers.
    pub delay_ms: u64,
    /// Names the request to the upstream; 0 for none.
    pub id: u64,
}

impl Ask {
    /// The whole HTTP request, with these headers (`name: value\r\n`) added.
    pub fn http(&self, headers: &str) -> Bytes {
        let body = self.body();
        let (path, key) = match self.wire {
            Wire::Chat => (
                "/v1/chat/completions",
                format!("authorization: Bearer {KEY}\r\n"),
            ),
            Wire::Messages => (
                "/v1/messages",
                format!("x-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n"),
            ),
        };
        let head = "host: 127.0.0.1\r\ncontent-type: application/json\r\naccept: */*\r\n";
        let length = body.len();
        Bytes::from(format!(
            "POST {path} HTTP/1.1\r\n{head}{key}{headers}content-length: {length}\r\n\r\n{body}"
        ))
    }

    fn body(&self) -> String {
        let long = self.around("");
        self.around(&filler(self.size.saturating_sub(long.len())))
    }

    fn around(&self, filler: &str) -> String {
        let system = "You are a careful assistant. Answer in two sentences.";
        let turns = format!(
            r#"{{"role":"user","content":"What does \"idempotent\" mean?"}},{{"role":"assistant","content":"Doing it twice is doing it once.\nNothing more."}},{{"role":"user","content":"{}{filler}"}}"#,
            self.marker()
        );
        let model = self.model;
        let stream = matches!(self.shape, Shape::Stream { .. });
        match self.wire {
            Wire::Chat => {
                let options = if stream {
                    r#","stream":true,"stream_options":{"include_usage":true}"#
                } else {
                    ""
                };
                format!(
                    r#"{{"model":"{model}","messages":[{{"role":"system","content":"{system}"}},{turns}],"max_tokens":1024{options}}}"#
                )
            }
            Wire::Messages => {
                let options = if stream { r#","stream":true"# } else { "" };
                format!(
                    r#"{{"model":"{model}","max_tokens":1024,"system":"{system}","messages":[{turns}]{options}}}"#
                )
            }
        }
    }

    /// Steers the upstream; survives any translation, being text.
    fn marker(&self) -> String {
        let Self { delay_ms, id, .. } = self;
        match self.shape {
            Shape::Stream { chunks, gap_ms } => {
                format!("[[chunks={chunks}&gap_ms={gap_ms}&delay_ms={delay_ms}&id={id}]] ")
            }
            Shape::Whole if *delay_ms > 0 => format!("[[delay_ms={delay_ms}&id={id}]] "),
            Shape::Whole => String::new(),
        }
    }
}

/// JSON string content of exactly this many bytes, with escapes and letters
/// beyond ASCII in it.
fn filler(bytes: usize) -> String {
    let sentence = r#"Voilà un \"texte\" plus long,\n with a tab\t, 漢字 and a \u00e9; "#;
    let mut text = sentence.repeat(bytes / sentence.len());
    text.push_str(&"x".repeat(bytes - text.len()));
    text
}

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

/// The text that `around` makes, filled up to this many bytes.
fn padded(around: impl Fn(&str) -> String, bytes: usize) -> Bytes {
    let bare = around("").len();
    Bytes::from(around(
        &"lorem ipsum dolor sit amet "
            .repeat(bytes)
            .chars()
            .take(bytes.saturating_sub(bare))
            .collect::<String>(),
    ))
}

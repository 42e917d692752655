//! The tests' own client: what it asks in each dialect, and what it makes of the answers.
//!
//! It reads raw bytes, so that a test sees whether a body ended as HTTP says it must. It shares no code
//! with the gateway.

use dialect::Dialect;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{KEY, Road, soon};
use crate::speaking;

/// A request.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) dialect: Dialect,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    /// A whole answer of the model `m` is asked for.
    pub(crate) fn new(dialect: Dialect, text: &str) -> Self {
        let content = ("content-type".to_owned(), "application/json".to_owned());
        let ask = Self {
            dialect,
            method: "POST".to_owned(),
            path: speaking::path(dialect, false).to_owned(),
            headers: vec![content],
            body: speaking::body(dialect, text).to_string().into_bytes(),
        };
        match dialect {
            Dialect::OpenaiChat
            | Dialect::OpenaiResponses
            | Dialect::BedrockConverse
            | Dialect::Cohere => ask.header("authorization", &format!("Bearer {KEY}")),
            Dialect::AnthropicMessages => ask
                .header("x-api-key", KEY)
                .header("anthropic-version", "2023-06-01"),
            Dialect::Gemini => ask.header("x-goog-api-key", KEY),
        }
    }

    /// A stream is asked for.
    pub(crate) fn stream(dialect: Dialect, text: &str) -> Self {
        let ask = Self::new(dialect, text);
        if speaking::says_stream(dialect) {
            ask.with("stream", json!(true))
        } else {
            ask.at(speaking::path(dialect, true))
        }
    }

    /// Whole or streamed.
    pub(crate) fn either(dialect: Dialect, stream: bool, text: &str) -> Self {
        if stream {
            Self::stream(dialect, text)
        } else {
            Self::new(dialect, text)
        }
    }

    /// The same with a further field.
    pub(crate) fn with(self, name: &str, value: Value) -> Self {
        self.edited(|body| body[name] = value)
    }

    fn edited(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        edit(&mut body);
        self.body = body.to_string().into_bytes();
        self
    }

    /// The same with room for an answer of any length.
    pub(crate) fn unlimited(self) -> Self {
        let dialect = self.dialect;
        self.edited(|body| speaking::limit(dialect, body, 100_000_000))
    }

    /// The same with a tool that takes a text.
    pub(crate) fn tool(self) -> Self {
        let dialect = self.dialect;
        self.edited(|body| speaking::tool(dialect, body))
    }

    /// The same with this body.
    pub(crate) fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with a further header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without those headers.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    /// The same to another path.
    pub(crate) fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The same by another method.
    pub(crate) fn by(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    fn head(&self) -> String {
        let length = self.body.len();
        let first = format!(
            "{} {} HTTP/1.1\r\nhost: gateway\r\n",
            self.method, self.path
        );
        let fields: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{first}{fields}connection: close\r\ncontent-length: {length}\r\n\r\n")
    }

    /// Sends it over a connection of its own and reads to the end.
    pub(crate) async fn send(&self, road: &Road) -> Got {
        self.open(road).await.rest().await
    }

    /// Sends it over a connection of its own.
    pub(crate) async fn open(&self, road: &Road) -> Line {
        let mut line = Line::open(road).await;
        line.write(self.head().as_bytes()).await;
        line.write(&self.body).await;
        line
    }

    /// Sends the head and so much of the body.
    pub(crate) async fn begin(&self, road: &Road, bytes: usize) -> Line {
        let mut line = Line::open(road).await;
        line.write(self.head().as_bytes()).await;
        line.write(&self.body[..bytes]).await;
        line
    }
}

/// A connection to the gateway.
pub(crate) struct Line {
    stream: TcpStream,
    raw: Vec<u8>,
}

impl Line {
    pub(crate) async fn open(road: &Road) -> Self {
        let stream = soon(TcpStream::connect(road.address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let raw = Vec::new();
        Self { stream, raw }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // A server may refuse before it has read all; what it says is what matters.
        let _ = soon(self.stream.write_all(bytes)).await;
    }

    /// Reads until what has come so far is enough.
    pub(crate) async fn until(&mut self, enough: impl Fn(&Got) -> bool) -> Got {
        loop {
            let got = parse(&self.raw, false);
            if enough(&got) {
                return got;
            }
            let ended = self.read().await;
            assert!(ended.is_none(), "it ended before: {got:?}");
        }
    }

    /// Reads until some of the body has come, and keeps the line open.
    pub(crate) async fn until_body(mut self) -> Self {
        self.until(|got| !got.body.is_empty()).await;
        self
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(mut self) -> Got {
        loop {
            if let Some(reset) = self.read().await {
                return parse(&self.raw, reset);
            }
        }
    }

    /// Reads a piece; at the end, says whether that was a reset.
    async fn read(&mut self) -> Option<bool> {
        let mut piece = vec![0; 1 << 16];
        match soon(self.stream.read(&mut piece)).await {
            Ok(0) => Some(false),
            Ok(length) => {
                self.raw.extend_from_slice(&piece[..length]);
                None
            }
            Err(_) => Some(true),
        }
    }

    /// Closes with a reset rather than an end.
    pub(crate) fn reset(self) {
        let socket = socket2::Socket::from(self.stream.into_std().unwrap());
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body, out of its chunks.
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as HTTP says it must.
    pub(crate) whole: bool,
    /// Whether the connection was reset.
    pub(crate) reset: bool,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The JSON of each event.
    pub(crate) fn events(&self) -> Vec<Value> {
        speaking::events(self.header("content-type"), &self.body)
    }

    fn is_stream(&self) -> bool {
        let kind = self.header("content-type");
        kind.starts_with("text/event-stream") || kind == "application/vnd.amazon.eventstream"
    }

    /// Whether it is a stream that says to a client of that dialect that it ended well.
    pub(crate) fn ends_well(&self, dialect: Dialect) -> bool {
        self.is_stream() && speaking::has_terminator(dialect, &self.events(), &self.body)
    }

    /// What the model said, whole or streamed.
    pub(crate) fn said(&self) -> String {
        if self.is_stream() {
            return self.events().iter().map(speaking::text).collect();
        }
        speaking::text(&self.json())
    }

    /// The error, of an answer's body or of a stream's last event; Amazon's within its name.
    fn failure(&self) -> Value {
        if !self.is_stream() {
            return self.json();
        }
        let last = self.events().pop().unwrap();
        let exception = last.as_object().and_then(|event| {
            let (name, of) = event.iter().next()?;
            name.ends_with("Exception").then(|| of.clone())
        });
        exception.unwrap_or(last)
    }

    /// The `bondgate` facts of an error, of an answer's body or of a stream's failure event.
    pub(crate) fn facts(&self) -> Value {
        let failure = self.failure();
        let places = [
            &failure["bondgate"],
            &failure["error"]["bondgate"],
            &failure["response"]["error"]["bondgate"],
        ];
        let facts = places.into_iter().find(|place| place.is_object());
        facts
            .unwrap_or_else(|| panic!("no facts in {failure}"))
            .clone()
    }

    /// The stable code of an error.
    pub(crate) fn code(&self) -> String {
        self.facts()["code"].as_str().unwrap().to_owned()
    }

    /// The sentence of an error.
    pub(crate) fn message(&self) -> String {
        let failure = self.failure();
        let within = failure["error"]["message"].as_str();
        within.or(failure["message"].as_str()).unwrap().to_owned()
    }
}

/// Whether a stream says that it ended well.
pub(crate) fn has_terminator(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("data: [DONE]") || text.contains("event: message_stop")
}

/// Asserts that the stream of a client of that dialect ended in a failure event and nothing else.
pub(crate) fn assert_failure_event(dialect: Dialect, got: &Got) {
    let text = String::from_utf8_lossy(&got.body).into_owned();
    assert!(!got.ends_well(dialect), "a terminator in {text}");
    // Cohere's libraries may take its failure event for an end, so the framing has none behind it.
    let ends = dialect != Dialect::Cohere;
    assert_eq!(got.whole, ends, "whether the body ended: {text}");
    assert!(!got.reset, "the connection was reset: {text}");
    let last = got.events().pop().unwrap();
    let is_failure = match dialect {
        Dialect::OpenaiChat | Dialect::Gemini => last["error"].is_object(),
        Dialect::AnthropicMessages => last["type"] == "error",
        Dialect::OpenaiResponses => last["type"] == "error" || last["type"] == "response.failed",
        Dialect::BedrockConverse => {
            let names = last.as_object().unwrap().keys();
            names.into_iter().all(|name| name.ends_with("Exception"))
        }
        Dialect::Cohere => last["delta"]["finish_reason"] == "ERROR",
    };
    assert!(is_failure, "no failure: {text}");
    assert!(got.facts()["request_id"].is_string(), "{text}");
}

/// Asserts the form of an error answer in that dialect.
pub(crate) fn assert_error(dialect: Dialect, got: &Got, status: u16, code: &str) {
    let shown = String::from_utf8_lossy(&got.body).into_owned();
    assert_eq!(got.status, status, "{shown}");
    assert_eq!(got.code(), code, "{shown}");
    assert!(!got.message().is_empty(), "{shown}");
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(
        got.facts()["request_id"],
        got.header("x-bondgate-request-id")
    );
    let failure = got.json();
    let error = &failure["error"];
    match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            assert!(
                error["type"].is_string() && error.get("param").is_some(),
                "{shown}"
            );
        }
        Dialect::AnthropicMessages => {
            assert!(
                error["type"].is_string() && failure["type"] == "error",
                "{shown}"
            );
        }
        Dialect::Gemini => {
            assert!(
                error["code"] == status && error["status"].is_string(),
                "{shown}"
            );
        }
        Dialect::BedrockConverse => {
            assert!(
                got.header("x-amzn-errortype").ends_with("Exception"),
                "{shown}"
            );
        }
        Dialect::Cohere => assert!(failure["message"].is_string(), "{shown}"),
    }
}

/// Reads a response as far as it has come.
fn parse(raw: &[u8], reset: bool) -> Got {
    let mut got = Got {
        status: 0,
        headers: HeaderMap::new(),
        body: Vec::new(),
        whole: false,
        reset,
    };
    let Some(end) = raw.windows(4).position(|w| w == b"\r\n\r\n") else {
        return got;
    };
    let head = std::str::from_utf8(&raw[..end]).unwrap();
    let rest = &raw[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    got.status = status.parse().unwrap();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::try_from(name).unwrap();
        got.headers
            .append(name, HeaderValue::try_from(value.trim()).unwrap());
    }
    if got.header("transfer-encoding") == "chunked" {
        unchunk(rest, &mut got);
    } else {
        got.whole = got.header("content-length").parse() == Ok(rest.len());
        got.body = rest.to_vec();
    }
    got
}

fn unchunk(mut rest: &[u8], got: &mut Got) {
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            got.whole = rest == b"\r\n";
            return;
        }
        let have = size.min(rest.len());
        got.body.extend_from_slice(&rest[..have]);
        if rest.len() < size + 2 {
            return;
        }
        rest = &rest[size + 2..];
    }
}

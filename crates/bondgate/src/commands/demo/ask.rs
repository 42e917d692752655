//! The client of the demonstration: asks, reads to the end, and says how the answer ended.
//!
//! It takes an answer for whole only by the protocol's own proof. Nothing is tried twice.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{Pieces, Upstream, UpstreamConfig};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use policy::origin::BaseUrl;
use serde_json::{Value, json};
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
const BYTES_MAX: usize = 4 << 20;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Its name, unlike any other's: the run, and a part of the prompt.
    pub(super) name: String,
    /// The model.
    pub(super) model: &'static str,
    /// What is said beside the name.
    pub(super) text: &'static str,
    /// Whether a stream is wanted.
    pub(super) stream: bool,
    /// The most that may be answered, in tokens.
    pub(super) max_tokens: u64,
}

/// What came.
#[derive(Debug)]
pub(super) struct Answer {
    /// The text, as far as it came.
    pub(super) text: String,
    /// How many attempts the gateway made, where it says so.
    pub(super) attempts: Option<u64>,
    /// How it ended.
    pub(super) end: End,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the protocol's own proof.
    Whole,
    /// As HTTP says that a body ends, without that proof.
    Unproven,
    /// With an error that says its code.
    Failed(String),
    /// The connection broke, or there never was one.
    Broken,
}

/// Somebody who asks one place.
#[derive(Clone)]
pub(super) struct Asker {
    base: BaseUrl,
    upstream: Upstream,
    key: &'static str,
}

impl Asker {
    /// Asks at that root with that key.
    pub(super) fn new(root: &str, key: &'static str) -> anyhow::Result<Self> {
        Ok(Self {
            base: BaseUrl::parse(root).map_err(anyhow::Error::msg)?,
            upstream: Upstream::new(UpstreamConfig::new(client_config(&[])?), Tasks::new()),
            key,
        })
    }

    /// Asks for a chat completion.
    pub(super) async fn ask(&self, question: &Question) -> Answer {
        match timeout(ANSWER, Box::pin(self.answer(question))).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Answer {
                text: String::new(),
                attempts: None,
                end: End::Broken,
            },
        }
    }

    /// Reads a page.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) async fn page(&self, path: &str) -> anyhow::Result<String> {
        let request = Request::get(path).body(Full::default())?;
        let sent = Box::pin(self.upstream.send(&self.base.origin, request, CONNECT));
        let body = Limited::new(sent.await?.into_body(), BYTES_MAX);
        let body = body.collect().await.map_err(|error| anyhow!("{error}"))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    async fn answer(&self, question: &Question) -> anyhow::Result<Answer> {
        let request = Request::post("/v1/chat/completions")
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .header("x-bondgate-run", &question.name)
            .body(Full::new(Pieces::from(Bytes::from(question.body()))))
            .context("a request")?;
        let sent = Box::pin(self.upstream.send(&self.base.origin, request, CONNECT));
        let (head, mut body) = sent.await?.into_parts();
        let attempts = head.headers.get("x-bondgate-attempts");
        let attempts = attempts.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut came = Vec::new();
        let ended = loop {
            match body.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    came.extend_from_slice(&bytes);
                    anyhow::ensure!(came.len() <= BYTES_MAX, "a long answer");
                }
            }
        };
        let came = String::from_utf8_lossy(&came);
        let (text, end) = if question.stream && head.status == StatusCode::OK {
            streamed(&came, ended)
        } else {
            at_once(&came, ended)
        };
        Ok(Answer {
            text,
            attempts,
            end,
        })
    }
}

impl Question {
    fn body(&self) -> String {
        let text = format!("{{{}}} {}", self.name, self.text);
        json!({
            "model": self.model,
            "stream": self.stream,
            "max_tokens": self.max_tokens,
            "messages": [{ "role": "user", "content": text }],
        })
        .to_string()
    }
}

/// The text of a stream and how it ended.
fn streamed(came: &str, ended: bool) -> (String, End) {
    let mut text = String::new();
    let mut end = if ended { End::Unproven } else { End::Broken };
    for data in came.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            end = End::Whole;
            continue;
        }
        let event: Value = serde_json::from_str(data).unwrap_or_default();
        let said = event.pointer("/choices/0/delta/content");
        text.push_str(said.and_then(Value::as_str).unwrap_or_default());
        if let Some(code) = code_of(&event) {
            end = End::Failed(code);
        }
    }
    (text, end)
}

/// The text of a whole answer and how it ended.
fn at_once(came: &str, ended: bool) -> (String, End) {
    if !ended {
        return (String::new(), End::Broken);
    }
    let answer: Value = serde_json::from_str(came).unwrap_or_default();
    let text = answer.pointer("/choices/0/message/content");
    let text = text.and_then(Value::as_str).unwrap_or_default().to_owned();
    let end = match code_of(&answer) {
        Some(code) => End::Failed(code),
        None if answer.get("choices").is_some() => End::Whole,
        None => End::Broken,
    };
    (text, end)
}

fn code_of(event: &Value) -> Option<String> {
    let error = event.get("error")?;
    let code = error.get("code").and_then(Value::as_str);
    Some(code.unwrap_or("an error").to_owned())
}

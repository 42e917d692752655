//! Recorded streams of real providers, served again byte for byte, whole or cut.
//!
//! They are read from beside the repository and never copied into it. The server
//! speaks just enough HTTP for the gateway and knows no dialect: what is sent is
//! what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;

use crate::program::root;

/// The recordings, by provider's file and name: plain text, tools, several calls at once,
/// reasoning, a document held to a schema, a hosted tool.
const CHOSEN: [(&str, &str); 8] = [
    ("anthropic", "anthropic-messages-003"),
    ("anthropic", "anthropic-messages-006"),
    ("anthropic", "anthropic-messages-027"),
    ("anthropic", "anthropic-messages-029"),
    ("deepseek", "deepseek-chat-001"),
    ("groq", "groq-chat-003"),
    ("mistral", "mistral-chat-005"),
    ("openai", "openai-chat-011"),
];

/// A recorded stream.
pub(crate) struct Recording {
    /// Its name in the collection.
    pub(crate) id: &'static str,
    /// The provider's dialect, in the configuration's words.
    pub(crate) dialect: &'static str,
    /// The body as it came.
    pub(crate) body: String,
}

impl Recording {
    /// How many bytes may be sent at most so that the proof of completion is not.
    pub(crate) fn unproven(&self, how: How) -> usize {
        let proof = match (self.dialect, how) {
            ("anthropic-messages", _) => "\"message_stop\"",
            // The end of a body that is framed properly stands for `[DONE]`.
            (_, How::Clean) => "\"finish_reason\":\"",
            (_, How::Fin | How::Rst) => "data: [DONE]",
        };
        let at = self.body.find(proof).expect("the stream has its proof");
        let event = self.body.get(..at).and_then(|before| before.rfind("\n\n"));
        event.expect("the proof is not the first event") + 2
    }
}

/// The recordings, or a loud word that a test is skipped.
pub(crate) fn recordings() -> Option<Vec<Recording>> {
    let folder = root().join("../shared/recordings");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no recordings at ../shared/recordings");
        return None;
    }
    let found = CHOSEN.map(|(file, id)| {
        let lines = std::fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap();
        let line = lines
            .lines()
            .find(|line| line.contains(&format!("\"{id}\"")));
        let line: Value = serde_json::from_str(line.expect("it is in the collection")).unwrap();
        let dialect = match line["api"].as_str() {
            Some("messages") => "anthropic-messages",
            _ => "openai-chat",
        };
        let body = line["response_body"].as_str().expect("a text");
        let body = body.replace("\r\n", "\n");
        Recording { id, dialect, body }
    });
    Some(found.into())
}

/// How a connection ends after the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// FIN, without the last chunk.
    Fin,
    /// RST.
    Rst,
    /// With the last chunk: a body that is well framed and may be too short.
    Clean,
}

/// What the server sends for a model.
pub(crate) struct Answer {
    /// The body, as far as it goes.
    pub(crate) body: String,
    /// How it ends.
    pub(crate) how: How,
}

/// A server that answers by the request's model. Its threads end with the process.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) url: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Server {
    /// Starts it.
    pub(crate) fn start(answers: BTreeMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let (answers, seen) = (Arc::new(answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &seen));
            }
        });
        Self { url, asked }
    }

    /// The models that were asked for so far.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Serves one request; nothing is written where the client leaves first.
fn serve(
    mut stream: TcpStream,
    answers: &BTreeMap<String, Answer>,
    seen: &Mutex<BTreeSet<String>>,
) {
    let Some(model) = requested(&stream) else {
        return;
    };
    let Answer { body, how } = &answers[&model];
    seen.lock().unwrap().insert(model);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    if !body.is_empty() {
        bytes.extend_from_slice(format!("{:x}\r\n{body}\r\n", body.len()).as_bytes());
    }
    if let How::Clean = how {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    if stream.write_all(&bytes).is_ok()
        && let How::Rst = how
    {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok();
    }
}

/// Reads a request and gives the model that its body names.
fn requested(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).expect("the gateway sends JSON");
    Some(body["model"].as_str().expect("a model").to_owned())
}

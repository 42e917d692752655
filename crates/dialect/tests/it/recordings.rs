//! Loads the recorded exchanges that lie beside the repository, and says loudly
//! where they are absent. A recording that is no single exchange of its dialect
//! is excluded here, by name and with the reason.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dialect::Dialect;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One recorded exchange.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Its name in the collection.
    pub(crate) id: String,
    /// Who served.
    pub(crate) provider: String,
    /// The dialect both sides spoke.
    pub(crate) dialect: Dialect,
    /// The request as it was sent, where one was kept.
    pub(crate) request: Option<String>,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// The answer as it came.
    pub(crate) response: Vec<u8>,
    /// Whether the answer is a stream.
    pub(crate) stream: bool,
}

impl Recording {
    fn is_array(&self) -> bool {
        self.response.trim_ascii_start().starts_with(b"[")
    }
}

/// Recordings that hold no single exchange of their dialect, and why, a line each.
const EXCLUDED: &str = include_str!("../../fixtures/recordings-excluded.tsv");

/// Names of those recordings.
fn excluded() -> impl Iterator<Item = &'static str> {
    EXCLUDED
        .lines()
        .map(|line| line.split_once('\t').expect("a name and why").0)
}

/// All recordings of the dialects.
pub(crate) fn all() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(load);
    &ALL
}

/// Successful streams of events.
pub(crate) fn streams() -> impl Iterator<Item = &'static Recording> {
    all()
        .iter()
        .filter(|r| r.stream && r.status == 200 && !r.is_array())
}

/// Successful streams as one JSON array.
pub(crate) fn arrays() -> impl Iterator<Item = &'static Recording> {
    all()
        .iter()
        .filter(|r| r.stream && r.status == 200 && r.is_array())
}

/// Successful whole answers.
pub(crate) fn wholes() -> impl Iterator<Item = &'static Recording> {
    all().iter().filter(|r| !r.stream && r.status == 200)
}

/// Recordings with their request, as (recording, request).
pub(crate) fn requests() -> impl Iterator<Item = (&'static Recording, &'static str)> {
    all()
        .iter()
        .filter(|r| r.status == 200)
        .filter_map(|r| Some((r, r.request.as_deref()?)))
}

#[derive(Deserialize)]
struct Line {
    id: String,
    provider: String,
    api: String,
    path: Option<String>,
    request_body: Option<Box<RawValue>>,
    status: u16,
    response_body: Option<String>,
    response_body_b64: Option<String>,
    is_stream: bool,
}

fn of_v1(line: &Line) -> bool {
    line.path
        .as_ref()
        .is_some_and(|path| path.starts_with("/v1/"))
}

/// Successful streams of Claude through Bedrock's `invoke`: name and body.
pub(crate) fn invoked() -> Vec<(String, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for file in files() {
        for line in read(&file).lines() {
            let line: Line = serde_json::from_str(line).unwrap();
            let claude = line
                .path
                .is_some_and(|path| path.contains("anthropic.claude"));
            if let Some(encoded) = line.response_body_b64
                && (line.api == "invoke" && claude && line.is_stream && line.status == 200)
            {
                found.insert(line.id, STANDARD.decode(encoded).unwrap());
            }
        }
    }
    found.into_iter().collect()
}

fn files() -> Vec<PathBuf> {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: no recordings at ../shared/recordings; laws run on fixtures alone");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl" || e == "gz"))
        .collect();
    files.sort();
    files
}

fn load() -> Vec<Recording> {
    let mut found = BTreeMap::new();
    let files = files();
    if files.is_empty() {
        return Vec::new();
    }
    for file in files {
        for line in read(&file).lines() {
            if let Some(recording) = recording(line) {
                found.insert(recording.id.clone(), recording);
            }
        }
    }
    for id in excluded() {
        assert!(found.remove(id).is_some(), "{id} is excluded but absent");
    }
    found.into_values().collect()
}

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    folder.is_dir().then_some(folder)
}

fn read(file: &Path) -> String {
    let bytes = fs::read(file).unwrap();
    if file.extension().is_some_and(|e| e == "gz") {
        let mut text = String::new();
        GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

fn recording(line: &str) -> Option<Recording> {
    let line: Line = serde_json::from_str(line).unwrap();
    let dialect = match line.api.as_str() {
        "chat" => Dialect::OpenaiChat,
        "responses" => Dialect::OpenaiResponses,
        // OpenAI's threads have messages too, of another kind.
        "messages" if line.provider != "openai" => Dialect::AnthropicMessages,
        // The first version of Cohere's chat is another dialect.
        "chat-native" if line.provider == "cohere" && !of_v1(&line) => Dialect::Cohere,
        "converse" => Dialect::BedrockConverse,
        "generateContent" => Dialect::Gemini,
        _ => return None,
    };
    assert!(!line.path.is_some_and(|path| path.contains("/threads/")));
    Some(Recording {
        id: line.id,
        provider: line.provider,
        dialect,
        request: line.request_body.map(|body| body.get().to_owned()),
        status: line.status,
        response: match line.response_body_b64 {
            Some(encoded) => STANDARD.decode(encoded).unwrap(),
            None => line.response_body?.into_bytes(),
        },
        stream: line.is_stream,
    })
}

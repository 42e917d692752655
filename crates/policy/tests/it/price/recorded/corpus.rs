//! The recorded exchanges that lie beside the repository.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dialect::Dialect;
use flate2::read::GzDecoder;
use serde_json::Value;

/// A successful exchange.
pub(super) struct Recording {
    pub(super) id: String,
    pub(super) provider: String,
    pub(super) dialect: Dialect,
    /// How many answers were asked for.
    pub(super) candidates: u64,
    pub(super) model_asked: String,
    /// The answer as it came.
    pub(super) response: Vec<u8>,
    pub(super) stream: bool,
}

impl Recording {
    /// Whether its stream is one JSON array.
    pub(super) fn is_array(&self) -> bool {
        self.stream && self.response.trim_ascii_start().starts_with(b"[")
    }
}

/// Recordings that hold no single exchange of their dialect, and why, a line each.
const EXCLUDED: &str = include_str!("../../../../../dialect/fixtures/recordings-excluded.tsv");

/// Names of those recordings.
fn excluded() -> impl Iterator<Item = &'static str> {
    EXCLUDED
        .lines()
        .map(|line| line.split('\t').next().unwrap_or_default())
}

/// Successful exchanges that lie beside the repository.
pub(super) fn recordings() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
        if !folder.is_dir() {
            eprintln!("SKIPPED: no recordings at ../shared/recordings to price");
            return Vec::new();
        }
        let entries = fs::read_dir(&folder).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut found = BTreeMap::new();
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
    });
    &ALL
}

fn read(file: &Path) -> String {
    match file.extension().and_then(|end| end.to_str()) {
        Some("jsonl") => fs::read_to_string(file).unwrap(),
        Some("gz") => {
            let mut text = String::new();
            let packed = fs::read(file).unwrap();
            GzDecoder::new(&packed[..])
                .read_to_string(&mut text)
                .unwrap();
            text
        }
        _ => String::new(),
    }
}

fn recording(line: &str) -> Option<Recording> {
    let line: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let path = text("path");
    let dialect = match (line["api"].as_str()?, line["provider"].as_str()?) {
        ("chat", _) => Dialect::OpenaiChat,
        ("responses", _) => Dialect::OpenaiResponses,
        // OpenAI's threads have messages too, of another kind.
        ("messages", provider) if provider != "openai" => Dialect::AnthropicMessages,
        ("generateContent", _) => Dialect::Gemini,
        ("converse", _) => Dialect::BedrockConverse,
        // The first version of Cohere's chat is another dialect.
        ("chat-native", "cohere") if !path.starts_with("/v1/") => Dialect::Cohere,
        _ => return None,
    };
    if line["status"] != 200 {
        return None;
    }
    let request = &line["request_body"];
    let several = &request["generationConfig"]["candidateCount"];
    Some(Recording {
        id: text("id"),
        provider: text("provider"),
        dialect,
        candidates: request["n"].as_u64().or(several.as_u64()).unwrap_or(1),
        model_asked: model_asked(request, &path),
        response: match line["response_body_b64"].as_str() {
            Some(encoded) => STANDARD.decode(encoded).unwrap(),
            None => line["response_body"].as_str()?.as_bytes().to_vec(),
        },
        stream: line["is_stream"] == true,
    })
}

/// The model that the request names, in its body or, Google and Amazon, in its path.
fn model_asked(request: &Value, path: &str) -> String {
    if let Some(model) = request["model"].as_str() {
        return model.to_owned();
    }
    let named = ["/models/", "/model/"].iter();
    let behind = named.filter_map(|part| path.rsplit_once(part)).next();
    let (_, model) = behind.unwrap_or_default();
    let ends = [":generateContent", ":streamGenerateContent", "/converse"];
    let end = ends.iter().find_map(|end| model.find(end));
    let model = &model[..end.unwrap_or(model.len())];
    model.replace("%3A", ":").replace("%2F", "/")
}

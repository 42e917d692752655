//! What real providers accepted is accepted here: recorded requests, where
//! those are at hand (`../shared/recordings` beside the repository).

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use sim::Script;

use crate::client::{post, send};
use crate::started;

const HEADERS: &str = "authorization: Bearer k\r\nanthropic-version: 2023-06-01\r\n";

/// What only the provider that made it can know: seals, kept answers.
const FOREIGN: [&str; 7] = [
    "Corrupted thought signature",
    "Invalid `signature` in `thinking` block",
    "could not be verified",
    "Previous response with id",
    "Item with id",
    // Recordings whose ids were changed by hand do not fit together.
    "unexpected `tool_use_id` found",
    "No tool call found for function call output",
];

fn recorded(name: &str) -> Option<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let path = folder.join(name);
    let Ok(mut file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let mut text = String::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    let lines = text.lines().map(|l| serde_json::from_str(l).unwrap());
    Some(lines.collect())
}

/// Where the simulated provider serves what was asked, if it does.
fn path_of(line: &Value) -> Option<String> {
    let path = line["path"].as_str()?;
    let accepted = line["status"] == 200 && line["method"] == "POST";
    let plain = [
        "openai",
        "anthropic",
        "bedrock",
        "gemini",
        "vertex",
        "cohere",
    ];
    let provider = line["provider"].as_str()?;
    if !accepted || !plain.contains(&provider) || path.starts_with("/v1/threads") {
        return None;
    }
    match line["api"].as_str()? {
        "responses" => Some("/v1/responses".to_owned()),
        "messages" | "converse" | "generateContent" | "count-tokens" | "embeddings" | "rerank" => {
            Some(path.to_owned())
        }
        "chat-native" if path == "/v2/chat" => Some(path.to_owned()),
        "invoke"
            if line["request_body"].get("anthropic_version").is_some()
                || path.contains("titan-embed-text")
                || path.contains("cohere.embed") =>
        {
            Some(path.to_owned())
        }
        _ => None,
    }
}

async fn replay(name: &str) {
    let Some(lines) = recorded(name) else { return };
    let sim = started(Script::default()).await;
    let (mut accepted, mut refused) = (0, Vec::new());
    for line in &lines {
        let Some(path) = path_of(line) else { continue };
        let path = path.replace(['<', '>'], "");
        let body = &line["request_body"];
        if body.is_null() {
            continue;
        }
        let body = body
            .as_str()
            .map_or_else(|| body.to_string(), str::to_owned);
        let google = line["provider"] == "gemini";
        let key = if google { "x-goog-api-key: k\r\n" } else { "" };
        let got = send(&sim, &post(&path, &format!("{HEADERS}{key}"), &body)).await;
        let said = String::from_utf8_lossy(&got.body).into_owned();
        if got.status == 200 {
            accepted += 1;
        } else if !FOREIGN.iter().any(|f| said.contains(f)) {
            refused.push(format!("{} {path}: {said}", line["id"]));
        }
    }
    assert!(accepted > 0);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[tokio::test]
async fn chosen_requests_are_accepted_as_they_were() {
    for provider in [
        "openai",
        "anthropic",
        "bedrock",
        "gemini",
        "vertex",
        "cohere",
    ] {
        replay(&format!("{provider}.jsonl")).await;
    }
}

#[tokio::test]
async fn all_requests_are_accepted_as_they_were() {
    replay("bulk.jsonl.gz").await;
}

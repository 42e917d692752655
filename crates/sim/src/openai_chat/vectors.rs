//! Vectors (`…/embeddings`) and verdicts (`…/moderations`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde_json::{Map, Value, json};

use super::{model_of, pretty};
use crate::ask::Ask;
use crate::dialect::{Head, Job, Refusal, type_error};
use crate::json::{put_value, text};
use crate::play::Tape;
use crate::task::{Embed, Piece, Task, packed, seed_of, vector};

const DIMENSIONS: u64 = 1_536;
const DIMENSIONS_MAX: u64 = 3_072;
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// Reads a request for vectors.
///
/// # Errors
/// What the provider would say.
pub(super) fn read_embed(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
    let mut ask = Ask {
        model: model_of(head, text(&body, "model"))?,
        ..Ask::default()
    };
    let dimensions = match body.get("dimensions").filter(|d| !d.is_null()) {
        None => DIMENSIONS,
        Some(own) => own
            .as_u64()
            .filter(|n| (1..=DIMENSIONS_MAX).contains(n))
            .ok_or_else(|| {
                Refusal::bad(format!(
                    "{own} is less than the minimum of 1 - 'dimensions'"
                ))
            })?,
    };
    let form = text(&body, "encoding_format").unwrap_or("float");
    if form != "float" && form != "base64" {
        return Err(Refusal::bad(format!(
            "'{form}' is not one of ['float', 'base64'] - 'encoding_format'"
        )));
    }
    let mut embed = Embed {
        dimensions: usize::try_from(dimensions).unwrap_or(0),
        forms: vec![form.to_owned()],
        ..Embed::default()
    };
    for input in inputs(&body)? {
        let Some(words) = input.as_str() else {
            ask.input_tokens += input.as_array().map_or(0, Vec::len) as u64;
            embed.inputs.push(seed_of(&input.to_string()));
            continue;
        };
        ask.hear(words).map_err(Refusal::bad)?;
        words.clone_into(&mut ask.last_text);
        embed.inputs.push(seed_of(words));
    }
    ask.task = Task::Embed(embed);
    Ok(ask)
}

/// A text, a list of texts, a list of tokens, or a list of those.
fn inputs(body: &Value) -> Result<Vec<&Value>, Refusal> {
    let invalid = || {
        Refusal::bad(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
        )
    };
    let input = body.get("input").ok_or_else(invalid)?;
    match input {
        Value::String(_) => Ok(vec![input]),
        Value::Array(items) if items.is_empty() => Err(invalid()),
        Value::Array(items) if items.iter().all(Value::is_u64) => Ok(vec![input]),
        Value::Array(items) if items.iter().all(|i| i.is_string() || i.is_array()) => {
            Ok(items.iter().collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(invalid())
        }
    }
}

/// The vectors.
pub(super) fn embedded(job: &Job<'_>) -> Tape {
    let Task::Embed(embed) = &job.ask.task else {
        return Tape::default();
    };
    let packs = embed.forms.iter().any(|f| f == "base64");
    let each = embed.inputs.iter().enumerate().map(|(index, seed)| {
        let own = vector(*seed, embed.dimensions);
        let own = if packs {
            json!(STANDARD.encode(packed(&own)))
        } else {
            json!(own)
        };
        json!({ "object": "embedding", "index": index, "embedding": own })
    });
    let data: Vec<Value> = each.collect();
    let mut out = json!({ "object": "list", "data": data, "model": job.ask.model });
    if let Some(fields) = out.as_object_mut().filter(|_| !job.usage_missing()) {
        let tokens = job.told(job.ask.input_tokens);
        let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
        fields.insert("usage".to_owned(), usage);
    }
    // Vectors are not indented: they would be a line a number.
    let mut tape = Tape::default();
    put_value(&mut tape.buf, &out);
    tape.mark(0, true);
    tape
}

/// Reads a request for verdicts, which are free.
///
/// # Errors
/// What the provider would say.
pub(super) fn read_moderate(body: &[u8]) -> Result<Ask, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
    let model = text(&body, "model").unwrap_or("omni-moderation-latest");
    let mut ask = Ask {
        model: model.to_owned(),
        ..Ask::default()
    };
    let one = |words: &str| Piece {
        image: false,
        bad: words.contains("REFUSE"),
    };
    let mut pieces = Vec::new();
    match body.get("input") {
        Some(Value::String(words)) => pieces.push(one(words)),
        Some(Value::Array(items)) if !items.is_empty() => {
            for item in items {
                let words = item.as_str().or_else(|| text(item, "text"));
                pieces.push(Piece {
                    image: text(item, "type") == Some("image_url"),
                    ..one(words.unwrap_or_default())
                });
            }
            // Parts with types are one thing to be judged together.
            if items.iter().any(Value::is_object) {
                let bad = pieces.iter().any(|p| p.bad);
                let image = pieces.iter().any(|p| p.image);
                pieces = vec![Piece { image, bad }];
            }
        }
        _ => return Err(Refusal::bad("Missing required parameter: 'input'.").at("input")),
    }
    ask.task = Task::Moderate(pieces);
    Ok(ask)
}

/// The verdicts.
pub(super) fn moderated(job: &Job<'_>) -> Tape {
    let Task::Moderate(pieces) = &job.ask.task else {
        return Tape::default();
    };
    let results: Vec<Value> = pieces.iter().map(verdict).collect();
    let id = job.rng().id("modr-", 24);
    let out = json!({ "id": id, "model": job.ask.model, "results": results });
    let mut tape = Tape {
        buf: BytesMut::from(pretty(&out)),
        ..Tape::default()
    };
    tape.mark(0, true);
    tape
}

fn verdict(piece: &Piece) -> Value {
    let each = |of: &dyn Fn(&str) -> Value| -> Map<String, Value> {
        CATEGORIES
            .iter()
            .map(|name| ((*name).to_owned(), of(name)))
            .collect()
    };
    let bad = |name: &str| piece.bad && name == "violence";
    let kind = if piece.image { "image" } else { "text" };
    json!({
        "flagged": piece.bad,
        "categories": each(&|name| json!(bad(name))),
        "category_scores": each(&|name| json!(if bad(name) { 0.97 } else { 0.0001 })),
        "category_applied_input_types": each(&|_| json!([kind])),
    })
}

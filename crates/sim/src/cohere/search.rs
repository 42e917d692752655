//! Vectors (`/v2/embed`) and ranks (`/v2/rerank`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::check;
use crate::ask::Ask;
use crate::dialect::{Job, Refusal};
use crate::json::{array, number, put_value, text};
use crate::play::Tape;
use crate::task::{Embed, Rerank, Task, packed, seed_of, vector};

const EMBED: &[&str] = &[
    "model",
    "input_type",
    "texts",
    "images",
    "inputs",
    "max_tokens",
    "output_dimension",
    "embedding_types",
    "truncate",
    "priority",
];
const RERANK: &[&str] = &[
    "model",
    "query",
    "documents",
    "top_n",
    "max_tokens_per_doc",
    "priority",
];
const DIMENSIONS: [u64; 4] = [256, 512, 1_024, 1_536];

/// Reads a request for vectors.
///
/// # Errors
/// What the provider would say.
pub(super) fn read_embed(body: &Value) -> Result<Ask, Refusal> {
    check(body, EMBED)?;
    let mut ask = named(body)?;
    if text(body, "input_type").is_none() {
        return Err(Refusal::bad(
            "invalid request: valid input_type must be provided with the provided model",
        ));
    }
    let dimensions = number(body, "output_dimension").unwrap_or(1_024);
    if !DIMENSIONS.contains(&dimensions) {
        return Err(Refusal::bad(
            "invalid request: output_dimension must be one of 256, 512, 1024, 1536",
        ));
    }
    let mut embed = Embed {
        dimensions: usize::try_from(dimensions).unwrap_or(0),
        forms: forms(body)?,
        ..Embed::default()
    };
    for words in array(body, "texts").iter().filter_map(Value::as_str) {
        ask.hear(words).map_err(Refusal::bad)?;
        words.clone_into(&mut ask.last_text);
        embed.inputs.push(seed_of(words));
        embed.texts.push(words.to_owned());
    }
    for image in array(body, "images").iter().filter_map(Value::as_str) {
        ask.look("image", image.len() / 4 * 3);
        embed.inputs.push(seed_of(image));
    }
    for input in array(body, "inputs") {
        let words: String = array(input, "content")
            .iter()
            .filter_map(|c| text(c, "text"))
            .collect();
        ask.hear(&words).map_err(Refusal::bad)?;
        embed.inputs.push(seed_of(&input.to_string()));
        ask.last_text = words;
    }
    if embed.inputs.is_empty() {
        return Err(Refusal::bad(
            "invalid request: one of texts, images or inputs must be provided",
        ));
    }
    ask.task = Task::Embed(embed);
    Ok(ask)
}

fn forms(body: &Value) -> Result<Vec<String>, Refusal> {
    let known = ["float", "int8", "uint8", "binary", "ubinary", "base64"];
    let given = array(body, "embedding_types").iter();
    let given: Vec<String> = given
        .filter_map(|f| f.as_str().map(str::to_owned))
        .collect();
    match given.iter().find(|f| !known.contains(&f.as_str())) {
        Some(other) => Err(Refusal::bad(format!(
            "invalid request: embedding type '{other}' is not supported"
        ))),
        None if given.is_empty() => Ok(vec!["float".to_owned()]),
        None => Ok(given),
    }
}

/// Reads a request for ranks. They are charged by the request, not by tokens.
///
/// # Errors
/// What the provider would say.
pub(super) fn read_rerank(body: &Value) -> Result<Ask, Refusal> {
    check(body, RERANK)?;
    let mut ask = named(body)?;
    let query =
        text(body, "query").ok_or_else(|| Refusal::bad("invalid request: query is required"))?;
    ask.hear(query).map_err(Refusal::bad)?;
    query.clone_into(&mut ask.last_text);
    let documents: Vec<String> = array(body, "documents")
        .iter()
        .map(|d| {
            let words = d.as_str().or_else(|| text(d, "text"));
            words.map_or_else(|| d.to_string(), str::to_owned)
        })
        .collect();
    if documents.is_empty() {
        return Err(Refusal::bad(
            "invalid request: list of documents must not be empty",
        ));
    }
    let top = number(body, "top_n").and_then(|n| usize::try_from(n).ok());
    ask.input_tokens = 0;
    ask.task = Task::Rerank(Rerank {
        query: query.to_owned(),
        top: top.unwrap_or(documents.len()),
        documents,
    });
    Ok(ask)
}

fn named(body: &Value) -> Result<Ask, Refusal> {
    let model = text(body, "model").filter(|m| !m.is_empty());
    let model = model.ok_or_else(|| Refusal::bad("invalid request: model is required"))?;
    Ok(Ask {
        model: model.to_owned(),
        ..Ask::default()
    })
}

/// The answer to either.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let out = match &job.ask.task {
        Task::Embed(embed) => embedded(job, embed),
        Task::Rerank(rerank) => ranked(job, rerank),
        Task::Say | Task::Moderate(_) | Task::Draw(_) | Task::Speak(_) => Value::Null,
    };
    let mut tape = Tape::default();
    put_value(&mut tape.buf, &out);
    tape.mark(0, true);
    tape
}

fn embedded(job: &Job<'_>, embed: &Embed) -> Value {
    let mut forms = Map::new();
    for form in &embed.forms {
        let each = embed.inputs.iter();
        let each = each.map(|seed| formed(form, &vector(*seed, embed.dimensions)));
        forms.insert(form.clone(), each.collect());
    }
    let billed = json!({ "input_tokens": job.told(job.ask.input_tokens) });
    json!({
        "id": job.request_id,
        "texts": embed.texts,
        "embeddings": forms,
        "meta": meta(job, &billed),
        "response_type": "embeddings_by_type",
    })
}

fn ranked(job: &Job<'_>, rerank: &Rerank) -> Value {
    let each = rerank.ranked().into_iter();
    let results = each.map(|(index, score)| json!({ "index": index, "relevance_score": score }));
    json!({
        "id": job.request_id,
        "results": results.collect::<Vec<Value>>(),
        "meta": meta(job, &json!({ "search_units": job.told(1) })),
    })
}

fn meta(job: &Job<'_>, billed: &Value) -> Value {
    let mut out = json!({ "api_version": { "version": "2" } });
    if let Some(fields) = out.as_object_mut().filter(|_| !job.usage_missing()) {
        fields.insert("billed_units".to_owned(), billed.clone());
    }
    out
}

fn formed(form: &str, vector: &[f32]) -> Value {
    let bits = |unit: bool| -> Vec<i16> {
        let bytes = vector.chunks(8).map(|chunk| {
            let bits = chunk
                .iter()
                .fold(0_i16, |bits, v| (bits << 1) | i16::from(*v > 0.0));
            if unit { bits } else { bits - 128 }
        });
        bytes.collect()
    };
    let scaled = |zero: i16| -> Vec<i16> { vector.iter().map(|v| small(*v) + zero).collect() };
    match form {
        "base64" => json!(STANDARD.encode(packed(vector))),
        "int8" => json!(scaled(0)),
        "uint8" => json!(scaled(128)),
        "binary" => json!(bits(false)),
        "ubinary" => json!(bits(true)),
        _ => json!(vector),
    }
}

/// A share of 1 as a share of 127.
fn small(value: f32) -> i16 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the value is between -127 and 127"
    )]
    let out = (value.clamp(-1.0, 1.0) * 127.0) as i16;
    out
}

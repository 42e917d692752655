//! Vectors by `/model/{id}/invoke`: Titan's bodies for models with
//! `titan-embed` in their name, Cohere's for those with `cohere.embed`. How
//! many tokens were read stands in a header.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::parse;
use crate::ask::Ask;
use crate::dialect::{Job, Refusal};
use crate::json::{array, number, text};
use crate::play::Tape;
use crate::task::{Embed, Task, seed_of, vector};

const DIMENSIONS: u64 = 1_024;

/// Whether a model makes vectors.
pub(super) fn is_embedder(model: &str) -> bool {
    is_titan(model) || model.contains("cohere.embed")
}

fn is_titan(model: &str) -> bool {
    model.contains("titan-embed")
}

/// Reads the body of a request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(model: String, body: &[u8]) -> Result<Ask, Refusal> {
    let body = parse(body)?;
    let dimensions = number(&body, "dimensions").or_else(|| number(&body, "output_dimension"));
    let mut embed = Embed {
        dimensions: usize::try_from(dimensions.unwrap_or(DIMENSIONS).min(4_096)).unwrap_or(0),
        ..Embed::default()
    };
    let own = if is_titan(&model) {
        text(&body, "inputText").into_iter().collect()
    } else {
        let given = array(&body, "texts").iter();
        given.filter_map(Value::as_str).collect::<Vec<&str>>()
    };
    if own.is_empty() {
        return Err(Refusal::bad(
            "Malformed input request: #: required key [inputText or texts] not found, please reformat your input and try again.",
        ));
    }
    let mut ask = Ask {
        model,
        ..Ask::default()
    };
    for words in own {
        ask.hear(words).map_err(Refusal::bad)?;
        words.clone_into(&mut ask.last_text);
        embed.inputs.push(seed_of(words));
        embed.texts.push(words.to_owned());
    }
    ask.task = Task::Embed(embed);
    Ok(ask)
}

/// The vectors.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let mut tape = Tape::default();
    let Task::Embed(embed) = &job.ask.task else {
        return tape;
    };
    let each = embed.inputs.iter();
    let vectors: Vec<Vec<f32>> = each.map(|seed| vector(*seed, embed.dimensions)).collect();
    let out = if is_titan(&job.ask.model) {
        let mut out = json!({ "embedding": vectors.first() });
        if let Some(fields) = out.as_object_mut().filter(|_| !job.usage_missing()) {
            let tokens = job.told(job.ask.input_tokens);
            fields.insert("inputTextTokenCount".to_owned(), json!(tokens));
        }
        out
    } else {
        json!({ "embeddings": vectors, "id": job.request_id, "response_type": "embeddings_floats", "texts": embed.texts })
    };
    tape.buf.extend_from_slice(&Bytes::from(out.to_string()));
    tape.mark(0, true);
    tape
}

/// The headers by which an invocation tells what it read and wrote.
pub(crate) fn count_headers(job: &Job<'_>, headers: &mut HeaderMap) {
    headers.insert(
        "x-amzn-bedrock-invocation-latency",
        HeaderValue::from_static("12"),
    );
    if job.usage_missing() {
        return;
    }
    let usage = job.answer.usage;
    headers.insert(
        "x-amzn-bedrock-input-token-count",
        HeaderValue::from(job.told(usage.input)),
    );
    if usage.output > 0 {
        headers.insert(
            "x-amzn-bedrock-output-token-count",
            HeaderValue::from(job.told(usage.output)),
        );
    }
}

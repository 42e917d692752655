//! Vectors: `:embedContent` for one text, `:batchEmbedContents` for several.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::model_of;
use super::read::parse;
use super::shape::{field, list, words};
use crate::ask::Ask;
use crate::dialect::{Head, Job, Refusal};
use crate::openai_chat::pretty;
use crate::play::Tape;
use crate::task::{Embed, Task, seed_of, vector};

const DIMENSIONS: u64 = 768;
const DIMENSIONS_MAX: u64 = 3_072;

/// Reads the body of a request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let body = parse(body)?;
    let batch = head.path.ends_with(":batchEmbedContents");
    let requests = if batch {
        list(&body, "requests")
    } else {
        std::slice::from_ref(&body)
    };
    if requests.is_empty() {
        return Err(Refusal::bad(
            "* BatchEmbedContentsRequest.requests: requests is not specified\n",
        ));
    }
    let mut ask = Ask {
        model: model_of(head),
        own: json!({ "batch": batch }),
        ..Ask::default()
    };
    let mut embed = Embed::default();
    for request in requests {
        let text = text_of(request)?;
        ask.hear(&text).map_err(Refusal::bad)?;
        embed.inputs.push(seed_of(&text));
        let wanted = field(request, "outputDimensionality").and_then(Value::as_u64);
        let wanted = wanted.unwrap_or(DIMENSIONS);
        if !(1..=DIMENSIONS_MAX).contains(&wanted) {
            return Err(Refusal::bad(
                "* EmbedContentRequest.output_dimensionality: out of range",
            ));
        }
        embed.dimensions = usize::try_from(wanted).unwrap_or(0);
        ask.last_text = text;
    }
    ask.task = Task::Embed(embed);
    Ok(ask)
}

fn text_of(request: &Value) -> Result<String, Refusal> {
    let content = field(request, "content").unwrap_or(&Value::Null);
    let parts = list(content, "parts");
    if parts.is_empty() {
        return Err(Refusal::bad(
            "* EmbedContentRequest.content: contents is required\n",
        ));
    }
    Ok(parts.iter().filter_map(|p| words(p, "text")).collect())
}

/// The vectors.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let mut tape = Tape::default();
    let Task::Embed(embed) = &job.ask.task else {
        return tape;
    };
    let each = embed.inputs.iter();
    let mut vectors: Vec<Value> = each
        .map(|seed| json!({ "values": vector(*seed, embed.dimensions) }))
        .collect();
    let batch = job.ask.own.get("batch") == Some(&json!(true));
    let mut out = if batch {
        json!({ "embeddings": vectors })
    } else {
        json!({ "embedding": vectors.pop() })
    };
    if !job.usage_missing()
        && let Some(fields) = out.as_object_mut()
    {
        let tokens = job.told(job.ask.input_tokens);
        fields.insert(
            "usageMetadata".to_owned(),
            json!({ "promptTokenCount": tokens }),
        );
    }
    tape.buf = BytesMut::from(pretty(&out));
    tape.mark(0, true);
    tape
}

//! Images: `…/images/generations` from words, `…/images/edits` from a form or
//! from JSON; whole, or as a stream of partial ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::{model_of, pretty};
use crate::answer::Usage;
use crate::ask::Ask;
use crate::dialect::{Head, Job, Op, Refusal, type_error};
use crate::json::{array, flag, number, put_value, text};
use crate::multipart::parts;
use crate::play::Tape;
use crate::task::{Draw, IMAGE_TOKENS, Task, picture, seed_of};

/// Reads the body of either.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(op: &Op, head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let json = head
        .header("content-type")
        .is_none_or(|kind| kind.starts_with("application/json"));
    let form = if json {
        Form::of_json(body)?
    } else {
        Form::of_parts(head, body)?
    };
    if *op == Op::ImageEdit && form.images.is_empty() {
        return Err(missing("image"));
    }
    let prompt = text(&form.fields, "prompt").filter(|p| !p.is_empty());
    let prompt = prompt.ok_or_else(|| missing("prompt"))?;
    let model = model_of(head, text(&form.fields, "model")).unwrap_or_else(|_| "dall-e-2".into());
    let mut ask = Ask {
        stream: flag(&form.fields, "stream").unwrap_or(false),
        model,
        ..Ask::default()
    };
    ask.hear(prompt).map_err(Refusal::bad)?;
    prompt.clone_into(&mut ask.last_text);
    if prompt.contains("REFUSE") {
        return Err(Refusal {
            code: Some("moderation_blocked".to_owned()),
            ..Refusal::bad("Your request was rejected by the safety system.")
        });
    }
    for bytes in &form.images {
        ask.look("image", *bytes);
    }
    let count = number(&form.fields, "n").unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(Refusal::bad("'n' must be between 1 and 10").at("n"));
    }
    let older = ask.model.starts_with("dall-e");
    let form_of = text(&form.fields, "response_format");
    ask.task = Task::Draw(Draw {
        count,
        by_url: form_of.map_or(older, |f| f == "url"),
        size: text(&form.fields, "size").unwrap_or("1024x1024").to_owned(),
        partial: number(&form.fields, "partial_images").unwrap_or(0).min(3),
    });
    Ok(ask)
}

fn missing(name: &str) -> Refusal {
    Refusal {
        code: Some("missing_required_parameter".to_owned()),
        ..Refusal::bad(format!("Missing required parameter: '{name}'.")).at(name)
    }
}

/// What a body says, however it says it.
struct Form {
    fields: Value,
    /// Bytes of each image.
    images: Vec<usize>,
}

impl Form {
    fn of_json(body: &[u8]) -> Result<Form, Refusal> {
        let fields: Value =
            serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
        let images = array(&fields, "images").iter();
        let images = images.map(|i| text(i, "image_url").map_or(0, str::len));
        Ok(Form {
            images: images.collect(),
            fields,
        })
    }

    fn of_parts(head: &Head<'_>, body: &[u8]) -> Result<Form, Refusal> {
        let mut fields = json!({});
        let mut images = Vec::new();
        for part in parts(head, body).map_err(Refusal::bad)? {
            if part.file && (part.name == "image" || part.name == "image[]") {
                if !part.media_type.starts_with("image/") {
                    return Err(Refusal {
                        code: Some("unsupported_mimetype".to_owned()),
                        ..Refusal::bad(format!("Invalid file 'image': unsupported mimetype ('{}'). Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.", part.media_type)).at("image")
                    });
                }
                images.push(part.data.len());
            } else if let Some(own) = fields.as_object_mut().filter(|_| !part.file) {
                own.insert(part.name.clone(), typed(&part.text()));
            }
        }
        Ok(Form { fields, images })
    }
}

/// Numbers and booleans of a form are words.
fn typed(words: &str) -> Value {
    match (words.parse::<u64>(), words.parse::<bool>()) {
        (Ok(number), _) => json!(number),
        (_, Ok(flag)) => json!(flag),
        _ => json!(words),
    }
}

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let Task::Draw(draw) = &job.ask.task else {
        return Tape::default();
    };
    let data: Vec<Value> = (0..draw.count)
        .map(|i| {
            if draw.by_url {
                let name = job.rng().id("img-", 24);
                json!({ "url": format!("https://images.sim.example/{name}-{i}.png") })
            } else {
                json!({ "b64_json": image(job, i) })
            }
        })
        .collect();
    let mut out = json!({ "created": job.created, "data": data });
    // The older models tell no more.
    if let Some(fields) = out.as_object_mut().filter(|_| !draw.by_url) {
        fields.insert("background".to_owned(), json!("opaque"));
        fields.insert("output_format".to_owned(), json!("png"));
        fields.insert("quality".to_owned(), json!("low"));
        fields.insert("size".to_owned(), json!(draw.size));
        if !job.usage_missing() {
            fields.insert("usage".to_owned(), usage(job));
        }
    }
    let mut tape = Tape {
        buf: BytesMut::from(pretty(&out)),
        ..Tape::default()
    };
    tape.mark(job.answer.usage.output, true);
    tape
}

/// A streamed answer: what there is of the image so far, then the image.
pub(super) fn stream(job: &Job<'_>) -> Tape {
    let mut tape = Tape::default();
    let Task::Draw(draw) = &job.ask.task else {
        return tape;
    };
    let family = if *job.op == Op::ImageEdit {
        "image_edit"
    } else {
        "image_generation"
    };
    for i in 0..draw.partial {
        let mut event = told(job, draw, &format!("{family}.partial_image"));
        insert(&mut event, "partial_image_index", json!(i));
        put_event(&mut tape, &event);
        tape.mark(0, true);
    }
    for done in 1..=draw.count {
        let mut event = told(job, draw, &format!("{family}.completed"));
        if !job.usage_missing() {
            insert(&mut event, "usage", usage(job));
        }
        put_event(&mut tape, &event);
        tape.mark(done * IMAGE_TOKENS, true);
    }
    tape
}

fn told(job: &Job<'_>, draw: &Draw, kind: &str) -> Value {
    json!({
        "type": kind, "b64_json": image(job, 0), "created_at": job.created, "size": draw.size,
        "quality": "low", "background": "opaque", "output_format": "png",
    })
}

fn put_event(tape: &mut Tape, event: &Value) {
    let kind = text(event, "type").unwrap_or_default();
    tape.buf
        .put_slice(format!("event: {kind}\ndata: ").as_bytes());
    put_value(&mut tape.buf, event);
    tape.buf.put_slice(b"\n\n");
}

fn insert(out: &mut Value, name: &str, value: Value) {
    if let Some(fields) = out.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn image(job: &Job<'_>, index: u64) -> String {
    STANDARD.encode(picture(seed_of(&job.ask.last_text) ^ index))
}

fn usage(job: &Job<'_>) -> Value {
    let Usage {
        input,
        cached,
        output,
        ..
    } = job.answer.usage;
    let (input, output) = (job.told(input + cached), job.told(output));
    let seen = 85 * job.ask.images.len() as u64;
    json!({
        "input_tokens": input,
        "output_tokens": output,
        "total_tokens": input.saturating_add(output),
        "input_tokens_details": { "image_tokens": seen, "text_tokens": input.saturating_sub(seen) },
    })
}

//! Legacy completions (`…/completions`): a prompt goes on, whole or streamed.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::{model_of, pretty};
use crate::answer::{Choice, Finish, Usage, pieces};
use crate::ask::Ask;
use crate::dialect::{Head, Job, Meter, Refusal, type_error};
use crate::json::{array, flag, number, put_int, put_str, put_value, text};
use crate::play::Tape;

/// What the provider takes where no bound is given.
const MAX_TOKENS: u64 = 16;

/// Reads the body of a request.
///
/// # Errors
/// What the provider would say.
pub(super) fn read(head: &Head<'_>, body: &[u8]) -> Result<Ask, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Refusal::bad(type_error(&e)))?;
    let stream = flag(&body, "stream").unwrap_or(false);
    let options = body.get("stream_options").unwrap_or(&Value::Null);
    if options.is_object() && !stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::bad(message).at("stream_options"));
    }
    let stop = match body.get("stop") {
        Some(Value::String(one)) => vec![one.clone()],
        _ => array(&body, "stop")
            .iter()
            .filter_map(|s| s.as_str().map(str::to_owned))
            .collect(),
    };
    let mut ask = Ask {
        model: model_of(head, text(&body, "model"))?,
        stream,
        include_usage: flag(options, "include_usage").unwrap_or(false),
        max_tokens: Some(number(&body, "max_tokens").unwrap_or(MAX_TOKENS)),
        seed: number(&body, "seed"),
        stop,
        ..Ask::default()
    };
    let prompts = match body.get("prompt") {
        None | Some(Value::Null) => 1,
        Some(Value::String(one)) => hear(&mut ask, one)?,
        Some(Value::Array(items)) if items.iter().all(Value::is_u64) => {
            ask.input_tokens += items.len() as u64;
            1
        }
        Some(Value::Array(items)) => {
            for item in items {
                match item.as_str() {
                    Some(one) => hear(&mut ask, one).map(drop)?,
                    None => ask.input_tokens += item.as_array().map_or(0, Vec::len) as u64,
                }
            }
            items.len() as u64
        }
        Some(_) => {
            return Err(Refusal::bad("Invalid type for 'prompt'.").at("prompt"));
        }
    };
    ask.choices = number(&body, "n").unwrap_or(1) * prompts;
    if !(1..=128).contains(&ask.choices) {
        return Err(Refusal::bad("'n' must be between 1 and 128").at("n"));
    }
    Ok(ask)
}

fn hear(ask: &mut Ask, prompt: &str) -> Result<u64, Refusal> {
    ask.hear(prompt).map_err(Refusal::bad)?;
    prompt.clone_into(&mut ask.last_text);
    Ok(1)
}

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let choices = job.answer.choices.iter().enumerate().map(|(index, choice)| {
        json!({ "text": spoken(choice), "index": index, "logprobs": null, "finish_reason": finish_word(choice) })
    });
    let mut out = json!({
        "id": id(job),
        "object": "text_completion",
        "created": job.created,
        "model": job.ask.model,
        "choices": choices.collect::<Vec<Value>>(),
    });
    if let Some(fields) = out.as_object_mut().filter(|_| !job.usage_missing()) {
        fields.insert("usage".to_owned(), usage(job, 1));
    }
    let mut tape = Tape {
        buf: BytesMut::from(pretty(&out)),
        ..Tape::default()
    };
    tape.mark(job.answer.usage.output, true);
    tape
}

/// A streamed answer, one choice after the other.
pub(super) fn stream(job: &Job<'_>) -> Tape {
    let mut rng = job.rng();
    let (own, stray) = (rng.id("cmpl-", 29), rng.id("cmpl-", 29));
    let mut tape = Tape::default();
    let mut meter = Meter::default();
    for (index, choice) in job.answer.choices.iter().enumerate() {
        for piece in pieces(job.ask, spoken(choice)) {
            meter.more(piece);
            let wrong = job.wrong_id && tape.marks.len() > 2;
            open(job, &mut tape, if wrong { &stray } else { &own });
            chunk(&mut tape, index, piece, None);
            close(job, &mut tape, meter.now());
        }
        meter.next();
        open(job, &mut tape, &own);
        chunk(&mut tape, index, "", Some(finish_word(choice)));
        close(job, &mut tape, meter.now());
    }
    let times = if job.usage_shrinks() { 2 } else { 1 };
    if job.ask.include_usage && !job.usage_missing() {
        for share in 1..=times {
            open(job, &mut tape, &own);
            tape.buf.put_slice(b"],\"usage\":");
            put_value(&mut tape.buf, &usage(job, share));
            tape.buf.put_slice(b"}\n\n");
            tape.mark(meter.now(), false);
        }
    }
    tape.buf.put_slice(b"data: [DONE]\n\n");
    tape.mark(meter.now(), false);
    tape
}

fn open(job: &Job<'_>, tape: &mut Tape, id: &str) {
    let buf = &mut tape.buf;
    buf.put_slice(b"data: {\"id\":");
    put_str(buf, id);
    buf.put_slice(b",\"object\":\"text_completion\",\"created\":");
    put_int(buf, job.created);
    buf.put_slice(b",\"model\":");
    put_str(buf, &job.ask.model);
    buf.put_slice(b",\"choices\":[");
}

fn chunk(tape: &mut Tape, index: usize, piece: &str, finish: Option<&str>) {
    let buf = &mut tape.buf;
    buf.put_slice(b"{\"text\":");
    put_str(buf, piece);
    buf.put_slice(b",\"index\":");
    put_int(buf, index as u64);
    buf.put_slice(b",\"logprobs\":null,\"finish_reason\":");
    put_value(buf, &finish);
    buf.put_u8(b'}');
}

fn close(job: &Job<'_>, tape: &mut Tape, tokens: u64) {
    let usage: &[u8] = if job.ask.include_usage {
        b"],\"usage\":null}\n\n"
    } else {
        b"]}\n\n"
    };
    tape.buf.put_slice(usage);
    tape.mark(tokens, true);
}

fn id(job: &Job<'_>) -> String {
    job.rng().id("cmpl-", 29)
}

/// There is no field for a refusal here.
fn spoken(choice: &Choice) -> &str {
    choice.refusal.as_deref().unwrap_or(&choice.text)
}

fn finish_word(choice: &Choice) -> &'static str {
    match &choice.finish {
        Finish::Natural | Finish::Stop(_) | Finish::Refusal | Finish::Tools => "stop",
        Finish::Length => "length",
    }
}

fn usage(job: &Job<'_>, share: u64) -> Value {
    let Usage {
        input,
        cached,
        output,
        ..
    } = job.answer.usage;
    let (input, output) = (job.told(input + cached), job.told(output / share.max(1)));
    json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input.saturating_add(output),
        "prompt_tokens_details": { "cached_tokens": cached },
    })
}

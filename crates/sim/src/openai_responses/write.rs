//! Writing whole responses, and the parts that streams share with them: the
//! response object and its items, in the provider's field order.

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Value, json};

use super::read::{included, inputs, stores};
use super::seal;
use crate::answer::{Call, Choice, Finish, Usage, pieces};
use crate::ask::Thinking;
use crate::dialect::Job;
use crate::json::{array, flag, text};
use crate::openai_chat::pretty;
use crate::play::Tape;
use crate::shelf::Kept;
use crate::words::Rng;

/// A whole answer.
pub(super) fn whole(job: &Job<'_>) -> Tape {
    let background = flag(&job.ask.own, "background").unwrap_or(false);
    let out = if background {
        ResponseOut::new(job, "queued")
    } else {
        finished(job, 1)
    };
    keep(job);
    let mut tape = Tape {
        buf: BytesMut::from(pretty(&out)),
        ..Tape::default()
    };
    tape.mark(job.answer.usage.output, true);
    tape
}

/// The response at its end; a `share` above 1 tells only that part of the output.
pub(super) fn finished<'a>(job: &'a Job<'_>, share: u64) -> ResponseOut<'a> {
    let cut = choice_of(job).is_some_and(|c| c.finish == Finish::Length);
    let mut out = ResponseOut::new(job, if cut { "incomplete" } else { "completed" });
    out.incomplete_details = cut.then(|| json!({ "reason": "max_output_tokens" }));
    out.completed_at = (!cut).then_some(job.created + 1);
    out.output = items(job);
    out.usage = (!job.usage_missing()).then(|| usage(job, share));
    out
}

/// The response of a stream that broke off.
pub(super) fn failed(job: &Job<'_>, message: &str) -> Value {
    let mut out = ResponseOut::new(job, "failed");
    out.error = Some(json!({ "code": "server_error", "message": message }));
    serde_json::to_value(out).unwrap_or_default()
}

/// Keeps the answer, where it is to be kept.
pub(super) fn keep(job: &Job<'_>) {
    if !stores(&job.ask.own) {
        return;
    }
    let mut body = serde_json::to_value(finished(job, 1)).unwrap_or_default();
    let background = flag(&job.ask.own, "background").unwrap_or(false);
    if background && let Some(fields) = body.as_object_mut() {
        fields.insert("status".to_owned(), json!("queued"));
    }
    let calls = choice_of(job).into_iter().flat_map(|c| &c.calls);
    let Usage {
        input,
        cached,
        output,
        ..
    } = job.answer.usage;
    job.shelf.put(Kept {
        owner: job.owner.to_owned(),
        id: response_id(job),
        body,
        inputs: inputs(&job.ask.own),
        background,
        tokens: input + cached + output,
        open_calls: calls.map(|call| call_id(job, call)).collect(),
    });
}

pub(super) fn choice_of<'a>(job: &Job<'a>) -> Option<&'a Choice> {
    job.answer.choices.first()
}

/// All items of the answer.
fn items(job: &Job<'_>) -> Vec<Value> {
    let mut out = Vec::new();
    if job.answer.thinking.is_some() {
        out.push(reasoning(job, true));
    }
    let Some(choice) = choice_of(job) else {
        return out;
    };
    if speaks(choice) {
        out.push(message(job, choice, true));
    }
    let last = choice.calls.len().saturating_sub(1);
    out.extend(choice.calls.iter().enumerate().map(|(i, call)| {
        let cut = choice.finish == Finish::Length && i == last;
        let status = if cut { "incomplete" } else { "completed" };
        function_call(job, call, status)
    }));
    out
}

/// Whether a choice has a message beside its calls.
pub(super) fn speaks(choice: &Choice) -> bool {
    !choice.text.is_empty() || choice.refusal.is_some() || choice.calls.is_empty()
}

/// The reasoning item, whole or as it begins.
pub(super) fn reasoning(job: &Job<'_>, whole: bool) -> Value {
    let thoughts = job.answer.thinking.as_deref().unwrap_or_default();
    let shown = whole && job.ask.thinking == Thinking::Shown;
    let summary = if shown {
        json!([{ "type": "summary_text", "text": thoughts }])
    } else {
        json!([])
    };
    let mut out = json!({ "id": reasoning_id(job), "type": "reasoning", "summary": summary });
    if included(&job.ask.own, "reasoning.encrypted_content")
        && let Some(fields) = out.as_object_mut()
    {
        // What a stream begins with is not yet the final seal.
        let seal = seal(job.owner, if whole { thoughts } else { "" });
        fields.insert("encrypted_content".to_owned(), json!(seal));
    }
    out
}

/// The message, whole or as it begins.
pub(super) fn message(job: &Job<'_>, choice: &Choice, whole: bool) -> Value {
    let status = match (whole, &choice.finish) {
        (false, _) => "in_progress",
        (true, Finish::Length) => "incomplete",
        (true, Finish::Natural | Finish::Stop(_) | Finish::Tools | Finish::Refusal) => "completed",
    };
    let content = if whole {
        json!([part(job, choice, true)])
    } else {
        json!([])
    };
    json!({ "id": message_id(job), "type": "message", "status": status, "content": content, "role": "assistant" })
}

/// The one content part of a message, whole or as it begins.
pub(super) fn part(job: &Job<'_>, choice: &Choice, whole: bool) -> Value {
    if let Some(refusal) = &choice.refusal {
        let words = if whole { refusal.as_str() } else { "" };
        return json!({ "type": "refusal", "refusal": words });
    }
    let words = if whole { choice.text.as_str() } else { "" };
    json!({ "type": "output_text", "annotations": [], "logprobs": logprobs(job, words), "text": words })
}

pub(super) fn function_call(job: &Job<'_>, call: &Call, status: &str) -> Value {
    let arguments = if status == "in_progress" {
        ""
    } else {
        &call.arguments
    };
    json!({
        "id": function_id(job, call), "type": "function_call", "status": status,
        "arguments": arguments, "call_id": call_id(job, call), "name": call.name,
    })
}

/// Log probabilities of a text, where they are wanted.
pub(super) fn logprobs(job: &Job<'_>, words: &str) -> Value {
    let Some(top) = job.ask.logprobs else {
        return json!([]);
    };
    let entry =
        |token: &str| json!({ "token": token, "bytes": token.as_bytes(), "logprob": -0.25 });
    let each = pieces(job.ask, words).map(|token| {
        let mut own = entry(token);
        let others: Vec<Value> = (0..top.min(20)).map(|_| entry(token)).collect();
        if let Some(fields) = own.as_object_mut() {
            fields.insert("top_logprobs".to_owned(), json!(others));
        }
        own
    });
    Value::Array(each.collect())
}

pub(super) fn response_id(job: &Job<'_>) -> String {
    job.rng().id("resp_", 48)
}

pub(super) fn reasoning_id(job: &Job<'_>) -> String {
    Rng::new(job.ids ^ 1).id("rs_", 48)
}

pub(super) fn message_id(job: &Job<'_>) -> String {
    Rng::new(job.ids ^ 2).id("msg_", 48)
}

pub(super) fn function_id(job: &Job<'_>, call: &Call) -> String {
    Rng::new(call.id ^ job.ids ^ 3).id("fc_", 48)
}

pub(super) fn call_id(job: &Job<'_>, call: &Call) -> String {
    Rng::new(call.id ^ job.ids).id("call_", 24)
}

pub(super) fn usage(job: &Job<'_>, share: u64) -> Value {
    let Usage {
        input,
        cached,
        output,
        reasoning,
    } = job.answer.usage;
    let (input, output) = (job.told(input + cached), job.told(output / share.max(1)));
    json!({
        "input_tokens": input,
        "input_tokens_details": { "cache_write_tokens": 0, "cached_tokens": cached },
        "output_tokens": output,
        "output_tokens_details": { "reasoning_tokens": reasoning },
        "total_tokens": input.saturating_add(output),
    })
}

/// A response object.
#[derive(Serialize)]
pub(super) struct ResponseOut<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    completed_at: Option<u64>,
    error: Option<Value>,
    frequency_penalty: f64,
    incomplete_details: Option<Value>,
    instructions: Option<&'a Value>,
    max_output_tokens: Option<&'a Value>,
    max_tool_calls: Option<&'a Value>,
    model: &'a str,
    output: Vec<Value>,
    parallel_tool_calls: bool,
    presence_penalty: f64,
    previous_response_id: Option<&'a Value>,
    prompt_cache_key: Option<&'a Value>,
    prompt_cache_retention: Option<&'a Value>,
    reasoning: Value,
    safety_identifier: Option<&'a Value>,
    service_tier: &'static str,
    store: bool,
    temperature: Value,
    text: Value,
    tool_choice: Value,
    tools: Vec<Value>,
    top_logprobs: u64,
    top_p: Value,
    truncation: Value,
    pub(super) usage: Option<Value>,
    user: Option<&'a Value>,
    metadata: Value,
}

impl<'a> ResponseOut<'a> {
    pub(super) fn new(job: &'a Job<'_>, status: &'static str) -> ResponseOut<'a> {
        let own = &job.ask.own;
        let or = |name: &str, usual: Value| own.get(name).cloned().unwrap_or(usual);
        let reasoning = own.get("reasoning").unwrap_or(&Value::Null);
        ResponseOut {
            id: response_id(job),
            object: "response",
            created_at: job.created,
            status,
            background: flag(own, "background").unwrap_or(false),
            completed_at: None,
            error: None,
            frequency_penalty: 0.0,
            incomplete_details: None,
            instructions: own.get("instructions"),
            max_output_tokens: own.get("max_output_tokens"),
            max_tool_calls: own.get("max_tool_calls"),
            model: &job.ask.model,
            output: Vec::new(),
            parallel_tool_calls: !job.ask.one_call_only,
            presence_penalty: 0.0,
            previous_response_id: own.get("previous_response_id"),
            prompt_cache_key: own.get("prompt_cache_key"),
            prompt_cache_retention: own.get("prompt_cache_retention"),
            reasoning: json!({ "effort": reasoning.get("effort"), "summary": reasoning.get("summary") }),
            safety_identifier: own.get("safety_identifier"),
            service_tier: "default",
            store: stores(own),
            temperature: or("temperature", json!(1.0)),
            text: or(
                "text",
                json!({ "format": { "type": "text" }, "verbosity": "medium" }),
            ),
            tool_choice: or("tool_choice", json!("auto")),
            tools: array(own, "tools").iter().map(tool).collect(),
            top_logprobs: job.ask.logprobs.unwrap_or(0),
            top_p: or("top_p", json!(1.0)),
            truncation: or("truncation", json!("disabled")),
            usage: None,
            user: own.get("user"),
            metadata: or("metadata", json!({})),
        }
    }
}

/// A tool as the provider repeats it, with what the caller left out.
fn tool(given: &Value) -> Value {
    let mut out = given.clone();
    if text(given, "type") == Some("function")
        && let Some(fields) = out.as_object_mut()
    {
        fields.entry("description").or_insert(Value::Null);
        fields.entry("parameters").or_insert(json!({}));
        fields.entry("strict").or_insert(json!(true));
    }
    out
}

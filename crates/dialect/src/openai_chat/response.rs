//! Whole answers, and the list of models.
//!
//! An answer in which a choice lacks its `finish_reason` is broken; it must
//! never pass as whole. What a message holds, its reasoning and usage have a
//! page each below.

pub(super) mod message;
pub(super) mod reasoning;
pub(super) mod usage;

use self::message::{answer, in_content, words, write_joined, write_list, write_said};
use self::usage::{usage, write_usage};
use super::failure;
use super::wire::{ASIDES, OWN, required, spelled, text, told_tier};
use crate::chat::{Candidate, Extra, Finish, FinishReason, Part, PartKind, Response};
use crate::codec::{Broken, ModelEntry, Weighed};
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// Writes a whole answer for a client of this dialect.
pub(super) fn encode(response: &Response, losses: &mut Losses) -> Vec<u8> {
    let ours = response.origin == OWN;
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        out.key("id").string(&response.id);
        out.key("object").string("chat.completion");
        out.key("created")
            .number(response.created.unwrap_or_default());
        out.key("model").string(&response.model);
        out.key("choices").array(|out| {
            for candidate in &response.candidates {
                write_choice(out, candidate, ours, losses);
            }
        });
        if let Some(usage) = &response.usage {
            out.key("usage");
            match &usage.raw {
                Some(raw) if ours => {
                    out.json(raw);
                }
                Some(_) | None => write_usage(out, usage),
            }
        }
        if let Some(tier) = told_tier(response.service_tier.as_deref(), ours) {
            out.key("service_tier").string(tier);
        }
        if ours {
            response.extra.write(out);
        } else {
            report_extra(&response.extra, "", losses);
        }
    });
    out.into_bytes()
}

/// Reports the fields of another dialect that stay behind.
pub(super) fn report_extra(extra: &Extra, under: &str, losses: &mut Losses) {
    for (name, _) in extra.said() {
        losses.tuning(
            format!("{under}{name}"),
            LossKind::Dropped,
            "chat completions have no such field",
        );
    }
}

fn write_choice(out: &mut Writer, candidate: &Candidate, ours: bool, losses: &mut Losses) {
    let index = candidate.index;
    out.object(|out| {
        out.key("index").number(index);
        out.key("message").object(|out| {
            let extra = &candidate.message_extra;
            if extra.get("role").is_none() && !extra.noted(spelled::NO_ROLE) {
                out.key("role").string("assistant");
            }
            let parts: Vec<&Part> = candidate.parts.iter().collect();
            write_answer_content(out, candidate);
            write_said(out, &parts, &candidate.message_extra, ours);
            if ours {
                candidate.message_extra.write(out);
            } else {
                report_parts(candidate, losses);
            }
        });
        let extra = &candidate.extra;
        let unsaid = extra.get("logprobs").is_some() || extra.noted(spelled::NO_LOGPROBS);
        if candidate.logprobs.is_some() || !unsaid {
            out.key("logprobs");
            match &candidate.logprobs {
                Some(logprobs) if ours => out.json(logprobs),
                Some(_) | None => out.null(),
            };
        }
        out.key("finish_reason");
        match &candidate.finish {
            Some(finish) if ours => out.string(&finish.raw),
            Some(finish) => {
                report_finish(finish, index, losses);
                out.string(finish_word(finish))
            }
            None => out.null(),
        };
        if ours {
            candidate.extra.write(out);
        } else {
            let under = format!("choices[{index}].");
            report_extra(&candidate.extra, &under, losses);
            report_extra(&candidate.message_extra, &under, losses);
        }
    });
}

/// What `finish_reason` cannot tell of another dialect's end.
pub(super) fn report_finish(finish: &Finish, index: u64, losses: &mut Losses) {
    if finish.stop_sequence.is_some() {
        losses.tuning(
            format!("choices[{index}].stop_sequence"),
            LossKind::Dropped,
            "chat completions do not tell which stop text was met",
        );
    }
    if finish.reason == FinishReason::Pause {
        losses.tuning(
            format!("choices[{index}].stop_reason"),
            LossKind::Approximated,
            "chat completions know no paused turn",
        );
    }
}

/// What of another dialect's answer has no slot here.
fn report_parts(candidate: &Candidate, losses: &mut Losses) {
    let at = |place: usize| format!("choices[{}].message.content[{place}]", candidate.index);
    for (place, part) in candidate.parts.iter().enumerate() {
        match &part.kind {
            PartKind::Text(_)
            | PartKind::Refusal(_)
            | PartKind::ToolCall(_)
            | PartKind::Reasoning(_) => {}
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => losses.tuning(
                at(place),
                LossKind::Dropped,
                "an answer of chat completions has no place for it",
            ),
        }
        if !part.citations.is_empty() {
            let kept = part.citations.iter().all(|c| c.url.is_some());
            losses.tuning(
                format!("{}.citations", at(place)),
                if kept {
                    LossKind::Approximated
                } else {
                    LossKind::Dropped
                },
                "chat completions cite addresses and titles only",
            );
        }
        report_extra(&part.extra, &format!("{}.", at(place)), losses);
    }
    if candidate.logprobs.is_some() {
        losses.tuning(
            format!("choices[{}].logprobs", candidate.index),
            LossKind::Dropped,
            "another dialect's probabilities",
        );
    }
}

/// An answer's content is one string, whatever the parts that it came in.
fn write_answer_content(out: &mut Writer, candidate: &Candidate) {
    let extra = &candidate.message_extra;
    if extra.noted(spelled::LIST) {
        out.key("content");
        write_list(out, candidate.parts.iter(), true);
        return;
    }
    match candidate.parts.iter().find_map(words) {
        Some(_) => {
            out.key("content");
            write_joined(out, &candidate.parts);
        }
        None if extra.noted(spelled::EMPTY) => {
            out.key("content").string("");
        }
        None if extra.noted(spelled::ABSENT) || extra.get("content").is_some() => {}
        None => {
            out.key("content").null();
        }
    }
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Broken> {
    let mut response = Response::new(OWN);
    response.extra.note(spelled::OURS);
    response.extra.set_asides(&ASIDES);
    let mut error = None;
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        let extra = &mut response.extra;
        match (key, member.peek()?) {
            ("id", Kind::String) => response.id = text(member)?,
            ("model", Kind::String) => response.model = text(member)?,
            ("created", Kind::Number) if member.clone().u64().is_ok() => {
                response.created = Some(member.u64()?);
            }
            ("object", Kind::String) => {
                member.skip()?;
            }
            ("service_tier", Kind::String) => response.service_tier = Some(text(member)?),
            ("usage", Kind::Object) => response.usage = Some(usage(member)?),
            ("choices", _) => member.array(|_, element| {
                response.candidates.push(choice(element)?);
                Ok(())
            })?,
            ("error", Kind::Object | Kind::String) => error = Some(member.raw()?.to_owned()),
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    if let Some(error) = error {
        return Err(reported(&error));
    }
    if response.candidates.is_empty() {
        return Err(Broken::new("the answer has no choices"));
    }
    if let Some(open) = response.candidates.iter().find(|c| c.finish.is_none()) {
        let index = open.index;
        return Err(Broken::new(format!("choice {index} has no finish_reason")));
    }
    Ok(response)
}

/// Checks that an answer is complete and reads its usage and who served; passes over the rest.
pub(super) fn weigh(body: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut weighed = Weighed::default();
    let (mut error, mut open) = (None, Some("the answer has no choices"));
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("model", Kind::String) => weighed.model = member.string()?,
            ("service_tier", Kind::String) => weighed.service_tier = Some(member.string()?),
            ("usage", Kind::Object) => weighed.usage = Some(usage(member)?),
            ("choices", _) => member.array(|at, element| {
                let finished = is_finished(element)?;
                if !finished {
                    open = Some("a choice has no finish_reason");
                } else if at == 0 {
                    open = None;
                }
                Ok(())
            })?,
            ("error", Kind::Object | Kind::String) => error = Some(member.raw()?.to_owned()),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    match (error, open) {
        (Some(error), _) => Err(reported(&error)),
        (None, Some(why)) => Err(Broken::new(why)),
        (None, None) => Ok(weighed),
    }
}

fn is_finished(choice: &mut Reader<'_>) -> Result<bool, Invalid> {
    let (mut finished, mut said) = (false, None);
    choice.object(|key, member| {
        match (key, member.peek()?) {
            ("message", Kind::Object) => said = Some(member.skip()?),
            ("finish_reason", Kind::String) => {
                unbroken(&member.string()?)?;
                finished = true;
            }
            ("error", Kind::Object | Kind::String) => return Err(reported(member.raw()?).into()),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    required(said, "message")?;
    Ok(finished)
}

/// What the provider says of a failure in place of an answer, or of one choice of it.
pub(super) fn reported(error: &str) -> Broken {
    let said = failure::object(error).message;
    Broken::new(format!("the provider reported an error: {said}"))
}

fn choice(reader: &mut Reader<'_>) -> Result<Candidate, Invalid> {
    let mut candidate = Candidate::new(0);
    candidate.extra.note(spelled::NO_LOGPROBS);
    candidate.extra.set_asides(&ASIDES);
    let mut said = None;
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("index", Kind::Number) => candidate.index = member.u64()?,
            ("message", _) => {
                said = Some(());
                let mut message = answer(member)?;
                if let Some(name) = message.name.take() {
                    message.extra.push("name", Json::string(&name));
                }
                if message.bare && !message.parts.iter().any(in_content) {
                    message.extra.note(spelled::EMPTY);
                } else if !message.bare && message.parts.iter().any(in_content) {
                    message.extra.note(spelled::LIST);
                }
                candidate.parts = message.parts;
                candidate.message_extra = message.extra;
            }
            ("finish_reason", Kind::String) => candidate.finish = Some(finish(text(member)?)?),
            ("error", Kind::Object | Kind::String) => return Err(reported(member.raw()?).into()),
            ("logprobs", Kind::Object) => candidate.logprobs = Some(member.json()?),
            _ => candidate.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    required(said, "message")?;
    Ok(candidate)
}

/// Writes the list of models.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    let mut out = Writer::with_capacity(64 + models.len() * 96);
    out.object(|out| {
        out.key("object").string("list");
        out.key("data").array(|out| {
            models.iter().for_each(|model| write_model(out, model));
        });
    });
    out.into_bytes()
}

/// Writes one model of that list.
pub(super) fn encode_model(model: &ModelEntry<'_>) -> Vec<u8> {
    let mut out = Writer::default();
    write_model(&mut out, model);
    out.into_bytes()
}

fn write_model(out: &mut Writer, model: &ModelEntry<'_>) {
    out.object(|out| {
        out.key("id").string(model.id);
        out.key("object").string("model");
        out.key("created").number(0);
        out.key("owned_by").string(model.owner);
        if let Some(description) = model.description {
            out.key("description").string(description);
        }
    });
}

/// Words of providers for an answer that broke off on their side.
const BROKEN: [&str; 4] = [
    "error",
    "abort",
    "network_error",
    "insufficient_system_resource",
];

/// Reads a `finish_reason`, which may be an empty string in a whole answer (Snowflake's are).
///
/// # Errors
/// [`Broken`] where it says that the answer broke off.
pub(super) fn finish(raw: String) -> Result<Finish, Broken> {
    unbroken(&raw)?;
    Ok(Finish {
        reason: reason(&raw),
        raw,
        stop_sequence: None,
        service_tier: None,
    })
}

fn unbroken(raw: &str) -> Result<(), Broken> {
    if BROKEN.contains(&raw) {
        return Err(Broken::new(format!("the provider ended it with `{raw}`")));
    }
    Ok(())
}

fn reason(raw: &str) -> FinishReason {
    match raw {
        "stop" | "eos" => FinishReason::Stop,
        "length" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

/// The `finish_reason` for an answer of any dialect; one of our own words stays.
pub(super) fn finish_word(finish: &Finish) -> &str {
    if reason(&finish.raw) == finish.reason {
        return &finish.raw;
    }
    match finish.reason {
        FinishReason::Stop | FinishReason::StopSequence | FinishReason::Pause => "stop",
        FinishReason::Length | FinishReason::ContextWindow => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
        FinishReason::Other => &finish.raw,
    }
}

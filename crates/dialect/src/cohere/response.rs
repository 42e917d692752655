//! Whole answers, and the list of models.
//!
//! An answer without a `finish_reason`, or with one that says that it broke off, is
//! no whole answer. What an answer cannot say in this dialect is reported, never left
//! out in silence.

pub(super) mod usage;

use self::usage::{finish, finish_word, report_finish, unbroken, usage, write_usage};
use super::failure;
use super::wire::block::{in_content, write_block};
use super::wire::citation::is_citable;
use super::wire::message::{answer, write_beside, write_content};
use super::wire::{OWN, lose_extra, planned, required, spelled, text};
use crate::chat::{Candidate, Part, PartKind, Response, ToolCallKind};
use crate::codec::{Broken, ModelEntry, Weighed};
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Broken> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut response = Response::new(OWN);
    response.extra.note(spelled::ANSWER);
    let mut candidate = Candidate::new(0);
    let (mut said, mut reason) = (None, None);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("id", Kind::String) => response.id = text(member)?,
            ("message", Kind::Object) => said = Some(answer(member)?),
            ("finish_reason", _) => reason = Some(text(member)?),
            ("usage", Kind::Object) => response.usage = Some(usage(member)?),
            ("logprobs", Kind::Array) => candidate.logprobs = Some(member.json()?),
            _ => response.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    let Some(reason) = reason else {
        return Err(no_reason(body));
    };
    let message = required(said, "message")?;
    candidate.parts = message.parts;
    candidate.message_extra = message.extra;
    candidate.finish = Some(finish(reason)?);
    response.candidates.push(candidate);
    Ok(response)
}

/// Checks that an answer is complete and reads its usage; passes over the rest.
pub(super) fn weigh(body: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut weighed = Weighed::default();
    let (mut said, mut reason) = (false, None);
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("message", Kind::Object) => {
                said = true;
                check_message(member)?;
            }
            ("finish_reason", _) => reason = Some(member.string()?),
            ("usage", Kind::Object) => weighed.usage = Some(usage(member)?),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    let Some(reason) = reason else {
        return Err(no_reason(body));
    };
    unbroken(&reason)?;
    required(said.then_some(()), "message")?;
    Ok(weighed)
}

/// Checks the form of a message without building it.
fn check_message(reader: &mut Reader<'_>) -> Result<(), Invalid> {
    reader.object(|key, member| match (key, member.peek()?) {
        ("content", Kind::String | Kind::Null) | ("tool_calls" | "citations", Kind::Null) => {
            member.skip().map(drop)
        }
        ("content" | "tool_calls" | "citations", _) => member.array(|_, element| {
            if element.peek()? != Kind::Object {
                return element.object(|_, _| Ok(()));
            }
            element.skip().map(drop)
        }),
        _ => member.skip().map(drop),
    })
}

/// Why what stands in the place of an answer is none.
fn no_reason(body: &[u8]) -> Broken {
    let error = failure::decode(body);
    match error.raw {
        Some(_) => Broken::new(format!("an error in place of an answer: {}", error.message)),
        None => Broken::new("the answer has no finish_reason"),
    }
}

/// Writes a whole answer.
pub(super) fn encode(response: &Response, losses: &mut Losses) -> Vec<u8> {
    let ours = response.origin == OWN;
    let empty = Candidate::new(0);
    let first = response.candidates.first().unwrap_or(&empty);
    let mut out = Writer::with_capacity(512);
    out.object(|out| {
        out.key("id").string(&response.id);
        out.key("message").object(|out| {
            if !(ours && first.message_extra.noted(spelled::NO_ROLE)) {
                out.key("role").string("assistant");
            }
            if ours {
                write_content(out, &first.parts, false);
                write_beside(out, first.parts.iter(), true);
                first.message_extra.write(out);
            } else {
                write_foreign(out, &first.parts, losses);
            }
        });
        if let Some(end) = &first.finish {
            out.key("finish_reason").string(finish_word(end, ours));
        }
        if let Some(usage) = &response.usage {
            out.key("usage");
            write_usage(out, usage, ours);
        }
        if let Some(logprobs) = first.logprobs.as_ref().filter(|_| ours) {
            out.key("logprobs").json(logprobs);
        }
        if ours {
            response.extra.write(out);
        }
    });
    if !ours {
        report(response, first, losses);
    }
    out.into_bytes()
}

/// Writes what another dialect's answer says, and reports what has no place here.
fn write_foreign(out: &mut Writer, parts: &[Part], losses: &mut Losses) {
    let mut said = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let path = format!("content[{at}]");
        lose_extra(losses, &path, &part.extra);
        report_citations(part, &path, losses);
        match &part.kind {
            PartKind::Refusal(_) => {
                let why = "a refusal goes on as text";
                losses.tuning(path, LossKind::Approximated, why);
            }
            PartKind::ToolCall(call) if call.kind == ToolCallKind::Custom => {
                let why = "free text goes on as the member `input`";
                losses.functional(format!("{path}.input"), LossKind::Approximated, why);
            }
            PartKind::Reasoning(reasoning) if planned(part).is_none() => {
                let why = "only its maker can use it";
                match (&reasoning.opaque, reasoning.text.is_empty()) {
                    (Some(_), false) => {
                        losses.tuning(format!("{path}.signature"), LossKind::Dropped, why);
                    }
                    (Some(_), true) => {
                        losses.tuning(path, LossKind::Dropped, why);
                        continue;
                    }
                    (None, true) => continue,
                    (None, false) => {}
                }
            }
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::ToolResult(_) => {
                losses.functional(path, LossKind::Dropped, "an answer has no place for it");
                continue;
            }
            PartKind::Opaque(opaque) if opaque.origin != OWN => {
                let why = "only the dialect it came from knows it";
                losses.functional(path, LossKind::Dropped, why);
                continue;
            }
            PartKind::Text(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::Opaque(_) => {}
        }
        said.push(part);
    }
    if said.iter().any(|part| in_content(part)) {
        out.key("content").array(|out| {
            for part in said.iter().filter(|part| in_content(part)) {
                // What has no form was left out above.
                let _ = write_block(out, part, false);
            }
        });
    }
    write_beside(out, said.iter().copied(), false);
}

fn report_citations(part: &Part, path: &str, losses: &mut Losses) {
    if part
        .citations
        .iter()
        .all(|citation| citation.raw.origin == OWN)
    {
        return;
    }
    let kind = match part.citations.iter().all(is_citable) {
        true => LossKind::Approximated,
        false => LossKind::Dropped,
    };
    let why = "Cohere's chat cites documents by address and title";
    losses.tuning(format!("{path}.citations"), kind, why);
}

/// What another dialect's answer says beside its parts.
fn report(response: &Response, first: &Candidate, losses: &mut Losses) {
    for other in response.candidates.iter().skip(1) {
        let path = format!("choices[{}]", other.index);
        losses.functional(path, LossKind::Dropped, "Cohere's chat gives one answer");
    }
    if first.logprobs.is_some() {
        let why = "another dialect's probabilities";
        losses.tuning("logprobs", LossKind::Dropped, why);
    }
    if let Some(end) = &first.finish {
        report_finish(end, losses);
    }
    if response.service_tier.is_some() {
        let why = "Cohere's chat tells of no tier";
        losses.tuning("service_tier", LossKind::Dropped, why);
    }
    for extra in [&response.extra, &first.message_extra, &first.extra] {
        lose_extra(losses, "", extra);
    }
}

/// Writes the list of models: <https://docs.cohere.com/reference/list-models>.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    let mut out = Writer::with_capacity(64 + models.len() * 96);
    out.object(|out| {
        out.key("models").array(|out| {
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
        out.key("name").string(model.id);
        out.key("endpoints").array(|out| {
            out.string("chat");
        });
        out.key("finetuned").bool(false);
        out.key("default_endpoints").array(|_| ());
    });
}

//! Whole answers and the list of models.
//!
//! An answer without a `stop_reason` is no whole answer. What an answer cannot
//! say in this dialect is reported, never left out in silence.

pub(crate) mod usage;

use std::borrow::Cow;

use usage::{Turned, finish, finish_word, read_usage, write_usage};

use super::wire::read::content;
use super::wire::write::{Blocks, lose_extra};
use super::wire::{OWN, required, spelled, text};
use crate::chat::{Candidate, PartKind, Response};
use crate::codec::{Broken, ModelEntry, Weighed};
use crate::json::{Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// Members of an answer that a stream tells at its end.
pub(super) const AT_THE_END: [&str; 3] = ["stop_details", "container", "context_management"];

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Broken> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut answer = Response::new(OWN);
    answer.extra.note(spelled::ANSWER);
    let mut candidate = Candidate::new(0);
    let (mut kind, mut parts, mut reason, mut stop) = (String::new(), None, None, None);
    reader.object(|key, member| {
        match key {
            "type" => kind = text(member)?,
            "id" => answer.id = text(member)?,
            "model" => answer.model = text(member)?,
            "role" => drop(text(member)?),
            "content" => parts = Some(content(member)?.0),
            "stop_reason" if !member.null()? => {
                reason = Some(text(member)?).filter(|word| !word.is_empty());
            }
            "stop_sequence" if !member.null()? => stop = Some(text(member)?),
            "stop_reason" | "stop_sequence" => {}
            "usage" if !member.null()? => {
                let (usage, tier) = read_usage(member)?;
                answer.usage = Some(usage);
                answer.service_tier = tier;
            }
            "usage" => {}
            _ if AT_THE_END.contains(&key) => candidate.extra.push(key, member.json()?),
            _ => answer.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    if kind == "error" || answer.extra.get("error").is_some_and(|e| !e.is_null()) {
        return Err(in_place_of_an_answer(body));
    }
    if kind != "message" {
        return Err(Broken::new("the answer is no message"));
    }
    candidate.parts = required(parts, "content")?;
    let reason = reason.ok_or_else(|| Broken::new("the answer has no stop_reason"))?;
    candidate.finish = Some(finish(reason, stop));
    answer.candidates.push(candidate);
    Ok(answer)
}

/// Checks that an answer is complete and reads its usage and who served; passes over the rest.
pub(super) fn weigh(body: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut weighed = Weighed::default();
    let (mut ended, mut listed) = (false, false);
    let (mut is_message, mut is_error) = (false, false);
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => {
                let kind = member.string()?;
                (is_message, is_error) = (kind == "message", kind == "error");
            }
            ("stop_reason", Kind::String) => ended = !member.string()?.is_empty(),
            ("content", Kind::Array) => {
                listed = true;
                member.array(|_, block| {
                    if block.peek()? != Kind::Object {
                        return block.object(|_, _| Ok(()));
                    }
                    block.skip().map(drop)
                })?;
            }
            ("model", Kind::String) => weighed.model = member.string()?,
            ("usage", Kind::Object) => {
                let (usage, tier) = read_usage(member)?;
                weighed.usage = Some(usage);
                weighed.service_tier = tier.map(Cow::Owned);
            }
            ("error", kind) => {
                is_error |= kind != Kind::Null;
                member.skip()?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    match (is_error, is_message && listed, ended) {
        (true, ..) => Err(in_place_of_an_answer(body)),
        (false, false, _) => Err(Broken::new("the answer is no message")),
        (false, true, false) => Err(Broken::new("the answer has no stop_reason")),
        (false, true, true) => Ok(weighed),
    }
}

fn in_place_of_an_answer(body: &[u8]) -> Broken {
    let error = super::failure::decode(body);
    Broken::new(format!("an error in place of an answer: {}", error.message))
}

/// Writes a whole answer.
pub(super) fn encode(response: &Response, losses: &mut Losses) -> Vec<u8> {
    let ours = response.origin == OWN;
    let empty = Candidate::new(0);
    let first = response.candidates.first().unwrap_or(&empty);
    for other in response.candidates.iter().skip(1) {
        losses.functional(
            format!("choices[{}]", other.index),
            LossKind::Dropped,
            "a message is one answer",
        );
    }
    if first.logprobs.is_some() {
        losses.tuning("logprobs", LossKind::Dropped, "messages carry none");
    }
    let mut out = Writer::with_capacity(512);
    out.object(|out| {
        out.key("id").string(&response.id);
        out.key("type").string("message");
        out.key("role").string("assistant");
        out.key("model").string(&response.model);
        out.key("content").array(|out| {
            let mut blocks = Blocks {
                ours,
                answer: true,
                losses,
            };
            for (at, part) in first.parts.iter().enumerate() {
                blocks.write(out, part, &format!("content[{at}]"));
            }
        });
        let has = |wanted: fn(&PartKind) -> bool| first.parts.iter().any(|p| wanted(&p.kind));
        let turned = Turned {
            ours,
            tools: has(|kind| matches!(kind, PartKind::ToolCall(_))),
            refusal: has(|kind| matches!(kind, PartKind::Refusal(_))),
        };
        match &first.finish {
            Some(end) => {
                out.key("stop_reason").string(finish_word(end, &turned));
                out.key("stop_sequence");
                write_optional(out, end.stop_sequence.as_deref());
            }
            None => {
                out.key("stop_reason").null();
                out.key("stop_sequence").null();
            }
        }
        out.key("usage");
        write_usage(
            out,
            response.usage.as_ref(),
            ours,
            response.service_tier.as_deref(),
        );
        if ours {
            first.extra.write(out);
            let told: Vec<&str> = first.extra.iter().map(|(name, _)| name).collect();
            response.extra.write_but(out, &told);
        }
    });
    if !ours {
        for extra in [&response.extra, &first.message_extra, &first.extra] {
            lose_extra(losses, "", extra);
        }
    }
    out.into_bytes()
}

/// Writes the list of models; a date that is not known is the epoch, as the vendor's own.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    let mut out = Writer::with_capacity(64 + models.len() * 96);
    out.object(|out| {
        out.key("data").array(|out| {
            models.iter().for_each(|model| write_model(out, model));
        });
        out.key("has_more").bool(false);
        out.key("first_id");
        write_optional(out, models.first().map(|m| m.id));
        out.key("last_id");
        write_optional(out, models.last().map(|m| m.id));
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
        out.key("type").string("model");
        out.key("id").string(model.id);
        out.key("display_name").string(model.id);
        out.key("created_at").string("1970-01-01T00:00:00Z");
        out.key("lifecycle").string("active");
    });
}

/// Writes a string or `null`.
pub(super) fn write_optional(out: &mut Writer, value: Option<&str>) {
    match value {
        Some(value) => out.string(value),
        None => out.null(),
    };
}

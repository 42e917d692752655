//! Whole answers and the list of models.
//!
//! An answer without a `stopReason` is no whole answer. What an answer cannot
//! say in this dialect is reported, never left out in silence.

pub(crate) mod usage;

use std::borrow::Cow;

use usage::{Turned, finish, finish_word, read_usage, write_usage};

use super::wire::read::blocks;
use super::wire::write::{Blocks, lose_extra};
use super::wire::{OWN, required, spelled, text};
use crate::chat::{Candidate, Extra, Part, PartKind, Response, given};
use crate::codec::{Broken, ModelEntry, Weighed};
use crate::json::{Invalid, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// Members that tell of the provider's work and not of the answer.
pub(super) const ASIDES: &[&str] = &["metrics", "performanceConfig"];

/// Members that a stream tells at its end.
pub(super) const AT_THE_END: [&str; 5] = [
    "metrics",
    "trace",
    "additionalModelResponseFields",
    "performanceConfig",
    "serviceTier",
];

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Broken> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut answer = Response::new(OWN);
    answer.extra.note(spelled::ANSWER);
    let mut candidate = Candidate::new(0);
    candidate.extra.set_asides(ASIDES);
    let (mut parts, mut reason) = (None, None);
    reader.object(|key, member| {
        match key {
            "output" => parts = read_output(member, &mut candidate)?,
            "stopReason" if !member.null()? => {
                reason = Some(text(member)?).filter(|word| !word.is_empty());
            }
            "stopReason" => {}
            "usage" => answer.usage = given(member, &mut answer.extra, key, read_usage)?,
            "serviceTier" if member.peek()? == Kind::Object => {
                answer.service_tier = read_tier(member, &mut candidate.extra)?;
            }
            "trace" if member.peek()? == Kind::Object => {
                answer.model = routed(&mut member.clone())?
                    .unwrap_or_default()
                    .into_owned();
                candidate.extra.push(key, member.json()?);
            }
            _ if AT_THE_END.contains(&key) => candidate.extra.push(key, member.json()?),
            _ => answer.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    let Some(parts) = parts else {
        return Err(no_answer(body));
    };
    candidate.parts = parts;
    let reason = reason.ok_or_else(|| Broken::new("the answer has no stopReason"))?;
    candidate.finish = Some(finish(reason)?);
    answer.candidates.push(candidate);
    Ok(answer)
}

/// Reads `{"message": {"role", "content"}}`.
fn read_output(
    reader: &mut Reader<'_>,
    candidate: &mut Candidate,
) -> Result<Option<Vec<Part>>, Invalid> {
    let mut parts = None;
    let mut beside = Extra::default();
    reader.object(|key, member| {
        if key != "message" {
            beside.push(key, member.json()?);
            return Ok(());
        }
        let mut content = None;
        member.object(|key, member| {
            match key {
                "role" => drop(text(member)?),
                "content" => content = Some(blocks(member)?),
                _ => candidate.message_extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        parts = Some(required(content, "content")?);
        Ok(())
    })?;
    candidate.extra.keep_inner("output", &beside);
    Ok(parts)
}

/// Reads `{"type": "flex"}`; what else stands there is kept.
pub(super) fn read_tier(
    reader: &mut Reader<'_>,
    extra: &mut Extra,
) -> Result<Option<String>, Invalid> {
    let mut tier = None;
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("type", Kind::String) => tier = Some(text(member)?),
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    extra.keep_inner("serviceTier", &rest);
    Ok(tier)
}

/// The model that a router of prompts chose, where a trace tells it.
pub(super) fn routed<'a>(trace: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Invalid> {
    let mut model = None;
    trace.object(|key, member| {
        if key != "promptRouter" || member.peek()? != Kind::Object {
            return member.skip().map(drop);
        }
        member.object(|key, member| {
            if key == "invokedModelId" && member.peek()? == Kind::String {
                model = Some(member.string()?);
                return Ok(());
            }
            member.skip().map(drop)
        })
    })?;
    Ok(model)
}

/// Checks that an answer is complete and reads its usage and who served; passes over the rest.
pub(super) fn weigh(body: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut weighed = Weighed::default();
    let (mut reason, mut listed) = (None, false);
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("output", _) => member.object(|key, member| {
                if key != "message" {
                    return member.skip().map(drop);
                }
                member.object(|key, member| {
                    if key != "content" {
                        return member.skip().map(drop);
                    }
                    listed = true;
                    member.array(|_, block| {
                        if block.peek()? != Kind::Object {
                            return block.object(|_, _| Ok(()));
                        }
                        block.skip().map(drop)
                    })
                })
            })?,
            ("stopReason", Kind::String) => reason = Some(member.string()?),
            ("usage", Kind::Object) => weighed.usage = Some(read_usage(member)?),
            ("serviceTier", Kind::Object) => {
                let tier = read_tier(member, &mut Extra::default())?;
                weighed.service_tier = tier.map(Cow::Owned);
            }
            ("trace", Kind::Object) => weighed.model = routed(member)?.unwrap_or_default(),
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if !listed {
        return Err(no_answer(body));
    }
    let reason = reason.filter(|word| !word.is_empty());
    let reason = reason.ok_or_else(|| Broken::new("the answer has no stopReason"))?;
    finish(reason.into_owned())?;
    Ok(weighed)
}

fn no_answer(body: &[u8]) -> Broken {
    let error = super::failure::decode(body);
    if error.raw.is_none() {
        return Broken::new("the answer has no output");
    }
    Broken::new(format!("an error in place of an answer: {}", error.message))
}

/// Writes a whole answer.
pub(super) fn encode(response: &Response, losses: &mut Losses) -> Vec<u8> {
    let ours = response.origin == OWN;
    let empty = Candidate::new(0);
    let first = response.candidates.first().unwrap_or(&empty);
    for other in response.candidates.iter().skip(1) {
        let path = format!("choices[{}]", other.index);
        losses.functional(path, LossKind::Dropped, "Converse gives one answer");
    }
    if first.logprobs.is_some() {
        losses.tuning("logprobs", LossKind::Dropped, "Converse tells none");
    }
    let mut out = Writer::with_capacity(512);
    out.object(|out| {
        out.key("output").object(|out| {
            out.key("message").object(|out| {
                out.key("role").string("assistant");
                out.key("content").array(|out| {
                    let mut blocks = Blocks::new((ours, true), losses);
                    for (at, part) in first.parts.iter().enumerate() {
                        blocks.write(out, part, &format!("content[{at}]"));
                    }
                });
                if ours {
                    first.message_extra.write(out);
                }
            });
            if ours {
                first.extra.write_inner(out, "output");
            }
        });
        let has = |wanted: fn(&PartKind) -> bool| first.parts.iter().any(|p| wanted(&p.kind));
        let turned = Turned {
            ours,
            tools: has(|kind| matches!(kind, PartKind::ToolCall(_))),
            refusal: has(|kind| matches!(kind, PartKind::Refusal(_))),
        };
        if let Some(end) = &first.finish {
            out.key("stopReason").string(finish_word(end, &turned));
        }
        if response.usage.is_some() || !ours {
            out.key("usage");
            write_usage(out, response.usage.as_ref(), ours);
        }
        write_end(out, &first.extra, (ours, response.service_tier.as_deref()));
        if ours {
            response.extra.write(out);
        }
    });
    if !ours {
        for extra in [&response.extra, &first.message_extra, &first.extra] {
            lose_extra(losses, "", extra);
        }
        if first
            .finish
            .as_ref()
            .is_some_and(|end| end.stop_sequence.is_some())
        {
            let why = "Converse does not tell which text was met";
            losses.tuning("stop_sequence", LossKind::Dropped, why);
        }
    }
    out.into_bytes()
}

/// Writes what stands at the end of an answer, whole or streamed, beside its usage: what our own
/// said, else that it is not known how long the answer took, as the API wants the member.
pub(super) fn write_end(out: &mut Writer, extra: &Extra, (ours, tier): (bool, Option<&str>)) {
    if !ours {
        out.key("metrics").object(|out| {
            out.key("latencyMs").number(0);
        });
    }
    let known = match tier {
        Some("standard") => Some("default"),
        Some("default" | "priority" | "flex" | "reserved") => tier,
        Some(_) if ours => tier,
        Some(_) | None => None,
    };
    if known.is_some() || ours && extra.get("serviceTier").is_some() {
        out.key("serviceTier").object(|out| {
            if let Some(tier) = known {
                out.key("type").string(tier);
            }
            if ours {
                extra.write_inner(out, "serviceTier");
            }
        });
    }
    if ours {
        extra.write_but(out, &["output", "serviceTier"]);
    }
}

/// Writes the list of models, as Bedrock lists those of its foundations.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    let mut out = Writer::with_capacity(64 + models.len() * 160);
    out.object(|out| {
        out.key("inferenceProfileSummaries").array(|out| {
            models.iter().for_each(|model| write_model(out, model));
        });
    });
    out.into_bytes()
}

/// Writes one model of that list.
pub(super) fn encode_model(model: &ModelEntry<'_>) -> Vec<u8> {
    let mut out = Writer::with_capacity(256);
    write_model(&mut out, model);
    out.into_bytes()
}

fn write_model(out: &mut Writer, model: &ModelEntry<'_>) {
    out.object(|out| {
        out.key("inferenceProfileId").string(model.id);
        out.key("inferenceProfileName").string(model.id);
        out.key("inferenceProfileArn")
            .string(&format!("arn:aws:bedrock:::inference-profile/{}", model.id));
        if let Some(description) = model.description {
            out.key("description").string(description);
        }
        out.key("models").array(|_| ());
        out.key("status").string("ACTIVE");
        out.key("type").string("APPLICATION");
    });
}

//! Whole answers, and the list of models.
//!
//! An answer counts by its `status`: only `completed` and `incomplete` are ends.
//! One that failed, was cancelled or still runs is broken; it must never pass as
//! whole. The envelope, the same in streams, and usage have a page each below.

pub(super) mod envelope;
pub(super) mod usage;

use self::envelope::{Ending, Envelope, candidates_but_the_first, ending, report_finish};
use self::usage::usage;
use super::wire::item::{Item, item};
use super::wire::write::{Items, report_extra};
use super::wire::{ECHO, OWN, kind_of, own, spelled, text};
use crate::chat::{Candidate, Part, PartKind, Response};
use crate::codec::{Broken, ModelEntry, Weighed};
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Broken> {
    let mut response = Response::new(OWN);
    response.extra.note(spelled::OURS);
    response.extra.set_asides(&ECHO);
    let mut candidate = Candidate::new(0);
    let mut end = Ending::default();
    let mut listed = false;
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        let extra = &mut response.extra;
        match (key, member.peek()?) {
            ("id", Kind::String) => response.id = text(member)?,
            ("model", Kind::String) => response.model = text(member)?,
            ("created_at", Kind::Number) if member.clone().u64().is_ok() => {
                response.created = Some(member.u64()?);
            }
            ("status", Kind::String) => end.status = text(member)?,
            ("service_tier", Kind::String) => response.service_tier = Some(text(member)?),
            ("usage", Kind::Object) => response.usage = Some(usage(member)?),
            ("output", _) => {
                listed = true;
                member.array(|_, element| {
                    candidate.parts.extend(output(element)?);
                    Ok(())
                })?;
            }
            ("error", Kind::Object | Kind::String) => end.error = Some(member.json()?),
            ("incomplete_details", Kind::Object) => end.details(member)?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    if !listed {
        return Err(end.failed().unwrap_or_else(no_answer));
    }
    let calls = candidate.parts.iter().any(is_call);
    candidate.finish = Some(ending(&end, calls)?);
    end.keep(&mut response.extra);
    if response.usage.is_none() && response.extra.get("usage").is_none() {
        response.extra.note(spelled::NO_USAGE);
    }
    adopt_logprobs(&mut candidate);
    response.candidates.push(candidate);
    Ok(response)
}

fn no_answer() -> Broken {
    Broken::new("the answer is no response")
}

fn is_call(part: &Part) -> bool {
    matches!(part.kind, PartKind::ToolCall(_))
}

/// The parts that an item of an answer amounts to; one that only input has is kept whole.
pub(super) fn output(reader: &mut Reader<'_>) -> Result<Vec<Part>, Invalid> {
    let mut whole = reader.clone();
    let kind = kind_of(reader)?;
    match item(reader)? {
        Item::Said(parts) => Ok(parts),
        Item::Result(_) | Item::Message(_) => {
            Ok(vec![PartKind::Opaque(own(&kind, whole.json()?)).into()])
        }
    }
}

/// Makes the probabilities of the first text that has some those of the answer.
fn adopt_logprobs(candidate: &mut Candidate) {
    for part in &mut candidate.parts {
        if !matches!(part.kind, PartKind::Text(_)) {
            continue;
        }
        if let Some(list) = part.extra.take("logprobs") {
            part.extra.note(spelled::LOGPROBS);
            candidate.logprobs = Some(probabilities(list.text()));
            return;
        }
    }
}

/// The hub's form of a list of probabilities.
pub(super) fn probabilities(list: &str) -> Json {
    Json::written(|out| {
        out.object(|out| {
            out.key("content").raw(list);
        });
    })
}

/// The list in the hub's form of probabilities.
pub(super) fn probability_list(value: &Json) -> Option<Json> {
    let mut list = None;
    let read = value.reader().object(|key, member| {
        if key == "content" && member.peek()? == Kind::Array {
            list = Some(member.json()?);
            return Ok(());
        }
        member.skip().map(drop)
    });
    read.ok().and(list)
}

/// Checks that an answer is complete and reads its usage and who served; passes over the rest.
pub(super) fn weigh(body: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut weighed = Weighed::default();
    let mut end = Ending::default();
    let mut listed = false;
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("id", Kind::String) => weighed.id = member.string()?,
            ("model", Kind::String) => weighed.model = member.string()?,
            ("status", Kind::String) => end.status = text(member)?,
            ("service_tier", Kind::String) => weighed.service_tier = Some(member.string()?),
            ("usage", Kind::Object) => weighed.usage = Some(usage(member)?),
            ("output", _) => {
                listed = true;
                member.array(|_, element| is_item(element))?;
            }
            ("error", Kind::Object | Kind::String) => end.error = Some(member.json()?),
            ("incomplete_details", Kind::Object) => end.details(member)?,
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if !listed {
        return Err(end.failed().unwrap_or_else(no_answer));
    }
    ending(&end, false)?;
    Ok(weighed)
}

fn is_item(reader: &mut Reader<'_>) -> Result<(), Invalid> {
    if reader.peek()? != Kind::Object {
        return reader.object(|_, _| Ok(()));
    }
    reader.skip().map(drop)
}

/// Writes a whole answer for a client of this dialect.
pub(super) fn encode(response: &Response, losses: &mut Losses) -> Vec<u8> {
    let ours = response.origin == OWN;
    let empty = Candidate::new(0);
    let first = response.candidates.first().unwrap_or(&empty);
    candidates_but_the_first(response.candidates.iter().skip(1), losses);
    let logprobs = first.logprobs.as_ref().and_then(probability_list);
    if first.logprobs.is_some() && logprobs.is_none() {
        let why = "another dialect's probabilities";
        losses.tuning("logprobs", LossKind::Dropped, why);
    }
    if !ours {
        for extra in [&response.extra, &first.message_extra, &first.extra] {
            report_extra(extra, "", losses);
        }
    }
    let mut items = Items {
        ours,
        answer: Some(&response.id),
        written: 0,
        logprobs,
        losses,
    };
    let output = Json::written(|out| {
        out.array(|out| {
            items.said(out, &first.parts, &|place| format!("content[{place}]"));
        });
    });
    if let Some(finish) = &first.finish
        && !ours
    {
        let calls = first.parts.iter().any(is_call);
        report_finish(finish, calls, losses);
    }
    let envelope = Envelope {
        id: &response.id,
        model: &response.model,
        created: response.created,
        tier: response.service_tier.as_deref(),
        extra: &response.extra,
        ours,
    };
    let mut out = Writer::with_capacity(output.text().len() + 1024);
    let usage = response.usage.as_ref();
    let last = (first.finish.as_ref(), &first.extra);
    envelope.write_end(&mut out, output.text(), usage, last);
    out.into_bytes()
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

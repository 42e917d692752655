//! Whole answers, and the list of models.
//!
//! An answer in which a candidate lacks its `finishReason` is broken. One to a refused
//! prompt has no candidates and is complete. What an answer cannot say in this dialect
//! is reported, never left out in silence.

pub(super) mod candidate;
pub(super) mod finish;
pub(super) mod usage;

use candidate::{read_candidate, write_candidate};
use finish::{ended, is_reason};
use usage::{read_usage, write_usage};

use super::wire::write::lose_extra;
use super::wire::{OWN, spelled, text, with_asides};
use crate::chat::{Candidate, Extra, Response};
use crate::codec::{Broken, ModelEntry, Weighed};
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::Losses;

const NO_CANDIDATES: &str = "the answer has no candidates";
const NOT_FINISHED: &str = "a candidate has no finishReason";

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Broken> {
    let mut reader = Reader::new(body)?.with_unique_keys();
    let mut answer = Response::new(OWN);
    answer.extra = with_asides();
    answer.extra.note(spelled::ANSWER);
    let (mut candidates, mut error) = (None, false);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("candidates", Kind::Array) => {
                // Calls without ids take theirs from the answer's, which may come behind.
                candidates = Some(member.clone());
                member.skip()?;
            }
            ("usageMetadata", Kind::Object) => {
                let (usage, tier) = read_usage(member)?;
                answer.usage = Some(usage);
                answer.service_tier = tier;
            }
            ("modelVersion", Kind::String) => answer.model = text(member)?,
            ("responseId", Kind::String) => answer.id = text(member)?,
            ("error", kind) if kind != Kind::Null => {
                error = true;
                member.skip()?;
            }
            _ => answer.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    reader.end()?;
    if error {
        return Err(in_place_of_an_answer(body));
    }
    let blocked = answer.extra.get("promptFeedback").and_then(block_reason);
    if let Some(mut candidates) = candidates.clone() {
        candidates.array(|at, element| {
            let candidate = read_candidate(element, at, &answer.id)?;
            answer.candidates.push(candidate);
            Ok(())
        })?;
    }
    if answer.candidates.is_empty() {
        let reason = blocked.ok_or_else(|| Broken::new(NO_CANDIDATES))?;
        answer.extra.note(spelled::BLOCKED);
        if let Some(mut none) = candidates {
            answer.extra.push("candidates", none.json()?);
        }
        answer.candidates.push(refused(reason));
        return Ok(answer);
    }
    if answer.candidates.iter().any(|c| c.finish.is_none()) {
        return Err(Broken::new(NOT_FINISHED));
    }
    Ok(answer)
}

/// Whether an envelope tells that the prompt was refused, so that no candidate stands beside it.
pub(super) fn is_refused(envelope: &Extra) -> bool {
    envelope.noted(spelled::BLOCKED) && envelope.get("promptFeedback").is_some()
}

/// The answer to a prompt that was refused.
fn refused(reason: String) -> Candidate {
    let mut candidate = Candidate::new(0);
    candidate.finish = Some(finish::blocked(reason));
    candidate
}

/// Why the prompt was refused, where it was.
pub(super) fn block_reason(feedback: &Json) -> Option<String> {
    let mut reason = None;
    // The value is valid, so the read stops early only where it is no object.
    let _ = feedback.reader().object(|key, member| {
        if key == "blockReason" && member.peek()? == Kind::String {
            reason = Some(text(member)?).filter(|reason| is_reason(reason));
            return Ok(());
        }
        member.skip().map(drop)
    });
    reason
}

/// Checks that an answer is complete and reads its usage and who served; passes over the rest.
pub(super) fn weigh(body: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut weighed = Weighed::default();
    let (mut error, mut blocked, mut open) = (false, false, None);
    let mut reader = Reader::new(body)?.with_unique_keys();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("candidates", Kind::Array) => open = Some(is_open(member)?),
            ("usageMetadata", Kind::Object) => {
                let (usage, tier) = read_usage(member)?;
                weighed.usage = Some(usage);
                weighed.service_tier = tier.map(Into::into);
            }
            ("modelVersion", Kind::String) => weighed.model = member.string()?,
            ("promptFeedback", _) => blocked = block_reason(&member.json()?).is_some(),
            ("error", kind) if kind != Kind::Null => {
                error = true;
                member.skip()?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    match (error, open, blocked) {
        (true, ..) => Err(in_place_of_an_answer(body)),
        (false, Some(None), _) | (false, None | Some(Some(NO_CANDIDATES)), true) => Ok(weighed),
        (false, Some(Some(why)), _) => Err(Broken::new(why)),
        (false, None, false) => Err(Broken::new(NO_CANDIDATES)),
    }
}

/// Why candidates are no whole answer, if they are none.
fn is_open(reader: &mut Reader<'_>) -> Result<Option<&'static str>, Invalid> {
    let (mut none, mut open) = (true, false);
    reader.array(|_, candidate| {
        none = false;
        let mut finished = false;
        candidate.object(|key, member| {
            match (key, member.peek()?) {
                ("finishReason", Kind::String | Kind::Number) => {
                    finished = ended(member)?.is_some();
                }
                ("content", Kind::Null | Kind::Object) => {
                    member.skip()?;
                }
                ("content", _) => member.object(|_, _| Ok(()))?,
                ("error", kind) if kind != Kind::Null => {
                    return Err(Invalid::new("an error in place of a candidate"));
                }
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })?;
        open |= !finished;
        Ok(())
    })?;
    Ok(match (none, open) {
        (true, _) => Some(NO_CANDIDATES),
        (false, true) => Some(NOT_FINISHED),
        (false, false) => None,
    })
}

fn in_place_of_an_answer(body: &[u8]) -> Broken {
    let error = super::failure::decode(body);
    Broken::new(format!("an error in place of an answer: {}", error.message))
}

/// Writes a whole answer.
pub(super) fn encode(response: &Response, losses: &mut Losses) -> Vec<u8> {
    let ours = response.origin == OWN;
    let mut out = Writer::with_capacity(512);
    out.object(|out| {
        if !(ours && is_refused(&response.extra)) {
            out.key("candidates").array(|out| {
                for candidate in &response.candidates {
                    write_candidate(out, candidate, ours, losses);
                }
            });
        }
        if let Some(usage) = &response.usage {
            out.key("usageMetadata");
            write_usage(out, usage, ours, response.service_tier.as_deref());
        }
        if !response.model.is_empty() {
            out.key("modelVersion").string(&response.model);
        }
        if !response.id.is_empty() {
            out.key("responseId").string(&response.id);
        }
        if ours {
            response.extra.write(out);
        }
    });
    if !ours {
        lose_extra(losses, "", &response.extra);
    }
    out.into_bytes()
}

/// Writes the list of models.
pub(super) fn encode_models(models: &[ModelEntry<'_>]) -> Vec<u8> {
    let mut out = Writer::with_capacity(64 + models.len() * 160);
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
        out.key("name").string(&format!("models/{}", model.id));
        out.key("displayName").string(model.id);
        if let Some(description) = model.description {
            out.key("description").string(description);
        }
        out.key("supportedGenerationMethods").array(|out| {
            out.string("generateContent");
            out.string("countTokens");
        });
    });
}

//! One of the answers, both ways.
//!
//! The sources that ground an answer stay in the object that they came in and are told
//! as citations of its last text too, for dialects that have them there.

use std::collections::HashMap;

use super::finish::{ended, finish, finish_word};
use crate::chat::{Candidate, Citation, Extra, Finish, Part, PartKind};
use crate::gemini::wire::read::{Calls, parts};
use crate::gemini::wire::write::{Parts, lose_extra};
use crate::gemini::wire::{OWN, opaque, own, spelled, text, with_asides};
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// Reads a candidate, the `place`th of the answer of that id.
pub(crate) fn read_candidate(
    reader: &mut Reader<'_>,
    place: usize,
    id: &str,
) -> Result<Candidate, Invalid> {
    let index = u64::try_from(place).unwrap_or(u64::MAX);
    let mut candidate = Candidate::new(index);
    candidate.extra = with_asides();
    let mut calls = calls(id, index);
    let (mut reason, mut said, mut indexed) = (None, false, false);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("index", Kind::Number) => {
                candidate.index = member.u64()?;
                indexed = true;
            }
            ("content", Kind::Object) => {
                said = true;
                read_content(member, &mut candidate, &mut calls)?;
            }
            ("content", kind) if kind != Kind::Null => member.object(|_, _| Ok(()))?,
            ("finishReason", Kind::String | Kind::Number) => reason = ended(member)?,
            ("logprobsResult", Kind::Object) => candidate.logprobs = Some(member.json()?),
            ("error", kind) if kind != Kind::Null => {
                return Err(Invalid::new("an error in place of a candidate"));
            }
            _ => candidate.extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if !said {
        candidate.extra.note(spelled::NO_CONTENT);
    }
    if !indexed {
        candidate.extra.note(spelled::NO_INDEX);
    }
    let is_call = |part: &Part| matches!(part.kind, PartKind::ToolCall(_));
    let asks = candidate.parts.iter().any(is_call);
    candidate.finish = reason.map(|reason| finish(reason, asks));
    cite(&mut candidate)?;
    Ok(candidate)
}

/// What names the calls of one candidate.
pub(crate) fn calls(id: &str, index: u64) -> Calls {
    Calls::of(match (id, index) {
        ("", _) => String::new(),
        (id, 0) => id.to_owned(),
        (id, index) => format!("{id}_{index}"),
    })
}

fn read_content(
    reader: &mut Reader<'_>,
    candidate: &mut Candidate,
    calls: &mut Calls,
) -> Result<(), Invalid> {
    let extra = &mut candidate.message_extra;
    let (mut named, mut listed) = (false, false);
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("parts", Kind::Array) => {
                candidate.parts = parts(member, calls)?.0;
                listed = true;
            }
            ("role", Kind::String) if member.clone().string()? == "model" => {
                named = true;
                member.skip()?;
            }
            ("parts", kind) if kind != Kind::Null => member.array(|_, _| Ok(()))?,
            _ => extra.push(key, member.json()?),
        }
        Ok(())
    })?;
    if !named {
        extra.note(spelled::NO_ROLE);
    }
    if !listed {
        extra.note(spelled::NO_PARTS);
    }
    Ok(())
}

/// Tells the sources of a candidate as citations of its last text.
fn cite(candidate: &mut Candidate) -> Result<(), Invalid> {
    let mut found = Vec::new();
    for name in SOURCES {
        if let Some(value) = candidate.extra.get(name) {
            found.append(&mut citations(name, &mut value.reader())?);
        }
    }
    let is_text = |part: &&mut Part| matches!(part.kind, PartKind::Text(_));
    if let Some(part) = candidate.parts.iter_mut().rev().find(is_text) {
        part.citations = found;
    }
    Ok(())
}

/// Members of a candidate that hold sources.
pub(crate) const SOURCES: [&str; 2] = ["citationMetadata", "groundingMetadata"];

/// The sources in one of those members.
pub(crate) fn citations(name: &str, reader: &mut Reader<'_>) -> Result<Vec<Citation>, Invalid> {
    let mut found = Vec::new();
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(found);
    }
    let list = match name {
        "citationMetadata" => ["citations", "citationSources"],
        _ => ["groundingChunks", ""],
    };
    reader.object(|key, member| {
        if !list.contains(&key) || member.peek()? != Kind::Array {
            return member.skip().map(drop);
        }
        member.array(|_, source| {
            found.extend(citation(source)?);
            Ok(())
        })
    })?;
    Ok(found)
}

/// One source; its address may stand inside a member that says what kind it is of.
fn citation(reader: &mut Reader<'_>) -> Result<Option<Citation>, Invalid> {
    let value = reader.json()?;
    let (mut url, mut title) = (None, None);
    address(&mut value.reader(), &mut url, &mut title, true)?;
    Ok(url.map(|url| Citation {
        url: Some(url),
        title,
        text: None,
        raw: own(opaque::CITATION, value),
    }))
}

fn address(
    reader: &mut Reader<'_>,
    url: &mut Option<String>,
    title: &mut Option<String>,
    outer: bool,
) -> Result<(), Invalid> {
    if reader.peek()? != Kind::Object {
        return reader.skip().map(drop);
    }
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("uri", Kind::String) => *url = Some(text(member)?),
            ("title", Kind::String) => *title = Some(text(member)?),
            ("web" | "retrievedContext" | "maps", Kind::Object) if outer => {
                address(member, url, title, false)?;
            }
            _ => {
                member.skip()?;
            }
        }
        Ok(())
    })
}

/// Writes a candidate of an answer.
pub(crate) fn write_candidate(
    out: &mut Writer,
    candidate: &Candidate,
    ours: bool,
    losses: &mut Losses,
) {
    let extra = &candidate.extra;
    out.object(|out| {
        if !(ours && extra.noted(spelled::NO_CONTENT)) {
            out.key("content")
                .object(|out| write_content(out, candidate, ours, losses));
        }
        if let Some(end) = &candidate.finish {
            out.key("finishReason");
            write_finish(out, end, (ours, candidate.index), losses);
        }
        if !(ours && extra.noted(spelled::NO_INDEX)) {
            out.key("index").number(candidate.index);
        }
        match &candidate.logprobs {
            Some(logprobs) if ours => {
                out.key("logprobsResult").json(logprobs);
            }
            Some(_) => {
                let path = format!("choices[{}].logprobs", candidate.index);
                losses.tuning(path, LossKind::Dropped, "another dialect's probabilities");
            }
            None => {}
        }
        if ours {
            extra.write(out);
            return;
        }
        let mut cited = Vec::new();
        for (at, part) in candidate.parts.iter().enumerate() {
            let before = cited.len();
            let foreign = |citation: &&Citation| citation.raw.origin != OWN;
            cited.extend(part.citations.iter().filter(foreign));
            if cited.len() > before {
                let path = format!("content[{at}].citations");
                losses.tuning(path, LossKind::Approximated, CITED);
            }
        }
        write_citations(out, &cited);
    });
    if !ours {
        let path = format!("choices[{}]", candidate.index);
        lose_extra(losses, &path, &candidate.message_extra);
        lose_extra(losses, &path, extra);
    }
}

/// Why another dialect's citations are not what they were.
pub(crate) const CITED: &str = "addresses and titles alone are cited";

/// Writes the sources that another dialect's answer cites.
pub(crate) fn write_citations(out: &mut Writer, citations: &[&Citation]) {
    if citations.iter().all(|citation| citation.url.is_none()) {
        return;
    }
    out.key("citationMetadata").object(|out| {
        out.key("citations").array(|out| {
            for citation in citations {
                let Some(url) = &citation.url else { continue };
                out.object(|out| {
                    out.key("uri").string(url);
                    if let Some(title) = &citation.title {
                        out.key("title").string(title);
                    }
                });
            }
        });
    });
}

fn write_content(out: &mut Writer, candidate: &Candidate, ours: bool, losses: &mut Losses) {
    let extra = &candidate.message_extra;
    if !(ours && extra.noted(spelled::NO_PARTS)) {
        let none = HashMap::new();
        let mut writing = Parts {
            ours,
            answer: true,
            thinks: false,
            called: &none,
            waiting: Vec::new(),
            first_call_written: false,
            losses,
        };
        out.key("parts").array(|out| {
            for (at, part) in candidate.parts.iter().enumerate() {
                let path = format!("content[{at}]");
                writing.write(out, part, &path);
            }
            writing.flush(out, "content");
        });
    }
    if !(ours && extra.noted(spelled::NO_ROLE)) {
        out.key("role").string("model");
    }
    if ours {
        extra.write(out);
    }
}

/// Writes why an answer ended; a number as the number that it was.
pub(crate) fn write_finish(
    out: &mut Writer,
    end: &Finish,
    (ours, index): (bool, u64),
    losses: &mut Losses,
) {
    if ours && end.raw.bytes().all(|byte| byte.is_ascii_digit()) && !end.raw.is_empty() {
        out.raw(&end.raw);
        return;
    }
    if ours {
        out.string(&end.raw);
        return;
    }
    let (word, lost) = finish_word(end);
    out.string(word);
    if let Some((field, why)) = lost {
        let path = format!("choices[{index}].{field}");
        losses.tuning(path, LossKind::Approximated, why);
    }
}

/// What stood beside a streamed candidate, as far as it came.
pub(crate) fn keep(extra: &mut Extra, name: &str, value: Json) {
    extra.take(name);
    extra.push(name, value);
}

//! Reads the parts of a content.
//!
//! What the hub has no word for is kept where it stood, and a part of a form that is
//! not known is kept whole. What signs a part that is no thought becomes a reasoning
//! without text before it, since only reasoning is signed in the hub.

use memchr::memchr2;

use super::{UNSIGNED, envelope, names, opaque, own, repeated, required, spelled, text};
use crate::chat::{
    Extra, Media, MediaSource, Part, PartKind, Reasoning, ToolCall, ToolCallKind, ToolResult, given,
};
use crate::json::{Invalid, Json, Kind, Reader, Text};

/// Names calls that came without an id, and finds the call that a result answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// What stands before the number of a call in the ids that are made.
    prefix: String,
    made: u64,
    /// Calls that have no result yet: name and id.
    open: Vec<(String, String)>,
}

impl Calls {
    /// Calls whose ids begin so.
    pub(crate) fn of(prefix: String) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }

    /// The id of a call that came without one. In an answer that does not say its own id the
    /// call's text makes the difference.
    pub(crate) fn make(&mut self, call: &str) -> String {
        self.made += 1;
        let number = self.made - 1;
        if self.prefix.is_empty() {
            let hash = fnv(call);
            return format!("call_{hash:016x}_{number}");
        }
        format!("call_{}_{number}", self.prefix)
    }

    fn called(&mut self, name: &str, id: &str) {
        self.open.push((name.to_owned(), id.to_owned()));
    }

    /// The id of the call that a result answers, and the name that the call had.
    fn answered(&mut self, name: &str, id: Option<String>) -> (String, Option<String>) {
        let at = self.open.iter().position(|(called, known)| match &id {
            Some(id) => known == id,
            None => called == name,
        });
        match (at, id) {
            (Some(at), _) => {
                let (called, id) = self.open.remove(at);
                (id, Some(called))
            }
            (None, Some(id)) => (id, None),
            (None, None) => (self.make(name), None),
        }
    }
}

/// Fowler, Noll and Vo's hash 1a in 64 bits.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The members of a part, apart.
#[derive(Default)]
pub(crate) struct Members<'a> {
    pub(crate) text: Option<Text>,
    pub(crate) thought: Option<bool>,
    pub(crate) signature: Option<Json>,
    /// The one member that is the part's content, beside text.
    pub(crate) data: Option<(&'static str, Reader<'a>)>,
    pub(crate) extra: Extra,
}

/// Members that are a part's content and that the hub has words for.
const DATA: [&str; 4] = ["inlineData", "fileData", "functionCall", "functionResponse"];

impl<'a> Members<'a> {
    /// Reads a part's members.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let mut members = Self::default();
        reader.object(|key, member| {
            let key = names::read(key, &mut members.extra);
            match (key, member.peek()?) {
                ("text", Kind::String) if members.text.is_none() => {
                    members.text = Some(member.text()?);
                }
                ("text", _) => return Err(Invalid::new("one text was expected")),
                ("thought", Kind::Bool) => members.thought = Some(member.bool()?),
                ("thoughtSignature", Kind::String) => {
                    let value = member.json()?;
                    if value.text() == "\"\"" {
                        members.extra.push(key, value);
                    } else {
                        members.signature = Some(value);
                    }
                }
                (_, Kind::Object) => match DATA.iter().find(|name| **name == key) {
                    Some(_) if members.data.is_some() || members.text.is_some() => {
                        return Err(Invalid::new("a part holds one thing"));
                    }
                    Some(name) => {
                        members.data = Some((name, member.clone()));
                        member.skip()?;
                    }
                    None => members.extra.push(key, member.json()?),
                },
                _ => members.extra.push(key, member.json()?),
            }
            Ok(())
        })?;
        Ok(members)
    }
}

/// Reads a list of parts, or one part that stands for it; says whether it did.
pub(crate) fn parts(
    reader: &mut Reader<'_>,
    calls: &mut Calls,
) -> Result<(Vec<Part>, bool), Invalid> {
    let mut parts = Vec::new();
    let one = repeated(reader, |element| part(element, calls, &mut parts))?;
    Ok((parts, one))
}

/// Reads one part, which becomes two where a signature stands on it.
fn part(reader: &mut Reader<'_>, calls: &mut Calls, parts: &mut Vec<Part>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let mut members = Members::read(reader)?;
    let known = match (members.text.take(), members.data.take()) {
        (Some(_), Some(_)) => return Err(Invalid::new("a part holds one thing")),
        (Some(words), None) => return read_text(words, members, parts),
        (None, Some((name, mut data))) => {
            let extra = &mut members.extra;
            let read = match name {
                "functionCall" => read_call(&mut data, whole.clone(), extra, calls),
                "functionResponse" => read_result(&mut data, extra, calls).map(Some),
                _ => read_media(&mut data, name, extra),
            };
            read.map_err(|error| error.under(name))?
        }
        (None, None) => None,
    };
    let Some(kind) = known else {
        let value = whole.json()?;
        parts.push(PartKind::Opaque(own(&kind_of(&value), value)).into());
        return Ok(());
    };
    if let Some(thought) = members.thought {
        members.extra.push("thought", flag(thought));
    }
    let mut part = Part::from(kind);
    part.extra = members.extra;
    if let Some(signature) = members.signature {
        sign(signature, &mut part, parts);
    }
    parts.push(part);
    Ok(())
}

/// Puts what signs a part before it.
fn sign(signature: Json, part: &mut Part, parts: &mut Vec<Part>) {
    let kind = match &part.kind {
        PartKind::ToolCall(_) if is_unsigned(&signature) => {
            part.extra.note(spelled::UNSIGNED);
            return;
        }
        PartKind::ToolCall(call) => format!("{}{}", opaque::OF_CALL, call.id),
        PartKind::Text(_) => opaque::OF_TEXT.to_owned(),
        PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolResult(_)
        | PartKind::Refusal(_)
        | PartKind::Opaque(_) => opaque::OF_PART.to_owned(),
    };
    parts.push(signed(own(&kind, signature)));
}

/// A reasoning without text that holds the signature of something else.
fn signed(value: crate::chat::Opaque) -> Part {
    PartKind::Reasoning(Reasoning {
        opaque: Some(value),
        ..Reasoning::default()
    })
    .into()
}

/// Whether a call's signature says that there is none.
pub(crate) fn is_unsigned(signature: &Json) -> bool {
    signature.text().trim_matches('"') == UNSIGNED
}

fn read_text(words: Text, members: Members<'_>, parts: &mut Vec<Part>) -> Result<(), Invalid> {
    let mut extra = members.extra;
    if members.thought == Some(false) {
        extra.push("thought", flag(false));
    }
    let mut part = match (members.thought, members.signature) {
        (Some(true), signature) => PartKind::Reasoning(Reasoning {
            text: words.into_string(),
            summary: true,
            opaque: signature.map(|value| envelope::unwrap(value, opaque::SIGNATURE)),
        })
        .into(),
        (_, Some(signature)) if words.is_empty() => {
            extra.note(spelled::EMPTY);
            signed(own(opaque::OF_TEXT, signature))
        }
        (_, signature) => {
            let mut part = Part::text(words);
            if let Some(signature) = signature {
                sign(signature, &mut part, parts);
            }
            part
        }
    };
    part.extra = extra;
    parts.push(part);
    Ok(())
}

fn flag(value: bool) -> Json {
    Json::written(|out| {
        out.bool(value);
    })
}

/// What a part of an unknown form is: the name of its first member.
pub(crate) fn kind_of(part: &Json) -> String {
    let mut kind = String::new();
    let _ = part.reader().object(|key, member| {
        if kind.is_empty() && key != "thoughtSignature" && key != "thought" {
            names::plain(key).clone_into(&mut kind);
        }
        member.skip().map(drop)
    });
    kind
}

/// Reads a call; none where it is a piece of a streamed one.
fn read_call(
    reader: &mut Reader<'_>,
    mut whole: Reader<'_>,
    extra: &mut Extra,
    calls: &mut Calls,
) -> Result<Option<PartKind>, Invalid> {
    let (mut id, mut name, mut args) = (None, None, None);
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("id", Kind::String) if !member.clone().string()?.is_empty() => {
                id = Some(text(member)?)
            }
            ("name", Kind::String) => name = Some(text(member)?),
            ("args", Kind::Object) => args = Some(member.raw()?.to_owned()),
            ("args", kind) if kind != Kind::Null => member.object(|_, _| Ok(()))?,
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    let Some(name) = name else {
        return Ok(None);
    };
    extra.keep_inner("functionCall", &rest);
    if args.is_none() {
        extra.note(spelled::NO_ARGS);
    }
    let id = match id {
        Some(id) => id,
        None => {
            extra.note(spelled::NO_ID);
            calls.make(whole.raw()?)
        }
    };
    calls.called(&name, &id);
    Ok(Some(PartKind::ToolCall(ToolCall {
        id,
        name,
        arguments: args.unwrap_or_else(|| "{}".to_owned()),
        kind: ToolCallKind::Function,
    })))
}

fn read_result(
    reader: &mut Reader<'_>,
    extra: &mut Extra,
    calls: &mut Calls,
) -> Result<PartKind, Invalid> {
    let (mut id, mut name, mut response, mut more) = (None, None, None, Vec::new());
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match (key, member.peek()?) {
            ("id", Kind::String) if !member.clone().string()?.is_empty() => {
                id = Some(text(member)?)
            }
            ("name", Kind::String) => name = Some(text(member)?),
            ("response", Kind::Object) => response = Some(member.json()?),
            ("response", kind) if kind != Kind::Null => member.object(|_, _| Ok(()))?,
            ("parts", Kind::Array) => more = parts(member, &mut Calls::default())?.0,
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    let name = required(name, "name")?;
    if id.is_none() {
        extra.note(spelled::NO_ID);
    }
    let (call_id, called) = calls.answered(&name, id);
    // Written again from the call, where it has the call's name.
    if called.as_deref() != Some(&name) {
        rest.push("name", Json::string(&name));
    }
    extra.keep_inner("functionResponse", &rest);
    let mut said = Vec::new();
    let mut is_error = None;
    match response {
        Some(response) => {
            let (words, error) = answer(&response, extra)?;
            is_error = error;
            said.push(Part::text(words));
        }
        None => extra.note(spelled::NO_RESPONSE),
    }
    said.append(&mut more);
    Ok(PartKind::ToolResult(ToolResult {
        call_id,
        is_error,
        parts: said,
        bare: false,
    }))
}

/// What a tool answered: the words under one of the names that Google gives them, or else
/// the whole object as its text.
fn answer(response: &Json, extra: &mut Extra) -> Result<(Text, Option<bool>), Invalid> {
    let (mut members, mut found) = (0, None);
    response.reader().object(|key, member| {
        members += 1;
        let note = match key {
            "output" => spelled::OUTPUT,
            "result" => spelled::RESULT,
            "error" => spelled::ERROR,
            _ => return member.skip().map(drop),
        };
        if member.peek()? == Kind::String {
            found = Some((note, member.text()?));
            return Ok(());
        }
        member.skip().map(drop)
    })?;
    match found {
        Some((note, words)) if members == 1 => {
            extra.note(note);
            Ok((words, (note == spelled::ERROR).then_some(true)))
        }
        Some(_) | None => Ok((response.text().into(), None)),
    }
}

/// Reads a picture, sound, film or document; none where it holds none.
fn read_media(
    reader: &mut Reader<'_>,
    under: &'static str,
    extra: &mut Extra,
) -> Result<Option<PartKind>, Invalid> {
    let (mut media_type, mut name, mut value) = (None, None, None);
    let mut rest = Extra::default();
    reader.object(|key, member| {
        match names::read(key, extra) {
            "mimeType" => media_type = given(member, &mut rest, "mimeType", text)?,
            "displayName" => name = given(member, &mut rest, "displayName", text)?,
            "data" if under == "inlineData" => value = Some(text(member)?),
            "fileUri" if under == "fileData" => value = Some(text(member)?),
            other => rest.push(other, member.json()?),
        }
        Ok(())
    })?;
    let Some(value) = value else {
        return Ok(None);
    };
    extra.keep_inner(under, &rest);
    let source = match under {
        "inlineData" => MediaSource::Base64(standard(value, extra)),
        _ if is_stored(&value) => MediaSource::File(value),
        _ => MediaSource::Url(value),
    };
    let kind = media_type.as_deref().unwrap_or_default();
    let kind = kind.split('/').next().unwrap_or_default().to_owned();
    let media = Media {
        media_type,
        source,
        name,
        detail: None,
    };
    Ok(Some(match kind.as_str() {
        "image" => PartKind::Image(media),
        "audio" => PartKind::Audio(media),
        "video" => PartKind::Video(media),
        _ => PartKind::Document(media),
    }))
}

/// Whether only Google can fetch it: a file of its own, or one of its storage.
fn is_stored(uri: &str) -> bool {
    const FILES: &str = "https://generativelanguage.googleapis.com/";
    uri.starts_with(FILES) || !uri.starts_with("http")
}

/// Base64 in the letters that other dialects take; Google takes those of URLs too.
fn standard(data: String, extra: &mut Extra) -> String {
    if memchr2(b'-', b'_', data.as_bytes()).is_none() {
        return data;
    }
    let turned = data.replace('-', "+").replace('_', "/");
    // A mixture could not be told apart again.
    if data.contains(['+', '/']) {
        return data;
    }
    extra.note(spelled::URL_SAFE);
    turned
}

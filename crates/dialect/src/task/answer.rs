//! Whole answers: whether they are complete, and what they used.
//!
//! What has no count of its own, such as images, is counted in the answer itself.

use std::borrow::Cow;

use crate::chat::{Apart, Usage};
use crate::codec::{Broken, Weighed};
use crate::json::{Invalid, Kind, Reader};

/// Reads the members of an answer; those that all have are read here.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    mut member: impl FnMut(&str, &mut Reader<'a>, &mut Weighed<'a>) -> Result<bool, Invalid>,
) -> Result<Weighed<'a>, Broken> {
    let mut weighed = Weighed::default();
    let mut reader = Reader::new(bytes)?;
    reader.object(|key, value| {
        if member(key, value, &mut weighed)? {
            return Ok(());
        }
        match (key, value.peek()?) {
            ("model", Kind::String) => weighed.model = value.string()?,
            ("service_tier", Kind::String) => weighed.service_tier = Some(value.string()?),
            ("usage", Kind::Object) => weighed.usage = Some(usage(value)?),
            _ => {
                value.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    Ok(weighed)
}

/// Weighs an answer whose member `list` must hold as many elements as were asked for, or more.
pub(super) fn listed<'a>(bytes: &'a [u8], list: &str, due: u64) -> Result<Weighed<'a>, Broken> {
    let mut found = None;
    let weighed = read(bytes, |key, value, _| {
        let is_list = key == list;
        if is_list {
            found = Some(length(value)?);
        }
        Ok(is_list)
    })?;
    enough(found, list, due)?;
    Ok(weighed)
}

/// Weighs vectors, as many as were asked for: each must stand there, and hold something.
pub(super) fn embedded(bytes: &[u8], due: u64) -> Result<Weighed<'_>, Broken> {
    let mut found = None;
    let weighed = read(bytes, |key, value, _| {
        if key != "data" {
            return Ok(false);
        }
        let mut many = 0;
        value.array(|_, one| {
            let mut holds = false;
            one.object(|key, value| {
                if key == "embedding" {
                    let text = value.raw()?;
                    holds = !matches!(text, "null" | "\"\"") && !is_empty_list(text);
                    return Ok(());
                }
                value.skip().map(drop)
            })?;
            many += 1;
            if holds {
                Ok(())
            } else {
                Err(Invalid::new("a vector was expected, with numbers"))
            }
        })?;
        found = Some(many);
        Ok(true)
    })?;
    enough(found, "data", due)?;
    Ok(weighed)
}

fn is_empty_list(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Checks that a list was there, and holds what is due.
pub(super) fn enough(found: Option<u64>, list: &str, due: u64) -> Result<(), Broken> {
    match found {
        None => Err(Broken::new(format!("the answer has no `{list}`"))),
        Some(found) if found < due => Err(Broken::new(format!(
            "the answer has {found} of {due} elements in `{list}`"
        ))),
        Some(_) => Ok(()),
    }
}

/// How many elements a list has.
pub(super) fn length(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    let mut length = 0;
    reader.array(|_, element| {
        length += 1;
        element.skip().map(drop)
    })?;
    Ok(length)
}

/// Weighs images, which are counted.
pub(super) fn drawn(bytes: &[u8]) -> Result<Weighed<'_>, Broken> {
    let mut found = None;
    let mut weighed = read(bytes, |key, value, _| {
        let is_list = key == "data";
        if is_list {
            found = Some(length(value)?);
        }
        Ok(is_list)
    })?;
    enough(found, "data", 1)?;
    let usage = weighed.usage.get_or_insert_default();
    usage.apart.images = found.unwrap_or_default();
    as_images(usage);
    Ok(weighed)
}

/// Counts the output as images where nothing tells what of it is.
pub(super) fn as_images(usage: &mut Usage) {
    if usage.apart.image_out == 0 {
        usage.apart.image_out = std::mem::take(&mut usage.output);
    }
}

/// Weighs words that were heard. Where no usage is told, the length of the sound may be.
pub(super) fn heard(bytes: &[u8]) -> Result<Weighed<'_>, Broken> {
    let (mut said, mut seconds) = (false, None);
    let mut weighed = read(bytes, |key, value, _| {
        match key {
            "text" => {
                value.string()?;
                said = true;
            }
            "duration" => seconds = whole(&unquoted(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if !said {
        return Err(Broken::new("the answer has no `text`"));
    }
    if let (None, Some(seconds)) = (&weighed.usage, seconds) {
        let apart = Apart {
            seconds,
            ..Apart::default()
        };
        weighed.usage = Some(Usage {
            apart,
            ..Usage::default()
        });
    }
    Ok(weighed)
}

/// Weighs a prompt that was carried on; `usage_of` reads its usage.
pub(super) fn completed(
    bytes: &[u8],
    usage_of: fn(&mut Reader<'_>) -> Result<Usage, Invalid>,
) -> Result<Weighed<'_>, Broken> {
    let mut found = None;
    let weighed = read(bytes, |key, value, weighed| {
        match (key, value.peek()?) {
            ("choices", _) => {
                let mut ended = 0;
                value.array(|_, choice| {
                    choice.object(|key, value| {
                        if key == "finish_reason" && value.peek()? == Kind::String {
                            ended += 1;
                        }
                        value.skip().map(drop)
                    })?;
                    Ok(())
                })?;
                found = Some(ended);
            }
            ("usage", Kind::Object) => weighed.usage = Some(usage_of(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match found {
        None => Err(Broken::new("the answer has no `choices`")),
        Some(0) => Err(Broken::new("no choice has a finish_reason")),
        Some(_) => Ok(weighed),
    }
}

/// A number, or one in quotes.
fn unquoted<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, Invalid> {
    match reader.peek()? {
        Kind::String => reader.string(),
        Kind::Number | Kind::Null | Kind::Bool | Kind::Array | Kind::Object => {
            reader.raw().map(Cow::Borrowed)
        }
    }
}

/// A number as a whole one, rounded up; none where it is none.
fn whole(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let more = part.bytes().any(|digit| digit != b'0');
    let sound = part.bytes().all(|digit| digit.is_ascii_digit());
    let whole: u64 = whole.parse().ok().filter(|_| sound)?;
    whole.checked_add(u64::from(more))
}

/// A count; whatever is no whole number counts nothing.
pub(super) fn number(reader: &mut Reader<'_>) -> Result<u64, Invalid> {
    let raw = reader.raw()?;
    let raw = raw.strip_suffix(".0").unwrap_or(raw);
    Ok(raw.parse().unwrap_or_default())
}

/// Reads a usage object of whatever is counted in tokens or in seconds.
pub(super) fn usage(reader: &mut Reader<'_>) -> Result<Usage, Invalid> {
    let (mut input, mut output, mut total, mut seconds) = (None, 0, 0, 0);
    let (mut read, mut drawn) = (Details::default(), Details::default());
    let raw = reader.kept_object(|key, value| {
        match (key, value.peek()?) {
            ("prompt_tokens" | "input_tokens", Kind::Number) => input = Some(number(value)?),
            ("completion_tokens" | "output_tokens", Kind::Number) => output = number(value)?,
            ("total_tokens", Kind::Number) => total = number(value)?,
            ("seconds", Kind::Number) => seconds = whole(value.raw()?).unwrap_or_default(),
            ("prompt_tokens_details" | "input_tokens_details" | "input_token_details", kind) => {
                read.take(kind, value)?;
            }
            ("output_tokens_details" | "output_token_details", kind) => drawn.take(kind, value)?,
            _ => {
                value.skip()?;
            }
        }
        Ok(())
    })?;
    // Some tell the total alone, of what has only input.
    let mut input = input.unwrap_or_else(|| total.saturating_sub(output));
    let cache_read = take(&mut input, read.cached);
    let audio_in = take(&mut input, read.audio);
    let apart = Apart {
        image_in: take(&mut input, read.image),
        image_out: take(&mut output, drawn.image),
        seconds,
        ..Apart::default()
    };
    Ok(Usage {
        input,
        cache_read,
        audio_in,
        output,
        apart,
        raw: Some(raw),
        ..Usage::default()
    })
}

/// Takes a part from its whole, of which it is no more than that.
pub(super) fn take(from: &mut u64, wanted: u64) -> u64 {
    let part = wanted.min(*from);
    *from -= part;
    part
}

/// What a count is made of.
#[derive(Default)]
struct Details {
    cached: u64,
    audio: u64,
    image: u64,
}

impl Details {
    fn take(&mut self, kind: Kind, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        if kind != Kind::Object {
            return reader.skip().map(drop);
        }
        reader.object(|key, value| {
            match key {
                "cached_tokens" => self.cached = number(value)?,
                "audio_tokens" => self.audio = number(value)?,
                "image_tokens" => self.image = number(value)?,
                _ => {
                    value.skip()?;
                }
            }
            Ok(())
        })
    }
}

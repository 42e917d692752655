//! What texts and collections of objects must be like. Pure: looks nothing up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use super::error::Invalid;

/// Characters of a name.
const NAME: usize = 64;
/// Characters of any other text.
pub(super) const TEXT: usize = 512;
/// Members of a list.
const MEMBERS: usize = 256;
/// Tags of an object.
const TAGS: usize = 32;

/// A name: letters, digits, `-`, `_` and `.`, 64 at most, the first a letter or digit.
pub(super) fn name(field: &str, name: &str) -> Result<(), Invalid> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && name.len() <= NAME && name.chars().all(plain) {
        return Ok(());
    }
    let message =
        "a name has 1 to 64 letters, digits, `-`, `_` or `.`, and begins with a letter or digit";
    Err(Invalid::new(field, message))
}

/// A text that is there: not empty, bounded, without characters that cannot be seen.
pub(super) fn text(field: &str, text: &str) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::new(
            field,
            "is empty: say something or leave it out",
        ));
    }
    if text.chars().count() > TEXT {
        let message = format!("has more than {TEXT} characters");
        return Err(Invalid::new(field, message));
    }
    if text.chars().any(is_hidden) {
        let message = "holds a control character: use characters that can be seen";
        return Err(Invalid::new(field, message));
    }
    Ok(())
}

/// Texts that may be there.
pub(super) fn texts<const N: usize>(fields: [(&str, &Option<String>); N]) -> Result<(), Invalid> {
    for (field, value) in fields {
        if let Some(value) = value {
            text(field, value)?;
        }
    }
    Ok(())
}

/// A list of texts, none twice.
pub(super) fn list(field: &str, list: &[String]) -> Result<(), Invalid> {
    if list.len() > MEMBERS {
        let message = format!("has more than {MEMBERS} members");
        return Err(Invalid::new(field, message));
    }
    let mut seen = BTreeSet::new();
    for (n, member) in list.iter().enumerate() {
        let field = format!("{field}[{n}]");
        text(&field, member)?;
        if !seen.insert(member) {
            return Err(Invalid::new(field, format!("`{member}` stands here twice")));
        }
    }
    Ok(())
}

/// Tags: names as objects have them, values as texts.
pub(super) fn tags(field: &str, tags: &BTreeMap<String, String>) -> Result<(), Invalid> {
    if tags.len() > TAGS {
        return Err(Invalid::new(field, format!("has more than {TAGS} tags")));
    }
    for (tag, value) in tags {
        name(&format!("{field}.{tag}"), tag)?;
        text(&format!("{field}.{tag}"), value)?;
    }
    Ok(())
}

/// A word that has a meaning.
pub(super) fn word<T: FromStr<Err: Display>>(field: &str, word: &str) -> Result<T, Invalid> {
    word.parse()
        .map_err(|error: T::Err| Invalid::new(field, error.to_string()))
}

/// Characters that are not seen, or that turn what is seen around.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{feff}')
}

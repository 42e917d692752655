//! Text that may still stand as the JSON string that it was read from.
//!
//! Most text crosses from one document into another unseen. It is then copied as
//! it was written, its escapes neither resolved nor made again. What it says must
//! never depend on how it is kept.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use super::Json;

/// Text, as characters or as it was written in JSON.
///
/// Characters of text that was read are made when somebody first asks for them.
#[derive(Clone, Default)]
pub struct Text {
    /// A JSON string that names characters only: no half of a surrogate pair stands alone.
    written: Option<Json>,
    /// Whether there are escapes in that.
    escapes: bool,
    characters: OnceLock<String>,
}

impl Text {
    /// The text that this JSON string says.
    pub(super) fn written(string: Json, escapes: bool) -> Self {
        Self {
            written: Some(string),
            escapes,
            characters: OnceLock::new(),
        }
    }

    /// The JSON string that it was read from, where it stands as such.
    pub(super) fn json(&self) -> Option<&Json> {
        self.written.as_ref()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.written {
            Some(string) if !self.escapes => between_quotes(string),
            Some(_) | None => self.characters.get_or_init(|| self.resolved()),
        }
    }

    /// The text as it was written in JSON, or its characters where it was not read: for whoever only
    /// compares texts that one program wrote, and need not resolve them.
    pub(crate) fn as_written(&self) -> &str {
        self.written
            .as_ref()
            .map_or_else(|| self.as_str(), Json::text)
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        match self.written {
            Some(_) => self.as_str().to_owned(),
            None => self.characters.into_inner().unwrap_or_default(),
        }
    }

    /// Whether there are no characters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // An escape names a character.
        !self.escapes && self.as_str().is_empty()
    }

    /// Adds to the end.
    pub fn push_str(&mut self, more: &str) {
        let mut characters = std::mem::take(self).into_string();
        characters.push_str(more);
        *self = characters.into();
    }

    fn resolved(&self) -> String {
        let string = self.written.as_ref().map(|json| json.reader().string());
        match string {
            Some(Ok(characters)) => characters.into_owned(),
            // Only valid strings are kept.
            Some(Err(_)) | None => String::new(),
        }
    }
}

fn between_quotes(string: &Json) -> &str {
    let inner = string.text().strip_prefix('"');
    inner
        .and_then(|inner| inner.strip_suffix('"'))
        .unwrap_or_default()
}

impl From<String> for Text {
    fn from(characters: String) -> Self {
        Self {
            written: None,
            escapes: false,
            characters: characters.into(),
        }
    }
}

impl From<&str> for Text {
    fn from(characters: &str) -> Self {
        characters.to_owned().into()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Text;
    use crate::json::{Reader, Writer, escape_into};

    fn read(string: &str) -> Option<Text> {
        Reader::over(string).text().ok()
    }

    fn copied(text: &Text) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(text);
        out.into_bytes()
    }

    #[test]
    fn text_with_escapes_is_copied_as_it_was_written() {
        for string in [r#""\u00e9\/ \n""#, r#""plain é""#, r#""""#] {
            let text = read(string).unwrap();
            assert_eq!(copied(&text), string.as_bytes());
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for string in [r#""\ud800""#, r#""a\uDC00b""#, r#""\ud800\n""#] {
            assert!(read(string).is_none(), "{string}");
        }
        let whole = read(r#""\ud83d\ude00""#).unwrap();
        assert_eq!(whole.as_str(), "😀");
    }

    proptest! {
        #[test]
        fn what_it_says_does_not_depend_on_how_it_is_kept(
            characters in "[a\"\\\\\n\u{1}é😀]{0,90}",
            more in "[a\"\n]{0,3}",
        ) {
            let mut string = Vec::new();
            escape_into(&mut string, &characters);
            let mut read = read(std::str::from_utf8(&string).unwrap()).unwrap();
            let mut made = Text::from(characters.as_str());
            prop_assert_eq!(copied(&read), copied(&made));
            prop_assert_eq!(read.is_empty(), characters.is_empty());
            prop_assert_eq!(&read, &made);
            prop_assert_eq!(read.clone().into_string(), characters);
            read.push_str(&more);
            made.push_str(&more);
            prop_assert_eq!(copied(&read), copied(&made));
            prop_assert_eq!(read, made);
        }
    }
}

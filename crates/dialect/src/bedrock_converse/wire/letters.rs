//! Names and ids in the letters that the API takes, the same way each time.

use std::borrow::Cow;

use crate::json::Json;

/// Free text as the object that models take as a call's input.
pub(crate) fn free_text(words: &str) -> String {
    let wrapped = Json::written(|out| {
        out.object(|out| {
            out.key("input").string(words);
        });
    });
    wrapped.text().to_owned()
}

/// Most characters of a document's name.
const NAME: usize = 200;

/// Letters, digits, single spaces, `-`, `(`, `)`, `[` and `]`; each other character is `-`.
pub(crate) fn plain_name(name: &str) -> String {
    let words = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter,
        ' ' | '-' | '(' | ')' | '[' | ']' => letter,
        _ => '-',
    };
    let plain: String = words.chars().take(NAME).map(plain).collect();
    if plain.is_empty() {
        return "document".to_owned();
    }
    plain
}

/// Most bytes of an id.
const ID: usize = 64;

/// Each other byte becomes its value in two hexadecimal digits, so that ids stay apart; what is
/// too long keeps its beginning and ends in two checksums.
pub(crate) fn plain_id(id: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    if !id.is_empty() && id.len() <= ID && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    let mut out = String::from(if id.is_empty() { "none" } else { "" });
    for byte in id.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("_{byte:02x}"));
        }
    }
    if out.len() > ID {
        let sum = crc32fast::hash(id.as_bytes());
        let reversed: Vec<u8> = id.bytes().rev().collect();
        let ending = format!("_{sum:08x}{:08x}", crc32fast::hash(&reversed));
        out.truncate(ID - ending.len());
        out.push_str(&ending);
    }
    Cow::Owned(out)
}

//! What of a request is not text, counted without reading it: for bounds on what it can cost.
//!
//! Words are sought in the bytes as they stand, so text that quotes them counts too. It may count
//! too much, never too little for a request that its own provider would understand as written.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What a request holds beside text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Images.
    pub images: u64,
    /// Documents, sound and other files.
    pub documents: u64,
    /// What has no bound, such as a file that the provider keeps.
    pub unbounded: Option<&'static str>,
}

/// The words of a dialect, quotes included: each begins with one.
pub(crate) struct MediaWords {
    /// Stands in each image.
    pub(crate) image: &'static str,
    /// Each stands in one kind of document or sound.
    pub(crate) documents: &'static [&'static str],
    /// How often those stand in each: as its type, and as the member that holds it.
    pub(crate) each: u64,
    /// What has no bound: the word, and what it is.
    pub(crate) unbounded: &'static [(&'static str, &'static str)],
}

/// Counts them, a name with escaped letters too.
pub(crate) fn count(body: &[u8], words: &MediaWords) -> Media {
    static ESCAPED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\\u00"));
    match ESCAPED.find(body) {
        None => count_plain(body, words),
        Some(first) => count_plain(&unescaped(body, first), words),
    }
}

fn count_plain(body: &[u8], words: &MediaWords) -> Media {
    let (mut images, mut documents) = (0_u64, vec![0_u64; words.documents.len()]);
    let mut media = Media::default();
    for at in memchr::memchr_iter(b'"', body) {
        let rest = body.get(at..).unwrap_or_default();
        // The first letter tells of most words that they are another.
        let stands = |word: &&str| {
            rest.get(1) == word.as_bytes().get(1) && rest.starts_with(word.as_bytes())
        };
        images += u64::from(stands(&words.image));
        for (times, word) in documents.iter_mut().zip(words.documents) {
            *times += u64::from(stands(word));
        }
        if media.unbounded.is_none() {
            let found = words.unbounded.iter().find(|(word, _)| stands(word));
            media.unbounded = found.map(|(_, what)| *what);
        }
    }
    let each = words.each.max(1);
    media.images = images.div_ceil(each);
    media.documents = documents.iter().map(|times| times.div_ceil(each)).sum();
    media
}

/// The body with its escapes of printable ASCII resolved, from the first on: enough to find words
/// in, no longer JSON.
fn unescaped(body: &[u8], first: usize) -> Vec<u8> {
    let (before, mut rest) = body.split_at_checked(first).unwrap_or((body, &[]));
    let mut plain = before.to_vec();
    while let [byte, after @ ..] = rest {
        let digits = rest.get(4..6).filter(|_| rest.starts_with(b"\\u00"));
        let letter = digits.and_then(|digits| {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match letter.filter(|letter| (b' '..=b'~').contains(letter)) {
            Some(letter) => {
                plain.push(letter);
                rest = rest.get(6..).unwrap_or_default();
            }
            None => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use crate::Dialect;

    #[test]
    fn images_and_files_are_counted_in_each_dialect() {
        let chat = br#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}},
            {"type":"text","text":"see the image"}]}]}"#;
        let media = Dialect::OpenaiChat.server().media(chat);
        assert_eq!(
            (media.images, media.documents, media.unbounded),
            (1, 0, None)
        );

        let messages = br#"{"messages":[{"role":"user","content":[{"type":"image","source":{}},
            {"type":"document","source":{"type":"file","file_id":"f"}}]}]}"#;
        let media = Dialect::AnthropicMessages.server().media(messages);
        assert_eq!((media.images, media.documents), (1, 1));
        assert!(media.unbounded.is_some());

        let contents = br#"{"contents":[{"parts":[{"inline_data":{"data":"x"}},
            {"fileData":{"fileUri":"gs://b/f"}}]}]}"#;
        let media = Dialect::Gemini.server().media(contents);
        assert_eq!((media.images, media.documents), (1, 1));
        assert!(media.unbounded.is_some());
    }
    #[test]
    fn a_name_whose_letters_are_escaped_is_counted_as_the_name() {
        let chat = br#"{"messages":[{"role":"user","content":[{"type":"image\u005furl","\u0069mage_url":{"url":"\u00e9"}}]}]}"#;
        assert_eq!(Dialect::OpenaiChat.server().media(chat).images, 1);
    }
}

//! What of a request is not text, counted without reading it: for bounds on what it can cost.
//!
//! Words are sought in the bytes as they stand, so text that quotes them counts too. It may count
//! too much, never too little for a request that its own provider would understand as written.

use std::sync::OnceLock;

use memchr::memmem::Finder;

use crate::json::quotes_and_backslashes;

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

/// The words of a dialect, quotes included.
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

/// Looks for the words of a dialect; what it searches with is made once.
pub(crate) struct MediaSearch {
    words: MediaWords,
    /// One bit for each letter that a word begins with, behind its quote.
    initials: u128,
    finders: OnceLock<Finders>,
}

struct Finders {
    escaped: Finder<'static>,
    image: Finder<'static>,
    documents: Vec<Finder<'static>>,
    unbounded: Vec<(Finder<'static>, &'static str)>,
}

impl MediaSearch {
    pub(crate) const fn new(words: MediaWords) -> Self {
        let mut initials = initial(words.image);
        let mut documents = words.documents;
        while let [word, rest @ ..] = documents {
            initials |= initial(word);
            documents = rest;
        }
        let mut unbounded = words.unbounded;
        while let [(word, _), rest @ ..] = unbounded {
            initials |= initial(word);
            unbounded = rest;
        }
        Self {
            words,
            initials,
            finders: OnceLock::new(),
        }
    }

    /// Counts what of a body is not text, a name with escaped letters too. Most requests have nothing of
    /// the kind, which one look at each quote and backslash tells.
    pub(crate) fn count(&self, body: &[u8]) -> Media {
        if !quotes_and_backslashes(body).any(|at| self.may_begin(body, at)) {
            return Media::default();
        }
        let finders = self.finders.get_or_init(|| Finders::new(&self.words));
        let each = self.words.each.max(1);
        // Of ASCII that is printed only: accents are escaped often, and stand in no word.
        let is_letter = |at: &usize| matches!(body.get(at + 4), Some(b'2'..=b'7'));
        match finders.escaped.find_iter(body).find(is_letter) {
            None => finders.count(body, each),
            Some(first) => finders.count(&unescaped(body, first), each),
        }
    }

    /// Whether a word stands at a quote, or an escape at a backslash that may hide one.
    fn may_begin(&self, body: &[u8], at: usize) -> bool {
        let rest = body.get(at..).unwrap_or_default();
        match rest {
            [b'\\', b'u', b'0', b'0', b'2'..=b'7', ..] => true,
            [b'"', letter @ 0..=127, ..] if self.initials >> letter & 1 == 1 => self
                .words
                .iter()
                .any(|word| rest.starts_with(word.as_bytes())),
            _ => false,
        }
    }
}

impl MediaWords {
    fn iter(&self) -> impl Iterator<Item = &'static str> {
        let unbounded = self.unbounded.iter().map(|(word, _)| *word);
        let documents = self.documents.iter().copied();
        std::iter::once(self.image)
            .chain(documents)
            .chain(unbounded)
    }
}

/// The bit of the letter that a quoted word begins with.
const fn initial(word: &str) -> u128 {
    let bit = match word.as_bytes() {
        [b'"', letter @ 0..=127, ..] => 1 << *letter,
        _ => 0,
    };
    // The quote is what it is found by. Known when the program is built.
    assert!(bit != 0, "a word begins with a quote and a letter of ASCII");
    bit
}

impl Finders {
    fn new(words: &MediaWords) -> Self {
        let unbounded = words.unbounded.iter();
        Self {
            escaped: Finder::new("\\u00"),
            image: Finder::new(words.image),
            documents: words.documents.iter().map(Finder::new).collect(),
            unbounded: unbounded
                .map(|(word, what)| (Finder::new(word), *what))
                .collect(),
        }
    }

    fn count(&self, body: &[u8], each: u64) -> Media {
        let times = |word: &Finder<'_>| (word.find_iter(body).count() as u64).div_ceil(each);
        let mut unbounded = self.unbounded.iter();
        Media {
            images: times(&self.image),
            documents: self.documents.iter().map(times).sum(),
            unbounded: unbounded
                .find(|(word, _)| word.find(body).is_some())
                .map(|(_, what)| *what),
        }
    }
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

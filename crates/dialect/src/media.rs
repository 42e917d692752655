//! What of a request is not text, counted without reading it: for bounds on what it can cost.
//!
//! Words are sought in the bytes as they stand, so text that quotes them counts too. It may count
//! too much, never too little for a request that its own provider would understand as written.

use memchr::memmem;

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

/// Counts them.
pub(crate) fn count(body: &[u8], words: &MediaWords) -> Media {
    let times = |word: &str| {
        let found = memmem::find_iter(body, word).count() as u64;
        found.div_ceil(words.each.max(1))
    };
    let stands = |word: &str| memmem::find(body, word.as_bytes()).is_some();
    Media {
        images: times(words.image),
        documents: words.documents.iter().map(|word| times(word)).sum(),
        unbounded: words
            .unbounded
            .iter()
            .find(|(word, _)| stands(word))
            .map(|(_, what)| *what),
    }
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
}

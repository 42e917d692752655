//! The API's words for the formats of media, and media types.
//!
//! Several words may stand for one media type; the first of them is written,
//! unless the other one was read.

use crate::chat::{Extra, Media, MediaSource};

/// Words and media types of one kind of block.
type Table = &'static [(&'static str, &'static str)];

const IMAGES: Table = &[
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

const DOCUMENTS: Table = &[
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

const VIDEOS: Table = &[
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("flv", "video/x-flv"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("wmv", "video/x-ms-wmv"),
    ("three_gp", "video/3gpp"),
];

const AUDIOS: Table = &[
    ("mp3", "audio/mpeg"),
    ("opus", "audio/opus"),
    ("wav", "audio/wav"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("mp4", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("mkv", "audio/x-matroska"),
    ("mka", "audio/x-matroska"),
    ("x-aac", "audio/x-aac"),
    ("m4a", "audio/x-m4a"),
    ("mpeg", "audio/mpeg"),
    ("mpga", "audio/mpeg"),
    ("pcm", "audio/pcm"),
    ("webm", "audio/webm"),
];

fn table(kind: &str) -> Table {
    match kind {
        "image" => IMAGES,
        "document" => DOCUMENTS,
        "video" => VIDEOS,
        _ => AUDIOS,
    }
}

fn first(kind: &str, media_type: &str) -> Option<&'static str> {
    let row = table(kind).iter().find(|(_, known)| *known == media_type);
    row.map(|(word, _)| *word)
}

/// The media type that a word stands for; a second word for one is noted.
pub(crate) fn media_type(kind: &str, word: &str, extra: &mut Extra) -> Option<String> {
    let (known, media_type) = table(kind).iter().find(|(known, _)| *known == word)?;
    if first(kind, media_type) != Some(*known) {
        extra.note(known);
    }
    Some((*media_type).to_owned())
}

/// The word for a medium of our own; none where none was read.
pub(crate) fn own_word(kind: &str, media: &Media, extra: &Extra) -> Option<&'static str> {
    let media_type = media.media_type.as_deref()?;
    let noted = table(kind)
        .iter()
        .find(|(word, known)| *known == media_type && extra.noted(word));
    noted
        .map(|(word, _)| *word)
        .or_else(|| first(kind, media_type))
}

/// The word for a medium of another dialect.
pub(crate) fn word(kind: &str, media: &Media) -> Option<&'static str> {
    let data = match &media.source {
        MediaSource::Base64(data) => data,
        MediaSource::Text(_) | MediaSource::Parts(_) => return Some("txt"),
        MediaSource::Url(_) | MediaSource::File(_) => "",
    };
    let named = media.name.as_deref().and_then(|name| name.rsplit_once('.'));
    let Some(given) = media.media_type.as_deref() else {
        let ending = named.and_then(|(_, ending)| {
            let row = table(kind).iter().find(|(word, _)| *word == ending);
            row.map(|(word, _)| *word)
        });
        return sniff(data)
            .and_then(|media_type| first(kind, media_type))
            .or(ending);
    };
    first(kind, given).or(match (kind, given) {
        ("image", "image/jpg") => Some("jpeg"),
        ("audio", "audio/mp3") => Some("mp3"),
        ("audio", "audio/x-wav" | "audio/wave") => Some("wav"),
        ("document", text) if text.starts_with("text/") => Some("txt"),
        _ => None,
    })
}

/// The media type that the first bytes tell, in base64.
fn sniff(data: &str) -> Option<&'static str> {
    const SIGNS: [(&str, &str); 5] = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0K", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    let sign = SIGNS.iter().find(|(sign, _)| data.starts_with(sign));
    sign.map(|(_, media_type)| *media_type)
}

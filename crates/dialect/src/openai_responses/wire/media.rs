//! Pictures and files on their way out: where their content is, in the words of this dialect.
//!
//! What lies at another provider cannot be sent; it must never be sent as if it could.

use crate::chat::{Media, MediaSource, PartKind};

/// Members of a piece of content and what they say.
pub(crate) type Words = Vec<(&'static str, String)>;

/// The members of a picture.
pub(crate) fn image(media: &Media, ours: bool) -> Result<Words, &'static str> {
    let mut members = match &media.source {
        MediaSource::Url(url) => vec![("image_url", url.clone())],
        MediaSource::Base64(data) => vec![("image_url", data_url(media, data))],
        MediaSource::File(id) if ours => vec![("file_id", id.clone())],
        MediaSource::File(_) => return Err("the file is stored at another provider"),
        MediaSource::Text(_) | MediaSource::Parts(_) => return Err("it is no picture"),
    };
    match &media.detail {
        Some(detail) => members.push(("detail", detail.clone())),
        // The API's own schema wants it said.
        None if !ours => members.push(("detail", "auto".to_owned())),
        None => {}
    }
    Ok(members)
}

/// The members of a file.
pub(crate) fn document(media: &Media, ours: bool) -> Result<Words, &'static str> {
    let mut members = match &media.source {
        MediaSource::Url(url) => vec![("file_url", url.clone())],
        MediaSource::Base64(data) if media.media_type.is_none() => {
            vec![("file_data", data.clone())]
        }
        MediaSource::Base64(data) => vec![("file_data", data_url(media, data))],
        MediaSource::File(id) if ours => vec![("file_id", id.clone())],
        MediaSource::File(_) => return Err("the file is stored at another provider"),
        MediaSource::Text(_) | MediaSource::Parts(_) => return Err("it is no file"),
    };
    let is_data = matches!(media.source, MediaSource::Base64(_));
    let made = match media.media_type.as_deref() {
        Some("application/pdf") => "document.pdf",
        Some(_) | None => "document",
    };
    match &media.name {
        Some(name) => members.push(("filename", name.clone())),
        // The API wants a name beside data.
        None if is_data && !ours => members.push(("filename", made.to_owned())),
        None => {}
    }
    Ok(members)
}

/// The text of a document that is no file; none for any other.
pub(crate) fn plain(media: &Media) -> Option<String> {
    match &media.source {
        MediaSource::Text(text) => Some(text.clone()),
        MediaSource::Parts(parts) => {
            let words = parts.iter().map(|part| {
                if let PartKind::Text(words) = &part.kind {
                    Some(words.as_str())
                } else {
                    None
                }
            });
            Some(words.collect::<Option<Vec<_>>>()?.join("\n"))
        }
        MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::File(_) => None,
    }
}

fn data_url(media: &Media, data: &str) -> String {
    let kind = media.media_type.as_deref().unwrap_or("image/png");
    format!("data:{kind};base64,{data}")
}

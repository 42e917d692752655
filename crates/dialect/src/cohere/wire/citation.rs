//! Sources that an answer cites.
//!
//! A citation names a range of the answer and the documents or results of tools
//! behind it. As a whole it is kept as it was written.

use super::{OWN, own, text};
use crate::chat::Citation;
use crate::json::{Invalid, Kind, Reader, Writer};

/// Reads one citation; says which content block it is about, where it tells.
pub(crate) fn citation(reader: &mut Reader<'_>) -> Result<(Citation, Option<u64>), Invalid> {
    let (mut kind, mut index) = (String::new(), None);
    let (mut url, mut title) = (None, None);
    let value = reader.kept_object(|key, member| match (key, member.peek()?) {
        ("type", Kind::String) => {
            kind = text(member)?;
            Ok(())
        }
        ("content_index", Kind::Number) => {
            index = member.clone().u64().ok();
            member.skip().map(drop)
        }
        ("sources", Kind::Array) => member.array(|_, source| {
            if url.is_none() && title.is_none() && source.peek()? == Kind::Object {
                return about(source, &mut url, &mut title);
            }
            source.skip().map(drop)
        }),
        _ => member.skip().map(drop),
    })?;
    let citation = Citation {
        url,
        title,
        // `text` is the answer's own words here, not those of the source.
        text: None,
        raw: own(&kind, value),
    };
    Ok((citation, index))
}

/// Reads the address and title of a source's document.
fn about(
    reader: &mut Reader<'_>,
    url: &mut Option<String>,
    title: &mut Option<String>,
) -> Result<(), Invalid> {
    reader.object(|key, member| {
        if key != "document" || member.peek()? != Kind::Object {
            return member.skip().map(drop);
        }
        member.object(|key, member| {
            match (key, member.peek()?) {
                ("url", Kind::String) => *url = Some(text(member)?),
                ("title", Kind::String) => *title = Some(text(member)?),
                _ => {
                    member.skip()?;
                }
            }
            Ok(())
        })
    })
}

/// Whether another dialect's citation has what a source needs here.
pub(crate) fn is_citable(citation: &Citation) -> bool {
    citation.raw.origin == OWN || citation.url.is_some() || citation.title.is_some()
}

/// Writes a citation of the content block with that index.
pub(crate) fn write_citation(out: &mut Writer, citation: &Citation, index: u64) {
    if citation.raw.origin == OWN {
        out.json(&citation.raw.value);
        return;
    }
    let told = [
        ("url", &citation.url),
        ("title", &citation.title),
        ("text", &citation.text),
    ];
    let id = citation.url.as_ref().or(citation.title.as_ref());
    out.object(|out| {
        out.key("sources").array(|out| {
            out.object(|out| {
                out.key("type").string("document");
                out.key("id").string(id.map_or("", String::as_str));
                out.key("document").object(|out| {
                    for (name, value) in told {
                        if let Some(value) = value {
                            out.key(name).string(value);
                        }
                    }
                });
            });
        });
        out.key("type").string("TEXT_CONTENT");
        out.key("content_index").number(index);
    });
}

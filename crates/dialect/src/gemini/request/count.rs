//! Requests that are counted, not answered.
//!
//! - the Gemini API takes contents alone, or a whole request under `generateContentRequest`, which
//!   names its model: [countTokens](https://ai.google.dev/api/tokens)
//! - Vertex takes some of a request's own members:
//!   [countTokens](https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens)

use bytes::Bytes;

use super::resource;
use crate::codec::Broken;
use crate::count::{Count, Counted, TokenCounter, told};
use crate::gemini::Gemini;
use crate::gemini::wire::{chat_path, names};
use crate::json::{Invalid, Kind, Reader, Writer};

/// What Vertex counts.
const FLAT: [&str; 4] = ["contents", "systemInstruction", "tools", "generationConfig"];

impl TokenCounter for Gemini {
    fn chat(&self, body: &Bytes) -> Result<Option<Bytes>, Invalid> {
        let mut whole = None;
        let mut reader = Reader::new(body)?.with_unique_keys();
        reader.object(|name, member| {
            let is_whole = matches!(name, "generateContentRequest" | "generate_content_request");
            if is_whole && member.peek()? == Kind::Object {
                whole = Some(member.skip()?);
                return Ok(());
            }
            member.skip().map(drop)
        })?;
        reader.end()?;
        Ok(Some(
            whole.map_or_else(|| body.clone(), |span| body.slice(span)),
        ))
    }

    fn path(&self, model: &str) -> String {
        let chat = chat_path(model, false);
        let model = chat.strip_suffix(":generateContent").unwrap_or(&chat);
        format!("{model}:countTokens")
    }

    fn request(&self, chat: &[u8], target: &Counted<'_>) -> Result<Vec<u8>, Invalid> {
        let (mut own, mut is_plain) = (Vec::new(), true);
        let mut reader = Reader::new(chat)?.with_unique_keys();
        reader.object(|name, member| {
            let name = names::plain(name).to_owned();
            let raw = member.raw()?;
            if name != "model" {
                is_plain &= name == "contents";
                own.push((name, raw));
            }
            Ok(())
        })?;
        reader.end()?;
        // Where roots name a publisher it is Vertex that serves them.
        let is_vertex = target.root.contains("/publishers/");
        let mut out = Writer::with_capacity(chat.len() + 64);
        out.object(|out| {
            if is_vertex || is_plain {
                let counted = own.iter().filter(|(name, _)| FLAT.contains(&&**name));
                write(counted, out);
            } else {
                out.key("generateContentRequest").object(|out| {
                    out.key("model").string(&resource(target.model));
                    write(own.iter(), out);
                });
            }
        });
        Ok(out.into_bytes())
    }

    fn tokens(&self, body: &[u8]) -> Result<u64, Broken> {
        told(body, "totalTokens")
    }

    fn answer(&self, count: Count) -> Vec<u8> {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("totalTokens").number(count.tokens);
            count.tell(out);
        });
        out.into_bytes()
    }
}

fn write<'a>(members: impl Iterator<Item = &'a (String, &'a str)>, out: &mut Writer) {
    for (name, raw) in members {
        out.key(name).raw(raw);
    }
}

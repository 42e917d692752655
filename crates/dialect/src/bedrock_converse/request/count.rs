//! Requests that are counted, not answered:
//! [CountTokens](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html).
//!
//! The body holds either a conversation or, under `invokeModel`, a body in the model's own words, which
//! is no matter of this dialect.

use bytes::Bytes;

use crate::bedrock_converse::BedrockConverse;
use crate::codec::{Broken, percent_encoded};
use crate::count::{Count, Counted, TokenCounter, told};
use crate::json::{Invalid, Reader, Writer};

/// What of a conversation is counted.
const COUNTED: [&str; 4] = [
    "messages",
    "system",
    "toolConfig",
    "additionalModelRequestFields",
];

impl TokenCounter for BedrockConverse {
    fn chat(&self, body: &Bytes) -> Result<Option<Bytes>, Invalid> {
        let mut found = None;
        let mut reader = Reader::new(body)?.with_unique_keys();
        reader.object(|name, member| {
            if name != "input" {
                return member.skip().map(drop);
            }
            member.object(|kind, member| {
                let span = member.skip()?;
                match kind {
                    "converse" => found = Some(Some(body.slice(span))),
                    "invokeModel" => found = Some(None),
                    _ => {}
                }
                Ok(())
            })
        })?;
        reader.end()?;
        found.ok_or_else(|| Invalid::new("`converse` or `invokeModel` is needed").under("input"))
    }

    fn path(&self, model: &str) -> String {
        format!("/model/{}/count-tokens", percent_encoded(model))
    }

    fn request(&self, chat: &[u8], _: &Counted<'_>) -> Result<Vec<u8>, Invalid> {
        let mut reader = Reader::new(chat)?.with_unique_keys();
        let mut counted = Vec::new();
        let mut is_wrapped = false;
        reader.object(|name, member| {
            let raw = member.raw()?;
            is_wrapped |= name == "input";
            counted.extend(
                COUNTED
                    .iter()
                    .find(|known| **known == name)
                    .map(|name| (*name, raw)),
            );
            Ok(())
        })?;
        reader.end()?;
        if is_wrapped {
            return Ok(chat.to_vec());
        }
        let mut out = Writer::with_capacity(chat.len() + 32);
        out.object(|out| {
            out.key("input").object(|out| {
                out.key("converse").object(|out| {
                    for (name, raw) in counted {
                        out.key(name).raw(raw);
                    }
                });
            });
        });
        Ok(out.into_bytes())
    }

    fn tokens(&self, body: &[u8]) -> Result<u64, Broken> {
        told(body, "inputTokens")
    }

    fn answer(&self, count: Count) -> Vec<u8> {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("inputTokens").number(count.tokens);
            count.tell(out);
        });
        out.into_bytes()
    }
}

//! Requests that are counted, not answered:
//! [count tokens](https://docs.claude.com/en/api/messages-count-tokens).

use bytes::Bytes;

use crate::anthropic::Anthropic;
use crate::codec::Broken;
use crate::count::{Count, Counted, TokenCounter, members, told};
use crate::json::{Invalid, Reader, Writer};
use crate::patch::Patch;

/// Members of a chat request that are refused in one that is counted.
const ANSWERED: [&str; 10] = [
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "inference_geo",
    "container",
];

impl TokenCounter for Anthropic {
    /// The same body with the limit of output that a chat request must have.
    fn chat(&self, body: &Bytes) -> Result<Option<Bytes>, Invalid> {
        let mut reader = Reader::new(body)?;
        let start = reader.offset() + 1;
        let (mut is_limited, mut is_empty) = (false, true);
        reader.object(|name, member| {
            is_limited |= name == "max_tokens";
            is_empty = false;
            member.skip().map(drop)
        })?;
        reader.end()?;
        if is_limited || is_empty {
            return Ok(Some(body.clone()));
        }
        let mut patch = Patch::default();
        patch.replace(start..start, r#""max_tokens":1,"#);
        Ok(Some(patch.apply(body)))
    }

    fn path(&self, _: &str) -> String {
        "/messages/count_tokens".to_owned()
    }

    fn request(&self, chat: &[u8], target: &Counted<'_>) -> Result<Vec<u8>, Invalid> {
        let mut out = Writer::with_capacity(chat.len());
        let mut read = Ok(());
        out.object(|out| {
            out.key("model").string(target.model);
            let except = [&ANSWERED[..], &["model"]].concat();
            read = members(chat, &except, out);
        });
        read.map(|()| out.into_bytes())
    }

    fn tokens(&self, body: &[u8]) -> Result<u64, Broken> {
        told(body, "input_tokens")
    }

    fn answer(&self, count: Count) -> Vec<u8> {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("input_tokens").number(count.tokens);
            count.tell(out);
        });
        out.into_bytes()
    }
}

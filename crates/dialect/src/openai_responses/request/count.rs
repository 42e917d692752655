//! Requests that are counted, not answered:
//! [input tokens](https://platform.openai.com/docs/api-reference/responses/input-tokens).

use bytes::Bytes;

use crate::codec::Broken;
use crate::count::{Count, Counted, TokenCounter, members, told};
use crate::json::{Invalid, Writer};
use crate::openai_responses::OpenaiResponses;

/// Members of a chat request that are refused in one that is counted.
const ANSWERED: [&str; 18] = [
    "background",
    "include",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_logprobs",
    "top_p",
    "user",
];

impl TokenCounter for OpenaiResponses {
    fn chat(&self, body: &Bytes) -> Result<Option<Bytes>, Invalid> {
        Ok(Some(body.clone()))
    }

    fn path(&self, _: &str) -> String {
        "/responses/input_tokens".to_owned()
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
            out.key("object").string("response.input_tokens");
            out.key("input_tokens").number(count.tokens);
            count.tell(out);
        });
        out.into_bytes()
    }
}

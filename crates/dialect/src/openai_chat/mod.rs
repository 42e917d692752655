//! OpenAI's chat completions, as OpenAI and the many who followed speak them.
//!
//! - `wire`: the words, content parts, tool calls, sources cited
//! - `request`: the head and the edits to it, requests in and out of the hub
//! - `response`: what a message holds, its reasoning, whole answers, usage, models
//! - `stream`: chunks into events and events into chunks
//! - `failure`: errors, ours and those of any provider
//!
//! Requests and answers: <https://platform.openai.com/docs/api-reference/chat>.
//! Streams: <https://platform.openai.com/docs/api-reference/chat-streaming>. What
//! others add is read where recordings show it: reasoning and its details
//! (DeepSeek, OpenRouter), `thinking` parts (Mistral), filter results (Azure). It
//! must never read a half-told answer as a whole one.

mod failure;
mod request;
mod response;
mod stream;
mod wire;

use std::borrow::Cow;

pub(crate) use failure::decode as failure_at;
pub(crate) use request::head_stream_options;
pub(crate) use response::usage::usage as usage_at;

use crate::chat::{Place, Request, Response, Words};
use crate::codec::{
    Broken, ClientCodec, Edits, EncoderOptions, EventDecoder, EventEncoder, LimitHeaders,
    ModelEntry, Resets, ServerCodec, TargetModel, Transport, Weighed,
};
use crate::failure::{ClientFailure, ProviderError};
use crate::head::Head;
use crate::json::Invalid;
use crate::loss::Losses;
use crate::media::Media;
use crate::patch::Patch;

/// The codec of this dialect, in both roles.
#[derive(Clone, Copy, Debug)]
pub struct OpenaiChat;

impl ServerCodec for OpenaiChat {
    fn head(&self, body: &[u8]) -> Result<Head, Invalid> {
        request::head(body)
    }

    fn media(&self, body: &[u8]) -> Media {
        request::media(body)
    }

    fn patch(&self, head: &Head, edits: &Edits<'_>) -> Patch {
        request::patch(head, edits)
    }

    fn decode_request(&self, body: &[u8]) -> Result<Request, Invalid> {
        request::decode(body)
    }

    fn words(&self, request: &Request) -> &'static Words {
        request::words(request)
    }

    fn places(&self, request: &Request) -> Vec<Place> {
        request::places(request)
    }

    fn shared_fields(&self) -> &'static [&'static str] {
        &request::SHARED
    }

    fn encode_response(&self, response: &Response, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn encoder(&self, options: EncoderOptions) -> Box<dyn EventEncoder> {
        Box::new(stream::Encoder::new(options))
    }

    fn encode_failure(&self, failure: &ClientFailure) -> Vec<u8> {
        failure::encode(failure)
    }

    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8> {
        response::encode_models(models)
    }

    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8> {
        response::encode_model(model)
    }
}

impl ClientCodec for OpenaiChat {
    fn encode_request(
        &self,
        request: &Request,
        target: &TargetModel<'_>,
        losses: &mut Losses,
    ) -> Vec<u8> {
        request::encode(request, target, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<Response, Broken> {
        response::decode(body)
    }

    fn weigh_response<'a>(&self, body: &'a [u8]) -> Result<Weighed<'a>, Broken> {
        response::weigh(body)
    }

    fn decoder(&self, candidates: u64) -> Box<dyn EventDecoder> {
        Box::new(stream::Decoder::new(candidates))
    }

    fn decode_failure(&self, body: &[u8]) -> ProviderError {
        failure::decode(body)
    }

    fn chat_path(&self, _: &str, _: bool) -> Cow<'static, str> {
        "/chat/completions".into()
    }

    fn transport(&self) -> &'static Transport {
        &Transport {
            headers: &[],
            forwarded: &["openai-beta"],
            request_id: "x-request-id",
            limits: LimitHeaders {
                requests: [
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                ],
                tokens: [
                    "x-ratelimit-limit-tokens",
                    "x-ratelimit-remaining-tokens",
                    "x-ratelimit-reset-tokens",
                ],
                resets: Resets::In,
            },
        }
    }
}

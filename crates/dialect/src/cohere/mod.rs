//! The second version of Cohere's chat.
//!
//! - requests, whole answers: [chat](https://docs.cohere.com/reference/chat)
//! - streams: [chat with streaming](https://docs.cohere.com/reference/chat-stream)
//! - the plan before calls of tools: [tool use](https://docs.cohere.com/docs/tool-use-overview)
//! - errors: [errors](https://docs.cohere.com/reference/errors)
//!
//! This file only hands each role to its file; it must hold no rule of the API.

mod failure;
mod request;
mod response;
mod stream;
mod wire;

use std::borrow::Cow;

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
pub struct Cohere;

impl ServerCodec for Cohere {
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

    fn words(&self, _: &Request) -> &'static Words {
        &request::WORDS
    }

    fn places(&self, request: &Request) -> Vec<Place> {
        request::places(request)
    }

    fn encode_response(&self, response: &Response, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn encoder(&self, _: EncoderOptions) -> Box<dyn EventEncoder> {
        Box::new(stream::Encoder::default())
    }

    /// The event is a `message-end`, told apart by its `finish_reason` alone.
    fn failure_may_pass_as_end(&self) -> bool {
        true
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

impl ClientCodec for Cohere {
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

    fn decoder(&self, _: u64) -> Box<dyn EventDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn decode_failure(&self, body: &[u8]) -> ProviderError {
        failure::decode(body)
    }

    fn takes_foreign_tiers(&self) -> bool {
        false
    }

    fn takes_plain_reasoning(&self) -> bool {
        true
    }

    fn chat_path(&self, _: &str, _: bool) -> Cow<'static, str> {
        "/chat".into()
    }

    fn transport(&self) -> &'static Transport {
        &Transport {
            headers: &[],
            forwarded: &["x-client-name"],
            request_id: "x-debug-trace-id",
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

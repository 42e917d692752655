//! The messages API of Anthropic.
//!
//! - requests, whole answers: [messages](https://docs.claude.com/en/api/messages)
//! - streams: [streaming](https://docs.claude.com/en/docs/build-with-claude/streaming)
//! - why an answer ended: [stop reasons](https://docs.claude.com/en/api/handling-stop-reasons)
//! - what reasoning forbids beside it:
//!   [thinking](https://docs.claude.com/en/docs/build-with-claude/extended-thinking)
//! - errors: [errors](https://docs.claude.com/en/api/errors)
//!
//! This file only hands each role to its file; it must hold no rule of the API.

mod failure;
mod request;
mod response;
mod stream;
mod wire;

use std::borrow::Cow;

use crate::chat::{Place, Request, Response, Words, places_in_blocks};
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
pub struct Anthropic;

impl ServerCodec for Anthropic {
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

    fn words(&self) -> &'static Words {
        &request::WORDS
    }

    fn places(&self, request: &Request) -> Vec<Place> {
        places_in_blocks(request)
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

impl ClientCodec for Anthropic {
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
        "/messages".into()
    }

    fn transport(&self) -> &'static Transport {
        &Transport {
            headers: &[("anthropic-version", "2023-06-01")],
            forwarded: &["anthropic-version", "anthropic-beta"],
            request_id: "request-id",
            limits: LimitHeaders {
                requests: [
                    "anthropic-ratelimit-requests-limit",
                    "anthropic-ratelimit-requests-remaining",
                    "anthropic-ratelimit-requests-reset",
                ],
                tokens: [
                    "anthropic-ratelimit-tokens-limit",
                    "anthropic-ratelimit-tokens-remaining",
                    "anthropic-ratelimit-tokens-reset",
                ],
                resets: Resets::At,
            },
        }
    }
}

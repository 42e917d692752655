//! Google's generateContent, as the Gemini API and Vertex speak it.
//!
//! - requests, whole answers, streams:
//!   [generateContent](https://ai.google.dev/api/generate-content)
//! - parts and tools: [caching](https://ai.google.dev/api/caching)
//! - what signs the steps of a reasoning model:
//!   [thought signatures](https://ai.google.dev/gemini-api/docs/thought-signatures)
//! - member names in either case: [ProtoJSON](https://protobuf.dev/programming-guides/json/)
//! - errors: [the error model](https://cloud.google.com/apis/design/errors)
//!
//! The path names the model and the form of the answer; the body names neither. This
//! file only hands each role to its file; it must hold no rule of the API.

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
pub struct Gemini;

impl ServerCodec for Gemini {
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

    fn tool_place(&self, request: &Request, at: usize) -> String {
        request::tool_place(request, at)
    }

    fn places(&self, request: &Request) -> Vec<Place> {
        request::places(request)
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

impl ClientCodec for Gemini {
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

    fn chat_path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        wire::chat_path(model, stream).into()
    }

    fn transport(&self) -> &'static Transport {
        &Transport {
            headers: &[],
            forwarded: &[],
            request_id: "x-goog-request-id",
            // Google tells nothing of limits in headers; to clients the usual names are told.
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

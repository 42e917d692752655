//! Converse of Amazon Bedrock, whole and streamed.
//!
//! - requests, whole answers:
//!   [Converse](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)
//! - streams:
//!   [ConverseStream](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html),
//!   framed as AWS's event stream
//!
//! Model and form of the answer stand in the path, not in the body.
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
    ModelEntry, Resets, ServerCodec, TargetModel, Transport, Weighed, percent_encoded,
};
use crate::failure::{ClientFailure, ProviderError};
use crate::frame::Framing;
use crate::head::Head;
use crate::json::Invalid;
use crate::loss::Losses;
use crate::media::Media;
use crate::patch::Patch;

/// The codec of this dialect, in both roles.
#[derive(Clone, Copy, Debug)]
pub struct BedrockConverse;

impl ServerCodec for BedrockConverse {
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

    fn stream_framing(&self) -> Framing {
        Framing::EventStream
    }

    fn encode_failure(&self, failure: &ClientFailure) -> Vec<u8> {
        failure::encode(failure)
    }

    fn failure_headers(&self, failure: &ClientFailure) -> Vec<(&'static str, &'static str)> {
        failure::headers(failure)
    }

    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8> {
        response::encode_models(models)
    }

    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8> {
        response::encode_model(model)
    }
}

impl ClientCodec for BedrockConverse {
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

    fn framing(&self) -> Framing {
        Framing::EventStream
    }

    fn decode_failure(&self, body: &[u8]) -> ProviderError {
        failure::decode(body)
    }

    fn chat_path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        let form = if stream {
            "converse-stream"
        } else {
            "converse"
        };
        format!("/model/{}/{form}", percent_encoded(model)).into()
    }

    fn transport(&self) -> &'static Transport {
        &Transport {
            headers: &[],
            forwarded: &[],
            request_id: "x-amzn-requestid",
            // The service itself tells nothing of what is left; these are the usual names.
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

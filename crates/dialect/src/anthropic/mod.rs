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

use bytes::Bytes;

pub(crate) use request::{BETAS_HEADER, VERSION_HEADER, redress};
pub use request::{Dress, HeadersSaid, Wanted};
pub(crate) use stream::reframe;

use crate::chat::{Place, Request, Response, Words, places_in_blocks};
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

    fn words(&self, request: &Request) -> &'static Words {
        request::words(request)
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

    fn takes_foreign_tiers(&self) -> bool {
        false
    }

    fn chat_path(&self, _: &str, _: bool) -> Cow<'static, str> {
        "/messages".into()
    }

    fn transport(&self) -> &'static Transport {
        &Transport {
            headers: &[("anthropic-version", "2023-06-01")],
            forwarded: &["anthropic-version", "anthropic-beta"],
            request_id: "request-id",
            limits: LIMITS,
        }
    }
}

/// The codec of this dialect as a cloud serves it. What it does not change it leaves to
/// [`Anthropic`].
#[derive(Clone, Copy, Debug)]
pub struct Dressed(pub Dress);

impl Dressed {
    fn framing_of_streams(self) -> Framing {
        match self.0 {
            Dress::Plain | Dress::Vertex => Framing::Sse,
            Dress::Bedrock => Framing::EventStream,
        }
    }
}

impl ServerCodec for Dressed {
    fn head(&self, body: &[u8]) -> Result<Head, Invalid> {
        request::head(body)
    }

    fn media(&self, body: &[u8]) -> Media {
        request::media(body)
    }

    /// For a target in the same dress, whose path names the model; [`Dress::fit`] is for others.
    fn patch(&self, head: &Head, edits: &Edits<'_>) -> Patch {
        if self.0 == Dress::Plain {
            return request::patch(head, edits);
        }
        let named = Head {
            model: edits.model.to_owned(),
            model_elsewhere: false,
            model_span: Some(0..0),
            ..head.clone()
        };
        request::patch(&named, edits)
    }

    fn decode_request(&self, body: &[u8]) -> Result<Request, Invalid> {
        let mut request = request::decode(body)?;
        if self.0 != Dress::Plain {
            request::undress(&mut request.extra);
        }
        Ok(request)
    }

    fn words(&self, request: &Request) -> &'static Words {
        request::words(request)
    }

    fn places(&self, request: &Request) -> Vec<Place> {
        places_in_blocks(request)
    }

    fn encode_response(&self, response: &Response, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn encoder(&self, options: EncoderOptions) -> Box<dyn EventEncoder> {
        match self.0 {
            Dress::Plain | Dress::Vertex => Box::new(stream::Encoder::new(options)),
            Dress::Bedrock => Box::new(stream::Packer::new(options)),
        }
    }

    fn stream_framing(&self) -> Framing {
        self.framing_of_streams()
    }

    fn encode_failure(&self, failure: &ClientFailure) -> Vec<u8> {
        match self.0 {
            Dress::Plain | Dress::Vertex => failure::encode(failure),
            Dress::Bedrock => failure::encode_exception(failure),
        }
    }

    fn failure_headers(&self, failure: &ClientFailure) -> Vec<(&'static str, &'static str)> {
        match self.0 {
            Dress::Plain | Dress::Vertex => Vec::new(),
            Dress::Bedrock => failure::exception_headers(failure),
        }
    }

    fn encode_models(&self, models: &[ModelEntry<'_>]) -> Vec<u8> {
        response::encode_models(models)
    }

    fn encode_model(&self, model: &ModelEntry<'_>) -> Vec<u8> {
        response::encode_model(model)
    }
}

impl ClientCodec for Dressed {
    fn encode_request(
        &self,
        request: &Request,
        target: &TargetModel<'_>,
        losses: &mut Losses,
    ) -> Vec<u8> {
        let body = Bytes::from(request::encode(request, target, losses));
        let wanted = Wanted {
            model: target.model,
            stream: request.stream,
            max_output_tokens: None,
            betas: &[],
            version: None,
        };
        // What was just written is an object with each member once.
        match self.0.fit(&body, &wanted) {
            Ok(patch) => patch.apply(&body).to_vec(),
            Err(_) => body.to_vec(),
        }
    }

    fn decode_response(&self, body: &[u8]) -> Result<Response, Broken> {
        response::decode(body)
    }

    fn weigh_response<'a>(&self, body: &'a [u8]) -> Result<Weighed<'a>, Broken> {
        response::weigh(body)
    }

    fn decoder(&self, candidates: u64) -> Box<dyn EventDecoder> {
        match self.0 {
            Dress::Plain | Dress::Vertex => Box::new(stream::Decoder::new(candidates)),
            Dress::Bedrock => Box::new(stream::Unpacker::new(candidates)),
        }
    }

    fn framing(&self) -> Framing {
        self.framing_of_streams()
    }

    fn decode_failure(&self, body: &[u8]) -> ProviderError {
        failure::decode(body)
    }

    fn chat_path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        let model = percent_encoded(model);
        match (self.0, stream) {
            (Dress::Plain, _) => "/messages".into(),
            (Dress::Bedrock, false) => format!("/model/{model}/invoke").into(),
            (Dress::Bedrock, true) => format!("/model/{model}/invoke-with-response-stream").into(),
            (Dress::Vertex, stream) => {
                let verb = if stream {
                    "streamRawPredict"
                } else {
                    "rawPredict"
                };
                format!("/publishers/anthropic/models/{model}:{verb}").into()
            }
        }
    }

    fn transport(&self) -> &'static Transport {
        match self.0 {
            Dress::Plain => Anthropic.transport(),
            Dress::Bedrock => &Transport {
                headers: &[],
                forwarded: &[],
                request_id: "x-amzn-requestid",
                limits: LIMITS,
            },
            Dress::Vertex => &Transport {
                headers: &[],
                forwarded: &[BETAS_HEADER],
                request_id: "request-id",
                limits: LIMITS,
            },
        }
    }
}

const LIMITS: LimitHeaders = LimitHeaders {
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
};

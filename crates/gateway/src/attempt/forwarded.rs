//! The answer to a task beside chat: read whole and weighed, or handed on as it comes.
//!
//! Events go through the pump, as those of a chat in its own dialect do. Sound has no event that proves
//! its end: its framing does, and where that breaks the client's breaks too.

use dialect::chat::Usage;
use dialect::codec::EventDecoder;
use dialect::frame::Framing;
use dialect::task::vectors::VectorAnswer;
use dialect::task::{Content as Answered, Task, TaskCodec, Work};
use http::{Response, header};
use http_body_util::BodyExt;
use policy::failure::AttemptFailure;

use super::One;
use crate::answer::{Collected, Content, Failed, collect, refused, without_room};
use crate::exchange::Exchange;
use crate::intake::media_type;
use crate::outgoing::{Crossing, Encoded};
use crate::pump::Gear;
use crate::upstream::UpstreamBody;

/// Largest whole answer that is held until it is known to be whole, in bytes: ten images of the largest
/// size that is sold.
const FORWARDED_MAX: usize = 64 * 1024 * 1024;

const EVENTS: &str = "text/event-stream";

impl One<'_> {
    /// Reads an answer in the client's own words.
    pub(super) async fn forwarded(
        &self,
        work: &Work,
        response: Response<UpstreamBody>,
        (encoded, exchange): (&Encoded, &mut Exchange),
    ) -> Result<Content, Failed> {
        let Some(codec) = self.target.provider.dialect.tasks() else {
            let why = "the target does not do what was asked for";
            return Err(Failed::new(AttemptFailure::NotSent, why));
        };
        let kind = media_type(response.headers()).to_owned();
        let candidates = self.outgoing.planned().screened.admitted.head.candidates;
        let events = kind
            .starts_with(EVENTS)
            .then(|| codec.decoder(work, candidates));
        if let Some(decoder) = events.flatten() {
            return self.events(decoder, response, exchange).await;
        }
        // Some models do not stream whatever is asked; a prompt carried on always can be.
        let must_stream = work.task == Task::Complete && work.events;
        let is_sound = work.task == Task::Speech;
        let is_text = ["text/", "application/json"]
            .iter()
            .any(|text| kind.starts_with(text));
        if must_stream || kind.starts_with("text/html") || (is_sound && is_text) {
            let why = format!("`{}` came, which was not asked for", essence(&kind));
            return Err(self.unexpected(why, response).await);
        }
        if let Some(crossing) = &encoded.crossing {
            return self.crossed(codec, crossing, response, exchange).await;
        }
        exchange.content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        if is_sound {
            self.as_it_comes(response.into_body()).await
        } else {
            self.weighed((codec, work), &kind, response.into_body(), exchange)
                .await
        }
    }

    async fn events(
        &self,
        decoder: Box<dyn EventDecoder>,
        response: Response<UpstreamBody>,
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let admitted = &self.outgoing.planned().screened.admitted;
        let gear = Gear::First {
            dialect: admitted.call.speech.dialect,
            withhold_usage: !(admitted.head.stream_usage || admitted.call.options.details),
            reframed: false,
        };
        let how = (Framing::Sse, gear);
        self.pumped(response.into_body(), decoder, how, exchange)
            .await
    }

    async fn unexpected(&self, why: String, response: Response<UpstreamBody>) -> Failed {
        let shared = &self.gateway.shared;
        let with = (&shared.memory, shared.now_ms());
        let failed = Box::pin(refused(response, self.target, with)).await;
        Failed {
            kind: AttemptFailure::MidStream,
            why,
            ..failed
        }
    }

    /// Waits for the first bytes, so that a failure before them is still unseen.
    async fn as_it_comes(&self, mut body: UpstreamBody) -> Result<Content, Failed> {
        let room = self.gateway.shared.memory.try_reserve(0);
        let mut room = room.ok_or_else(without_room)?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Failed::new(AttemptFailure::MidStream, e.to_string()))?;
            match frame.into_data() {
                Ok(data) if !data.is_empty() => {
                    if !room.grow(data.len()) {
                        return Err(without_room());
                    }
                    return Ok(Content::Long(data, room, Box::new(body)));
                }
                Ok(_) | Err(_) => {}
            }
        }
        let why = "the provider's answer is empty";
        Err(Failed::new(AttemptFailure::MidStream, why))
    }

    async fn weighed(
        &self,
        (codec, work): (&dyn TaskCodec, &Work),
        media_type: &str,
        body: UpstreamBody,
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let memory = &self.gateway.shared.memory;
        let (bytes, room) = match collect(body, FORWARDED_MAX, memory).await? {
            Collected::Whole(bytes, room) => (bytes, room),
            Collected::Long(first, room, rest) => return Ok(Content::Long(first, room, rest)),
        };
        let answer = Answered {
            bytes: &bytes,
            media_type,
        };
        let weighed = codec.weigh(work, answer)?;
        exchange.served_by(&weighed.model, weighed.service_tier.as_deref());
        exchange.used.is_final = weighed.usage.is_some();
        exchange.used.usage = weighed.usage;
        Ok(Content::Whole(bytes, room))
    }

    /// Vectors of another maker, in the client's words.
    async fn crossed(
        &self,
        codec: &dyn TaskCodec,
        crossing: &Crossing,
        response: Response<UpstreamBody>,
        exchange: &mut Exchange,
    ) -> Result<Content, Failed> {
        let work = Work {
            task: crossing.task,
            inputs: crossing.request.inputs.len() as u64,
            ..Work::default()
        };
        let body = response.into_body();
        let content = self.weighed((codec, &work), "", body, exchange).await?;
        let client = exchange
            .dialect
            .dialect()
            .tasks()
            .and_then(TaskCodec::vectors);
        let (Content::Whole(bytes, mut room), Some(from), Some(to)) =
            (content, codec.vectors(), client)
        else {
            let why = "the answer is longer than can be translated";
            return Err(Failed::new(AttemptFailure::MidStream, why));
        };
        let usage = exchange.used.usage.as_ref();
        let answer = VectorAnswer {
            vectors: from.decode_answer(&bytes)?,
            model: exchange
                .served_model
                .as_deref()
                .unwrap_or(&self.target.model)
                .to_owned(),
            input_tokens: usage.map_or(0, Usage::total_input),
            id: exchange.id.to_string(),
        };
        if answer.vectors.len() as u64 != work.inputs {
            let why = "the answer has not one vector for each text";
            return Err(Failed::new(AttemptFailure::MidStream, why));
        }
        let written = to.encode_answer(&answer, &crossing.request);
        if !room.grow(written.len().saturating_sub(room.held())) {
            return Err(without_room());
        }
        Ok(Content::Whole(written.into(), room))
    }
}

/// The type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default()
}

//! Answers in another dialect than their provider's, and what of them may be lost.
//!
//! An answer is held to the model's fidelity as its request was. A loss that is not allowed is no
//! matter of chance: asking again would be billed again and lose the same, so nothing else is tried.
//! A call whose arguments are no JSON is no loss but a broken answer.

use std::sync::LazyLock;

use dialect::Spoken;
use dialect::chat::{FinishReason, PartKind, Response, StreamEvent, ToolCall, ToolCallKind};
use dialect::codec::{Broken, EncoderOptions, EventDecoder, EventEncoder};
use dialect::json::Json;
use dialect::loss::{Fidelity, Loss, LossKind, Losses};
use memchr::memmem::Finder;
use policy::failure::Failure;

use crate::exchange::Exchange;
use crate::pump::Break;
use crate::reasoning::Keeper;
use crate::refuse;

/// Whether a body should be looked at for calls: most have none, and need not be read.
#[must_use]
pub(crate) fn may_hold_calls(body: &[u8]) -> bool {
    static ARGUMENTS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"arguments\""));
    ARGUMENTS.find(body).is_some()
}

/// Checks that the calls of a whole answer are whole, as its stream would have been checked. Only an
/// answer that says that it was cut short may hold half of a call.
///
/// # Errors
/// [`Broken`] where arguments are no JSON.
pub(crate) fn calls_are_whole(response: &Response) -> Result<(), Broken> {
    let is_short = |reason| matches!(reason, FinishReason::Length | FinishReason::ContentFilter);
    let mut parts = response
        .candidates
        .iter()
        .filter(|one| !one.finish.as_ref().is_some_and(|end| is_short(end.reason)))
        .flat_map(|candidate| &candidate.parts);
    let broken = parts.any(|part| match &part.kind {
        PartKind::ToolCall(call) => !is_whole(call),
        PartKind::Text(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolResult(_)
        | PartKind::Refusal(_)
        | PartKind::Opaque(_) => false,
    });
    if broken {
        return Err(Broken::new("a tool call's arguments are no JSON"));
    }
    Ok(())
}

fn is_whole(call: &ToolCall) -> bool {
    call.kind == ToolCallKind::Custom
        || call.arguments.trim().is_empty()
        || Json::parse(&call.arguments).is_ok()
}

/// Writes a whole answer in the client's dialect, with the id and the model that its provider does not
/// tell, and enters what that loses.
///
/// # Errors
/// `cannot_translate` where the fidelity does not allow the loss.
pub(crate) fn whole(
    response: &mut Response,
    (dialect, fidelity): (Spoken, Fidelity),
    exchange: &mut Exchange,
) -> Result<Vec<u8>, Box<Failure>> {
    let mut losses = Losses::default();
    name(&mut response.id, &mut response.model, exchange);
    let written = dialect.server().encode_response(response, &mut losses);
    let losses = losses.into_vec();
    let allowed = allow(fidelity, &losses);
    exchange.losses.extend(losses);
    allowed.map(|()| written)
}

/// The beginning of a stream with the id and the model that its dialect does not tell.
fn named(event: &StreamEvent, exchange: &Exchange) -> Option<StreamEvent> {
    let StreamEvent::Start(start) = event else {
        return None;
    };
    if !start.id.is_empty() && !start.model.is_empty() {
        return None;
    }
    let mut start = start.clone();
    name(&mut start.id, &mut start.model, exchange);
    Some(StreamEvent::Start(start))
}

fn name(id: &mut String, model: &mut String, exchange: &Exchange) {
    if id.is_empty() {
        exchange.id.as_ref().clone_into(id);
    }
    if let Some(target) = exchange.target().filter(|_| model.is_empty()) {
        model.clone_from(&target.model);
    }
}

fn allow(fidelity: Fidelity, losses: &[Loss]) -> Result<(), Box<Failure>> {
    let refused = fidelity.refused(losses);
    if refused.is_empty() {
        return Ok(());
    }
    let what = "the client's dialect cannot carry what this answer says";
    Err(Box::new(refuse::cannot_translate(what, &refused)))
}

/// A stream that is written anew.
pub(crate) struct Translation {
    encoder: Box<dyn EventEncoder>,
    fidelity: Fidelity,
    /// How many of the encoder's losses, and of the decoder's unknown fields, were entered.
    entered: (usize, usize),
    /// Keeps the answer's reasoning.
    keeper: Option<Box<Keeper>>,
}

impl Translation {
    /// The start of a stream for a client of that dialect.
    #[must_use]
    pub(crate) fn new(dialect: Spoken, options: EncoderOptions, fidelity: Fidelity) -> Self {
        Self {
            encoder: dialect.server().encoder(options),
            fidelity,
            entered: (0, 0),
            keeper: None,
        }
    }

    /// The same, with somebody who keeps the reasoning.
    #[must_use]
    pub(crate) fn keeping(self, keeper: Option<Keeper>) -> Self {
        Self {
            keeper: keeper.map(Box::new),
            ..self
        }
    }

    /// What waits here until the answer is whole, in bytes.
    #[must_use]
    pub(crate) fn waits(&self) -> usize {
        self.keeper.as_deref().map_or(0, Keeper::waits)
    }

    /// Writes what `decoder` read and enters what that loses.
    ///
    /// # Errors
    /// [`Break`] where the fidelity does not allow the loss, or where the client's dialect has ended
    /// the stream before its provider did: it may not pass as whole.
    pub(crate) fn write(
        &mut self,
        events: &[StreamEvent],
        decoder: &dyn EventDecoder,
        exchange: &mut Exchange,
    ) -> Result<Vec<u8>, Break> {
        let mut out = Vec::new();
        for event in events {
            let before = out.len();
            let named = named(event, exchange);
            let event = named.as_ref().unwrap_or(event);
            self.encoder.push(event, &mut out);
            if matches!(event, StreamEvent::End) && out.len() == before {
                return Err(Break::new(
                    "the client's dialect could not carry the answer to its end",
                ));
            }
        }
        self.enter(decoder, exchange)?;
        if let Some(keeper) = &mut self.keeper {
            events.iter().for_each(|event| keeper.push(event));
        }
        Ok(out)
    }

    /// Enters the losses that have come since.
    fn enter(&mut self, decoder: &dyn EventDecoder, exchange: &mut Exchange) -> Result<(), Break> {
        let (lost, unknown) = (self.encoder.losses().as_slice(), decoder.unknown_fields());
        let (lost_before, unknown_before) =
            std::mem::replace(&mut self.entered, (lost.len(), unknown.len()));
        if (lost_before, unknown_before) == self.entered {
            return Ok(());
        }
        let mut new = lost.get(lost_before..).unwrap_or_default().to_vec();
        new.extend(unknown.iter().skip(unknown_before).map(|path| Loss {
            path: path.clone(),
            kind: LossKind::Dropped,
            functional: false,
            why: "a stream of another dialect has no place for it".into(),
        }));
        let allowed = allow(self.fidelity, &new);
        exchange.losses.extend(new);
        allowed.map_err(Break::ours)
    }
}

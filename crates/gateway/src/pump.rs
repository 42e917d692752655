//! One provider's stream on its way to one client: frames in, the client's bytes out.
//!
//! First gear: both speak the same dialect, so the bytes go on as they came and
//! a tap decodes a copy. Second gear: events are written anew. In both nothing
//! goes out that the decoder has not approved, whole frames only, and a success
//! terminator only after the provider's proof of completion.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dialect::Spoken;
use dialect::chat::{Delta, StreamEvent};
use dialect::codec::{Broken, EncoderOptions, End, EventDecoder};
use dialect::failure::ProviderError;
use dialect::frame::sse::MAX_EVENT;
use dialect::frame::{Framer, Framing, RawFrame, Run};
use http_body::Body;
use policy::failure::Failure;

use crate::answer::no_room;
use crate::exchange::Exchange;
use crate::holdback::{HELD_MAX, HoldBack, Piece};
use crate::memory::Permit;
use crate::meter::Meter;
use crate::translation::Translation;
use crate::upstream::{BodyEnd, UpstreamBody};

/// Most bytes that may come before the first event that says something.
const ENVELOPE_MAX: usize = 1024 * 1024;

/// What waits is declared to the process's memory in steps of so many bytes.
const DECLARED_STEP: usize = 16 * 1024;

/// How a stream reaches its client.
pub(crate) enum Gear {
    /// As it came.
    First {
        /// What both speak.
        dialect: Spoken,
        /// Whether frames that only report usage are kept from the client.
        withhold_usage: bool,
        /// Whether the client frames the same events in another way.
        reframed: bool,
    },
    /// Written anew.
    Second(Translation),
}

/// What the pump makes of a client's wishes.
pub(crate) struct PumpOptions {
    /// How the provider frames the stream.
    pub framing: Framing,
    /// How the stream reaches its client.
    pub gear: Gear,
    /// What waits.
    pub hold: HoldBack,
    /// Whether the last usage event tells what the gateway did.
    pub details: bool,
    /// How many answers were asked for.
    pub candidates: u64,
    /// Counts what has streamed, where what is held is no bound.
    pub meter: Option<Meter>,
}

/// One stream.
pub(crate) struct Pump {
    upstream: UpstreamBody,
    framer: Framer,
    decoder: Box<dyn EventDecoder>,
    options: PumpOptions,
    /// Events of the frame at hand; kept for its room.
    events: Vec<StreamEvent>,
    ready: Run,
    /// Declares what waits here.
    room: Permit,
    semantic: bool,
    finishing: bool,
    /// How many answers have ended.
    finished: u64,
    complete: bool,
}

/// How far the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It goes on; `semantic` says whether something was said just now.
    Open {
        /// Whether something was said just now.
        semantic: bool,
    },
    /// It is whole.
    Complete,
}

/// Why a stream broke.
#[derive(Clone, Debug)]
pub(crate) struct Break {
    /// In a clause that a client may read.
    pub why: String,
    /// What the provider said, where it said that it failed.
    pub said: Option<Box<ProviderError>>,
    /// What the client is told where the cause is ours.
    pub ours: Option<Box<Failure>>,
}

impl Break {
    /// A break for that reason.
    #[must_use]
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            said: None,
            ours: None,
        }
    }

    /// A break whose cause is ours.
    #[must_use]
    pub(crate) fn ours(failure: Box<Failure>) -> Self {
        Self {
            ours: Some(failure.clone()),
            ..Self::new(failure.message)
        }
    }
}

impl From<Broken> for Break {
    fn from(broken: Broken) -> Self {
        Self::new(broken.why)
    }
}

impl Pump {
    /// Takes a stream over.
    #[must_use]
    pub(crate) fn new(
        upstream: UpstreamBody,
        decoder: Box<dyn EventDecoder>,
        options: PumpOptions,
        room: Permit,
    ) -> Self {
        Self {
            upstream,
            framer: options.framing.framer(MAX_EVENT),
            decoder,
            options,
            events: Vec::new(),
            ready: Run::default(),
            room,
            semantic: false,
            finishing: false,
            finished: 0,
            complete: false,
        }
    }

    /// Whether the provider's proof of completion was seen.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether there are bytes that may go to the client now.
    #[must_use]
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Bytes that may go to the client now.
    pub(crate) fn take_ready(&mut self) -> Option<Bytes> {
        let length = self.ready.len();
        if length == 0 {
            return None;
        }
        let mut pieces = self.ready.drain();
        let first = pieces.next()?;
        if first.len() == length {
            return Some(first);
        }
        let mut joined = Vec::with_capacity(length);
        joined.extend_from_slice(&first);
        pieces.for_each(|piece| joined.extend_from_slice(&piece));
        Some(joined.into())
    }

    /// What is left of the provider's body after the stream is whole: only the framing's end.
    #[must_use]
    pub(crate) fn into_rest(self) -> UpstreamBody {
        self.upstream
    }

    /// Reads on until the stream has said something, is whole, or breaks.
    ///
    /// # Errors
    /// [`Break`]
    pub(crate) async fn until_semantic(&mut self, exchange: &mut Exchange) -> Result<(), Break> {
        while !self.semantic && !self.complete {
            std::future::poll_fn(|context| self.poll(context, exchange)).await?;
            if !self.semantic && self.ready.len() > ENVELOPE_MAX {
                return Err(Break::new(
                    "the provider sent a megabyte without saying anything",
                ));
            }
        }
        Ok(())
    }

    /// Reads one piece of the provider's body.
    ///
    /// # Errors
    /// [`Break`] where the stream broke; what was approved before stays ready.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        exchange: &mut Exchange,
    ) -> Poll<Result<Flow, Break>> {
        if self.complete {
            return Poll::Ready(Ok(Flow::Complete));
        }
        if let Some(meter) = &mut self.options.meter {
            ready!(meter.poll(context))?;
        }
        let read = ready!(Pin::new(&mut self.upstream).poll_frame(context));
        Poll::Ready(match read {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => self.take_in(chunk, exchange),
                Err(_trailers) => Ok(Flow::Open { semantic: false }),
            },
            Some(Err(error)) => Err(Break::new(error.to_string())),
            None => self.end(exchange),
        })
    }

    fn take_in(&mut self, chunk: Bytes, exchange: &mut Exchange) -> Result<Flow, Break> {
        self.framer.push(chunk);
        let mut semantic = false;
        while let Some(raw) = self
            .framer
            .next_frame()
            .map_err(|e| Break::new(e.to_string()))?
        {
            semantic |= self.frame(raw, exchange)?;
            if self.complete {
                return Ok(Flow::Complete);
            }
        }
        self.declare()?;
        Ok(Flow::Open { semantic })
    }

    /// Declares what waits here, in steps so coarse that most streams never do.
    fn declare(&mut self) -> Result<(), Break> {
        let kept = match &self.options.gear {
            Gear::First { .. } => 0,
            Gear::Second(translation) => translation.waits(),
        };
        let waits = self.framer.buffered() + self.options.hold.waiting() + self.ready.len() + kept;
        let due = waits - waits % DECLARED_STEP;
        let held = self.room.held();
        if due <= held {
            self.room.shrink(held - due);
        } else if !self.room.grow(due - held) {
            return Err(Break::ours(Box::new(no_room())));
        }
        Ok(())
    }

    /// Handles one frame; says whether it said something.
    fn frame(&mut self, raw: RawFrame, exchange: &mut Exchange) -> Result<bool, Break> {
        self.events.clear();
        match raw.frame().map_err(|e| Break::new(e.to_string()))? {
            Some(frame) => self.decoder.push(&frame, &mut self.events)?,
            None if matches!(self.options.gear, Gear::Second(_)) => return Ok(false),
            None => {}
        }
        let semantic = self.meter(exchange)?;
        let piece = self.for_client(raw, exchange)?;
        let piece = piece.map(|piece| self.detailed(piece, exchange));
        self.offer(piece)?;
        Ok(semantic)
    }

    /// Lets the piece that means the events at hand go on, or wait.
    fn offer(&mut self, piece: Option<Piece>) -> Result<(), Break> {
        let hold = &mut self.options.hold;
        let offered = hold.offer(piece, &self.events, &mut self.ready);
        offered.map_err(|_| {
            Break::new(format!(
                "a tool call is longer than the {HELD_MAX} bytes that may wait"
            ))
        })
    }

    /// The piece, with what the gateway did where it tells of usage and the client wants that.
    fn detailed(&self, piece: Piece, exchange: &Exchange) -> Piece {
        let tells = match &self.options.gear {
            Gear::First { .. } => {
                let mut events = self.events.iter();
                events.any(|event| matches!(event, StreamEvent::Usage(_)))
            }
            // An encoder may keep usage until the end.
            Gear::Second(_) => true,
        };
        if !(self.options.details && self.finishing && tells) {
            return piece;
        }
        Piece::Written(with_details(piece.into_bytes(), exchange))
    }

    /// The first tap: what was said and used.
    fn meter(&mut self, exchange: &mut Exchange) -> Result<bool, Break> {
        let mut semantic = false;
        let mut used = None;
        for event in &mut self.events {
            semantic |= event.is_semantic();
            match event {
                StreamEvent::Usage(usage) => used = Some((**usage).clone()),
                StreamEvent::Delta {
                    delta: Delta::Text(text) | Delta::Arguments(text),
                    ..
                } => exchange.used.output_bytes += text.len() as u64,
                StreamEvent::Start(start) => {
                    exchange.served_by(&start.model, start.service_tier.as_deref());
                    exchange.answered_as(&start.id);
                    start
                        .created
                        .get_or_insert(u64::try_from(exchange.at_ms / 1000).unwrap_or_default());
                }
                StreamEvent::Finish { finish, .. } => {
                    exchange.served_by("", finish.service_tier.as_deref());
                    self.finished += 1;
                    self.finishing |= self.finished >= self.options.candidates;
                }
                StreamEvent::End => {
                    self.finishing = true;
                    self.complete = true;
                }
                StreamEvent::Error(error) => {
                    let why = format!("the provider failed in mid-stream: {}", error.message);
                    return Err(Break {
                        said: Some(error.clone()),
                        ..Break::new(why)
                    });
                }
                StreamEvent::PartStart { .. }
                | StreamEvent::PartEnd { .. }
                | StreamEvent::Delta { .. }
                | StreamEvent::Logprobs { .. }
                | StreamEvent::Ping => {}
            }
        }
        if let Some(used) = used {
            exchange.used.usage = Some(used);
        }
        exchange.used.is_final = self.finishing && exchange.used.usage.is_some();
        if let Some(meter) = &mut self.options.meter {
            meter.keep_up(exchange, self.finishing)?;
        }
        self.semantic |= semantic;
        Ok(semantic)
    }

    /// What the frame at hand is for the client, if anything.
    fn for_client(
        &mut self,
        raw: RawFrame,
        exchange: &mut Exchange,
    ) -> Result<Option<Piece>, Break> {
        Ok(match &mut self.options.gear {
            Gear::First {
                dialect,
                withhold_usage,
                reframed,
            } => {
                let only_usage = !self.events.is_empty()
                    && self
                        .events
                        .iter()
                        .all(|event| matches!(event, StreamEvent::Usage(_)));
                if *withhold_usage && only_usage {
                    return Ok(None);
                }
                if *reframed {
                    return reframed_piece(*dialect, &raw);
                }
                Some(Piece::Frame(raw))
            }
            Gear::Second(translation) => {
                let out = translation.write(&self.events, &*self.decoder, exchange)?;
                (!out.is_empty()).then(|| Piece::Written(out.into()))
            }
        })
    }

    /// The provider's body has ended.
    fn end(&mut self, exchange: &mut Exchange) -> Result<Flow, Break> {
        let end = match self.upstream.end() {
            BodyEnd::Clean => End::Clean,
            BodyEnd::Open | BodyEnd::Unproven => End::Cut,
        };
        // Some providers leave out the blank line behind their last event. Where the
        // body ended as its framing said, that event is whole all the same.
        let fresh = self.options.framing.framer(MAX_EVENT);
        let framer = std::mem::replace(&mut self.framer, fresh);
        let last = framer.finish().filter(|_| end == End::Clean);
        if let Some(last) = last.filter(says_something) {
            self.frame(last, exchange)?;
            let lacks_blank_line = self.options.framing == Framing::Sse;
            let as_it_came = matches!(
                self.options.gear,
                Gear::First {
                    reframed: false,
                    ..
                }
            );
            if lacks_blank_line && as_it_came {
                self.ready.push_bytes(Bytes::from_static(b"\n\n"));
            }
            if self.complete {
                return Ok(Flow::Complete);
            }
        }
        self.events.clear();
        self.decoder.finish(end, &mut self.events)?;
        self.meter(exchange)?;
        let mut out = Vec::new();
        match &mut self.options.gear {
            Gear::Second(translation) => {
                out = translation.write(&self.events, &*self.decoder, exchange)?;
            }
            // All was said but that it is all: some clients wait for the word.
            Gear::First { dialect, .. } if self.complete => {
                let mut encoder = dialect.server().encoder(EncoderOptions::default());
                encoder.push(&StreamEvent::End, &mut out);
            }
            Gear::First { .. } => {}
        }
        let piece = (!out.is_empty()).then(|| Piece::Written(out.into()));
        let piece = piece.map(|piece| self.detailed(piece, exchange));
        self.offer(piece)?;
        if self.complete {
            Ok(Flow::Complete)
        } else {
            Err(Break::new(
                "the stream ended without its proof of completion",
            ))
        }
    }
}

/// The event of a frame as the client frames it; a frame without an event is for nobody.
fn reframed_piece(dialect: Spoken, raw: &RawFrame) -> Result<Option<Piece>, Break> {
    let frame = raw.frame().map_err(|e| Break::new(e.to_string()))?;
    let Some(frame) = frame else {
        return Ok(None);
    };
    let written = dialect.reframe(&frame)?;
    Ok(written.map(|bytes| Piece::Written(bytes.into())))
}

/// Whether what a body ended in is more than the first bytes of an event.
fn says_something(last: &RawFrame) -> bool {
    match last.frame() {
        Ok(Some(frame)) => !frame.data.is_empty(),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// The bytes with a `bondgate` member at the end of the event whose usage they tell, if they do.
fn with_details(bytes: Bytes, exchange: &Exchange) -> Bytes {
    let close = memchr::memmem::rfind(&bytes, b"\"usage\"").and_then(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        memchr::memrchr(b'}', rest.get(..line).unwrap_or_default()).map(|close| at + close)
    });
    let Some(close) = close else {
        return bytes;
    };
    let mut out = Vec::with_capacity(bytes.len() + 256);
    out.extend_from_slice(bytes.get(..close).unwrap_or_default());
    out.extend_from_slice(b",\"bondgate\":");
    out.extend_from_slice(&exchange.details());
    out.extend_from_slice(bytes.get(close..).unwrap_or_default());
    out.into()
}

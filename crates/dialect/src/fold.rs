//! The accumulator: a stream folded into the whole answer that it amounts to.
//!
//! The only place that joins deltas, so that cache, log and guardrails see what
//! the client sees. The law: folding a decoded stream gives what decoding the
//! same answer whole gives.

use crate::Dialect;
use crate::chat::{
    Candidate, Delta, Extra, Part, PartKind, PartStart, Reasoning, Response, StreamEvent, ToolCall,
};
use crate::json::Json;

/// Joins the events of one stream.
#[derive(Clone, Debug)]
pub struct Accumulator {
    response: Response,
    complete: bool,
    /// Bytes of text, reasoning and arguments taken in.
    bytes: usize,
}

impl Accumulator {
    /// An empty answer of a provider that speaks `origin`.
    #[must_use]
    pub fn new(origin: Dialect) -> Self {
        Self {
            response: Response {
                origin,
                id: String::new(),
                model: String::new(),
                created: None,
                candidates: Vec::new(),
                usage: None,
                service_tier: None,
                extra: Extra::default(),
            },
            complete: false,
            bytes: 0,
        }
    }

    /// Takes one event in.
    pub fn push(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Start(start) => {
                self.response.id.clone_from(&start.id);
                self.response.model.clone_from(&start.model);
                self.response.created = start.created;
                self.response.service_tier.clone_from(&start.service_tier);
                self.response.extra.clone_from(&start.extra);
            }
            StreamEvent::PartStart {
                candidate, start, ..
            } => {
                let part = begin(start);
                self.candidate(*candidate).parts.push(part);
            }
            StreamEvent::Delta {
                candidate,
                part,
                delta,
            } => {
                self.bytes = self.bytes.saturating_add(weight(delta));
                let index = usize::try_from(*part).unwrap_or(usize::MAX);
                if let Some(part) = self.candidate(*candidate).parts.get_mut(index) {
                    grow(part, delta);
                }
            }
            StreamEvent::Logprobs { candidate, value } => {
                let joined = join_logprobs(self.candidate(*candidate).logprobs.as_ref(), value);
                self.candidate(*candidate).logprobs = Some(joined);
            }
            StreamEvent::Finish {
                candidate,
                finish,
                extra,
            } => {
                let candidate = self.candidate(*candidate);
                candidate.finish = Some(finish.clone());
                candidate.extra = (**extra).clone();
            }
            StreamEvent::Usage(usage) => self.response.usage = Some((**usage).clone()),
            StreamEvent::End => self.complete = true,
            StreamEvent::PartEnd { .. } | StreamEvent::Ping | StreamEvent::Error(_) => {}
        }
    }

    /// Whether the provider's proof of completion was among the events.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Bytes of text, reasoning and arguments taken in: what the answer weighs in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer so far.
    #[must_use]
    pub fn into_response(self) -> Response {
        self.response
    }

    fn candidate(&mut self, index: u64) -> &mut Candidate {
        let at = match self
            .response
            .candidates
            .iter()
            .position(|c| c.index >= index)
        {
            Some(at)
                if self
                    .response
                    .candidates
                    .get(at)
                    .is_some_and(|c| c.index == index) =>
            {
                at
            }
            Some(at) => {
                self.response.candidates.insert(at, Candidate::new(index));
                at
            }
            None => {
                self.response.candidates.push(Candidate::new(index));
                self.response.candidates.len() - 1
            }
        };
        // `at` was found or made just above.
        #[expect(
            clippy::indexing_slicing,
            reason = "the position was found or made just above"
        )]
        &mut self.response.candidates[at]
    }
}

fn begin(start: &PartStart) -> Part {
    match start {
        PartStart::Text => Part::text(""),
        PartStart::Reasoning => PartKind::Reasoning(Reasoning::default()).into(),
        PartStart::Refusal => PartKind::Refusal(String::new()).into(),
        PartStart::ToolCall { id, name, kind } => PartKind::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: String::new(),
            kind: *kind,
        })
        .into(),
        PartStart::Opaque(opaque) => PartKind::Opaque((**opaque).clone()).into(),
    }
}

fn grow(part: &mut Part, delta: &Delta) {
    match (&mut part.kind, delta) {
        (PartKind::Text(text) | PartKind::Refusal(text), Delta::Text(more)) => text.push_str(more),
        (PartKind::Reasoning(reasoning), Delta::Text(more)) => reasoning.text.push_str(more),
        (PartKind::Reasoning(reasoning), Delta::Opaque(opaque)) => {
            reasoning.opaque = Some((**opaque).clone())
        }
        (PartKind::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(more),
        (PartKind::Opaque(opaque), Delta::Raw(step)) => opaque.value.clone_from(step),
        (_, Delta::Citation(citation)) => part.citations.push((**citation).clone()),
        // A delta that does not fit its part is refused by the decoder before it gets here.
        (
            PartKind::Text(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_)
            | PartKind::Refusal(_)
            | PartKind::Opaque(_),
            Delta::Text(_) | Delta::Arguments(_) | Delta::Opaque(_) | Delta::Raw(_),
        ) => {}
    }
}

fn weight(delta: &Delta) -> usize {
    match delta {
        Delta::Text(text) | Delta::Arguments(text) => text.len(),
        Delta::Opaque(opaque) => opaque.value.text().len(),
        Delta::Citation(citation) => citation.raw.value.text().len(),
        Delta::Raw(json) => json.text().len(),
    }
}

/// Joins two objects whose members are arrays or `null`: `{"content": […], "refusal": null}`.
fn join_logprobs(old: Option<&Json>, new: &Json) -> Json {
    let Some(old) = old else { return new.clone() };
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for value in [old, new] {
        let read = value.reader().object(|key, reader| {
            let at = members
                .iter()
                .position(|(name, _)| name == key)
                .unwrap_or_else(|| {
                    members.push((key.to_owned(), Vec::new()));
                    members.len() - 1
                });
            if reader.null()? {
                return Ok(());
            }
            reader.array(|_, element| {
                let raw = element.raw()?.to_owned();
                if let Some((_, list)) = members.get_mut(at) {
                    list.push(raw);
                }
                Ok(())
            })
        });
        if read.is_err() {
            return new.clone();
        }
    }
    let mut out = crate::json::Writer::default();
    out.object(|out| {
        for (name, list) in &members {
            out.key(name);
            if list.is_empty() {
                out.null();
            } else {
                out.array(|out| {
                    list.iter().for_each(|raw| {
                        out.raw(raw);
                    })
                });
            }
        }
    });
    Json::parse(&String::from_utf8_lossy(&out.into_bytes())).unwrap_or_else(|_| new.clone())
}

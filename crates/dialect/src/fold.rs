//! The accumulator: a stream folded into the whole answer that it amounts to.
//!
//! The only place that joins deltas, so that cache, log and guardrails see what
//! the client sees. The law: folding a decoded stream gives what decoding the
//! same answer whole gives.

use std::collections::BTreeMap;

use crate::Dialect;
use crate::chat::{
    Candidate, Delta, Part, PartKind, PartStart, Reasoning, Response, StreamEvent, ToolCall,
};
use crate::json::{Invalid, Json, Writer};

/// Joins the events of one stream.
#[derive(Clone, Debug)]
pub struct Accumulator {
    response: Response,
    /// Token probabilities as they came, by answer; joined once, at the end.
    logprobs: BTreeMap<u64, Vec<Json>>,
    complete: bool,
    bytes: usize,
}

impl Accumulator {
    /// An empty answer of a provider that speaks `origin`.
    #[must_use]
    pub fn new(origin: Dialect) -> Self {
        Self {
            response: Response::new(origin),
            logprobs: BTreeMap::new(),
            complete: false,
            bytes: 0,
        }
    }

    /// Takes one event in.
    pub fn push(&mut self, event: &StreamEvent) {
        self.bytes = self.bytes.saturating_add(weight(event));
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
                let index = usize::try_from(*part).unwrap_or(usize::MAX);
                if let Some(part) = self.candidate(*candidate).parts.get_mut(index) {
                    grow(part, delta);
                }
            }
            StreamEvent::Logprobs { candidate, value } => {
                self.candidate(*candidate);
                self.logprobs
                    .entry(*candidate)
                    .or_default()
                    .push(value.clone());
            }
            StreamEvent::Finish {
                candidate,
                finish,
                extra,
            } => {
                let mut finish = finish.clone();
                if let Some(tier) = finish.service_tier.take() {
                    self.response.service_tier = Some(tier);
                }
                let candidate = self.candidate(*candidate);
                candidate.finish = Some(finish);
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

    /// About what the answer weighs in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer so far.
    #[must_use]
    pub fn into_response(mut self) -> Response {
        for (candidate, steps) in std::mem::take(&mut self.logprobs) {
            self.candidate(candidate).logprobs = join_logprobs(&steps);
        }
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
        (PartKind::Text(text), Delta::Text(more)) => text.push_str(more),
        (PartKind::Refusal(text), Delta::Text(more)) => text.push_str(more),
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

/// What an event adds to the answer's weight; what is neither text nor raw counts as `STEP`.
fn weight(event: &StreamEvent) -> usize {
    const STEP: usize = 64;
    let text = match event {
        StreamEvent::Delta { delta, .. } => match delta {
            Delta::Text(text) | Delta::Arguments(text) => return text.len(),
            Delta::Opaque(opaque) => opaque.value.text().len(),
            Delta::Citation(citation) => citation.raw.value.text().len(),
            Delta::Raw(json) => json.text().len(),
        },
        StreamEvent::PartStart { start, .. } => match start {
            PartStart::ToolCall { id, name, .. } => id.len() + name.len(),
            PartStart::Opaque(opaque) => opaque.value.text().len(),
            PartStart::Text | PartStart::Reasoning | PartStart::Refusal => 0,
        },
        StreamEvent::Logprobs { value, .. } => value.text().len(),
        StreamEvent::Finish { extra, .. } => {
            extra.iter().map(|(_, value)| value.text().len()).sum()
        }
        StreamEvent::Start(_)
        | StreamEvent::PartEnd { .. }
        | StreamEvent::Usage(_)
        | StreamEvent::Ping
        | StreamEvent::Error(_)
        | StreamEvent::End => return 0,
    };
    text + STEP
}

/// Most members of an object of probabilities that are joined.
const MEMBERS: usize = 16;

/// Joins arrays by appending them, and objects whose members are arrays or `null`,
/// `{"content": […], "refusal": null}`, by appending those; of objects of another form the
/// last one counts.
fn join_logprobs(steps: &[Json]) -> Option<Json> {
    let last = steps.last()?;
    if steps.len() == 1 {
        return Some(last.clone());
    }
    if steps.iter().all(|step| step.text().starts_with('[')) {
        return Some(join_arrays(steps));
    }
    let mut members: Vec<(String, Vec<&str>)> = Vec::new();
    for step in steps {
        if gather(step, &mut members).is_err() {
            return Some(last.clone());
        }
    }
    let mut out = Writer::default();
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
    let text = String::from_utf8_lossy(&out.into_bytes()).into_owned();
    Some(Json::parse(&text).unwrap_or_else(|_| last.clone()))
}

fn join_arrays(steps: &[Json]) -> Json {
    Json::written(|out| {
        out.array(|out| {
            for step in steps {
                // The value is valid, so the read cannot fail.
                let _ = step.reader().array(|_, element| {
                    out.raw(element.raw()?);
                    Ok(())
                });
            }
        });
    })
}

fn gather<'a>(step: &'a Json, members: &mut Vec<(String, Vec<&'a str>)>) -> Result<(), Invalid> {
    step.reader().object(|key, reader| {
        let at = members
            .iter()
            .position(|(name, _)| name == key)
            .unwrap_or_else(|| {
                members.push((key.to_owned(), Vec::new()));
                members.len() - 1
            });
        if members.len() > MEMBERS {
            return Err(Invalid::new("more members than probabilities have"));
        }
        if reader.null()? {
            return Ok(());
        }
        reader.array(|_, element| {
            let raw = element.raw()?;
            if let Some((_, list)) = members.get_mut(at) {
                list.push(raw);
            }
            Ok(())
        })
    })
}

//! A folded stream is the whole answer.

use dialect::Dialect;
use dialect::chat::{
    Candidate, Delta, Extra, FinishReason, Part, PartKind, PartStart, Response, Start, StreamEvent,
};
use dialect::loss::Losses;

use super::{events, fold, with_usage};
use crate::canon::{canon, difference};
use crate::corpus::{Sample, none, streams, wholes};

#[test]
fn a_folded_stream_is_an_answer_that_comes_back_as_it_was() {
    let complaints: Vec<String> = streams().iter().filter_map(stable).collect();
    none(&complaints, streams().len());
}

fn stable(sample: &Sample) -> Option<String> {
    let complain = |what: String| Some(format!("{}: {what}", sample.id));
    // Streams that break are judged by other laws.
    let events = events(sample.dialect, sample.candidates, &sample.bytes).ok()?;
    let folded = fold(sample.dialect, &events);
    if !folded.is_complete() {
        return complain("is not complete".into());
    }
    let write = |response: &Response| {
        let mut losses = Losses::default();
        let out = sample
            .dialect
            .server()
            .encode_response(response, &mut losses);
        assert_eq!(losses.as_slice(), [], "{}", sample.id);
        String::from_utf8(out).unwrap()
    };
    let once = write(&folded.into_response());
    let read = match sample.dialect.client().decode_response(once.as_bytes()) {
        Ok(read) => read,
        Err(error) => return complain(format!("its whole is refused: {error}")),
    };
    difference(&canon(&once).unwrap(), &canon(&write(&read)).unwrap()).and_then(complain)
}

#[test]
fn an_answer_told_as_a_stream_folds_into_itself() {
    let complaints: Vec<String> = wholes().iter().filter_map(told).collect();
    none(&complaints, wholes().len());
}

fn told(sample: &Sample) -> Option<String> {
    let complain = |what: String| Some(format!("{}: {what}", sample.id));
    let whole = match sample
        .dialect
        .client()
        .decode_response(sample.text.as_bytes())
    {
        Ok(whole) => normal(whole),
        Err(error) => return complain(format!("is refused: {error}")),
    };
    let mut writer = sample.dialect.server().encoder(with_usage());
    let mut out = Vec::new();
    for event in unfold(&whole)? {
        writer.push(&event, &mut out);
    }
    if let Some(loss) = writer.losses().as_slice().first() {
        return complain(format!("loses {loss:?}"));
    }
    let asked = whole.candidates.len() as u64;
    match events(sample.dialect, asked, &out) {
        Ok(events) => {
            let folded = normal(fold(sample.dialect, &events).into_response());
            same(sample, &whole, &folded).and_then(complain)
        }
        Err(error) => complain(format!(
            "its stream breaks: {error}\n{}",
            String::from_utf8_lossy(&out)
        )),
    }
}

/// Where two answers differ, as far as their own dialect can tell.
fn same(sample: &Sample, whole: &Response, folded: &Response) -> Option<String> {
    let write = |response: &Response| {
        let codec = sample.dialect.server();
        let out = codec.encode_response(response, &mut Losses::default());
        canon(&String::from_utf8(out).unwrap()).unwrap()
    };
    let counts = |response: &Response| response.usage.clone();
    difference(&write(whole), &write(folded))
        .or_else(|| (counts(whole) != counts(folded)).then(|| "counts differ".to_owned()))
}

/// What a stream has no place for, left out: fields without a word in the hub, the
/// usage object's spelling, and parts that say nothing.
fn normal(mut response: Response) -> Response {
    bare(&mut response.extra);
    if let Some(usage) = &mut response.usage {
        usage.raw = None;
    }
    for candidate in &mut response.candidates {
        // A word that no one knows is told as the plainest one.
        if let Some(finish) = &mut candidate.finish
            && finish.reason == FinishReason::Other
        {
            finish.reason = FinishReason::Stop;
            finish.raw = match response.origin {
                Dialect::OpenaiChat => "stop".into(),
                Dialect::AnthropicMessages | Dialect::BedrockConverse => "end_turn".into(),
                Dialect::OpenaiResponses => "completed".into(),
                Dialect::Gemini => "STOP".into(),
                Dialect::Cohere => "COMPLETE".into(),
            };
        }
        candidate.extra = Extra::default();
        candidate.message_extra = Extra::default();
        candidate.parts.iter_mut().for_each(plain);
        candidate.parts.retain(|part| match &part.kind {
            PartKind::Text(text) => !text.is_empty(),
            PartKind::Refusal(text) => !text.is_empty(),
            PartKind::Reasoning(reasoning) => {
                !reasoning.text.is_empty() || reasoning.opaque.is_some()
            }
            _ => true,
        });
    }
    response
}

/// Takes the fields out; how the rest was spelled stays known.
fn bare(extra: &mut Extra) {
    let names: Vec<String> = extra.iter().map(|(name, _)| name.to_owned()).collect();
    names.iter().for_each(|name| drop(extra.take(name)));
}

fn plain(part: &mut Part) {
    part.extra = Extra::default();
    // Reasoning within the content has no form of its own in a stream.
    if let PartKind::Reasoning(reasoning) = &mut part.kind
        && reasoning
            .opaque
            .as_ref()
            .is_some_and(|opaque| opaque.kind == "thinking")
    {
        reasoning.opaque = None;
    }
}

/// The events that amount to an answer; none where a part has no form in a stream.
pub(super) fn unfold(response: &Response) -> Option<Vec<StreamEvent>> {
    let mut events = vec![StreamEvent::Start(Box::new(Start {
        id: response.id.clone(),
        model: response.model.clone(),
        created: response.created,
        service_tier: response.service_tier.clone(),
        extra: response.extra.clone(),
    }))];
    for candidate in &response.candidates {
        for (at, part) in candidate.parts.iter().enumerate() {
            unfold_part(candidate.index, at as u64, part, &mut events)?;
        }
        finish(candidate, &mut events);
    }
    if let Some(usage) = &response.usage {
        events.push(StreamEvent::Usage(Box::new(usage.clone())));
    }
    events.push(StreamEvent::End);
    Some(events)
}

fn finish(candidate: &Candidate, events: &mut Vec<StreamEvent>) {
    if let Some(value) = &candidate.logprobs {
        events.push(StreamEvent::Logprobs {
            candidate: candidate.index,
            value: value.clone(),
        });
    }
    if let Some(finish) = &candidate.finish {
        events.push(StreamEvent::Finish {
            candidate: candidate.index,
            finish: finish.clone(),
            extra: Box::new(candidate.extra.clone()),
        });
    }
}

fn unfold_part(
    candidate: u64,
    number: u64,
    part: &Part,
    events: &mut Vec<StreamEvent>,
) -> Option<()> {
    let mut deltas = Vec::new();
    let start = match &part.kind {
        PartKind::Text(text) => {
            deltas.extend(halves(text).map(Delta::Text));
            PartStart::Text
        }
        PartKind::Refusal(text) => {
            deltas.extend(halves(text).map(Delta::Text));
            PartStart::Refusal
        }
        PartKind::Reasoning(reasoning) => {
            deltas.extend(halves(&reasoning.text).map(Delta::Text));
            let opaque = reasoning.opaque.clone().map(|o| Delta::Opaque(Box::new(o)));
            // What says which kind of reasoning it is comes before the words, a seal after them.
            let plans = reasoning
                .opaque
                .as_ref()
                .is_some_and(|o| o.kind == "tool_plan");
            let at = if plans { 0 } else { deltas.len() };
            deltas.splice(at..at, opaque);
            PartStart::Reasoning
        }
        PartKind::ToolCall(call) => {
            deltas.extend(halves(&call.arguments).map(Delta::Arguments));
            PartStart::ToolCall {
                id: call.id.clone(),
                name: call.name.clone(),
                kind: call.kind,
            }
        }
        // Sound comes in pieces that only the first gear passes on.
        PartKind::Opaque(opaque) if opaque.kind == "message.audio" => return None,
        PartKind::Opaque(opaque) => PartStart::Opaque(Box::new(opaque.clone())),
        PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Document(_)
        | PartKind::ToolResult(_) => return None,
    };
    let citations = part.citations.iter();
    deltas.extend(citations.map(|citation| Delta::Citation(Box::new(citation.clone()))));
    let part = number;
    events.push(StreamEvent::PartStart {
        candidate,
        part,
        start,
    });
    events.extend(deltas.into_iter().map(|delta| StreamEvent::Delta {
        candidate,
        part,
        delta,
    }));
    events.push(StreamEvent::PartEnd { candidate, part });
    Some(())
}

fn halves(text: &str) -> impl Iterator<Item = String> {
    let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
    [left, right]
        .into_iter()
        .filter(|half| !half.is_empty())
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

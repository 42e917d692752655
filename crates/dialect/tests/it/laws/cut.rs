//! A stream cut before its proof never ends well, whoever reads it; uncut it does.
//!
//! The proof is found here by an oracle of its own: line by line, with `serde_json`.

use std::collections::BTreeSet;

use dialect::Dialect;
use dialect::chat::StreamEvent;
use dialect::codec::{End, EventEncoder};
use dialect::frame::Framing;
use dialect::frame::sse::MAX_EVENT;
use serde_json::Value;

use super::{Stream, failure, has_terminator, with_usage};
use crate::corpus::{Sample, none, streams};

/// Offsets from which on a stream may count as whole.
struct Proof {
    /// Where the body ended as its framing said.
    clean: usize,
    /// Where it was cut.
    cut: usize,
    /// Whether it never ends well: it has no proof, or an error event.
    broken: bool,
}

/// A frame's data and the offsets behind its last line and behind its blank line.
struct Line<'a> {
    data: &'a str,
    end: usize,
    whole: usize,
}

fn lines(stream: &str) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    stream.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let text = line.trim_end_matches(['\n', '\r']);
        let data = text.strip_prefix("data:")?.trim();
        let blank = match &stream.as_bytes()[at..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 1,
            _ => usize::MAX - at,
        };
        Some(Line {
            data,
            end: start + text.len(),
            whole: at + blank,
        })
    })
}

fn proof(sample: &Sample) -> Proof {
    let mut proof = Proof {
        clean: usize::MAX,
        cut: usize::MAX,
        broken: false,
    };
    if sample.dialect.client().framing() == Framing::EventStream {
        return proof_of_messages(&sample.bytes);
    }
    let (mut stopped, mut finished) = (false, BTreeSet::new());
    for line in lines(&sample.text) {
        if line.data == "[DONE]" {
            if proof.clean != usize::MAX {
                proof.cut = proof.cut.min(line.whole);
            }
            continue;
        }
        let value: Value = serde_json::from_str(line.data).unwrap_or(Value::Null);
        proof.broken |= value["error"].is_object() || value["response"]["error"].is_object();
        match sample.dialect {
            Dialect::OpenaiChat => {
                for choice in value["choices"].as_array().into_iter().flatten() {
                    if choice["finish_reason"].is_string() {
                        finished.insert(choice["index"].as_u64());
                    }
                }
                if finished.len() as u64 >= sample.candidates {
                    proof.clean = proof.clean.min(line.end);
                }
            }
            Dialect::Cohere => {
                let reason = value["delta"]["finish_reason"].as_str();
                if value["type"] == "message-end" && reason.is_some() {
                    proof.clean = proof.clean.min(line.end);
                    proof.cut = proof.cut.min(line.whole);
                }
            }
            Dialect::Gemini => {
                let blocked = value["promptFeedback"]["blockReason"].is_string();
                for candidate in value["candidates"].as_array().into_iter().flatten() {
                    if candidate["finishReason"].is_string() {
                        finished.insert(candidate["index"].as_u64());
                    }
                }
                if blocked || finished.len() as u64 >= sample.candidates {
                    proof.clean = proof.clean.min(line.end);
                }
            }
            Dialect::OpenaiResponses => {
                let kind = value["type"].as_str();
                if matches!(kind, Some("response.completed" | "response.incomplete")) {
                    proof.clean = proof.clean.min(line.end);
                    proof.cut = proof.cut.min(line.whole);
                }
            }
            Dialect::AnthropicMessages => {
                stopped |=
                    value["type"] == "message_delta" && value["delta"]["stop_reason"].is_string();
                if stopped && value["type"] == "message_stop" {
                    proof.clean = proof.clean.min(line.end);
                    proof.cut = proof.cut.min(line.whole);
                }
            }
            Dialect::BedrockConverse => {}
        }
    }
    proof.broken |= proof.clean == usize::MAX;
    proof
}

/// The proof of a stream of messages: one that stops the answer, and that the body ends well.
fn proof_of_messages(bytes: &[u8]) -> Proof {
    let (mut at, mut clean) = (0, usize::MAX);
    let mut broken = false;
    while let Some(length) = bytes[at..].first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let message = String::from_utf8_lossy(&bytes[at..at + length]);
        at += length;
        if message.contains("messageStop") && message.contains("stopReason") {
            clean = clean.min(at);
        }
        broken |= message.contains(":exception-type");
    }
    Proof {
        clean,
        cut: usize::MAX,
        broken: broken || clean == usize::MAX,
    }
}

/// The stream as far as it was read: a reader, and a writer for each client.
struct Sweep<'a> {
    sample: &'a Sample,
    proof: Proof,
    reader: Stream,
    writers: Vec<(Dialect, Box<dyn EventEncoder>)>,
    complaints: Vec<String>,
}

impl<'a> Sweep<'a> {
    fn new(sample: &'a Sample) -> Self {
        let options = with_usage();
        Self {
            sample,
            proof: proof(sample),
            reader: Stream::new(sample.dialect, sample.candidates),
            writers: Dialect::ALL
                .map(|dialect| (dialect, dialect.server().encoder(options)))
                .into(),
            complaints: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<String> {
        let bytes = self.sample.bytes.clone();
        let mut framer = self.sample.dialect.client().framing().framer(MAX_EVENT);
        framer.push(bytes.clone());
        let mut start = 0;
        while let Some(raw) = framer.next_frame().unwrap() {
            let frame = raw.into_bytes();
            self.cuts(start, &frame);
            start += frame.len();
            if !self.advance(start, &frame) || !self.complaints.is_empty() {
                return self.complaints;
            }
        }
        self.cuts(start, &bytes.slice(start..));
        self.uncut(&bytes.slice(start..));
        self.complaints
    }

    /// Cuts at each byte of a frame; of a long stream's frames, at some, its ends among them. Within it only what the end of the body makes of the
    /// unfinished event can differ, and of that a body that was cut makes nothing.
    fn cuts(&mut self, start: usize, frame: &[u8]) {
        for length in 0..frame.len() {
            let near_an_end = length < 8 || frame.len() - length < 8;
            if !near_an_end && !self.sample.looks_at(start + length) {
                continue;
            }
            for (end, proof) in [(End::Clean, self.proof.clean), (End::Cut, self.proof.cut)] {
                if start + length >= proof || (end == End::Cut && length > 0) {
                    continue;
                }
                let mut reader = self.reader.clone();
                reader.events.clear();
                let result = match reader.push(&frame[..length]) {
                    Ok(()) => {
                        let (events, result) = reader.finish(end);
                        self.no_success(start, start + length, end, &events);
                        result
                    }
                    Err(error) => Err(error),
                };
                if result.is_ok() {
                    self.complain(format!(
                        "cut at {} ({end:?}) counts as whole",
                        start + length
                    ));
                }
            }
        }
    }

    fn no_success(&mut self, start: usize, at: usize, end: End, events: &[StreamEvent]) {
        if events.contains(&StreamEvent::End) {
            self.complain(format!("cut at {at} ({end:?}) has an end"));
        }
        if events.is_empty() && start < at {
            return;
        }
        for at_writer in 0..self.writers.len() {
            let (dialect, writer) = &self.writers[at_writer];
            let (dialect, mut writer) = (*dialect, writer.clone());
            let mut out = Vec::new();
            events.iter().for_each(|event| writer.push(event, &mut out));
            writer.fail(&failure(), &mut out);
            if has_terminator(dialect, &out) {
                self.complain(format!(
                    "cut at {at} ({end:?}) is sold whole in {}",
                    dialect.name()
                ));
            }
            if !String::from_utf8_lossy(&out).contains("provider_failed") {
                self.complain(format!("cut at {at} is not told in {}", dialect.name()));
            }
        }
    }

    /// Reads a whole frame, after which no writer may have closed before the proof;
    /// says whether the stream goes on.
    fn advance(&mut self, read: usize, frame: &[u8]) -> bool {
        self.reader.events.clear();
        match self.reader.push(frame) {
            Ok(()) => {}
            Err(_) if self.proof.broken => return false,
            Err(error) => self.complain(format!("breaks before {read}: {error}")),
        }
        for at in 0..self.writers.len() {
            let (dialect, writer) = &mut self.writers[at];
            let mut out = Vec::new();
            for event in &self.reader.events {
                writer.push(event, &mut out);
            }
            let (dialect, early) = (*dialect, read < self.proof.clean.min(self.proof.cut));
            if early && has_terminator(dialect, &out) {
                self.complain(format!("{} closes early, at {read}", dialect.name()));
            }
        }
        true
    }

    fn uncut(&mut self, tail: &[u8]) {
        self.reader.events.clear();
        let mut reader = self.reader.clone();
        let result = match reader.push(tail) {
            Ok(()) => {
                let (events, result) = reader.finish(End::Clean);
                if result.is_ok() {
                    self.closed(&events);
                }
                result
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) if self.proof.broken => self.complain("uncut it ends without proof"),
            Err(error) if !self.proof.broken => {
                self.complain(format!("uncut it is broken: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// All that the uncut stream amounts to in each dialect ends in its terminator.
    fn closed(&mut self, last: &[StreamEvent]) {
        let options = with_usage();
        let mut all = Stream::new(self.sample.dialect, self.sample.candidates);
        all.push(&self.sample.bytes).unwrap();
        let mut events = all.finish(End::Clean).0;
        if events.last() != Some(&StreamEvent::End) {
            self.complain(format!("uncut its last event is {:?}", events.pop()));
        }
        assert!(last.is_empty() || events.ends_with(last));
        for dialect in Dialect::ALL {
            let mut writer = dialect.server().encoder(options);
            let mut out = Vec::new();
            events.iter().for_each(|event| writer.push(event, &mut out));
            if !has_terminator(dialect, &out) {
                self.complain(format!("uncut it does not close in {}", dialect.name()));
            }
        }
    }

    fn complain(&mut self, what: impl std::fmt::Display) {
        self.complaints.push(format!("{}: {what}", self.sample.id));
    }
}

fn sweep(part: usize, parts: usize) {
    let samples: Vec<&Sample> = streams().iter().skip(part).step_by(parts).collect();
    let mut complaints = Vec::new();
    for sample in &samples {
        complaints.extend(Sweep::new(sample).run().into_iter().take(3));
    }
    none(&complaints, samples.len());
}

// In four parts, so that they run side by side.

#[test]
fn no_stream_cut_before_its_proof_ends_well_1_of_4() {
    sweep(0, 4);
}

#[test]
fn no_stream_cut_before_its_proof_ends_well_2_of_4() {
    sweep(1, 4);
}

#[test]
fn no_stream_cut_before_its_proof_ends_well_3_of_4() {
    sweep(2, 4);
}

#[test]
fn no_stream_cut_before_its_proof_ends_well_4_of_4() {
    sweep(3, 4);
}

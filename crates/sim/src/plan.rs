//! What faults make of an answer: a tape and a list of faults become a play.
//!
//! Pure; what it decides is exact in bytes and events. It knows no dialect's
//! bytes except those it is handed.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::ask::Ask;
use crate::fault::{Cut, Fault};
use crate::play::{End, Mark, Play, Step, Tape};

/// A play, and which faults are in it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) play: Play,
    /// Before the head.
    pub(crate) delay: Duration,
    pub(crate) faults: Vec<&'static str>,
}

/// A dialect's bytes that faults put into a stream, by the number of events
/// before them.
pub(crate) struct Spoilers<'a> {
    pub(crate) error_event: &'a dyn Fn(u64) -> Bytes,
    pub(crate) broken_event: &'a dyn Fn(u64) -> Bytes,
}

/// Turns an answer into a play under `faults`.
pub(crate) fn plan(tape: Tape, ask: &Ask, faults: &[Fault], spoilers: &Spoilers<'_>) -> Plan {
    let mut work = Work {
        tape,
        stream: ask.stream,
        end: End::Whole,
        fired: Vec::new(),
        gap: Duration::from_millis(ask.directive.gap_ms),
        delay: Duration::from_millis(ask.directive.delay_ms),
    };
    for fault in faults {
        work.spoil(fault, spoilers);
    }
    let mut play = work.play(!faults.is_empty());
    for fault in faults {
        work.perform(fault, &mut play);
    }
    Plan {
        play,
        delay: work.delay,
        faults: work.fired,
    }
}

struct Work {
    tape: Tape,
    stream: bool,
    end: End,
    fired: Vec<&'static str>,
    gap: Duration,
    delay: Duration,
}

impl Work {
    /// Faults in what is said.
    fn spoil(&mut self, fault: &Fault, spoilers: &Spoilers<'_>) {
        match fault {
            Fault::BadJson { at_event } => self.bad_json(*at_event, spoilers),
            Fault::Flip { at_event } => self.flip(*at_event),
            Fault::Garbage { at_event, bytes } => {
                if let Some(from) = self.start_of(*at_event) {
                    let garbage: Vec<u8> = b"\xFF\xFE\x00{]garbage\x80".repeat(bytes / 13 + 1);
                    self.splice(
                        from,
                        from,
                        garbage.get(..*bytes).unwrap_or_default(),
                        *at_event,
                    );
                    self.fired.push("garbage");
                }
            }
            Fault::ErrorEvent { after_events } => {
                let Some(from) = self.start_of(*after_events).filter(|_| self.stream) else {
                    return;
                };
                let kept = usize::try_from(*after_events).unwrap_or(usize::MAX);
                let tokens = self
                    .tape
                    .marks
                    .get(kept.wrapping_sub(1))
                    .map_or(0, |m| m.tokens);
                self.tape.buf.truncate(from);
                self.tape.marks.truncate(kept);
                self.tape
                    .buf
                    .put_slice(&(spoilers.error_event)(*after_events));
                self.tape.mark(tokens, false);
                self.end = End::Short("error_event");
                self.fired.push("error_event");
            }
            Fault::Slow {
                factor,
                delay_ms,
                gap_ms,
            } => {
                let factor = u32::try_from(*factor).unwrap_or(u32::MAX);
                let (gap, delay) = (
                    Duration::from_millis(*gap_ms),
                    Duration::from_millis(*delay_ms),
                );
                self.gap = self.gap.saturating_mul(factor).max(gap);
                self.delay = self.delay.saturating_mul(factor).saturating_add(delay);
                self.fired.push("slow");
            }
            Fault::Refuse { .. }
            | Fault::HangUp { .. }
            | Fault::StallBefore { .. }
            | Fault::StallInside { .. }
            | Fault::Drip { .. }
            | Fault::Cut(_)
            | Fault::Status(_)
            | Fault::NoNewline { .. }
            | Fault::Html { .. }
            | Fault::Empty {}
            | Fault::WrongContentType { .. }
            | Fault::Redirect { .. }
            | Fault::Informational { .. }
            | Fault::Usage { .. }
            | Fault::WrongId {}
            | Fault::Split { .. } => {}
        }
    }

    /// Faults in how it is sent.
    fn perform(&mut self, fault: &Fault, play: &mut Play) {
        match fault {
            Fault::StallInside { after_events, ms } => self.stall(play, *after_events, *ms),
            Fault::Drip { bytes, ms } => {
                play.slice = Some((*bytes, Duration::from_millis(*ms)));
                self.fired.push("drip");
            }
            Fault::Split { bytes } => {
                play.slice = Some((*bytes, Duration::ZERO));
                self.fired.push("split");
            }
            Fault::Cut(cut) => self.cut(play, cut),
            Fault::NoNewline { mib } => {
                let (events, tokens) = (0, 0);
                let bytes = Bytes::from(vec![b'a'; 1 << 16]);
                let repeat = mib.saturating_mul(16);
                play.steps.push_front(Step {
                    wait: Duration::ZERO,
                    bytes,
                    repeat,
                    tokens,
                    events,
                });
                play.length = None;
                self.fired.push("no_newline");
            }
            Fault::Refuse { .. }
            | Fault::HangUp { .. }
            | Fault::StallBefore { .. }
            | Fault::ErrorEvent { .. }
            | Fault::BadJson { .. }
            | Fault::Flip { .. }
            | Fault::Garbage { .. }
            | Fault::Status(_)
            | Fault::Slow { .. }
            | Fault::Html { .. }
            | Fault::Empty {}
            | Fault::WrongContentType { .. }
            | Fault::Redirect { .. }
            | Fault::Informational { .. }
            | Fault::Usage { .. }
            | Fault::WrongId {} => {}
        }
    }

    /// Every event is a step, unless nothing needs that.
    fn play(&mut self, apart: bool) -> Play {
        let total = self.tape.buf.len();
        let length = (!self.stream).then_some(total as u64);
        let buf = std::mem::take(&mut self.tape.buf).freeze();
        let mut steps = VecDeque::new();
        let events = self.tape.marks.len() as u64;
        if !apart && self.gap.is_zero() {
            let tokens = self.tape.marks.last().map_or(0, |m| m.tokens);
            steps.push_back(Step {
                bytes: buf,
                repeat: 1,
                tokens,
                events,
                ..Step::default()
            });
            return Play {
                steps,
                end: self.end,
                length,
                slice: None,
            };
        }
        let (mut from, mut begun) = (0, false);
        for (mark, events) in self.tape.marks.iter().zip(1..) {
            let wait = if mark.content && begun {
                self.gap
            } else {
                Duration::ZERO
            };
            begun |= mark.content;
            let bytes = buf.slice(from..mark.end.max(from));
            steps.push_back(Step {
                wait,
                bytes,
                repeat: 1,
                tokens: mark.tokens,
                events,
            });
            from = mark.end;
        }
        Play {
            steps,
            end: self.end,
            length,
            slice: None,
        }
    }

    fn stall(&mut self, play: &mut Play, after: u64, ms: Option<u64>) {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        match ms {
            Some(ms) => {
                let Some(step) = play.steps.get_mut(after) else {
                    return;
                };
                step.wait += Duration::from_millis(ms);
            }
            None if after <= play.steps.len() && self.stream => {
                play.steps.truncate(after);
                play.end = End::Stall;
            }
            None => return,
        }
        self.fired.push("stall_inside");
    }

    fn cut(&mut self, play: &mut Play, cut: &Cut) {
        let total: u64 = play
            .steps
            .iter()
            .map(|s| s.bytes.len() as u64 * s.repeat)
            .sum();
        let events = cut.after_events.and_then(|n| usize::try_from(n).ok());
        let at = if let Some(events) = events.filter(|n| *n <= play.steps.len()) {
            Some(
                play.steps
                    .iter()
                    .take(events)
                    .map(|s| s.bytes.len() as u64)
                    .sum(),
            )
        } else {
            cut.after_bytes
                .or_else(|| cut.at_fraction.map(|f| fraction(total, f)))
        };
        // The last byte of a declared length is its own proof of the end.
        let most = if play.length.is_some() {
            total.saturating_sub(1)
        } else {
            total
        };
        let Some(at) = at.filter(|at| *at <= most) else {
            return;
        };
        truncate(&mut play.steps, at);
        if cut.clean {
            play.end = End::Short("clean");
            play.length = play.length.map(|_| at);
        } else {
            play.end = End::Cut(cut.by);
        }
        self.fired.push("cut");
    }

    fn bad_json(&mut self, at: u64, spoilers: &Spoilers<'_>) {
        if !self.stream {
            let half = self.tape.buf.len() / 2;
            self.splice(half, self.tape.buf.len(), b"", 0);
            self.fired.push("bad_json");
            return;
        }
        if let (Some(from), Some(to)) = (self.start_of(at), self.start_of(at + 1)) {
            self.splice(from, to, &(spoilers.broken_event)(at), at);
            self.fired.push("bad_json");
        }
    }

    fn flip(&mut self, at: u64) {
        let (Some(from), Some(to)) = (self.start_of(at), self.start_of(at + 1)) else {
            return;
        };
        if let Some(byte) = self.tape.buf.get_mut(usize::midpoint(from, to)) {
            *byte ^= 1;
            self.fired.push("flip");
        }
    }

    /// Where an event begins; the end of the last one is a place too.
    fn start_of(&self, event: u64) -> Option<usize> {
        let before = usize::try_from(event).ok()?.checked_sub(1);
        before.map_or(Some(0), |i| self.tape.marks.get(i).map(|m| m.end))
    }

    /// Puts `new` in place of `from..to`, both within event `event`.
    fn splice(&mut self, from: usize, to: usize, new: &[u8], event: u64) {
        let old = &self.tape.buf;
        let mut buf = BytesMut::with_capacity(old.len() + new.len());
        buf.put_slice(old.get(..from).unwrap_or_default());
        buf.put_slice(new);
        buf.put_slice(old.get(to..).unwrap_or_default());
        self.tape.buf = buf;
        let event = usize::try_from(event).unwrap_or(usize::MAX);
        for Mark { end, .. } in self.tape.marks.iter_mut().skip(event) {
            *end = (*end + new.len()).saturating_sub(to - from);
        }
    }
}

/// Keeps the first `left` bytes. A step of which a part is left tells neither
/// its events nor its tokens.
fn truncate(steps: &mut VecDeque<Step>, mut left: u64) {
    let mut kept = VecDeque::new();
    let (mut events, mut tokens) = (0, 0);
    for mut step in steps.drain(..) {
        let len = step.bytes.len() as u64;
        if left == 0 {
            break;
        }
        if len * step.repeat <= left {
            left -= len * step.repeat;
            (events, tokens) = (step.events, step.tokens);
            kept.push_back(step);
            continue;
        }
        if len <= left {
            let whole = Step {
                repeat: left / len,
                events,
                tokens,
                ..step.clone()
            };
            left %= len;
            step.wait = Duration::ZERO;
            kept.push_back(whole);
        }
        if left > 0 {
            let bytes = step.bytes.slice(..usize::try_from(left).unwrap_or(0));
            kept.push_back(Step {
                bytes,
                repeat: 1,
                events,
                tokens,
                ..step
            });
        }
        break;
    }
    *steps = kept;
}

fn fraction(total: u64, share: f64) -> u64 {
    // Exact enough: bodies are far below 2^52 bytes, and the share is clamped.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "both are small and positive"
    )]
    let at = (total as f64 * share.clamp(0.0, 1.0)) as u64;
    at
}

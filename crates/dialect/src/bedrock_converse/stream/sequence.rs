//! Puts the parts of an answer one after the other: what belongs to a later part waits
//! until the open one has ended.
//!
//! Client libraries gather a block's pieces until it stops, so blocks must not mix. What
//! waits is bounded; beyond the bound the stream fails, since a shorter part is no part.

use std::collections::VecDeque;

use crate::chat::{Delta, PartStart};

/// Most bytes that wait.
const WAITING_BYTES: usize = 1 << 20;
/// What a part counts beside its deltas, in bytes.
const PART: usize = 256;

/// A step of an answer told part by part.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    Start(PartStart),
    Delta(Delta),
    End,
}

/// Parts that are open or wait, the open one first.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    parts: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    turns: VecDeque<Turn>,
    ended: bool,
}

impl Sequence {
    /// Takes a step of a part in; says whether what waits is still within its bound.
    pub(super) fn push(&mut self, number: u64, turn: Turn) -> bool {
        self.bytes = self.bytes.saturating_add(weight(&turn));
        if matches!(turn, Turn::Start(_)) {
            self.parts.push_back(Waiting {
                number,
                turns: VecDeque::new(),
                ended: false,
            });
        }
        let part = self.parts.iter_mut().find(|part| part.number == number);
        if let Some(part) = part {
            part.ended |= matches!(turn, Turn::End);
            part.turns.push_back(turn);
        }
        self.bytes <= WAITING_BYTES
    }

    /// The next step that is due.
    pub(super) fn pull(&mut self) -> Option<Turn> {
        let first = self.parts.front_mut()?;
        let turn = first.turns.pop_front()?;
        if first.turns.is_empty() && first.ended {
            self.parts.pop_front();
        }
        self.bytes = self.bytes.saturating_sub(weight(&turn));
        Some(turn)
    }

    /// Ends every part, since the answer is complete.
    pub(super) fn end_all(&mut self) {
        for part in self.parts.iter_mut().filter(|part| !part.ended) {
            part.ended = true;
            part.turns.push_back(Turn::End);
        }
    }
}

fn weight(turn: &Turn) -> usize {
    const STEP: usize = 64;
    let text = match turn {
        Turn::Start(_) => PART,
        Turn::End => 0,
        Turn::Delta(delta) => match delta {
            Delta::Text(text) | Delta::Arguments(text) => text.len(),
            Delta::Opaque(opaque) => opaque.value.text().len(),
            Delta::Citation(citation) => citation.raw.value.text().len(),
            Delta::Raw(raw) => raw.text().len(),
        },
    };
    text + STEP
}

//! The most that a request of another task than chat can cost, and whether it says itself what it costs.

use dialect::chat::{Apart, Usage};
use dialect::task::{Task, Work};

use super::{INPUT, Kind, OUTPUT, PriceRow, Schedule, Sum};
use crate::bound::{IMAGE_TOKENS, ITEM_TOKENS, REQUEST_TOKENS};
use crate::money::Nanos;

/// The most of each that a request can come to.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    input: u64,
    output: u64,
    images: u64,
    characters: u64,
    requests: u64,
}

impl PriceRow {
    /// The most that a request with so many bytes can cost; none where something of it has no bound by
    /// these prices. Never below [`cost`](Self::cost) of what it can use.
    #[must_use]
    pub fn ceiling_of(&self, work: &Work, bytes: u64) -> Option<Nanos> {
        let most = self.most_of(work, bytes)?;
        let standard = Schedule {
            rates: self.rates,
            above: self.above.clone(),
        };
        let tiers = self.tiers.iter().map(|(_, schedule)| schedule);
        let mut ceiling = Nanos::ZERO;
        for rates in std::iter::once(&standard)
            .chain(tiers)
            .flat_map(|schedule| schedule.up_to(most.input))
        {
            let mut sum = Sum::default();
            // Where these have no rate their tokens are counted instead.
            let by_tokens = Some(0);
            for (count, rate) in [
                (most.input, rates.dearest(&INPUT)),
                (most.output, rates.dearest(&OUTPUT)),
                (most.images, rates.image.or(by_tokens)),
                (most.characters, rates.character.or(by_tokens)),
                (most.requests, rates.charged(Kind::Request)),
            ] {
                sum.add(count, rate);
            }
            if sum.unpriced {
                return None;
            }
            ceiling = ceiling.max(sum.nanos(self.discount_basis_points).0);
        }
        Some(ceiling.max(self.minimum))
    }

    fn most_of(&self, work: &Work, bytes: u64) -> Option<Most> {
        if work.unbounded.is_some() {
            return None;
        }
        let rates = &self.rates;
        let text = bytes
            .saturating_sub(work.picture_bytes)
            .saturating_add(REQUEST_TOKENS)
            .saturating_add(work.inputs.saturating_mul(ITEM_TOKENS))
            .saturating_add(work.pictures.saturating_mul(IMAGE_TOKENS));
        let mut most = Most {
            requests: work.searches.max(1),
            ..Most::default()
        };
        match work.task {
            Task::Embed | Task::EmbedBatch | Task::Moderate => most.input = text,
            // The question is read with each document.
            Task::Rerank => {
                let by_tokens = rates.input.is_some();
                most.input = text.saturating_mul(work.inputs.max(1)) * u64::from(by_tokens);
            }
            Task::Image | Task::ImageEdit => {
                most.images = work.images;
                if rates.image.is_none() {
                    let each = self.max_output_tokens?;
                    most.output = each.saturating_mul(work.images);
                }
                most.input = text * u64::from(rates.input.is_some());
            }
            Task::Speech => {
                most.characters = work.characters;
                if rates.character.is_none() {
                    (most.input, most.output) = (text, self.max_output_tokens?);
                }
            }
            // Nothing in a file of sound says how long it can be: the model's window must.
            Task::Transcribe | Task::Translate => {
                most.input = self.max_input_tokens?;
                most.output = self.max_output_tokens?;
                rates.charged(Kind::AudioIn)?;
            }
            Task::Chat | Task::Complete => return None,
        }
        Some(most)
    }

    /// What a request uses by its own words where this price is for that measure, so that no answer
    /// need tell it; none where the answer must.
    #[must_use]
    pub fn measured(&self, work: &Work) -> Option<Usage> {
        let rates = &self.rates;
        let apart = match work.task {
            Task::Speech if rates.character.is_some() => Apart {
                characters: work.characters,
                ..Apart::default()
            },
            Task::Image | Task::ImageEdit if rates.image.is_some() => Apart {
                images: work.images,
                ..Apart::default()
            },
            Task::Chat
            | Task::Complete
            | Task::Embed
            | Task::EmbedBatch
            | Task::Rerank
            | Task::Moderate
            | Task::Image
            | Task::ImageEdit
            | Task::Speech
            | Task::Transcribe
            | Task::Translate => return None,
        };
        Some(Usage {
            apart,
            ..Usage::default()
        })
    }
}

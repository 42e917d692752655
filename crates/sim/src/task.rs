//! What is asked for beside words: vectors, ranks, verdicts, images, sound.
//!
//! Their content follows from the request alone, as all content here does.

use crate::words::{self, Rng};

/// What a request wants.
#[derive(Clone, Debug, Default)]
pub(crate) enum Task {
    /// Words, which have all the rest of an [`crate::ask::Ask`].
    #[default]
    Say,
    Embed(Embed),
    Rerank(Rerank),
    Moderate(Vec<Piece>),
    Draw(Draw),
    Speak(Speak),
}

/// Vectors for inputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Embed {
    /// A seed for each input.
    pub(crate) inputs: Vec<u64>,
    pub(crate) dimensions: usize,
    /// The texts, where the answer repeats them.
    pub(crate) texts: Vec<String>,
    /// The forms in which they are wanted, in the dialect's words.
    pub(crate) forms: Vec<String>,
}

/// Documents by how near they are to a question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rerank {
    pub(crate) query: String,
    pub(crate) documents: Vec<String>,
    pub(crate) top: usize,
}

/// A part of what is to be judged.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) image: bool,
    pub(crate) bad: bool,
}

/// Images.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draw {
    pub(crate) count: u64,
    /// By address instead of in the answer.
    pub(crate) by_url: bool,
    pub(crate) size: String,
    pub(crate) partial: u64,
}

/// Sound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speak {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: usize,
}

/// Output tokens of one image.
pub(crate) const IMAGE_TOKENS: u64 = 272;
/// Bytes of sound for one byte of text.
pub(crate) const SOUND_BYTES: usize = 64;
const SOUND_TOKEN: usize = 256;
const BASE_SCORE: f64 = 0.02;

impl Task {
    /// Output tokens of the whole answer, where it is not words.
    pub(crate) fn output_tokens(&self) -> Option<u64> {
        match self {
            Task::Say => None,
            Task::Embed(_) | Task::Rerank(_) | Task::Moderate(_) => Some(0),
            Task::Draw(draw) => Some(draw.count * IMAGE_TOKENS),
            Task::Speak(speak) => Some(speak.bytes.div_ceil(SOUND_TOKEN) as u64),
        }
    }
}

/// A vector of length 1.
pub(crate) fn vector(seed: u64, dimensions: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    let raw: Vec<f32> = (0..dimensions)
        .map(|_| {
            let byte = u8::try_from(rng.below(255)).unwrap_or(0);
            (f32::from(byte) - 127.0) / 127.0
        })
        .collect();
    let length = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
    let length = if length > 0.0 { length } else { 1.0 };
    raw.iter().map(|v| v / length).collect()
}

/// The bytes of a vector, little-endian.
pub(crate) fn packed(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|v| v.to_le_bytes()).collect()
}

impl Rerank {
    /// Index and score of each document that is told, best first.
    pub(crate) fn ranked(&self) -> Vec<(usize, f64)> {
        let mut all: Vec<(usize, f64)> = self
            .documents
            .iter()
            .map(|d| self.score(d))
            .enumerate()
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(self.top);
        all
    }

    /// The share of the question's words that are in the document.
    fn score(&self, document: &str) -> f64 {
        let document = document.to_lowercase();
        let question = self.query.to_lowercase();
        let (mut hits, mut all) = (0_u32, 0_u32);
        for word in question.split_whitespace() {
            all += 1;
            hits += u32::from(document.contains(word));
        }
        BASE_SCORE + 0.9 * f64::from(hits) / f64::from(all.max(1))
    }
}

/// Bytes that begin as a PNG does and go on by seed; no decoder is satisfied.
pub(crate) fn picture(seed: u64) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut rng = Rng::new(seed);
    out.extend((0..64).flat_map(|_| rng.next().to_le_bytes()));
    out
}

/// Sound of so many bytes, by seed.
pub(crate) fn sound(seed: u64, bytes: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let words = (0..bytes.div_ceil(8)).flat_map(|_| rng.next().to_le_bytes());
    words.take(bytes).collect()
}

/// A seed of a text.
pub(crate) fn seed_of(text: &str) -> u64 {
    words::hash(0, text.as_bytes())
}

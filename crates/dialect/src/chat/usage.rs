//! What an answer used.

use crate::json::Json;

/// Token counts that do not overlap.
///
/// Dialects differ in whether their input count contains what came from a cache
/// and whether their output count contains reasoning; the codecs take them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that no cache served.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache, short-lived.
    pub cache_write: u64,
    /// Input written to a cache for an hour.
    pub cache_write_1h: u64,
    /// Input that is sound.
    pub audio_in: u64,
    /// Output, without reasoning where the dialect tells it apart.
    pub output: u64,
    /// Reasoning, where the dialect tells it apart.
    pub reasoning: u64,
    /// Output that is sound.
    pub audio_out: u64,
    /// What only some tasks use.
    pub apart: Apart,
    /// The usage object as the dialect wrote it.
    pub raw: Option<Json>,
}

/// What only tasks other than chat use: tokens of images, and what is not counted in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Tokens of input that are images.
    pub image_in: u64,
    /// Tokens of output that are images.
    pub image_out: u64,
    /// Images made.
    pub images: u64,
    /// Searches, each of which is charged as a request.
    pub searches: u64,
    /// Characters spoken.
    pub characters: u64,
    /// Seconds of sound heard.
    pub seconds: u64,
}

impl Usage {
    /// All input, however it was served.
    #[must_use]
    pub fn total_input(&self) -> u64 {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.audio_in,
            self.apart.image_in,
        ]
        .iter()
        .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// All output.
    #[must_use]
    pub fn total_output(&self) -> u64 {
        self.output
            .saturating_add(self.reasoning)
            .saturating_add(self.audio_out)
            .saturating_add(self.apart.image_out)
    }
}

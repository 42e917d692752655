//! Prices of targets, as they are written.
//!
//! Shapes only: what is absent is not zero, and resolving says what is wrong.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::{Moment, Percent, Usd};
use crate::config::values::At;

/// A type with the rates of a price beside its own keys.
macro_rules! with_rates {
    ($(#[$of_type:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$of_type])*
        #[derive(Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)*
            /// Input that no cache held.
            pub input: Option<Usd>,
            /// Input read from a cache.
            pub cache_read: Option<Usd>,
            /// Input written to a cache for five minutes.
            pub cache_write: Option<Usd>,
            /// Input written to a cache for an hour.
            pub cache_write_1h: Option<Usd>,
            /// Output.
            pub output: Option<Usd>,
            /// Reasoning; as output when absent.
            pub reasoning: Option<Usd>,
            /// Sound that is heard.
            pub audio_in: Option<Usd>,
            /// Sound that is spoken.
            pub audio_out: Option<Usd>,
            /// Images that are seen.
            pub image_in: Option<Usd>,
            /// Images that are made, where they are counted in tokens.
            pub image_out: Option<Usd>,
            /// One image made.
            pub image: Option<Usd>,
            /// Characters that are spoken.
            pub character: Option<Usd>,
            /// One second of sound that is heard.
            pub second: Option<Usd>,
            /// One request.
            pub request: Option<Usd>,
        }

        impl $name {
            /// The rates by their names.
            #[must_use]
            pub fn rates(&self) -> [(&'static str, Option<Usd>); 14] {
                [
                    ("input", self.input),
                    ("cache_read", self.cache_read),
                    ("cache_write", self.cache_write),
                    ("cache_write_1h", self.cache_write_1h),
                    ("output", self.output),
                    ("reasoning", self.reasoning),
                    ("audio_in", self.audio_in),
                    ("audio_out", self.audio_out),
                    ("image_in", self.image_in),
                    ("image_out", self.image_out),
                    ("image", self.image),
                    ("character", self.character),
                    ("second", self.second),
                    ("request", self.request),
                ]
            }
        }
    };
}

with_rates! {
    /// Prices of a target, each for a million tokens, characters or seconds; of images and requests, for one.
    PriceFile {
        /// `provider/model`
        target: Option<At<String>>,
        /// From when it holds; always when absent.
        from: Option<At<Moment>>,
        /// Until when it holds; for ever when absent.
        until: Option<At<Moment>>,
        /// Other prices for requests with more input.
        above_tokens: Option<Vec<At<AboveFile>>>,
        /// Other prices for other tiers of service.
        tier: Option<At<TierFile>>,
        /// What is taken off every rate of this price, such as `15%`.
        discount: Option<At<Percent>>,
    }
}

with_rates! {
    /// Prices of a request whose input is longer than `n` tokens.
    AboveFile {
        /// Tokens of input.
        #[schemars(range(min = 1))]
        n: Option<u32>,
    }
}

with_rates! {
    /// Prices in one tier of service; what is absent is as without the tier.
    RatesFile {}
}

/// Other prices for other tiers of service.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TierFile {
    /// Batches, answered within a day.
    pub batch: Option<At<RatesFile>>,
    /// Flexible processing: cheaper and slower.
    pub flex: Option<At<RatesFile>>,
    /// Priority processing: dearer and faster.
    pub priority: Option<At<RatesFile>>,
    /// Fast modes: dearer and faster.
    pub fast: Option<At<RatesFile>>,
}

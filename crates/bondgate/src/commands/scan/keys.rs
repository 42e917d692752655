//! Keys in clear, by their shape.
//!
//! What is found leaves here as its first 4 characters and its length.

use regex::Regex;

use super::{Found, Of};

/// The provider's name in the catalogue, or its own, and the shape of its keys.
///
/// Sources: the forms that each provider's console gives out. The order matters: the first
/// that fits wins.
const SHAPES: [(&str, &str); 16] = [
    ("anthropic", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("openrouter", r"\bsk-or-[A-Za-z0-9_-]{20,}"),
    (
        "openai",
        r"\bsk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}",
    ),
    ("openai", r"\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b"),
    ("deepseek", r"\bsk-[0-9a-f]{32}\b"),
    ("openai", r"\bsk-[A-Za-z0-9]{40,}\b"),
    ("gemini", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("groq", r"\bgsk_[A-Za-z0-9]{40,}\b"),
    ("xai", r"\bxai-[A-Za-z0-9]{40,}\b"),
    ("perplexity", r"\bpplx-[A-Za-z0-9]{30,}\b"),
    ("cerebras", r"\bcsk-[a-z0-9]{30,}\b"),
    ("nvidia", r"\bnvapi-[A-Za-z0-9_-]{40,}"),
    ("together", r"\btgp_v1_[A-Za-z0-9_-]{30,}"),
    ("huggingface", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("replicate", r"\br8_[A-Za-z0-9]{30,}\b"),
    ("bedrock", r"\bABSK[A-Za-z0-9+/]{40,}={0,2}"),
];

/// Words that only stand-ins hold.
const STAND_INS: [&str; 9] = [
    "your",
    "example",
    "xxxx",
    "placeholder",
    "changeme",
    "dummy",
    "redacted",
    "fake",
    "insert",
];

/// Fewest different characters of a key that somebody drew.
const VARIETY: usize = 8;

/// Finds keys by their shapes.
pub(super) struct Keys(Vec<(&'static str, Regex)>);

impl Keys {
    pub(super) fn new() -> anyhow::Result<Self> {
        let compiled = SHAPES
            .into_iter()
            .map(|(provider, shape)| Ok((provider, Regex::new(&format!("(?-u){shape}"))?)));
        Ok(Self(compiled.collect::<anyhow::Result<_>>()?))
    }

    /// Each key once, at its beginning.
    pub(super) fn find(&self, text: &str) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for (provider, shape) in &self.0 {
            for key in shape.find_iter(text) {
                let known = found.iter().any(|other| other.at == key.start());
                if !known && is_drawn(key.as_str()) {
                    found.push(Found {
                        at: key.start(),
                        of: Of::Key,
                        what: shown(key.as_str()),
                        provider,
                    });
                }
            }
        }
        found
    }
}

/// Whether it can be a key, and no stand-in for one.
pub(super) fn is_drawn(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if STAND_INS.iter().any(|word| lower.contains(word)) {
        return false;
    }
    let mut different = [false; 256];
    for byte in text.bytes() {
        if let Some(seen) = different.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    different.into_iter().filter(|seen| *seen).count() >= VARIETY
}

/// All that is ever shown of a key.
pub(super) fn shown(key: &str) -> String {
    let first: String = key.chars().take(4).collect();
    format!("key in clear: {first}…, {} characters", key.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_no_keys() {
        let keys = Keys::new().unwrap();
        for text in [
            "sk-ant-api03-your-key-goes-here-0123456789",
            "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "AIzaAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "task-0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(keys.find(text), [], "{text}");
        }
    }
}

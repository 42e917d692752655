//! Who calls, and what they may use.

use std::fmt;

/// Keyed hash of a virtual key's secret: HMAC-SHA-256 under the master key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    /// The first bytes only: enough to tell keys apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "KeyHash({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A credential that we issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualKey {
    /// Its name.
    pub name: String,
    /// Hash of its secret.
    pub hash: KeyHash,
    /// Logical models that it may call; `None` for all.
    pub models: Option<Vec<String>>,
    /// Whether it may call `provider/model` too.
    pub direct: bool,
    /// Until when it is good, in milliseconds since 1970; `None` for ever.
    pub expires_ms: Option<i64>,
}

impl VirtualKey {
    /// Whether the key may call that logical model.
    #[must_use]
    pub fn may_call(&self, model: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.iter().any(|m| m == model))
    }

    /// Whether the key is good at that time.
    #[must_use]
    pub fn is_current(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|expires| now_ms < expires)
    }
}

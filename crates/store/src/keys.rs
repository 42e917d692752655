//! Keyed hashes of virtual keys.
//!
//! A key is 256 random bits, so a plain keyed hash is enough: no salt, no slow
//! hashing. The secret itself is never kept.

use aws_lc_rs::{hmac, rand};
use policy::caller::KeyHash;
use subtle::ConstantTimeEq;

/// Hashes secrets under the master key.
#[derive(Clone)]
pub struct KeyHasher {
    key: hmac::Key,
}

impl KeyHasher {
    /// A hasher under that master key.
    #[must_use]
    pub fn new(master_key: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, master_key),
        }
    }

    /// The hash of a virtual key's secret.
    #[must_use]
    pub fn hash(&self, secret: &str) -> KeyHash {
        self.tagged(&["key", secret])
    }

    /// A value that stands for `text` for one tenant and that nobody else can compute.
    #[must_use]
    pub fn opaque_id(&self, tenant: &str, text: &str) -> String {
        // Under a word of its own: no tenant's name makes it the hash of a key.
        let KeyHash(bytes) = self.tagged(&["opaque", tenant, text]);
        hex(&bytes)
    }

    /// The hash of some texts; none but the last has a NUL.
    fn tagged(&self, texts: &[&str]) -> KeyHash {
        let mut context = hmac::Context::with_key(&self.key);
        for (n, text) in texts.iter().enumerate() {
            if n > 0 {
                context.update(&[0]);
            }
            context.update(text.as_bytes());
        }
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        KeyHash(hash)
    }
}

/// Whether two hashes are equal, in a time that does not depend on where they differ.
#[must_use]
pub fn equal(a: &KeyHash, b: &KeyHash) -> bool {
    a.0.ct_eq(&b.0).into()
}

/// A new master key, or a new secret's random part: 256 bits.
///
/// # Errors
/// Where the system gives no randomness.
pub fn random_256() -> Result<[u8; 32], NoRandomness> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_secret_and_master_key() {
        let (a, b) = (KeyHasher::new(b"one"), KeyHasher::new(b"two"));
        assert!(equal(&a.hash("secret"), &a.hash("secret")));
        assert!(!equal(&a.hash("secret"), &a.hash("secreT")));
        assert!(!equal(&a.hash("secret"), &b.hash("secret")));
    }

    #[test]
    fn an_opaque_id_is_the_tenants_own() {
        let hasher = KeyHasher::new(b"one");
        assert_ne!(hasher.opaque_id("a", "x"), hasher.opaque_id("b", "x"));
        assert_eq!(hasher.opaque_id("a", "x"), hasher.opaque_id("a", "x"));
    }
}

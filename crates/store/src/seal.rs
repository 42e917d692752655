//! Sealed secrets: what is stored so that only the holder of the master key can read it.
//!
//! AES-256-GCM under a key derived from the master key by HKDF-SHA-256 (RFC 5869), a random
//! nonce each time. What a secret is for and where it may be sent is authenticated with it, so
//! a row that is moved to another provider or origin does not open. Never stores or shows a
//! master key; of it only a fingerprint is kept, by another derivation.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use policy::secret::Secret;
use zeroize::Zeroizing;

use crate::keys::hex;

/// First byte of everything sealed: how the rest is to be read.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Seals and opens under one master key.
pub struct Sealer {
    key: RandomizedNonceKey,
    fingerprint: String,
}

/// A sealed secret: a version, a nonce, the ciphertext and its tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// What a sealed secret belongs to; it opens for the same only.
#[derive(Clone, Copy, Debug)]
pub struct Belongs<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Where it may be sent, such as `https://api.openai.com`.
    pub origin: &'a str,
}

/// Why something cannot be sealed or opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The library refused, or gave no randomness.
    #[error("the secret cannot be sealed: the system's cryptography failed")]
    Failed,
    /// It was not sealed for this, or not under this master key, or it was changed.
    #[error(
        "the stored credential of provider `{provider}` does not open for {origin}: it was sealed \
         for another origin or changed since; store the credential again"
    )]
    DoesNotOpen {
        /// The provider's name.
        provider: String,
        /// The origin it was to be opened for.
        origin: String,
    },
}

impl Sealer {
    /// What seals under that master key.
    ///
    /// # Errors
    /// [`SealError::Failed`] where the library refuses.
    pub fn new(master_key: &[u8]) -> Result<Self, SealError> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bondgate").extract(master_key);
        let key = Zeroizing::new(derive(&root, b"seal 1")?);
        let fingerprint = derive(&root, b"fingerprint 1")?;
        Ok(Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| SealError::Failed)?,
            fingerprint: hex(fingerprint.get(..8).unwrap_or_default()),
        })
    }

    /// What tells master keys apart and tells nothing of them.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Seals a secret for one provider at one origin.
    ///
    /// # Errors
    /// [`SealError::Failed`] where the system's cryptography fails.
    pub fn seal(&self, secret: &Secret, belongs: Belongs<'_>) -> Result<Sealed, SealError> {
        // Room for the tag, so that the plain text is nowhere left behind by growing.
        let mut text = Zeroizing::new(Vec::with_capacity(secret.reveal().len() + TAG_BYTES));
        text.extend_from_slice(secret.reveal().as_bytes());
        let nonce = self
            .key
            .seal_in_place_append_tag(belongs.aad(), &mut *text)
            .map_err(|_| SealError::Failed)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(Sealed(sealed))
    }

    /// Opens what was sealed for the same provider and origin.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] for anything else.
    pub fn open(&self, sealed: &Sealed, belongs: Belongs<'_>) -> Result<Secret, SealError> {
        self.opened(sealed, belongs)
            .ok_or_else(|| SealError::DoesNotOpen {
                provider: belongs.provider.to_owned(),
                origin: belongs.origin.to_owned(),
            })
    }

    fn opened(&self, sealed: &Sealed, belongs: Belongs<'_>) -> Option<Secret> {
        let (version, rest) = sealed.0.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let plain = (*version == VERSION)
            .then(|| self.key.open_in_place(nonce, belongs.aad(), &mut text))?
            .ok()?;
        std::str::from_utf8(plain)
            .ok()
            .map(|text| Secret::new(text.to_owned()))
    }
}

impl Belongs<'_> {
    /// Both names with their lengths, so that no two pairs are the same bytes.
    fn aad(&self) -> Aad<Vec<u8>> {
        let mut bytes = b"provider key".to_vec();
        for text in [self.provider, self.origin] {
            bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Aad::from(bytes)
    }
}

fn derive(root: &hkdf::Prk, purpose: &[u8]) -> Result<[u8; 32], SealError> {
    let mut derived = [0; 32];
    root.expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut derived))
        .map_err(|_| SealError::Failed)?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Belongs<'static> = Belongs {
        provider: "openai",
        origin: "https://api.openai.com",
    };

    fn sealer(master: &[u8]) -> Sealer {
        Sealer::new(master).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_own_provider_and_origin_only() {
        let sealer = sealer(b"master");
        let sealed = sealer.seal(&Secret::new("sk-1".into()), HERE).unwrap();
        assert_eq!(sealer.open(&sealed, HERE).unwrap().reveal(), "sk-1");
        let moved = [
            Belongs {
                origin: "https://evil.example",
                ..HERE
            },
            Belongs {
                provider: "openaih",
                origin: "ttps://api.openai.com",
            },
        ];
        for belongs in moved {
            let error = sealer.open(&sealed, belongs).err().unwrap();
            assert!(error.to_string().contains(belongs.origin), "{error}");
        }
    }

    #[test]
    fn another_master_key_opens_nothing_and_has_another_fingerprint() {
        let (one, two) = (sealer(b"one"), sealer(b"two"));
        let sealed = one.seal(&Secret::new("sk-1".into()), HERE).unwrap();
        assert!(two.open(&sealed, HERE).is_err());
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint(), sealer(b"one").fingerprint());
    }

    #[test]
    fn a_changed_byte_does_not_open() {
        let sealer = sealer(b"master");
        let sealed = sealer.seal(&Secret::new("sk-1".into()), HERE).unwrap();
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(sealer.open(&changed, HERE).is_err(), "byte {at}");
            assert!(sealer.open(&Sealed(sealed.0[..at].to_vec()), HERE).is_err());
        }
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        let sealer = sealer(b"master");
        let seal = || sealer.seal(&Secret::new("sk-1".into()), HERE).unwrap();
        assert!(seal() != seal());
    }
}

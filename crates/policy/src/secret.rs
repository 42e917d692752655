//! Secrets: a type that cannot be printed, compared or written down by accident.

use zeroize::Zeroizing;

use crate::origin::Origin;

/// Text that must not be seen. It has neither `Debug` nor `Display` nor `Serialize`.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; it is wiped when dropped.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for hashing or comparing; never for showing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A credential that we hold for a provider, bound to the origin it may be sent to.
pub struct ProviderKey {
    name: String,
    secret: Secret,
    origin: Origin,
}

impl ProviderKey {
    /// Binds a secret to an origin; `name` stands for it in records.
    #[must_use]
    pub fn new(name: String, secret: Secret, origin: Origin) -> Self {
        Self {
            name,
            secret,
            origin,
        }
    }

    /// What stands for the key in records; not secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret, only for the origin that it is bound to.
    #[must_use]
    pub fn reveal_for(&self, origin: &Origin) -> Option<&str> {
        (*origin == self.origin).then(|| self.secret.reveal())
    }
}

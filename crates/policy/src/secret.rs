//! Secrets: a type that cannot be printed, compared or written down by accident.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use zeroize::Zeroizing;

use crate::origin::Origin;
use crate::renewal::{Recipe, Renewal};

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
    held: Held,
    origin: Origin,
    identity: u64,
}

enum Held {
    Given(Secret),
    Renewed(Renewal),
}

impl ProviderKey {
    /// Binds a secret to an origin; `name` stands for it in records.
    #[must_use]
    pub fn new(name: String, secret: Secret, origin: Origin) -> Self {
        let identity = identity(&name, &origin, Some(&secret));
        let held = Held::Given(secret);
        Self {
            name,
            held,
            origin,
            identity,
        }
    }

    /// One that is obtained and renewed by that recipe.
    #[must_use]
    pub fn renewed(name: String, recipe: Recipe, origin: Origin) -> Self {
        let identity = identity(&name, &origin, None);
        let held = Held::Renewed(Renewal::new(recipe));
        Self {
            name,
            held,
            origin,
            identity,
        }
    }

    /// The same number for the same secret under the same name for the same origin: what is known of a
    /// credential is kept by it over a reload, and forgotten with the secret. For this process only.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// What stands for the key in records; not secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret that was given, only for the origin that it is bound to.
    #[must_use]
    pub fn reveal_for(&self, origin: &Origin) -> Option<&str> {
        match &self.held {
            Held::Given(secret) => (*origin == self.origin).then(|| secret.reveal()),
            Held::Renewed(_) => None,
        }
    }

    /// The renewal of one that is not given, only for the origin that it is bound to.
    #[must_use]
    pub fn renewal_for(&self, origin: &Origin) -> Option<&Renewal> {
        self.renewal().filter(|_| *origin == self.origin)
    }

    /// The renewal of one that is not given, for whoever obtains it.
    #[must_use]
    pub fn renewal(&self) -> Option<&Renewal> {
        match &self.held {
            Held::Given(_) => None,
            Held::Renewed(renewal) => Some(renewal),
        }
    }
}

fn identity(name: &str, origin: &Origin, secret: Option<&Secret>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    name.hash(&mut hasher);
    origin.host.hash(&mut hasher);
    origin.port.hash(&mut hasher);
    secret.map(Secret::reveal).hash(&mut hasher);
    hasher.finish()
}

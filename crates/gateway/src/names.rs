//! The headers of each dialect, as names that cost nothing to use: made once, since making one
//! reads it byte by byte.

use std::sync::LazyLock;

use dialect::Spoken;
use dialect::codec::Resets;
use http::{HeaderName, HeaderValue};

/// Names of the headers of one dialect.
pub(crate) struct Names {
    /// In which an answer carries its own id.
    pub request_id: HeaderName,
    /// That every request to a provider carries.
    pub fixed: Vec<(HeaderName, HeaderValue)>,
    /// Of the client's that go on to a provider of the same dialect.
    pub forwarded: Vec<HeaderName>,
    /// That tell of requests: what a window allows, what is left of it, when the next one begins.
    pub requests: [HeaderName; 3],
    /// That tell the same of tokens.
    pub tokens: [HeaderName; 3],
    /// How the last of three tells the time.
    pub resets: Resets,
}

/// The names of a dialect as it is spoken.
#[must_use]
#[expect(
    clippy::indexing_slicing,
    reason = "there is one entry for each way to speak, in the order of their indices"
)]
pub(crate) fn of(dialect: Spoken) -> &'static Names {
    static ALL: LazyLock<[Names; Spoken::ALL.len()]> =
        LazyLock::new(|| Spoken::ALL.map(Names::new));
    &ALL[dialect.index()]
}

impl Names {
    fn new(dialect: Spoken) -> Self {
        let transport = dialect.client().transport();
        let limits = &transport.limits;
        let fixed = transport.headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        let forwarded = transport.forwarded.iter().copied();
        Self {
            request_id: HeaderName::from_static(transport.request_id),
            fixed: fixed.collect(),
            forwarded: forwarded.map(HeaderName::from_static).collect(),
            requests: limits.requests.map(HeaderName::from_static),
            tokens: limits.tokens.map(HeaderName::from_static),
            resets: limits.resets,
        }
    }
}

#[cfg(test)]
mod tests {
    use dialect::Spoken;

    use super::of;

    #[test]
    fn each_dialect_has_its_own_names() {
        for dialect in Spoken::ALL {
            let transport = dialect.client().transport();
            assert_eq!(of(dialect).request_id, transport.request_id);
            assert_eq!(of(dialect).tokens, transport.limits.tokens);
        }
    }
}

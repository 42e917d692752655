//! A dialect as somebody speaks it: under its vendor's own paths, or under those of a cloud that
//! serves the same bodies.
//!
//! Requests in one dialect and two dresses differ in a few members and a header, their streams in
//! the framing: both are made anew from the client's or the provider's own bytes, not through the hub.

use bytes::Bytes;

use crate::Dialect;
use crate::anthropic::{self, Dress, Dressed, HeadersSaid};
use crate::codec::{Broken, ClientCodec, Edits, ServerCodec};
use crate::frame::Frame;
use crate::head::Head;
use crate::json::Invalid;
use crate::patch::Patch;

/// A dialect, and whose paths carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    dialect: Dialect,
    dress: Dress,
}

/// A client's own bytes made right for a target of the same dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// The edits to the body.
    pub patch: Patch,
    /// What the body no longer says and these headers do, in place of any other value; names in lower
    /// case.
    pub headers: Vec<(&'static str, String)>,
}

/// A client's request, as far as it is to be fitted.
#[derive(Clone, Copy, Debug)]
pub struct Worn<'a> {
    /// What it is spoken in.
    pub spoken: Spoken,
    /// Its head.
    pub head: &'a Head,
    /// Its body.
    pub body: &'a Bytes,
    /// What its headers say that others say in the body ([`Spoken::headers`]).
    pub headers: HeadersSaid<'a>,
}

impl Spoken {
    /// All: the dialects in their order, then what clouds serve of them.
    pub const ALL: [Spoken; 8] = {
        let mut all = [Spoken::of(Dialect::OpenaiChat); 8];
        let [a, b, c, d, e, f, bedrock, vertex] = &mut all;
        let [own_a, own_b, own_c, own_d, own_e, own_f] = Dialect::ALL;
        *a = Spoken::of(own_a);
        *b = Spoken::of(own_b);
        *c = Spoken::of(own_c);
        *d = Spoken::of(own_d);
        *e = Spoken::of(own_e);
        *f = Spoken::of(own_f);
        *bedrock = Spoken::BEDROCK_INVOKE;
        *vertex = Spoken::VERTEX_PREDICT;
        all
    };

    /// The messages API as Bedrock's `invoke` carries it.
    pub const BEDROCK_INVOKE: Spoken = Spoken {
        dialect: Dialect::AnthropicMessages,
        dress: Dress::Bedrock,
    };

    /// The messages API as Vertex's `rawPredict` carries it.
    pub const VERTEX_PREDICT: Spoken = Spoken {
        dialect: Dialect::AnthropicMessages,
        dress: Dress::Vertex,
    };

    /// A dialect under its vendor's own paths.
    #[must_use]
    pub const fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            dress: Dress::Plain,
        }
    }

    /// A dialect in that dress; in its vendor's own where no cloud serves it like that.
    #[must_use]
    pub fn new(dialect: Dialect, dress: Dress) -> Self {
        let worn = Self { dialect, dress };
        if Self::ALL.contains(&worn) {
            worn
        } else {
            Self::of(dialect)
        }
    }

    /// Its place in [`Spoken::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self.dress {
            Dress::Plain => self.dialect as usize,
            Dress::Bedrock => Dialect::ALL.len(),
            Dress::Vertex => Dialect::ALL.len() + 1,
        }
    }

    /// The dialect.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        self.dialect
    }

    /// The dialect's name in configuration and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.dialect.name()
    }

    /// Whose paths carry it.
    #[must_use]
    pub fn dress(self) -> Dress {
        self.dress
    }

    /// What a cloud calls its way to carry it; none under the vendor's own paths.
    #[must_use]
    pub fn form(self) -> Option<&'static str> {
        match self.dress {
            Dress::Plain => None,
            Dress::Bedrock => Some("`invoke`"),
            Dress::Vertex => Some("`rawPredict`"),
        }
    }

    /// It as the client speaks it.
    #[must_use]
    pub fn server(self) -> &'static dyn ServerCodec {
        match self.dress {
            Dress::Plain => self.dialect.server(),
            Dress::Bedrock => &Dressed(Dress::Bedrock),
            Dress::Vertex => &Dressed(Dress::Vertex),
        }
    }

    /// It as the provider speaks it.
    #[must_use]
    pub fn client(self) -> &'static dyn ClientCodec {
        match self.dress {
            Dress::Plain => self.dialect.client(),
            Dress::Bedrock => &Dressed(Dress::Bedrock),
            Dress::Vertex => &Dressed(Dress::Vertex),
        }
    }

    /// The client's headers that [`Spoken::fit`] asks for where it does not speak like this: that of
    /// betas and that of the version.
    #[must_use]
    pub fn headers(self) -> Option<[&'static str; 2]> {
        let both = [anthropic::BETAS_HEADER, anthropic::VERSION_HEADER];
        (self.dialect == Dialect::AnthropicMessages).then_some(both)
    }

    /// The edits that make a request of the same dialect right for a target that speaks it like this.
    ///
    /// # Errors
    /// [`Invalid`] where it cannot be put into this dress.
    pub fn fit(self, worn: &Worn<'_>, edits: &Edits<'_>) -> Result<Fitted, Invalid> {
        if self == worn.spoken {
            return Ok(Fitted {
                patch: self.server().patch(worn.head, edits),
                headers: Vec::new(),
            });
        }
        let dresses = (worn.spoken.dress, self.dress);
        let said = (worn.head.stream, worn.headers);
        let (patch, headers) = anthropic::redress(dresses, worn.body, said, edits)?;
        Ok(Fitted { patch, headers })
    }

    /// A frame of a stream of the same dialect, whatever it is framed as, as this frames it. None
    /// for one that means nothing to a client.
    ///
    /// # Errors
    /// [`Broken`] where the frame is none of the dialect's.
    pub fn reframe(self, frame: &Frame<'_>) -> Result<Option<Vec<u8>>, Broken> {
        anthropic::reframe(self.dress, frame)
    }
}

impl From<Dialect> for Spoken {
    fn from(dialect: Dialect) -> Self {
        Self::of(dialect)
    }
}

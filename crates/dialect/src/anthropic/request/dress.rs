//! The messages API as clouds serve it: the same bodies under paths of the cloud's own.
//!
//! The model stands in the path and not in the body, the version of the API in the body and
//! not in a header. One pass makes any dress of any other; nothing else may change.
//!
//! Sources: <https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock>,
//! <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>.

use crate::chat::Extra;
use crate::codec::Edits;
use crate::json::{Invalid, Kind, Reader, Span, Writer};
use crate::patch::Patch;

/// Whose paths a request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dress {
    /// The vendor's own API: model and form of the answer stand in the body.
    #[default]
    Plain,
    /// `invoke` and `invoke-with-response-stream` of Amazon Bedrock.
    Bedrock,
    /// `rawPredict` and `streamRawPredict` of Google's Vertex AI.
    Vertex,
}

/// What a body must say, or must not, once it is dressed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The model in the provider's words.
    pub model: &'a str,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// A lower bound on output tokens than the client gave.
    pub max_output_tokens: Option<u64>,
    /// Betas that the client named in a header. A dress that has them in the body takes them in,
    /// beside those that stand there.
    pub betas: &'a [&'a str],
}

const MODEL: &str = "model";
const STREAM: &str = "stream";
const VERSION: &str = "anthropic_version";
const BETAS: &str = "anthropic_beta";

impl Dress {
    /// The version that a body names, where it does.
    #[must_use]
    pub fn version(self) -> Option<&'static str> {
        match self {
            Dress::Plain => None,
            Dress::Bedrock => Some("bedrock-2023-05-31"),
            Dress::Vertex => Some("vertex-2023-10-16"),
        }
    }

    /// Whether a body says itself that a stream is wanted; Bedrock's path alone does.
    fn says_stream(self) -> bool {
        match self {
            Dress::Plain | Dress::Vertex => true,
            Dress::Bedrock => false,
        }
    }

    /// The edits that put a body, whatever it wore, into this dress.
    ///
    /// # Errors
    /// [`Invalid`] where the body is no JSON object, one of its members that the dress is made of
    /// stands there twice, or betas are no list of strings.
    pub fn fit(self, body: &[u8], wanted: &Wanted<'_>) -> Result<Patch, Invalid> {
        let mut reader = Reader::new(body)?;
        let start = reader.offset() + 1;
        let mut sewing = Sewing::new(start);
        reader.object(|key, member| {
            let value = member.clone();
            let span = member.skip()?;
            sewing.member(key, value, span, wanted)
        })?;
        reader.end()?;
        for beta in wanted.betas {
            sewing.beta((*beta).to_owned());
        }
        let front = self.front(&sewing, wanted);
        sewing.patch.replace(start..start, front);
        Ok(sewing.patch)
    }

    /// What stands before the members that stay.
    fn front(self, sewing: &Sewing, wanted: &Wanted<'_>) -> Vec<u8> {
        let mut out = Writer::with_capacity(128);
        match self.version() {
            Some(version) => out.key(VERSION).string(version),
            None => out.key(MODEL).string(wanted.model),
        };
        if wanted.stream && self.says_stream() {
            out.key(STREAM).bool(true);
        }
        if self != Dress::Plain && !sewing.betas.is_empty() {
            out.key(BETAS).array(|out| {
                for beta in &sewing.betas {
                    out.string(beta);
                }
            });
        }
        let mut front = out.into_bytes();
        if sewing.first_stays {
            front.push(b',');
        }
        front
    }

    /// The betas that stand in a body, for a dress that has them in a header.
    ///
    /// # Errors
    /// As [`Dress::fit`].
    pub fn betas(body: &[u8]) -> Result<Vec<String>, Invalid> {
        let mut reader = Reader::new(body)?;
        let mut sewing = Sewing::new(0);
        reader.object(|key, member| {
            if key == BETAS {
                return sewing.read_betas(member);
            }
            member.skip().map(drop)
        })?;
        reader.end()?;
        Ok(sewing.betas)
    }
}

/// The header that names betas, separated by commas.
pub(crate) const BETAS_HEADER: &str = "anthropic-beta";

/// The edits that put a request from one dress into another, and the value of the header with the
/// betas that its body named, where the other has them there. `betas` are the values that the header
/// came with.
///
/// # Errors
/// As [`Dress::fit`].
pub(crate) fn redress(
    (from, to): (Dress, Dress),
    body: &[u8],
    (stream, betas): (bool, &[&str]),
    edits: &Edits<'_>,
) -> Result<(Patch, Option<String>), Invalid> {
    // The header goes on to who has betas there, and Bedrock has no such header.
    let of_header = betas.iter().flat_map(|value| value.split(','));
    let of_header = of_header.map(str::trim).filter(|beta| !beta.is_empty());
    let betas: Vec<&str> = of_header.filter(|_| to == Dress::Bedrock).collect();
    let wanted = Wanted {
        model: edits.model,
        stream: stream,
        max_output_tokens: edits.max_output_tokens,
        betas: &betas,
    };
    let patch = to.fit(body, &wanted)?;
    let moved = if to == Dress::Plain && from != Dress::Plain {
        Dress::betas(body)?
    } else {
        Vec::new()
    };
    let header = (!moved.is_empty()).then(|| moved.join(","));
    Ok((patch, header))
}

/// A body on its way into a dress.
struct Sewing {
    patch: Patch,
    /// Where the member before ended, or the brace that opens the body.
    before: usize,
    members: usize,
    first_stays: bool,
    seen: [bool; 5],
    betas: Vec<String>,
}

impl Sewing {
    fn new(start: usize) -> Self {
        Self {
            patch: Patch::default(),
            before: start,
            members: 0,
            first_stays: false,
            seen: [false; 5],
            betas: Vec::new(),
        }
    }

    fn member(
        &mut self,
        key: &str,
        mut value: Reader<'_>,
        span: Span,
        wanted: &Wanted<'_>,
    ) -> Result<(), Invalid> {
        const ALL: [&str; 5] = [MODEL, STREAM, VERSION, BETAS, "max_tokens"];
        let known = ALL
            .iter()
            .zip(&mut self.seen)
            .find(|(name, _)| **name == key);
        let once = known.is_none_or(|(_, seen)| !std::mem::replace(seen, true));
        if !once {
            return Err(Invalid::new("this member stands here twice"));
        }
        let goes = matches!(key, MODEL | STREAM | VERSION | BETAS);
        if key == BETAS {
            self.read_betas(&mut value)?;
        }
        if key == "max_tokens"
            && let Some(most) = wanted.max_output_tokens
            && value.peek()? == Kind::Number
            && value.u64()? > most
        {
            self.patch.replace(span.clone(), most.to_string());
        }
        if goes {
            // With the comma before it.
            self.patch.replace(self.before..span.end, "");
        } else if self.members == 0 {
            self.first_stays = true;
        }
        self.before = span.end;
        self.members += 1;
        Ok(())
    }

    fn read_betas(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        if reader.null()? {
            return Ok(());
        }
        reader.array(|_, beta| {
            let beta = beta.string()?.into_owned();
            self.beta(beta);
            Ok(())
        })
    }

    fn beta(&mut self, beta: String) {
        if !self.betas.contains(&beta) {
            self.betas.push(beta);
        }
    }
}

/// Takes the version out of what was read, since it says nothing to other dialects.
pub(crate) fn undress(extra: &mut Extra) {
    extra.take(VERSION);
}

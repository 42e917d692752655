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
    /// The version of the API that the client named in a header, a date. One that the body names
    /// wins; without either a dress says its own word.
    pub version: Option<&'a str>,
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
            Some(word) => {
                let dated = sewing.version.as_deref().or(wanted.version);
                out.key(VERSION).string(dated.unwrap_or(word))
            }
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
        Ok(said(body)?.betas)
    }
}

/// What a body says that others say in headers.
fn said(body: &[u8]) -> Result<Sewing, Invalid> {
    let mut reader = Reader::new(body)?;
    let mut sewing = Sewing::new(0);
    reader.object(|key, member| match key {
        BETAS => sewing.read_betas(member),
        VERSION => sewing.read_version(member),
        _ => member.skip().map(drop),
    })?;
    reader.end()?;
    Ok(sewing)
}

/// Whether a version is one of the API itself, and not a cloud's word.
fn is_date(text: &str) -> bool {
    let shape = text
        .bytes()
        .map(|b| if b.is_ascii_digit() { b'0' } else { b });
    shape.eq(*b"0000-00-00")
}

/// The header that names betas, separated by commas.
pub(crate) const BETAS_HEADER: &str = "anthropic-beta";
/// The header that names the version.
pub(crate) const VERSION_HEADER: &str = "anthropic-version";
/// The version that has been the only one for long: it says nothing beyond a cloud's own word.
const USUAL_VERSION: &str = "2023-06-01";

/// What a client says in headers that others say in the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadersSaid<'a> {
    /// The values of [`BETAS_HEADER`].
    pub betas: &'a [&'a str],
    /// The value of [`VERSION_HEADER`].
    pub version: Option<&'a str>,
}

/// Headers that say what a body said.
pub(crate) type Moved = Vec<(&'static str, String)>;

/// The edits that put a request from one dress into another, and the headers that say what its body
/// said where the other has that there.
///
/// # Errors
/// As [`Dress::fit`].
pub(crate) fn redress(
    (from, to): (Dress, Dress),
    body: &[u8],
    (stream, headers): (bool, HeadersSaid<'_>),
    edits: &Edits<'_>,
) -> Result<(Patch, Moved), Invalid> {
    let of_header = headers.betas.iter().flat_map(|value| value.split(','));
    let of_header = of_header.map(str::trim).filter(|beta| !beta.is_empty());
    let betas: Vec<&str> = of_header.collect();
    let dated = headers.version.filter(|version| is_date(version));
    let wanted = Wanted {
        model: edits.model,
        stream,
        max_output_tokens: edits.max_output_tokens,
        version: dated.filter(|version| *version != USUAL_VERSION),
        // Bedrock alone has no such header.
        betas: if to == Dress::Bedrock { &betas } else { &[] },
    };
    let patch = to.fit(body, &wanted)?;
    let mut moved = Vec::new();
    if to == Dress::Plain && from != Dress::Plain {
        let said = said(body)?;
        if !said.betas.is_empty() {
            let in_header = betas.iter().map(|beta| (*beta).to_owned());
            let mut all: Vec<String> = in_header.collect();
            all.extend(
                said.betas
                    .into_iter()
                    .filter(|beta| !betas.contains(&beta.as_str())),
            );
            moved.push((BETAS_HEADER, all.join(",")));
        }
        moved.extend(said.version.map(|version| (VERSION_HEADER, version)));
    }
    Ok((patch, moved))
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
    /// The version that it names, where that is a date.
    version: Option<String>,
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
            version: None,
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
        match key {
            BETAS => self.read_betas(&mut value)?,
            VERSION => self.read_version(&mut value)?,
            _ => {}
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

    fn read_version(&mut self, reader: &mut Reader<'_>) -> Result<(), Invalid> {
        if reader.peek()? != Kind::String {
            return reader.skip().map(drop);
        }
        let version = reader.string()?;
        self.version = is_date(&version).then(|| version.into_owned());
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

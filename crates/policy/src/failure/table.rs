//! The failure table: what a provider's refusal means, as rows of data.
//!
//! A refusal is read once, from structure: the status, the provider's own words, the headers and
//! where in the exchange it came. The first row that holds says what it means, a provider's own rows
//! before those of its dialect, those before the ones for everybody. Only where a provider says
//! something in a sentence alone does a row look at one, from its first character on.

use dialect::failure::ProviderError;
use dialect::json::{Invalid, Json, Kind, Reader};

use super::AttemptFailure;
pub use super::rows::ROWS;

/// What a refusal shows.
#[derive(Clone, Copy, Debug)]
pub struct Signs<'a> {
    /// The provider's row of the catalogue; empty where it has none.
    pub provider: &'a str,
    /// The name of the dialect that it speaks.
    pub dialect: &'a str,
    /// Where in the exchange it came.
    pub phase: Phase,
    /// What the provider said.
    pub error: &'a ProviderError,
    /// The error's type, where a header tells it.
    pub word: Option<&'a str>,
    /// Whether the provider says in a header that a retry cannot help.
    pub is_final: bool,
}

/// Where in an exchange a failure came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Instead of an answer, with that status.
    Head(u16),
    /// Within an answer that had begun.
    Answer,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The kind of failure.
    pub kind: AttemptFailure,
    /// Whether it says something of the credential at that target alone, not of all that it may use.
    pub at_target: bool,
    /// Whether its cause may as well be something that the request itself names, such as a file.
    pub vague: bool,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Whose refusals it reads.
    pub of: Of,
    /// The statuses that it is for; all where there are none, answers that had begun too.
    pub statuses: &'static [u16],
    /// What must be said.
    pub says: Says,
    /// What that means.
    pub means: Meaning,
}

/// Whose refusals a row reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// That provider's, by its row of the catalogue.
    Provider(&'static str),
    /// Those of whoever speaks that dialect.
    Dialect(&'static str),
    /// Everybody's.
    All,
}

/// What a refusal must say for a row to hold.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// Whatever it says.
    Anything,
    /// One of these words as its code, its type, or the type in a header.
    Word(&'static [&'static str]),
    /// A word at this path of the error object; lists are searched.
    Member(&'static [&'static str], Match),
    /// A sentence that begins so and goes on, anywhere behind that, with the second part.
    Sentence(&'static str, &'static str),
    /// That a retry cannot help.
    Final,
}

/// What a member must be.
#[derive(Clone, Copy, Debug)]
pub enum Match {
    /// Whatever it is.
    Any,
    /// Exactly this.
    Is(&'static str),
    /// It holds this.
    Holds(&'static str),
}

/// What a refusal means.
#[must_use]
pub fn classify(signs: &Signs<'_>) -> Meaning {
    let readers = [of_provider, of_dialect, of_all];
    let found = readers
        .into_iter()
        .find_map(|of: fn(Of, &Signs<'_>) -> bool| {
            let mut rows = ROWS.iter().filter(|row| of(row.of, signs));
            rows.find(|row| row.holds(signs)).map(|row| row.means)
        })
        .unwrap_or(Meaning {
            kind: by_phase(signs.phase),
            // What is forbidden here may be allowed elsewhere.
            at_target: signs.phase == Phase::Head(403),
            vague: matches!(signs.phase, Phase::Head(403 | 404)),
        });
    match (signs.phase, found.kind) {
        // The answer had begun: what has no room for the rest of it broke it.
        (Phase::Answer, AttemptFailure::Overloaded) => Meaning {
            kind: AttemptFailure::MidStream,
            ..found
        },
        _ => found,
    }
}

fn of_provider(of: Of, signs: &Signs<'_>) -> bool {
    matches!(of, Of::Provider(name) if name == signs.provider)
}

fn of_dialect(of: Of, signs: &Signs<'_>) -> bool {
    matches!(of, Of::Dialect(name) if name == signs.dialect)
}

fn of_all(of: Of, _: &Signs<'_>) -> bool {
    of == Of::All
}

/// What a status means where nothing more is said.
fn by_phase(phase: Phase) -> AttemptFailure {
    let Phase::Head(status) = phase else {
        return AttemptFailure::MidStream;
    };
    match status {
        429 | 425 => AttemptFailure::RateLimited,
        402 => AttemptFailure::Exhausted,
        401 | 403 => AttemptFailure::Credential,
        404 => AttemptFailure::ModelGone,
        408 | 502 | 504 => AttemptFailure::Ambiguous,
        500..=599 => AttemptFailure::Overloaded,
        _ => AttemptFailure::BadRequest,
    }
}

impl Row {
    fn holds(&self, signs: &Signs<'_>) -> bool {
        let here = match signs.phase {
            Phase::Head(status) => self.statuses.is_empty() || self.statuses.contains(&status),
            Phase::Answer => self.statuses.is_empty(),
        };
        here && self.says.holds(signs)
    }
}

impl Says {
    fn holds(self, signs: &Signs<'_>) -> bool {
        let error = signs.error;
        match self {
            Says::Anything => true,
            Says::Final => signs.is_final,
            Says::Word(words) => {
                let said = [error.code.as_deref(), error.kind.as_deref(), signs.word];
                said.into_iter().flatten().any(|word| words.contains(&word))
            }
            Says::Sentence(begins, goes_on) => error
                .message
                .strip_prefix(begins)
                .is_some_and(|rest| rest.contains(goes_on)),
            Says::Member(path, wanted) => {
                let mut found = false;
                let mut look = |text: &str| {
                    found |= match wanted {
                        Match::Any => true,
                        Match::Is(word) => text == word,
                        Match::Holds(part) => text.contains(part),
                    };
                };
                if let Some(raw) = &error.raw {
                    members(raw, path, &mut look);
                }
                found
            }
        }
    }
}

/// Shows every text or number at that path of an object; lists on the way are gone through.
pub(crate) fn members(raw: &Json, path: &[&str], look: &mut dyn FnMut(&str)) {
    // What does not read has nothing to show.
    let _ = walk(&mut raw.reader(), path, look);
}

fn walk(reader: &mut Reader<'_>, path: &[&str], look: &mut dyn FnMut(&str)) -> Result<(), Invalid> {
    match (reader.peek()?, path.split_first()) {
        (Kind::Array, _) => reader.array(|_, element| walk(element, path, look)),
        (Kind::Object, Some((first, rest))) => reader.object(|key, member| {
            if key == *first {
                walk(member, rest, look)
            } else {
                member.skip().map(drop)
            }
        }),
        (Kind::Object, None) => {
            look("");
            reader.skip().map(drop)
        }
        (Kind::String, None) => {
            look(&reader.string()?);
            Ok(())
        }
        (Kind::Number, None) => {
            look(reader.number()?);
            Ok(())
        }
        (Kind::String | Kind::Number | Kind::Bool | Kind::Null, _) => reader.skip().map(drop),
    }
}

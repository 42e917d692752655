//! Vectors across dialects: the hub that three makers' requests and answers share.
//!
//! Texts cross, in their order; token numbers and images do not, since only their maker reads them. A
//! vector is 32-bit numbers in all of them, written as numbers or packed in base64, little-endian.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Task;
use crate::codec::Broken;
use crate::json::{Invalid, Reader, Writer};
use crate::loss::{LossKind, Losses};

/// A request for vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VectorRequest {
    /// The texts, in order.
    pub inputs: Vec<String>,
    /// Whether the client's own path is the one for several.
    pub is_batch: bool,
    /// Numbers of a vector.
    pub dimensions: Option<u64>,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// Which end of a text that is too long is cut off; none where it is refused.
    pub truncate: Option<Truncate>,
    /// Whether vectors are wanted as lists of numbers.
    pub as_numbers: bool,
    /// Whether vectors are wanted packed.
    pub packed: bool,
    /// What the client calls what vectors are for, and what is cut off.
    pub words: Words,
    /// Fields without a word here, and whether an answer without them is another.
    pub unknown: Vec<(String, bool)>,
}

/// What a dialect calls fields of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What vectors are for.
    pub purpose: &'static str,
    /// What is cut off.
    pub truncate: &'static str,
}

/// What vectors are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A question, to be compared with documents.
    Query,
    /// A document, to be found.
    Document,
    /// Texts to be sorted into classes.
    Classification,
    /// Texts to be grouped.
    Clustering,
    /// Something that only its maker tells apart; a question, near enough.
    Other,
}

/// Which end is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncate {
    /// The beginning.
    Start,
    /// The end.
    End,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorAnswer {
    /// A vector for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// The model that served, in the provider's words; empty where it does not say.
    pub model: String,
    /// Tokens that were read; 0 where nobody says.
    pub input_tokens: u64,
    /// An id for who needs one.
    pub id: String,
}

/// Vectors as one maker's API has them, in both roles.
pub trait VectorCodec: Sync {
    /// Reads a client's request into the hub.
    ///
    /// # Errors
    /// [`Invalid`] naming what no other maker reads.
    fn decode_request(&self, task: Task, body: &[u8]) -> Result<VectorRequest, Invalid>;

    /// Writes a request for a provider, and says by which path it goes.
    ///
    /// # Errors
    /// Why that provider cannot take it at all.
    fn encode_request(
        &self,
        request: &VectorRequest,
        model: &str,
        losses: &mut Losses,
    ) -> Result<(Task, Vec<u8>), &'static str>;

    /// Reads a provider's vectors, in the order of their texts.
    ///
    /// # Errors
    /// [`Broken`] where they are none, one is empty or longer than another, or two have one number.
    fn decode_answer(&self, body: &[u8]) -> Result<Vec<Vec<f32>>, Broken>;

    /// Writes an answer for a client.
    fn encode_answer(&self, answer: &VectorAnswer, request: &VectorRequest) -> Vec<u8>;
}

impl VectorRequest {
    /// Names what no request of another dialect can say.
    pub(super) fn report_unknown(&self, losses: &mut Losses) {
        for (name, functional) in &self.unknown {
            let why = "requests for vectors have no such field there";
            if *functional {
                losses.functional(name.clone(), LossKind::Dropped, why);
            } else {
                losses.tuning(name.clone(), LossKind::Dropped, why);
            }
        }
    }

    /// Says that what the vectors are for cannot be told.
    pub(super) fn report_purpose(&self, losses: &mut Losses) {
        if self.purpose.is_some() {
            let why = "vectors are made without a purpose there";
            losses.tuning(self.words.purpose, LossKind::Dropped, why);
        }
    }

    /// Says that what is cut off cannot be told.
    pub(super) fn report_truncate(&self, losses: &mut Losses) {
        if self.truncate.is_some() {
            let why = "what is done with a text that is too long cannot be said there";
            losses.tuning(self.words.truncate, LossKind::Dropped, why);
        }
    }
}

/// Reads a vector: a list of numbers, or base64.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<f32>, Invalid> {
    if reader.peek()? == crate::json::Kind::String {
        return unpack(&reader.string()?);
    }
    let mut vector = Vec::new();
    reader.array(|_, one| {
        let number: f32 = one.number()?.parse().unwrap_or(f32::INFINITY);
        vector.push(finite(number)?);
        Ok(())
    })?;
    Ok(vector)
}

/// Reads a list of vectors.
pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Vec<f32>>, Invalid> {
    let mut vectors = Vec::new();
    reader.array(|_, one| {
        vectors.push(read(one)?);
        Ok(())
    })?;
    Ok(vectors)
}

/// The vectors of an answer, if each has numbers, and all as many.
///
/// # Errors
/// [`Broken`] where one is empty, or longer than another.
pub(super) fn whole(vectors: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>, Broken> {
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.iter().any(Vec::is_empty) {
        return Err(Broken::new("the answer has a vector without numbers"));
    }
    if vectors.iter().any(|vector| vector.len() != length) {
        return Err(Broken::new("the answer has vectors of different lengths"));
    }
    Ok(vectors)
}

fn unpack(text: &str) -> Result<Vec<f32>, Invalid> {
    let bytes = STANDARD.decode(text).ok();
    let bytes = bytes.filter(|bytes| bytes.len().is_multiple_of(4));
    let bytes = bytes.ok_or_else(|| Invalid::new("a vector in base64 was expected"))?;
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|number| finite(f32::from_le_bytes(*number)))
        .collect()
}

fn finite(number: f32) -> Result<f32, Invalid> {
    if number.is_finite() {
        Ok(number)
    } else {
        Err(Invalid::new("a number that 32 bits hold was expected"))
    }
}

/// A vector in base64.
pub(super) fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|one| one.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Writes a vector as a list of numbers.
pub(super) fn write(out: &mut Writer, vector: &[f32]) {
    out.array(|out| {
        for one in vector {
            out.raw(&one.to_string());
        }
    });
}

/// Refuses what only its own maker reads.
pub(super) fn foreign(what: &'static str) -> Invalid {
    Invalid::new(format!("{what} are read by models of its own maker only"))
}

//! The most that a request can cost, and the output that what is left affords.
//!
//! Every byte-pair token is at least one byte, so a request has no more tokens
//! of text than bytes; what is not text has stated ceilings. Pure: prices come
//! through [`Ceiling`]. It must never guess low: what has no bound has an error.

use thiserror::Error;

use crate::accounts::Affordable;

/// Tokens that a provider may put around any request: its own instructions for tools, reasoning, formats.
pub const REQUEST_TOKENS: u64 = 2_048;

/// Tokens that a provider may put around one message or one tool.
pub const ITEM_TOKENS: u64 = 32;

/// Tokens of one image beyond its bytes: 2 833 and 5 667 for each of eight tiles,
/// the costliest published rule (OpenAI, gpt-4o-mini, high detail).
pub const IMAGE_TOKENS: u64 = 48_169;

/// Tokens of one document beyond its bytes, since it may be compressed: the
/// largest context window that is sold; a target's own, where that is smaller.
pub const DOCUMENT_TOKENS: u64 = 1_048_576;

/// The fewest tokens of output that a request is clamped to.
pub const CLAMP_TOKENS_MIN: u64 = 256;

/// The largest output of any model; what is clamped to where nobody says a maximum.
pub const OUTPUT_TOKENS_MAX: u64 = 1 << 20;

/// What a request may make a provider read and write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of its body.
    pub bytes: u64,
    /// Messages and tools.
    pub items: u64,
    /// Images in its body.
    pub images: u64,
    /// Documents in its body.
    pub documents: u64,
    /// Answers asked for.
    pub candidates: u64,
    /// Its own limit of the output, reasoning included.
    pub max_tokens: Option<u64>,
    /// What of its input has no bound, such as `a stored conversation`.
    pub unbounded: Option<&'static str>,
}

/// What one target of the plan can cost at most.
pub trait Ceiling {
    /// The most tokens that it reads; `None` where that is not known.
    fn input_tokens_max(&self) -> Option<u64>;

    /// The most tokens that it writes for one answer; `None` where that is not known.
    fn output_tokens_max(&self) -> Option<u64>;

    /// The most that these tokens cost, in nano-dollars, at the worst rate that may
    /// apply; never less for more. `None` where there is no price.
    fn cost_nanos(&self, input_tokens: u64, output_tokens: u64) -> Option<i64>;
}

/// The most that a request can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Tokens of input.
    pub input_tokens: u64,
    /// Tokens of output of all answers; `None` where neither request nor target says a maximum.
    pub output_tokens: Option<u64>,
    /// Nano-dollars; `None` where the output has no bound.
    pub nanos: Option<i64>,
}

/// Why a request has no bound.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BoundError {
    /// Something of its input.
    #[error(
        "{0} can cost any amount; send its content in the request, or give the target a ceiling"
    )]
    Input(&'static str),
    /// Its output, and a limit does not clamp.
    #[error(
        "the output has no limit; set the largest number of output tokens, or `when_unbounded: clamp`"
    )]
    Output,
    /// A task whose price does not follow from what its request says.
    #[error(
        "neither the request nor the price of the model says how much `{0}` can cost; give the target a ceiling"
    )]
    Work(&'static str),
    /// A target has no price.
    #[error("a target of the model has no price; add one under `prices`")]
    Unpriced {
        /// Which target of the plan.
        target: usize,
    },
}

/// What to hold for a request, and whether to limit its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The request as it is.
    Whole {
        /// What to hold, in nano-dollars.
        nanos: i64,
    },
    /// The request with its output limited.
    ///
    /// Where not even [`CLAMP_TOKENS_MIN`] fits, it is that; taking it then says why not.
    Clamped {
        /// The limit for one answer.
        max_tokens: u64,
        /// What to hold, in nano-dollars.
        nanos: i64,
    },
}

/// The bound of a request over every target of its plan.
///
/// # Errors
/// Part of the input has no bound, or a target no price.
pub fn bound<T: Ceiling>(demand: &Demand, targets: &[T]) -> Result<Bound, BoundError> {
    let outputs = targets.iter().map(|target| output(demand, target));
    let outputs = outputs.collect::<Option<Vec<u64>>>();
    let mut bound = Bound {
        input_tokens: 0,
        output_tokens: outputs.and_then(|outputs| outputs.into_iter().max()),
        nanos: None,
    };
    for (n, target) in targets.iter().enumerate() {
        let input = input(demand, target)?;
        bound.input_tokens = bound.input_tokens.max(input);
        // Where the output has no bound this only asks whether there is a price.
        let nanos = target.cost_nanos(input, output(demand, target).unwrap_or(0));
        let nanos = nanos.ok_or(BoundError::Unpriced { target: n })?;
        if bound.output_tokens.is_some() {
            bound.nanos = Some(bound.nanos.unwrap_or(0).max(nanos));
        }
    }
    Ok(bound)
}

/// What to hold for a request of which only so much is affordable.
///
/// Where its output has no limit of its own and the hold is more than its share,
/// or where the hold does not fit, the output is limited to what its share buys.
///
/// # Errors
/// Part of the input has no bound, a target no price, or the output no limit
/// where one that applies does not clamp.
pub fn fit<T: Ceiling>(
    demand: &Demand,
    targets: &[T],
    affordable: Affordable,
) -> Result<Fit, BoundError> {
    let whole = bound(demand, targets)?;
    let room = match demand.max_tokens {
        Some(_) => affordable.remainder,
        None => affordable.share,
    };
    match (whole.nanos, affordable.unclampable) {
        (Some(nanos), _) if nanos <= room => return Ok(Fit::Whole { nanos }),
        (Some(nanos), Some(left)) if nanos > left => return Ok(Fit::Whole { nanos }),
        (None, Some(_)) => return Err(BoundError::Output),
        (Some(_) | None, _) => {}
    }
    let most = targets.iter().map(|target| target.output_tokens_max());
    let most = most.collect::<Option<Vec<u64>>>();
    let most = most.and_then(|most| most.into_iter().max());
    let most = demand.max_tokens.or(most).unwrap_or(OUTPUT_TOKENS_MAX);
    let least = CLAMP_TOKENS_MIN.min(most);
    let (mut fits, mut does_not) = (least, most.saturating_add(1));
    while does_not - fits > 1 {
        let middle = fits + (does_not - fits) / 2;
        if clamped_nanos(demand, targets, middle)? <= affordable.share {
            fits = middle;
        } else {
            does_not = middle;
        }
    }
    Ok(Fit::Clamped {
        max_tokens: fits,
        nanos: clamped_nanos(demand, targets, fits)?,
    })
}

/// The bound with each answer limited to so many tokens.
fn clamped_nanos<T: Ceiling>(
    demand: &Demand,
    targets: &[T],
    max_tokens: u64,
) -> Result<i64, BoundError> {
    let clamped = Demand {
        max_tokens: Some(max_tokens),
        ..demand.clone()
    };
    let bound = bound(&clamped, targets)?;
    Ok(bound.nanos.unwrap_or(i64::MAX))
}

fn input<T: Ceiling>(demand: &Demand, target: &T) -> Result<u64, BoundError> {
    if let Some(what) = demand.unbounded {
        return Err(BoundError::Input(what));
    }
    let tokens = [
        REQUEST_TOKENS,
        demand.bytes,
        demand.items.saturating_mul(ITEM_TOKENS),
        demand.images.saturating_mul(IMAGE_TOKENS),
        demand.documents.saturating_mul(DOCUMENT_TOKENS),
    ];
    let tokens = tokens.into_iter().fold(0, u64::saturating_add);
    let most = target.input_tokens_max().unwrap_or(u64::MAX);
    Ok(tokens.min(most))
}

/// Tokens of output of all answers; its own limit counts as it is, since the target's may be out of date.
fn output<T: Ceiling>(demand: &Demand, target: &T) -> Option<u64> {
    let each = demand.max_tokens.or_else(|| target.output_tokens_max())?;
    Some(each.saturating_mul(demand.candidates.max(1)))
}

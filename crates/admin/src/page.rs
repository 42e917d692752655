//! Lists come in pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Rows of a page where the caller says nothing.
pub const LIMIT: u32 = 100;

/// Most rows of a page.
pub const LIMIT_MAX: u32 = 1000;

/// One page of a list.
#[derive(Serialize, JsonSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to give as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Which page is wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    /// Rows of the page: 100 when absent, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The number of rows that is meant.
///
/// # Errors
/// Where it is 0 or more than [`LIMIT_MAX`].
pub fn limit(given: Option<u32>) -> Result<usize, ApiError> {
    match given.unwrap_or(LIMIT) {
        rows @ 1..=LIMIT_MAX => Ok(usize::try_from(rows).unwrap_or(usize::MAX)),
        rows => Err(ApiError::invalid(
            "limit",
            format!("a page has 1 to {LIMIT_MAX} rows, not {rows}"),
        )),
    }
}

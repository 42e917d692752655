//! Lists come in pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::route::Answer;

/// Rows of a page where the caller says nothing.
pub const LIMIT: u32 = 100;

/// Most rows of a page.
pub const LIMIT_MAX: u32 = 1000;

/// One page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
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
pub fn limit(given: Option<u32>) -> Answer<usize> {
    match given.unwrap_or(LIMIT) {
        rows @ 1..=LIMIT_MAX => Ok(usize::try_from(rows).unwrap_or(usize::MAX)),
        rows => Err(ApiError::invalid(
            "limit",
            format!("a page has 1 to {LIMIT_MAX} rows, not {rows}"),
        )),
    }
}

/// A page of rows that come in a lasting order; the cursor is how many were seen.
///
/// # Errors
/// A limit or cursor that cannot be.
pub fn of<T>(
    rows: impl Iterator<Item = T>,
    limit_given: Option<u32>,
    cursor: Option<&str>,
) -> Answer<Page<T>> {
    let size = limit(limit_given)?;
    let seen: usize = match cursor {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            let message = "is none that a list gave; begin again without it";
            ApiError::invalid("cursor", message)
        })?,
    };
    let mut items: Vec<T> = rows.skip(seen).take(size + 1).collect();
    let more = items.len() > size;
    items.truncate(size);
    Ok(Page {
        next_cursor: more.then(|| (seen + size).to_string()),
        items,
    })
}

impl<T> Page<T> {
    /// The same page with every row made into another.
    #[must_use]
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

impl<T> From<store::objects::Page<T>> for Page<T> {
    fn from(page: store::objects::Page<T>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next_cursor,
        }
    }
}

impl<T> From<store::ledger::Page<T>> for Page<T> {
    fn from(page: store::ledger::Page<T>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next_cursor,
        }
    }
}

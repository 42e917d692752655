//! What the operators' commands ask: the admin API of a gateway that runs, or, where none
//! runs, the same functions over its data folder, in this process and under the folder's lock.
//!
//! One way of asking for both, so that an answer looks the same whoever gives it. The token
//! goes to the admin API and nowhere else; it is never shown.

mod failure;
mod find;
mod local;
mod remote;

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;

pub use failure::Refused;
pub(crate) use failure::{member, printable};

use crate::cli::operate::AdminOptions;
use find::{Found, Place};
use local::Local;
use remote::Remote;

/// Where the API stands below the listener's root.
const ROOT: &str = "/admin/v1";

/// How long an answer may take; a query may take its time.
const ANSWER: Duration = Duration::from_secs(60);

/// The most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Rows of one page: the most that the API gives.
const PAGE: usize = 1000;

/// Rows of a list at most, over all its pages.
const ROWS_MAX: usize = 200_000;

/// Somebody who answers as the admin API does.
pub struct Client {
    runtime: Runtime,
    way: Way,
}

enum Way {
    Remote(Remote),
    Local(Box<Local>),
}

/// Names and values of a query string.
pub type Query<'a> = [(&'a str, String)];

/// Some rows of a list.
pub struct Rows {
    /// The rows.
    pub items: Vec<Value>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

impl Client {
    /// Finds the gateway that is meant; where none runs, opens its data folder.
    ///
    /// # Errors
    /// Where neither can be had; says what mends it.
    pub fn open(options: &AdminOptions) -> anyhow::Result<Self> {
        Self::open_as(options, true)
    }

    /// Finds the gateway that is meant, which must run.
    ///
    /// # Errors
    /// Where it does not, or there is no token for it.
    pub fn running(options: &AdminOptions) -> anyhow::Result<Self> {
        Self::open_as(options, false)
    }

    fn open_as(options: &AdminOptions, at_rest_too: bool) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the system gives no event loop")?;
        let place = Place::of(options)?;
        let way = match find::found(&place) {
            Found::Runs => Way::Remote(Remote::new(&place)?),
            Found::AtRest if at_rest_too => Way::Local(Box::new(Local::open(&place)?)),
            Found::AtRest => bail!(
                "no gateway answers at {} · start it with `bondgate serve`, or name its admin \
                 listener with `--admin` or BONDGATE_ADMIN_URL",
                place.url
            ),
        };
        Ok(Self { runtime, way })
    }

    /// Whether a gateway runs and answers.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.way, Way::Remote(_))
    }

    /// Whom it asks, for people.
    #[must_use]
    pub fn whom(&self) -> String {
        match &self.way {
            Way::Remote(remote) => remote.url().to_owned(),
            Way::Local(local) => format!("{} (no gateway runs)", local.path().display()),
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// Where nobody answers, or the answer is a refusal.
    pub fn get(&self, path: &str, query: &Query<'_>) -> anyhow::Result<Value> {
        let mut target = format!("{ROOT}{path}");
        if !query.is_empty() {
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            pairs.extend_pairs(query.iter().map(|(name, value)| (name, value)));
            target.push('?');
            target.push_str(&pairs.finish());
        }
        self.ask(Method::GET, &target, None)
    }

    /// Reads one thing by its name or id.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_one(&self, path: &str, name: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, &one(path, name, ""), None)
    }

    /// Makes something, or asks with a body.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, &format!("{ROOT}{path}"), Some(body))
    }

    /// Does something with one thing.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn act(&self, path: &str, name: &str, what: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, &one(path, name, what), Some(body))
    }

    /// Removes one thing.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn delete(&self, path: &str, name: &str) -> anyhow::Result<()> {
        self.ask(Method::DELETE, &one(path, name, ""), None)
            .map(drop)
    }

    /// A list, page after page: all of it, or the first `most` rows.
    ///
    /// # Errors
    /// As [`Client::get`]; a list beyond what can be held.
    pub fn list(&self, path: &str, query: &Query<'_>, most: Option<usize>) -> anyhow::Result<Rows> {
        let most_rows = most.unwrap_or(ROWS_MAX);
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut pairs = query.to_vec();
            let room = most_rows.saturating_sub(items.len()).min(PAGE);
            pairs.push(("limit", room.to_string()));
            pairs.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.get(path, &pairs)?;
            let rows = page.get_mut("items").map(Value::take);
            let Some(Value::Array(rows)) = rows else {
                bail!(
                    "{} answers {path} without `items`: is it a gateway of this version?",
                    self.whom()
                );
            };
            let came = !rows.is_empty();
            items.extend(rows.into_iter().take(room));
            cursor = member(&page, "next_cursor").as_str().map(str::to_owned);
            let more = cursor.is_some() && came;
            if !more || items.len() >= most_rows {
                if more && most.is_none() {
                    bail!("{path} has more than {ROWS_MAX} rows · narrow it, or give `--limit`");
                }
                return Ok(Rows { items, more });
            }
        }
    }

    fn ask(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let (status, bytes) = match &self.way {
            Way::Remote(remote) => self.runtime.block_on(remote.ask(method, target, body))?,
            Way::Local(local) => self.runtime.block_on(local.ask(method, target, body))?,
        };
        if !status.is_success() {
            return Err(failure::refused(status, &bytes, &self.whom()).into());
        }
        if status == StatusCode::NO_CONTENT || bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} answers with what is no JSON: is it a gateway?",
                self.whom()
            )
        })
    }
}

fn one(path: &str, name: &str, what: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let slash = if what.is_empty() { "" } else { "/" };
    format!("{ROOT}{path}/{name}{slash}{what}")
}

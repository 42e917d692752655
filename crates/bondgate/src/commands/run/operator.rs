//! What the admin API does for a run: a key where none was given, and what was spent.
//!
//! Only where the operator's token is at hand. A key that is made here is good for a day at
//! most and is revoked when the program has ended.

use std::ffi::OsString;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use policy::money::Nanos;
use policy::secret::Secret;
use serde_json::{Value, json};

use super::{new_name, reach};
use crate::cli::RunOptions;
use crate::client::{Client, member};
use crate::say::say;

/// For how long a key is good that nobody revokes.
const GOOD_FOR: &str = "24h";

/// Characters of the program's name that its tag has: of four bytes each, a tag's value at most.
const APP_MAX: usize = 32;

/// How often the ledger is looked at until it changes no more.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(150);

/// The admin API, for one run.
pub(super) struct Operator {
    client: Client,
    /// What its entries in the ledger have in common.
    entries: (&'static str, String),
    /// The key that was made for it.
    made: Option<String>,
}

/// The program's name, as a tag may have it.
fn app(command: &[OsString]) -> String {
    let program = command.first().map(Path::new).and_then(Path::file_name);
    let name = program.unwrap_or_default().to_string_lossy();
    let seen = name.chars().filter(|c| !c.is_control()).take(APP_MAX);
    let name: String = seen.collect();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

/// What was spent.
#[derive(PartialEq, Eq)]
struct Spent {
    requests: i64,
    nanos: i64,
    unpriced: i64,
}

impl Operator {
    /// For a run with a key of its own; none where the admin API is not at hand.
    pub(super) fn with_key(options: &RunOptions, run: &str) -> Option<Self> {
        Some(Self {
            client: Client::running(&options.admin).ok()?,
            entries: ("run", run.to_owned()),
            made: None,
        })
    }

    /// Makes a key for a run.
    ///
    /// # Errors
    /// Where the gateway does not answer, or there is no token for its admin API.
    pub(super) fn make_key(options: &RunOptions) -> anyhow::Result<(Self, Secret)> {
        let what = "there is no key for the gateway · give a virtual key: BONDGATE_KEY=… or \
                    `--key`; none could be made";
        let client = Client::running(&options.admin).context(what)?;
        reach::gateway(&options.gateway)?;
        let name = format!("run-{}", new_name());
        let wanted = json!({
            "name": name,
            "expires": GOOD_FOR,
            "direct": true,
            "purpose": "one `bondgate run`",
            "tags": { "app": app(&options.command) },
        });
        let mut key = client.post("/keys", &wanted).context(what)?;
        let Some(Value::String(secret)) = key.get_mut("secret").map(Value::take) else {
            bail!("{what}: the answer has no secret");
        };
        let operator = Self {
            client,
            entries: ("key", name.clone()),
            made: Some(name),
        };
        Ok((operator, Secret::new(secret)))
    }

    /// Revokes the key that was made, and says what was spent; nothing where that is not known.
    pub(super) fn end(self) -> Option<String> {
        if let Some(name) = &self.made
            && let Err(error) = self.client.act("/keys", name, "revoke", &json!({}))
        {
            say(&format!(
                "the key `{name}` could not be revoked, it ends within {GOOD_FOR}: {error:#}"
            ));
        }
        let spent = self.settled()?;
        let unpriced = match spent.unpriced {
            0 => String::new(),
            n => format!("; {n} without a known price"),
        };
        let requests = if spent.requests == 1 {
            "request"
        } else {
            "requests"
        };
        let usd = super::super::answers::usd(&Nanos(spent.nanos).to_string());
        let (what, name) = &self.entries;
        Some(format!(
            "{what} {name}: {} {requests}, {usd} USD{unpriced}",
            spent.requests
        ))
    }

    /// What is spent once the last requests are in the ledger, which takes a moment.
    fn settled(&self) -> Option<Spent> {
        let mut before = self.spent()?;
        for _ in 0..LOOKS {
            thread::sleep(BETWEEN_LOOKS);
            let now = self.spent()?;
            if now == before && now.requests > 0 {
                return Some(now);
            }
            before = now;
        }
        Some(before)
    }

    fn spent(&self) -> Option<Spent> {
        let (field, value) = &self.entries;
        let entries = self.client.list("/ledger", &[(field, value.clone())], None);
        let mut spent = Spent {
            requests: 0,
            nanos: 0,
            unpriced: 0,
        };
        for entry in entries.ok()?.items {
            let count = |name: &str| member(&entry, name).as_i64().unwrap_or_default();
            let usd = member(&entry, "cost_usd").as_str().unwrap_or_default();
            let (less, amount) = match usd.strip_prefix('-') {
                Some(amount) => (true, amount),
                None => (false, usd),
            };
            let Nanos(nanos) = amount.parse().unwrap_or_default();
            spent.nanos = spent
                .nanos
                .saturating_add(if less { -nanos } else { nanos });
            spent.requests = spent.requests.saturating_add(count("requests"));
            spent.unpriced = spent.unpriced.saturating_add(count("unpriced"));
        }
        Some(spent)
    }
}

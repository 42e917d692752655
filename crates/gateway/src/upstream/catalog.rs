//! The provider catalogue: what is known of each provider, as rows of data.
//!
//! A row says where a provider is, what it speaks, how it is shown its credential and where that comes
//! from, and where it differs from its dialect. A new provider is a new row in [`rows`] and nothing
//! else; a configuration can override each column. No code may ask for a provider by name.

mod passed;
mod rows;
mod tasks;

use std::fmt::Write as _;

use dialect::{Dialect, Spoken};
use policy::provider::{Auth, Quirks};

pub use passed::usual_passed;
pub use rows::ROWS;

/// Signed for Bedrock.
pub const BEDROCK_SIGNED: Auth = Auth::SigV4 { service: "bedrock" };

/// What is known of one provider.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in configurations.
    pub name: &'static str,
    /// Other names that it goes by.
    pub aliases: &'static [&'static str],
    /// Its name in the price data.
    pub priced_as: &'static str,
    /// What it speaks and where, what serves most of its models best first.
    pub speaks: &'static [Speaks],
    /// How it is shown a credential.
    pub auth: Auth,
    /// Where its credential comes from where the configuration gives none.
    pub obtains: Obtains,
    /// Environment variables that usually hold the key, the most usual first; none where
    /// it usually asks for no key.
    pub key_env: &'static [&'static str],
    /// Where it differs from its dialects.
    pub quirks: Quirks,
    /// What becomes of an answer whose client has gone.
    pub cancelled: Cancelled,
    /// Its own paths that pass through, beside those that are usual for its dialect: below its root, or
    /// from the host where one begins with a slash; `*` is any one segment. A method before the path
    /// allows that one only.
    pub passed: &'static [&'static str],
    /// The dialect in which it counts tokens below the root of its first one, where that one has no word
    /// for it.
    pub counts: Option<Dialect>,
}

/// A dialect that a provider speaks, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// The dialect, and whose paths carry it.
    pub spoken: Spoken,
    /// The versioned root of its paths; values of the configuration stand in braces: `{region}`,
    /// `{project}`, `{resource}`, `{account}`.
    pub root: &'static str,
    /// How a credential is shown there, where that differs.
    pub auth: Option<Auth>,
    /// The root where paths name Azure's deployments, for those that give an `api_version`.
    pub deployments: Option<&'static str>,
}

/// Where a credential comes from that nobody gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obtains {
    /// It must be given, or there is none.
    Given,
    /// What the AWS tools find.
    Aws,
    /// The machine's own account at Google.
    Google,
}

/// What becomes of an answer whose client has gone, by what the provider or its users say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// Closing the connection ends the work and its bill.
    Ends,
    /// The work goes on and is billed in full.
    BilledInFull,
    /// Nobody says.
    Unknown,
}

impl Cancelled {
    /// In words.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Cancelled::Ends => "ends",
            Cancelled::BilledInFull => "billed in full",
            Cancelled::Unknown => "not known",
        }
    }
}

impl Row {
    /// Where it differs from its dialects, and what it does of what their APIs have.
    #[must_use]
    pub fn differs(&self) -> Quirks {
        Quirks {
            tasks: tasks::of(self.name),
            ..self.quirks
        }
    }

    /// What it speaks: that dialect, or the first.
    #[must_use]
    pub fn speaks(&self, wanted: Option<Dialect>) -> Option<&'static Speaks> {
        let mut all = self.speaks.iter();
        all.find(|one| wanted.is_none_or(|wanted| wanted == one.spoken.dialect()))
    }

    /// Whether one of its roots needs that value.
    #[must_use]
    pub fn needs(&self, value: &str) -> bool {
        let mut roots = self.speaks.iter().map(|one| one.root);
        roots.any(|root| blanks(root).any(|blank| blank == value))
    }
}

/// The names that stand in braces in a root, in its order; a name may stand there twice.
pub fn blanks(root: &str) -> impl Iterator<Item = &str> {
    root.split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// A root with its blanks filled.
///
/// # Errors
/// The first name that has no value.
pub fn fill(root: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
    let mut filled = root.to_owned();
    for name in blanks(root) {
        let value = value(name).ok_or(name)?;
        if value == "global" {
            // Google's global endpoint has no region in its host.
            filled = filled.replace(&format!("//{{{name}}}-"), "//");
        }
        filled = filled.replace(&format!("{{{name}}}"), &value);
    }
    Ok(filled)
}

/// The row of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter()
        .find(|row| row.name == name || row.aliases.contains(&name))
}

/// How a dialect's own provider is shown a key.
#[must_use]
pub fn usual_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::OpenaiChat
        | Dialect::OpenaiResponses
        | Dialect::BedrockConverse
        | Dialect::Cohere => Auth::Bearer,
        Dialect::AnthropicMessages => Auth::Header("x-api-key"),
        Dialect::Gemini => Auth::Header("x-goog-api-key"),
    }
}

/// The root of a dialect's paths where a base URL is a bare host; a cloud's own paths have no other.
#[must_use]
pub fn usual_root(spoken: Spoken) -> &'static str {
    if spoken.form().is_some() {
        return "";
    }
    match spoken.dialect() {
        Dialect::OpenaiChat | Dialect::AnthropicMessages | Dialect::OpenaiResponses => "/v1",
        Dialect::Gemini => "/v1beta",
        Dialect::BedrockConverse => "",
        Dialect::Cohere => "/v2",
    }
}

/// The catalogue as a document: `docs/providers.md`.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(rows::HEADING);
    for row in ROWS {
        let roots = row.speaks.iter().map(|one| {
            let form = one.spoken.form().map(|form| format!(" ({form})"));
            let form = form.unwrap_or_default();
            format!("{}{form}: `{}`", one.spoken.name(), one.root)
        });
        let credential = match (row.obtains, row.key_env) {
            (Obtains::Given, []) => "none".to_owned(),
            (Obtains::Given, names) => listed(names),
            (Obtains::Aws, _) => "what the AWS tools find".to_owned(),
            (Obtains::Google, _) => "a service account, else the machine's own".to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {credential} | {} | {} |",
            row.name,
            roots.collect::<Vec<_>>().join("<br>"),
            row.auth.name(),
            if row.quirks.stream_usage {
                "when asked"
            } else {
                "unasked"
            },
            row.cancelled.told(),
        );
    }
    passed::write(&mut text);
    text
}

fn listed(names: &[&str]) -> String {
    let names = names.iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use policy::origin::{BaseUrl, Scheme};

    use super::{Obtains, ROWS, blanks, fill, find};

    const BLANKS: [&str; 4] = ["region", "project", "resource", "account"];

    #[test]
    fn every_row_can_be_reached_and_is_named_once() {
        let mut names = BTreeSet::new();
        for row in ROWS {
            for speaks in row.speaks {
                for root in [Some(speaks.root), speaks.deployments]
                    .into_iter()
                    .flatten()
                {
                    assert!(blanks(root).all(|blank| BLANKS.contains(&blank)), "{root}");
                    let root = fill(root, |_| Some("x1".to_owned())).unwrap();
                    let base = BaseUrl::parse(&root).unwrap();
                    let local = base.origin.host == "127.0.0.1";
                    assert!(local || base.origin.scheme == Scheme::Https, "{}", row.name);
                    let keyless = row.key_env.is_empty() && row.obtains == Obtains::Given;
                    assert_eq!(local, keyless, "{}", row.name);
                }
            }
            for name in row.aliases.iter().chain([&row.name]) {
                assert!(names.insert(*name), "{name} stands twice");
                assert_eq!(find(name).unwrap().name, row.name);
            }
            assert!(row.speaks(None).is_some(), "{} speaks nothing", row.name);
        }
    }

    #[test]
    fn blanks_are_filled_and_a_global_region_stands_in_no_host() {
        let root = "https://{region}-a.example/{project}/{region}";
        let with = |region: &str| {
            let region = region.to_owned();
            fill(root, move |name| {
                Some(if name == "region" {
                    region.clone()
                } else {
                    "p".to_owned()
                })
            })
        };
        assert_eq!(with("eu").unwrap(), "https://eu-a.example/p/eu");
        assert_eq!(with("global").unwrap(), "https://a.example/p/global");
        let only = |name: &str| (name == "region").then(|| "eu".to_owned());
        assert_eq!(fill(root, only), Err("project"));
    }
}

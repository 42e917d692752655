//! Where a provider is and what it speaks there: the catalogue's root with its blanks filled, or the
//! file's own.

use dialect::{Dialect, Dress, Spoken};
use gateway::upstream::catalog::{self, Row, Speaks};
use policy::origin::{BaseUrl, Scheme};
use policy::provider::{Auth, Paths};

use super::providers::versioned;
use crate::config::file::{DialectFile, ProviderFile};
use crate::config::problem::Problem;
use crate::config::values::At;

/// Where a provider is and what it speaks there.
pub(super) struct Place {
    pub(super) base: BaseUrl,
    pub(super) dialect: Dialect,
    /// How a credential is shown there, where the catalogue says.
    pub(super) auth: Option<Auth>,
    pub(super) paths: Paths,
}

impl DialectFile {
    /// All of them.
    pub const ALL: [DialectFile; 6] = [
        DialectFile::OpenaiChat,
        DialectFile::AnthropicMessages,
        DialectFile::OpenaiResponses,
        DialectFile::Gemini,
        DialectFile::BedrockConverse,
        DialectFile::Cohere,
    ];

    /// The wire format.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            DialectFile::OpenaiChat => Dialect::OpenaiChat,
            DialectFile::AnthropicMessages => Dialect::AnthropicMessages,
            DialectFile::OpenaiResponses => Dialect::OpenaiResponses,
            DialectFile::Gemini => Dialect::Gemini,
            DialectFile::BedrockConverse => Dialect::BedrockConverse,
            DialectFile::Cohere => Dialect::Cohere,
        }
    }
}

/// Finds it for the provider of that name; none where something is wrong, which is said.
pub(super) fn find(
    name: &str,
    file: &At<ProviderFile>,
    row: Option<&'static Row>,
    problems: &mut Vec<Problem>,
) -> Option<Place> {
    let wanted = file.value.dialect.map(DialectFile::dialect);
    let speaks = row.and_then(|row| row.speaks(wanted));
    let dialect = wanted.or(speaks.map(|speaks| speaks.spoken.dialect()));
    let mut finder = Finder {
        name,
        file,
        problems,
    };
    let paths = finder.paths(row, speaks);
    let base = match &file.value.base_url {
        Some(written) => {
            let spoken = dialect.map(|dialect| Spoken::new(dialect, paths.dress));
            finder.written(written, spoken)
        }
        None => finder.of_row(row, speaks, paths.deployments),
    };
    let base = finder.prior_knowledge(base?);
    let dialect = dialect.or_else(|| {
        let what = format!("provider `{name}` does not say what it speaks");
        let known = Dialect::ALL.map(|dialect| format!("`{}`", dialect.name()));
        finder.problem(
            what,
            format!("add `dialect:` and one of {}", known.join(", ")),
        );
        None
    })?;
    Some(Place {
        base,
        dialect,
        auth: speaks
            .and_then(|speaks| speaks.auth)
            .or(row.map(|row| row.auth)),
        paths,
    })
}

/// The values that roots and signatures may need, by name.
fn values(file: &ProviderFile) -> [(&'static str, Option<&At<String>>); 4] {
    [
        ("region", file.region.as_ref()),
        ("project", file.project.as_ref()),
        ("resource", file.resource.as_ref()),
        ("account", file.account.as_ref()),
    ]
}

struct Finder<'a, 'f> {
    name: &'a str,
    file: &'f At<ProviderFile>,
    problems: &'a mut Vec<Problem>,
}

impl Finder<'_, '_> {
    fn problem(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        if self.file.whole {
            self.problems.push(Problem::at(self.file.place, what, mend));
        }
    }

    /// How its paths differ: Azure's versions, where one is given, have a form of their own.
    fn paths(&mut self, row: Option<&Row>, speaks: Option<&Speaks>) -> Paths {
        let usual = Paths {
            dress: speaks.map_or_else(Dress::default, |speaks| speaks.spoken.dress()),
            passed: row.map_or(&[], |row| row.passed),
            counts: row.and_then(|row| row.counts),
            ..Paths::default()
        };
        let Some(version) = &self.file.value.api_version else {
            return usual;
        };
        if !is_plain(&version.value) {
            let what = format!("`api_version` is {}", version.shown());
            let mend = "write it as Azure does, such as `2024-10-21`";
            self.problems.push(Problem::at(version.place, what, mend));
        }
        Paths {
            deployments: speaks.is_some_and(|speaks| speaks.deployments.is_some()),
            query: format!("api-version={}", version.value),
            ..usual
        }
    }

    fn of_row(
        &mut self,
        row: Option<&'static Row>,
        speaks: Option<&'static Speaks>,
        deployments: bool,
    ) -> Option<BaseUrl> {
        let row = row?;
        let Some(speaks) = speaks else {
            let what = format!(
                "the catalogue knows no place where `{}` speaks that dialect",
                row.name
            );
            self.problem(what, "leave `dialect` out, or give `base_url`");
            return None;
        };
        let own = speaks.deployments.filter(|_| deployments);
        let root = own.unwrap_or(speaks.root);
        let values = values(&self.file.value);
        for (name, value) in values {
            if let Some(value) = value {
                self.check(name, value, row, root);
            }
        }
        let value = |wanted: &str| {
            let mut values = values.iter();
            let (_, value) = values.find(|(name, _)| *name == wanted)?;
            value.map(|at| at.value.clone())
        };
        match catalog::fill(root, value) {
            Ok(root) => BaseUrl::parse(&root).ok(),
            Err(missing) => {
                let what = format!("provider `{}` needs `{missing}`, for {root}", self.name);
                self.problem(what, format!("add `{missing}:`"));
                None
            }
        }
    }

    /// A value must be able to stand in a root, and must stand somewhere.
    fn check(&mut self, name: &'static str, value: &At<String>, row: &Row, root: &str) {
        let signs = name == "region" && matches!(row.auth, Auth::SigV4 { .. });
        if !is_plain(&value.value) {
            let what = format!("`{name}` is {}", value.shown());
            let mend = "use letters, digits, `-`, `_` and `.`";
            self.problems.push(Problem::at(value.place, what, mend));
        } else if !signs && catalog::blanks(root).all(|blank| blank != name) {
            let what = format!("`{name}` does nothing for `{}`", row.name);
            self.problems
                .push(Problem::at(value.place, what, "leave it out"));
        }
    }

    /// Where the configuration says that it is; without a dialect, which is a problem of its own,
    /// as it stands.
    fn written(&mut self, written: &At<String>, spoken: Option<Spoken>) -> Option<BaseUrl> {
        match BaseUrl::parse(&written.value) {
            Ok(mut base) => {
                if let Some(spoken) = spoken {
                    base.path = versioned(&base.path, spoken);
                }
                Some(base)
            }
            Err(why) => {
                // The reason may repeat the URL, and the URL may hold a password.
                let mend = if written.written && !written.value.contains('@') {
                    why
                } else {
                    "write `https://host/v1`, without credentials, query or fragment".to_owned()
                };
                let what = "`base_url` is no base URL";
                self.problems.push(Problem::at(written.place, what, mend));
                None
            }
        }
    }

    fn prior_knowledge(&mut self, mut base: BaseUrl) -> BaseUrl {
        let asked = self.file.value.http2_prior_knowledge.as_ref();
        if let Some(asked) = asked.filter(|asked| asked.value) {
            if base.origin.scheme == Scheme::Https {
                let what =
                    "`http2_prior_knowledge` does nothing over TLS, which agrees on HTTP/2 itself";
                self.problems
                    .push(Problem::at(asked.place, what, "leave it out"));
            }
            base.origin.scheme = Scheme::H2c;
        }
        base
    }
}

/// Whether the text can stand in a host, a path and a query as it is.
pub(in crate::config) fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

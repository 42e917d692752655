//! Who serves models: rows of data.

use std::sync::Arc;

use dialect::task::{Task, Tasks};
use dialect::{Dialect, Dress, Spoken};

use crate::origin::Origin;
use crate::secret::ProviderKey;

/// Somebody who serves models.
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// Versioned root of its paths, such as `/v1`; without a slash at its end.
    pub base_path: String,
    /// The wire format it speaks.
    pub dialect: Dialect,
    /// How a credential is shown.
    pub auth: Auth,
    /// Credentials; empty where it asks for none.
    pub keys: Vec<Arc<ProviderKey>>,
    /// Where it differs from its dialect.
    pub quirks: Quirks,
    /// Headers that every request to it carries.
    pub headers: Vec<(String, String)>,
    /// Its row of the catalogue, by which prices are found; empty where it has none.
    pub catalogue_id: &'static str,
    /// Where data stays, in the operator's words.
    pub residency: Option<String>,
    /// Its region, where its kind has regions; signatures name it.
    pub region: Option<String>,
    /// How its paths differ from its dialect's.
    pub paths: Paths,
}

impl Provider {
    /// Whether it does what a request of that dialect asks for: in that request's own words, or, of
    /// vectors, in its own.
    #[must_use]
    pub fn does(&self, task: Task, client: Dialect) -> bool {
        let Some(codec) = self.dialect.tasks() else {
            return task == Task::Chat;
        };
        let tasks = self.quirks.tasks;
        if task == Task::Chat || self.dialect.shares_tasks(client) {
            return codec.tasks().has(task) && tasks.has(task);
        }
        let crosses = codec.vectors().is_some() && client.tasks().is_some();
        task.is_embed() && crosses && tasks.has(Task::Embed)
    }
}

/// How a provider's paths differ from its dialect's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Whether the model, in Azure's words a deployment, stands in front of the dialect's path:
    /// `/deployments/{model}/chat/completions`.
    pub deployments: bool,
    /// What stands behind `?` in each of them, such as `api-version=2024-10-21`; may be empty.
    pub query: String,
    /// Paths that pass through beside those that are usual for its dialect, as the catalogue writes them.
    pub passed: &'static [&'static str],
    /// The dialect in which it counts tokens below the same root, where that is another than it speaks.
    pub counts: Option<Dialect>,
    /// Whose paths they are, where a cloud serves the dialect under its own.
    pub dress: Dress,
}

impl Provider {
    /// What it speaks, and under whose paths.
    #[must_use]
    pub fn spoken(&self) -> Spoken {
        Spoken::new(self.dialect, self.paths.dress)
    }
}

impl Auth {
    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Auth::Bearer => "bearer",
            Auth::Header(name) => name,
            Auth::Query(_) => "query-key",
            Auth::SigV4 { .. } => "sigv4",
            Auth::None => "none",
        }
    }
}

/// How a credential is shown to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer …`
    Bearer,
    /// The credential alone in a header of that name.
    Header(&'static str),
    /// In the query, under that name.
    Query(&'static str),
    /// The request is signed for that service of AWS (Signature Version 4).
    SigV4 {
        /// The service's name in signatures.
        service: &'static str,
    },
    /// Not at all.
    None,
}

/// Where a provider differs from its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Whether usage in streams can be switched on.
    pub stream_usage: bool,
    /// Whether it wants reasoning that nothing signs back with the calls that it led to. Others may
    /// refuse the member that carries it.
    pub plain_reasoning: bool,
    /// What it does of what its dialect's API has.
    pub tasks: Tasks,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            stream_usage: true,
            plain_reasoning: false,
            tasks: Tasks::ALL,
        }
    }
}

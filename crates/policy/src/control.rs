//! What a running gateway offers to whoever operates it.
//!
//! The seam between the operators' listener and the road, which do not know each
//! other: the binary implements it. Nothing here may wait for a database or tell a secret.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::Balance;
use crate::health::Health;
use crate::snapshot::Snapshot;

/// A running gateway.
pub trait Control: Send + Sync {
    /// What is in force: the configuration with the objects that were made at run time.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Reads the configuration's file again, on behalf of `who`, and gives the revision in force.
    ///
    /// # Errors
    /// Why not; the configuration in force stays.
    fn reload(&self, who: &str) -> Result<String, ReloadError>;

    /// Takes over what changed in the store, before the next request.
    ///
    /// # Errors
    /// Why it could not be taken over; what was in force stays.
    fn refresh(&self) -> Result<(), String>;

    /// What every account has settled and holds.
    fn balances(&self) -> Vec<Balance>;

    /// How many requests of applications are under way.
    fn open_requests(&self) -> u64;

    /// What runs, and with which settings that only a restart changes.
    fn running(&self) -> Running;

    /// The figures, in Prometheus' text format.
    fn metrics(&self) -> String;

    /// Shows what is known of the health of targets; `see` is not asked where nothing runs.
    fn see_targets(&self, see: &mut dyn FnMut(&Health, Duration)) {
        let _ = see;
    }

    /// How the parts are, those that are not well among them.
    fn health(&self) -> Vec<Part>;
}

/// Why a configuration was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadError {
    /// There is no file to read; says what was started instead.
    NoFile(String),
    /// What is wrong with the file, a line each as `file:line:col: what · how to mend it`.
    Problems(Vec<String>),
}

/// What runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The program's version.
    pub version: String,
    /// The commit it was built from; empty where that is not known.
    pub commit: String,
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
    /// The configuration's file; none where it runs from the environment.
    pub config: Option<String>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// The data folder.
    pub data: String,
    /// Where objects and ledger are: `sqlite`.
    pub store: &'static str,
    /// What a record survives: `process` or `power`.
    pub durability: &'static str,
    /// The bound of all buffers together, in bytes.
    pub memory_bytes: u64,
}

/// One place where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// For whom: `applications` or `operators`.
    pub name: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Whether by TLS.
    pub tls: bool,
}

/// How one part of the gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part, such as `journal`.
    pub name: &'static str,
    /// Whether it works as it should.
    pub well: bool,
    /// How it is, in a sentence.
    pub state: String,
}

//! How the gateway is.

use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::Serialize;
use store::objects::Moment;

use super::accounts::{Balance, fullest};
use super::shape::{house, some};
use crate::App;
use crate::route::{Answer, Nothing};

/// Limits that are shown: the fullest.
const SHOWN: usize = 20;

/// How the gateway is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Status {
    /// Whether every part is well.
    well: bool,
    /// Its parts.
    parts: Vec<Part>,
    /// The program's version.
    version: String,
    /// The commit it was built from.
    commit: Option<String>,
    /// When it started.
    started_at: Moment,
    /// Hash of the configuration in force.
    config_revision: String,
    /// Requests of applications that are under way.
    open_requests: u64,
    /// The fullest limits, the fullest first; `GET /balances` has all.
    balances: Vec<Balance>,
}

/// One part.
#[derive(Serialize, JsonSchema)]
struct Part {
    /// Its name.
    name: &'static str,
    /// Whether it works as it should.
    well: bool,
    /// How it is, in a sentence.
    state: String,
}

/// How it is.
pub(super) fn status(app: &App, viewer: &Viewer, _: &Nothing) -> Answer<Status> {
    house(viewer, "see how the house is")?;
    let parts = app.control.health();
    let running = app.control.running();
    Ok(Status {
        well: parts.iter().all(|part| part.well),
        parts: parts
            .into_iter()
            .map(|part| Part {
                name: part.name,
                well: part.well,
                state: part.state,
            })
            .collect(),
        version: running.version,
        commit: some(running.commit),
        started_at: Moment(running.started_ms),
        config_revision: app.control.snapshot().revision.to_string(),
        open_requests: app.control.open_requests(),
        balances: fullest(app, viewer, SHOWN),
    })
}

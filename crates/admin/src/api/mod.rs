//! The functions of the API, one noun a file.

mod accounts;
mod config;
mod exchanges;
mod explain;
mod keys;
mod ledger;
mod models;
mod objects;
mod paths;
mod prune;
mod query;
mod rerate;
mod shape;
mod spend;
mod status;
mod targets;

use crate::route::Routes;

/// Adds every function to the table.
#[must_use]
pub fn all(routes: Routes) -> Routes {
    let routes = on_records(objects::add(keys::add(routes)));
    let routes = routes
        .get(
            "/balances",
            "What every limit has settled, holds and leaves",
            accounts::balances,
        )
        .get("/spend", "What was spent, summed", spend::spend)
        .heavy()
        .get("/exchanges", "Requests, the newest first", exchanges::list)
        .heavy()
        .get(
            "/exchanges/follow",
            "Requests in the order in which they ended, after a place",
            exchanges::follow,
        )
        .get_one(
            "/exchanges/{id}",
            "One request, also one under way",
            exchanges::one,
        )
        .get(
            "/ledger",
            "Entries of the ledger, the newest first",
            ledger::list,
        )
        .heavy();
    routes
        .get("/models", "Models that applications call", models::list)
        .get_one("/models/{id}", "One model", models::one)
        .get("/targets", "Targets of models", targets::list)
        .get(
            "/paths",
            "Who reaches what: key, model, target",
            paths::list,
        )
        .post(
            "/explain",
            "Which targets would serve a model, in what order, and why others would not",
            explain::explain,
        )
        .post("/query", "Run one SELECT over the views", query::query)
        .heavy()
        .get(
            "/config",
            "The configuration in force, without secrets",
            config::config,
        )
        .get(
            "/config/revisions",
            "Configurations that were given, the newest first",
            config::revisions,
        )
        .post(
            "/reload",
            "Read the configuration's file again, and take over what the store has",
            config::reload,
        )
        .get("/audit", "Changes, the newest first", config::audit)
        .get("/status", "How the gateway is", status::status)
}

/// What is done to records.
fn on_records(routes: Routes) -> Routes {
    routes
        .post(
            "/prices/rerate",
            "Rate the requests of a time anew",
            rerate::rerate,
        )
        .heavy()
        .post(
            "/exchanges/prune",
            "Remove the requests of all months before one; the ledger keeps what they cost",
            prune::prune,
        )
        .heavy()
}

//! The configuration: what is in force, what was given, reading it again; and the audit trail.

use policy::control::ReloadError;
use policy::limit::Limit;
use policy::provider::{Auth, Provider};
use policy::snapshot::Snapshot;
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::Serialize;
use store::objects::{AuditEntry, Revision, Usd};

use super::accounts::{account, source};
use super::models::{self, Seen};
use super::shape::house;
use crate::App;
use crate::error::ApiError;
use crate::page::{self, Page, PageQuery};
use crate::route::{Answer, Nothing};

/// The configuration in force, with the objects made at run time.
#[derive(Serialize, JsonSchema)]
pub(super) struct Config {
    /// Its hash, stamped on every request.
    revision: String,
    /// The file; null where the gateway runs from the environment.
    file: Option<String>,
    /// Where it listens.
    listeners: Vec<Listener>,
    /// The data folder.
    data: String,
    /// Where objects and ledger are.
    store: &'static str,
    /// What a record survives: `process` or `power`.
    durability: &'static str,
    /// The bound of all buffers together.
    memory_bytes: u64,
    /// The largest request body.
    max_body_bytes: usize,
    /// Who serves models; credentials are counted, never shown.
    providers: Vec<ShownProvider>,
    /// What applications call.
    models: Vec<models::Shown>,
    /// Policy of `provider/model`.
    defaults: models::Shown,
    /// Tags without which a request is refused.
    require_tags: Vec<String>,
    /// Every limit, budgets among them.
    limits: Vec<ShownLimit>,
    /// What a request without a bound or a price counts as, where neither model nor provider says.
    ceiling_usd: Option<Usd>,
    /// How many keys are good, each counted once.
    keys: usize,
    /// Teams.
    teams: Vec<String>,
    /// Organisations.
    organisations: Vec<String>,
    /// The day of the built-in prices; null where there are none.
    prices_of: Option<String>,
}

/// Where it listens.
#[derive(Serialize, JsonSchema)]
struct Listener {
    /// For whom: `applications` or `operators`.
    name: &'static str,
    /// Address and port.
    address: String,
    /// Whether by TLS.
    tls: bool,
}

/// A provider in force.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProviderInForce")]
struct ShownProvider {
    /// Its name.
    name: String,
    /// Where it is.
    base_url: String,
    /// What it speaks.
    dialect: &'static str,
    /// How a credential is shown: `bearer`, a header's name, or `none`.
    auth: &'static str,
    /// How many credentials it has.
    keys: usize,
    /// Names of the further headers of every request to it.
    headers: Vec<String>,
    /// Where data stays, in the operator's words.
    residency: Option<String>,
    /// What a request without a bound or a price counts as there, at most.
    ceiling_usd: Option<Usd>,
    /// `file` or `store`.
    source: &'static str,
}

/// A limit in force.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LimitInForce")]
struct ShownLimit {
    /// Its name.
    name: String,
    /// Whose requests count; null for all.
    account: Option<String>,
    /// What has a bucket of its own.
    each: Option<String>,
    /// `money`, `tokens`, `requests` or `concurrent`.
    resource: &'static str,
    /// What a window allows: nano-dollars where it is money.
    amount: i64,
    /// The window.
    per: &'static str,
    /// Where the calendar is read.
    time_zone: String,
    /// Whether it refuses.
    hard: bool,
    /// `enforce` or `report`.
    mode: String,
    /// `clamp` or `refuse`.
    when_unbounded: String,
    /// Where alerts go out, in per cent.
    alert_at_percent: Vec<u8>,
    /// `file` or `store`.
    source: &'static str,
}

/// What is in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct Reloaded {
    /// Hash of the configuration in force.
    revision: String,
}

/// The configuration in force.
pub(super) fn config(app: &App, viewer: &Viewer, _: &Nothing) -> Answer<Config> {
    house(viewer, "read the configuration")?;
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let running = app.control.running();
    let listeners = running.listeners.iter().map(|one| Listener {
        name: one.name,
        address: one.address.to_string(),
        tls: one.tls,
    });
    let named = |(name, model): (&str, &std::sync::Arc<_>)| models::shown(&snapshot, name, model);
    Ok(Config {
        revision: snapshot.revision.to_string(),
        file: running.config,
        listeners: listeners.collect(),
        data: running.data,
        store: running.store,
        durability: running.durability,
        memory_bytes: running.memory_bytes,
        max_body_bytes: snapshot.max_body,
        providers: snapshot
            .providers
            .values()
            .map(|one| provider(&snapshot, one))
            .collect(),
        models: seen.models().map(named).collect(),
        defaults: models::shown(&snapshot, &snapshot.defaults.name, &snapshot.defaults),
        require_tags: snapshot
            .require_tags
            .iter()
            .map(ToString::to_string)
            .collect(),
        limits: snapshot
            .limits
            .iter()
            .map(|one| limit(&snapshot, one))
            .collect(),
        ceiling_usd: snapshot.ceilings.house.map(Usd),
        keys: seen.keys().len(),
        teams: snapshot.teams.keys().cloned().collect(),
        organisations: snapshot.organisations.keys().cloned().collect(),
        prices_of: snapshot.prices.as_ref().map(|book| book.date().to_string()),
    })
}

/// Configurations that were given, the newest first.
pub(super) fn revisions(app: &App, viewer: &Viewer, query: &PageQuery) -> Answer<Page<Revision>> {
    let limit = page::limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    Ok(app
        .objects
        .list_revisions(viewer, cursor, Some(limit))?
        .into())
}

/// Changes, the newest first.
pub(super) fn audit(app: &App, viewer: &Viewer, query: &PageQuery) -> Answer<Page<AuditEntry>> {
    let limit = page::limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    Ok(app.objects.audit_list(viewer, cursor, Some(limit))?.into())
}

/// Reads the file again, and takes over what the store has.
pub(super) fn reload(app: &App, viewer: &Viewer, _: &Nothing) -> Answer<Reloaded> {
    house(viewer, "reload the configuration")?;
    let reloaded = app.control.reload(&viewer.name);
    // What the store has is taken over whatever the file is like.
    let refreshed = super::objects::in_force(app);
    match reloaded {
        Ok(revision) => {
            refreshed?;
            Ok(Reloaded { revision })
        }
        Err(ReloadError::NoFile(why)) => Err(ApiError::conflict(why)),
        Err(ReloadError::Problems(problems)) => Err(ApiError {
            code: "invalid_configuration",
            ..ApiError::invalid("", problems.join("\n"))
        }),
    }
}

fn provider(snapshot: &Snapshot, provider: &Provider) -> ShownProvider {
    ShownProvider {
        name: provider.name.clone(),
        base_url: format!("{}{}", provider.origin, provider.base_path),
        dialect: provider.dialect.name(),
        auth: match provider.auth {
            Auth::Bearer => "bearer",
            Auth::Header(name) => name,
            Auth::None => "none",
        },
        keys: provider.keys.len(),
        headers: provider
            .headers
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        residency: provider.residency.clone(),
        ceiling_usd: snapshot
            .ceilings
            .providers
            .get(&provider.name)
            .copied()
            .map(Usd),
        source: if snapshot.of_file.providers.contains(&provider.name) {
            "file"
        } else {
            "store"
        },
    }
}

fn limit(snapshot: &Snapshot, limit: &Limit) -> ShownLimit {
    ShownLimit {
        name: limit.name.to_string(),
        account: account(limit),
        each: limit.each.as_ref().map(ToString::to_string),
        resource: limit.resource.name(),
        amount: limit.amount,
        per: limit.period.name(),
        time_zone: limit.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        hard: limit.hard,
        mode: limit.mode.to_string(),
        when_unbounded: limit.when_unbounded.to_string(),
        alert_at_percent: limit.alert_at_percent.clone(),
        source: source(snapshot, limit),
    }
}

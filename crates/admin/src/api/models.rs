//! Models that applications call, with their policy.

use std::sync::Arc;
use std::time::Duration;

use dialect::loss::Fidelity;
use policy::caller::VirtualKey;
use policy::model::{Model, Recovery, Target, ToolCalls};
use policy::snapshot::Snapshot;
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::Serialize;
use store::objects::Usd;

use crate::App;
use crate::error::ApiError;
use crate::page::{self, Page, PageQuery};
use crate::route::Answer;

/// A model.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Model")]
pub(super) struct Shown {
    /// The name that applications call.
    name: String,
    /// The model that it is another name of.
    alias_of: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// What serves it.
    targets: Vec<OwnTarget>,
    /// `ordered` or `weighted`, within a priority.
    balance: &'static str,
    /// Where it goes when its targets fail.
    fallback: Fallback,
    /// How long things may take.
    timeouts: Timeouts,
    /// How often is tried.
    retry: Retry,
    /// `off` or `restart`.
    recovery: &'static str,
    /// `strict`, `report` or `permit`.
    fidelity: &'static str,
    /// `live` or `whole`.
    tool_calls: &'static str,
    /// What a request without a bound or a price counts as, at most.
    ceiling_usd: Option<Usd>,
}

/// A target of a model.
#[derive(Serialize, JsonSchema)]
struct OwnTarget {
    /// `provider/model`
    target: String,
    /// Its share among targets of its priority.
    weight: u32,
    /// Which come first.
    priority: u32,
}

/// Targets by the failure after which they are used.
#[derive(Serialize, JsonSchema)]
struct Fallback {
    /// Any that allows another target.
    failure: Vec<String>,
    /// The request is too long.
    context_window: Vec<String>,
    /// The provider refuses by its content policy.
    content_policy: Vec<String>,
}

/// How long things may take, in milliseconds.
#[derive(Serialize, JsonSchema)]
struct Timeouts {
    /// Until a connection stands.
    connect_ms: u64,
    /// Streams: until the first semantic event.
    first_token_ms: u64,
    /// Streams: between semantic events.
    idle_ms: u64,
    /// All attempts together.
    total_ms: u64,
}

/// How often is tried.
#[derive(Serialize, JsonSchema)]
struct Retry {
    /// Further tries on one target.
    same_target: u32,
    /// All tries together.
    max_attempts: u32,
    /// The first wait.
    backoff_initial_ms: u64,
    /// The longest wait.
    backoff_max_ms: u64,
}

/// Models, by name.
pub(super) fn list(app: &App, viewer: &Viewer, query: &PageQuery) -> Answer<Page<Shown>> {
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let rows = seen
        .models()
        .map(|(name, model)| shown(&snapshot, name, model));
    page::of(rows, query.limit, query.cursor.as_deref())
}

/// One model.
pub(super) fn one(app: &App, viewer: &Viewer, id: &str) -> Answer<Shown> {
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let found = seen.models().find(|(name, _)| *name == id);
    found
        .map(|(name, model)| shown(&snapshot, name, model))
        .ok_or_else(|| ApiError::not_found(format!("there is no model `{id}`")))
}

/// What of a snapshot a viewer may see.
pub(super) struct Seen<'s> {
    pub(super) snapshot: &'s Snapshot,
    /// Stands for any key of the viewer's team; none for those who see everything.
    pub(super) team: Option<VirtualKey>,
}

impl<'s> Seen<'s> {
    pub(super) fn of(snapshot: &'s Snapshot, viewer: &Viewer) -> Self {
        let team = viewer.team().map(|name| {
            let known = snapshot.teams.get(name).cloned();
            VirtualKey {
                name: "any".into(),
                // Of a team that nobody knows nothing is seen.
                models: known.is_none().then(Vec::new),
                team: known,
                ..VirtualKey::default()
            }
        });
        Self { snapshot, team }
    }

    /// Models, by name.
    pub(super) fn models(&self) -> impl Iterator<Item = (&str, &Arc<Model>)> {
        let all = self.snapshot.models.iter();
        let mine = |name: &str| self.team.as_ref().is_none_or(|key| key.may_call(name));
        all.filter(move |(name, _)| mine(name))
            .map(|(name, model)| (name.as_str(), model))
    }

    /// Keys by name, each once however many secrets it has.
    pub(super) fn keys(&self) -> Vec<&Arc<VirtualKey>> {
        let mut keys: Vec<_> = self.snapshot.keys.values().collect();
        if let Some(own) = &self.team {
            let name = |key: &VirtualKey| key.team.as_ref().map(|group| Arc::clone(&group.name));
            let team = name(own);
            keys.retain(|key| team.is_some() && name(key) == team);
        }
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys.dedup_by(|a, b| a.name == b.name);
        keys
    }
}

/// Every target of a model, with the failure after which it is used.
pub(super) fn targets(model: &Model) -> impl Iterator<Item = (&Arc<Target>, Option<&'static str>)> {
    let own = model.targets.iter().map(|target| (target, None));
    let fallback = &model.fallback;
    let fallbacks = [
        (&fallback.failure, "failure"),
        (&fallback.context_window, "context_window"),
        (&fallback.content_policy, "content_policy"),
    ];
    let others = fallbacks.into_iter();
    own.chain(
        others.flat_map(|(targets, why)| targets.iter().map(move |target| (target, Some(why)))),
    )
}

/// A model as it is shown.
pub(super) fn shown(snapshot: &Snapshot, name: &str, model: &Model) -> Shown {
    let names = |targets: &[Arc<Target>]| {
        targets
            .iter()
            .map(|target| target.name().to_string())
            .collect()
    };
    let own = model.targets.iter().map(|target| OwnTarget {
        target: target.name().to_string(),
        weight: target.weight,
        priority: target.priority,
    });
    Shown {
        name: name.to_owned(),
        alias_of: (*model.name != *name).then(|| model.name.to_string()),
        description: model.description.clone(),
        targets: own.collect(),
        balance: model.balance.name(),
        fallback: Fallback {
            failure: names(&model.fallback.failure),
            context_window: names(&model.fallback.context_window),
            content_policy: names(&model.fallback.content_policy),
        },
        timeouts: Timeouts {
            connect_ms: ms(model.timeouts.connect),
            first_token_ms: ms(model.timeouts.first_token),
            idle_ms: ms(model.timeouts.idle),
            total_ms: ms(model.timeouts.total),
        },
        retry: Retry {
            same_target: model.retry.same_target,
            max_attempts: model.retry.max_attempts,
            backoff_initial_ms: ms(model.retry.backoff_initial),
            backoff_max_ms: ms(model.retry.backoff_max),
        },
        recovery: match model.recovery {
            Recovery::Off => "off",
            Recovery::Restart => "restart",
        },
        fidelity: match model.fidelity {
            Fidelity::Strict => "strict",
            Fidelity::Report => "report",
            Fidelity::Permit => "permit",
        },
        tool_calls: match model.tool_calls {
            ToolCalls::Live => "live",
            ToolCalls::Whole => "whole",
        },
        ceiling_usd: snapshot.ceilings.models.get(name).copied().map(Usd),
    }
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

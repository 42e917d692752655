//! Why a request would go where it goes.

use std::sync::Arc;

use dialect::needs::Need;
use policy::balance::Circumstances;
use policy::caller::VirtualKey;
use policy::explain::{asked, explain_for};
use policy::plan::Role;
use policy::snapshot::Resolved;
use policy::viewer::Viewer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::models::Seen;
use crate::App;
use crate::error::ApiError;
use crate::route::Answer;

/// What is to be explained.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExplainQuestion")]
pub(super) struct Question {
    /// The model, as an application would call it.
    model: String,
    /// The key's name; one that may call everything when absent.
    #[serde(default)]
    key: Option<String>,
    /// What the request needs, such as `tools` or `vision`.
    #[serde(default)]
    needs: Vec<String>,
    /// How long the request is.
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

/// An explanation.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explanation {
    /// The model that was asked for.
    model: String,
    /// The key; null for one that may call everything.
    key: Option<String>,
    /// Hash of the configuration in force.
    config_revision: String,
    /// Targets that are used, in their order, then those that are not.
    targets: Vec<Line>,
    /// What is to be known beside it.
    notes: Vec<String>,
}

/// One target.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExplainedTarget")]
struct Line {
    /// Its place, from 1; null where it is not used.
    order: Option<usize>,
    /// `provider/model`
    target: String,
    /// `target`, `fallback` or `not_used`.
    role: &'static str,
    /// Why.
    why: String,
}

/// Explains a model.
pub(super) fn explain(app: &App, viewer: &Viewer, question: &Question) -> Answer<Explanation> {
    let snapshot = app.control.snapshot();
    let seen = Seen::of(&snapshot, viewer);
    let key = key(&seen, question.key.as_deref())?;
    let needs = needs(&question.needs)?;
    let asked = asked(&needs, question.prompt_tokens);
    let model = match snapshot.resolve(&question.model, &key) {
        Resolved::Model(model) => model,
        Resolved::NotAllowed => {
            return Err(ApiError::invalid(
                "model",
                format!("key `{}` may not call `{}`", key.name, question.model),
            ));
        }
        Resolved::NotFound(near) => {
            let mut message = format!("there is no model `{}`", question.model);
            if !near.is_empty() {
                message = format!("{message}; near it: {}", near.join(", "));
            }
            return Err(ApiError::invalid("model", message));
        }
    };
    let mut lines = None;
    app.control.see_targets(&mut |health, now| {
        let known = Circumstances {
            health: Some(health),
            now,
            ..Circumstances::default()
        };
        lines = Some(explain_for(&model, &asked, &known));
    });
    let unknown = || explain_for(&model, &asked, &Circumstances::default());
    let lines = lines.unwrap_or_else(unknown).into_iter();
    Ok(Explanation {
        model: question.model.clone(),
        key: question.key.clone(),
        config_revision: snapshot.revision.to_string(),
        targets: lines
            .map(|line| Line {
                order: line.order,
                target: line.target.name().to_string(),
                role: match line.role {
                    Some(Role::Primary) => "target",
                    Some(Role::Fallback) => "fallback",
                    None => "not_used",
                },
                why: line.why,
            })
            .collect(),
        notes: policy::explain::notes(&model, &needs, question.prompt_tokens),
    })
}

fn key(seen: &Seen<'_>, name: Option<&str>) -> Answer<Arc<VirtualKey>> {
    let Some(name) = name else {
        return Ok(Arc::new(seen.team.clone().unwrap_or_else(|| VirtualKey {
            name: "any".into(),
            direct: true,
            ..VirtualKey::default()
        })));
    };
    let found = seen.keys().into_iter().find(|key| *key.name == *name);
    found.cloned().ok_or_else(|| {
        let message = format!("there is no key `{name}` in force; `GET /keys` lists them");
        ApiError::invalid("key", message)
    })
}

fn needs(words: &[String]) -> Answer<Vec<Need>> {
    let need = |word: &String| Need::ALL.into_iter().find(|need| need.name() == word);
    let mut needs = Vec::new();
    for word in words {
        let known = need(word).ok_or_else(|| {
            let names: Vec<&str> = Need::ALL.into_iter().map(Need::name).collect();
            let message = format!("`{word}` is none; there are {}", names.join(", "));
            ApiError::invalid("needs", message)
        })?;
        needs.push(known);
    }
    Ok(needs)
}

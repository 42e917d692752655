//! `bondgate explain`: which targets would serve a model, in what order, and why each other
//! one is not used.
//!
//! From the configuration alone and by the same plan as the road's. It never connects and
//! knows nothing of the providers' present health.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use dialect::needs::Need;
use policy::caller::VirtualKey;
use policy::model::{Balance, Model, Target};
use policy::plan::{Role, plan};
use policy::snapshot::{Resolved, Snapshot};
use store::keys::KeyHasher;

use super::print;
use super::rows::Rows;
use crate::cli::ExplainOptions;
use crate::config::{self, Mode, Overrides, Source};

/// Explains a model.
///
/// # Errors
/// Where the configuration is bad, or the model or key is not there.
pub(super) fn run(options: &ExplainOptions) -> anyhow::Result<()> {
    let snapshot = read(options)?;
    let key = key(&snapshot, options.key.as_deref())?;
    let model = match snapshot.resolve(&options.model, &key) {
        Resolved::Model(model) => model,
        Resolved::NotAllowed => bail!(
            "key `{}` may not call `{}` · add it to the key's `models`, or `direct: true` for \
             `provider/model`",
            key.name,
            options.model
        ),
        Resolved::NotFound(near) => bail!("{}", not_found(&options.model, &near)),
    };
    let mut rows = Rows::new(&["order", "target", "role", "why"]);
    explain(&model, &mut rows);
    for note in notes(options) {
        eprintln!("{note}");
    }
    print(&rows.render(options.format))
}

fn read(options: &ExplainOptions) -> anyhow::Result<Snapshot> {
    let env = |name: &str| std::env::var(name).ok();
    let config = match config::source(options.config.as_deref()) {
        Source::File(path) => {
            config::load(&path, &Overrides::default(), &env, Mode::Offline)?.config
        }
        // Nothing is sent there: the address only makes the row complete.
        Source::Environment => config::zero_config(&env, "http://127.0.0.1:9"),
    };
    // No hash leaves this process, so any key will do for the hasher.
    Ok(config::snapshot(&config, &KeyHasher::new(b"explain")))
}

fn key(snapshot: &Snapshot, name: Option<&str>) -> anyhow::Result<Arc<VirtualKey>> {
    let Some(name) = name else {
        return Ok(Arc::new(VirtualKey {
            name: "any".into(),
            direct: true,
            ..VirtualKey::default()
        }));
    };
    let found = snapshot.keys.values().find(|key| *key.name == *name);
    found.cloned().ok_or_else(|| {
        let names = snapshot.keys.values().map(|key| &*key.name);
        let mend = config::problem::nearest(name, names).map_or_else(
            || "name one of `keys`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        anyhow!("there is no key `{name}` · {mend}")
    })
}

fn not_found(model: &str, near: &[String]) -> String {
    if near.is_empty() {
        return format!("there is no model `{model}` · name one of `models`, or `provider/model`");
    }
    let near = config::problem::any_of(near.iter().map(String::as_str));
    format!("there is no model `{model}` · did you mean {near}?")
}

fn explain(model: &Arc<Model>, rows: &mut Rows) {
    // The first of those that could be drawn, so that the same is said each time.
    let plan = plan(model, &mut |_| 0);
    let most = model.retry.max_attempts as usize;
    let reached = plan.steps.len().min(most);
    for (n, step) in plan.steps.iter().take(reached).enumerate() {
        let (role, why) = match step.role {
            Role::Primary => ("target", primary(model, &step.target)),
            Role::Fallback => ("fallback", "when the targets before it fail".to_owned()),
        };
        rows.push(vec![
            (n + 1).to_string(),
            step.target.name().to_string(),
            role.to_owned(),
            why,
        ]);
    }
    let mut excluded = |target: &Target, why: String| {
        rows.push(vec![
            "-".to_owned(),
            target.name().to_string(),
            "not used".to_owned(),
            why,
        ]);
    };
    for step in plan.steps.iter().skip(reached) {
        excluded(&step.target, format!("beyond `retry.max_attempts: {most}`"));
    }
    for target in &model.fallback.context_window {
        excluded(
            target,
            "only where the request is too long for a target".to_owned(),
        );
    }
    for target in &model.fallback.content_policy {
        excluded(
            target,
            "only where a provider refuses by its content policy".to_owned(),
        );
    }
}

fn primary(model: &Model, target: &Target) -> String {
    let level: Vec<&Arc<Target>> = model
        .targets
        .iter()
        .filter(|other| other.priority == target.priority)
        .collect();
    let place = format!("priority {}", target.priority);
    let total: u64 = level.iter().map(|other| u64::from(other.weight)).sum();
    match model.balance {
        Balance::Ordered if level.len() == 1 => format!("{place}, alone"),
        Balance::Ordered => format!("{place}, in the order of the configuration"),
        Balance::Weighted if level.len() == 1 => format!("{place}, alone"),
        Balance::Weighted if total == 0 => format!("{place}, all of weight 0: in order"),
        Balance::Weighted if target.weight == 0 => {
            format!("{place}, weight 0: when the others of its priority fail")
        }
        Balance::Weighted => {
            let percent = u64::from(target.weight) * 100 / total;
            format!("{place}, drawn first for {percent} % of requests")
        }
    }
}

fn notes(options: &ExplainOptions) -> Vec<String> {
    let mut notes = Vec::new();
    if !options.needs.is_empty() {
        let needs: Vec<&str> = options.needs.iter().copied().map(Need::name).collect();
        notes.push(format!(
            "note: no target says what it can do, so needing {} excludes none",
            needs.join(", ")
        ));
    }
    if let Some(tokens) = options.prompt_tokens {
        notes.push(format!(
            "note: no target says how much it takes, so {tokens} tokens exclude none; \
             `fallback.context_window` is used when a provider says it is too long"
        ));
    }
    notes
}

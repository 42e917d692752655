//! `bondgate explain`: which targets would serve a model, in what order, and why each other
//! one is not used.
//!
//! From the configuration alone and by the same plan as the road's. It never connects and
//! knows nothing of the providers' present health.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use policy::balance::Circumstances;
use policy::caller::VirtualKey;
use policy::explain::{Line, asked, explain_for, notes};
use policy::plan::Role;
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
    let asked = asked(&options.needs, options.prompt_tokens);
    for line in explain_for(&model, &asked, &Circumstances::default()) {
        rows.push(row(&line));
    }
    for note in notes(&model, &options.needs, options.prompt_tokens) {
        eprintln!("note: {note}");
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

fn row(line: &Line) -> Vec<String> {
    let role = match line.role {
        Some(Role::Primary) => "target",
        Some(Role::Fallback) => "fallback",
        None => "not used",
    };
    vec![
        line.order.map_or("-".to_owned(), |order| order.to_string()),
        line.target.name().to_string(),
        role.to_owned(),
        line.why.clone(),
    ]
}

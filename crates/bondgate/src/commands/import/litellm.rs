//! A configuration of LiteLLM's proxy: what each part of it means, and what it becomes.
//!
//! The format is documented at docs.litellm.ai (`proxy/configs`, `proxy/config_settings`);
//! what is read here is what stands there, by its names.

mod deployments;
mod fallbacks;
mod money;
mod providers;
mod secrets;
mod settings;
mod vendors;

use super::draft::{Draft, Model, Text};
use super::finding::{Finding, Grade};
use super::value::Value;
use crate::config::node::Node;
use deployments::Group;
use secrets::Secrets;

/// The parts of a file.
const SECTIONS: [&str; 4] = [
    "model_list",
    "litellm_settings",
    "router_settings",
    "general_settings",
];

/// How long all attempts together may take where nothing else is said, in milliseconds.
const TOTAL_MS: u64 = 900_000;

/// What a file became.
pub(super) struct Imported {
    pub(super) draft: Draft,
    /// In the order of the file.
    pub(super) findings: Vec<Finding>,
}

/// A file on its way to becoming ours.
struct Import<'n> {
    root: Value<'n>,
    draft: Draft,
    findings: Vec<Finding>,
    secrets: Secrets<'n>,
    groups: Vec<Group>,
}

/// Reads a file; none where it is of somebody else.
pub(super) fn import(root: &Node) -> Option<Imported> {
    let root = Value::root(root);
    if !root.entries().iter().any(|(key, _)| SECTIONS.contains(key)) {
        return None;
    }
    let mut import = Import {
        secrets: Secrets::of(&root),
        root,
        draft: Draft::default(),
        findings: Vec::new(),
        groups: Vec::new(),
    };
    import.deployments();
    import.settings();
    import.models();
    import.aliases();
    import.fallbacks();
    import.callers();
    import.findings.sort_by_key(|finding| finding.line);
    Some(Imported {
        draft: import.draft,
        findings: import.findings,
    })
}

impl<'n> Import<'n> {
    fn say(&mut self, on: &Value<'_>, grade: Grade, what: impl Into<String>) {
        self.findings.push(Finding::on(on, grade, what));
    }

    /// A setting, by its path.
    fn at(&self, section: &str, key: &str) -> Option<Value<'n>> {
        self.root.get(section)?.get(key)
    }

    /// The same setting where LiteLLM reads it from two places, the stronger first.
    fn either(&self, key: &str) -> Vec<Value<'n>> {
        let sections = ["router_settings", "litellm_settings"];
        sections
            .iter()
            .filter_map(|section| self.at(section, key))
            .collect()
    }

    /// A text that may be a secret: a reference stays one, a literal becomes a variable.
    fn secret(&mut self, value: &Value<'n>, variable: &str) -> Option<Text> {
        let text = value.text()?;
        if let Some(name) = secrets::reference(text) {
            return Some(Text::variable(name));
        }
        let name = self.secrets.variable_for(text, variable);
        let what = format!(
            "stands in clear and is not copied: it becomes `${{{name}}}` · set {name} where the gateway runs"
        );
        self.say(value, Grade::Manual, what);
        Some(Text::variable(&name))
    }

    fn models(&mut self) {
        let defaults = &mut self.draft.defaults;
        let total = defaults.total_ms.unwrap_or(TOTAL_MS);
        defaults.first_token_ms = defaults.first_token_ms.map(|first| first.min(total));
        for group in &self.groups {
            let total_ms = group.timeout_ms.or(self.draft.defaults.total_ms);
            let total = total_ms.unwrap_or(TOTAL_MS);
            self.draft.models.push(Model {
                name: group.name.clone(),
                targets: group.targets.clone(),
                total_ms: group.timeout_ms,
                first_token_ms: group.first_token_ms.map(|first| first.min(total)),
                ..Model::default()
            });
        }
    }

    fn aliases(&mut self) {
        for section in self.either("model_group_alias") {
            for (alias, value) in section.entries() {
                let hidden = value.get("hidden").is_some_and(|hidden| hidden.is_true());
                let Some(name) = value.text().or_else(|| value.get("model")?.text()) else {
                    self.say(
                        &value,
                        Grade::Manual,
                        "names no model · add an `alias` by hand",
                    );
                    continue;
                };
                let taken = self.draft.models.iter().any(|model| model.name == alias);
                let known = self.groups.iter().any(|group| group.name == name);
                if taken || !known || alias.contains("${") {
                    let why = if taken {
                        "a model has that name"
                    } else {
                        "its model was not carried over"
                    };
                    self.say(&value, Grade::Manual, format!("is left out: {why}"));
                    continue;
                }
                self.draft.models.push(Model {
                    name: alias.to_owned(),
                    alias: Some(name.to_owned()),
                    ..Model::default()
                });
                let (grade, more) = if hidden {
                    (Grade::Approximate, "; it is shown in the list of models")
                } else {
                    (Grade::Exact, "")
                };
                self.say(
                    &value,
                    grade,
                    format!("becomes `alias: {name}` of model `{alias}`{more}"),
                );
            }
        }
    }

    /// Who may call: LiteLLM's other keys are in its database.
    fn callers(&mut self) {
        if let Some(value) = self.at("general_settings", "master_key") {
            if let Some(secret) = self.secret(&value, "LITELLM_MASTER_KEY") {
                self.draft.keys.push(("litellm-master".to_owned(), secret));
                self.say(
                    &value,
                    Grade::Approximate,
                    "becomes the secret (16 characters or more) of key `litellm-master`, so that its callers go on; \
                     it administers nothing · make a key for each application and take this one out",
                );
            }
            return;
        }
        self.draft
            .keys
            .push(("default".to_owned(), Text::variable("BONDGATE_DEFAULT_KEY")));
        let on = self.root.clone();
        self.findings.push(Finding {
            path: "general_settings.master_key".to_owned(),
            ..Finding::on(
                &on,
                Grade::Manual,
                "is not there, so LiteLLM lets everybody call; here each call shows a key · set BONDGATE_DEFAULT_KEY (16 characters or more)",
            )
        });
    }
}

//! A configuration of ours as it is put together, and its text.
//!
//! Texts that are written are either references, `${NAME}`, or literals in which a `${` is
//! taken for what it is.

use std::fmt::Write as _;

/// A configuration of ours.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) providers: Vec<Provider>,
    pub(super) models: Vec<Model>,
    pub(super) defaults: Defaults,
    /// `(name, secret)`; may call `provider/model` where [`Draft::direct`] says so.
    pub(super) keys: Vec<(String, Text)>,
    pub(super) direct: bool,
    /// `(name, limit, per)`
    pub(super) budgets: Vec<(String, String, &'static str)>,
    pub(super) prices: Vec<Price>,
    pub(super) slack: Option<Text>,
}

/// A text in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Holds references to variables; written as it is.
    Expression(String),
    /// Stands for itself.
    Literal(String),
}

/// Who serves models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provider {
    pub(super) name: String,
    /// Its row of the catalogue.
    pub(super) row: Option<&'static str>,
    pub(super) base_url: Option<Text>,
    pub(super) auth: Option<&'static str>,
    pub(super) key: Text,
    pub(super) headers: Vec<(String, Text)>,
}

/// What applications call.
#[derive(Default)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) alias: Option<String>,
    pub(super) targets: Vec<Target>,
    pub(super) failure: Vec<String>,
    pub(super) context_window: Vec<String>,
    pub(super) content_policy: Vec<String>,
    pub(super) total_ms: Option<u64>,
    pub(super) first_token_ms: Option<u64>,
}

/// What serves a model.
#[derive(Clone, Default)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) weight: Option<u32>,
    pub(super) priority: Option<u32>,
    pub(super) max_tokens: Option<u32>,
}

/// Policy of all models.
#[derive(Default)]
pub(super) struct Defaults {
    pub(super) total_ms: Option<u64>,
    pub(super) first_token_ms: Option<u64>,
    pub(super) retries: Option<u32>,
    pub(super) backoff_ms: Option<u64>,
    pub(super) permit: bool,
}

/// What a target costs: the name of a rate and money for a million.
#[derive(Clone)]
pub(super) struct Price {
    pub(super) target: String,
    pub(super) rates: Vec<(&'static str, String)>,
}

impl Text {
    /// A reference to a variable.
    pub(super) fn variable(name: &str) -> Self {
        Self::Expression(format!("${{{name}}}"))
    }

    fn yaml(&self) -> String {
        match self {
            Self::Expression(text) => quoted(text),
            Self::Literal(text) => literal(text),
        }
    }
}

impl Draft {
    /// The text; `from` names the file that it is made of.
    pub(super) fn yaml(&self, from: &str) -> String {
        let from = from.replace(char::is_control, " ");
        let mut out = format!(
            "# Made from {from} by `bondgate import litellm`.\n\
             # Set the variables that it names, then run `bondgate check`.\n"
        );
        self.providers(&mut out);
        self.models(&mut out);
        self.defaults(&mut out);
        self.keys(&mut out);
        if !self.budgets.is_empty() {
            out.push_str("budgets:\n");
        }
        for (name, limit, per) in &self.budgets {
            line(
                &mut out,
                format_args!("  {}: {{ limit: {limit} USD, per: {per} }}", literal(name)),
            );
        }
        if !self.prices.is_empty() {
            out.push_str("prices:\n");
        }
        for Price { target, rates } in &self.prices {
            let rates: String = rates
                .iter()
                .map(|(name, usd)| format!(", {name}: {usd} USD"))
                .collect();
            line(
                &mut out,
                format_args!("  - {{ target: {}{rates} }}", literal(target)),
            );
        }
        if let Some(slack) = &self.slack {
            line(&mut out, format_args!("alerts:\n  slack: {}", slack.yaml()));
        }
        out
    }

    fn providers(&self, out: &mut String) {
        if !self.providers.is_empty() {
            out.push_str("providers:\n");
        }
        for provider in &self.providers {
            let mut parts = Vec::new();
            match provider.row {
                Some(row) if row != provider.name => parts.push(format!("provider: {row}")),
                Some(_) => {}
                None => parts.push("dialect: openai-chat".to_owned()),
            }
            if let Some(base_url) = &provider.base_url {
                parts.push(format!("base_url: {}", base_url.yaml()));
            }
            if let Some(auth) = provider.auth {
                parts.push(format!("auth: {auth}"));
            }
            parts.push(format!("key: {}", provider.key.yaml()));
            if !provider.headers.is_empty() {
                let headers = provider.headers.iter();
                let headers: Vec<String> = headers
                    .map(|(name, value)| format!("{}: {}", literal(name), value.yaml()))
                    .collect();
                parts.push(format!("headers: {{ {} }}", headers.join(", ")));
            }
            line(
                out,
                format_args!("  {}: {{ {} }}", provider.name, parts.join(", ")),
            );
        }
    }

    fn models(&self, out: &mut String) {
        if !self.models.is_empty() {
            out.push_str("models:\n");
        }
        for model in &self.models {
            line(out, format_args!("  {}:", literal(&model.name)));
            if let Some(alias) = &model.alias {
                line(out, format_args!("    alias: {}", literal(alias)));
                continue;
            }
            // LiteLLM draws among the deployments of a name.
            if model.targets.len() > 1 {
                out.push_str("    balance: weighted\n");
            }
            out.push_str("    targets:\n");
            for target in &model.targets {
                line(
                    out,
                    format_args!("      - {}", target.yaml(model.targets.len() > 1)),
                );
            }
            let fallbacks = [
                ("failure", &model.failure),
                ("context_window", &model.context_window),
                ("content_policy", &model.content_policy),
            ];
            if fallbacks.iter().any(|(_, list)| !list.is_empty()) {
                out.push_str("    fallback:\n");
            }
            for (on, list) in fallbacks.into_iter().filter(|(_, list)| !list.is_empty()) {
                let targets: Vec<String> = list.iter().map(|target| literal(target)).collect();
                line(out, format_args!("      {on}: [{}]", targets.join(", ")));
            }
            if let Some(timeouts) = timeouts(model.total_ms, model.first_token_ms) {
                line(out, format_args!("    timeouts: {timeouts}"));
            }
        }
    }

    fn defaults(&self, out: &mut String) {
        let Defaults {
            total_ms,
            first_token_ms,
            retries,
            backoff_ms,
            permit,
        } = &self.defaults;
        let mut lines = Vec::new();
        if let Some(timeouts) = timeouts(*total_ms, *first_token_ms) {
            lines.push(format!("  timeouts: {timeouts}"));
        }
        let mut retry = Vec::new();
        if let Some(retries) = retries {
            let same_target = (*retries).min(98);
            let fallbacks = self.models.iter().map(|model| model.failure.len()).max();
            let fallbacks = u32::try_from(fallbacks.unwrap_or_default()).unwrap_or(100);
            let attempts = (same_target + 1).saturating_add(fallbacks).min(100);
            retry.push(format!(
                "same_target: {same_target}, max_attempts: {attempts}"
            ));
        }
        if let Some(initial) = backoff_ms {
            let max = (*initial).max(5_000);
            retry.push(format!("backoff: {{ initial: {initial}ms, max: {max}ms }}"));
        }
        if !retry.is_empty() {
            lines.push(format!("  retry: {{ {} }}", retry.join(", ")));
        }
        if *permit {
            lines.push("  fidelity: permit".to_owned());
        }
        if !lines.is_empty() {
            line(out, format_args!("defaults:\n{}", lines.join("\n")));
        }
    }

    fn keys(&self, out: &mut String) {
        if !self.keys.is_empty() {
            out.push_str("keys:\n");
        }
        let direct = if self.direct { ", direct: true" } else { "" };
        for (name, secret) in &self.keys {
            line(
                out,
                format_args!(
                    "  {}: {{ secret: {}{direct} }}",
                    literal(name),
                    secret.yaml()
                ),
            );
        }
    }
}

impl Target {
    fn yaml(&self, weighted: bool) -> String {
        let parts = [
            ("weight", self.weight.filter(|_| weighted)),
            ("priority", self.priority),
            ("max_tokens", self.max_tokens),
        ];
        let said: String = parts
            .into_iter()
            .filter_map(|(name, value)| Some(format!(", {name}: {}", value?)))
            .collect();
        if said.is_empty() {
            literal(&self.name)
        } else {
            format!("{{ target: {}{said} }}", literal(&self.name))
        }
    }
}

fn timeouts(total_ms: Option<u64>, first_token_ms: Option<u64>) -> Option<String> {
    let parts: Vec<String> = [("first_token", first_token_ms), ("total", total_ms)]
        .into_iter()
        .filter_map(|(name, ms)| Some(format!("{name}: {}ms", ms?)))
        .collect();
    (!parts.is_empty()).then(|| format!("{{ {} }}", parts.join(", ")))
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}

/// A text that stands for itself, in quotes where YAML could take it for something else.
fn literal(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain {
        text.to_owned()
    } else {
        quoted(&text.replace("${", "$${"))
    }
}

/// In double quotes, whose escapes YAML shares with JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

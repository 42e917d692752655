//! `model_list`: deployments, several of one name, become targets of one model.

use super::super::draft::{Price, Target};
use super::super::finding::Grade;
use super::super::value::Value;
use super::vendors::{self, Vendor};
use super::{Import, money};

/// Operations whose requests are served.
const SERVED: [&str; 3] = ["chat", "completion", "responses"];

/// Rates: ours and LiteLLM's.
const RATES: [(&str, &str); 4] = [
    ("input", "input_cost_per_token"),
    ("cache_read", "cache_read_input_token_cost"),
    ("cache_write", "cache_creation_input_token_cost"),
    ("output", "output_cost_per_token"),
];

/// Keys of `litellm_params` that are read elsewhere.
const READ: [&str; 18] = [
    "model",
    "custom_llm_provider",
    "litellm_credential_name",
    "api_key",
    "api_base",
    "base_url",
    "organization",
    "extra_headers",
    "headers",
    "weight",
    "rpm",
    "tpm",
    "order",
    "timeout",
    "stream_timeout",
    "max_tokens",
    "api_version",
    "request_timeout",
];

/// Deployments of one name.
#[derive(Default)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) first_token_ms: Option<u64>,
}

/// What a deployment says, and the credential that it names.
pub(super) struct Params<'n> {
    pub(super) own: Value<'n>,
    credential: Option<Value<'n>>,
}

impl<'n> Params<'n> {
    /// A parameter; its own wins.
    pub(super) fn get(&self, key: &str) -> Option<Value<'n>> {
        let of_credential = || self.credential.as_ref()?.get(key);
        self.own.get(key).or_else(of_credential)
    }
}

impl<'n> Import<'n> {
    /// Reads all deployments.
    pub(super) fn deployments(&mut self) {
        let list = self.root.get("model_list");
        for entry in list.iter().flat_map(Value::items) {
            self.deployment(&entry);
        }
    }

    fn deployment(&mut self, entry: &Value<'n>) {
        let params = entry.get("litellm_params");
        let name = entry.get("model_name").and_then(|name| name.text());
        let (Some(name), Some(own)) = (name, params) else {
            self.say(
                entry,
                Grade::Manual,
                "has no `model_name` or no `litellm_params` · complete it, or leave it out",
            );
            return;
        };
        let credential = self.credential(&own);
        let params = Params { own, credential };
        let Some((vendor, model)) = self.vendor(&params) else {
            return;
        };
        let mode = entry.get("model_info").and_then(|info| info.get("mode"));
        if let Some(mode) =
            mode.filter(|mode| !mode.text().is_some_and(|mode| SERVED.contains(&mode)))
        {
            self.say(
                &mode,
                Grade::Unsupported,
                format!("`{name}` is left out: requests of that kind are not served"),
            );
            return;
        }
        let Some(provider) = self.provider(vendor, &params) else {
            return;
        };
        let wildcard = name.contains('*') || model.contains('*');
        if wildcard {
            self.wildcard(&params, name, &provider);
        } else if name.contains("${")
            || model.is_empty()
            || model.len() > 256
            || model.contains(char::is_whitespace)
        {
            self.say(
                entry,
                Grade::Manual,
                "has a name that cannot be carried over · write the model by hand",
            );
        } else {
            self.target(
                entry,
                &params,
                name,
                Named {
                    vendor,
                    provider: &provider,
                    model,
                },
            );
        }
    }

    fn credential(&mut self, own: &Value<'n>) -> Option<Value<'n>> {
        let named = own.get("litellm_credential_name")?;
        let list = self.root.get("credential_list");
        let found = list.iter().flat_map(Value::items).find(|credential| {
            let name = credential.get("credential_name");
            name.is_some_and(|name| name.text() == named.text())
        });
        let values = found.and_then(|credential| credential.get("credential_values"));
        match &values {
            Some(_) => self.say(&named, Grade::Exact, "its values stand at the provider"),
            None => self.say(&named, Grade::Manual, "is not in `credential_list`, so it is in LiteLLM's database · give the provider its `key`"),
        }
        values
    }

    /// Who serves a deployment, and the model in the provider's words.
    fn vendor(&mut self, params: &Params<'n>) -> Option<(&'static Vendor, &'n str)> {
        let Some(value) = params.get("model") else {
            self.say(
                &params.own,
                Grade::Manual,
                "has no `model` · complete it, or leave it out",
            );
            return None;
        };
        let text = value.text().unwrap_or_default();
        let given = params
            .get("custom_llm_provider")
            .and_then(|given| given.text());
        let (prefix, model) = match (given, text.split_once('/')) {
            (Some(given), Some((prefix, model))) if prefix == given => (given, model),
            (Some(given), _) => (given, text),
            (None, Some((prefix, model))) => (prefix, model),
            (None, None) => (vendors::usual_prefix(text).unwrap_or_default(), text),
        };
        let found = vendors::find(prefix).filter(|_| !text.starts_with("os.environ/"));
        if found.is_none() {
            let what = match prefix {
                "os.environ" => {
                    "the model is in a variable: write it out, since it decides the provider"
                        .to_owned()
                }
                "" => format!(
                    "`{text}` names no provider that is known · write it as `provider/model`"
                ),
                prefix => format!(
                    "provider `{prefix}` is not served yet · where it has an OpenAI-compatible endpoint, add it with `base_url` and `dialect: openai-chat`"
                ),
            };
            let grade = if prefix == "os.environ" {
                Grade::Manual
            } else {
                Grade::Unsupported
            };
            self.say(&value, grade, what);
        }
        Some((found?, model))
    }

    fn wildcard(&mut self, params: &Params<'n>, name: &str, provider: &str) {
        self.draft.direct = true;
        let on = params.get("model").unwrap_or_else(|| params.own.clone());
        let (grade, what) = if name == format!("{provider}/*") {
            (
                Grade::Exact,
                format!(
                    "becomes provider `{provider}`, and `direct: true` at keys: callers name `{provider}/MODEL`"
                ),
            )
        } else {
            (
                Grade::Approximate,
                format!(
                    "becomes provider `{provider}`, and `direct: true` at keys: callers name `{provider}/MODEL` instead of `{name}`"
                ),
            )
        };
        self.say(&on, grade, what);
    }

    fn target(&mut self, entry: &Value<'n>, params: &Params<'n>, name: &str, named: Named<'_>) {
        let target_name = format!("{}/{}", named.provider, named.model);
        let target = Target {
            name: target_name.clone(),
            weight: self.weight(params),
            priority: params
                .get("order")
                .and_then(|order| order.number())
                .map(|order| order.max(1)),
            max_tokens: self.max_tokens(params, named.vendor),
        };
        let on = params.get("model").unwrap_or_else(|| params.own.clone());
        let mut what = format!("becomes target `{target_name}` of model `{name}`");
        if !named.vendor.differs.is_empty() {
            what.push_str(&format!("; {}", named.vendor.differs));
        }
        self.say(&on, named.vendor.grade(), what);
        let at = match self.groups.iter().position(|group| group.name == name) {
            Some(at) => at,
            None => {
                self.groups.push(Group {
                    name: name.to_owned(),
                    ..Group::default()
                });
                self.groups.len() - 1
            }
        };
        let timeout = self.milliseconds(params, "timeout");
        let first = self.milliseconds(params, "stream_timeout");
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        group.timeout_ms = group.timeout_ms.max(timeout);
        group.first_token_ms = group.first_token_ms.max(first);
        match group
            .targets
            .iter_mut()
            .find(|other| other.name == target_name)
        {
            Some(other) => {
                other.weight = Some(
                    other
                        .weight
                        .unwrap_or(1)
                        .saturating_add(target.weight.unwrap_or(1)),
                );
                self.say(
                    entry,
                    Grade::Approximate,
                    format!("is `{target_name}` again: their weights are added"),
                );
            }
            None => group.targets.push(target),
        }
        self.price(entry, params, &target_name);
        self.others(entry, params);
    }

    fn weight(&mut self, params: &Params<'n>) -> Option<u32> {
        let given = ["weight", "rpm", "tpm"]
            .iter()
            .filter_map(|key| params.get(key));
        let given: Vec<Value<'n>> = given.collect();
        let used = given.first()?.clone();
        let weight = used.number();
        let plain = used.path.ends_with("weight");
        for value in &given {
            let (grade, what) = match weight {
                Some(_) if value.path == used.path && plain => (Grade::Exact, "becomes `weight`".to_owned()),
                Some(_) if value.path == used.path => (
                    Grade::Approximate,
                    "becomes `weight`, as LiteLLM draws by it; it limits nothing · limits stand at keys, teams and organisations".to_owned(),
                ),
                Some(_) | None => (
                    Grade::Manual,
                    "limits nothing at a target · limits stand at keys, teams and organisations: `limits: { requests: 600/min, tokens: 200000/min }`".to_owned(),
                ),
            };
            self.say(value, grade, what);
        }
        weight
    }

    fn max_tokens(&mut self, params: &Params<'n>, vendor: &Vendor) -> Option<u32> {
        let value = params.get("max_tokens")?;
        let number = value
            .number()
            .filter(|n| *n > 0 && vendor.row == "anthropic");
        match number {
            Some(_) => self.say(
                &value,
                Grade::Approximate,
                "becomes `max_tokens` of the target: what is sent where the caller gave none",
            ),
            None => self.say(
                &value,
                Grade::Unsupported,
                "is not sent for callers: they give it",
            ),
        }
        number
    }

    fn milliseconds(&mut self, params: &Params<'n>, key: &str) -> Option<u64> {
        let value = params.get(key)?;
        let ms = value
            .milliseconds()
            .filter(|ms| (1..=86_400_000).contains(ms));
        match (ms, key) {
            (Some(_), "timeout") => self.say(&value, Grade::Approximate, "becomes `timeouts.total` of the model: all attempts together, the longest of its deployments"),
            (Some(_), _) => self.say(&value, Grade::Approximate, "becomes `timeouts.first_token` of the model, the longest of its deployments"),
            (None, _) => self.say(&value, Grade::Manual, "is no number of seconds up to a day · write `timeouts` by hand"),
        }
        ms
    }

    fn price(&mut self, entry: &Value<'n>, params: &Params<'n>, target: &str) {
        let info = entry.get("model_info");
        let mut rates = Vec::new();
        for (rate, key) in RATES {
            let value = params.own.get(key).or_else(|| info.as_ref()?.get(key));
            let Some(value) = value else {
                continue;
            };
            match value.text().and_then(money::per_million) {
                Some(usd) => {
                    self.say(
                        &value,
                        Grade::Exact,
                        format!("becomes `{rate}: {usd} USD` of `{target}`"),
                    );
                    rates.push((rate, usd));
                }
                None => self.say(
                    &value,
                    Grade::Manual,
                    "is no amount of at most nine places for a million · write it under `prices`",
                ),
            }
        }
        let known = self.draft.prices.iter().any(|price| price.target == target);
        if !rates.is_empty() && !known {
            self.draft.prices.push(Price {
                target: target.to_owned(),
                rates,
            });
        }
    }

    /// What is said of a deployment and carried nowhere.
    fn others(&mut self, entry: &Value<'n>, params: &Params<'n>) {
        let priced = |key: &str| RATES.iter().any(|(_, name)| *name == key);
        for (key, value) in params.own.entries() {
            if READ.contains(&key) || priced(key) || value.node.is_null() {
                continue;
            }
            self.say(
                &value,
                Grade::Unsupported,
                "has no counterpart: callers say it themselves, or it is left out",
            );
        }
        if let Some(value) = params.own.get("order") {
            self.say(&value, Grade::Exact, "becomes `priority`");
        }
        if let Some(value) = params.own.get("api_version") {
            self.say(
                &value,
                Grade::Approximate,
                "is not needed at Azure's `/openai/v1`",
            );
        }
        let info = entry.get("model_info");
        for (key, value) in info.iter().flat_map(Value::entries) {
            let (grade, what) = match key {
                "mode" => (Grade::Exact, "chat needs no word"),
                "id" | "description" | "metadata" => (Grade::Unsupported, "is left out"),
                "base_model" => (
                    Grade::Manual,
                    "prices are found by the target's own name · add it under `prices` where it has none",
                ),
                "access_groups" | "team_id" | "team_public_model_name" => (
                    Grade::Manual,
                    "who may call what stands at keys and teams: list the model in their `models`",
                ),
                _ if priced(key) => continue,
                _ => (Grade::Unsupported, "has no counterpart"),
            };
            self.say(&value, grade, what);
        }
    }
}

/// Who serves, under which name, and what.
#[derive(Clone, Copy)]
struct Named<'a> {
    vendor: &'static Vendor,
    provider: &'a str,
    model: &'a str,
}

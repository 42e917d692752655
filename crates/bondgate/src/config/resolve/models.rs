//! Models: targets found, policy laid over the defaults, aliases followed.
//!
//! A setting that would do nothing where it stands is a problem: a weight in an ordered
//! model, policy beside an alias, a fallback that repeats a target.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::model::{Balance, Fallback, Model, Target};
use policy::profile::{Profile, Thinking};
use policy::snapshot::DEFAULT_MAX_TOKENS;

use super::providers::Providers;
use super::serving::lay_over;
use crate::config::file::{ModelFile, PolicyFile, ProfileFile, TargetFile, ThinkingFile};
use crate::config::problem::{Place, Problem, nearest};
use crate::config::values::{At, TextOr};

/// The policy of every model that says nothing else.
pub struct Defaults {
    /// As a model without name and targets.
    pub model: Model,
    balance: Balance,
}

/// Resolves `defaults`.
pub fn defaults(file: Option<&At<PolicyFile>>, problems: &mut Vec<Problem>) -> Defaults {
    let mut model = Model::default();
    if let Some(file) = file {
        lay_over(&mut model, file.value.policy(), problems);
    }
    Defaults {
        balance: model.balance,
        model,
    }
}

/// Resolves all models, aliases included.
pub fn resolve(
    files: &BTreeMap<String, At<ModelFile>>,
    providers: &Providers,
    defaults: &Defaults,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<Model>> {
    let mut resolved = BTreeMap::new();
    for (name, file) in files.iter().filter(|(_, file)| file.value.alias.is_none()) {
        let mut one = One {
            name,
            file,
            providers,
            problems,
        };
        resolved.insert(name.clone(), Arc::new(one.model(defaults)));
    }
    for (name, file) in files {
        if let Some(alias) = &file.value.alias {
            only_an_alias(name, file, problems);
            if let Some(end) = follow(name, alias, files, problems)
                && let Some(model) = resolved.get(end).cloned()
            {
                resolved.insert(name.clone(), model);
            }
        }
    }
    resolved
}

fn only_an_alias(name: &str, file: &At<ModelFile>, problems: &mut Vec<Problem>) {
    let own = &file.value;
    if own.targets.is_some() || own.fallback.is_some() || !own.policy().is_empty() {
        let what = format!("`{name}` is an alias and has targets or policy of its own");
        problems.push(Problem::at(
            file.place,
            what,
            "keep either `alias` or the rest",
        ));
    }
}

/// Finds the model at the end of a chain of aliases.
fn follow<'f>(
    name: &str,
    first: &'f At<String>,
    files: &'f BTreeMap<String, At<ModelFile>>,
    problems: &mut Vec<Problem>,
) -> Option<&'f str> {
    let mut alias = first;
    for _ in 0..=files.len() {
        let Some(next) = files.get(&alias.value) else {
            // Said once, by the model whose own alias it is.
            if std::ptr::eq(alias, first) {
                let near = nearest(&alias.value, files.keys().map(String::as_str));
                let mend = near.map_or_else(
                    || "name one of the models".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let what = format!(
                    "`{name}` is an alias of {}, which is no model",
                    alias.shown()
                );
                problems.push(Problem::at(alias.place, what, mend));
            }
            return None;
        };
        match &next.value.alias {
            None => return Some(&alias.value),
            Some(further) => alias = further,
        }
    }
    let what = format!("`{name}` is an alias that leads back to itself");
    problems.push(Problem::at(first.place, what, "name a model with targets"));
    None
}

/// What the file says of a model.
fn profile(file: &ProfileFile) -> Profile {
    Profile {
        max_input_tokens: file.max_input_tokens,
        max_output_tokens: file.max_output_tokens,
        tools: file.tools,
        vision: file.vision,
        audio: file.audio,
        video: file.video,
        documents: file.documents,
        json_schema: file.json_schema,
        reasoning: file.reasoning,
        thinking: file.thinking.map(|thinking| match thinking {
            ThinkingFile::Budget => Thinking::Budget,
            ThinkingFile::Adaptive => Thinking::Adaptive,
        }),
        prefill: file.prefill,
    }
}

struct One<'a> {
    name: &'a str,
    file: &'a At<ModelFile>,
    providers: &'a Providers,
    problems: &'a mut Vec<Problem>,
}

/// A target and what was said of it.
struct Found {
    target: Arc<Target>,
    place: Place,
    weighed: Option<Place>,
}

impl One<'_> {
    fn model(&mut self, defaults: &Defaults) -> Model {
        let file = &self.file.value;
        let mut model = Model {
            name: self.name.into(),
            description: file.description.clone(),
            balance: defaults.balance,
            ..defaults.model.clone()
        };
        lay_over(&mut model, file.policy(), self.problems);
        let found = self.targets();
        self.weights(&found, model.balance);
        self.sticky(model.balance);
        model.targets = found
            .iter()
            .map(|found| Arc::clone(&found.target))
            .collect();
        if let Some(fallback) = &file.fallback {
            let fallback = &fallback.value;
            model.fallback = Fallback {
                failure: self.fallback(fallback.failure.as_ref(), "failure", &model.targets),
                context_window: self.fallback(
                    fallback.context_window.as_ref(),
                    "context_window",
                    &model.targets,
                ),
                content_policy: self.fallback(
                    fallback.content_policy.as_ref(),
                    "content_policy",
                    &model.targets,
                ),
            };
        }
        model
    }

    fn targets(&mut self) -> Vec<Found> {
        let Some(written) = &self.file.value.targets else {
            if self.file.whole {
                let what = format!("model `{}` has no targets", self.name);
                let mend =
                    "add `targets: [provider/model]`, or `alias:` for another name of a model";
                self.problems.push(Problem::at(self.file.place, what, mend));
            }
            return Vec::new();
        };
        if written.value.is_empty() && written.whole {
            let what = format!("the targets of model `{}` are empty", self.name);
            self.problems.push(Problem::at(
                written.place,
                what,
                "list one: `provider/model`",
            ));
        }
        let mut found: Vec<Found> = Vec::new();
        for item in &written.value {
            if let Some(next) = self.target(item) {
                if found
                    .iter()
                    .any(|other| other.target.name() == next.target.name())
                {
                    let what = format!("target `{}` stands twice", next.target.name());
                    let mend = "keep one; more tries on one target are `retry.same_target`";
                    self.problems.push(Problem::at(next.place, what, mend));
                }
                found.push(next);
            }
        }
        found
    }

    fn fallback(
        &mut self,
        written: Option<&Vec<At<TextOr<TargetFile>>>>,
        on: &str,
        targets: &[Arc<Target>],
    ) -> Vec<Arc<Target>> {
        let mut fallback: Vec<Arc<Target>> = Vec::new();
        for item in written.into_iter().flatten() {
            let Some(found) = self.target(item) else {
                continue;
            };
            let same = |other: &Arc<Target>| other.name() == found.target.name();
            // The other lists may name a target that stands further down among the model's own.
            if fallback.iter().any(same) || (on == "failure" && targets.iter().any(same)) {
                let what = format!(
                    "fallback on `{on}` repeats target `{}`",
                    found.target.name()
                );
                self.problems.push(Problem::at(
                    found.place,
                    what,
                    "it was tried already: leave it out",
                ));
            }
            if let TextOr::Full(
                TargetFile {
                    weight: Some(_), ..
                }
                | TargetFile {
                    priority: Some(_), ..
                },
            ) = &item.value
            {
                let what = "`weight` and `priority` do nothing in a fallback";
                self.problems.push(Problem::at(
                    item.place,
                    what,
                    "fallbacks are tried in the order of the list",
                ));
            }
            fallback.push(found.target);
        }
        fallback
    }

    fn target(&mut self, item: &At<TextOr<TargetFile>>) -> Option<Found> {
        let (text, place, full) = match &item.value {
            TextOr::Text(text) => (text, item.place, None),
            TextOr::Full(full) => match &full.target {
                Some(target) => (&target.value, target.place, Some(full)),
                None => {
                    if item.whole {
                        let mend = "add `target: provider/model`";
                        self.problems.push(Problem::at(
                            item.place,
                            "a target without `target`",
                            mend,
                        ));
                    }
                    return None;
                }
            },
        };
        let shown = if item.written {
            format!("`{text}`")
        } else {
            "this target".to_owned()
        };
        let (provider, model) = self.split(text, &shown, place)?;
        let weighed = full.and_then(|full| full.weight.as_ref());
        let mut target = Target::new(Arc::clone(provider?), model.to_owned());
        target.weight = weighed.map_or(1, |weight| weight.value);
        target.priority = full.and_then(|full| full.priority).unwrap_or(1);
        let most = full.and_then(|full| full.max_tokens);
        target.default_max_tokens = most.map_or(DEFAULT_MAX_TOKENS, u64::from);
        if let Some(own) = full.and_then(|full| full.profile.as_ref()) {
            target.profile = profile(own).over(target.profile);
        }
        Some(Found {
            target: Arc::new(target),
            place,
            weighed: weighed.map(|weight| weight.place),
        })
    }

    fn split<'t>(
        &mut self,
        text: &'t str,
        shown: &str,
        place: Place,
    ) -> Option<(Option<&Arc<policy::provider::Provider>>, &'t str)> {
        let providers = self.providers;
        let (what, mend) = match text.split_once('/') {
            Some((provider, model)) if is_model(model) => match providers.get(provider) {
                Some(provider) => return Some((provider, model)),
                None => (
                    format!("{shown} names no known provider"),
                    self.near(provider),
                ),
            },
            Some(_) => {
                let mend = "write `provider/model`, in the provider's own words for the model";
                (format!("{shown} names no model"), mend.to_owned())
            }
            None => (
                format!("{shown} names no provider"),
                "write `provider/model`".to_owned(),
            ),
        };
        self.problems.push(Problem::at(place, what, mend));
        None
    }

    fn near(&self, provider: &str) -> String {
        if let Some(near) = nearest(provider, self.providers.names()) {
            return format!("did you mean `{near}`?");
        }
        match gateway::upstream::catalog::find(provider) {
            Some(row) => {
                let key = row
                    .key_env
                    .first()
                    .map_or("none".to_owned(), |name| format!("\"${{{name}}}\""));
                format!("add `{provider}: {{ key: {key} }}` under `providers`")
            }
            None => "add it under `providers`".to_owned(),
        }
    }

    fn sticky(&mut self, balance: Balance) {
        let Some(sticky) = &self.file.value.sticky else {
            return;
        };
        if balance != Balance::Weighted {
            let what = format!("`sticky` does nothing with `balance: {}`", balance.name());
            let mend = "add `balance: weighted`, or leave it out";
            self.problems.push(Problem::at(sticky.place, what, mend));
        }
    }

    fn weights(&mut self, found: &[Found], balance: Balance) {
        match balance {
            Balance::Ordered | Balance::LeastLatency | Balance::Cheapest => {
                if let Some(place) = found.iter().find_map(|found| found.weighed) {
                    let what = if balance == Balance::Ordered {
                        "`weight` does nothing in an ordered model".to_owned()
                    } else {
                        format!("`weight` does nothing with `balance: {}`", balance.name())
                    };
                    self.problems.push(Problem::at(
                        place,
                        what,
                        "add `balance: weighted`, or leave it out",
                    ));
                }
            }
            Balance::Weighted | Balance::LeastBusy => {
                if !found.is_empty() && found.iter().all(|found| found.target.weight == 0) {
                    let place = found.iter().find_map(|found| found.weighed);
                    let what = format!("every target of model `{}` has weight 0", self.name);
                    let mend = "give one of them a share";
                    self.problems
                        .push(Problem::at(place.unwrap_or(self.file.place), what, mend));
                }
            }
        }
    }
}

fn is_model(model: &str) -> bool {
    !model.is_empty()
        && model.len() <= 256
        && !model.chars().any(|c| c.is_control() || c.is_whitespace())
}

//! Fallbacks: LiteLLM's lead from model to model, ours from a model to targets.

use super::super::draft::Model;
use super::super::finding::Grade;
use super::super::value::Value;
use super::Import;

/// On what a fallback is taken.
#[derive(Clone, Copy)]
enum On {
    Failure,
    ContextWindow,
    ContentPolicy,
}

const KEYS: [(&str, On); 3] = [
    ("fallbacks", On::Failure),
    ("context_window_fallbacks", On::ContextWindow),
    ("content_policy_fallbacks", On::ContentPolicy),
];

impl On {
    fn name(self) -> &'static str {
        match self {
            On::Failure => "failure",
            On::ContextWindow => "context_window",
            On::ContentPolicy => "content_policy",
        }
    }

    fn of(self, model: &mut Model) -> &mut Vec<String> {
        match self {
            On::Failure => &mut model.failure,
            On::ContextWindow => &mut model.context_window,
            On::ContentPolicy => &mut model.content_policy,
        }
    }
}

impl<'n> Import<'n> {
    /// Reads all fallbacks, those for every model last.
    pub(super) fn fallbacks(&mut self) {
        let mut for_all = Vec::new();
        for (key, on) in KEYS {
            for section in self.either(key) {
                for (from, to) in section.items().iter().flat_map(Value::entries) {
                    if from == "*" {
                        for_all.push((on, to));
                    } else {
                        self.fallback(on, from, &to);
                    }
                }
            }
        }
        for_all.extend(
            self.either("default_fallbacks")
                .into_iter()
                .map(|to| (On::Failure, to)),
        );
        let names: Vec<String> = self.groups.iter().map(|group| group.name.clone()).collect();
        for (on, to) in for_all {
            for name in &names {
                let has_own = self
                    .model(name)
                    .is_some_and(|model| !on.of(model).is_empty());
                if !has_own {
                    self.lay(on, name, &to);
                }
            }
            self.say(
                &to,
                Grade::Approximate,
                format!(
                    "becomes `fallback.{}` of each model that has none of its own",
                    on.name()
                ),
            );
        }
    }

    fn fallback(&mut self, on: On, from: &str, to: &Value<'n>) {
        let alias = self.model(from).and_then(|model| model.alias.clone());
        let name = alias.as_deref().unwrap_or(from);
        if !self.groups.iter().any(|group| group.name == name) {
            let what = format!("`{from}` was not carried over, and so is its fallback");
            self.say(to, Grade::Manual, what);
            return;
        }
        let (unknown, several) = self.lay(on, name, to);
        let on = on.name();
        let (grade, more) = if !unknown.is_empty() {
            let more = format!(
                "; {} were not carried over · add what replaces them",
                unknown.join(", ")
            );
            (Grade::Manual, more)
        } else if several {
            (
                Grade::Approximate,
                "; the targets of a model are tried in their order".to_owned(),
            )
        } else {
            (Grade::Exact, String::new())
        };
        self.say(
            to,
            grade,
            format!("becomes `fallback.{on}` of model `{name}`{more}"),
        );
    }

    /// Adds the targets of the models that are named. Gives those that are none, and whether
    /// one of them has several targets.
    fn lay(&mut self, on: On, name: &str, to: &Value<'n>) -> (Vec<String>, bool) {
        let (mut unknown, mut several) = (Vec::new(), false);
        let mut targets: Vec<String> = Vec::new();
        for named in to.items().iter().filter_map(Value::text) {
            let alias = self.model(named).and_then(|model| model.alias.clone());
            let group = alias.as_deref().unwrap_or(named);
            match self.groups.iter().find(|other| other.name == group) {
                Some(group) => {
                    several |= group.targets.len() > 1;
                    targets.extend(group.targets.iter().map(|target| target.name.clone()));
                }
                None => unknown.push(format!("`{named}`")),
            }
        }
        let own = self.groups.iter().find(|group| group.name == name);
        let own: Vec<String> = own
            .into_iter()
            .flat_map(|group| &group.targets)
            .map(|target| target.name.clone())
            .collect();
        if let Some(model) = self.model(name) {
            let list = on.of(model);
            for target in targets {
                let tried = own.contains(&target);
                if !tried && !list.contains(&target) {
                    list.push(target);
                }
            }
        }
        (unknown, several)
    }

    fn model(&mut self, name: &str) -> Option<&mut Model> {
        self.draft
            .models
            .iter_mut()
            .find(|model| model.name == name)
    }
}

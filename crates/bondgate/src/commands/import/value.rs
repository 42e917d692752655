//! A value of the file that is imported, with the path that leads to it.

use crate::config::node::{Kind, Node};

/// A value and its path, such as `model_list[0].litellm_params.model`.
#[derive(Clone)]
pub(super) struct Value<'n> {
    pub(super) path: String,
    pub(super) node: &'n Node,
}

impl<'n> Value<'n> {
    /// The whole file.
    pub(super) fn root(node: &'n Node) -> Self {
        Self {
            path: String::new(),
            node,
        }
    }

    /// The value of a key; none where nothing is written.
    pub(super) fn get(&self, key: &str) -> Option<Value<'n>> {
        let found = self.entries().into_iter().find(|(name, _)| *name == key);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.node.is_null())
    }

    /// The keys and values of a mapping.
    pub(super) fn entries(&self) -> Vec<(&'n str, Value<'n>)> {
        let Kind::Map(entries) = &self.node.kind else {
            return Vec::new();
        };
        let dot = if self.path.is_empty() { "" } else { "." };
        let named = entries.iter().map(|entry| {
            let path = format!("{}{dot}{}", self.path, entry.key);
            (
                entry.key.as_str(),
                Value {
                    path,
                    node: &entry.value,
                },
            )
        });
        named.collect()
    }

    /// The elements of a list; a single value is a list of one.
    pub(super) fn items(&self) -> Vec<Value<'n>> {
        match &self.node.kind {
            Kind::List(items) => {
                let numbered = items.iter().enumerate().map(|(n, node)| Value {
                    path: format!("{}[{n}]", self.path),
                    node,
                });
                numbered.collect()
            }
            Kind::Scalar(_) if !self.node.is_null() => vec![self.clone()],
            Kind::Scalar(_) | Kind::Map(_) => Vec::new(),
        }
    }

    /// The text of a single value.
    pub(super) fn text(&self) -> Option<&'n str> {
        match &self.node.kind {
            Kind::Scalar(scalar) if !self.node.is_null() => Some(scalar.text.trim()),
            Kind::Scalar(_) | Kind::Map(_) | Kind::List(_) => None,
        }
    }

    /// A whole number.
    pub(super) fn number(&self) -> Option<u32> {
        let text = self.text()?;
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }

    /// Seconds, as milliseconds; fractions of one are kept to three places.
    pub(super) fn milliseconds(&self) -> Option<u64> {
        let (whole, places) = self.text()?.split_once('.').unwrap_or((self.text()?, "0"));
        let places: String = places.chars().chain("000".chars()).take(3).collect();
        let whole: u64 = whole.parse().ok()?;
        whole.checked_mul(1000)?.checked_add(places.parse().ok()?)
    }

    /// Whether it says yes.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.text(), Some("true" | "True" | "TRUE"))
    }
}

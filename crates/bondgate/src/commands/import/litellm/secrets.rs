//! Which variables stand for what is secret in the file.
//!
//! `os.environ/NAME` stays a reference to NAME. A literal is given a name that nothing else
//! has; the same literal has one name everywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::super::value::Value;
use crate::config::node::Kind;

/// The variable that a text refers to.
pub(super) fn reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix("os.environ/")?;
    let mut bytes = name.bytes();
    let first = bytes.next()?;
    let good = (first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    good.then_some(name)
}

/// Names that are taken, and those that stand for literals. It has no `Debug`.
pub(super) struct Secrets<'n> {
    taken: BTreeSet<String>,
    literals: BTreeMap<&'n str, String>,
}

impl<'n> Secrets<'n> {
    /// Knows the variables that a file refers to.
    pub(super) fn of(root: &Value<'n>) -> Self {
        let mut taken = BTreeSet::new();
        collect(root, &mut taken);
        Self {
            taken,
            literals: BTreeMap::new(),
        }
    }

    /// The variable that stands for a literal, preferably of that name.
    pub(super) fn variable_for(&mut self, literal: &'n str, wanted: &str) -> String {
        if let Some(name) = self.literals.get(literal) {
            return name.clone();
        }
        let numbered = (2..).map(|n| format!("{wanted}_{n}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        let free = names.find(|name| !self.taken.contains(name));
        let name = free.unwrap_or_else(|| wanted.to_owned());
        self.taken.insert(name.clone());
        self.literals.insert(literal, name.clone());
        name
    }
}

fn collect(value: &Value<'_>, taken: &mut BTreeSet<String>) {
    match &value.node.kind {
        Kind::Scalar(scalar) => taken.extend(reference(&scalar.text).map(str::to_owned)),
        Kind::Map(_) => value
            .entries()
            .iter()
            .for_each(|(_, value)| collect(value, taken)),
        Kind::List(_) => value.items().iter().for_each(|value| collect(value, taken)),
    }
}

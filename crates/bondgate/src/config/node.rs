//! A configuration as a tree whose nodes know where they stand.
//!
//! Scalars stay text: what a field takes decides how it is read, so that `no` can be a
//! name and a number can be a secret. The tree may hold secrets: it has no `Debug`.

use zeroize::Zeroizing;

use super::problem::Place;

/// A value and where it stands.
pub struct Node {
    /// Where: a scalar its own place, a collection that belongs to a key the key's.
    pub place: Place,
    /// Whether everything below it is as it was written; false where something was
    /// taken out because it is wrong or not known yet.
    pub whole: bool,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
pub enum Kind {
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
    /// A sequence.
    List(Vec<Node>),
    /// A single value.
    Scalar(Scalar),
}

/// A key of a mapping with its value.
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

/// A single value, as text.
pub struct Scalar {
    /// The text, after unescaping and interpolation.
    pub text: Zeroizing<String>,
    /// Whether it was written without quotes.
    pub plain: bool,
    /// Where the text comes from.
    pub source: TextSource,
}

/// Where the text of a scalar comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// From the file, word for word: it may be shown.
    Written,
    /// From an interpolation: it may be a secret.
    Interpolated,
    /// From a command that was not run: the value is not known.
    Unknown,
}

impl Node {
    /// A node as it was written.
    #[must_use]
    pub fn new(place: Place, kind: Kind) -> Self {
        Self {
            place,
            whole: true,
            kind,
        }
    }

    /// Whether nothing is written where a value could stand.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(scalar) => {
                scalar.plain
                    && scalar.source == TextSource::Written
                    && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::Map(_) | Kind::List(_) => false,
        }
    }

    /// What it is, in words for people.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Map(_) => "a mapping",
            Kind::List(_) => "a list",
            Kind::Scalar(_) if self.is_null() => "nothing",
            Kind::Scalar(_) => "a single value",
        }
    }
}

/// The tree as one text in which no two trees are alike; it holds what the tree holds.
pub fn canonical(node: &Node, out: &mut Zeroizing<String>) {
    match &node.kind {
        Kind::Map(entries) => {
            let mut sorted: Vec<&Entry> = entries.iter().collect();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for entry in sorted {
                quoted(&entry.key, out);
                canonical(&entry.value, out);
            }
            out.push('}');
        }
        Kind::List(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
            }
            out.push(']');
        }
        Kind::Scalar(scalar) => quoted(&scalar.text, out),
    }
}

/// Length first, so that no content can look like structure.
fn quoted(text: &str, out: &mut Zeroizing<String>) {
    out.push_str(&text.len().to_string());
    out.push(':');
    out.push_str(text);
}

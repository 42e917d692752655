//! What becomes of the fields of a dialect's fixtures in each other dialect.

use std::collections::{BTreeMap, BTreeSet};

use dialect::Dialect;
use dialect::codec::TargetModel;
use dialect::loss::{Loss, LossKind, Losses};
use serde_json::Value;

use super::groups::{is_free, is_made_up};
use crate::corpus::{Sample, requests};

/// What became of a field, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Kept,
    Approximated,
    Moved,
    Dropped,
    Refused,
}

/// What became of one field in each dialect, and why; some fates depend on the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) fates: BTreeMap<Dialect, BTreeSet<Fate>>,
    pub(super) reasons: BTreeMap<String, BTreeSet<Dialect>>,
}

impl Row {
    /// The reasons that say more than that there is no such field.
    pub(super) fn told(&self) -> impl Iterator<Item = (&String, &BTreeSet<Dialect>)> {
        let reasons = self.reasons.iter();
        reasons.filter(|(why, _)| !why.ends_with("no such field"))
    }
}

/// The fields of a client's dialect by their names.
pub(super) type Table = BTreeMap<String, Row>;

/// The name of the row of all fields that no dialect knows.
pub(super) const OTHERS: &str = "any other field";

/// The name of the row of all parts and items that no dialect knows.
pub(super) const ODD: &str = "any other kind of part";

/// The fields of the fixtures of that dialect.
pub(super) fn table(dialect: Dialect) -> Table {
    let mut table = Table::new();
    let own = |sample: &&Sample| sample.fixture && sample.dialect == dialect;
    for sample in requests().iter().filter(own) {
        let document: Value = serde_json::from_str(&sample.text).unwrap();
        let mut fields = Vec::new();
        gather(&document, "", "", &mut fields);
        if dialect == Dialect::Gemini {
            // Names are read in both cases and told in one.
            let told = |(path, name): (String, String)| (camel(&path), camel(&name));
            fields = fields.into_iter().map(told).collect();
        }
        for other in Dialect::ALL.into_iter().filter(|other| *other != dialect) {
            let losses = losses(sample, other);
            for (path, name) in &fields {
                let (fate, why) = fate(path, &losses);
                let row = table.entry(name.clone()).or_default();
                row.fates.entry(other).or_default().insert(fate);
                if let Some(why) = why {
                    row.reasons.entry(why).or_default().insert(other);
                }
            }
        }
    }
    table
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}

/// The model that a dialect's providers are asked for, where what is sent depends on it.
pub(super) fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => "gpt-5",
        Dialect::AnthropicMessages => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-2.5-pro",
        Dialect::BedrockConverse => "anthropic.claude-sonnet-4-5-20250929-v1:0",
        Dialect::Cohere => "command-a-03-2025",
    }
}

fn losses(sample: &Sample, other: Dialect) -> Vec<Loss> {
    let bytes = sample.text.as_bytes();
    let hub = sample.dialect.server().decode_request(bytes).unwrap();
    let target = TargetModel {
        adaptive_thinking: false,
        model: model(other),
        default_max_tokens: 4096,
        force_usage: false,
    };
    let mut losses = Losses::default();
    other.client().encode_request(&hub, &target, &mut losses);
    losses.into_vec()
}

/// The worst that is said of the field or of what it stands in.
fn fate(path: &str, losses: &[Loss]) -> (Fate, Option<String>) {
    let of_it = losses.iter().filter(|loss| covers(&loss.path, path));
    let worst = of_it.max_by_key(|loss| judged(loss));
    worst.map_or((Fate::Kept, None), |loss| {
        (judged(loss), Some(in_general(&loss.why)))
    })
}

fn judged(loss: &Loss) -> Fate {
    match loss.kind {
        _ if loss.functional => Fate::Refused,
        LossKind::Dropped => Fate::Dropped,
        LossKind::Moved => Fate::Moved,
        LossKind::Approximated => Fate::Approximated,
    }
}

/// Whether a loss of `path` is one of `field` too.
fn covers(path: &str, field: &str) -> bool {
    // One reasoning may stand under three names, of which a loss names one.
    let thought = |path: &str| Some(path.split_once(".reasoning")?.0.to_owned());
    if let (Some(lost), Some(turn)) = (thought(path), thought(field)) {
        return lost == turn;
    }
    field
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A reason without the number that one value led to.
fn in_general(why: &str) -> String {
    match why.strip_prefix("as a budget of ") {
        Some(_) => "as a budget of tokens".to_owned(),
        None => why.to_owned(),
    }
}

/// The fields of a document: each with the path where it stands and its name in the table.
fn gather(value: &Value, path: &str, name: &str, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() && !is_free(name) => {
            for (key, member) in members {
                if is_made_up(key) {
                    fields.push((joined(path, key), OTHERS.to_owned()));
                } else if !says_what(key, member, members) {
                    gather(member, &joined(path, key), &joined(name, key), fields);
                }
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) && !is_free(name) => {
            for (at, element) in list.iter().enumerate() {
                let path = format!("{path}[{at}]");
                match kind(element) {
                    odd if is_made_up(odd) => fields.push((path, ODD.to_owned())),
                    kind => gather(element, &path, &format!("{name}[{kind}]"), fields),
                }
            }
        }
        Value::Array(_)
        | Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => fields.push((path.to_owned(), name.to_owned())),
    }
}

/// Whether the member only says what the object is; its fate is that of the object's others.
fn says_what(key: &str, member: &Value, members: &serde_json::Map<String, Value>) -> bool {
    matches!(key, "type" | "role") && member.is_string() && members.len() > 1
}

/// What an element of a list is, in its dialect's words.
fn kind(element: &Value) -> &str {
    let word = |key: &str| element[key].as_str().unwrap_or_default();
    match (word("role"), word("type")) {
        (role @ ("system" | "developer" | "tool"), _) => role,
        (_, "message") => "",
        (_, kind) => kind,
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        return key.to_owned();
    }
    format!("{path}.{key}")
}

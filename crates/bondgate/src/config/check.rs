//! The tree against the schema: every unknown key and every wrong value at once.
//!
//! Walks the JSON Schema of [`super::file::ConfigFile`], the same that `check --schema`
//! prints. What is wrong is taken out of the tree and its ancestors are marked as not
//! whole, so that the rest can still be read and judged. Texts that may be secrets are
//! never repeated in a problem.

use serde_json::{Map, Value};

use super::node::{Entry, Kind, Node, Scalar, TextSource};
use super::problem::{Place, Problem, any_of, nearest};
use super::values::{check_format, is_secret};

/// The JSON Schema of a configuration.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(super::file::ConfigFile).to_value()
}

/// Checks the tree and takes out of it what the schema refuses.
pub fn check(root: &mut Node, schema: &Value, problems: &mut Vec<Problem>) {
    let mut checker = Checker {
        definitions: schema.get("$defs").and_then(Value::as_object),
        problems,
    };
    if let Verdict::Drop = checker.node(root, schema, "the configuration") {
        root.kind = Kind::Map(Vec::new());
        root.whole = false;
    }
}

enum Verdict {
    Keep,
    Drop,
}

struct Checker<'a> {
    definitions: Option<&'a Map<String, Value>>,
    problems: &'a mut Vec<Problem>,
}

/// What a schema allows in one place.
#[derive(Default)]
struct Allowed<'s> {
    map: Option<&'s Value>,
    list: Option<&'s Value>,
    scalar: Option<&'s Value>,
}

impl<'s> Allowed<'s> {
    fn words(&self) -> String {
        let kinds = [
            (self.scalar, "a single value"),
            (self.list, "a list"),
            (self.map, "a mapping"),
        ];
        let kinds: Vec<&str> = kinds
            .iter()
            .filter(|(schema, _)| schema.is_some())
            .map(|(_, word)| *word)
            .collect();
        kinds.join(" or ")
    }
}

impl<'a> Checker<'a> {
    fn node(&mut self, node: &mut Node, schema: &Value, name: &str) -> Verdict {
        let mut allowed = Allowed::default();
        self.allowed(schema, &mut allowed);
        if node.is_null() && allowed.map.is_some() {
            node.kind = Kind::Map(Vec::new());
        }
        let kind_name = node.kind_name();
        let verdict = match (&mut node.kind, allowed.map, allowed.list, allowed.scalar) {
            (Kind::Map(entries), Some(schema), ..) => Some(self.map(entries, schema)),
            (Kind::List(items), _, Some(schema), _) => Some(self.list(items, schema, name)),
            (Kind::Scalar(scalar), _, _, Some(schema)) => {
                return self.scalar(scalar, node.place, schema, name);
            }
            (
                Kind::Scalar(Scalar {
                    source: TextSource::Unknown,
                    ..
                }),
                ..,
            ) => {
                return Verdict::Drop;
            }
            (Kind::Map(_) | Kind::List(_) | Kind::Scalar(_), ..) => None,
        };
        if let Some(whole) = verdict {
            node.whole &= whole;
            return Verdict::Keep;
        }
        let wanted = allowed.words();
        self.problems.push(Problem::at(
            node.place,
            format!("`{name}` is {kind_name} where {wanted} belongs"),
            format!("write {wanted}"),
        ));
        Verdict::Drop
    }

    /// Finds what is allowed: references followed, alternatives gathered.
    fn allowed<'s>(&self, schema: &'s Value, into: &mut Allowed<'s>)
    where
        'a: 's,
    {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(name) = reference.and_then(|path| path.strip_prefix("#/$defs/")) {
            if let Some(definition) = self.definitions.and_then(|all| all.get(name)) {
                self.allowed(definition, into);
            }
            return;
        }
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            for alternative in alternatives {
                self.allowed(alternative, into);
            }
            return;
        }
        for kind in types(schema) {
            match kind {
                "object" => into.map = into.map.or(Some(schema)),
                "array" => into.list = into.list.or(Some(schema)),
                "null" => {}
                _ => into.scalar = into.scalar.or(Some(schema)),
            }
        }
    }

    fn map(&mut self, entries: &mut Vec<Entry>, schema: &Value) -> bool {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema
            .get("additionalProperties")
            .filter(|others| others.is_object());
        let mut whole = true;
        entries.retain_mut(|entry| {
            let property = known.and_then(|known| known.get(&entry.key));
            let Some(schema) = property.or(others) else {
                self.unknown(entry, schema, known);
                whole = false;
                return false;
            };
            if property.is_none() && !self.is_name(entry) {
                whole = false;
                return false;
            }
            if entry.value.is_null() && property.is_some() {
                return false;
            }
            match self.node(&mut entry.value, schema, &entry.key) {
                Verdict::Keep => whole &= entry.value.whole,
                Verdict::Drop if property.is_some() => {
                    whole = false;
                    return false;
                }
                // What is named stays known, so that no reference to it is wrong too.
                Verdict::Drop => {
                    whole = false;
                    entry.value.kind = Kind::Map(Vec::new());
                    entry.value.whole = false;
                }
            }
            true
        });
        whole
    }

    fn unknown(&mut self, entry: &Entry, schema: &Value, known: Option<&Map<String, Value>>) {
        let key = &entry.key;
        if strings(schema, "x-not-yet").any(|name| name == key) {
            self.problems.push(Problem::at(
                entry.place,
                format!("`{key}` is not available yet"),
                "leave it out: it would do nothing",
            ));
            return;
        }
        let known = || {
            known
                .into_iter()
                .flat_map(|known| known.keys().map(String::as_str))
        };
        let mend = match nearest(key, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", any_of(known()).replace(" or ", ", ")),
        };
        self.problems.push(Problem::at(
            entry.place,
            format!("unknown key {}", shown(key)),
            mend,
        ));
    }

    fn is_name(&mut self, entry: &Entry) -> bool {
        let key = &entry.key;
        let wrong = if key.is_empty() {
            "a name is empty"
        } else if key.chars().any(char::is_control) {
            "a name holds a control character"
        } else if key.trim() != key {
            "a name begins or ends with a space"
        } else if key.len() > 256 {
            "a name is longer than 256 bytes"
        } else {
            return !key.contains("${");
        };
        self.problems
            .push(Problem::at(entry.place, wrong, "choose another name"));
        false
    }

    fn list(&mut self, items: &mut Vec<Node>, schema: &Value, name: &str) -> bool {
        let Some(schema) = schema.get("items") else {
            return true;
        };
        let mut whole = true;
        items.retain_mut(|item| {
            if item.is_null() {
                let what = format!("an item of `{name}` is empty");
                self.problems
                    .push(Problem::at(item.place, what, "write it, or leave it out"));
                whole = false;
                return false;
            }
            let keep = matches!(self.node(item, schema, name), Verdict::Keep);
            whole &= keep && item.whole;
            keep
        });
        whole
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place, schema: &Value, name: &str) -> Verdict {
        let wrong = match scalar.source {
            TextSource::Unknown => return Verdict::Drop,
            TextSource::Written | TextSource::Interpolated => wrong_text(scalar, schema),
        };
        let Some((what, mend)) = wrong else {
            return Verdict::Keep;
        };
        let value = match scalar.source {
            TextSource::Written if !is_secret(schema) => shown(&scalar.text),
            TextSource::Written | TextSource::Interpolated | TextSource::Unknown => {
                "this value".to_owned()
            }
        };
        self.problems.push(Problem::at(
            place,
            format!("`{name}`: {value} {what}"),
            mend,
        ));
        Verdict::Drop
    }
}

/// What is wrong with a single value, and what mends it.
fn wrong_text(scalar: &Scalar, schema: &Value) -> Option<(String, String)> {
    let text = scalar.text.as_str();
    let choices: Vec<&str> = choices(schema).collect();
    if !choices.is_empty() {
        return wrong_choice(text, &choices, schema);
    }
    match types(schema).find(|kind| *kind != "null") {
        Some("boolean") if !matches!(text, "true" | "false") => Some((
            "is neither true nor false".to_owned(),
            "write `true` or `false`".to_owned(),
        )),
        Some("integer") => wrong_integer(text, schema),
        _ => {
            let format = schema.get("format").and_then(Value::as_str)?;
            let why = check_format(format, text).err()?;
            Some(("cannot be read".to_owned(), why))
        }
    }
}

fn wrong_choice(text: &str, choices: &[&str], schema: &Value) -> Option<(String, String)> {
    if choices.contains(&text) {
        return None;
    }
    let instead = format!("use {}", any_of(choices.iter().copied()));
    let word = text.split_once("://").map_or(text, |(scheme, _)| scheme);
    if strings(schema, "x-not-yet").any(|name| name == word) {
        return Some(("is not available yet".to_owned(), instead));
    }
    Some(match nearest(text, choices.iter().copied()) {
        Some(near) => ("is not known".to_owned(), format!("did you mean `{near}`?")),
        None => ("is not known".to_owned(), instead),
    })
}

fn wrong_integer(text: &str, schema: &Value) -> Option<(String, String)> {
    let least = schema.get("minimum").and_then(Value::as_u64).unwrap_or(0);
    let most = schema
        .get("maximum")
        .and_then(Value::as_u64)
        .unwrap_or(u64::from(u32::MAX));
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let within = |number: u64| (least..=most).contains(&number);
    if digits && text.parse().is_ok_and(within) {
        return None;
    }
    Some((
        "is not a whole number that fits".to_owned(),
        format!("write one from {least} to {most}"),
    ))
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let one = schema.get("type").and_then(Value::as_str);
    let implied = (one.is_none()
        && (schema.get("oneOf").is_some() || schema.get("enum").is_some()))
    .then_some("string");
    one.into_iter()
        .chain(strings(schema, "type"))
        .chain(implied)
}

fn strings<'s>(schema: &'s Value, key: &str) -> impl Iterator<Item = &'s str> {
    let list = schema.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// The words that a choice allows: schemars writes documented ones as `oneOf` constants.
fn choices(schema: &Value) -> impl Iterator<Item = &str> {
    let documented = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    documented
        .filter_map(|choice| choice.get("const").and_then(Value::as_str))
        .chain(strings(schema, "enum"))
}

/// A text from the file in backquotes, cut where it is long, and where a URL could show a password.
fn shown(text: &str) -> String {
    if let Some((scheme, _)) = text.split_once("://") {
        return format!("`{scheme}://…`");
    }
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{dots}`")
}

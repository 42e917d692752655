//! JSON in canonical form: members sorted, numbers kept as the text they were
//! written with. Made by `serde_json`, which shares no code with the crate.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Canon {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Canon>),
    Object(BTreeMap<String, Canon>),
}

/// The text as canonical JSON.
pub(crate) fn canon(text: &str) -> Result<Canon, serde_json::Error> {
    let raw: &RawValue = serde_json::from_str(text)?;
    let text = raw.get();
    Ok(match text.as_bytes()[0] {
        b'{' => {
            let Members(members) = serde_json::from_str(text)?;
            let members = members
                .iter()
                .map(|(k, v)| Ok((k.clone(), canon(v.get())?)));
            Canon::Object(members.collect::<Result<_, serde_json::Error>>()?)
        }
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            Canon::Array(
                elements
                    .iter()
                    .map(|e| canon(e.get()))
                    .collect::<Result<_, _>>()?,
            )
        }
        b'"' => Canon::String(serde_json::from_str(text)?),
        b't' | b'f' => Canon::Bool(text == "true"),
        b'n' => Canon::Null,
        _ => Canon::Number(text.to_owned()),
    })
}

/// The members of an object as they stand, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Each)
    }
}

/// Each string in the value, member names excluded, with the path where it stands.
pub(crate) fn strings(value: &Canon) -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather(value, String::new(), &mut found);
    found
}

fn gather(value: &Canon, path: String, found: &mut Vec<(String, String)>) {
    match value {
        Canon::Null | Canon::Bool(_) | Canon::Number(_) => {}
        Canon::String(text) => found.push((path, text.clone())),
        Canon::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                gather(element, format!("{path}[{at}]"), found);
            }
        }
        Canon::Object(members) => {
            for (name, member) in members {
                let joint = if path.is_empty() { "" } else { "." };
                gather(member, format!("{path}{joint}{name}"), found);
            }
        }
    }
}

/// Where two values differ first, for people.
pub(crate) fn difference(left: &Canon, right: &Canon) -> Option<String> {
    match (left, right) {
        (Canon::Object(l), Canon::Object(r)) => {
            for name in l.keys().chain(r.keys()) {
                let found = match (l.get(name), r.get(name)) {
                    (Some(l), Some(r)) => difference(l, r),
                    (Some(l), None) => Some(format!(" is lost: {}", short(l))),
                    (None, r) => Some(format!(" is new: {}", short(&r))),
                };
                if let Some(found) = found {
                    return Some(format!(".{name}{found}"));
                }
            }
            None
        }
        (Canon::Array(l), Canon::Array(r)) if l.len() == r.len() => l
            .iter()
            .zip(r)
            .enumerate()
            .find_map(|(at, (l, r))| Some(format!("[{at}]{}", difference(l, r)?))),
        (l, r) if l == r => None,
        (l, r) => Some(format!(" was {} and is {}", short(l), short(r))),
    }
}

fn short(value: &impl std::fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((cut, _)) = text.char_indices().nth(200) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

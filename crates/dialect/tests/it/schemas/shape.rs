//! Shapes of AWS's model of a service.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

/// The model of Bedrock's runtime.
pub(super) fn model(folder: &Path) -> Option<Value> {
    let file = fs::read(folder.join("botocore_bedrock-runtime_service-2.json.gz")).ok()?;
    let mut text = String::new();
    GzDecoder::new(&file[..]).read_to_string(&mut text).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// What does not fit the shape of that name, if anything.
pub(super) fn misfit(model: &Value, name: &str, value: &Value, at: &str) -> Option<String> {
    let shape = &model["shapes"][name];
    let wrong = |what: &str| {
        let said: String = value.to_string().chars().take(80).collect();
        Some(format!("{at} {said} is no {what}"))
    };
    match shape["type"].as_str().unwrap() {
        "structure" if shape["document"] == true => None,
        "structure" => of_structure(model, shape, value, at),
        "list" => {
            let Some(list) = value.as_array() else {
                return wrong("list");
            };
            let inner = shape["member"]["shape"].as_str().unwrap();
            let mut elements = list.iter().enumerate();
            elements.find_map(|(place, element)| {
                misfit(model, inner, element, &format!("{at}/{place}"))
            })
        }
        "map" if value.is_object() => None,
        "string" | "blob" => {
            let words = shape["enum"].as_array();
            match value.as_str() {
                None => wrong("text"),
                Some(_) if words.is_some_and(|words| !words.contains(value)) => wrong(name),
                Some(text) if is_out(shape, text) => wrong(name),
                Some(_) => None,
            }
        }
        "boolean" if value.is_boolean() => None,
        "float" | "double" if value.is_number() => None,
        "integer" | "long" if value.is_i64() || value.is_u64() => None,
        other => wrong(other),
    }
}

/// Whether a text is shorter or longer than may be.
fn is_out(shape: &Value, text: &str) -> bool {
    let length = text.chars().count() as u64;
    shape["min"].as_u64().is_some_and(|least| length < least)
        || shape["max"].as_u64().is_some_and(|most| length > most)
}

fn of_structure(model: &Value, shape: &Value, value: &Value, at: &str) -> Option<String> {
    let Some(members) = value.as_object() else {
        return Some(format!("{at} {value} is no structure"));
    };
    if shape["union"] == true && members.len() != 1 {
        return Some(format!("{at} {value} is no one thing"));
    }
    for name in shape["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        // What the path says is not in the body.
        if !members.contains_key(name) && shape["members"][name].get("location").is_none() {
            return Some(format!("{at} {name} is missing"));
        }
    }
    members.iter().find_map(|(name, member)| {
        let at = format!("{at}/{name}");
        let Some(inner) = shape["members"].get(name) else {
            return Some(format!("{at} is not known"));
        };
        misfit(model, inner["shape"].as_str().unwrap(), member, &at)
    })
}

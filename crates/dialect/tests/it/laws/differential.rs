//! A field of a request that is altered shows in what the other dialect is sent, or the report
//! names it; and one that shows is not reported as dropped.
//!
//! Each value of each request is altered, one at a time: to another word, the next number, the
//! other truth, or out of the request.

use std::collections::HashSet;

use dialect::Dialect;
use dialect::loss::{Loss, LossKind};
use serde_json::{Value, json};

use super::fields::{
    Crossed, crossed, dotted, generic, is_usual, members, remove, silent, tells_itself,
};
use super::others;
use crate::corpus::{Sample, none, requests};

#[test]
fn a_field_that_is_altered_shows_or_is_named() {
    let mut complaints = Vec::new();
    let mut seen = HashSet::new();
    for (at, sample) in requests().iter().enumerate() {
        let Ok(request) = serde_json::from_str(&sample.text) else {
            continue;
        };
        for (other, _) in others(sample.dialect) {
            if sample.meets(at, other) {
                complaints.extend(look(sample, other, &request, &mut seen));
            }
        }
    }
    none(&complaints, seen.len());
}

/// Where a request comes from, where it goes to, what it is and what it became.
struct Case<'a> {
    pair: (Dialect, Dialect),
    request: &'a Value,
    whole: Crossed,
}

/// Longer values are the application's own, of which one is like another.
const WORD: usize = 24;

fn look(
    sample: &Sample,
    other: Dialect,
    request: &Value,
    seen: &mut HashSet<String>,
) -> Vec<String> {
    let pair = (sample.dialect, other);
    let Some(whole) = crossed(pair, request) else {
        return Vec::new();
    };
    let case = Case {
        pair,
        request,
        whole,
    };
    let mut complaints = Vec::new();
    for pointer in leaves(request, "") {
        let value = request.pointer(&pointer).unwrap();
        let (parent, _) = pointer.rsplit_once('/').unwrap();
        let around = request.pointer(parent).filter(|_| !parent.is_empty());
        let around = around.map(Value::to_string).unwrap_or_default();
        let context = if sample.fixture { around.as_str() } else { "" };
        let said = if value.to_string().len() < WORD {
            value
        } else {
            &Value::Null
        };
        let key = format!("{pair:?} {} {said} {context}", generic(&pointer));
        // Text says itself what it is.
        let is_text = value.as_str().is_some_and(|word| word.starts_with("text/"));
        if !seen.insert(key) || is_text || tells_itself(&generic(&pointer), &around) {
            continue;
        }
        let wrong = others_of(value).into_iter().find_map(|altered| {
            let what = case.wrong(&pointer, value, altered.as_ref())?;
            let altered = altered.map_or("nothing".to_owned(), |value| value.to_string());
            Some(format!("{what}: {value:.80} to {altered:.80}"))
        });
        complaints.extend(wrong.map(|wrong| {
            let (id, other) = (&sample.id, other.name());
            format!("{id} as {other}: {}: {wrong}", dotted(&pointer))
        }));
    }
    complaints
}

impl Case<'_> {
    /// What is wrong about how that alteration crosses.
    fn wrong(&self, pointer: &str, value: &Value, altered: Option<&Value>) -> Option<&'static str> {
        let mut request = self.request.clone();
        match altered {
            Some(altered) => *request.pointer_mut(pointer).unwrap() = altered.clone(),
            None => remove(&mut request, pointer),
        }
        let (out, losses) = crossed(self.pair, &request)?;
        let (path, name) = (dotted(pointer), generic(pointer));
        let usual = |value: &Value| silent(value) || is_usual(self.pair.1, &name, value);
        let goes_without_saying = usual(value) && altered.is_none_or(usual);
        let told = self.whole.1.iter().chain(&losses);
        if out == self.whole.0 {
            let named = told.into_iter().any(|loss| is_about(loss, &path));
            return (!named && !goes_without_saying).then_some("shows nowhere and is not named");
        }
        let dropped = |losses: &[Loss]| {
            let mut lost = losses.iter().filter(|loss| loss.kind == LossKind::Dropped);
            lost.any(|loss| loss.path == path)
        };
        let lost = !silent(value) && dropped(&self.whole.1) && dropped(&losses);
        lost.then_some("shows and is reported as dropped")
    }
}

/// Whether a loss names the field, what it stands in, or what stands in it.
fn is_about(loss: &Loss, path: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    // Google's names are read in both cases, and told in one.
    [path, &camel(path)]
        .iter()
        .any(|path| within(path, &loss.path) || within(&loss.path, path))
}

fn camel(path: &str) -> String {
    let mut words = path.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}

/// Pointers of the values that hold no others.
fn leaves(root: &Value, at: &str) -> Vec<String> {
    let inner = members(root.pointer(at).unwrap(), at);
    if inner.is_empty() {
        return vec![at.to_owned()];
    }
    inner
        .iter()
        .flat_map(|pointer| leaves(root, pointer))
        .collect()
}

/// What a value may be altered to; none takes it out.
fn others_of(value: &Value) -> Vec<Option<Value>> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => vec![None],
        Value::Bool(truth) => vec![Some(json!(!truth)), None],
        Value::Number(number) => match number.as_u64() {
            Some(number) => vec![Some(json!(number.saturating_add(1))), None],
            None => vec![None],
        },
        Value::String(text) => vec![Some(json!(format!("{text}x"))), None],
    }
}

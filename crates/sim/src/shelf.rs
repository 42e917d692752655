//! What the provider keeps for its callers between requests: answers that were
//! to be stored, each under the key that made it.
//!
//! Bounded in bytes; the oldest goes first. Knows no wire format but that a
//! body is JSON.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde_json::Value;

const BYTES_MAX: usize = 32 << 20;

/// All that is kept.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Items>);

#[derive(Debug, Default)]
struct Items {
    list: VecDeque<Kept>,
    bytes: usize,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The key that asked for it; no other sees it.
    pub(crate) owner: String,
    pub(crate) id: String,
    /// The answer as it will be told once it is complete.
    pub(crate) body: Value,
    /// What was asked.
    pub(crate) inputs: Vec<Value>,
    /// It was made without anybody waiting, so that it can be cancelled.
    pub(crate) background: bool,
    /// Input and output of it and of all before it.
    pub(crate) tokens: u64,
    /// Tool calls that nobody has answered.
    pub(crate) open_calls: Vec<String>,
}

impl Shelf {
    /// Keeps an answer.
    pub(crate) fn put(&self, kept: Kept) {
        let mut items = self.0.lock();
        items.bytes += weight(&kept);
        items.list.push_back(kept);
        while items.bytes > BYTES_MAX && items.list.len() > 1 {
            if let Some(old) = items.list.pop_front() {
                items.bytes = items.bytes.saturating_sub(weight(&old));
            }
        }
    }

    /// A copy of what is kept for `owner` under `id`.
    pub(crate) fn get(&self, owner: &str, id: &str) -> Option<Kept> {
        let items = self.0.lock();
        items.list.iter().find(|k| k.is(owner, id)).cloned()
    }

    /// Whether any answer of `owner` has an item of this id.
    pub(crate) fn holds_item(&self, owner: &str, id: &str) -> bool {
        let items = self.0.lock();
        let mut own = items.list.iter().filter(|k| k.owner == owner);
        own.any(|k| {
            let output = k.body.get("output").and_then(Value::as_array);
            output.is_some_and(|o| {
                o.iter()
                    .any(|i| i.get("id").and_then(Value::as_str) == Some(id))
            })
        })
    }

    /// Changes one field of an answer.
    pub(crate) fn set(&self, owner: &str, id: &str, field: &str, value: Value) {
        let mut items = self.0.lock();
        if let Some(kept) = items.list.iter_mut().find(|k| k.is(owner, id))
            && let Some(fields) = kept.body.as_object_mut()
        {
            fields.insert(field.to_owned(), value);
        }
    }

    /// Forgets an answer; false where there was none.
    pub(crate) fn remove(&self, owner: &str, id: &str) -> bool {
        let mut items = self.0.lock();
        let Some(at) = items.list.iter().position(|k| k.is(owner, id)) else {
            return false;
        };
        if let Some(old) = items.list.remove(at) {
            items.bytes = items.bytes.saturating_sub(weight(&old));
        }
        true
    }
}

impl Kept {
    fn is(&self, owner: &str, id: &str) -> bool {
        self.owner == owner && self.id == id
    }
}

/// Roughly its bytes; a change of one field does not alter it.
fn weight(kept: &Kept) -> usize {
    let inputs: usize = kept.inputs.iter().map(size).sum();
    inputs + output_size(&kept.body) + 1_024
}

fn output_size(body: &Value) -> usize {
    body.get("output").map_or(0, size)
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
        Value::String(text) => text.len() + 24,
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 24,
        Value::Object(fields) => {
            let inner = fields.iter().map(|(name, v)| name.len() + 24 + size(v));
            inner.sum::<usize>() + 24
        }
    }
}

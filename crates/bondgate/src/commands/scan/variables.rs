//! Variables that usually hold a provider's key: whether they are set, and to what.
//!
//! A value in clear is a key, whatever its shape; a reference to elsewhere is a call to
//! move. In programs only values in clear are looked for: what reads a variable follows it.

use std::collections::BTreeMap;

use gateway::upstream::catalog::ROWS;
use regex::Regex;

use super::kind::FileKind;
use super::{Found, Of, keys};

/// Usual variables of providers that the catalogue does not have.
const FURTHER: [(&str, &str); 9] = [
    ("AZURE_OPENAI_API_KEY", "azure"),
    ("AZURE_API_KEY", "azure"),
    ("COHERE_API_KEY", "cohere"),
    ("CO_API_KEY", "cohere"),
    ("VOYAGE_API_KEY", "voyage"),
    ("HF_TOKEN", "huggingface"),
    ("REPLICATE_API_TOKEN", "replicate"),
    ("AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    ("ANTHROPIC_AUTH_TOKEN", "anthropic"),
];

/// Fewest characters of a value that can be a key.
const VALUE_MIN: usize = 16;

/// Finds variables by their names.
pub(super) struct Variables {
    names: BTreeMap<&'static str, &'static str>,
    assigned: Regex,
    value: Regex,
}

impl Variables {
    pub(super) fn new() -> anyhow::Result<Self> {
        let rows = ROWS
            .iter()
            .flat_map(|row| row.key_env.iter().map(move |name| (*name, row.name)));
        let names: BTreeMap<_, _> = rows.chain(FURTHER).collect();
        let any: Vec<&str> = names.keys().copied().collect();
        // A name by itself, then what follows on its line.
        let assigned = format!(r"(?-u:\b)({})(?-u:\b)([^\n]*)", any.join("|"));
        // `=` or `:`, or a blank as in ENV of Dockerfiles; then one word to the line's end.
        let value = r#"^["']?\]?\s*(?:[:=]+|\s)\s*(?:str\s*=\s*)?["'`]?([A-Za-z0-9_+/=.:~-]+)["'`]?\s*[,;)]*\s*(?:#.*|//.*|\\)?\r?$"#;
        Ok(Self {
            names,
            assigned: Regex::new(&assigned)?,
            value: Regex::new(value)?,
        })
    }

    /// Variables of a file; `shapes` are the places of keys that were found by their shape.
    pub(super) fn find(&self, text: &str, kind: FileKind, shapes: &[usize]) -> Vec<Found> {
        let mut found = Vec::new();
        for captures in self.assigned.captures_iter(text) {
            let (Some(name), Some(rest)) = (captures.get(1), captures.get(2)) else {
                continue;
            };
            let Some((name_text, provider)) = self.names.get_key_value(name.as_str()) else {
                continue;
            };
            let line_end = rest.end();
            let (value, end) = match self.value_of(rest.as_str()) {
                Some(value) => (Some(value), line_end),
                None => {
                    match value_below(text.get(line_end..).unwrap_or_default(), rest.as_str()) {
                        Some((value, length)) => (Some(value), line_end + length),
                        None => (None, line_end),
                    }
                }
            };
            if shapes.iter().any(|at| (name.start()..=end).contains(at)) {
                continue;
            }
            let clear = value.filter(|value| is_clear(value));
            let (of, what) = match (clear, kind) {
                (Some(value), FileKind::Settings | FileKind::Code(_)) => {
                    (Of::Key, format!("{name_text}: {}", keys::shown(value)))
                }
                (None, FileKind::Settings) => (Of::Variable, (*name_text).to_owned()),
                (_, FileKind::Prose) | (None, FileKind::Code(_)) => continue,
            };
            found.push(Found {
                at: name.start(),
                of,
                what,
                provider,
            });
        }
        found
    }

    fn value_of<'t>(&self, rest: &'t str) -> Option<&'t str> {
        let captures = self.value.captures(rest)?;
        captures.get(1).map(|value| value.as_str())
    }
}

/// The value on the line below, as in a Kubernetes container: `- name: X`, `value: …`; and
/// where it ends.
fn value_below<'t>(below: &'t str, rest: &str) -> Option<(&'t str, usize)> {
    if !rest.trim_matches(['"', '\'', '\r', ',', ' ']).is_empty() {
        return None;
    }
    let line = below.strip_prefix('\n')?.lines().next()?;
    let value = line.trim().trim_start_matches('"').strip_prefix("value")?;
    let value = value
        .trim_start_matches('"')
        .trim_start()
        .strip_prefix(':')?;
    let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
    Some((value, line.len() + 1))
}

/// Whether a value is a key itself, and no reference, no stand-in and no name.
fn is_clear(value: &str) -> bool {
    let plain = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_+/=.~-".contains(&b));
    let digits = value.bytes().any(|b| b.is_ascii_digit());
    let is_code =
        value.starts_with("os.") || value.starts_with("process.") || value.contains("env.");
    plain && digits && !is_code && value.len() >= VALUE_MIN && keys::is_drawn(value)
}

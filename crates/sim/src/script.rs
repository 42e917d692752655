//! What the simulated provider is told to do: the rules of a script, their
//! faults, prices and keys, read from JSON with errors that say where.
//!
//! The tables of all names are in the crate's own documentation. Nothing here
//! carries a fault out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::Value;

use crate::books::Call;
use crate::fault::Fault;
use crate::wire::By;

/// How the provider behaves. The default answers everything normally.
#[derive(Debug, Default)]
pub struct Script {
    /// First match wins; without one the answer is normal.
    pub rules: Vec<Rule>,
    /// Fixes the content; otherwise it follows from model and last user text.
    pub seed: Option<u64>,
    /// Re-chunks every answer into writes of so many bytes.
    pub split: Option<usize>,
    /// API keys that are accepted; when empty, any is.
    pub keys: Vec<String>,
    /// AWS secrets by access key id; when empty, signatures are not checked.
    pub aws: Secrets,
    /// Prices by model, first match wins, before the default price.
    pub prices: Vec<(String, Price)>,
    /// What is charged when the client hangs up.
    pub bill_cancelled: CancelledBill,
    /// Whether input is charged as soon as an answer's head goes out.
    pub bill_input_on_start: InputBill,
}

/// AWS secret access keys by access key id.
pub type Secrets = BTreeMap<String, String>;

/// What is charged for an answer that the client hung up on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelledBill {
    /// The output generated until then.
    #[default]
    Generated,
    /// All of it.
    Full,
}

/// When input is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputBill {
    /// With the head of the answer.
    #[default]
    OnStart,
    /// With its first output.
    WithOutput,
}

/// Nano-dollars for one token, and for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Input not read from a cache.
    pub input: u64,
    /// Input read from a cache.
    pub cached: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// The request itself.
    pub request: u64,
}

impl Default for Price {
    fn default() -> Price {
        Price {
            input: 1_000,
            cached: 100,
            output: 2_000,
            request: 0,
        }
    }
}

impl Price {
    pub(crate) fn cost(&self, call: &Call) -> u64 {
        let input = self.input.saturating_mul(call.input_tokens);
        let cached = self.cached.saturating_mul(call.cached_tokens);
        let output = self.output.saturating_mul(call.output_tokens);
        input
            .saturating_add(cached)
            .saturating_add(output)
            .saturating_add(self.request)
    }
}

/// A condition and what happens where it holds.
#[derive(Debug, Default)]
pub struct Rule {
    /// Which requests.
    pub when: When,
    /// What is done to them, in this order.
    pub faults: Vec<Fault>,
    /// How often, at most.
    pub times: Option<u64>,
    matched: AtomicU64,
    fired: AtomicU64,
}

/// Which requests a rule is for. All that is given must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Glob (`*`, `?`) on the model.
    pub model: Option<String>,
    /// A dialect's name, such as `openai-chat`.
    pub dialect: Option<String>,
    /// An operation's name, such as `embed`.
    pub operation: Option<String>,
    /// Glob on the path, query included.
    pub path: Option<String>,
    /// A part of the last user text.
    pub text: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: Option<bool>,
    /// Headers with exactly these values.
    pub header: BTreeMap<String, String>,
    /// From and to, counted from 1, of the requests for which the rest holds.
    pub nth: Option<(u64, u64)>,
}

/// A script that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("sim script: {place}: {what}")]
pub struct ScriptError {
    /// Where in the document.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What a rule is asked about a request.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub(crate) dialect: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) model: &'a str,
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) stream: bool,
    pub(crate) headers: &'a http::HeaderMap,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The first problem, with its place in the document.
    pub fn from_json(text: &str) -> Result<Script, ScriptError> {
        let doc: Document = serde_json::from_str(text).map_err(|e| wrong("document", &e))?;
        let mut rules = Vec::new();
        for (i, raw) in doc.rules.into_iter().enumerate() {
            let place = format!("rules[{i}]");
            let raw: RawRule = serde_json::from_value(raw).map_err(|e| wrong(&place, &e))?;
            let mut faults = Vec::new();
            for fault in raw.faults() {
                let fault = Fault::read(fault).map_err(|e| wrong(&format!("{place}.do"), &e))?;
                faults.push(fault);
            }
            let rule = Rule::new(raw.when, faults, raw.times);
            rule.check().map_err(|what| ScriptError { place, what })?;
            rules.push(rule);
        }
        if doc.split.as_ref().is_some_and(|s| s.bytes == 0) {
            return Err(wrong("split.bytes", &"must be at least 1"));
        }
        let at_start = doc.bill_input_on_start.unwrap_or(true);
        Ok(Script {
            rules,
            seed: doc.seed,
            split: doc.split.map(|s| s.bytes),
            keys: doc.keys,
            aws: doc.aws,
            prices: doc.prices.into_iter().map(ModelPrice::named).collect(),
            bill_cancelled: doc.bill_cancelled,
            bill_input_on_start: if at_start {
                InputBill::OnStart
            } else {
                InputBill::WithOutput
            },
        })
    }

    /// A script whose only rule does this to every request.
    #[must_use]
    pub fn always(fault: Fault) -> Script {
        let rule = Rule::new(When::default(), vec![fault], None);
        Script {
            rules: vec![rule],
            ..Script::default()
        }
    }

    /// How often each rule has fired.
    pub(crate) fn fired(&self) -> Vec<u64> {
        self.rules
            .iter()
            .map(|r| r.fired.load(Ordering::Relaxed))
            .collect()
    }

    /// Forgets which rules have matched and fired.
    pub(crate) fn recount(&self) {
        for rule in &self.rules {
            rule.matched.store(0, Ordering::Relaxed);
            rule.fired.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn price(&self, model: &str) -> Price {
        let own = self.prices.iter().find(|(pattern, _)| glob(pattern, model));
        own.map(|(_, price)| *price).unwrap_or_default()
    }

    /// The faults of the first rule that holds for a request.
    pub(crate) fn faults(&self, query: &Query<'_>) -> &[Fault] {
        let requests = self.rules.iter().filter(|r| !r.refuses());
        let rule = requests
            .into_iter()
            .find(|r| r.when.holds(query) && r.counts());
        rule.map(|r| r.faults.as_slice()).unwrap_or_default()
    }

    /// Whether a new connection is refused, and how.
    pub(crate) fn refusal(&self) -> Option<By> {
        let rule = self.rules.iter().find(|r| r.refuses() && r.counts())?;
        rule.faults.iter().find_map(Fault::refusal)
    }

    pub(crate) fn refuses(&self) -> bool {
        self.rules.iter().any(Rule::refuses)
    }
}

impl Rule {
    /// A rule that has not fired yet.
    #[must_use]
    pub fn new(when: When, faults: Vec<Fault>, times: Option<u64>) -> Rule {
        Rule {
            when,
            faults,
            times,
            ..Rule::default()
        }
    }

    fn refuses(&self) -> bool {
        self.faults.iter().any(|f| f.refusal().is_some())
    }

    /// Counts a match, and whether the rule fires on it.
    fn counts(&self) -> bool {
        let nth = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        let inside = self
            .when
            .nth
            .is_none_or(|(from, to)| (from..=to).contains(&nth));
        if !inside {
            return false;
        }
        let most = self.times.unwrap_or(u64::MAX);
        self.fired
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < most).then_some(n + 1)
            })
            .is_ok()
    }

    fn check(&self) -> Result<(), String> {
        if self.refuses() {
            let when = &self.when;
            let bare = when.model.is_none()
                && when.dialect.is_none()
                && when.operation.is_none()
                && when.path.is_none()
                && when.text.is_none()
                && when.stream.is_none()
                && when.header.is_empty();
            if !bare || self.faults.len() > 1 {
                return Err(
                    "refuse knows only `nth`, of connections, and stands alone; \
                            to close after a request is read use hang_up"
                        .to_owned(),
                );
            }
        }
        self.faults.iter().try_for_each(Fault::check)
    }
}

impl When {
    fn holds(&self, query: &Query<'_>) -> bool {
        self.model.as_deref().is_none_or(|p| glob(p, query.model))
            && self.dialect.as_deref().is_none_or(|d| d == query.dialect)
            && self
                .operation
                .as_deref()
                .is_none_or(|o| o == query.operation)
            && self.path.as_deref().is_none_or(|p| glob(p, query.path))
            && self.text.as_deref().is_none_or(|t| query.text.contains(t))
            && self.stream.is_none_or(|s| s == query.stream)
            && self.header.iter().all(|(name, value)| {
                query
                    .headers
                    .get(name)
                    .is_some_and(|v| v.as_bytes() == value.as_bytes())
            })
    }
}

/// Whether `pattern` (`*` any run, `?` any one byte) matches all of `text`.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (mut p, mut t) = (pattern.as_bytes(), text.as_bytes());
    let mut back: Option<(&[u8], &[u8])> = None;
    loop {
        match (p.split_first(), t.split_first()) {
            (Some((b'*', rest)), _) => {
                back = Some((rest, t));
                p = rest;
            }
            (Some((want, p_rest)), Some((have, t_rest))) if want == have || *want == b'?' => {
                (p, t) = (p_rest, t_rest);
            }
            (None, None) => return true,
            (_, None) => return false,
            (_, Some(_)) => {
                let Some((after, at)) = back else {
                    return false;
                };
                let Some((_, next)) = at.split_first() else {
                    return false;
                };
                back = Some((after, next));
                (p, t) = (after, next);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rules: Vec<Value>,
    seed: Option<u64>,
    split: Option<SplitBytes>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    aws: Secrets,
    #[serde(default)]
    prices: Vec<ModelPrice>,
    #[serde(default)]
    bill_cancelled: CancelledBill,
    bill_input_on_start: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitBytes {
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelPrice {
    model: String,
    input: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    request: Option<u64>,
}

impl ModelPrice {
    fn named(self) -> (String, Price) {
        let usual = Price::default();
        let price = Price {
            input: self.input.unwrap_or(usual.input),
            cached: self.cached.unwrap_or(usual.cached),
            output: self.output.unwrap_or(usual.output),
            request: self.request.unwrap_or(usual.request),
        };
        (self.model, price)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    #[serde(default)]
    when: When,
    #[serde(rename = "do")]
    action: Value,
    times: Option<u64>,
}

impl RawRule {
    fn faults(&self) -> Vec<Value> {
        match self.action.as_array() {
            Some(several) => several.clone(),
            None => vec![self.action.clone()],
        }
    }
}

fn wrong(place: &str, what: &dyn std::fmt::Display) -> ScriptError {
    ScriptError {
        place: place.to_owned(),
        what: what.to_string(),
    }
}

//! Writes a request for a provider: all but its turns, its tools and what one family of
//! models understands.
//!
//! What came from this dialect is written as it was read. What came from
//! another is fitted to the API's rules; each step that changes something is a
//! reported loss, and nothing may be left out without one.

use super::family::{Family, Fields};
use crate::bedrock_converse::wire::write::{idle, lose_extra};
use crate::bedrock_converse::wire::{OWN, spelled};
use crate::chat::{Extra, OutputFormat, Request};
use crate::codec::TargetModel;
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};

/// Writes a request for a provider. Model and form of the answer stand in the path.
pub(crate) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let before = losses.as_slice().len();
    let ours = request.origin == OWN;
    let mut writing = Writing {
        request,
        ours,
        family: Family::of(target.model),
        max_tokens: request
            .max_output_tokens
            .filter(|_| !request.extra.noted(spelled::FAMILY_LIMIT) || !ours),
        losses,
    };
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        writing.messages(out);
        writing.tools(out);
        let fields = writing.family_fields();
        writing.inference(out, &fields);
        writing.write_family(out, &fields);
        writing.output(out);
        writing.rest(out);
    });
    losses.tell_in(request.words(), before);
    out.into_bytes()
}

/// A request on its way out.
pub(super) struct Writing<'a> {
    pub(super) request: &'a Request,
    /// Whether it came from this dialect.
    pub(super) ours: bool,
    pub(super) family: Family,
    pub(super) max_tokens: Option<u64>,
    pub(super) losses: &'a mut Losses,
}

/// Members of which the hub understands a part; the rest of them is kept under their name.
const SHARED: [&str; 4] = [
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "serviceTier",
];

impl<'a> Writing<'a> {
    pub(super) fn lost(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.tuning(path, LossKind::Dropped, why);
    }

    /// What was kept of a member that the hub understands in part.
    pub(super) fn shared(&self, name: &str) -> Option<&Json> {
        let rest = self.request.extra.get(name).filter(|_| self.ours)?;
        rest.text().starts_with('{').then_some(rest)
    }

    pub(super) fn write_rest(&self, out: &mut Writer, name: &str, except: &[&str]) {
        if let Some(rest) = self.shared(name) {
            rest.write_members(out, except);
        }
    }

    /// Writes how long the answer may be, how tokens are drawn, and where it ends.
    fn inference(&mut self, out: &mut Writer, fields: &Fields) {
        let request = self.request;
        let sampling = &request.sampling;
        let mut temperature = sampling.temperature.clone();
        let mut top_p = sampling.top_p.clone();
        if !self.ours {
            let thinking = "it is fixed where the model thinks";
            if fields.thinks && temperature.take_if(|t| value(t) != 1.0).is_some() {
                self.lost(self.request.words().temperature, thinking);
            }
            if fields.thinks && top_p.take_if(|p| value(p) < 0.95).is_some() {
                self.lost(self.request.words().top_p, thinking);
            }
            if self.family == Family::Claude
                && temperature.is_some()
                && top_p.take().is_some_and(|p| value(&p) != 1.0)
            {
                self.lost(
                    self.request.words().top_p,
                    "newer models take it or the temperature, not both",
                );
            }
            if temperature.take_if(|t| value(t) > 1.0).is_some() {
                let why = "1 is the most";
                self.losses.tuning(
                    self.request.words().temperature,
                    LossKind::Approximated,
                    why,
                );
                temperature = Json::parse("1").ok();
            }
            self.penalties();
        }
        let stops = self.stops();
        let said = self.max_tokens.is_some()
            || temperature.is_some()
            || top_p.is_some()
            || !stops.is_empty();
        if !said && !request.extra.noted(spelled::INFERENCE) {
            return;
        }
        out.key("inferenceConfig").object(|out| {
            if let Some(most) = self.max_tokens {
                out.key("maxTokens").number(most);
            }
            for (name, given) in [("temperature", temperature), ("topP", top_p)] {
                if let Some(given) = given {
                    out.key(name).json(&given);
                }
            }
            if !stops.is_empty() || request.extra.noted(spelled::NO_STOPS) {
                out.key("stopSequences").array(|out| {
                    stops.iter().for_each(|stop| {
                        out.string(stop);
                    });
                });
            }
            self.write_rest(out, "inferenceConfig", &[]);
        });
    }

    fn penalties(&mut self) {
        let sampling = &self.request.sampling;
        let words = self.request.words();
        let penalties = [
            (words.frequency_penalty, &sampling.frequency_penalty),
            (words.presence_penalty, &sampling.presence_penalty),
            (words.seed, &sampling.seed),
        ];
        for (name, given) in penalties {
            let given = given.as_ref();
            if given.is_some_and(|v| name == words.seed || value(v) != 0.0) {
                self.lost(name, "Converse has no such field");
            }
        }
        let bias = sampling.logit_bias.as_ref();
        if bias.is_some_and(|bias| bias.text() != "{}") {
            let why = "Converse has no such field";
            self.losses.functional("logit_bias", LossKind::Dropped, why);
        }
    }

    fn stops(&mut self) -> Vec<&'a str> {
        let request = self.request;
        let mut stops = Vec::new();
        for (at, stop) in request.stop.iter().enumerate() {
            if self.ours || !stop.trim().is_empty() {
                stops.push(stop.as_str());
                continue;
            }
            let why = "models refuse white space alone";
            let path = format!("{}[{at}]", request.words().stop);
            self.losses.functional(path, LossKind::Dropped, why);
        }
        stops
    }

    /// Writes the form of the answer.
    fn output(&mut self, out: &mut Writer) {
        let request = self.request;
        let mut format = None;
        match &request.output {
            Some(OutputFormat::JsonSchema {
                name,
                description,
                schema: Some(schema),
                strict,
                extra,
            }) => {
                format = Some((name, description, schema, extra));
                if !self.ours {
                    let at = request.words().schema;
                    if *strict == Some(false) {
                        let why = "the schema is always followed";
                        let path = format!("{at}.strict");
                        self.losses.tuning(path, LossKind::Approximated, why);
                    }
                    lose_extra(self.losses, at, extra);
                }
            }
            Some(OutputFormat::Json | OutputFormat::JsonSchema { .. }) => {
                let why = "answers in JSON need a schema";
                self.losses
                    .functional(request.words().output, LossKind::Dropped, why);
            }
            Some(OutputFormat::Text) | None => {}
        }
        let reasoning = request.reasoning.as_ref().filter(|_| self.ours);
        let reasoning = reasoning.filter(|r| !r.extra.noted(spelled::FAMILY_EFFORT));
        let effort = reasoning.and_then(|r| r.effort.as_ref());
        if format.is_none() && effort.is_none() && self.shared("outputConfig").is_none() {
            return;
        }
        out.key("outputConfig").object(|out| {
            if let Some((name, description, schema, extra)) = format {
                let words = [("name", name), ("description", description)];
                let extra = Some(extra).filter(|_| self.ours);
                out.key("textFormat")
                    .object(|out| write_format(out, words, schema, extra));
            }
            if let Some(effort) = effort {
                out.key("effort").string(effort.name());
            }
            self.write_rest(out, "outputConfig", &[]);
        });
    }

    fn rest(&mut self, out: &mut Writer) {
        let request = self.request;
        let tier = match request.service_tier.as_deref() {
            Some(tier) if self.ours => Some(tier),
            Some(tier @ ("default" | "priority" | "flex" | "reserved")) => Some(tier),
            Some(_) => {
                self.lost(
                    self.request.words().service_tier,
                    "the word means nothing here",
                );
                None
            }
            None => None,
        };
        if tier.is_some() || self.shared("serviceTier").is_some() {
            out.key("serviceTier").object(|out| {
                if let Some(tier) = tier {
                    out.key("type").string(tier);
                }
                self.write_rest(out, "serviceTier", &[]);
            });
        }
        if self.ours {
            let merged: Vec<&str> = SHARED
                .into_iter()
                .filter(|name| self.shared(name).is_some())
                .collect();
            let extra = request.extra.iter();
            for (name, value) in extra.filter(|(name, _)| !merged.contains(name)) {
                if !name.starts_with(FAMILY_FIELD) {
                    out.key(name).json(value);
                }
            }
            return;
        }
        if request.user.is_some() {
            self.lost(self.request.words().user, "Converse has no such field");
        }
        if request.candidates.is_some_and(|n| n > 1) {
            let why = "Converse gives one answer";
            let path = request.words().candidates;
            self.losses.functional(path, LossKind::Dropped, why);
        }
        for path in request.probabilities() {
            self.losses
                .functional(path, LossKind::Dropped, "Converse tells none");
        }
        let said = request.extra.said();
        for (name, _) in said.filter(|(_, value)| !idle(value)) {
            if request.extra.is_weighty(name) {
                let why = "Converse has no such field";
                self.losses.functional(name, LossKind::Dropped, why);
            } else {
                self.lost(name, "Converse has no such field");
            }
        }
    }
}

/// What the name of a field for the model begins with.
const FAMILY_FIELD: &str = "additionalModelRequestFields.";

pub(super) fn value(number: &Json) -> f64 {
    number.text().parse().unwrap_or(f64::NAN)
}

fn write_format(
    out: &mut Writer,
    words: [(&str, &Option<String>); 2],
    schema: &Json,
    extra: Option<&Extra>,
) {
    out.key("type").string("json_schema");
    out.key("structure").object(|out| {
        out.key("jsonSchema").object(|out| {
            out.key("schema").string(schema.text());
            for (name, word) in words {
                if let Some(word) = word {
                    out.key(name).string(word);
                }
            }
            if let Some(extra) = extra {
                extra.write(out);
            }
        });
    });
}

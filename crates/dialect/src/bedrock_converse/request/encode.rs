//! Writes a request for a provider: all but its turns and what one family of models
//! understands.
//!
//! What came from this dialect is written as it was read. What came from
//! another is fitted to the API's rules; each step that changes something is a
//! reported loss, and nothing may be left out without one.

use std::collections::BTreeSet;

use super::family::{Family, Fields};
use crate::bedrock_converse::wire::write::{idle, lose_extra};
use crate::bedrock_converse::wire::{OWN, spelled, write_cache};
use crate::chat::{Extra, OutputFormat, PartKind, Request, Tool, ToolChoice, ToolKind};
use crate::codec::TargetModel;
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};

/// Writes a request for a provider. Model and form of the answer stand in the path.
pub(crate) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut writing = Writing {
        request,
        ours: request.origin == OWN,
        family: Family::of(target.model),
        max_tokens: request.max_output_tokens,
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
    fn shared(&self, name: &str) -> Option<&Json> {
        let rest = self.request.extra.get(name).filter(|_| self.ours)?;
        rest.text().starts_with('{').then_some(rest)
    }

    fn write_rest(&self, out: &mut Writer, name: &str, except: &[&str]) {
        if let Some(rest) = self.shared(name) {
            rest.write_members(out, except);
        }
    }

    fn tools(&mut self, out: &mut Writer) {
        let request = self.request;
        let mut written = Vec::new();
        for (at, tool) in request.tools.iter().enumerate() {
            match &tool.kind {
                ToolKind::Hosted { .. } if !self.ours => {
                    let why = "only its own dialect has it";
                    self.losses
                        .functional(format!("tools[{at}]"), LossKind::Dropped, why);
                }
                ToolKind::Hosted { .. } | ToolKind::Function { .. } => written.push((at, tool)),
            }
        }
        let called = if self.ours || !written.is_empty() {
            BTreeSet::new()
        } else {
            self.called()
        };
        if !called.is_empty() {
            let why = "tools that past turns called are declared";
            self.losses.tuning("tools", LossKind::Approximated, why);
        }
        let choice = self.choice(&mut written);
        let nothing = written.is_empty() && called.is_empty() && choice.is_none();
        if nothing && !request.extra.noted(spelled::TOOLS) {
            return;
        }
        out.key("toolConfig").object(|out| {
            let listed = self
                .shared("toolConfig")
                .is_none_or(|rest| !has(rest, "tools"));
            if !self.ours || !written.is_empty() || listed {
                out.key("tools").array(|out| {
                    for (at, tool) in &written {
                        self.tool(out, *at, tool);
                    }
                    called.iter().for_each(|name| write_undeclared(out, name));
                });
            }
            if let Some(choice) = choice {
                self.write_choice(out, choice);
            }
            self.write_rest(out, "toolConfig", &["toolChoice"]);
        });
    }

    /// Names of the tools that past turns called, which the API wants to know even where no
    /// tool is offered any more.
    fn called(&self) -> BTreeSet<&'a str> {
        let parts = self.request.messages.iter().flat_map(|m| &m.parts);
        let names = parts.filter_map(|part| match &part.kind {
            PartKind::ToolCall(call) => Some(call.name.as_str()),
            PartKind::Text(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::Document(_)
            | PartKind::Reasoning(_)
            | PartKind::ToolResult(_)
            | PartKind::Refusal(_)
            | PartKind::Opaque(_) => None,
        });
        names.collect()
    }

    /// The choice of a tool, as far as the API has a word for it. It has none for `none`: then no
    /// tool is offered, where no past turn used any.
    fn choice(&mut self, written: &mut Vec<(usize, &Tool)>) -> Option<&'a ToolChoice> {
        let request = self.request;
        if request.parallel_tool_calls == Some(false) {
            let why = "Converse cannot ask for one tool at a time";
            let path = "parallel_tool_calls";
            self.losses.functional(path, LossKind::Dropped, why);
        }
        match &request.tool_choice {
            Some(ToolChoice::None) if written.is_empty() => None,
            Some(ToolChoice::None) if self.called().is_empty() => {
                written.clear();
                let why = "as none may be asked for, none is offered";
                self.losses.tuning("tools", LossKind::Dropped, why);
                None
            }
            Some(ToolChoice::None) => {
                let why = "Converse cannot forbid tools that it is told of";
                self.losses
                    .functional("tool_choice", LossKind::Dropped, why);
                None
            }
            Some(ToolChoice::Other(_)) if !self.ours => {
                let why = "only its own dialect knows it";
                self.losses
                    .functional("tool_choice", LossKind::Dropped, why);
                None
            }
            Some(ToolChoice::Auto) if written.is_empty() && !self.ours => None,
            choice => choice.as_ref(),
        }
    }

    fn write_choice(&self, out: &mut Writer, choice: &ToolChoice) {
        let kind = match choice {
            ToolChoice::Auto => "auto",
            ToolChoice::Required => "any",
            ToolChoice::Tool(_) => "tool",
            ToolChoice::None => return,
            ToolChoice::Other(raw) => {
                out.key("toolChoice").json(raw);
                return;
            }
        };
        out.key("toolChoice").object(|out| {
            out.key(kind).object(|out| {
                if let ToolChoice::Tool(name) = choice {
                    out.key("name").string(name);
                }
                let kept = self.shared("toolConfig").map(Json::reader);
                // The text is valid, so reading stops early only where it is no object.
                let _ = kept.map(|mut kept| {
                    kept.object(|key, member| {
                        let value = member.json()?;
                        if key == "toolChoice" {
                            value.write_members(out, &[]);
                        }
                        Ok(())
                    })
                });
            });
        });
    }

    fn tool(&mut self, out: &mut Writer, at: usize, tool: &Tool) {
        match &tool.kind {
            ToolKind::Hosted { raw, .. } => {
                out.json(raw);
            }
            ToolKind::Function { .. } => {
                out.object(|out| {
                    out.key("toolSpec")
                        .object(|out| write_spec(out, tool, self.ours));
                });
            }
        }
        if let Some(marker) = &tool.cache {
            write_cache(out, marker, self.ours);
        }
        if !self.ours {
            lose_extra(self.losses, &format!("tools[{at}]"), &tool.extra);
            if let Some(marker) = &tool.cache {
                let path = format!("tools[{at}].cache_control");
                lose_extra(self.losses, &path, &marker.extra);
            }
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
                self.lost("temperature", thinking);
            }
            if fields.thinks && top_p.take_if(|p| value(p) < 0.95).is_some() {
                self.lost("top_p", thinking);
            }
            if self.family == Family::Claude
                && temperature.is_some()
                && top_p.take().is_some_and(|p| value(&p) != 1.0)
            {
                self.lost("top_p", "newer models take it or the temperature, not both");
            }
            if temperature.take_if(|t| value(t) > 1.0).is_some() {
                let why = "1 is the most";
                self.losses
                    .tuning("temperature", LossKind::Approximated, why);
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
        let penalties = [
            ("frequency_penalty", &sampling.frequency_penalty),
            ("presence_penalty", &sampling.presence_penalty),
            ("seed", &sampling.seed),
        ];
        for (name, given) in penalties {
            let given = given.as_ref();
            if given.is_some_and(|v| name == "seed" || value(v) != 0.0) {
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
                self.lost("service_tier", "the word means nothing here");
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
            self.lost("user", "Converse has no such field");
        }
        if request.candidates.is_some_and(|n| n > 1) {
            let why = "Converse gives one answer";
            let path = request.words().candidates;
            self.losses.functional(path, LossKind::Dropped, why);
        }
        if request.logprobs.is_some_and(|l| l.enabled) {
            let why = "Converse tells none";
            self.losses.functional("logprobs", LossKind::Dropped, why);
        }
        let said = request.extra.said();
        for (name, _) in said.filter(|(n, v)| !(idle(v) || usual(n, v))) {
            if FUNCTIONAL.contains(&name) {
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

/// Fields of other dialects without which the answer is another one.
const FUNCTIONAL: [&str; 7] = [
    "audio",
    "modalities",
    "web_search_options",
    "functions",
    "function_call",
    "mcp_servers",
    "container",
];

/// Whether a field asks for what happens anyhow.
fn usual(name: &str, value: &Json) -> bool {
    name == "modalities" && value.text().split_whitespace().collect::<String>() == "[\"text\"]"
}

pub(super) fn value(number: &Json) -> f64 {
    number.text().parse().unwrap_or(f64::NAN)
}

/// Whether an object has a member of that name.
fn has(object: &Json, name: &str) -> bool {
    let mut found = false;
    // The text is valid, so reading stops early only where it is no object.
    let _ = object.reader().object(|key, member| {
        found |= key == name;
        member.skip().map(drop)
    });
    found
}

fn write_spec(out: &mut Writer, tool: &Tool, ours: bool) {
    let ToolKind::Function {
        name,
        description,
        parameters,
        strict,
    } = &tool.kind
    else {
        return;
    };
    out.key("name").string(name);
    let said = description.as_deref().filter(|d| ours || !d.is_empty());
    if let Some(description) = said {
        out.key("description").string(description);
    }
    if parameters.is_some() || !ours {
        out.key("inputSchema").object(|out| {
            out.key("json");
            match parameters {
                Some(schema) if ours => {
                    out.json(schema);
                }
                schema => write_schema(out, schema.as_ref()),
            }
        });
    }
    if let Some(strict) = strict.filter(|strict| *strict || ours) {
        out.key("strict").bool(strict);
    }
    if ours {
        tool.extra.write(out);
    }
}

/// Declares a tool of which only the name is known.
fn write_undeclared(out: &mut Writer, name: &str) {
    out.object(|out| {
        out.key("toolSpec").object(|out| {
            out.key("name").string(name);
            out.key("inputSchema").object(|out| {
                write_schema(out.key("json"), None);
            });
        });
    });
}

/// Writes a schema that says, as the models want it, that arguments are an object.
fn write_schema(out: &mut Writer, schema: Option<&Json>) {
    let Some(schema) = schema.filter(|schema| schema.text().starts_with('{')) else {
        out.raw(r#"{"type":"object","properties":{}}"#);
        return;
    };
    if has(schema, "type") {
        out.json(schema);
        return;
    }
    out.object(|out| {
        out.key("type").string("object");
        schema.write_members(out, &[]);
    });
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

//! Writes a request for a provider: all but its turns and its limits of thinking.
//!
//! What came from this dialect is written as it was read. What came from
//! another is fitted to the API's rules; each step that changes something is a
//! reported loss, and nothing may be left out without one.

use crate::anthropic::wire::write::{Blocks, lose_extra};
use crate::anthropic::wire::{OWN, spelled, write_cache};
use crate::chat::{Effort, Extra, OutputFormat, Place, Request, Tool, ToolChoice, ToolKind};
use crate::codec::TargetModel;
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};

/// Writes a request for a provider.
pub(crate) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let before = losses.as_slice().len();
    let ours = request.origin == OWN;
    let mut writing = Writing {
        request,
        places: if ours { Vec::new() } else { request.places() },
        ours,
        max_tokens: request
            .max_output_tokens
            .unwrap_or(target.default_max_tokens),
        adaptive: target.adaptive_thinking && !ours,
        effort: None,
        losses,
    };
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        out.key("model").string(target.model);
        out.key("max_tokens").number(writing.max_tokens);
        if request.stream || request.extra.noted(spelled::STREAM_OFF) {
            out.key("stream").bool(request.stream);
        }
        writing.messages(out);
        writing.tools(out);
        let thinks = writing.thinking(out);
        writing.sampling(out, thinks);
        writing.output(out);
        writing.rest(out);
    });
    losses.tell_in(request.words(), before);
    out.into_bytes()
}

/// A request on its way out.
pub(super) struct Writing<'a> {
    pub(super) request: &'a Request,
    /// Where its turns stood; empty for our own, which go on as they stood.
    pub(super) places: Vec<Place>,
    /// Whether it came from this dialect.
    pub(super) ours: bool,
    pub(super) max_tokens: u64,
    /// Whether the model is asked how hard to think, and not how long.
    pub(super) adaptive: bool,
    /// How hard it shall think, where it is asked that.
    pub(super) effort: Option<Effort>,
    pub(super) losses: &'a mut Losses,
}

/// Members of which the hub understands a part; the rest of them is kept under their name.
const SHARED: [&str; 3] = ["metadata", "tool_choice", "output_config"];

impl Writing<'_> {
    pub(super) fn lost(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.tuning(path, LossKind::Dropped, why);
    }

    pub(super) fn blocks(&mut self) -> Blocks<'_> {
        Blocks {
            ours: self.ours,
            answer: false,
            losses: self.losses,
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
                        .functional(request.tool_place(at), LossKind::Dropped, why);
                }
                ToolKind::Hosted { .. } | ToolKind::Function { .. } => written.push((at, tool)),
            }
        }
        if !written.is_empty() || request.extra.noted(spelled::NO_TOOLS) {
            out.key("tools").array(|out| {
                written
                    .iter()
                    .for_each(|(at, tool)| self.tool(out, *at, tool));
            });
        }
        self.tool_choice(out, !written.is_empty());
    }

    fn tool(&mut self, out: &mut Writer, at: usize, tool: &Tool) {
        let (name, description, parameters, strict) = match &tool.kind {
            ToolKind::Hosted { raw, .. } => {
                out.json(raw);
                return;
            }
            ToolKind::Function {
                name,
                description,
                parameters,
                strict,
            } => (name, description, parameters, strict),
        };
        out.object(|out| {
            if self.ours && tool.extra.noted(spelled::CUSTOM) {
                out.key("type").string("custom");
            }
            out.key("name").string(name);
            if let Some(description) = description {
                out.key("description").string(description);
            }
            match parameters {
                Some(schema) if self.ours => {
                    out.key("input_schema").json(schema);
                }
                None if self.ours => {}
                schema => write_schema(out.key("input_schema"), schema.as_ref()),
            }
            if let Some(strict) = strict.filter(|strict| *strict || self.ours) {
                out.key("strict").bool(strict);
            }
            if let Some(cache) = &tool.cache {
                write_cache(out, cache, self.ours);
            }
            if self.ours {
                tool.extra.write(out);
            }
        });
        if !self.ours {
            let path = self.request.tool_place(at);
            lose_extra(self.losses, &path, &tool.extra);
            if let Some(cache) = &tool.cache {
                lose_extra(self.losses, &format!("{path}.cache_control"), &cache.extra);
            }
        }
    }

    fn tool_choice(&mut self, out: &mut Writer, tools: bool) {
        let request = self.request;
        let single = request.parallel_tool_calls.map(|parallel| !parallel);
        let single = single.filter(|single| *single || self.ours);
        let (kind, name) = match &request.tool_choice {
            Some(ToolChoice::Auto | ToolChoice::None) if !tools && !self.ours => return,
            Some(ToolChoice::Auto) => ("auto", None),
            Some(ToolChoice::Required) => ("any", None),
            Some(ToolChoice::Tool(name)) => ("tool", Some(name)),
            Some(ToolChoice::None) => ("none", None),
            Some(ToolChoice::Other(raw)) if self.ours => {
                out.key("tool_choice").json(raw);
                return;
            }
            Some(ToolChoice::Other(_)) => {
                let why = "only its own dialect knows it";
                self.losses
                    .functional(self.request.words().tool_choice, LossKind::Dropped, why);
                return;
            }
            None if tools && single == Some(true) => ("auto", None),
            None => return,
        };
        out.key("tool_choice").object(|out| {
            out.key("type").string(kind);
            if let Some(name) = name {
                out.key("name").string(name);
            }
            if let Some(single) = single.filter(|_| self.ours || kind != "none") {
                out.key("disable_parallel_tool_use").bool(single);
            }
            self.write_rest(out, "tool_choice");
        });
    }

    /// Writes what was kept of a member that the hub understands in part.
    fn write_rest(&self, out: &mut Writer, name: &str) {
        if let Some(rest) = self.shared(name) {
            rest.write_members(out, &[]);
        }
    }

    fn shared(&self, name: &str) -> Option<&Json> {
        let rest = self.request.extra.get(name).filter(|_| self.ours)?;
        rest.text().starts_with('{').then_some(rest)
    }

    /// Writes the form of the answer and where it ends.
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
                format = Some((schema, extra));
                if !self.ours {
                    self.schema_words([name, description], *strict, extra);
                }
            }
            Some(OutputFormat::Json | OutputFormat::JsonSchema { .. }) => {
                let why = "answers in JSON need a schema";
                self.losses
                    .functional(request.words().output, LossKind::Dropped, why);
            }
            Some(OutputFormat::Text) | None => {}
        }
        let beta = format.filter(|(_, extra)| self.ours && extra.noted(spelled::OUTPUT_FORMAT));
        let effort = request.reasoning.as_ref().and_then(|r| r.effort.as_ref());
        let chosen = self.effort.take();
        let effort = effort.filter(|_| self.ours).or(chosen.as_ref());
        let write = |out: &mut Writer, (schema, extra): (&Json, &Extra)| {
            out.object(|out| {
                out.key("type").string("json_schema");
                out.key("schema").json(schema);
                if self.ours {
                    extra.write(out);
                }
            });
        };
        if let Some(format) = beta {
            write(out.key("output_format"), format);
        }
        let format = format.filter(|_| beta.is_none());
        if format.is_some() || effort.is_some() || self.shared("output_config").is_some() {
            out.key("output_config").object(|out| {
                if let Some(format) = format {
                    write(out.key("format"), format);
                }
                if let Some(effort) = effort {
                    out.key("effort").string(effort.name());
                }
                self.write_rest(out, "output_config");
            });
        }
    }

    fn schema_words(&mut self, words: [&Option<String>; 2], strict: Option<bool>, extra: &Extra) {
        let at = self.request.words().schema;
        for (word, name) in words.into_iter().zip(["name", "description"]) {
            if word.is_some() {
                self.lost(format!("{at}.{name}"), "the schema alone is sent");
            }
        }
        if strict == Some(false) {
            let why = "the schema is always followed";
            self.losses
                .tuning(format!("{at}.strict"), LossKind::Approximated, why);
        }
        lose_extra(self.losses, at, extra);
    }

    fn stops(&mut self, out: &mut Writer) {
        let request = self.request;
        let mut stops = Vec::new();
        for (at, stop) in request.stop.iter().enumerate() {
            if self.ours || !stop.trim().is_empty() {
                stops.push(stop);
                continue;
            }
            let why = "the API refuses white space alone";
            self.losses.functional(
                format!("{}[{at}]", request.words().stop),
                LossKind::Dropped,
                why,
            );
        }
        if !stops.is_empty() || request.extra.noted(spelled::NO_STOPS) {
            out.key("stop_sequences").array(|out| {
                stops.iter().for_each(|stop| {
                    out.string(stop);
                });
            });
        }
    }

    fn rest(&mut self, out: &mut Writer) {
        let request = self.request;
        self.stops(out);
        if request.user.is_some() || self.shared("metadata").is_some() {
            out.key("metadata").object(|out| {
                if let Some(user) = &request.user {
                    out.key("user_id").string(user);
                }
                self.write_rest(out, "metadata");
            });
        }
        match request.service_tier.as_deref() {
            Some(tier) if self.ours => {
                out.key("service_tier").string(tier);
            }
            Some("auto") => {
                out.key("service_tier").string("auto");
            }
            Some("default") => {
                out.key("service_tier").string("standard_only");
            }
            Some(_) => self.lost(
                self.request.words().service_tier,
                "the word means nothing here",
            ),
            None => {}
        }
        if self.ours {
            let merged: Vec<&str> = SHARED
                .into_iter()
                .filter(|name| self.shared(name).is_some())
                .collect();
            request.extra.write_but(out, &merged);
            return;
        }
        if request.candidates.is_some_and(|n| n > 1) {
            let why = "a message is one answer";
            let path = request.words().candidates;
            self.losses.functional(path, LossKind::Dropped, why);
        }
        for path in request.probabilities() {
            self.losses
                .functional(path, LossKind::Dropped, "messages carry none");
        }
        for (name, _) in request.extra.said() {
            if request.extra.is_weighty(name) {
                let why = "messages have no such field";
                self.losses.functional(name, LossKind::Dropped, why);
            } else {
                self.lost(name, "messages have no such field");
            }
        }
    }
}

/// Writes a schema that says, as the API wants it, that arguments are an object.
fn write_schema(out: &mut Writer, schema: Option<&Json>) {
    let Some(schema) = schema.filter(|schema| schema.text().starts_with('{')) else {
        out.raw(r#"{"type":"object","properties":{}}"#);
        return;
    };
    let mut typed = false;
    // The schema is an object, so the read cannot fail.
    let _ = schema.reader().object(|key, member| {
        typed |= key == "type";
        member.skip().map(drop)
    });
    if typed {
        out.json(schema);
        return;
    }
    out.object(|out| {
        out.key("type").string("object");
        schema.write_members(out, &[]);
    });
}

//! Writes a request for a provider: all but its turns and how tokens are drawn.
//!
//! What came from this dialect is written as it was read. What came from another
//! is fitted to what the API takes; each step that changes something is a reported
//! loss, and nothing may be left out without one.

use crate::chat::{OutputFormat, Request, Tool, ToolChoice, ToolKind};
use crate::codec::TargetModel;
use crate::cohere::wire::{NO_FIELD, OWN, lose_extra, spelled};
use crate::json::Writer;
use crate::loss::{LossKind, Losses};

/// Most stop texts that the API takes.
const STOPS: usize = 5;

/// Writes a request for a provider.
pub(crate) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let before = losses.as_slice().len();
    let mut writing = Writing {
        request,
        ours: request.origin == OWN,
        losses,
    };
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        out.key("model").string(target.model);
        writing.messages(out);
        writing.tools(out);
        writing.thinking(out);
        writing.sampling(out);
        writing.output(out);
        writing.limits(out);
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
    pub(super) losses: &'a mut Losses,
}

impl Writing<'_> {
    /// A field whose absence may change what the answer does.
    pub(super) fn dropped(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.functional(path, LossKind::Dropped, why);
    }

    /// A field whose absence tunes the answer.
    pub(super) fn left(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.tuning(path, LossKind::Dropped, why);
    }

    /// A field that something near stands in for.
    pub(super) fn near(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.tuning(path, LossKind::Approximated, why);
    }

    fn tools(&mut self, out: &mut Writer) {
        let request = self.request;
        let mut known = Vec::new();
        for (at, tool) in request.tools.iter().enumerate() {
            if matches!(tool.kind, ToolKind::Hosted { .. }) && !self.ours {
                let why = "the provider of another dialect runs it";
                self.dropped(request.tool_place(at), why);
            } else if self.is_called_for(tool) {
                known.push((at, tool));
            } else {
                let why = "the tool that must be called is sent alone";
                self.near(request.tool_place(at), why);
            }
        }
        if !known.is_empty() {
            out.key("tools").array(|out| {
                for (at, tool) in &known {
                    self.tool(out, *at, tool);
                }
            });
        }
        self.strictness(out, &known);
        self.tool_choice(out, &known);
    }

    /// Whether the tool is sent: all are, unless one is singled out, which this API does by
    /// requiring a call where there is no other tool.
    fn is_called_for(&self, tool: &Tool) -> bool {
        match (&self.request.tool_choice, &tool.kind) {
            (Some(ToolChoice::Tool(wanted)), ToolKind::Function { name, .. }) => {
                name == wanted || !self.has_tool(wanted)
            }
            _ => true,
        }
    }

    fn has_tool(&self, wanted: &str) -> bool {
        let named =
            |tool: &Tool| matches!(&tool.kind, ToolKind::Function { name, .. } if name == wanted);
        self.request.tools.iter().any(named)
    }

    fn tool(&mut self, out: &mut Writer, at: usize, tool: &Tool) {
        let ours = self.ours;
        match &tool.kind {
            ToolKind::Hosted { raw, .. } => {
                out.json(raw);
            }
            ToolKind::Function {
                name,
                description,
                parameters,
                strict: _,
            } => {
                out.object(|out| {
                    if !(ours && tool.extra.noted(spelled::UNTYPED)) {
                        out.key("type").string("function");
                    }
                    out.key("function").object(|out| {
                        out.key("name").string(name);
                        if let Some(description) = description {
                            out.key("description").string(description);
                        }
                        match parameters {
                            Some(schema) => {
                                out.key("parameters").json(schema);
                            }
                            None if ours => {}
                            None => {
                                let any = r#"{"type":"object","properties":{}}"#;
                                out.key("parameters").raw(any);
                            }
                        }
                        if ours {
                            tool.extra.write_inner(out, "function");
                        }
                    });
                    if ours {
                        tool.extra.write_but(out, &["function"]);
                    }
                });
            }
        }
        if !ours {
            lose_extra(self.losses, &self.request.tool_place(at), &tool.extra);
            if tool.cache.is_some() {
                let path = format!("{}.cache_control", self.request.tool_place(at));
                self.left(path, "Cohere caches by itself");
            }
        }
    }

    /// The schemas of all tools are followed exactly, or those of none.
    fn strictness(&mut self, out: &mut Writer, known: &[(usize, &Tool)]) {
        if self.ours {
            let noted = |note| self.request.extra.noted(note);
            if noted(spelled::STRICT) || noted(spelled::LENIENT) {
                out.key("strict_tools").bool(noted(spelled::STRICT));
            }
            return;
        }
        let is_strict = |tool: &Tool| {
            let strict = Some(true);
            matches!(&tool.kind, ToolKind::Function { strict: each, .. } if *each == strict)
        };
        if !known.iter().any(|(_, tool)| is_strict(tool)) {
            return;
        }
        out.key("strict_tools").bool(true);
        for (at, _) in known.iter().filter(|(_, tool)| !is_strict(tool)) {
            let why = "the schemas of all tools are followed exactly, or those of none";
            self.near(self.request.tool_place(*at), why);
        }
    }

    fn tool_choice(&mut self, out: &mut Writer, known: &[(usize, &Tool)]) {
        let request = self.request;
        if !self.ours && request.parallel_tool_calls == Some(false) {
            let why = "the model may ask for several tools at once";
            self.dropped(self.request.words().parallel, why);
        }
        let word = match &request.tool_choice {
            None | Some(ToolChoice::Auto) => return,
            Some(ToolChoice::None) if known.is_empty() && !self.ours => return,
            Some(ToolChoice::None) => "NONE",
            Some(ToolChoice::Required) => "REQUIRED",
            Some(ToolChoice::Tool(name)) if self.has_tool(name) => {
                let why = "a call is required, and there is no other tool";
                self.near(self.request.words().tool_choice, why);
                "REQUIRED"
            }
            Some(ToolChoice::Tool(_)) => {
                self.dropped(self.request.words().tool_choice, "there is no such tool");
                return;
            }
            Some(ToolChoice::Other(raw)) if self.ours => {
                out.key("tool_choice").json(raw);
                return;
            }
            Some(ToolChoice::Other(_)) => {
                self.dropped(
                    self.request.words().tool_choice,
                    "only its own dialect knows it",
                );
                return;
            }
        };
        out.key("tool_choice").string(word);
    }

    /// Writes the form of the answer, where it ends and what is told of it.
    fn output(&mut self, out: &mut Writer) {
        let request = self.request;
        let whole = self.ours && request.extra.get("response_format").is_some();
        if let Some(output) = request.output.as_ref().filter(|_| !whole) {
            self.format(out, output);
        }
        let stop = request.stop.as_slice();
        let sent = stop.get(..STOPS).filter(|_| !self.ours).unwrap_or(stop);
        if sent.len() < stop.len() {
            self.dropped(request.words().stop, "Cohere's chat takes five stop texts");
        }
        if !sent.is_empty() {
            out.key("stop_sequences").array(|out| {
                sent.iter().for_each(|text| {
                    out.string(text);
                });
            });
        }
        if let Some(logprobs) = request.logprobs {
            out.key("logprobs").bool(logprobs.enabled);
            if logprobs.top.is_some_and(|top| top > 0) {
                self.left(
                    self.request.words().top_logprobs,
                    "the probability of what was said is told alone",
                );
            }
        }
    }

    fn format(&mut self, out: &mut Writer, output: &OutputFormat) {
        let kind = match output {
            OutputFormat::Text => "text",
            OutputFormat::Json | OutputFormat::JsonSchema { .. } => "json_object",
        };
        out.key("response_format").object(|out| {
            out.key("type").string(kind);
            if let OutputFormat::JsonSchema {
                schema: Some(schema),
                ..
            } = output
            {
                out.key("json_schema").json(schema);
            }
        });
        let OutputFormat::JsonSchema {
            name,
            description,
            strict,
            extra,
            ..
        } = output
        else {
            return;
        };
        if self.ours {
            return;
        }
        let at = self.request.words().schema;
        for (word, said) in [("name", name), ("description", description)] {
            if said.is_some() {
                self.left(format!("{at}.{word}"), "the schema alone is sent");
            }
        }
        if *strict == Some(false) {
            self.near(format!("{at}.strict"), "the schema is always followed");
        }
        lose_extra(self.losses, at, extra);
    }

    fn limits(&mut self, out: &mut Writer) {
        let request = self.request;
        if let Some(most) = request.max_output_tokens {
            out.key("max_tokens").number(most);
        }
        if request.stream || self.ours && request.extra.noted(spelled::STREAM_OFF) {
            out.key("stream").bool(request.stream);
        }
    }

    fn rest(&mut self, out: &mut Writer) {
        let request = self.request;
        if self.ours {
            if request.extra.noted(spelled::NOT_RAW) {
                out.key("raw_prompting").bool(false);
            }
            request.extra.write(out);
            return;
        }
        if request.candidates.is_some_and(|n| n > 1) {
            let why = "Cohere's chat gives one answer";
            self.dropped(request.words().candidates, why);
        }
        if request.user.is_some() {
            self.left(self.request.words().user, NO_FIELD);
        }
        if request.service_tier.is_some() {
            self.left(
                self.request.words().service_tier,
                "another provider's tiers",
            );
        }
        for (name, _) in request.extra.said() {
            if request.extra.is_weighty(name) {
                self.dropped(name, NO_FIELD);
            } else {
                self.left(name, NO_FIELD);
            }
        }
    }
}

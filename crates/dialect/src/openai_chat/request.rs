//! Requests out of the hub: for the dialect they came from as they stood, from
//! another with every field that stays behind named as a loss.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>. The
//! head, requests into the hub and turns of a conversation have a page each below.

mod decode;
mod head;
mod turn;

pub(super) use decode::decode;
pub(crate) use head::head_stream_options;
pub(super) use head::{head, media, patch};

pub(super) use turn::places;

use self::turn::write_own_message;
use super::response::report_extra;
use super::wire::{OWN, spelled, told_tier, write_cache};
use crate::chat::{
    Effort, OutputFormat, ReasoningRequest, Request, Tool, ToolChoice, ToolKind, Words,
};
use crate::codec::TargetModel;
use crate::json::Writer;
use crate::loss::{LossKind, Losses};

/// What this dialect calls the parts of a request.
pub(super) const WORDS: Words = Words {
    stop: "stop",
    candidates: "n",
    output: "response_format",
    schema: "response_format.json_schema",
    reasoning: "reasoning",
    effort: "reasoning_effort",
    budget: "reasoning.max_tokens",
    within: &[
        ("arguments", "function.arguments"),
        ("citations", "../annotations"),
        ("detail", "image_url.detail"),
        ("input", "custom.input"),
        ("result", "content[]"),
        ("signature", ""),
        ("strict", "function.strict"),
        ("title", "file.filename"),
    ],
    ..Words::USUAL
};

/// The same where reasoning is asked for in an object.
const NESTED: Words = Words {
    effort: "reasoning.effort",
    ..WORDS
};

/// What that request calls its parts.
pub(super) fn words(request: &Request) -> &'static Words {
    let noted = |note| {
        request
            .reasoning
            .as_ref()
            .is_some_and(|r| r.extra.noted(note))
    };
    match noted(spelled::REASONING) {
        true => &NESTED,
        false => &WORDS,
    }
}

/// Most stop texts that OpenAI takes.
const STOPS: usize = 4;

/// Fields that mean the same, by the same name, elsewhere too.
pub(super) const SHARED: [&str; 5] = [
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];

/// Writes a request for a provider of this dialect.
pub(super) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let before = losses.as_slice().len();
    let mut pen = Pen {
        ours: request.origin == OWN,
        losses,
    };
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        out.key("model").string(target.model);
        out.key("messages").array(|out| {
            if pen.ours {
                let own = request.messages.iter();
                own.for_each(|message| write_own_message(out, message));
                return;
            }
            for (message, place) in request.messages.iter().zip(request.places()) {
                pen.message(out, message, &place);
            }
        });
        pen.tools(out, request);
        pen.sampling(out, request);
        pen.output(out, request);
        pen.reasoning(out, request);
        pen.limits(out, request, target);
        if pen.ours {
            request.extra.write_but(out, &["stream_options"]);
        } else {
            for (name, value) in request.extra.said() {
                if request.shares(OWN, name) {
                    out.key(name).json(value);
                    continue;
                }
                let why = "chat completions have no such field";
                if request.extra.is_weighty(name) {
                    pen.dropped(name, why);
                } else {
                    pen.left(name, why);
                }
            }
        }
    });
    losses.tell_in(request.words(), before);
    out.into_bytes()
}

/// What writes a request: whether it is our own, and where losses go.
struct Pen<'a> {
    ours: bool,
    losses: &'a mut Losses,
}

impl Pen<'_> {
    fn dropped(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.functional(path, LossKind::Dropped, why);
    }

    fn left(&mut self, path: impl Into<String>, why: &'static str) {
        self.losses.tuning(path, LossKind::Dropped, why);
    }

    fn tools(&mut self, out: &mut Writer, request: &Request) {
        let mut known = Vec::new();
        for (place, tool) in request.tools.iter().enumerate() {
            match tool.kind {
                ToolKind::Hosted { .. } if !self.ours => self.dropped(
                    request.tool_place(place),
                    "the provider of another dialect runs it",
                ),
                ToolKind::Hosted { .. } | ToolKind::Function { .. } => known.push(tool),
            }
            if !self.ours {
                let at = request.tool_place(place);
                report_extra(&tool.extra, &format!("{at}."), self.losses);
                if tool.cache.is_some() {
                    let at = format!("{at}.cache_control");
                    self.left(at, "chat completions cache by themselves");
                }
            }
        }
        if !known.is_empty() {
            out.key("tools").array(|out| {
                for tool in &known {
                    write_tool(out, tool, self.ours);
                }
            });
        }
        if known.is_empty() && !self.ours {
            return;
        }
        match &request.tool_choice {
            Some(ToolChoice::Other(_)) if !self.ours => {
                self.dropped(
                    request.words().tool_choice,
                    "only the dialect it came from knows it",
                );
            }
            Some(choice) => {
                out.key("tool_choice");
                let any = request.extra.noted(spelled::ANY);
                write_tool_choice(out, choice, any);
            }
            None => {}
        }
        if let Some(parallel) = request.parallel_tool_calls {
            out.key("parallel_tool_calls").bool(parallel);
        }
    }

    fn sampling(&mut self, out: &mut Writer, request: &Request) {
        let sampling = &request.sampling;
        for (name, value) in [
            ("temperature", &sampling.temperature),
            ("top_p", &sampling.top_p),
            ("frequency_penalty", &sampling.frequency_penalty),
            ("presence_penalty", &sampling.presence_penalty),
            ("seed", &sampling.seed),
            ("logit_bias", &sampling.logit_bias),
        ] {
            if let Some(value) = value {
                out.key(name).json(value);
            }
        }
        match &sampling.top_k {
            Some(top_k) if self.ours => {
                out.key("top_k").json(top_k);
            }
            Some(_) => self.left(request.words().top_k, "chat completions have no such field"),
            None => {}
        }
    }

    /// What the answer shall be: its form, its ends, how many.
    fn output(&mut self, out: &mut Writer, request: &Request) {
        if request.extra.get("response_format").is_none() || !self.ours {
            write_output(out, request.output.as_ref());
        }
        if let Some(OutputFormat::JsonSchema { strict: None, .. }) = request.output
            && !self.ours
        {
            let why = "followed as well as the model can, since not every schema can be enforced";
            let path = request.words().output;
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        let stop = request.stop.as_slice();
        let sent = match self.ours {
            true => stop,
            false => stop.get(..STOPS).unwrap_or(stop),
        };
        if sent.len() < stop.len() {
            self.dropped(
                request.words().stop,
                "chat completions take four stop texts",
            );
        }
        match sent {
            [] => {}
            [only] if request.stop_bare => {
                out.key("stop").string(only);
            }
            several => {
                out.key("stop").array(|out| {
                    for text in several {
                        out.string(text);
                    }
                });
            }
        }
        if let Some(n) = request.candidates {
            out.key("n").number(n);
        }
        if let Some(logprobs) = request.logprobs {
            out.key("logprobs").bool(logprobs.enabled);
            if let Some(top) = logprobs.top {
                out.key("top_logprobs").number(top);
            }
        }
        if let Some(user) = &request.user {
            out.key("user").string(user);
        }
        let shared = self.ours || request.shares(OWN, "service_tier");
        match &request.service_tier {
            Some(tier) if shared && told_tier(Some(tier), self.ours).is_some() => {
                out.key("service_tier").string(tier);
            }
            Some(_) => self.left(request.words().service_tier, "another provider's tiers"),
            None => {}
        }
    }

    fn reasoning(&mut self, out: &mut Writer, request: &Request) {
        let Some(asked) = &request.reasoning else {
            return;
        };
        if self.ours {
            write_own_reasoning(out, asked);
            return;
        }
        let words = request.words();
        report_extra(&asked.extra, &format!("{}.", words.reasoning), self.losses);
        let (path, effort) = match (&asked.effort, asked.budget_tokens) {
            _ if asked.enabled == Some(false) => {
                let why = "left to the model, which may have no switch";
                self.left(words.reasoning, why);
                if asked.effort.is_some() {
                    self.left(words.effort, "reasoning is off");
                }
                return;
            }
            (Some(effort), budget) => {
                if budget.is_some() {
                    self.left(words.budget, "the effort says how much");
                }
                if *effort != Effort::Max {
                    out.key("reasoning_effort").string(effort.name());
                    return;
                }
                (words.effort, "high")
            }
            (None, Some(..2048)) => (words.budget, "low"),
            (None, Some(..16384)) => (words.budget, "medium"),
            (None, Some(_)) => (words.budget, "high"),
            (None, None) => {
                self.left(words.reasoning, "how much is left to the model");
                return;
            }
        };
        out.key("reasoning_effort").string(effort);
        self.losses.tuning(
            path,
            LossKind::Approximated,
            "chat completions know efforts in a few words",
        );
    }

    fn limits(&mut self, out: &mut Writer, request: &Request, target: &TargetModel<'_>) {
        let extra = &request.extra;
        if let Some(most) = request.max_output_tokens {
            let older = self.ours && extra.noted(spelled::MAX_TOKENS);
            out.key(if older {
                "max_tokens"
            } else {
                "max_completion_tokens"
            });
            out.number(most);
        }
        if request.stream || (self.ours && extra.noted(spelled::STREAM_OFF)) {
            out.key("stream").bool(request.stream);
        }
        let usage = request.stream && target.force_usage || self.ours && request.stream_usage;
        let options = extra.get("stream_options").filter(|_| self.ours);
        let off = self.ours && extra.noted(spelled::USAGE_OFF);
        match options {
            Some(null) if null.is_null() && !usage => {
                out.key("stream_options").null();
            }
            None if !usage && !off => {}
            options => {
                out.key("stream_options").object(|out| {
                    let except: &[&str] = if usage { &["include_usage"] } else { &[] };
                    if let Some(options) = options {
                        options.write_members(out, except);
                    }
                    if usage || off {
                        out.key("include_usage").bool(usage);
                    }
                });
            }
        }
    }
}

fn write_tool(out: &mut Writer, tool: &Tool, ours: bool) {
    let ToolKind::Function {
        name,
        description,
        parameters,
        strict,
    } = &tool.kind
    else {
        if let ToolKind::Hosted { raw, .. } = &tool.kind {
            out.json(raw);
        }
        return;
    };
    out.object(|out| {
        if !(ours && tool.extra.noted(spelled::UNTYPED)) {
            out.key("type").string("function");
        }
        out.key("function").object(|out| {
            out.key("name").string(name);
            if let Some(description) = description {
                out.key("description").string(description);
            }
            if let Some(parameters) = parameters {
                out.key("parameters").json(parameters);
            }
            if let Some(strict) = strict {
                out.key("strict").bool(*strict);
            }
            if ours {
                tool.extra.write_inner(out, "function");
            }
        });
        if ours {
            if let Some(cache) = &tool.cache {
                write_cache(out, cache);
            }
            tool.extra.write_but(out, &["function"]);
        }
    });
}

fn write_tool_choice(out: &mut Writer, choice: &ToolChoice, any: bool) {
    match choice {
        ToolChoice::Auto => {
            out.string("auto");
        }
        ToolChoice::None => {
            out.string("none");
        }
        ToolChoice::Required if any => {
            out.string("any");
        }
        ToolChoice::Required => {
            out.string("required");
        }
        ToolChoice::Tool(name) => {
            out.object(|out| {
                out.key("type").string("function");
                out.key("function").object(|out| {
                    out.key("name").string(name);
                });
            });
        }
        ToolChoice::Other(raw) => {
            out.json(raw);
        }
    }
}

fn write_output(out: &mut Writer, output: Option<&OutputFormat>) {
    let Some(output) = output else { return };
    out.key("response_format").object(|out| match output {
        OutputFormat::Text => {
            out.key("type").string("text");
        }
        OutputFormat::Json => {
            out.key("type").string("json_object");
        }
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
            extra,
        } => {
            out.key("type").string("json_schema");
            out.key("json_schema").object(|out| {
                out.key("name").string(name.as_deref().unwrap_or("answer"));
                if let Some(description) = description {
                    out.key("description").string(description);
                }
                if let Some(schema) = schema {
                    out.key("schema").json(schema);
                }
                if let Some(strict) = strict {
                    out.key("strict").bool(*strict);
                }
                extra.write_but(out, &["name"]);
            });
        }
    });
}

fn write_own_reasoning(out: &mut Writer, asked: &ReasoningRequest) {
    let effort = asked.effort.as_ref().map(Effort::name);
    if !asked.extra.noted(spelled::REASONING) {
        if let Some(effort) = effort {
            out.key("reasoning_effort").string(effort);
        }
        return;
    }
    out.key("reasoning").object(|out| {
        if let Some(effort) = effort {
            out.key("effort").string(effort);
        }
        if let Some(budget) = asked.budget_tokens {
            out.key("max_tokens").number(budget);
        }
        if let Some(enabled) = asked.enabled {
            out.key("enabled").bool(enabled);
        }
        asked.extra.write(out);
    });
}

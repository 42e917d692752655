//! Requests out of the hub: for the dialect they came from as they stood, from
//! another with every field that stays behind named as a loss.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/create>. The
//! head, items that stand for what the provider keeps, requests into the hub and the
//! turns of a conversation have a page each below.

mod count;
mod decode;
mod head;
mod stored;
mod turn;

pub(super) use decode::decode;
pub(super) use head::{head, media, patch};

use self::decode::includes;
pub(super) use turn::places;

use super::wire::write::{is_idle, report_extra};
use super::wire::{MESSAGE, OWN, TIERS, spelled};
use crate::chat::{Effort, OutputFormat, Request, Tool, ToolChoice, ToolKind, Words};
use crate::codec::TargetModel;
use crate::json::{Json, Writer};
use crate::loss::{LossKind, Losses};

/// What this dialect calls the parts of a request; it has no word for stops and several answers.
pub(super) const WORDS: Words = Words {
    stop: "stop",
    candidates: "n",
    output: "text.format",
    schema: "text.format",
    reasoning: "reasoning",
    effort: "reasoning.effort",
    budget: "reasoning.max_tokens",
    logprobs: "include",
    within: &[
        ("cache_control", "prompt_cache_breakpoint"),
        ("citations", "annotations"),
        (MESSAGE, "../"),
        ("result", "output[]"),
        ("signature", ""),
        ("title", "filename"),
        ("tool_call_id", "call_id"),
    ],
    ..Words::USUAL
};

/// Fields that mean the same, by the same name, elsewhere too.
pub(super) const SHARED: [&str; 5] = [
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];

/// Before the names of fields that stand in `text` beside the form of the answer.
const TEXT: &str = "text.";

/// Writes a request for a provider of this dialect.
pub(super) fn encode(request: &Request, target: &TargetModel<'_>, losses: &mut Losses) -> Vec<u8> {
    let before = losses.as_slice().len();
    let mut pen = Pen {
        ours: request.origin == OWN,
        losses,
    };
    let mut out = Writer::with_capacity(1024);
    out.object(|out| {
        // A prompt that the provider keeps may name the model.
        if !target.model.is_empty() {
            out.key("model").string(target.model);
        }
        pen.input(out, request);
        pen.tools(out, request);
        pen.sampling(out, request);
        pen.output(out, request);
        pen.reasoning(out, request);
        pen.limits(out, request);
        pen.rest(out, request);
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
            let at = request.tool_place(place);
            match tool.kind {
                ToolKind::Hosted { .. } if !self.ours => {
                    self.dropped(&at, "the provider of another dialect runs it");
                }
                ToolKind::Hosted { .. } | ToolKind::Function { .. } => known.push(tool),
            }
            if !self.ours {
                report_extra(&tool.extra, &format!("{at}."), self.losses);
                if tool.cache.is_some() {
                    let at = format!("{at}.cache_control");
                    self.left(at, "responses cache by themselves");
                }
            }
        }
        if !known.is_empty() {
            out.key("tools").array(|out| {
                known
                    .iter()
                    .for_each(|tool| write_tool(out, tool, self.ours));
            });
        }
        match &request.tool_choice {
            Some(ToolChoice::Other(_)) if !self.ours => {
                self.dropped(
                    request.words().tool_choice,
                    "only the dialect it came from knows it",
                );
            }
            _ if known.is_empty() && !self.ours => return,
            Some(choice) => write_tool_choice(out.key("tool_choice"), choice),
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
        ] {
            if let Some(value) = value {
                out.key(name).json(value);
            }
        }
        const NONE: &str = "responses have no such field";
        let words = request.words();
        for (name, value) in [
            (words.frequency_penalty, &sampling.frequency_penalty),
            (words.presence_penalty, &sampling.presence_penalty),
        ] {
            if value.as_ref().is_some_and(|value| !is_zero(value)) {
                self.left(name, NONE);
            }
        }
        for (name, value) in [(words.top_k, &sampling.top_k), (words.seed, &sampling.seed)] {
            if value.is_some() {
                self.left(name, NONE);
            }
        }
        if let Some(bias) = &sampling.logit_bias
            && bias.text() != "{}"
        {
            self.dropped("logit_bias", NONE);
        }
    }

    /// What the answer shall be: its form, its ends, how many.
    fn output(&mut self, out: &mut Writer, request: &Request) {
        let mut beside = request
            .extra
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(TEXT)?, value)))
            .filter(|_| self.ours)
            .peekable();
        if request.output.is_some() || beside.peek().is_some() {
            out.key("text").object(|out| {
                if let Some(output) = &request.output {
                    write_output(out, output);
                }
                for (name, value) in beside {
                    out.key(name).json(value);
                }
            });
        }
        if self.ours {
            return;
        }
        if let Some(OutputFormat::JsonSchema {
            schema,
            strict,
            name,
            ..
        }) = &request.output
        {
            let path = request.words().output;
            if schema.is_none() {
                self.dropped(path, "a form needs its schema");
            }
            // Where schemas have names they say themselves whether they bind.
            if strict.is_none() && name.is_none() {
                let why =
                    "followed as well as the model can, since not every schema can be enforced";
                self.losses.tuning(path, LossKind::Approximated, why);
            }
        }
        if !request.stop.is_empty() {
            let why = "responses end at no text";
            self.dropped(request.words().stop, why);
        }
        if request.candidates.is_some_and(|n| n > 1) {
            self.dropped(request.words().candidates, "a response is one answer");
        }
    }

    fn reasoning(&mut self, out: &mut Writer, request: &Request) {
        let Some(asked) = &request.reasoning else {
            return;
        };
        if self.ours {
            out.key("reasoning").object(|out| {
                if let Some(effort) = &asked.effort {
                    out.key("effort").string(effort.name());
                }
                asked.extra.write(out);
            });
            return;
        }
        let words = request.words();
        report_extra(&asked.extra, &format!("{}.", words.reasoning), self.losses);
        let (path, effort) = match (&asked.effort, asked.budget_tokens) {
            _ if asked.enabled == Some(false) => {
                if asked.effort == Some(Effort::None) {
                    write_effort(out, "none");
                    return;
                }
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
                    write_effort(out, effort.name());
                    return;
                }
                (words.effort, "xhigh")
            }
            (None, Some(..2048)) => (words.budget, "low"),
            (None, Some(..16384)) => (words.budget, "medium"),
            (None, Some(_)) => (words.budget, "high"),
            (None, None) => {
                self.left(words.reasoning, "how much is left to the model");
                return;
            }
        };
        write_effort(out, effort);
        let why = "responses know efforts in a few words";
        self.losses.tuning(path, LossKind::Approximated, why);
    }

    fn limits(&mut self, out: &mut Writer, request: &Request) {
        let extra = &request.extra;
        if let Some(most) = request.max_output_tokens {
            out.key("max_output_tokens").number(most);
        }
        if request.stream || (self.ours && extra.noted(spelled::STREAM_OFF)) {
            out.key("stream").bool(request.stream);
        }
        if let Some(user) = &request.user {
            out.key("user").string(user);
        }
        match request.service_tier.as_deref() {
            Some(tier) if self.ours || TIERS.contains(&tier) => {
                out.key("service_tier").string(tier);
            }
            Some(_) => self.left(request.words().service_tier, "another provider's tiers"),
            None => {}
        }
        if let Some(top) = request.logprobs.and_then(|asked| asked.top) {
            out.key("top_logprobs").number(top);
        }
    }

    /// What asks for more of the answer, and what the hub has no word for.
    fn rest(&mut self, out: &mut Writer, request: &Request) {
        if self.ours {
            let rest = request.extra.iter();
            for (name, value) in rest.filter(|(name, _)| !name.starts_with(TEXT)) {
                out.key(name).json(value);
            }
            return;
        }
        // Other dialects keep nothing at the provider.
        out.key("store").bool(false);
        let [logprobs, sealed] = includes();
        let reasons = request.reasoning.as_ref();
        let reasons = reasons.is_some_and(|asked| asked.enabled != Some(false));
        let likely = request.logprobs.is_some_and(|asked| asked.enabled);
        if reasons || likely {
            out.key("include").array(|out| {
                if likely {
                    out.string(logprobs);
                }
                if reasons {
                    out.string(sealed);
                }
            });
        }
        for (name, value) in request.extra.said() {
            if is_idle(value) {
                continue;
            }
            if request.shares(OWN, name) {
                out.key(name).json(value);
                continue;
            }
            let why = "responses have no such field";
            if request.extra.is_weighty(name) {
                self.dropped(name, why);
            } else {
                self.left(name, why);
            }
        }
    }
}

/// Whether a penalty asks for nothing.
fn is_zero(value: &Json) -> bool {
    value.text().trim_end_matches(['0', '.']).is_empty()
}

fn write_effort(out: &mut Writer, effort: &str) {
    out.key("reasoning").object(|out| {
        out.key("effort").string(effort);
    });
}

fn write_tool(out: &mut Writer, tool: &Tool, ours: bool) {
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
        out.key("type").string("function");
        out.key("name").string(name);
        if let Some(description) = description {
            out.key("description").string(description);
        }
        match parameters {
            Some(parameters) => {
                out.key("parameters").json(parameters);
            }
            None if ours => {}
            None => {
                let empty = r#"{"type":"object","properties":{}}"#;
                out.key("parameters").raw(empty);
            }
        }
        match strict {
            Some(strict) => {
                out.key("strict").bool(*strict);
            }
            None if ours => {}
            // Unsaid it would be on here, and off elsewhere.
            None => {
                out.key("strict").bool(false);
            }
        }
        if ours {
            tool.extra.write(out);
        }
    });
}

fn write_tool_choice(out: &mut Writer, choice: &ToolChoice) {
    match choice {
        ToolChoice::Auto => out.string("auto"),
        ToolChoice::None => out.string("none"),
        ToolChoice::Required => out.string("required"),
        ToolChoice::Tool(name) => out.object(|out| {
            out.key("type").string("function");
            out.key("name").string(name);
        }),
        ToolChoice::Other(raw) => out.json(raw),
    };
}

fn write_output(out: &mut Writer, output: &OutputFormat) {
    out.key("format").object(|out| match output {
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
            if let Some(name) = name {
                out.key("name").string(name);
            } else if extra.get("name").is_none() {
                out.key("name").string("answer");
            }
            if let Some(description) = description {
                out.key("description").string(description);
            }
            if let Some(schema) = schema {
                out.key("schema").json(schema);
            }
            if let Some(strict) = strict {
                out.key("strict").bool(*strict);
            }
            extra.write(out);
        }
    });
}

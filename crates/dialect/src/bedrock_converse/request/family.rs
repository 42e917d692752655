//! What only a family of models understands, and where each has its words for it:
//! `additionalModelRequestFields`.
//!
//! - Claude: `thinking`, `top_k`
//! - Nova: `reasoningConfig`, `inferenceConfig.topK`
//! - OpenAI's open models: `reasoning_effort`
//!
//! A family is told by the model's name, which an ARN of a profile may hide; then
//! nothing of this is sent, and that is a loss.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.

use super::encode::Writing;
use crate::bedrock_converse::wire::write::lose_extra;
use crate::bedrock_converse::wire::{OWN, spelled};
use crate::chat::{
    Effort, Extra, Message, Part, PartKind, ReasoningRequest, Request, Role, ToolChoice, given,
};
use crate::json::{Invalid, Json, Kind, Reader, Span, Writer};
use crate::loss::LossKind;

/// The member that holds what only the model understands.
pub(super) const FIELDS: &str = "additionalModelRequestFields";

/// Who made a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Claude,
    Nova,
    OpenModels,
    Other,
}

impl Family {
    pub(super) fn of(model: &str) -> Self {
        const NAMES: [(&str, Family); 3] = [
            ("claude", Family::Claude),
            ("amazon.nova", Family::Nova),
            ("openai.gpt", Family::OpenModels),
        ];
        let known = NAMES.iter().find(|(name, _)| model.contains(name));
        known.map_or(Family::Other, |(_, family)| *family)
    }
}

/// Whether a member of the fields for the model asks it to reason; the member stays unread.
pub(super) fn asks_to_reason(key: &str, member: &Reader<'_>) -> Result<bool, Invalid> {
    let mut value = member.clone();
    Ok(match (key, value.peek()?) {
        ("thinking" | "reasoningConfig" | "reasoning_config", Kind::Object) => {
            let raw = value.raw()?;
            !raw.contains("\"disabled\"")
        }
        ("reasoning_effort" | "reasoning_config", Kind::String) => value.string()? != "none",
        _ => false,
    })
}

/// Reads the fields for the model: what the hub has words for, and the rest as it stood.
pub(super) fn read(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let mut whole = reader.clone();
    let mut rest = Extra::default();
    let mut empty = true;
    reader.object(|key, member| {
        empty = false;
        match (key, member.peek()?) {
            ("thinking", Kind::Object) => read_thinking(request, member)?,
            ("top_k", Kind::Number) if request.sampling.top_k.is_none() => {
                request.sampling.top_k = Some(member.json()?);
            }
            ("inferenceConfig", Kind::Object) if request.sampling.top_k.is_none() => {
                let inner = read_nested(request, member)?;
                rest.keep_inner(key, &inner);
            }
            ("reasoning_effort", Kind::String) if !has_effort(request) => {
                let effort = Effort::by_name(&member.string()?);
                let reasoning = request.reasoning.get_or_insert_default();
                reasoning.effort = Some(effort);
                reasoning.extra.note(spelled::FAMILY_EFFORT);
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    if empty {
        request.extra.push(FIELDS, whole.json()?);
    }
    // Each is named by itself, should it be lost.
    for (name, value) in rest.iter() {
        request
            .extra
            .push(&format!("{FIELDS}.{name}"), value.clone());
    }
    Ok(())
}

/// The limit of output as models take it themselves.
const LIMIT: &str = "max_tokens";

/// Reads the limit of output that a model is told past the API's own, which goes before it.
pub(super) fn read_limit(
    reader: &mut Reader<'_>,
    found: &mut Option<(u64, Span)>,
) -> Result<(), Invalid> {
    let mut known = Ok(());
    reader.object(|key, member| {
        if key == LIMIT && member.peek()? == Kind::Number {
            let span = member.clone().skip()?;
            if found.replace((member.u64()?, span)).is_some() {
                known = Err(Invalid::new("this member stands here twice"));
            }
            return Ok(());
        }
        member.skip().map(drop)
    })?;
    known
}

/// Takes that limit for the request's, where the API's own is not said.
pub(super) fn take_limit(request: &mut Request) {
    let path = format!("{FIELDS}.{LIMIT}");
    let told = request.extra.get(&path);
    let told = told.and_then(|limit| limit.text().parse::<u64>().ok());
    if request.max_output_tokens.is_none() && told.is_some() {
        request.max_output_tokens = told;
        request.extra.take(&path);
        request.extra.note(spelled::FAMILY_LIMIT);
    }
}

/// Whether the effort was told already; what tells it again is kept as it stands.
pub(super) fn has_effort(request: &Request) -> bool {
    request
        .reasoning
        .as_ref()
        .is_some_and(|r| r.effort.is_some())
}

fn read_nested(request: &mut Request, reader: &mut Reader<'_>) -> Result<Extra, Invalid> {
    let mut inner = Extra::default();
    reader.object(|key, member| {
        if key == "topK" && member.peek()? == Kind::Number {
            request.sampling.top_k = Some(member.json()?);
            request.extra.note(spelled::NESTED_TOP_K);
            return Ok(());
        }
        inner.push(key, member.json()?);
        Ok(())
    })?;
    Ok(inner)
}

fn read_thinking(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    let reasoning = request.reasoning.get_or_insert_default();
    reader.object(|key, member| {
        match key {
            "type" => {
                let mut value = member.clone();
                match &*member.string()? {
                    "enabled" => reasoning.enabled = Some(true),
                    "disabled" => reasoning.enabled = Some(false),
                    "adaptive" => reasoning.extra.note(spelled::ADAPTIVE),
                    _ => reasoning.extra.push(key, value.json()?),
                }
            }
            "budget_tokens" => {
                reasoning.budget_tokens = given(member, &mut reasoning.extra, key, Reader::u64)?;
            }
            _ => reasoning.extra.push(key, member.json()?),
        }
        Ok(())
    })
}

/// Least tokens that Claude takes as a budget for thinking.
const LEAST_BUDGET: u64 = 1024;
/// The budget where thinking is wanted and nothing is said of how much.
const MIDDLE_BUDGET: u64 = 8192;

/// The budget of tokens that a word stands for.
fn tokens(effort: &Effort) -> Option<u64> {
    match effort {
        Effort::None | Effort::Other(_) => None,
        Effort::Minimal | Effort::Low => Some(LEAST_BUDGET),
        Effort::Medium => Some(MIDDLE_BUDGET),
        Effort::High => Some(16_384),
        Effort::XHigh | Effort::Max => Some(32_768),
    }
}

/// The word among three that a wish for reasoning comes to; none where it is off or unknown.
fn level(reasoning: &ReasoningRequest) -> Option<&'static str> {
    match (&reasoning.effort, reasoning.budget_tokens) {
        (Some(Effort::None | Effort::Other(_)), _) => None,
        (Some(Effort::Minimal | Effort::Low), _) => Some("low"),
        (Some(Effort::Medium), _) => Some("medium"),
        (Some(Effort::High | Effort::XHigh | Effort::Max), _) => Some("high"),
        (None, Some(0..2048)) => Some("low"),
        (None, Some(2048..16_384)) => Some("medium"),
        (None, Some(_)) => Some("high"),
        (None, None) => (reasoning.enabled == Some(true)).then_some("medium"),
    }
}

/// What is asked of the model in words of its family.
#[derive(Default)]
pub(super) struct Fields {
    /// Members, as JSON.
    members: Vec<(&'static str, Json)>,
    /// Whether the model thinks, which fixes most of how tokens are drawn.
    pub(super) thinks: bool,
}

impl Writing<'_> {
    /// The fields for the model that the hub's wishes come to.
    pub(super) fn family_fields(&mut self) -> Fields {
        let mut fields = Fields::default();
        if let Some(reasoning) = &self.request.reasoning {
            if self.ours {
                own_reasoning(reasoning, &mut fields);
            } else {
                self.reasoning(reasoning, &mut fields);
            }
        }
        if self.ours && self.request.extra.noted(spelled::FAMILY_LIMIT) {
            let limit = self.request.max_output_tokens.map(|most| {
                Json::written(|out| {
                    out.number(most);
                })
            });
            fields.members.extend(limit.map(|limit| (LIMIT, limit)));
        }
        let Some(top_k) = &self.request.sampling.top_k else {
            return fields;
        };
        let nested = if self.ours {
            Some(self.request.extra.noted(spelled::NESTED_TOP_K))
        } else {
            match self.family {
                Family::Claude => Some(false),
                Family::Nova => Some(true),
                Family::OpenModels | Family::Other => None,
            }
        };
        match nested {
            _ if fields.thinks && !self.ours => {
                self.lost(
                    self.request.words().top_k,
                    "it is fixed where the model thinks",
                );
            }
            None => self.lost(
                self.request.words().top_k,
                "this model is not known to take it",
            ),
            Some(false) => fields.members.push(("top_k", top_k.clone())),
            Some(true) => fields.members.push((NESTED, top_k.clone())),
        }
        fields
    }

    /// Writes them, with what of our own fields was kept as it stood.
    pub(super) fn write_family(&self, out: &mut Writer, fields: &Fields) {
        let kept: Vec<(&str, &Json)> = match self.ours {
            true => kept_fields(&self.request.extra).collect(),
            false => Vec::new(),
        };
        if fields.members.is_empty() && kept.is_empty() {
            return;
        }
        let nested = kept.iter().find(|(name, _)| *name == NESTED);
        out.key(FIELDS).object(|out| {
            for (name, value) in &fields.members {
                if *name != NESTED {
                    out.key(name).json(value);
                    continue;
                }
                out.key(NESTED).object(|out| {
                    out.key("topK").json(value);
                    if let Some((_, nested)) = nested {
                        nested.write_members(out, &[]);
                    }
                });
            }
            let merged = fields.members.iter().any(|(name, _)| *name == NESTED);
            for (name, value) in &kept {
                if !(merged && *name == NESTED) {
                    out.key(name).json(value);
                }
            }
        });
    }

    fn reasoning(&mut self, reasoning: &ReasoningRequest, fields: &mut Fields) {
        let words = self.request.words();
        lose_extra(self.losses, words.reasoning, &reasoning.extra);
        let off = reasoning.enabled == Some(false) || reasoning.effort == Some(Effort::None);
        let path = match (&reasoning.effort, reasoning.budget_tokens) {
            (_, Some(_)) => words.budget,
            (Some(_), None) => words.effort,
            (None, None) => words.reasoning,
        };
        match self.family {
            Family::Claude if off => fields.push("thinking", |out| {
                out.key("type").string("disabled");
            }),
            Family::Claude => self.thinking(reasoning, fields),
            Family::Nova if off => fields.push("reasoningConfig", |out| {
                out.key("type").string("disabled");
            }),
            Family::Nova | Family::OpenModels => match level(reasoning) {
                Some(level) => self.leveled(reasoning, (path, level), fields),
                None => self.lost(path, "the model takes low, medium and high"),
            },
            Family::Other if reasoning.effort.is_some() || reasoning.budget_tokens.is_some() => {
                self.lost(path, "this model is not known to take it");
            }
            Family::Other if reasoning.enabled.is_some() => {
                self.lost(words.reasoning, "this model is not known to take it");
            }
            Family::Other => {}
        }
    }

    fn leveled(
        &mut self,
        reasoning: &ReasoningRequest,
        (path, level): (&'static str, &'static str),
        fields: &mut Fields,
    ) {
        if reasoning.effort.as_ref().map(Effort::name) != Some(level) {
            let why = format!("as an effort that is {level}");
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        if self.family == Family::OpenModels {
            let word = Json::string(level);
            fields.members.push(("reasoning_effort", word));
            return;
        }
        fields.push("reasoningConfig", |out| {
            out.key("type").string("enabled");
            out.key("maxReasoningEffort").string(level);
        });
    }

    /// Claude's thinking. It fixes most of sampling, forbids forced tools and needs room below the
    /// output limit, which is never raised here: it may be a budget's.
    fn thinking(&mut self, reasoning: &ReasoningRequest, fields: &mut Fields) {
        let words = self.request.words();
        let (path, wanted) = match (&reasoning.effort, reasoning.budget_tokens) {
            (_, Some(tokens)) => (words.budget, tokens),
            (Some(effort), None) => match tokens(effort) {
                Some(tokens) => (words.effort, tokens),
                None => return self.lost(words.effort, "the word is not known"),
            },
            (None, None) if reasoning.enabled == Some(true) => (words.reasoning, MIDDLE_BUDGET),
            (None, None) => return,
        };
        let room = self.max_tokens.unwrap_or(u64::MAX);
        let forced = matches!(
            self.request.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Tool(_))
        );
        let obstacle = if forced {
            Some("the model cannot think where a tool is forced")
        } else if room <= LEAST_BUDGET {
            Some("thinking needs more than 1024 output tokens")
        } else if unsigned_calls(&self.request.messages) {
            Some("the turn with the last tool calls lacks its signed reasoning")
        } else {
            None
        };
        if let Some(why) = obstacle {
            return self.lost(path, why);
        }
        let mut budget = wanted.max(LEAST_BUDGET);
        if budget >= room {
            budget = LEAST_BUDGET.max(room / 2);
        }
        if budget != wanted || reasoning.budget_tokens.is_none() {
            let why = format!("as a budget of {budget} tokens");
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        fields.thinks = true;
        fields.push("thinking", |out| {
            out.key("type").string("enabled");
            out.key("budget_tokens").number(budget);
        });
    }
}

/// The member that Nova nests its draw in.
const NESTED: &str = "inferenceConfig";

impl Fields {
    fn push(&mut self, name: &'static str, members: impl FnOnce(&mut Writer)) {
        let value = Json::written(|out| {
            out.object(members);
        });
        self.members.push((name, value));
    }
}

/// What was kept of the fields for the model, by their own names.
pub(super) fn kept_fields(extra: &Extra) -> impl Iterator<Item = (&str, &Json)> {
    extra.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(FIELDS)?.strip_prefix('.')?;
        Some((name, value))
    })
}

fn own_reasoning(reasoning: &ReasoningRequest, fields: &mut Fields) {
    let adaptive = reasoning.extra.noted(spelled::ADAPTIVE);
    let kind = match reasoning.enabled {
        Some(true) => Some("enabled"),
        Some(false) => Some("disabled"),
        None => adaptive.then_some("adaptive"),
    };
    if kind.is_some() || reasoning.budget_tokens.is_some() || !reasoning.extra.is_empty() {
        fields.push("thinking", |out| {
            if let Some(kind) = kind {
                out.key("type").string(kind);
            }
            if let Some(budget) = reasoning.budget_tokens {
                out.key("budget_tokens").number(budget);
            }
            reasoning.extra.write(out);
        });
    }
    let effort = reasoning.effort.as_ref();
    if let Some(effort) = effort.filter(|_| reasoning.extra.noted(spelled::FAMILY_EFFORT)) {
        let word = Json::string(effort.name());
        fields.members.push(("reasoning_effort", word));
    }
}

/// Whether the last turn of the model asks for tools and its reasoning cannot be sent
/// back: Claude then refuses to think on.
fn unsigned_calls(messages: &[Message]) -> bool {
    let last = messages.iter().rev().find(|m| m.role == Role::Assistant);
    let signed = |part: &Part| {
        matches!(&part.kind, PartKind::Reasoning(r)
            if r.opaque.as_ref().is_some_and(|opaque| opaque.origin == OWN))
    };
    last.is_some_and(|message| {
        let calls = |part: &Part| matches!(part.kind, PartKind::ToolCall(_));
        message.parts.iter().any(calls) && !message.parts.iter().any(signed)
    })
}

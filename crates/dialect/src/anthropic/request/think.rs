//! Writes how much to think and how tokens are drawn.
//!
//! Thinking fixes most of sampling, forbids forced tools and needs room below
//! the output limit. That limit is never raised here: it may be a budget's.

use super::encode::Writing;
use crate::anthropic::wire::write::lose_extra;
use crate::anthropic::wire::{OWN, spelled};
use crate::chat::{Effort, Message, Part, PartKind, ReasoningRequest, Role, ToolChoice};
use crate::json::{Json, Writer};
use crate::loss::LossKind;

/// Least tokens that the API takes as a budget for thinking.
const LEAST_BUDGET: u64 = 1024;
/// The budget where thinking is wanted and nothing is said of how much.
const MIDDLE_BUDGET: u64 = 8192;

/// Why a request that forces a tool loses its thinking.
const FORCED: &str = "the model cannot think where a tool is forced";

/// The word that a budget of tokens stands for.
fn worth(tokens: u64) -> Effort {
    match tokens {
        0..=2_048 => Effort::Low,
        2_049..=12_288 => Effort::Medium,
        _ => Effort::High,
    }
}

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

impl Writing<'_> {
    /// Writes whether and how much to think; says whether the model does.
    pub(super) fn thinking(&mut self, out: &mut Writer) -> bool {
        let Some(reasoning) = &self.request.reasoning else {
            return false;
        };
        if self.ours {
            let adaptive = reasoning.extra.noted(spelled::ADAPTIVE);
            let kind = match reasoning.enabled {
                Some(true) => Some("enabled"),
                Some(false) => Some("disabled"),
                None => adaptive.then_some("adaptive"),
            };
            if kind.is_some() || reasoning.budget_tokens.is_some() || !reasoning.extra.is_empty() {
                out.key("thinking").object(|out| {
                    if let Some(kind) = kind {
                        out.key("type").string(kind);
                    }
                    if let Some(budget) = reasoning.budget_tokens {
                        out.key("budget_tokens").number(budget);
                    }
                    reasoning.extra.write(out);
                });
            }
            return true;
        }
        lose_extra(
            self.losses,
            self.request.words().reasoning,
            &reasoning.extra,
        );
        if reasoning.enabled == Some(false) || reasoning.effort == Some(Effort::None) {
            out.key("thinking").object(|out| {
                out.key("type").string("disabled");
            });
            return false;
        }
        if self.adaptive {
            return self.adaptively(reasoning, out);
        }
        let Some(budget) = self.budget(reasoning) else {
            return false;
        };
        out.key("thinking").object(|out| {
            out.key("type").string("enabled");
            out.key("budget_tokens").number(budget);
        });
        true
    }

    /// Writes that the model thinks as it sees fit, as hard as the request says.
    fn adaptively(&mut self, reasoning: &ReasoningRequest, out: &mut Writer) -> bool {
        let words = self.request.words();
        let (path, wanted) = match (&reasoning.effort, reasoning.budget_tokens) {
            (Some(Effort::Other(_)), None) => {
                self.lost(words.effort, "the word is not known");
                return false;
            }
            (Some(effort), _) => (words.effort, Some(effort.clone())),
            (None, Some(tokens)) => (words.budget, Some(worth(tokens))),
            (None, None) if reasoning.enabled == Some(true) => (words.reasoning, None),
            (None, None) => return false,
        };
        if self.forces_a_tool() {
            self.lost(path, FORCED);
            return false;
        }
        self.effort = wanted.map(|effort| match effort {
            Effort::Minimal => Effort::Low,
            // Not all of these models know the word.
            Effort::XHigh => Effort::High,
            known @ (Effort::None
            | Effort::Low
            | Effort::Medium
            | Effort::High
            | Effort::Max
            | Effort::Other(_)) => known,
        });
        if let Some(effort) = &self.effort
            && reasoning.effort.as_ref() != Some(effort)
        {
            let why = format!("as the effort `{}`", effort.name());
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        out.key("thinking").object(|out| {
            out.key("type").string("adaptive");
        });
        true
    }

    fn forces_a_tool(&self) -> bool {
        let choice = &self.request.tool_choice;
        matches!(choice, Some(ToolChoice::Required | ToolChoice::Tool(_)))
    }

    /// The tokens to think with, where the API allows thinking at all.
    fn budget(&mut self, reasoning: &ReasoningRequest) -> Option<u64> {
        let words = self.request.words();
        let (path, wanted) = match (&reasoning.effort, reasoning.budget_tokens) {
            (_, Some(tokens)) => (words.budget, tokens),
            (Some(effort), None) => {
                let Some(tokens) = tokens(effort) else {
                    self.lost(words.effort, "the word is not known");
                    return None;
                };
                (words.effort, tokens)
            }
            (None, None) if reasoning.enabled == Some(true) => (words.reasoning, MIDDLE_BUDGET),
            (None, None) => return None,
        };
        let obstacle = if self.forces_a_tool() {
            Some(FORCED)
        } else if self.max_tokens <= LEAST_BUDGET {
            Some("thinking needs more than 1024 output tokens")
        } else if unsigned_calls(&self.request.messages) {
            Some("the turn with the last tool calls lacks its signed reasoning")
        } else {
            None
        };
        if let Some(why) = obstacle {
            self.lost(path, why);
            return None;
        }
        let mut budget = wanted.max(LEAST_BUDGET);
        if budget >= self.max_tokens {
            // Never more output than was allowed: the client's limit may be a budget's.
            budget = LEAST_BUDGET.max(self.max_tokens / 2);
        }
        if budget != wanted || reasoning.budget_tokens.is_none() {
            let why = format!("as a budget of {budget} tokens");
            self.losses.tuning(path, LossKind::Approximated, why);
        }
        Some(budget)
    }

    /// Writes how tokens are drawn; thinking leaves little of it free.
    pub(super) fn sampling(&mut self, out: &mut Writer, thinks: bool) {
        let sampling = &self.request.sampling;
        let mut temperature = sampling.temperature.as_ref();
        let mut top_p = sampling.top_p.as_ref();
        let mut top_k = sampling.top_k.as_ref();
        if !self.ours {
            let thinking = "it is fixed where the model thinks";
            if thinks && temperature.take().is_some_and(|t| value(t) != 1.0) {
                self.lost(self.request.words().temperature, thinking);
            }
            if thinks && top_p.take_if(|p| value(p) < 0.95).is_some() {
                self.lost(self.request.words().top_p, thinking);
            }
            if thinks && top_k.take().is_some() {
                self.lost(self.request.words().top_k, thinking);
            }
            if temperature.is_some() && top_p.take().is_some_and(|p| value(p) != 1.0) {
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
                out.key("temperature").number(1);
            }
        }
        let drawn = [
            ("temperature", temperature),
            ("top_p", top_p),
            ("top_k", top_k),
        ];
        for (name, value) in drawn {
            if let Some(value) = value {
                out.key(name).json(value);
            }
        }
        let words = self.request.words();
        let penalties = [
            (words.frequency_penalty, &sampling.frequency_penalty),
            (words.presence_penalty, &sampling.presence_penalty),
            (words.seed, &sampling.seed),
        ];
        for (name, given) in penalties {
            if given
                .as_ref()
                .is_some_and(|v| name == words.seed || value(v) != 0.0)
            {
                self.lost(name, "messages have no such field");
            }
        }
        if sampling
            .logit_bias
            .as_ref()
            .is_some_and(|bias| bias.text() != "{}")
        {
            let why = "messages have no such field";
            self.losses.functional("logit_bias", LossKind::Dropped, why);
        }
    }
}

fn value(number: &Json) -> f64 {
    number.text().parse().unwrap_or(f64::NAN)
}

/// Whether the last turn of the model asks for tools and its reasoning cannot be sent
/// back: the API then refuses to think on.
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

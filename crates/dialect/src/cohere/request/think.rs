//! Writes how much to think and how tokens are drawn.
//!
//! Numbers of other dialects are brought into the API's ranges, each time with a
//! loss; those of this dialect stay as they were written.

use super::encode::Writing;
use crate::chat::Effort;
use crate::cohere::wire::{NO_FIELD, lose_extra};
use crate::json::{Json, Writer};

/// The budget of tokens that a word stands for; none where there is no bound.
fn tokens(effort: &Effort) -> Option<u64> {
    match effort {
        Effort::Minimal | Effort::Low => Some(1024),
        Effort::Medium => Some(8192),
        Effort::High => Some(16_384),
        Effort::None | Effort::XHigh | Effort::Max | Effort::Other(_) => None,
    }
}

/// A number's name, its value and the least and most of it that the API takes.
type Ranged<'a> = (
    &'static str,
    &'static str,
    Option<&'a Json>,
    &'static str,
    &'static str,
);

impl Writing<'_> {
    /// Writes whether and how much to think.
    pub(super) fn thinking(&mut self, out: &mut Writer) {
        let Some(asked) = &self.request.reasoning else {
            return;
        };
        let write = |out: &mut Writer, kind: Option<bool>, budget: Option<u64>| {
            out.key("thinking").object(|out| {
                if let Some(enabled) = kind {
                    out.key("type")
                        .string(if enabled { "enabled" } else { "disabled" });
                }
                if let Some(budget) = budget {
                    out.key("token_budget").number(budget);
                }
                if self.ours {
                    asked.extra.write(out);
                }
            });
        };
        if self.ours {
            write(out, asked.enabled, asked.budget_tokens);
            return;
        }
        let words = self.request.words();
        let off = asked.enabled == Some(false) || asked.effort == Some(Effort::None);
        match (&asked.effort, asked.budget_tokens) {
            _ if off => write(out, Some(false), None),
            (_, Some(budget)) => write(out, Some(true), Some(budget)),
            (Some(Effort::Other(_)), None) => {}
            (Some(effort), None) => write(out, Some(true), tokens(effort)),
            (None, None) if asked.enabled == Some(true) => write(out, Some(true), None),
            (None, None) => {}
        }
        lose_extra(self.losses, words.reasoning, &asked.extra);
        match (&asked.effort, asked.budget_tokens) {
            (None | Some(Effort::None), _) => {}
            (Some(_), _) if off => self.left(words.effort, "reasoning is off"),
            (Some(_), Some(_)) => self.left(words.effort, "the budget says how much"),
            (Some(Effort::Other(_)), None) => self.left(words.effort, "the word is not known"),
            (Some(_), None) => self.near(words.effort, "as a budget of tokens"),
        }
    }

    /// Writes how tokens are drawn.
    pub(super) fn sampling(&mut self, out: &mut Writer) {
        let sampling = &self.request.sampling;
        for (name, value) in [
            ("temperature", &sampling.temperature),
            ("seed", &sampling.seed),
        ] {
            if let Some(value) = value {
                out.key(name).json(value);
            }
        }
        let frequency = sampling.frequency_penalty.as_ref();
        let presence = sampling.presence_penalty.as_ref();
        let words = self.request.words();
        let ranged: [Ranged<'_>; 4] = [
            ("p", words.top_p, sampling.top_p.as_ref(), "0.01", "0.99"),
            ("k", words.top_k, sampling.top_k.as_ref(), "0", "500"),
            (
                "frequency_penalty",
                words.frequency_penalty,
                frequency,
                "0",
                "1",
            ),
            (
                "presence_penalty",
                words.presence_penalty,
                presence,
                "0",
                "1",
            ),
        ];
        for number in ranged {
            self.ranged(out, number);
        }
        if sampling
            .logit_bias
            .as_ref()
            .is_some_and(|bias| bias.text() != "{}")
        {
            self.dropped("logit_bias", NO_FIELD);
        }
    }

    fn ranged(&mut self, out: &mut Writer, (name, path, value, least, most): Ranged<'_>) {
        let Some(value) = value else { return };
        let float = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let given = float(value.text());
        out.key(name);
        if self.ours || !(given < float(least) || given > float(most)) {
            out.json(value);
            return;
        }
        out.raw(if given < float(least) { least } else { most });
        self.near(path, "the nearest that Cohere's chat takes");
    }
}

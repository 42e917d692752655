//! What dialects call the parts of a request that the hub has names of its own for.
//!
//! Losses are told in the client's words, so whoever writes a request asks here what its
//! dialect of origin says. Each dialect gives its own table; none knows another's.

use super::{Part, PartKind, Request, Role};
use crate::Dialect;
use crate::reasoning::RETURNED;

/// Paths of a request's parts in one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Texts at which the answer ends.
    pub stop: &'static str,
    /// How many answers are wanted.
    pub candidates: &'static str,
    /// The form of the answer.
    pub output: &'static str,
    /// Its schema, with what stands beside it.
    pub schema: &'static str,
    /// How much reasoning is wanted, as a whole.
    pub reasoning: &'static str,
    /// The same in words.
    pub effort: &'static str,
    /// The same in tokens.
    pub budget: &'static str,
    /// Randomness.
    pub temperature: &'static str,
    /// Nucleus.
    pub top_p: &'static str,
    /// Most likely tokens considered.
    pub top_k: &'static str,
    /// Penalty by how often a token stood before.
    pub frequency_penalty: &'static str,
    /// Penalty on tokens that stood before.
    pub presence_penalty: &'static str,
    /// Seed of the draw.
    pub seed: &'static str,
    /// Token probabilities.
    pub logprobs: &'static str,
    /// How many alternatives each token shall tell.
    pub top_logprobs: &'static str,
    /// All tools.
    pub tools: &'static str,
    /// Whether and which tool must be asked for.
    pub tool_choice: &'static str,
    /// Whether several tools may be asked for at once.
    pub parallel: &'static str,
    /// Who the end user is.
    pub user: &'static str,
    /// The service tier.
    pub service_tier: &'static str,
    /// What stands in parts and tools, where it has another name than in [`Words::USUAL`]: the
    /// usual name and the dialect's own. An empty one says that it has no place of its own, so
    /// that what holds it is named; `../` that it stands beside what holds it; `[+1]` that it is
    /// the next element of the list.
    pub within: &'static [(&'static str, &'static str)],
}

impl Words {
    /// The names that most dialects have. In parts and tools these are `arguments`, `input`,
    /// `cache_control`, `citations`, `detail`, `id`, `is_error`, `result`, `signature`, `strict`,
    /// `title` and `tool_call_id`.
    pub const USUAL: Words = Words {
        stop: "stop",
        candidates: "n",
        output: "response_format",
        schema: "response_format.json_schema",
        reasoning: "reasoning",
        effort: "reasoning_effort",
        budget: "reasoning.max_tokens",
        temperature: "temperature",
        top_p: "top_p",
        top_k: "top_k",
        frequency_penalty: "frequency_penalty",
        presence_penalty: "presence_penalty",
        seed: "seed",
        logprobs: "logprobs",
        top_logprobs: "top_logprobs",
        tools: "tools",
        tool_choice: "tool_choice",
        parallel: "parallel_tool_calls",
        user: "user",
        service_tier: "service_tier",
        within: &[],
    };

    /// A path in which the usual names are this dialect's own.
    #[must_use]
    pub fn told(&self, path: &str) -> String {
        if path.starts_with(self.schema) {
            return path.to_owned();
        }
        let mut told = String::with_capacity(path.len());
        for step in path.split('.') {
            let (name, place) = step.find('[').map_or((step, ""), |at| step.split_at(at));
            let mut renamed = self.within.iter().filter(|_| !told.is_empty());
            match renamed.find(|(usual, _)| *usual == name) {
                Some((_, own)) => follow(&mut told, own, place),
                None => join(&mut told, step),
            }
        }
        told
    }
}

/// Goes on by one step in a dialect's own words; `place` is that of an element.
fn follow(told: &mut String, own: &str, place: &str) {
    if let Some(own) = own.strip_prefix("../") {
        let holder = told.rfind('.').unwrap_or_default();
        told.truncate(holder);
        join(told, own);
    } else if let Some(own) = own.strip_prefix("[+1].") {
        to_next(told);
        join(told, own);
    } else if let Some(list) = own.strip_suffix("[]") {
        join(told, list);
        told.push_str(place);
    } else {
        join(told, own);
    }
}

fn join(told: &mut String, step: &str) {
    if !told.is_empty() && !step.is_empty() {
        told.push('.');
    }
    told.push_str(step);
}

/// From an element, or what is in it, to the next one.
fn to_next(told: &mut String) {
    let Some((list, rest)) = told.rsplit_once('[') else {
        return;
    };
    let place = rest
        .split(']')
        .next()
        .and_then(|at| at.parse::<usize>().ok());
    if let Some(place) = place {
        *told = format!("{list}[{}]", place + 1);
    }
}

/// Where a turn of a request stands in the client's own document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Path of the turn.
    pub turn: String,
    /// Paths of its parts.
    pub parts: Vec<String>,
}

impl Place {
    /// Path of the part at that place.
    #[must_use]
    pub fn part(&self, place: usize) -> &str {
        self.parts.get(place).unwrap_or(&self.turn)
    }
}

/// Places of turns that stand in a list of messages with their calls beside the content.
#[must_use]
pub fn places_in_messages(request: &Request) -> Vec<Place> {
    let turn = |(at, message): (usize, &super::Message)| {
        let turn = format!("messages[{at}]");
        let mut calls = 0;
        let parts = message.parts.iter().enumerate().map(|(index, part)| {
            if matches!(part.kind, PartKind::ToolCall(_)) {
                calls += 1;
                format!("{turn}.tool_calls[{}]", calls - 1)
            } else if matches!(part.kind, PartKind::ToolResult(_)) && message.role == Role::Tool {
                turn.clone()
            } else if message.bare {
                format!("{turn}.content")
            } else {
                format!("{turn}.content[{index}]")
            }
        });
        Place {
            parts: parts.collect(),
            turn,
        }
    };
    request.messages.iter().enumerate().map(turn).collect()
}

/// Places of turns that stand in a list of messages with all that they hold in blocks of
/// content, and of instructions beside that list.
#[must_use]
pub fn places_in_blocks(request: &Request) -> Vec<Place> {
    let mut turns = 0;
    let place = |message: &super::Message| {
        let (turn, content) = if message.apart {
            ("system".to_owned(), "system".to_owned())
        } else {
            turns += 1;
            let turn = format!("messages[{}]", turns - 1);
            (turn.clone(), format!("{turn}.content"))
        };
        let parts = (0..message.parts.len()).map(|index| match message.bare {
            true => content.clone(),
            false => format!("{content}[{index}]"),
        });
        Place {
            parts: parts.collect(),
            turn,
        }
    };
    request.messages.iter().map(place).collect()
}

impl Request {
    /// Whether a top-level field of the request means the same in that dialect.
    #[must_use]
    pub fn shares(&self, with: Dialect, name: &str) -> bool {
        let lists = |dialect: Dialect| dialect.server().shared_fields().contains(&name);
        lists(self.origin) && lists(with)
    }

    /// Where each turn stands in the document that the request was read from. Reasoning that was put
    /// back stands nowhere in it: its place is the turn.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let is_back = |part: &Part| part.extra.noted(RETURNED);
        let mut turns = self.messages.iter().map(|message| &message.parts);
        if !turns.any(|parts| parts.iter().any(is_back)) {
            return self.origin.server().places(self);
        }
        let mut read = self.clone();
        for message in &mut read.messages {
            message.parts.retain(|part| !is_back(part));
        }
        let mut places = self.origin.server().places(&read);
        for (place, message) in places.iter_mut().zip(&self.messages) {
            for (at, _) in message.parts.iter().enumerate().filter(|(_, p)| is_back(p)) {
                place
                    .parts
                    .insert(at.min(place.parts.len()), place.turn.clone());
            }
        }
        places
    }

    /// Where a tool stands in that document.
    #[must_use]
    pub fn tool_place(&self, at: usize) -> String {
        self.origin.server().tool_place(self, at)
    }

    /// Paths of what asks for token probabilities, where they are wanted.
    pub fn probabilities(&self) -> impl Iterator<Item = &'static str> {
        let asked = self.logprobs.filter(|asked| asked.enabled);
        let top = asked.and_then(|asked| asked.top);
        let words = self.words();
        let paths = [
            asked.map(|_| words.logprobs),
            top.map(|_| words.top_logprobs),
        ];
        paths.into_iter().flatten()
    }

    /// The words of the dialect that it was written in.
    #[must_use]
    pub fn words(&self) -> &'static Words {
        self.origin.server().words(self)
    }
}

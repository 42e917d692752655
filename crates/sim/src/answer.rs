//! The content of an answer, before any dialect writes it: text, tool calls,
//! refusals, thinking, why it ended, and how many tokens that is.
//!
//! A pure function of the request and a seed. Output never exceeds the
//! request's bound, since a real provider's does not.

use serde_json::{Value, json};

use crate::ask::{Ask, Format, Thinking, ToolChoice};
use crate::schema;
use crate::words::{self, Rng};

/// Everything that is said in one answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) thinking: Option<String>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Usage,
}

/// One of the `n` alternatives.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) refusal: Option<String>,
    pub(crate) finish: Finish,
}

/// A tool call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// JSON text; broken off where the output bound was reached.
    pub(crate) arguments: String,
}

/// Why a choice ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Finish {
    #[default]
    Natural,
    Length,
    /// A stop sequence, and which.
    Stop(String),
    Tools,
    Refusal,
}

/// Token counts; `input` is without `cached`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    /// What is charged: reasoning included, unless it is free.
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

const WORDS: usize = 60;
const PIECES_MAX: usize = 2_000;
const CALLS_MAX: u64 = 32;
const REFUSAL: &str = "I'm sorry, but I can't help with that.";
const GREETING: &str = "Hello from the simulated provider. 世界 🙂 café.";

/// The answer to `ask`.
pub(crate) fn answer(ask: &Ask, script_seed: Option<u64>) -> Answer {
    let seed = script_seed.or(ask.seed).unwrap_or_else(|| {
        let model = words::hash(0, ask.model.as_bytes());
        words::hash(model, ask.last_text.as_bytes())
    });
    if let Some(output) = ask.task.output_tokens() {
        let cached = ask.cached_tokens();
        let usage = Usage {
            input: ask.input_tokens - cached,
            cached,
            output,
            reasoning: 0,
        };
        return Answer {
            usage,
            ..Answer::default()
        };
    }
    let bound = ask
        .max_tokens
        .map(|t| usize::try_from(t).unwrap_or(usize::MAX).saturating_mul(4));
    let mut rng = Rng::new(seed);
    let thinking = (ask.thinking != Thinking::Off).then(|| {
        let thought = words::sentence(&mut rng, 24);
        words::clip(&thought, bound.map_or(usize::MAX, |b| b / 2)).to_owned()
    });
    let reasoning = thinking.as_deref().map_or(0, words::tokens);
    let spent = usize::try_from(reasoning).unwrap_or(0).saturating_mul(4);
    let bound = bound.map(|b| b.saturating_sub(spent));
    let choices: Vec<Choice> = (0..ask.choices.max(1))
        .map(|i| choice(ask, Rng::new(seed.wrapping_add(i)), bound))
        .collect();
    let charged = if ask.free_thoughts { 0 } else { reasoning };
    let output = charged + choices.iter().map(Choice::tokens).sum::<u64>();
    let cached = ask.cached_tokens();
    let usage = Usage {
        input: ask.input_tokens - cached,
        cached,
        output,
        reasoning,
    };
    Answer {
        thinking,
        choices,
        usage,
    }
}

impl Choice {
    /// The tokens of everything in it, each string rounded up for itself.
    pub(crate) fn tokens(&self) -> u64 {
        let calls = self
            .calls
            .iter()
            .map(|c| words::tokens(&c.name) + words::tokens(&c.arguments));
        words::tokens(&self.text)
            + calls.sum::<u64>()
            + self.refusal.as_deref().map_or(0, words::tokens)
    }
}

/// Cuts a text into the pieces that a stream sends one by one.
pub(crate) fn pieces<'t>(ask: &Ask, text: &'t str) -> impl Iterator<Item = &'t str> + use<'t> {
    let fixed = match (ask.directive.bytes, ask.directive.chunks) {
        (None, None) => None,
        (bytes, _) => Some(bytes.unwrap_or(4)),
    };
    let least = fixed.unwrap_or(text.len() / PIECES_MAX);
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.ceil_char_boundary(least.min(rest.len()));
        if fixed.is_none() {
            // A piece is a word with the space before it.
            let from = end.max(rest.ceil_char_boundary(1));
            let tail = rest.as_bytes().get(from..).unwrap_or_default();
            end = memchr::memchr(b' ', tail).map_or(rest.len(), |i| from + i);
        }
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}

fn choice(ask: &Ask, mut rng: Rng, bound: Option<usize>) -> Choice {
    if ask.last_text.contains("REFUSE") {
        let text = words::clip(REFUSAL, bound.unwrap_or(usize::MAX)).to_owned();
        return Choice {
            refusal: Some(text),
            finish: Finish::Refusal,
            ..Choice::default()
        };
    }
    let wanted = calls_wanted(ask);
    if wanted > 0 {
        return call_choice(ask, &mut rng, wanted, bound);
    }
    let full = match &ask.format {
        Format::Text => plain_text(ask, &mut rng),
        Format::Object => json!({ "answer": words::sentence(&mut rng, 6) }).to_string(),
        Format::Schema(schema) => schema_text(schema.as_deref(), &mut rng),
    };
    let full = continued(ask, full);
    let (text, mut finish) = match first_stop(ask, &full) {
        Some((at, stop)) => (words::clip(&full, at), Finish::Stop(stop.to_owned())),
        None => (full.as_str(), Finish::Natural),
    };
    let clipped = words::clip(text, bound.unwrap_or(usize::MAX));
    if clipped.len() < text.len() {
        finish = Finish::Length;
    }
    Choice {
        text: clipped.to_owned(),
        finish,
        ..Choice::default()
    }
}

fn plain_text(ask: &Ask, rng: &mut Rng) -> String {
    if let Some(chunks) = ask.directive.chunks {
        return words::filler(chunks.saturating_mul(ask.directive.bytes.unwrap_or(4)));
    }
    let mut text = String::new();
    for image in &ask.images {
        text.push_str(&format!(
            "[image {} {} bytes] ",
            image.media_type, image.bytes
        ));
    }
    if let Some(result) = &ask.tool_result {
        text.push_str(&format!("The tool answered: \"{result}\". Voilà 🙂"));
    } else if is_echo(&ask.model) {
        text.push_str(if ask.last_text.is_empty() {
            GREETING
        } else {
            &ask.last_text
        });
    } else {
        let count = ask.directive.words.unwrap_or(WORDS);
        text.push_str(&words::sentence(rng, count));
    }
    text
}

/// `echo`, with or without a provider's name before it.
fn is_echo(model: &str) -> bool {
    model.rsplit('/').next() == Some("echo")
}

fn schema_text(raw: Option<&serde_json::value::RawValue>, rng: &mut Rng) -> String {
    let schema: Value = raw
        .and_then(|r| serde_json::from_str(r.get()).ok())
        .unwrap_or_else(|| json!({}));
    schema::fill(&schema, rng).to_string()
}

/// Goes on where the caller's prefill ends, if it is the beginning of what
/// would have been said.
fn continued(ask: &Ask, full: String) -> String {
    let rest = ask
        .prefill
        .as_deref()
        .and_then(|p| full.strip_prefix(p))
        .map(str::to_owned);
    rest.unwrap_or(full)
}

fn first_stop<'a>(ask: &'a Ask, text: &str) -> Option<(usize, &'a str)> {
    let found = ask.stop.iter().filter(|s| !s.is_empty());
    found
        .filter_map(|s| text.find(s.as_str()).map(|at| (at, s.as_str())))
        .min()
}

fn calls_wanted(ask: &Ask) -> u64 {
    let forced = matches!(ask.tool_choice, ToolChoice::Any | ToolChoice::Named(_));
    let barred = matches!(ask.tool_choice, ToolChoice::None);
    if ask.tools.is_empty() || barred || (ask.tool_result.is_some() && !forced) {
        return 0;
    }
    let several = after(&ask.last_text, "USE_TOOLS ").and_then(|w| w.parse::<u64>().ok());
    let one = u64::from(forced || ask.last_text.contains("USE_TOOL"));
    let wanted = several.unwrap_or(one).min(CALLS_MAX);
    if ask.one_call_only {
        wanted.min(1)
    } else {
        wanted
    }
}

fn call_choice(ask: &Ask, rng: &mut Rng, wanted: u64, bound: Option<usize>) -> Choice {
    let named = match &ask.tool_choice {
        ToolChoice::Named(name) => Some(name.as_str()),
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Any => after(&ask.last_text, "USE_TOOL "),
    };
    let start = ask
        .tools
        .iter()
        .position(|t| Some(t.name.as_str()) == named)
        .unwrap_or(0);
    let mut room = bound.unwrap_or(usize::MAX);
    let mut out = Choice {
        finish: Finish::Tools,
        ..Choice::default()
    };
    if ask.last_text.contains("SAY_FIRST") {
        out.text = words::clip("Let me look that up. 🔎", room).to_owned();
        room = room.saturating_sub(out.text.len().next_multiple_of(4));
    }
    let tools = ask.tools.iter().cycle().skip(start);
    for tool in tools.take(usize::try_from(wanted).unwrap_or(1)) {
        let full = schema_text(tool.schema.as_deref(), rng);
        let name_room = tool.name.len().next_multiple_of(4);
        if room <= name_room {
            out.finish = Finish::Length;
            break;
        }
        room -= name_room;
        let arguments = words::clip(&full, room).to_owned();
        room = room.saturating_sub(arguments.len().next_multiple_of(4));
        let broken = arguments.len() < full.len();
        out.calls.push(Call {
            id: rng.next(),
            name: tool.name.clone(),
            arguments,
        });
        if broken {
            out.finish = Finish::Length;
            break;
        }
    }
    out
}

/// The word that follows `mark`.
fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(mark)?;
    rest.split(|c: char| c.is_whitespace() || ",.;!?".contains(c))
        .next()
}

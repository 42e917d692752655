//! `generationConfig`: how tokens are drawn, how much to think, the form of the answer.
//!
//! What of it the hub has no word for is kept under its name and written inside it
//! again.

use super::decode::Once;
use super::encode::{Writing, keep_members, write_members};
use super::head::candidates;
use super::tools::own_schema;
use crate::chat::{Effort, Extra, Logprobs, OutputFormat, ReasoningRequest, Request};
use crate::gemini::wire::write::lose_extra;
use crate::gemini::wire::{names, number, spelled, text, with_asides};
use crate::json::{Invalid, Json, Kind, Reader, Writer};
use crate::loss::LossKind;

/// The member that this page is about.
const CONFIG: &str = "generationConfig";
/// The media type of answers in JSON.
const JSON: &str = "application/json";
/// Most stop texts that the API takes.
const STOPS: usize = 5;

/// Reads a service tier.
pub(super) fn read_tier(reader: &mut Reader<'_>) -> Result<String, Invalid> {
    text(reader)
}

/// Reads the form of the answer, whose members come in any order.
#[derive(Default)]
struct Form {
    media_type: Option<Json>,
    json_schema: Option<Json>,
    own_schema: Option<Json>,
}

/// Reads `generationConfig`.
pub(super) fn read_config(request: &mut Request, reader: &mut Reader<'_>) -> Result<(), Invalid> {
    if reader.peek()? == Kind::Null {
        request.extra.push("generationConfig", reader.json()?);
        return Ok(());
    }
    request.extra.note(spelled::CONFIG);
    let (mut rest, mut form) = (Extra::default(), Form::default());
    let (mut wanted, mut top) = (None, None);
    let mut seen = Once::default();
    reader.object(|key, member| {
        let key = names::read(key, &mut request.extra);
        seen.note(key)?;
        let sampling = &mut request.sampling;
        match key {
            _ if member.peek()? == Kind::Null => rest.push(key, member.json()?),
            "temperature" => sampling.temperature = Some(number(member)?),
            "topP" => sampling.top_p = Some(number(member)?),
            "topK" => sampling.top_k = Some(number(member)?),
            "seed" => sampling.seed = Some(number(member)?),
            "presencePenalty" => sampling.presence_penalty = Some(number(member)?),
            "frequencyPenalty" => sampling.frequency_penalty = Some(number(member)?),
            "maxOutputTokens" => request.max_output_tokens = Some(member.u64()?),
            "candidateCount" => request.candidates = Some(candidates(member)?),
            "stopSequences" => {
                member.array(|_, stop| {
                    request.stop.push(text(stop)?);
                    Ok(())
                })?;
                if request.stop.is_empty() {
                    request.extra.note(spelled::NO_STOPS);
                }
            }
            "responseLogprobs" => wanted = Some(member.bool()?),
            "logprobs" if member.clone().u64().is_ok() => top = Some(member.u64()?),
            "thinkingConfig" if member.peek()? == Kind::Object => {
                request.reasoning = Some(read_thinking(member, &mut request.extra)?);
            }
            "responseMimeType" => form.media_type = Some(string(member)?),
            "responseJsonSchema" => form.json_schema = Some(member.json()?),
            "responseSchema" => form.own_schema = Some(member.json()?),
            "responseModalities" if is_text(member) => {
                request.extra.note(spelled::TEXT_ONLY);
                member.skip()?;
            }
            _ => rest.push(key, member.json()?),
        }
        Ok(())
    })?;
    match (wanted, top) {
        (Some(enabled), top) => request.logprobs = Some(Logprobs { enabled, top }),
        (None, Some(top)) => rest.push(
            "logprobs",
            Json::written(|out| {
                out.number(top);
            }),
        ),
        (None, None) => {}
    }
    read_form(request, form, &mut rest);
    keep_members(&mut request.extra, CONFIG, &rest);
    Ok(())
}

/// Whether text alone is asked for, as goes without saying.
fn is_text(reader: &Reader<'_>) -> bool {
    let said = reader.clone().raw().unwrap_or_default();
    said.split_whitespace().collect::<String>() == "[\"TEXT\"]"
}

fn string(reader: &mut Reader<'_>) -> Result<Json, Invalid> {
    let mut value = reader.clone();
    reader.string()?;
    value.json()
}

fn read_form(request: &mut Request, form: Form, rest: &mut Extra) {
    let media_type = form.media_type.as_ref().map(Json::text);
    let named = |name: &str| media_type.is_some_and(|given| given.trim_matches('"') == name);
    let is_object = |schema: &&Json| schema.text().starts_with('{');
    let mut extra = with_asides();
    let schema = match (&form.json_schema, &form.own_schema) {
        (Some(schema), None) => Some(schema).filter(is_object).cloned(),
        (None, Some(schema)) if is_object(&schema) => {
            Some(own_schema(schema.clone(), "responseSchema", &mut extra))
        }
        (Some(_) | None, _) => None,
    };
    if named(JSON) && schema.is_some() {
        request.output = Some(OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
            extra,
        });
        return;
    }
    let kept = [
        ("responseJsonSchema", form.json_schema),
        ("responseSchema", form.own_schema),
    ];
    let mut plain = true;
    for (name, value) in kept {
        if let Some(value) = value {
            plain = false;
            rest.push(name, value);
        }
    }
    if plain && named(JSON) {
        request.output = Some(OutputFormat::Json);
    } else if plain && named("text/plain") {
        request.output = Some(OutputFormat::Text);
    } else if let Some(media_type) = form.media_type {
        rest.push("responseMimeType", media_type);
    }
}

fn read_thinking(reader: &mut Reader<'_>, notes: &mut Extra) -> Result<ReasoningRequest, Invalid> {
    let mut reasoning = ReasoningRequest::default();
    reader.object(|key, member| {
        let extra = &mut reasoning.extra;
        match (names::read(key, notes), member.peek()?) {
            ("thinkingBudget", Kind::Number) => match member.clone().number()? {
                "0" => {
                    extra.note(spelled::ZERO);
                    reasoning.enabled = Some(false);
                    member.skip()?;
                }
                "-1" => {
                    extra.note(spelled::DYNAMIC);
                    reasoning.enabled = Some(true);
                    member.skip()?;
                }
                _ => reasoning.budget_tokens = Some(member.u64()?),
            },
            ("thinkingLevel", Kind::String) => {
                let level = member.clone().string()?;
                let small = level.to_ascii_lowercase();
                if small != level && small.to_ascii_uppercase() != level {
                    extra.push("thinkingLevel", member.json()?);
                    return Ok(());
                }
                if small != level {
                    extra.note(spelled::CAPITALS);
                }
                reasoning.effort = Some(Effort::by_name(&small));
                member.skip()?;
            }
            (other, _) => extra.push(other, member.json()?),
        }
        Ok(())
    })?;
    Ok(reasoning)
}

/// The budget of tokens that a word stands for, as Google's own compatible endpoint has it.
///
/// Source: <https://ai.google.dev/gemini-api/docs/openai#thinking>.
fn tokens(effort: &Effort) -> Option<u64> {
    match effort {
        Effort::Other(_) => None,
        Effort::None => Some(0),
        Effort::Minimal | Effort::Low => Some(1024),
        Effort::Medium => Some(8192),
        Effort::High | Effort::XHigh | Effort::Max => Some(24_576),
    }
}

impl Writing<'_> {
    /// Writes `generationConfig`, if there is anything to say in it.
    pub(super) fn config(&mut self, out: &mut Writer) {
        let request = self.request;
        let notes = &request.extra;
        let given = self.ours && notes.noted(spelled::CONFIG);
        let mut config = Writer::with_capacity(256);
        config.object(|out| {
            self.sampling(out);
            self.limits(out);
            self.form(out);
            self.thinking(out);
            if given {
                write_members(out, notes, CONFIG);
            }
        });
        let config = config.into_bytes();
        if given || config != b"{}" {
            let text = String::from_utf8_lossy(&config);
            out.key(names::write("generationConfig", notes)).raw(&text);
        }
    }

    fn name(&self, name: &'static str) -> &'static str {
        if self.ours {
            names::write(name, &self.request.extra)
        } else {
            name
        }
    }

    fn sampling(&mut self, out: &mut Writer) {
        let sampling = &self.request.sampling;
        for (name, value) in [
            ("temperature", &sampling.temperature),
            ("topP", &sampling.top_p),
            ("topK", &sampling.top_k),
            ("seed", &sampling.seed),
            ("presencePenalty", &sampling.presence_penalty),
            ("frequencyPenalty", &sampling.frequency_penalty),
        ] {
            let Some(value) = value else { continue };
            if name == "seed" && !self.ours && value.text().parse::<i32>().is_err() {
                self.lost(self.request.words().seed, "the API takes 32 bits");
                continue;
            }
            out.key(self.name(name)).json(value);
        }
        let bias = sampling.logit_bias.as_ref();
        if bias.is_some_and(|bias| bias.text() != "{}") {
            let why = "contents have no such field";
            self.losses.functional("logit_bias", LossKind::Dropped, why);
        }
    }

    fn limits(&mut self, out: &mut Writer) {
        let request = self.request;
        if let Some(most) = request.max_output_tokens {
            out.key(self.name("maxOutputTokens")).number(most);
        }
        if let Some(candidates) = request.candidates {
            out.key(self.name("candidateCount")).number(candidates);
        }
        let stop = request.stop.as_slice();
        let sent = if self.ours {
            stop
        } else {
            stop.get(..STOPS).unwrap_or(stop)
        };
        if sent.len() < stop.len() {
            let why = "the API takes five stop texts";
            let path = request.words().stop;
            self.losses.functional(path, LossKind::Dropped, why);
        }
        if !sent.is_empty() || self.ours && request.extra.noted(spelled::NO_STOPS) {
            out.key(self.name("stopSequences")).array(|out| {
                sent.iter().for_each(|stop| {
                    out.string(stop);
                });
            });
        }
        match request.logprobs {
            Some(logprobs) if self.ours => {
                out.key(self.name("responseLogprobs"))
                    .bool(logprobs.enabled);
                if let Some(top) = logprobs.top {
                    out.key("logprobs").number(top);
                }
            }
            Some(_) | None => {
                for path in request.probabilities() {
                    let why = "probabilities have another form here";
                    self.losses.functional(path, LossKind::Dropped, why);
                }
            }
        }
    }

    fn form(&mut self, out: &mut Writer) {
        let request = self.request;
        if self.ours && request.extra.noted(spelled::TEXT_ONLY) {
            out.key(self.name("responseModalities")).array(|out| {
                out.string("TEXT");
            });
        }
        match &request.output {
            Some(OutputFormat::Text) if self.ours => {
                out.key(self.name("responseMimeType")).string("text/plain");
            }
            Some(OutputFormat::Text) | None => {}
            Some(OutputFormat::Json) => {
                out.key(self.name("responseMimeType")).string(JSON);
            }
            Some(OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
                extra,
            }) => {
                out.key(self.name("responseMimeType")).string(JSON);
                if self.ours && extra.noted(spelled::SCHEMA) {
                    if let Some(schema) = extra.get("responseSchema") {
                        out.key(self.name("responseSchema")).json(schema);
                    }
                    return;
                }
                if let Some(schema) = schema {
                    out.key(self.name("responseJsonSchema")).json(schema);
                }
                if !self.ours {
                    self.schema_words([name, description], *strict, extra);
                }
            }
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

    fn thinking(&mut self, out: &mut Writer) {
        let Some(reasoning) = &self.request.reasoning else {
            return;
        };
        if self.ours {
            out.key(self.name("thinkingConfig"))
                .object(|out| self.own_thinking(out, reasoning));
            return;
        }
        let words = self.request.words();
        lose_extra(self.losses, words.reasoning, &reasoning.extra);
        let off = reasoning.enabled == Some(false);
        let budget = match (&reasoning.effort, reasoning.budget_tokens) {
            (Some(effort), _) if off => {
                if tokens(effort) != Some(0) {
                    self.lost(words.effort, "reasoning is off");
                }
                Some(0)
            }
            (None, _) if off => Some(0),
            (Some(_), Some(tokens)) => {
                self.lost(words.effort, "the budget says how much");
                Some(tokens)
            }
            (None, Some(tokens)) => Some(tokens),
            (Some(effort), None) => {
                let known = tokens(effort);
                match known {
                    None => self.lost(words.effort, "the word is not known"),
                    Some(0) => {}
                    Some(tokens) => {
                        let why = format!("as a budget of {tokens} tokens");
                        self.losses
                            .tuning(words.effort, LossKind::Approximated, why);
                    }
                }
                known
            }
            (None, None) => None,
        };
        let as_it_likes = budget.is_none() && reasoning.enabled == Some(true);
        if budget.is_none() && !as_it_likes {
            return;
        }
        out.key("thinkingConfig").object(|out| {
            match budget {
                Some(budget) => out.key("thinkingBudget").number(budget),
                None => out.key("thinkingBudget").number(-1),
            };
            if budget != Some(0) {
                out.key("includeThoughts").bool(true);
            }
        });
    }

    fn own_thinking(&self, out: &mut Writer, reasoning: &ReasoningRequest) {
        let extra = &reasoning.extra;
        if extra.noted(spelled::ZERO) {
            out.key(self.name("thinkingBudget")).number(0);
        } else if extra.noted(spelled::DYNAMIC) {
            out.key(self.name("thinkingBudget")).number(-1);
        } else if let Some(budget) = reasoning.budget_tokens {
            out.key(self.name("thinkingBudget")).number(budget);
        }
        if let Some(effort) = &reasoning.effort {
            let level = if extra.noted(spelled::CAPITALS) {
                effort.name().to_ascii_uppercase()
            } else {
                effort.name().to_owned()
            };
            out.key(self.name("thinkingLevel")).string(&level);
        }
        for (name, value) in extra.iter() {
            let name = if name == "includeThoughts" {
                self.name("includeThoughts")
            } else {
                name
            };
            out.key(name).json(value);
        }
    }
}

//! What crosses from one dialect to another is there, or its loss is named.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dialect::Dialect;
use dialect::chat::{FinishReason, PartKind};
use dialect::loss::{Loss, Losses};

use super::{events, fold, others, target, with_usage};
use crate::canon::{Canon, canon, difference, strings};
use crate::corpus::{Sample, none, requests, streams, wholes};

/// Members whose strings are words of the dialect or its provider and not of the application.
const WORDS: &[&str] = &[
    "type",
    "role",
    "object",
    "status",
    "effort",
    "reasoning_effort",
    "verbosity",
    "detail",
    "format",
    "media_type",
    "mime_type",
    "finish_reason",
    "stop_reason",
    "stopReason",
    "latency",
    "toolUseId",
    "tool_choice",
    "ttl",
    "mode",
    "item_id",
    "service_tier",
    "id",
    "model",
    "system_fingerprint",
    "provider",
    "native_finish_reason",
    "mode",
    "mimeType",
    "finishReason",
    "thinkingLevel",
    "responseMimeType",
    "modelVersion",
    "responseId",
    "createTime",
    // Said again by why the answer ended.
    "blockReason",
    "category",
    "probability",
    "response_mime_type",
    "thinking_level",
];

/// What stands for a signature where another model called, so that it is not missed.
const UNSIGNED: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

#[test]
fn a_request_is_stable_once_it_crossed() {
    let complaints: Vec<String> = requests().iter().filter_map(stable).collect();
    none(&complaints, requests().len());
}

fn stable(sample: &Sample) -> Option<String> {
    let hub = sample
        .dialect
        .server()
        .decode_request(sample.text.as_bytes())
        .ok()?;
    others(sample.dialect).find_map(|(other, codec)| {
        let complain = |what: String| Some(format!("{} as {}: {what}", sample.id, other.name()));
        let mut losses = Losses::default();
        let once = codec.encode_request(&hub, &target("m"), &mut losses);
        let again = match other.server().decode_request(&once) {
            Ok(again) => again,
            Err(error) => {
                return complain(format!(
                    "is refused: {error} {}",
                    String::from_utf8_lossy(&once)
                ));
            }
        };
        let mut more = Losses::default();
        let twice = codec.encode_request(&again, &target("m"), &mut more);
        if let Some(loss) = more.as_slice().first() {
            return complain(format!("loses more when written again: {loss:?}"));
        }
        difference(&parsed(&once), &parsed(&twice)).and_then(complain)
    })
}

#[test]
fn every_word_of_a_request_crosses_or_is_named() {
    let complaints: Vec<String> = requests().iter().filter_map(request_words).collect();
    none(&complaints, requests().len());
}

fn request_words(sample: &Sample) -> Option<String> {
    let hub = sample
        .dialect
        .server()
        .decode_request(sample.text.as_bytes())
        .ok()?;
    others(sample.dialect).find_map(|(other, codec)| {
        let mut losses = Losses::default();
        let out = codec.encode_request(&hub, &target("m"), &mut losses);
        let missing = missing(sample, &out, losses.as_slice())?;
        Some(format!(
            "{} as {}: {missing}\n    {:?}",
            sample.id,
            other.name(),
            losses.as_slice()
        ))
    })
}

#[test]
fn every_word_of_an_answer_crosses_or_is_named() {
    let complaints: Vec<String> = wholes().iter().filter_map(answer_words).collect();
    none(&complaints, wholes().len());
}

fn answer_words(sample: &Sample) -> Option<String> {
    let hub = sample
        .dialect
        .client()
        .decode_response(sample.text.as_bytes())
        .ok()?;
    others(sample.dialect).find_map(|(other, codec)| {
        let complain = |what: String| Some(format!("{} as {}: {what}", sample.id, other.name()));
        let mut losses = Losses::default();
        let out = other.server().encode_response(&hub, &mut losses);
        let again = match codec.decode_response(&out) {
            Ok(again) => again,
            Err(error) => return complain(format!("is refused: {error}")),
        };
        let twice = other
            .server()
            .encode_response(&again, &mut Losses::default());
        if let Some(difference) = difference(&parsed(&out), &parsed(&twice)) {
            return complain(difference);
        }
        let missing = missing(sample, &out, losses.as_slice())?;
        complain(format!("{missing}\n    {:?}", losses.as_slice()))
    })
}

/// The first string of a document that neither came across nor is named.
fn missing(sample: &Sample, after: &[u8], losses: &[Loss]) -> Option<String> {
    let before = canon(&sample.text).unwrap();
    let firsts = firsts(&before);
    let there: Vec<String> = deep(&parsed(after))
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    deep(&before).into_iter().find_map(|(path, text)| {
        let path = in_content(&path, &firsts);
        let last = path.rsplit(['.', ']']).next().unwrap_or_default();
        // Usage crosses as counts; its other members are bookkeeping of the provider.
        let passed = text.is_empty()
            || path.starts_with("usage.")
            || path.starts_with("usageMetadata.")
            || firsts.is_some() && ECHO.iter().any(|name| path.starts_with(name))
            || WORDS.contains(&last)
            || there.iter().any(|found| found.contains(&text))
            || losses.iter().any(|loss| covers(&loss.path, &path))
            || path.starts_with("include[") && ANYHOW.contains(&text.as_str())
            || text == UNSIGNED
            // Text goes without saying.
            || path.ends_with("responseModalities[0]") && text == "TEXT"
            || in_data_url(&text, &there)
            || in_other_letters(&text, &there);
        (!passed).then(|| format!("{path} is gone: {text:.120}"))
    })
}

/// What a request of responses may include that is told, or asked for, anyhow.
const ANYHOW: [&str; 2] = [
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
];

/// What an answer of responses repeats of its request, or tells of its provider, and the end
/// that crosses as a word.
const ECHO: &[&str] = &[
    "tools[",
    "tool_choice",
    "text.",
    "truncation",
    "reasoning.",
    "instructions",
    "incomplete_details.reason",
    "metadata.",
    "billing.",
    "moderation",
    "content_filters",
    "conversation.",
    "previous_response_id",
    "prompt",
    "safety_identifier",
    "user",
    "output_text",
];

/// Of an answer of responses: for each item, the number of its first part in the hub.
fn firsts(answer: &Canon) -> Option<Vec<usize>> {
    let Canon::Object(members) = answer else {
        return None;
    };
    let Canon::Array(items) = members.get("output")? else {
        return None;
    };
    let mut next = 0;
    let first = |item: &Canon| {
        let first = next;
        next += match item {
            Canon::Object(item) if item.get("type") == Some(&Canon::String("message".into())) => {
                match &item["content"] {
                    Canon::Array(content) => content.len().max(1),
                    _ => 1,
                }
            }
            _ => 1,
        };
        first
    };
    Some(items.iter().map(first).collect())
}

/// A path into the items of an answer of responses, as one into the hub's list of parts.
fn in_content(path: &str, firsts: &Option<Vec<usize>>) -> String {
    let whole = || {
        let (item, rest) = path.strip_prefix("output[")?.split_once(']')?;
        let first = firsts.as_ref()?.get(item.parse::<usize>().ok()?)?;
        let inner = rest
            .strip_prefix(".content[")
            .and_then(|r| r.split_once(']'));
        let (place, rest) = match inner.and_then(|(n, rest)| Some((n.parse::<usize>().ok()?, rest)))
        {
            Some((place, rest)) => (first + place, rest),
            None => (*first, rest),
        };
        let rest = rest.replace(".annotations[", ".citations[");
        Some(match rest.strip_prefix(".logprobs") {
            Some(rest) => format!("logprobs{rest}"),
            None => format!("content[{place}]{rest}"),
        })
    };
    whole().unwrap_or_else(|| path.to_owned())
}

/// A data URL may come across as its media type and its data, or as the text that it holds.
fn in_data_url(text: &str, there: &[String]) -> bool {
    let Some((kind, data)) = text
        .strip_prefix("data:")
        .and_then(|url| url.split_once(";base64,"))
    else {
        return false;
    };
    let words = STANDARD
        .decode(data)
        .ok()
        .filter(|_| kind.starts_with("text/"));
    let words = words.and_then(|words| String::from_utf8(words).ok());
    there
        .iter()
        .any(|found| found == data || Some(found) == words.as_ref())
}

/// Base64 may come across in its other alphabet, and a document in it as its words.
fn in_other_letters(text: &str, there: &[String]) -> bool {
    let standard = text.replace('-', "+").replace('_', "/");
    let words = STANDARD.decode(&standard).unwrap_or_default();
    let words = String::from_utf8(words).unwrap_or_default();
    let found = |wanted: &str| there.iter().any(|found| found.contains(wanted));
    found(&standard) || !words.is_empty() && found(&words)
}

/// Whether the loss names what stood at the path, or what it stood in.
fn covers(loss: &str, path: &str) -> bool {
    let within = |loss: &str, path: &str| {
        let rest = path.strip_prefix(loss);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    if within(loss, path) {
        return true;
    }
    // What stands beside the content of an item is named with its first part.
    if let Some(part) = loss.strip_suffix(".message") {
        let part = hub_path(part);
        let item = part.strip_suffix(".content[0]").unwrap_or(&part);
        let beside = path.strip_prefix(item).or(path.strip_prefix(part.as_str()));
        return beside.is_some_and(|rest| rest.starts_with('.') && !rest.starts_with(".content"));
    }
    let (loss, path) = (hub_path(loss), hub_path(path));
    let cites = |place: &str| place.starts_with("annotations") || place.starts_with("citations");
    within(&loss, &path)
        || of_reasoning(&path).is_some_and(|turn| {
            let beside = ["content", "reasoning"].map(|name| format!("{turn}{name}"));
            beside.iter().any(|name| loss.starts_with(name))
        })
        || cites(&path) && loss.rsplit('.').next().is_some_and(cites)
        || is_behind_a_signature(&loss, &path)
        || of_signature(&path)
            .is_some_and(|turn| loss.starts_with(turn) && loss.contains("content["))
        || path.starts_with("audio") && loss == "content[0]"
}

/// A path without what only one dialect puts between: losses name places as the hub knows them.
fn hub_path(path: &str) -> String {
    let blocks = [
        "toolUse",
        "toolResult",
        "citationsContent",
        "guardContent",
        "reasoningContent",
        "image",
        "document",
        "video",
        "audio",
        "searchResult",
    ];
    let path = blocks.iter().fold(path.to_owned(), |path, block| {
        path.replace(&format!("].{block}."), "].")
    });
    path.replace("function_response", "functionResponse")
        .replace("candidates[", "choices[")
        .replace("contents[", "messages[")
        .replace("content.parts[", "content[")
        .replace("logprobsResult", "logprobs")
        .replace("].output[", "].content[")
        .replace("parts[", "content[")
        .replace("output.message.", "")
        .replace("].text.", "].")
        .replace("].reasoningText.", "].")
        .replace("redactedContent", "signature")
        .replace("metadata.user_id", "user")
        .replace("system.content", "system")
        .replace("toolConfig.", "")
        .replace("choices[0].", "")
        .replace("message.", "")
        .replace("annotations", "citations")
        .replace("encrypted_content", "signature")
        .replace(".tool_call_id", ".id")
        .replace(".call_id", ".id")
        .replace(".function.", ".")
        .replace("thinking.", "reasoning.")
        .replace("metadata.user_id", "user")
}

/// Whether the loss names the part at the path, moved by signatures before it or a result's
/// words: those are parts of their own in the hub.
fn is_behind_a_signature(loss: &str, path: &str) -> bool {
    let path = path
        .replace("functionResponse.", "")
        .replace("function_response.", "");
    let index = |text: &str| {
        text.split_once(']')
            .and_then(|(n, _)| n.parse::<usize>().ok())
    };
    loss.rmatch_indices("content[")
        .next()
        .is_some_and(|(at, mark)| {
            let (turn, lost) = loss.split_at(at + mark.len());
            let stood = path.strip_prefix(turn).and_then(index);
            index(lost)
                .zip(stood)
                .is_some_and(|(lost, stood)| lost > stood && lost - stood < 4)
        })
}

/// The turn that a signature belongs to: in the hub it stands on a part of its own.
fn of_signature(path: &str) -> Option<&str> {
    let part = path.strip_suffix(".thoughtSignature");
    let part = part.or(path.strip_suffix(".thought_signature"))?;
    Some(part.split_once("content[").map_or("", |(turn, _)| turn))
}

/// The turn that reasoning beside its content belongs to.
fn of_reasoning(path: &str) -> Option<&str> {
    let at = path.find("reasoning_").or(path.find("reasoning"));
    let at = at.or(path.find("tool_plan"))?;
    let turn = &path[..at];
    (turn.is_empty() || turn.starts_with("messages")).then_some(turn)
}

/// Strings, and those inside strings that are JSON objects themselves, as arguments are.
fn deep(value: &Canon) -> Vec<(String, String)> {
    strings(value)
        .into_iter()
        .map(|(path, text)| (path, unwrapped(&text).unwrap_or(text)))
        .flat_map(|(path, text)| match canon(&text) {
            Ok(inner @ Canon::Object(_)) => deep(&inner)
                .into_iter()
                .map(|(_, text)| (path.clone(), text))
                .collect(),
            _ => vec![(path, text)],
        })
        .collect()
}

/// What another dialect's signature is wrapped around.
fn unwrapped(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text).ok()?;
    let inner = bytes.strip_prefix(b"bondgate:")?;
    String::from_utf8(inner.to_vec()).ok()
}

fn parsed(bytes: &[u8]) -> Canon {
    canon(std::str::from_utf8(bytes).unwrap()).unwrap()
}

#[test]
fn a_stream_says_the_same_in_every_dialect() {
    let complaints: Vec<String> = streams().iter().filter_map(stream).collect();
    none(&complaints, streams().len());
}

fn stream(sample: &Sample) -> Option<String> {
    let told = events(sample.dialect, sample.candidates, &sample.bytes).ok()?;
    let expected = said(sample.dialect, &told);
    Dialect::ALL.into_iter().find_map(|other| {
        let complain = |what: String| Some(format!("{} as {}: {what}", sample.id, other.name()));
        let mut writer = other.server().encoder(with_usage());
        let mut out = Vec::new();
        told.iter().for_each(|event| writer.push(event, &mut out));
        let losses = writer.losses().as_slice();
        let candidates = if losses.is_empty() {
            sample.candidates
        } else {
            1
        };
        let again = match events(other, candidates, &out) {
            Ok(again) => again,
            Err(error) => {
                return complain(format!(
                    "breaks: {error}\n{}",
                    String::from_utf8_lossy(&out)
                ));
            }
        };
        let found = said(other, &again);
        (found != expected && losses.is_empty())
            .then(|| complain(format!("{expected:?}\nbecame\n{found:?}")))
            .flatten()
    })
}

/// Text and tool calls of each answer, and why it ended.
fn said(
    dialect: Dialect,
    told: &[dialect::chat::StreamEvent],
) -> Vec<(String, Vec<String>, String)> {
    let response = fold(dialect, told).into_response();
    let candidates = response.candidates.into_iter();
    candidates
        .map(|candidate| {
            let (mut text, mut calls) = (String::new(), Vec::new());
            let mut refused = false;
            for part in candidate.parts {
                match part.kind {
                    PartKind::Text(more) => text.push_str(&more),
                    PartKind::Refusal(more) => {
                        text.push_str(&more);
                        refused = true;
                    }
                    PartKind::ToolCall(call) => {
                        // A call without arguments has none, however that is written.
                        let arguments = Some(call.arguments.as_str()).filter(|a| !a.is_empty());
                        let arguments = canon(arguments.unwrap_or("{}"));
                        calls.push(format!("{} {} {arguments:?}", call.id, call.name));
                    }
                    _ => {}
                }
            }
            // Some dialects tell a refusal by its part, some by the end.
            let reason = candidate.finish.map(|finish| match refused {
                true => format!("{:?}", FinishReason::Refusal),
                // Some know a refusal only as a filter's, or the reverse.
                false if finish.reason == FinishReason::ContentFilter => {
                    format!("{:?}", FinishReason::Refusal)
                }
                false => format!("{:?}", finish.reason),
            });
            (text, calls, reason.unwrap_or_default())
        })
        .collect()
}

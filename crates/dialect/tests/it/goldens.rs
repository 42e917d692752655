//! What each fixture becomes in each dialect, losses included, held by snapshots.

use dialect::Dialect;
use dialect::frame::Framing;
use dialect::loss::Losses;
use insta::{Settings, assert_snapshot};
use serde_json::{Value, json};

use crate::corpus::{Sample, fixtures, requests, streams, wholes};
use crate::event_stream::to_sse;
use crate::laws::{events, target, with_usage};

#[test]
fn requests_become_what_their_snapshots_say() {
    each(requests(), |sample, other| {
        let hub = sample
            .dialect
            .server()
            .decode_request(sample.text.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", sample.id));
        let mut losses = Losses::default();
        let target = target(if hub.model.is_empty() {
            "m"
        } else {
            &hub.model
        });
        let out = other.client().encode_request(&hub, &target, &mut losses);
        hold(
            sample,
            other,
            "request",
            &format!("{}{}", pretty(&out), told(&losses)),
        );
    });
}

#[test]
fn answers_become_what_their_snapshots_say() {
    each(wholes(), |sample, other| {
        let hub = sample
            .dialect
            .client()
            .decode_response(sample.text.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", sample.id));
        let mut losses = Losses::default();
        let out = other.server().encode_response(&hub, &mut losses);
        hold(
            sample,
            other,
            "response",
            &format!("{}{}", pretty(&out), told(&losses)),
        );
    });
}

#[test]
fn streams_become_what_their_snapshots_say() {
    each(streams(), |sample, other| {
        let told_events = events(sample.dialect, sample.candidates, &sample.bytes)
            .unwrap_or_else(|error| panic!("{}: {error}", sample.id));
        let mut writer = other.server().encoder(with_usage());
        let mut out = Vec::new();
        told_events
            .iter()
            .for_each(|event| writer.push(event, &mut out));
        let out = match other.server().stream_framing() {
            Framing::Sse | Framing::JsonArray => String::from_utf8(out).unwrap(),
            Framing::EventStream => to_sse(&out),
        };
        hold(
            sample,
            other,
            "stream",
            &format!("{out}{}", told(writer.losses())),
        );
    });
}

/// A long text crosses whole; made here, since it is nothing to keep in a file.
#[test]
fn a_mebibyte_of_text_crosses_whole() {
    let text = "Ünïcode 😀 \"quoted\" \\ back\n".repeat(38_000);
    assert!(text.len() > 1 << 20);

    for from in Dialect::ALL {
        let mut body = json!({"model": "m", "max_tokens": 5});
        match from {
            Dialect::OpenaiChat | Dialect::AnthropicMessages | Dialect::Cohere => {
                body["messages"] = json!([{"role": "user", "content": text}]);
            }
            Dialect::BedrockConverse => {
                body["messages"] = json!([{"role": "user", "content": [{"text": text}]}]);
            }
            Dialect::OpenaiResponses => body["input"] = json!(text),
            Dialect::Gemini => body["contents"] = json!([{"parts": [{"text": text}]}]),
        }
        let body = body.to_string();
        let hub = from.server().decode_request(body.as_bytes()).unwrap();
        for to in Dialect::ALL {
            let out = to
                .client()
                .encode_request(&hub, &target("m"), &mut Losses::default());
            let out: Value = serde_json::from_slice(&out).unwrap();
            let content = [&out["messages"][0]["content"], &out["input"][0]["content"]];
            let part = &out["contents"][0]["parts"][0]["text"];
            let found = content
                .into_iter()
                .find_map(|content| content.as_str().or(content[0]["text"].as_str()));
            let found = found.or(out["input"].as_str()).or(part.as_str());
            assert_eq!(found, Some(text.as_str()), "{from:?} {to:?}");
        }
    }
}

fn each(samples: &[Sample], test: impl Fn(&Sample, Dialect)) {
    let fixtures: Vec<&Sample> = samples.iter().filter(|sample| sample.fixture).collect();
    assert!(!fixtures.is_empty());
    for sample in fixtures {
        Dialect::ALL
            .into_iter()
            .for_each(|other| test(sample, other));
    }
}

fn hold(sample: &Sample, other: Dialect, kind: &str, text: &str) {
    let (dialect, case) = sample.id.split_once('/').unwrap();
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(fixtures().join("snapshots").join(dialect));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!(format!("{case}.{kind}.{}", other.name()), text));
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    format!("{value:#}\n")
}

fn told(losses: &Losses) -> String {
    let lines = losses.as_slice().iter().map(|loss| {
        let weight = if loss.functional {
            "functional"
        } else {
            "tuning"
        };
        format!(
            "LOSS {} {} ({weight}): {}\n",
            loss.path,
            loss.kind.name(),
            loss.why
        )
    });
    lines.collect()
}

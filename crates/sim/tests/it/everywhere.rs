//! What holds in every dialect alike: faults, the bill, and content by seed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sim::{Outcome, Sim};

use crate::aws::frames;
use crate::client::{Got, post, send};
use crate::scripted;

/// A dialect with the request for a stream of its.
struct Speaker {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
    body: Value,
}

const BOTH: &str = "authorization: Bearer k\r\nanthropic-version: 2023-06-01\r\n";

fn speakers(text: &str) -> Vec<Speaker> {
    let turn = json!([{"role": "user", "content": text}]);
    let parts = json!([{"role": "user", "parts": [{"text": text}]}]);
    let blocks = json!([{"role": "user", "content": [{"text": text}]}]);
    let messages =
        |version: &str| json!({"anthropic_version": version, "max_tokens": 1000, "messages": turn});
    let speaker = |name, path, body| Speaker {
        name,
        path,
        headers: BOTH,
        body,
    };
    let mut vertex = messages("vertex-2023-10-16");
    vertex["stream"] = json!(true);
    vec![
        speaker(
            "openai-chat",
            "/v1/chat/completions",
            json!({"model": "echo", "messages": turn, "stream": true, "stream_options": {"include_usage": true}}),
        ),
        speaker(
            "openai-chat",
            "/v1/completions",
            json!({"model": "echo", "prompt": text, "max_tokens": 1000, "stream": true, "stream_options": {"include_usage": true}}),
        ),
        speaker(
            "openai-responses",
            "/v1/responses",
            json!({"model": "echo", "input": text, "stream": true}),
        ),
        speaker(
            "anthropic-messages",
            "/v1/messages",
            json!({"model": "echo", "max_tokens": 1000, "messages": turn, "stream": true}),
        ),
        speaker(
            "anthropic-messages",
            "/v1/projects/p/locations/l/publishers/anthropic/models/echo:streamRawPredict",
            vertex,
        ),
        speaker(
            "anthropic-messages",
            "/model/echo/invoke-with-response-stream",
            messages("bedrock-2023-05-31"),
        ),
        speaker(
            "gemini",
            "/v1beta/models/echo:streamGenerateContent?alt=sse",
            json!({"contents": parts}),
        ),
        speaker(
            "gemini",
            "/v1beta/models/echo:streamGenerateContent",
            json!({"contents": parts}),
        ),
        speaker(
            "bedrock-converse",
            "/model/echo/converse-stream",
            json!({"messages": blocks}),
        ),
        speaker(
            "cohere",
            "/v2/chat",
            json!({"model": "echo", "messages": turn, "stream": true}),
        ),
    ]
}

async fn say(sim: &Sim, speaker: &Speaker) -> Got {
    send(
        sim,
        &post(speaker.path, speaker.headers, &speaker.body.to_string()),
    )
    .await
}

/// The answer under a fault, and the number of events that went out.
async fn under(fault: &Value, speaker: &Speaker) -> (Got, sim::Seen) {
    let sim = scripted(&json!({"seed": 7, "rules": [{"do": fault}]})).await;
    let got = say(&sim, speaker).await;
    sim.ended(1).await;
    let seen = sim.seen().remove(0);
    (got, seen)
}

const TEXT: &str = "one two three four five six";

#[tokio::test]
async fn each_is_billed_the_same_for_the_same_words() {
    let sim = scripted(&json!({})).await;
    for speaker in speakers(TEXT) {
        let got = say(&sim, &speaker).await;
        assert!(
            got.status == 200 && got.whole,
            "{} {}",
            speaker.path,
            got.head
        );
        let bill = sim.bill();
        let call = bill.calls.last().unwrap();
        let told = (
            call.dialect,
            call.model.as_str(),
            call.input_tokens,
            call.output_tokens,
        );
        let tokens = TEXT.len().div_ceil(4) as u64;
        assert_eq!(
            told,
            (speaker.name, "echo", tokens, tokens),
            "{}",
            speaker.path
        );
        assert!(call.completed);
    }
}

#[tokio::test]
async fn cuts_are_exact_in_events_and_bytes() {
    for speaker in speakers(TEXT) {
        let (plain, whole) = under(&json!([]), &speaker).await;
        assert!(
            whole.events_sent > 6,
            "{} {}",
            speaker.path,
            whole.events_sent
        );
        let (cut, seen) = under(&json!({"cut": {"after_events": 4}}), &speaker).await;
        assert_eq!(
            (seen.events_sent, cut.whole),
            (4, false),
            "{}",
            speaker.path
        );
        assert!(!cut.body.is_empty() && cut.body.len() < plain.body.len());
        let (cut, _) = under(&json!({"cut": {"after_bytes": 101, "by": "rst"}}), &speaker).await;
        assert_eq!((cut.body.len(), cut.reset), (101, true), "{}", speaker.path);
        let (split, _) = under(&json!({"split": {"bytes": 33}}), &speaker).await;
        assert!(
            split.whole && split.chunks.iter().all(|n| *n <= 33),
            "{}",
            speaker.path
        );
    }
}

#[tokio::test]
async fn errors_inside_a_stream_end_it() {
    for speaker in speakers(TEXT) {
        let (got, seen) = under(&json!({"error_event": {"after_events": 4}}), &speaker).await;
        assert_eq!(
            (seen.events_sent, seen.faults.as_slice()),
            (5, &["error_event"][..]),
            "{}",
            speaker.path
        );
        assert_eq!(seen.outcome, Some(Outcome::Cut("error_event")));
        let text = String::from_utf8_lossy(&got.body).to_lowercase();
        assert!(text.contains("error"), "{}", speaker.path);
    }
}

#[tokio::test]
async fn what_breaks_an_event_changes_its_bytes_alone() {
    for speaker in speakers(TEXT) {
        let (plain, _) = under(&json!([]), &speaker).await;
        let (garbled, seen) =
            under(&json!({"garbage": {"at_event": 3, "bytes": 20}}), &speaker).await;
        assert_eq!(
            (garbled.body.len(), seen.faults.as_slice()),
            (plain.body.len() + 20, &["garbage"][..]),
            "{}",
            speaker.path
        );
        let (flipped, seen) = under(&json!({"flip": {"at_event": 3}}), &speaker).await;
        assert_eq!(
            (flipped.body.len(), seen.faults.as_slice()),
            (plain.body.len(), &["flip"][..])
        );
        let (broken, seen) = under(&json!({"bad_json": {"at_event": 3}}), &speaker).await;
        assert_eq!(seen.faults, ["bad_json"]);
        assert_ne!(broken.body, plain.body, "{}", speaker.path);
    }
}

#[tokio::test]
#[should_panic(expected = "CRC")]
async fn a_flipped_bit_breaks_the_crc() {
    let bedrock = speakers(TEXT)
        .into_iter()
        .find(|s| s.name == "bedrock-converse")
        .unwrap();
    let (got, _) = under(&json!({"flip": {"at_event": 1}}), &bedrock).await;
    frames(&got.body);
}

/// What an answer says, out of AWS's wrapping, without the second it was made in.
fn said(speaker: &Speaker, got: &Got) -> String {
    let text = if speaker.path.ends_with("invoke-with-response-stream") {
        let each = frames(&got.body).into_iter();
        let inner = each.map(|f| {
            STANDARD
                .decode(f.json()["bytes"].as_str().unwrap())
                .unwrap()
        });
        inner.map(|b| String::from_utf8(b).unwrap()).collect()
    } else {
        String::from_utf8_lossy(&got.body).into_owned()
    };
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    let times: Vec<String> = numbers
        .filter(|n| n.len() == 10)
        .map(str::to_owned)
        .collect();
    times
        .iter()
        .fold(text, |text, time| text.replace(time, "NOW"))
}

#[tokio::test]
async fn counts_and_ids_lie_as_scripted() {
    for speaker in speakers(TEXT) {
        let usage = |lie: &str| json!({"usage": {"tell": lie}});
        let plain = said(&speaker, &under(&json!([]), &speaker).await.0);
        let again = said(&speaker, &under(&json!([]), &speaker).await.0);
        assert_eq!(plain, again, "{}", speaker.path);
        let absurd = said(&speaker, &under(&usage("absurd"), &speaker).await.0);
        assert!(
            absurd.contains("9007199254740993"),
            "{} {absurd}",
            speaker.path
        );
        let missing = said(&speaker, &under(&usage("missing"), &speaker).await.0);
        assert!(missing.len() < plain.len(), "{}", speaker.path);
        for fault in [usage("shrinking"), json!("wrong_id")] {
            let (got, _) = under(&fault, &speaker).await;
            assert!(
                got.whole && said(&speaker, &got) != plain,
                "{} {fault}",
                speaker.path
            );
        }
        let sim = scripted(&json!({"rules": [{"do": usage("absurd")}]})).await;
        say(&sim, &speaker).await;
        let billed = sim.bill().calls[0].output_tokens;
        assert_eq!(billed, TEXT.len().div_ceil(4) as u64);
    }
}

#[tokio::test]
async fn statuses_are_the_dialects_own() {
    for speaker in speakers(TEXT) {
        for status in [400, 429, 500, 503] {
            let (got, _) = under(
                &json!({"status": {"status": status, "message": "as scripted"}}),
                &speaker,
            )
            .await;
            assert_eq!(got.status, status);
            assert!(got.text().contains("as scripted"), "{}", speaker.path);
        }
    }
}

#[tokio::test]
async fn directives_set_the_events_and_seeds_the_words() {
    for speaker in speakers("[[chunks=12&bytes=6]]") {
        let (got, seen) = under(&json!([]), &speaker).await;
        assert!(
            got.whole && seen.events_sent >= 12,
            "{} {}",
            speaker.path,
            seen.events_sent
        );
        let sim = scripted(&json!({})).await;
        say(&sim, &speaker).await;
        assert_eq!(sim.bill().calls[0].output_tokens, 18, "{}", speaker.path);
    }
}

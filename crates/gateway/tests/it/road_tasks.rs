//! Tasks beside chat, in their own words: what goes up, what comes back, what is written down.

use std::sync::Arc;

use dialect::Dialect;
use dialect::task::{Task, Tasks};
use policy::model::Target;
use serde_json::{Value, json};
use sim::Sim;

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{Road, faulty, model, provider, scripted, sim, target};

pub(crate) const CHAT: Dialect = Dialect::OpenaiChat;

/// A request of a task, whose model is `m`.
pub(crate) struct Case {
    pub(crate) task: Task,
    pub(crate) ask: Ask,
}

fn json_case(task: Task, dialect: Dialect, path: &str, body: &Value) -> Case {
    let ask = Ask::new(dialect, "").at(path).raw(body.to_string());
    Case { task, ask }
}

/// A form with the fields, and a file of that name.
pub(crate) fn form(path: &str, fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Ask {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--b0und\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let (name, kind, bytes) = file;
    let head = format!(
        "--b0und\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.bin\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--b0und--\r\n");
    let form = "multipart/form-data; boundary=b0und";
    let ask = Ask::new(CHAT, "").at(path).without("content-type");
    ask.header("content-type", form).raw(body)
}

/// Bytes that are no text, with what looks like a line of a form.
pub(crate) const SOUND: &[u8] = b"\xff\xfb\x90\r\n--b0\x00sound\r\n\xfe";

/// Each task of each dialect once.
pub(crate) fn cases() -> Vec<Case> {
    let of_openai = |task, path: &str, body: Value| json_case(task, CHAT, path, &body);
    let file = ("file", "audio/mpeg", SOUND);
    let image = ("image", "image/png", &b"\x89PNG\r\n\x1a\nx"[..]);
    let mut cases = vec![
        of_openai(
            Task::Embed,
            "/v1/embeddings",
            json!({ "model": "m", "input": ["one", "two"], "encoding_format": "base64" }),
        ),
        of_openai(
            Task::Complete,
            "/v1/completions",
            json!({ "model": "m", "prompt": "say it", "max_tokens": 9 }),
        ),
        of_openai(
            Task::Moderate,
            "/openai/v1/moderations",
            json!({ "model": "m", "input": "a fine day" }),
        ),
        of_openai(
            Task::Image,
            "/images/generations",
            json!({ "model": "m", "prompt": "a boat", "n": 2 }),
        ),
        Case {
            task: Task::ImageEdit,
            ask: form(
                "/v1/images/edits",
                &[("prompt", "a boat"), ("model", "m")],
                image,
            ),
        },
        of_openai(
            Task::Speech,
            "/v1/audio/speech",
            json!({ "model": "m", "input": "hello", "voice": "alloy" }),
        ),
        Case {
            task: Task::Transcribe,
            ask: form("/v1/audio/transcriptions", &[("model", "m")], file),
        },
        Case {
            task: Task::Translate,
            ask: form("/audio/translations", &[("model", "m")], file),
        },
    ];
    cases.extend(cases_of_others());
    cases
}

fn cases_of_others() -> Vec<Case> {
    let contents = json!({ "content": { "parts": [{ "text": "hi" }] } });
    let mut several = contents.clone();
    several["model"] = json!("models/m");
    vec![
        json_case(
            Task::Embed,
            Dialect::Gemini,
            "/v1beta/models/m:embedContent",
            &contents,
        ),
        json_case(
            Task::EmbedBatch,
            Dialect::Gemini,
            "/v1beta/models/m:batchEmbedContents",
            &json!({ "requests": [several.clone(), several] }),
        ),
        json_case(
            Task::Embed,
            Dialect::Cohere,
            "/v2/embed",
            &json!({ "model": "m", "input_type": "search_query", "texts": ["one", "two"], "embedding_types": ["float"] }),
        ),
        json_case(
            Task::Rerank,
            Dialect::Cohere,
            "/v2/rerank",
            &json!({ "model": "m", "query": "boat", "documents": ["a boat", "a tree"] }),
        ),
    ]
}

pub(crate) fn served(dialect: Dialect, sim: &Sim) -> Arc<Target> {
    target(provider("p", dialect, sim.addr()), "echo")
}

#[tokio::test]
async fn each_task_goes_up_as_it_came_but_for_the_models_name_and_is_written_down() {
    for Case { task, ask } in cases() {
        let sim = sim().await;
        let road = Road::to(vec![served(ask.dialect, &sim)]);
        let got = ask.send(&road).await;
        assert_eq!(
            got.status,
            200,
            "{task:?}: {}",
            String::from_utf8_lossy(&got.body)
        );
        assert!(got.whole, "{task:?}");
        assert_eq!(got.header("x-bondgate-target"), "p/echo");
        assert_eq!(got.header("x-bondgate-model"), "m");
        let seen = sim.seen().remove(0);
        let sent = String::from_utf8_lossy(&seen.body).into_owned();
        let asked = String::from_utf8_lossy(&ask.body).into_owned();
        let back = sent
            .replace("\"echo\"", "\"m\"")
            .replace("models/echo", "models/m")
            .replace("\r\n\r\necho\r\n", "\r\n\r\nm\r\n");
        assert_eq!(back, asked, "{task:?}");
        let record = road.settled_record().await;
        assert_eq!(record.operation, task.name());
        assert_eq!((&*record.outcome, record.status), ("answered", 200));
        assert_eq!(sim.bill().calls.len(), 1, "{task:?}");
    }
}

#[tokio::test]
async fn answers_are_what_the_provider_said_with_its_own_type() {
    for (case, kind) in [(5, "audio/mpeg"), (0, "application/json")] {
        let ask = cases().remove(case).ask;
        let sim = sim().await;
        let road = Road::to(vec![served(CHAT, &sim)]);
        let got = ask.send(&road).await;
        assert_eq!(got.header("content-type"), kind);
        if case == 5 {
            // So many bytes of sound the simulated provider makes of each letter.
            assert_eq!(got.body.len(), "hello".len() * 64);
        } else {
            let body = got.json();
            assert_eq!(body["data"].as_array().unwrap().len(), 2);
            assert!(body["data"][1]["embedding"].is_string(), "{body}");
            assert_eq!(body["model"], "echo");
        }
    }
}

#[tokio::test]
async fn words_that_were_heard_come_in_the_form_that_was_asked_for() {
    let file = ("file", "audio/mpeg", SOUND);
    for (format, kind) in [
        ("srt", "text/plain; charset=utf-8"),
        ("verbose_json", "application/json"),
    ] {
        let fields = [("model", "m"), ("response_format", format)];
        let ask = form("/v1/audio/transcriptions", &fields, file);
        let sim = sim().await;
        let road = Road::to(vec![served(CHAT, &sim)]);
        let got = ask.send(&road).await;
        assert_eq!(got.header("content-type"), kind);
        assert_eq!(got.text().contains("-->"), format == "srt");
    }
}

#[tokio::test]
async fn a_deployment_in_the_path_names_the_model_of_a_form_that_names_none() {
    let path = "/openai/deployments/m/audio/transcriptions?api-version=1";
    let ask = form(path, &[], ("file", "audio/mpeg", SOUND));
    let sim = sim().await;
    let road = Road::to(vec![served(CHAT, &sim)]);
    let got = ask.send(&road).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(sim.bill().calls[0].model, "echo");
}

/// What streams: the request, and the word that an end of it holds.
fn streams() -> Vec<(Ask, &'static str)> {
    let streamed = |at: usize| cases().remove(at).ask.with("stream", json!(true));
    let fields = [("stream", "true"), ("model", "m")];
    let heard = form(
        "/v1/audio/transcriptions",
        &fields,
        ("file", "audio/mpeg", SOUND),
    );
    let spoken = cases().remove(5).ask.with("stream_format", json!("sse"));
    vec![
        (streamed(1), "data: [DONE]"),
        (streamed(3), "image_generation.completed"),
        (heard, "transcript.text.done"),
        (spoken, "speech.audio.done"),
    ]
}

#[tokio::test]
async fn streams_come_as_they_are_and_end_with_their_own_word() {
    for (ask, end) in streams() {
        let sim = sim().await;
        let road = Road::to(vec![served(CHAT, &sim)]);
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(got.header("content-type").starts_with("text/event-stream"));
        let text = got.text();
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.contains(end), "{last}");
        let record = road.settled_record().await;
        assert_eq!(record.outcome, "answered");
        assert!(record.stream && !record.flags.estimated, "{end}");
    }
}

#[tokio::test]
async fn a_cut_stream_is_never_ended_well_and_is_booked_as_broken() {
    for (ask, end) in streams() {
        let whole = {
            let sim = sim().await;
            let road = Road::to(vec![served(CHAT, &sim)]);
            ask.send(&road).await.body.len()
        };
        for part in [0.3, 0.6, 0.95] {
            let cut = json!({ "cut": { "at_fraction": part, "clean": part > 0.5 } });
            let sim = faulty(cut).await;
            let road = Road::to(vec![served(CHAT, &sim)]);
            let got = ask.send(&road).await;
            let text = got.text();
            let ended = got.status == 200 && got.whole && text.contains(end);
            let failed = text.contains("\"error\"");
            assert!(!ended || failed, "{end} {part} of {whole}: {text}");
            let record = road.settled_record().await;
            assert_ne!(record.outcome, "answered", "{end} {part}");
        }
    }
}

#[tokio::test]
async fn cut_speech_breaks_its_framing_and_is_booked_as_broken() {
    let ask = cases()
        .remove(5)
        .ask
        .with("input", json!("hello ".repeat(50)));
    for by in ["fin", "rst"] {
        let sim = faulty(json!({ "cut": { "at_fraction": 0.5, "by": by } })).await;
        let road = Road::to(vec![served(CHAT, &sim)]);
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200);
        assert!(!got.whole, "{by}");
        assert!(!got.body.is_empty());
        assert_eq!(road.outcome().await, "broken");
    }
}

#[tokio::test]
async fn what_fails_is_tried_elsewhere() {
    for Case { task, ask } in cases() {
        let bad = faulty(json!({ "status": { "status": 503 } })).await;
        let good = sim().await;
        let (a, b) = (
            provider("a", ask.dialect, bad.addr()),
            provider("b", ask.dialect, good.addr()),
        );
        let road = Road::to(vec![target(a, "echo"), target(b, "echo")]);
        let got = ask.send(&road).await;
        assert_eq!(got.status, 200, "{task:?}");
        assert_eq!(got.header("x-bondgate-target"), "b/echo");
        assert_eq!(got.header("x-bondgate-attempts"), "2");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_no_answer() {
    for Case { task, ask } in cases() {
        for fault in [
            json!({ "html": { "status": 200 } }),
            json!({ "empty": {} }),
            json!({ "cut": { "at_fraction": 0.5, "clean": true } }),
        ] {
            // Half of a sound that ends cleanly is a sound.
            if task == Task::Speech && fault.get("cut").is_some() {
                continue;
            }
            let sim = faulty(fault.clone()).await;
            let road = Road::to(vec![served(ask.dialect, &sim)]);
            let got = ask.send(&road).await;
            assert_error(ask.dialect, &got, 502, "provider_failed");
        }
    }
}

#[tokio::test]
async fn fewer_vectors_than_inputs_are_no_answer() {
    let short = json!({ "object": "list", "data": [{ "embedding": [1.0], "index": 0 }] });
    let rule =
        json!({ "rules": [{ "do": { "status": { "status": 200, "body": short.to_string() } } }] });
    let sim = scripted(rule).await;
    let road = Road::to(vec![served(CHAT, &sim)]);
    let got = cases().remove(0).ask.send(&road).await;
    assert_error(CHAT, &got, 502, "provider_failed");
    assert!(got.message().contains("1 of 2"), "{}", got.message());
}

#[tokio::test]
async fn only_targets_that_do_it_are_asked_and_where_none_does_it_is_said_why() {
    let sim = sim().await;
    let mut shy = provider("shy", CHAT, sim.addr());
    shy.quirks.tasks = Tasks::of(&[Task::Embed]);
    let claude = provider("claude", Dialect::AnthropicMessages, sim.addr());
    let willing = provider("willing", Dialect::OpenaiResponses, sim.addr());
    let (shy, claude) = (target(shy, "echo"), target(claude, "echo"));
    let willing = target(willing, "echo");
    let speak = cases().remove(5).ask;
    let road = Road::to(vec![Arc::clone(&shy), Arc::clone(&claude), willing]);
    let got = speak.send(&road).await;
    assert_eq!(got.header("x-bondgate-target"), "willing/echo");
    assert_eq!(got.header("x-bondgate-attempts"), "1");

    let road = Road::to(vec![shy, claude]);
    let got = speak.send(&road).await;
    assert_error(CHAT, &got, 503, "no_target");
    for part in ["`speech`", "shy/echo", "claude/echo", "anthropic-messages"] {
        assert!(got.message().contains(part), "{}", got.message());
    }
}

fn refused(got: &Got, part: &str) {
    assert_error(CHAT, got, 400, "invalid_request");
    assert!(got.message().contains(part), "{}", got.message());
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong_and_where() {
    let sim = sim().await;
    let road = Road::with(model(vec![served(CHAT, &sim)]));
    for (path, body, part) in [
        (
            "/v1/embeddings",
            json!({ "model": "m" }),
            "input: field required",
        ),
        (
            "/v1/embeddings",
            json!({ "model": "m", "input": [] }),
            "input: the list is empty",
        ),
        (
            "/v1/embeddings",
            json!({ "model": "m", "input": ["a", 1] }),
            "input: texts and numbers",
        ),
        (
            "/v1/embeddings",
            json!({ "input": "a" }),
            "model: field required",
        ),
        (
            "/v1/images/generations",
            json!({ "model": "m", "prompt": "x", "n": 0 }),
            "n: a number from 1",
        ),
        (
            "/v1/images/generations",
            json!({ "model": "m", "prompt": 5 }),
            "prompt: ",
        ),
        (
            "/v1/audio/speech",
            json!({ "model": "m", "input": ["x"] }),
            "input: ",
        ),
        (
            "/v1/completions",
            json!({ "model": "m", "prompt": "x", "n": "2" }),
            "n: ",
        ),
    ] {
        let ask = Ask::new(CHAT, "").at(path).raw(body.to_string());
        refused(&ask.send(&road).await, part);
    }
    let twice = r#"{"model":"m","input":"x","model":"other"}"#;
    let ask = Ask::new(CHAT, "").at("/v1/embeddings").raw(twice);
    refused(
        &ask.send(&road).await,
        "model: this member stands here twice",
    );
    assert!(sim.seen().is_empty());
}

#[tokio::test]
async fn a_bad_form_is_told_what_is_wrong_and_where() {
    let sim = sim().await;
    let road = Road::with(model(vec![served(CHAT, &sim)]));
    let path = "/v1/audio/transcriptions";
    let file = ("file", "audio/mpeg", SOUND);
    let good = form(path, &[("model", "m")], file);
    let cut = good.body.len() - 8;
    let bodies = [
        (
            good.clone().raw(&good.body[..cut]),
            "before its last boundary (byte",
        ),
        (
            good.clone().raw("x"),
            "does not begin with its boundary (byte 0)",
        ),
        (
            good.clone().raw("--b0und\r\nx: y\r\n\r\n\r\n--b0und--"),
            "no content-disposition (byte 9)",
        ),
        (
            good.clone().raw("--b0und!"),
            "a line must end behind a boundary",
        ),
        (
            form(path, &[("model", "m"), ("model", "n")], file),
            "model: this member stands here twice",
        ),
        (
            form(path, &[("model", "m"), ("stream", "maybe")], file),
            "stream: true or false",
        ),
        (
            form(path, &[], ("model", "text/plain", b"m")),
            "model: one value was expected",
        ),
        (
            form(path, &[("model", "m")], ("other", "audio/mpeg", SOUND)),
            "file: field required",
        ),
        (form(path, &[], file), "model: field required"),
        (
            Ask::new(CHAT, "").at(path).raw("{}"),
            "not multipart/form-data",
        ),
    ];
    for (ask, part) in bodies {
        refused(&ask.send(&road).await, part);
    }
    assert!(sim.seen().is_empty());
}

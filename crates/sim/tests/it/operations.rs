//! What OpenAI serves beside chats: vectors, verdicts, images, sound and
//! legacy completions; each on the bill.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sim::{Outcome, Script, Sim};

use crate::answers::with;
use crate::client::{BEARER, Got, ask_at, send};
use crate::schemas::hold_component;
use crate::{scripted, started};

const OPENAPI: &str = "openai-openapi.json";

/// A form of fields, and of files with their media types.
async fn form(sim: &Sim, path: &str, fields: &[(&str, &str)], files: &[(&str, &str, &str)]) -> Got {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    for (name, kind, data) in files {
        body.push_str(&format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: {kind}\r\n\r\n{data}\r\n"));
    }
    body.push_str("--XX--\r\n");
    let len = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=XX\r\ncontent-length: {len}\r\n{BEARER}\r\n{body}"
    );
    send(sim, &head).await
}

fn on_bill(sim: &Sim, operation: &str) -> sim::Call {
    let bill = sim.bill();
    let call = bill.calls.last().unwrap();
    assert_eq!(
        (call.operation, call.dialect, call.completed),
        (operation, "openai-chat", true)
    );
    call.clone()
}

#[tokio::test]
async fn vectors_are_told_as_numbers_or_packed() {
    let sim = started(Script::default()).await;
    let body = json!({"model": "embed", "input": ["first text", "second"], "dimensions": 8});
    let plain = ask_at(&sim, "/v1/embeddings", &body).await.json();
    hold_component(
        OPENAPI,
        "CreateEmbeddingResponse",
        std::slice::from_ref(&plain),
    );
    let call = on_bill(&sim, "embed");
    assert_eq!(
        plain["usage"],
        json!({"prompt_tokens": call.input_tokens, "total_tokens": call.input_tokens})
    );
    let packed = ask_at(
        &sim,
        "/v1/embeddings",
        &with(body.clone(), &json!({"encoding_format": "base64"})),
    )
    .await
    .json();
    let bytes = STANDARD
        .decode(packed["data"][1]["embedding"].as_str().unwrap())
        .unwrap();
    let floats: Vec<f32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    let told: Vec<f32> = plain["data"][1]["embedding"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.to_string().parse().unwrap())
        .collect();
    assert_eq!(floats, told);
    assert!((floats.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4);
    for input in [json!("one"), json!([1, 2, 3]), json!([[1], [2, 3]])] {
        assert_eq!(
            ask_at(
                &sim,
                "/v1/embeddings",
                &with(body.clone(), &json!({"input": input}))
            )
            .await
            .status,
            200
        );
    }
    for more in [
        json!({"input": []}),
        json!({"input": 5}),
        json!({"dimensions": -1}),
        json!({"encoding_format": "hex"}),
    ] {
        assert_eq!(
            ask_at(&sim, "/v1/embeddings", &with(body.clone(), &more))
                .await
                .status,
            400,
            "{more}"
        );
    }
    let azure = "/openai/deployments/mine/embeddings?api-version=1";
    assert_eq!(
        ask_at(&sim, azure, &json!({"input": "a"})).await.json()["model"],
        "mine"
    );
}

#[tokio::test]
async fn verdicts_are_free() {
    let sim = started(Script::default()).await;
    let got = ask_at(
        &sim,
        "/v1/moderations",
        &json!({"input": ["fine", "REFUSE this"]}),
    )
    .await
    .json();
    hold_component(
        OPENAPI,
        "CreateModerationResponse",
        std::slice::from_ref(&got),
    );
    let flagged: Vec<&Value> = got["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["flagged"])
        .collect();
    assert_eq!(flagged, [&json!(false), &json!(true)]);
    let parts = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]);
    let got = ask_at(&sim, "/v1/moderations", &json!({"input": parts}))
        .await
        .json();
    assert_eq!(
        got["results"][0]["category_applied_input_types"]["violence"],
        json!(["image"])
    );
    assert_eq!(on_bill(&sim, "moderate").cost_nanos, 0);
}

#[tokio::test]
async fn images_are_made_and_edited() {
    let sim = started(Script::default()).await;
    let body = json!({"model": "gpt-image-1", "prompt": "a bridge", "n": 2});
    let made = ask_at(&sim, "/v1/images/generations", &body).await.json();
    hold_component(OPENAPI, "ImagesResponse", std::slice::from_ref(&made));
    assert_eq!(made["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        made["usage"]["output_tokens"],
        on_bill(&sim, "image").output_tokens
    );
    let older = ask_at(&sim, "/v1/images/generations", &json!({"prompt": "a"}))
        .await
        .json();
    assert!(older["data"][0]["url"].is_string());
    let streamed = with(body, &json!({"n": 1, "stream": true, "partial_images": 2}));
    let events = ask_at(&sim, "/v1/images/generations", &streamed)
        .await
        .events();
    hold_component(OPENAPI, "ImageGenStreamEvent", &events);
    assert_eq!(
        (events.len(), &events[2]["type"]),
        (3, &json!("image_generation.completed"))
    );

    let path = "/v1/images/edits";
    let fields = [("model", "gpt-image-1"), ("prompt", "make it green")];
    let image = [("image", "image/png", "PNG")];
    let edited = form(&sim, path, &fields, &image).await.json();
    assert!(edited["data"][0]["b64_json"].is_string());
    assert!(on_bill(&sim, "image_edit").input_tokens > 85);
    assert_eq!(
        form(&sim, path, &fields, &[]).await.json()["error"]["param"],
        "image"
    );
    let wrong = [("image", "text/plain", "PNG")];
    assert_eq!(
        form(&sim, path, &fields, &wrong).await.json()["error"]["code"],
        "unsupported_mimetype"
    );
    let json = json!({"model": "gpt-image-1", "prompt": "a", "images": [{"image_url": "https://a.example/b.png"}]});
    assert_eq!(ask_at(&sim, path, &json).await.status, 200);
}

#[tokio::test]
async fn speech_is_a_stream_of_bytes() {
    let sim = started(Script::default()).await;
    let body = json!({"model": "tts", "voice": "alloy", "input": "Say these words aloud, please, and slowly."});
    let got = ask_at(&sim, "/v1/audio/speech", &body).await;
    assert_eq!(got.header("content-type"), Some("audio/mpeg"));
    assert_eq!((got.body.len(), got.whole), (42 * 64, true));
    assert_eq!(
        on_bill(&sim, "speech").output_tokens,
        (42 * 64_u64).div_ceil(256)
    );
    let events = ask_at(
        &sim,
        "/v1/audio/speech",
        &with(body.clone(), &json!({"stream_format": "sse"})),
    )
    .await
    .events();
    hold_component(OPENAPI, "CreateSpeechResponseStreamEvent", &events);
    let sound: Vec<u8> = events
        .iter()
        .filter_map(|e| e["audio"].as_str())
        .flat_map(|a| STANDARD.decode(a).unwrap())
        .collect();
    assert_eq!(sound, got.body);
    for lacking in ["voice", "input", "model"] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(lacking);
        assert_eq!(ask_at(&sim, "/v1/audio/speech", &body).await.status, 400);
    }
    let sim = scripted(
        &json!({"rules": [{"when": {"operation": "speech"}, "do": {"cut": {"after_events": 1}}}]}),
    )
    .await;
    let got = ask_at(&sim, "/v1/audio/speech", &body).await;
    assert_eq!((got.body.len(), got.whole), (1_024, false));
    assert_eq!(sim.ended(1).await, Outcome::Cut("fin"));
    assert!(sim.bill().calls[0].output_tokens < (42 * 64_u64).div_ceil(256));
}

#[tokio::test]
async fn sound_is_written_down_in_every_format() {
    let sim = started(Script::default()).await;
    let path = "/v1/audio/transcriptions";
    let file = [("file", "audio/wav", "RIFF some sound")];
    let fields = [("model", "gpt-4o-transcribe")];
    let whole = form(&sim, path, &fields, &file).await.json();
    hold_component(
        OPENAPI,
        "CreateTranscriptionResponseJson",
        std::slice::from_ref(&whole),
    );
    assert_eq!(
        whole["usage"]["output_tokens"],
        on_bill(&sim, "transcribe").output_tokens
    );
    let got = form(&sim, path, &[fields[0], ("stream", "true")], &file).await;
    let events = got.events();
    hold_component(OPENAPI, "CreateTranscriptionResponseStreamEvent", &events);
    let joined: String = events.iter().filter_map(|e| e["delta"].as_str()).collect();
    assert_eq!(
        (&json!(joined), &events.last().unwrap()["text"]),
        (&whole["text"], &whole["text"])
    );
    let verbose = form(
        &sim,
        path,
        &[("model", "whisper-1"), ("response_format", "verbose_json")],
        &file,
    )
    .await
    .json();
    hold_component(
        OPENAPI,
        "CreateTranscriptionResponseVerboseJson",
        std::slice::from_ref(&verbose),
    );
    assert_eq!(verbose["usage"]["type"], "duration");
    for (format, part) in [("text", "\n"), ("srt", "-->"), ("vtt", "WEBVTT")] {
        let got = form(&sim, path, &[fields[0], ("response_format", format)], &file).await;
        assert!(
            got.header("content-type")
                .unwrap()
                .starts_with("text/plain")
                && got.text().contains(part)
        );
    }
    let translated = form(
        &sim,
        "/v1/audio/translations",
        &[("model", "whisper-1")],
        &file,
    )
    .await
    .json();
    assert!(translated["text"].is_string());
    on_bill(&sim, "translate");
    assert_eq!(
        form(&sim, path, &fields, &[]).await.json()["error"]["param"],
        "file"
    );
    let json = ask_at(&sim, path, &json!({"model": "m"})).await;
    assert!(json.status == 400 && json.text().contains("multipart/form-data"));
}

#[tokio::test]
async fn prompts_go_on() {
    let sim = started(Script::default()).await;
    let body = json!({"model": "echo", "prompt": "one two three", "max_tokens": 100});
    let whole = ask_at(&sim, "/v1/completions", &body).await.json();
    hold_component(
        OPENAPI,
        "CreateCompletionResponse",
        std::slice::from_ref(&whole),
    );
    assert_eq!(whole["choices"][0]["text"], "one two three");
    assert_eq!(
        whole["usage"]["completion_tokens"],
        on_bill(&sim, "complete").output_tokens
    );
    let streamed = with(
        body.clone(),
        &json!({"stream": true, "stream_options": {"include_usage": true}}),
    );
    let got = ask_at(&sim, "/v1/completions", &streamed).await;
    assert!(got.text().ends_with("data: [DONE]\n\n"));
    let events = got.events();
    let joined: String = events
        .iter()
        .filter_map(|e| e["choices"][0]["text"].as_str())
        .collect();
    assert_eq!(joined, "one two three");
    assert_eq!(events.last().unwrap()["usage"], whole["usage"]);
    let several = with(body.clone(), &json!({"prompt": ["a", "b"], "n": 2}));
    let got = ask_at(&sim, "/v1/completions", &several).await.json();
    assert_eq!(got["choices"].as_array().unwrap().len(), 4);
    let short = ask_at(
        &sim,
        "/v1/completions",
        &json!({"model": "words", "prompt": "a"}),
    )
    .await
    .json();
    assert_eq!(
        (
            &short["choices"][0]["finish_reason"],
            short["usage"]["completion_tokens"].as_u64() <= Some(16)
        ),
        (&json!("length"), true)
    );
}

#[tokio::test]
async fn counts_lie_as_scripted_everywhere() {
    let sim = scripted(&json!({"rules": [{"do": {"usage": {"tell": "absurd"}}, "times": 1}, {"do": {"usage": {"tell": "missing"}}}]})).await;
    let body = json!({"model": "embed", "input": "a"});
    let got = ask_at(&sim, "/v1/embeddings", &body).await.json();
    assert_eq!(got["usage"]["total_tokens"], 9_007_199_254_740_993_u64);
    let got = ask_at(&sim, "/v1/embeddings", &body).await.json();
    assert_eq!(got.get("usage"), None);
    assert_eq!(sim.bill().calls[1].input_tokens, 1);
}

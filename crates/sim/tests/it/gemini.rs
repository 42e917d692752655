//! The `gemini` dialect: both forms of a stream, thoughts and their
//! signatures, calls, blocks, and what Google refuses.

use serde_json::{Value, json};
use sim::{Script, Sim};

use crate::answers::with;
use crate::client::{BEARER, Got, post, send};
use crate::schemas::hold_relaxed;
use crate::{scripted, started};

const KEY: &str = "x-goog-api-key: k\r\n";

fn ask(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": {"maxOutputTokens": 1000}})
}

fn tools() -> Value {
    let schema =
        json!({"type": "OBJECT", "required": ["city"], "properties": {"city": {"type": "STRING"}}});
    json!([{"functionDeclarations": [
        {"name": "weather", "description": "Tells the weather", "parameters": schema},
        {"name": "time", "parametersJsonSchema": {"type": "object", "properties": {}, "additionalProperties": false}},
    ]}])
}

async fn at(sim: &Sim, rest: &str, body: &Value) -> Got {
    let path = format!("/v1beta/models/{rest}");
    send(sim, &post(&path, KEY, &body.to_string())).await
}

async fn whole(sim: &Sim, body: &Value) -> Got {
    at(sim, "echo:generateContent", body).await
}

async fn sse(sim: &Sim, body: &Value) -> Got {
    at(sim, "echo:streamGenerateContent?alt=sse", body).await
}

async fn array(sim: &Sim, body: &Value) -> Got {
    at(sim, "echo:streamGenerateContent", body).await
}

fn parts(answers: &[Value]) -> Vec<Value> {
    let each = answers
        .iter()
        .map(|a| &a["candidates"][0]["content"]["parts"]);
    each.flat_map(|p| p.as_array().cloned().unwrap_or_default())
        .collect()
}

fn said(answers: &[Value], thought: bool) -> String {
    let parts = parts(answers);
    let own = parts.iter().filter(|p| (p["thought"] == true) == thought);
    own.filter_map(|p| p["text"].as_str()).collect()
}

#[tokio::test]
async fn text_is_echoed_whole_and_in_both_streams() {
    let sim = started(Script::default()).await;
    let body = ask("héllo 世界 \"q\"");
    let got = whole(&sim, &body).await;
    assert_eq!(
        got.header("content-type"),
        Some("application/json; charset=UTF-8")
    );
    let answer = got.json();
    assert_eq!(
        said(std::slice::from_ref(&answer), false),
        "héllo 世界 \"q\""
    );
    assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
    let got = sse(&sim, &body).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    assert!(got.text().ends_with("}\r\n\r\n"));
    let events = got.events();
    assert_eq!(said(&events, false), "héllo 世界 \"q\"");
    assert_eq!(
        events.last().unwrap()["usageMetadata"],
        answer["usageMetadata"]
    );
    let elements = array(&sim, &body).await.json();
    assert_eq!(
        said(elements.as_array().unwrap(), false),
        "héllo 世界 \"q\""
    );
    assert_eq!(elements.as_array().unwrap().len(), events.len());
}

#[tokio::test]
async fn a_model_of_any_name_is_read_from_the_path() {
    let sim = started(Script::default()).await;
    let got = at(&sim, "org%2Fecho:generateContent", &ask("a")).await;
    assert_eq!(got.json()["modelVersion"], "org/echo");
    let vertex =
        "/v1/projects/p/locations/l/publishers/google/models/echo:streamGenerateContent?alt=sse";
    let got = send(&sim, &post(vertex, BEARER, &ask("a").to_string())).await;
    assert_eq!(got.events()[0]["usageMetadata"]["trafficType"], "ON_DEMAND");
    assert_eq!(
        (
            sim.bill().calls[0].dialect,
            sim.bill().calls[0].model.as_str()
        ),
        ("gemini", "org/echo")
    );
    let query = "/v1beta/models/echo:generateContent?key=k";
    assert_eq!(
        send(&sim, &post(query, "", &ask("a").to_string()))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn thoughts_are_shown_signed_and_checked() {
    let sim = started(Script::default()).await;
    let thinking = json!({"maxOutputTokens": 1000, "thinkingConfig": {"includeThoughts": true}});
    let body = with(ask("think"), &json!({"generationConfig": thinking}));
    let answer = whole(&sim, &body).await.json();
    let usage = &answer["usageMetadata"];
    let sum: u64 = [
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
    ]
    .iter()
    .map(|n| usage[n].as_u64().unwrap())
    .sum();
    assert_eq!(usage["totalTokenCount"], sum);
    assert_eq!(
        sum,
        sim.bill().calls[0].input_tokens + sim.bill().calls[0].output_tokens
    );
    let events = sse(&sim, &body).await.events();
    assert!(!said(&events, true).is_empty());
    assert_eq!(
        said(&events, true),
        said(std::slice::from_ref(&answer), true)
    );
    let signed = parts(&events)
        .into_iter()
        .find(|p| p.get("thoughtSignature").is_some())
        .unwrap();
    let back = |signature: &Value| {
        json!({"contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b", "thoughtSignature": signature}]},
            {"role": "user", "parts": [{"text": "c"}]},
        ]})
    };
    assert_eq!(
        whole(&sim, &back(&signed["thoughtSignature"])).await.status,
        200
    );
    assert_eq!(
        whole(
            &sim,
            &back(&json!("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="))
        )
        .await
        .status,
        200
    );
    assert_eq!(whole(&sim, &back(&json!("Zm9yZ2Vk"))).await.status, 400);
}

#[tokio::test]
async fn calls_have_ids_and_need_signatures_where_the_model_is_new() {
    let sim = started(Script::default()).await;
    let body = with(ask("USE_TOOLS 2"), &json!({"tools": tools()}));
    for (model, new) in [("words", false), ("gemini-3-sim", true)] {
        let rest = format!("{model}:generateContent");
        let answer = at(&sim, &rest, &body).await.json();
        let calls = parts(std::slice::from_ref(&answer));
        assert_eq!(calls.len(), 2, "{answer}");
        assert!(calls[0]["functionCall"]["args"]["city"].is_string());
        assert_eq!(calls[0]["functionCall"].get("id").is_some(), new);
        assert_eq!(calls[0].get("thoughtSignature").is_some(), new);
        let streamed = at(
            &sim,
            &format!("{model}:streamGenerateContent?alt=sse"),
            &body,
        )
        .await
        .events();
        assert_eq!(
            parts(&streamed)
                .iter()
                .filter(|p| p.get("functionCall").is_some())
                .count(),
            2
        );
        assert_eq!(
            streamed.last().unwrap()["candidates"][0]["finishReason"],
            "STOP"
        );
        let result = |name: &str| json!({"functionResponse": {"name": name, "response": {"weather": "sunny"}}});
        let next = |calls: Value, results: Value| {
            json!({"tools": tools(), "contents": [
            body["contents"][0], {"role": "model", "parts": calls}, {"role": "user", "parts": results}]})
        };
        let good = next(json!(calls), json!([result("weather"), result("time")]));
        let told = at(&sim, &rest, &good).await.json();
        assert!(said(&[told], false).contains("sunny"));
        let lacking = next(json!(calls), json!([result("weather")]));
        assert_eq!(at(&sim, &rest, &lacking).await.status, 400);
        let bare: Vec<Value> = calls
            .iter()
            .map(|c| json!({"functionCall": c["functionCall"]}))
            .collect();
        let unsigned = next(json!(bare), json!([result("weather"), result("time")]));
        assert_eq!(
            at(&sim, &rest, &unsigned).await.status,
            if new { 400 } else { 200 }
        );
    }
}

#[tokio::test]
async fn blocks_and_bounds_have_their_reasons() {
    let sim = started(Script::default()).await;
    let answer = whole(&sim, &ask("REFUSE")).await.json();
    assert_eq!(
        (
            &answer["candidates"][0]["finishReason"],
            answer["candidates"][0].get("content")
        ),
        (&json!("SAFETY"), None)
    );
    let answer = whole(&sim, &ask("REFUSE_PROMPT")).await.json();
    assert_eq!(
        (
            &answer["promptFeedback"]["blockReason"],
            answer.get("candidates")
        ),
        (&json!("PROHIBITED_CONTENT"), None)
    );
    assert_eq!(sim.bill().calls[1].output_tokens, 0);
    let events = sse(&sim, &ask("REFUSE_PROMPT")).await.events();
    assert_eq!((events.len(), events[0].get("candidates")), (1, None));
    let short = |more: Value| {
        with(
            ask("[[words=90]]"),
            &with(json!({"generationConfig": {"maxOutputTokens": 9}}), &more),
        )
    };
    let answer = at(&sim, "words:generateContent", &short(json!({})))
        .await
        .json();
    assert_eq!(answer["candidates"][0]["finishReason"], "MAX_TOKENS");
    let tools = json!({"tools": tools(), "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}});
    let answer = at(
        &sim,
        "words:generateContent",
        &with(
            short(tools),
            &json!({"generationConfig": {"maxOutputTokens": 3}}),
        ),
    )
    .await
    .json();
    assert_eq!(
        answer["candidates"][0]["finishReason"],
        "MALFORMED_FUNCTION_CALL"
    );
}

#[tokio::test]
async fn what_is_told_is_what_is_billed() {
    let sim = started(Script::default()).await;
    let thinking = json!({"thinkingConfig": {"thinkingBudget": -1}});
    let body = with(
        ask("CACHED and thought about"),
        &json!({"generationConfig": thinking}),
    );
    let usage = whole(&sim, &body).await.json()["usageMetadata"].clone();
    assert_eq!(
        sse(&sim, &body).await.events().last().unwrap()["usageMetadata"],
        usage
    );
    let told = |name: &str| usage[name].as_u64().unwrap();
    for call in sim.bill().calls {
        assert!(call.cached_tokens > 0 && call.completed);
        assert_eq!(
            told("promptTokenCount"),
            call.input_tokens + call.cached_tokens
        );
        assert_eq!(told("cachedContentTokenCount"), call.cached_tokens);
        assert_eq!(
            told("candidatesTokenCount") + told("thoughtsTokenCount"),
            call.output_tokens
        );
    }
}

#[tokio::test]
async fn unknown_fields_and_wrong_requests_are_refused() {
    let sim = started(Script::default()).await;
    let parameters = |schema: Value| json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]});
    for (more, part) in [
        (
            json!({"max_tokens": 5}),
            "Unknown name \\\"max_tokens\\\": Cannot find field.",
        ),
        (
            json!({"generationConfig": {"n": 1}}),
            "at 'generation_config'",
        ),
        (
            parameters(
                json!({"type": "object", "properties": {"a": {"type": "string", "$ref": "#"}}}),
            ),
            "properties[a].value",
        ),
        (json!({"contents": []}), "contents is not specified"),
        (
            json!({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}),
            "valid role",
        ),
        (
            json!({"contents": [{"parts": [{}]}]}),
            "required oneof field",
        ),
    ] {
        let got = whole(&sim, &with(ask("a"), &more)).await;
        assert_eq!(
            (got.status, &got.json()["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT"))
        );
        assert!(got.text().contains(part), "{}", got.text());
    }
    let got = send(
        &sim,
        &post(
            "/v1beta/models/echo:generateContent",
            "",
            &ask("a").to_string(),
        ),
    )
    .await;
    assert_eq!(
        (got.status, &got.json()["error"]["status"]),
        (403, &json!("PERMISSION_DENIED"))
    );
    let sim = scripted(&json!({"keys": ["right"]})).await;
    let got = array(&sim, &ask("a")).await.json();
    assert_eq!(got[0]["error"]["details"][0]["reason"], "API_KEY_INVALID");
}

#[tokio::test]
async fn errors_inside_a_stream_have_its_form() {
    for at in [0, 1, 2] {
        let sim =
            scripted(&json!({"seed": 7, "rules": [{"do": {"error_event": {"after_events": at}}}]}))
                .await;
        let events = sse(&sim, &ask("one two three")).await.events();
        assert_eq!(
            (events.len(), &events[at]["error"]["status"]),
            (at + 1, &json!("UNAVAILABLE"))
        );
        let elements = array(&sim, &ask("one two three")).await.json();
        assert_eq!(elements[at]["error"]["code"], 503);
    }
}

#[tokio::test]
async fn tokens_are_counted_texts_embedded_and_models_listed() {
    let sim = started(Script::default()).await;
    let counted = at(&sim, "echo:countTokens", &ask("count me")).await.json();
    assert_eq!(counted["totalTokens"], 2);
    let inner = with(ask("count me"), &json!({"model": "models/echo"}));
    let counted = at(
        &sim,
        "echo:countTokens",
        &json!({"generateContentRequest": inner}),
    )
    .await
    .json();
    assert_eq!(counted["totalTokens"], 2);
    let one = json!({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8});
    let single = at(&sim, "e:embedContent", &one).await.json();
    assert_eq!(single["embedding"]["values"].as_array().unwrap().len(), 8);
    let batch = at(
        &sim,
        "e:batchEmbedContents",
        &json!({"requests": [one, one]}),
    )
    .await
    .json();
    assert_eq!(batch["embeddings"][1], single["embedding"]);
    hold_relaxed(
        "gemini_EmbedContentResponse.json",
        &[json!({"embeddings": batch["embeddings"]})],
    );
    assert_eq!(sim.bill().calls[1].operation, "embed");
    let head = format!("GET /v1beta/models HTTP/1.1\r\nhost: s\r\nconnection: close\r\n{KEY}\r\n");
    assert_eq!(
        send(&sim, &head).await.json()["models"][0]["name"],
        "models/echo"
    );
}

#[tokio::test]
async fn answers_fit_the_published_schemas() {
    let sim = started(Script::default()).await;
    for (text, more) in [
        ("hello CACHED", json!({})),
        (
            "hello",
            json!({"generationConfig": {"candidateCount": 2, "responseLogprobs": true, "logprobs": 2}}),
        ),
        (
            "hello",
            json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true}}}),
        ),
        ("USE_TOOLS 2 SAY_FIRST", json!({"tools": tools()})),
        ("REFUSE", json!({})),
        ("REFUSE_PROMPT", json!({})),
    ] {
        let body = with(ask(text), &more);
        let file = "gemini_GenerateContentResponse.json";
        hold_relaxed(file, &[whole(&sim, &body).await.json()]);
        hold_relaxed(file, &sse(&sim, &body).await.events());
    }
}

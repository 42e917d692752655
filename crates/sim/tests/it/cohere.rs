//! The `cohere` dialect: chats, plans, citations, vectors and ranks.

use serde_json::{Value, json};
use sim::{Script, Sim};

use crate::answers::with;
use crate::client::{Got, ask_at};
use crate::schemas::hold_relaxed;
use crate::{scripted, started};

fn ask(text: &str) -> Value {
    json!({"model": "echo", "messages": [{"role": "user", "content": text}], "max_tokens": 1000})
}

fn streamed(body: Value) -> Value {
    with(body, &json!({"stream": true}))
}

fn tools() -> Value {
    let schema =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    json!([
        {"type": "function", "function": {"name": "weather", "parameters": schema}},
        {"type": "function", "function": {"name": "time"}},
    ])
}

async fn chat(sim: &Sim, body: &Value) -> Got {
    ask_at(sim, "/v2/chat", body).await
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

fn joined(events: &[Value], pointer: &str) -> String {
    let each = events.iter().filter_map(|e| e.pointer(pointer));
    each.filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn text_is_echoed_whole_and_streamed() {
    let sim = started(Script::default()).await;
    let whole = chat(&sim, &ask("héllo 世界")).await.json();
    assert_eq!(
        whole["message"]["content"],
        json!([{"type": "text", "text": "héllo 世界"}])
    );
    assert_eq!(whole["finish_reason"], "COMPLETE");
    let got = chat(&sim, &streamed(ask("héllo 世界"))).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    assert!(got.text().ends_with("data: [DONE]\n\n"));
    let events = got.events();
    assert_eq!(
        kinds(&events),
        [
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "message-end"
        ]
    );
    assert_eq!(joined(&events, "/delta/message/content/text"), "héllo 世界");
    assert_eq!(events.last().unwrap()["delta"]["usage"], whole["usage"]);
}

#[tokio::test]
async fn what_is_billed_is_told_apart_from_all_tokens() {
    let sim = started(Script::default()).await;
    let body = with(
        ask("CACHED and thought about"),
        &json!({"thinking": {"type": "enabled"}}),
    );
    let usage = chat(&sim, &body).await.json()["usage"].clone();
    let call = &sim.bill().calls[0];
    assert_eq!(usage["billed_units"]["input_tokens"], call.input_tokens);
    assert_eq!(usage["billed_units"]["output_tokens"], call.output_tokens);
    assert_eq!(call.cached_tokens, 0);
    let thoughts = usage["tokens"]["reasoning_tokens"].as_u64().unwrap();
    assert_eq!(
        usage["tokens"]["output_tokens"],
        call.output_tokens + thoughts
    );
    assert!(usage["tokens"]["input_tokens"].as_u64().unwrap() > call.input_tokens);
    assert_eq!(usage["cached_tokens"], call.input_tokens / 2);
    let events = chat(&sim, &streamed(body)).await.events();
    assert!(!joined(&events, "/delta/message/content/thinking").is_empty());
    assert_eq!(
        sim.bill().calls[1].output_tokens,
        sim.bill().calls[0].output_tokens
    );
}

#[tokio::test]
async fn calls_are_planned_and_answered() {
    let sim = started(Script::default()).await;
    let body = with(ask("USE_TOOLS 2 SAY_FIRST"), &json!({"tools": tools()}));
    let whole = chat(&sim, &body).await.json();
    let message = &whole["message"];
    assert_eq!(
        (&whole["finish_reason"], message.get("content")),
        (&json!("TOOL_CALL"), None)
    );
    let events = chat(&sim, &streamed(body.clone())).await.events();
    assert_eq!(
        joined(&events, "/delta/message/tool_plan"),
        message["tool_plan"].as_str().unwrap()
    );
    assert_eq!(
        events
            .iter()
            .filter(|e| e["type"] == "tool-call-end")
            .count(),
        2
    );
    let ids: Vec<&Value> = [0, 1]
        .iter()
        .map(|i| &message["tool_calls"][*i]["id"])
        .collect();
    let result = |id: &Value| json!({"role": "tool", "tool_call_id": id, "content": "sunny"});
    let next = |results: &[Value]| {
        let mut messages = vec![body["messages"][0].clone(), message.clone()];
        messages.extend_from_slice(results);
        with(body.clone(), &json!({"messages": messages}))
    };
    let told = chat(&sim, &next(&[result(ids[0]), result(ids[1])])).await;
    assert!(told.text().contains("sunny"), "{}", told.text());
    assert!(
        chat(&sim, &next(&[result(ids[0])]))
            .await
            .text()
            .contains("no tool result found")
    );
    assert!(
        chat(&sim, &next(&[result(&json!("x"))]))
            .await
            .text()
            .contains("not found in previous")
    );
}

#[tokio::test]
async fn documents_are_cited() {
    let sim = started(Script::default()).await;
    let body = with(
        ask("Größe counts"),
        &json!({"documents": [{"id": "a", "data": {"text": "facts"}}, "more"]}),
    );
    let citation = chat(&sim, &body).await.json()["message"]["citations"][0].clone();
    assert_eq!(
        (&citation["text"], &citation["end"]),
        (&json!("Größe"), &json!(5))
    );
    assert_eq!(citation["sources"][1]["id"], "doc:1");
    let events = chat(&sim, &streamed(body)).await.events();
    let told = events
        .iter()
        .find(|e| e["type"] == "citation-start")
        .unwrap();
    assert_eq!(told["delta"]["message"]["citations"], citation);
}

#[tokio::test]
async fn fields_of_other_dialects_are_refused() {
    let sim = started(Script::default()).await;
    let mut strict = tools();
    strict[0]["function"]["strict"] = json!(true);
    for (more, status, part) in [
        (
            json!({"top_p": 0.5}),
            422,
            "parameter 'top_p' is not a valid field",
        ),
        (json!({"tools": strict}), 422, "parameter 'strict'"),
        (json!({"messages": []}), 400, "at least one message"),
        (
            json!({"tool_choice": "REQUIRED"}),
            400,
            "only be used with tools",
        ),
        (
            json!({"messages": [{"role": "bot", "content": "a"}]}),
            400,
            "role 'bot'",
        ),
    ] {
        let got = chat(&sim, &with(ask("a"), &more)).await;
        assert_eq!(got.status, status);
        assert!(
            got.json()["message"].as_str().unwrap().contains(part),
            "{}",
            got.text()
        );
        assert_eq!(got.json()["id"].as_str().unwrap().len(), 36);
    }
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_its_error() {
    let sim = scripted(&json!({"rules": [{"do": {"error_event": {"after_events": 3}}}]})).await;
    let got = chat(&sim, &streamed(ask("one two three"))).await;
    let events = got.events();
    assert_eq!(
        (events.len(), &events[3]["delta"]["finish_reason"]),
        (4, &json!("ERROR"))
    );
    assert!(!got.text().contains("[DONE]"));
}

#[tokio::test]
async fn texts_become_vectors_in_all_forms() {
    let sim = started(Script::default()).await;
    let forms = ["float", "int8", "uint8", "binary", "ubinary", "base64"];
    let body = json!({"model": "embed", "input_type": "search_query", "texts": ["a", "b", "a"], "embedding_types": forms, "output_dimension": 256});
    let got = ask_at(&sim, "/v2/embed", &body).await.json();
    let of = |form: &str, i: usize| got["embeddings"][form][i].clone();
    let len = |form: &str| of(form, 0).as_array().unwrap().len();
    assert_eq!(
        forms[..5].iter().map(|f| len(f)).collect::<Vec<_>>(),
        [256, 256, 256, 32, 32]
    );
    assert_eq!(of("float", 0), of("float", 2));
    assert_ne!(of("float", 0), of("float", 1));
    assert_eq!(got["meta"]["billed_units"]["input_tokens"], 3);
    assert_eq!(
        (
            sim.bill().calls[0].operation,
            sim.bill().calls[0].input_tokens
        ),
        ("embed", 3)
    );
    let lacking = with(body, &json!({"input_type": null}));
    assert_eq!(ask_at(&sim, "/v2/embed", &lacking).await.status, 400);
}

#[tokio::test]
async fn documents_are_ranked_and_charged_by_the_request() {
    let sim = scripted(&json!({"prices": [{"model": "rank*", "request": 5000}]})).await;
    let body = json!({"model": "rank", "query": "ruby", "documents": ["Paris", "Ruby on rails", "nothing"], "top_n": 2});
    let got = ask_at(&sim, "/v2/rerank", &body).await.json();
    assert_eq!(got["results"].as_array().unwrap().len(), 2);
    assert_eq!(got["results"][0]["index"], 1);
    assert_eq!(got["meta"]["billed_units"]["search_units"], 1);
    assert_eq!(
        (sim.bill().total_nanos, sim.bill().calls[0].operation),
        (5_000, "rerank")
    );
}

#[tokio::test]
async fn answers_fit_the_published_schemas() {
    let sim = started(Script::default()).await;
    for (text, more) in [
        ("hello", json!({"documents": ["a"], "logprobs": true})),
        ("hello", json!({"thinking": {"type": "enabled"}})),
        ("[[words=90]]", json!({"model": "words", "max_tokens": 5})),
        ("USE_TOOLS 2 SAY_FIRST", json!({"tools": tools()})),
        ("REFUSE", json!({})),
    ] {
        let body = with(ask(text), &more);
        hold_relaxed(
            "cohere_V2ChatResponse.json",
            &[chat(&sim, &body).await.json()],
        );
        let events = chat(&sim, &streamed(body)).await.events();
        hold_relaxed("cohere_V2ChatStreamResponse.json", &events);
    }
}

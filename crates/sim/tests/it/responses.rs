//! The `openai-responses` dialect: what is said, what is kept, what is refused.

use serde_json::{Value, json};
use sim::{Script, Sim};

use crate::answers::with;
use crate::client::{BEARER, Got, get, responses, send};
use crate::schemas::hold_relaxed;
use crate::{scripted, started};

fn ask(text: &str) -> Value {
    json!({"model": "echo", "input": text, "max_output_tokens": 1000})
}

fn tools() -> Value {
    let schema =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    json!([
        {"type": "function", "name": "weather", "description": "Tells the weather", "parameters": schema},
        {"type": "function", "name": "time", "parameters": {"type": "object", "properties": {}}},
    ])
}

fn streamed(body: Value) -> Value {
    with(body, &json!({"stream": true}))
}

fn names(got: &Got) -> Vec<String> {
    let text = got.text();
    let names = text.lines().filter_map(|l| l.strip_prefix("event: "));
    names.map(str::to_owned).collect()
}

fn joined(events: &[Value], kind: &str) -> String {
    let own = events.iter().filter(|e| e["type"] == kind);
    own.map(|e| e["delta"].as_str().unwrap()).collect()
}

async fn delete(sim: &Sim, path: &str) -> Got {
    let head = format!("DELETE {path} HTTP/1.1\r\nhost: s\r\nconnection: close\r\n{BEARER}\r\n");
    send(sim, &head).await
}

#[tokio::test]
async fn text_is_echoed_whole_and_streamed() {
    let sim = started(Script::default()).await;
    let whole = responses(&sim, &ask("héllo 世界")).await.json();
    assert_eq!(
        (&whole["object"], &whole["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(whole["output"][0]["content"][0]["text"], "héllo 世界");
    assert_eq!(
        whole["usage"]["output_tokens"],
        "héllo 世界".len().div_ceil(4)
    );

    let got = responses(&sim, &streamed(ask("héllo 世界"))).await;
    assert_eq!(
        got.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(
        names(&got),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let events = got.events();
    assert_eq!(joined(&events, "response.output_text.delta"), "héllo 世界");
    assert!(
        events
            .iter()
            .zip(0..)
            .all(|(e, n)| e["sequence_number"] == n)
    );
    let last = &events.last().unwrap()["response"];
    assert_eq!(
        last["output"],
        responses(&sim, &ask("héllo 世界")).await.json()["output"]
            .as_array()
            .map(|o| {
                let mut own = o.clone();
                own[0]["id"] = last["output"][0]["id"].clone();
                Value::from(own)
            })
            .unwrap()
    );
}

#[tokio::test]
async fn calls_come_in_parallel_and_are_answered() {
    let sim = started(Script::default()).await;
    let body = with(ask("USE_TOOLS 2 SAY_FIRST"), &json!({"tools": tools()}));
    let whole = responses(&sim, &body).await.json();
    let kinds: Vec<&str> = whole["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["message", "function_call", "function_call"]);
    let events = responses(&sim, &streamed(body)).await.events();
    let done: Vec<&Value> = events
        .iter()
        .filter(|e| e["type"] == "response.function_call_arguments.done")
        .collect();
    assert_eq!(done.len(), 2);
    assert_eq!(done[0]["arguments"], whole["output"][1]["arguments"]);

    let result =
        |id: &Value| json!({"type": "function_call_output", "call_id": id, "output": "sunny"});
    let ids: Vec<&Value> = [1, 2]
        .iter()
        .map(|i| &whole["output"][*i]["call_id"])
        .collect();
    let next = json!({"model": "words", "previous_response_id": whole["id"], "input": [result(ids[0]), result(ids[1])]});
    let got = responses(&sim, &next).await.json();
    assert!(
        got["output"][0]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("sunny"),
        "{got}"
    );
    assert!(got["usage"]["input_tokens"].as_u64() > whole["usage"]["total_tokens"].as_u64());
    let lacking =
        json!({"model": "words", "previous_response_id": whole["id"], "input": [result(ids[0])]});
    let got = responses(&sim, &lacking).await;
    assert_eq!(got.status, 400);
    assert!(
        got.text().contains("No tool output found"),
        "{}",
        got.text()
    );
    let stray = json!({"model": "words", "input": [result(&json!("call_x"))]});
    assert!(
        responses(&sim, &stray)
            .await
            .text()
            .contains("No tool call found")
    );
}

#[tokio::test]
async fn reasoning_is_summed_up_sealed_and_checked() {
    let sim = started(Script::default()).await;
    let body = with(
        ask("think"),
        &json!({"reasoning": {"effort": "high", "summary": "auto"}, "store": false, "include": ["reasoning.encrypted_content"]}),
    );
    let whole = responses(&sim, &body).await.json();
    let item = whole["output"][0].clone();
    assert_eq!(item["type"], "reasoning");
    assert!(
        whole["usage"]["output_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
    let events = responses(&sim, &streamed(body)).await.events();
    assert_eq!(
        joined(&events, "response.reasoning_summary_text.delta"),
        item["summary"][0]["text"].as_str().unwrap()
    );
    let again = |item: Value| json!({"model": "echo", "store": false, "input": [{"role": "user", "content": "a"}, item, {"role": "user", "content": "b"}]});
    assert_eq!(responses(&sim, &again(item.clone())).await.status, 200);
    let mut forged = item.clone();
    forged["encrypted_content"] = json!("gAAAAABforged");
    let got = responses(&sim, &again(forged)).await.json();
    assert_eq!(got["error"]["code"], "invalid_encrypted_content");
    let mut bare = item;
    bare.as_object_mut().unwrap().remove("encrypted_content");
    assert_eq!(responses(&sim, &again(bare)).await.status, 404);
}

#[tokio::test]
async fn answers_are_kept_for_their_key_alone() {
    let sim = started(Script::default()).await;
    let made = responses(&sim, &ask("keep me")).await.json();
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&sim, &path).await.json(), made);
    let items = get(&sim, &format!("{path}/input_items")).await.json();
    assert_eq!(items["data"][0]["content"][0]["text"], "keep me");
    let other = format!(
        "GET {path} HTTP/1.1\r\nhost: s\r\nconnection: close\r\nauthorization: Bearer other\r\n\r\n"
    );
    assert_eq!(send(&sim, &other).await.status, 404);
    let cancel = crate::client::ask_at(&sim, &format!("{path}/cancel"), &json!({})).await;
    assert!(
        cancel.status == 400
            && cancel
                .text()
                .contains("Cannot cancel a synchronous response")
    );
    assert_eq!(delete(&sim, &path).await.json()["deleted"], true);
    let error = get(&sim, &path).await.json()["error"].clone();
    assert_eq!(
        (&error["code"], &error["type"]),
        (&Value::Null, &json!("invalid_request_error"))
    );
    let gone = with(ask("b"), &json!({"previous_response_id": made["id"]}));
    assert_eq!(
        responses(&sim, &gone).await.json()["error"]["code"],
        "previous_response_not_found"
    );
    let unkept = responses(&sim, &with(ask("a"), &json!({"store": false})))
        .await
        .json();
    let path = format!("/v1/responses/{}", unkept["id"].as_str().unwrap());
    assert_eq!(get(&sim, &path).await.status, 404);
}

#[tokio::test]
async fn what_runs_in_the_background_is_fetched_or_cancelled() {
    let sim = started(Script::default()).await;
    let body = with(ask("later"), &json!({"background": true}));
    let made = responses(&sim, &body).await.json();
    assert_eq!(
        (&made["status"], &made["output"]),
        (&json!("queued"), &json!([]))
    );
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    let got = get(&sim, &path).await.json();
    assert_eq!(
        (&got["status"], &got["output"][0]["content"][0]["text"]),
        (&json!("completed"), &json!("later"))
    );
    let made = responses(&sim, &body).await.json();
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    let got = crate::client::ask_at(&sim, &format!("{path}/cancel"), &json!({}))
        .await
        .json();
    assert_eq!(got["status"], "cancelled");
    assert_eq!(get(&sim, &path).await.json()["status"], "cancelled");
}

#[tokio::test]
async fn endings_are_told_as_the_provider_tells_them() {
    let sim = started(Script::default()).await;
    let long = with(
        ask("[[words=500]]"),
        &json!({"model": "words", "max_output_tokens": 16}),
    );
    let whole = responses(&sim, &long).await.json();
    assert_eq!(
        (&whole["status"], &whole["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    assert_eq!(
        names(&responses(&sim, &streamed(long)).await)
            .last()
            .unwrap(),
        "response.incomplete"
    );
    let refused = responses(&sim, &streamed(ask("REFUSE"))).await;
    assert!(names(&refused).contains(&"response.refusal.done".to_owned()));
    let fault = json!({"seed": 7, "rules": [{"do": {"error_event": {"after_events": 4}}}]});
    let got = responses(&scripted(&fault).await, &streamed(ask("one two"))).await;
    let events = got.events();
    let tail: Vec<&Value> = events[4..].iter().map(|e| &e["type"]).collect();
    assert_eq!(tail, ["error", "response.failed"]);
    assert_eq!(events[5]["response"]["id"], events[0]["response"]["id"]);
}

#[tokio::test]
async fn what_is_told_is_what_is_billed() {
    let sim = started(Script::default()).await;
    let body = with(
        ask("CACHED and thought about"),
        &json!({"reasoning": {"effort": "low"}}),
    );
    let usage = responses(&sim, &body).await.json()["usage"].clone();
    let streamed = responses(&sim, &streamed(body)).await.events();
    assert_eq!(streamed.last().unwrap()["response"]["usage"], usage);
    for call in sim.bill().calls {
        assert!(call.cached_tokens > 0 && call.completed);
        assert_eq!(
            usage["input_tokens"],
            call.input_tokens + call.cached_tokens
        );
        assert_eq!(
            usage["input_tokens_details"]["cached_tokens"],
            call.cached_tokens
        );
        assert_eq!(usage["output_tokens"], call.output_tokens);
    }
}

#[tokio::test]
async fn wrong_requests_get_the_providers_errors() {
    let sim = started(Script::default()).await;
    for (body, param) in [
        (json!({"input": "a"}), "model"),
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": 5}), "input"),
        (
            json!({"model": "m", "input": [{"role": "bot", "content": "a"}]}),
            "input[0].role",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
            "input[0].content[0]",
        ),
        (
            json!({"model": "m", "input": "a", "max_output_tokens": 1}),
            "max_output_tokens",
        ),
    ] {
        let got = responses(&sim, &body).await;
        assert_eq!(
            (got.status, &got.json()["error"]["param"]),
            (400, &json!(param)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn answers_fit_the_published_schemas() {
    let sim = started(Script::default()).await;
    for (text, more) in [
        ("hello", json!({})),
        (
            "hello",
            json!({"include": ["message.output_text.logprobs"], "top_logprobs": 1}),
        ),
        (
            "hello",
            json!({"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}),
        ),
        (
            "[[words=90]]",
            json!({"model": "words", "max_output_tokens": 16}),
        ),
        (
            "USE_TOOLS 2 SAY_FIRST",
            json!({"tools": tools(), "tool_choice": {"type": "function", "name": "weather"}}),
        ),
        ("REFUSE", json!({"background": true})),
    ] {
        let body = with(ask(text), &more);
        hold_relaxed(
            "openai_Response.json",
            &[responses(&sim, &body).await.json()],
        );
        let events = responses(&sim, &streamed(body)).await.events();
        hold_relaxed("openai_ResponseStreamEvent.json", &events);
    }
}

//! What the request asks for is what the answer holds.

use serde_json::{Value, json};
use sim::Script;

use crate::answers::{ask, chat_text, message_text, with};
use crate::client::{chat, messages};
use crate::started;

fn tools_chat() -> Value {
    let schema = json!({"type": "object", "required": ["city", "days"], "properties": {
        "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5},
        "unused": {"type": "string"}}});
    json!([
        {"type": "function", "function": {"name": "weather", "parameters": schema}},
        {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}},
    ])
}

fn tools_anthropic() -> Value {
    let tools = tools_chat();
    tools
        .as_array()
        .unwrap()
        .iter()
        .map(
            |t| json!({"name": t["function"]["name"], "input_schema": t["function"]["parameters"]}),
        )
        .collect()
}

fn fits(arguments: &Value) {
    assert!(
        arguments["city"].is_string() && arguments.get("unused").is_none(),
        "{arguments}"
    );
    assert!((1..=5).contains(&arguments["days"].as_i64().unwrap()));
}

#[tokio::test]
async fn content_is_the_same_for_the_same_seed() {
    let sim = started(Script::default()).await;
    let say = |got: crate::client::Got| got.json()["choices"][0]["message"]["content"].clone();
    let words = with(ask("tell me"), &json!({"model": "words"}));
    let first = say(chat(&sim, &words).await);
    assert_eq!(first, say(chat(&sim, &words).await));
    assert!(!first.as_str().unwrap().is_ascii());
    assert_ne!(
        first,
        say(chat(&sim, &with(words.clone(), &json!({"seed": 5}))).await)
    );
    let streamed = chat(&sim, &with(words, &json!({"stream": true}))).await;
    assert_eq!(
        chat_text(&streamed.events(), 0, "content"),
        first.as_str().unwrap()
    );
}

#[tokio::test]
async fn output_never_exceeds_its_bound() {
    let sim = started(Script::default()).await;
    for text in ["tell me", "[[chunks=100&bytes=7]]", "[[words=500]]"] {
        for bound in [1, 2, 7, 40] {
            let body = with(
                ask(text),
                &json!({"model": "reasoner", "max_tokens": bound}),
            );
            let got = chat(&sim, &body).await.json();
            assert!(
                got["usage"]["completion_tokens"].as_u64().unwrap() <= bound,
                "{text} {bound}"
            );
            assert_eq!(
                got["choices"][0]["finish_reason"], "length",
                "{text} {bound}"
            );
            let got = messages(
                &sim,
                &with(ask(text), &json!({"model": "m", "max_tokens": bound})),
            )
            .await
            .json();
            assert_eq!(got["stop_reason"], "max_tokens");
        }
    }
}

#[tokio::test]
async fn directives_set_count_and_size_of_events() {
    let sim = started(Script::default()).await;
    let text = "see [[ this ]] and [[chunks=30&bytes=5]]";
    let got = chat(&sim, &with(ask(text), &json!({"stream": true}))).await;
    let events = got.events();
    let deltas: Vec<&str> = events
        .iter()
        .filter_map(|e| e["choices"][0]["delta"]["content"].as_str())
        .filter(|d| !d.is_empty())
        .collect();
    assert_eq!(
        (deltas.len(), deltas.iter().all(|d| d.len() == 5)),
        (30, true)
    );
    let got = chat(&sim, &ask("[[chunks=x]]")).await;
    assert_eq!(got.status, 400);
    assert!(
        got.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("chunks=x is not a number")
    );
    assert_eq!(
        chat(&sim, &ask("[[1,2],[3]] is a matrix")).await.status,
        200
    );
}

#[tokio::test]
async fn tools_are_called_whole_and_streamed() {
    let sim = started(Script::default()).await;
    let body = with(
        ask("USE_TOOL weather, please"),
        &json!({"tools": tools_chat()}),
    );
    let got = chat(&sim, &body).await.json();
    let call = &got["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(
        (
            &got["choices"][0]["finish_reason"],
            &call["function"]["name"]
        ),
        (&json!("tool_calls"), &json!("weather"))
    );
    fits(&serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap());

    let body = with(
        ask("USE_TOOLS 3"),
        &json!({"tools": tools_chat(), "stream": true}),
    );
    let events = chat(&sim, &body).await.events();
    let deltas = events.iter().flat_map(|e| {
        e["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
    });
    let mut arguments = vec![String::new(); 3];
    for delta in deltas {
        let at = usize::try_from(delta["index"].as_u64().unwrap()).unwrap();
        arguments[at].push_str(delta["function"]["arguments"].as_str().unwrap());
    }
    fits(&serde_json::from_str(&arguments[0]).unwrap());
    assert_eq!(arguments[1], "{}");

    let body = with(
        ask("USE_TOOLS 2"),
        &json!({"tools": tools_anthropic(), "stream": true}),
    );
    let events = messages(&sim, &body).await.events();
    let blocks: Vec<&Value> = events
        .iter()
        .filter(|e| e["content_block"]["type"] == "tool_use")
        .collect();
    assert_eq!(blocks.len(), 2);
    let first: String = events
        .iter()
        .filter(|e| e["index"] == 0)
        .filter_map(|e| e["delta"]["partial_json"].as_str())
        .collect();
    fits(&serde_json::from_str(&first).unwrap());
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn tool_choice_is_obeyed() {
    let sim = started(Script::default()).await;
    let asked = |more: Value| with(with(ask("hello"), &json!({"tools": tools_chat()})), &more);
    let name =
        |got: Value| got["choices"][0]["message"]["tool_calls"][0]["function"]["name"].clone();
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "time"}}});
    assert_eq!(name(chat(&sim, &asked(named)).await.json()), "time");
    assert_eq!(
        name(
            chat(&sim, &asked(json!({"tool_choice": "required"})))
                .await
                .json()
        ),
        "weather"
    );
    assert_eq!(
        name(chat(&sim, &asked(json!({}))).await.json()),
        Value::Null
    );
    let own = json!({"tools": tools_anthropic(), "tool_choice": {"type": "tool", "name": "time"}});
    assert_eq!(
        messages(&sim, &with(ask("hi"), &own)).await.json()["content"][0]["name"],
        "time"
    );
}

#[tokio::test]
async fn tool_results_are_quoted_and_must_match() {
    let sim = started(Script::default()).await;
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    let result = json!({"role": "tool", "tool_call_id": "call_1", "content": "21 °C"});
    let user = json!({"role": "user", "content": "USE_TOOL"});
    let assistant = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let body = |messages: Value| json!({"model": "m", "tools": tools_chat(), "messages": messages});
    let got = chat(&sim, &body(json!([user, assistant, result])))
        .await
        .json();
    assert!(
        got["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .contains("\"21 °C\"")
    );
    assert_eq!(chat(&sim, &body(json!([user, result]))).await.status, 400);
    assert_eq!(
        chat(&sim, &body(json!([user, assistant, user])))
            .await
            .status,
        400
    );

    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "22 °C"}]}]});
    let body = |messages: Value| json!({"model": "m", "max_tokens": 99, "messages": messages});
    let got = messages(&sim, &body(json!([user, call, result])))
        .await
        .json();
    assert!(
        got["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("\"22 °C\"")
    );
    assert_eq!(
        messages(&sim, &body(json!([user, result]))).await.status,
        400
    );
    assert_eq!(
        messages(&sim, &body(json!([user, call, user])))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn json_answers_fit_their_schema() {
    let sim = started(Script::default()).await;
    let schema = json!({"type": "object", "required": ["kind", "items"], "properties": {
        "kind": {"enum": ["a", "b"]}, "items": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
        "$defs": {"n": {"type": "number"}}});
    let check = |text: &Value| {
        let value: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        assert!(
            value["kind"] == "a" && value["items"][0].is_number(),
            "{value}"
        );
    };
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
    check(&chat(&sim, &with(ask("go"), &format)).await.json()["choices"][0]["message"]["content"]);
    let format = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    check(&messages(&sim, &with(ask("go"), &format)).await.json()["content"][0]["text"]);
    let object = with(
        ask("go"),
        &json!({"response_format": {"type": "json_object"}}),
    );
    let text = chat(&sim, &object).await.json()["choices"][0]["message"]["content"].clone();
    assert!(
        serde_json::from_str::<Value>(text.as_str().unwrap())
            .unwrap()
            .is_object()
    );
}

#[tokio::test]
async fn thinking_is_signed_and_checked() {
    let sim = started(Script::default()).await;
    let think = json!({"thinking": {"type": "adaptive"}});
    let got = messages(&sim, &with(ask("why"), &think)).await.json();
    let block = &got["content"][0];
    assert_eq!(
        (&block["type"], &got["content"][1]["text"]),
        (&json!("thinking"), &json!("why"))
    );
    let events = messages(
        &sim,
        &with(ask("why"), &with(think.clone(), &json!({"stream": true}))),
    )
    .await
    .events();
    assert_eq!(
        message_text(&events, "thinking"),
        block["thinking"].as_str().unwrap()
    );
    assert_eq!(
        message_text(&events, "signature"),
        block["signature"].as_str().unwrap()
    );

    let history = |block: &Value| {
        json!({"messages": [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": [block, {"type": "text", "text": "because"}]},
        {"role": "user", "content": "and?"}]})
    };
    assert_eq!(
        messages(&sim, &with(ask(""), &history(block))).await.status,
        200
    );
    let mut forged = block.clone();
    forged["thinking"] = json!("something else");
    let got = messages(&sim, &with(ask(""), &history(&forged))).await;
    assert_eq!(
        (got.status, &got.json()["error"]["message"]),
        (
            400,
            &json!("messages.1.content.0: Invalid `signature` in `thinking` block")
        )
    );
    let small = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1024});
    assert_eq!(messages(&sim, &with(ask("a"), &small)).await.status, 400);
}

#[tokio::test]
async fn reasoning_is_counted_and_shown_by_reasoners() {
    let sim = started(Script::default()).await;
    let got = chat(&sim, &with(ask("a"), &json!({"reasoning_effort": "low"})))
        .await
        .json();
    assert!(
        got["usage"]["completion_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(got["choices"][0]["message"].get("reasoning_content"), None);
    let shown = with(ask("a"), &json!({"model": "deepseek-r", "stream": true}));
    assert!(!chat_text(&chat(&sim, &shown).await.events(), 0, "reasoning_content").is_empty());
}

#[tokio::test]
async fn choices_logprobs_stops_images_and_refusals() {
    let sim = started(Script::default()).await;
    let several = with(
        ask("one two"),
        &json!({"n": 3, "stream": true, "model": "echo"}),
    );
    let events = chat(&sim, &several).await.events();
    for index in 0..3 {
        assert_eq!(chat_text(&events, index, "content"), "one two");
    }
    let got = chat(
        &sim,
        &with(
            ask("one two"),
            &json!({"logprobs": true, "top_logprobs": 2}),
        ),
    )
    .await
    .json();
    let logged = &got["choices"][0]["logprobs"]["content"];
    assert_eq!(
        (
            &logged[1]["token"],
            logged[1]["top_logprobs"].as_array().unwrap().len()
        ),
        (&json!(" two"), 2)
    );
    let got = messages(
        &sim,
        &with(
            ask("one two three"),
            &json!({"stop_sequences": [" three", "x"]}),
        ),
    )
    .await
    .json();
    assert_eq!(
        (&got["stop_sequence"], &got["content"][0]["text"]),
        (&json!(" three"), &json!("one two"))
    );
    let got = chat(&sim, &with(ask("one two three"), &json!({"stop": " two"})))
        .await
        .json();
    assert_eq!(got["choices"][0]["message"]["content"], "one");
    let image = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAAAAAA"}}]}]});
    let got = chat(&sim, &with(ask(""), &image)).await.json();
    assert!(
        got["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .starts_with("[image image/png 6 bytes]")
    );
    let got = chat(&sim, &ask("REFUSE")).await.json();
    assert!(got["choices"][0]["message"]["refusal"].is_string());
    assert_eq!(
        messages(&sim, &ask("REFUSE")).await.json()["stop_reason"],
        "refusal"
    );
}

#[tokio::test]
async fn a_prefill_is_continued_where_it_fits() {
    let sim = started(Script::default()).await;
    let body = json!({"messages": [{"role": "user", "content": "one two three"}, {"role": "assistant", "content": "one two"}]});
    let got = messages(&sim, &with(ask(""), &body)).await.json();
    assert_eq!(got["content"][0]["text"], " three");
}

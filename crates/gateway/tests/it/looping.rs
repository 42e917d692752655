//! A loop with a tool as a plain client of each dialect walks it: of an answer it knows the call alone,
//! and all else that the answer said it drops.
//!
//! It shares no code with the gateway.

use dialect::Dialect;
use serde_json::{Value, json};

use crate::asking::{Ask, Got};

/// A call of a tool, as its client understood it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// A request that makes the model reason and call the tool.
pub(crate) fn first(dialect: Dialect, stream: bool) -> Ask {
    saying(dialect, stream, "USE_TOOL take")
}

/// The same with a text of its own.
pub(crate) fn saying(dialect: Dialect, stream: bool, text: &str) -> Ask {
    let ask = Ask::either(dialect, stream, text).tool();
    match dialect {
        Dialect::OpenaiChat => ask.with("reasoning_effort", json!("low")),
        Dialect::AnthropicMessages => ask.with("max_tokens", json!(4000)).with(
            "thinking",
            json!({ "type": "enabled", "budget_tokens": 1024 }),
        ),
        Dialect::OpenaiResponses => ask.with("reasoning", json!({ "effort": "low" })),
        Dialect::Gemini => ask.with(
            "generationConfig",
            json!({ "thinkingConfig": { "thinkingBudget": 1024, "includeThoughts": true } }),
        ),
        Dialect::BedrockConverse => ask
            .with("inferenceConfig", json!({ "maxTokens": 4000 }))
            .with(
                "additionalModelRequestFields",
                json!({ "thinking": { "type": "enabled", "budget_tokens": 1024 } }),
            ),
        Dialect::Cohere => ask.with(
            "thinking",
            json!({ "type": "enabled", "token_budget": 1024 }),
        ),
    }
}

/// The same conversation with the call and what the tool answered behind it.
pub(crate) fn next(ask: &Ask, call: &Call, result: &str) -> Ask {
    let mut body: Value = serde_json::from_slice(&ask.body).unwrap();
    let arguments = || serde_json::from_str::<Value>(&call.arguments).unwrap();
    let Call { id, name, .. } = call;
    let (at, said, answered) = match ask.dialect {
        Dialect::OpenaiChat | Dialect::Cohere => {
            let function = json!({ "name": name, "arguments": call.arguments });
            let call = json!({ "id": id, "type": "function", "function": function });
            (
                "messages",
                json!({ "role": "assistant", "tool_calls": [call] }),
                json!({ "role": "tool", "tool_call_id": id, "content": result }),
            )
        }
        Dialect::AnthropicMessages => {
            let call = json!({ "type": "tool_use", "id": id, "name": name, "input": arguments() });
            let answer = json!({ "type": "tool_result", "tool_use_id": id, "content": result });
            (
                "messages",
                json!({ "role": "assistant", "content": [call] }),
                json!({ "role": "user", "content": [answer] }),
            )
        }
        Dialect::OpenaiResponses => {
            if let Some(text) = body["input"].as_str() {
                body["input"] = json!([{ "role": "user", "content": text }]);
            }
            (
                "input",
                json!({ "type": "function_call", "call_id": id, "name": name, "arguments": call.arguments }),
                json!({ "type": "function_call_output", "call_id": id, "output": result }),
            )
        }
        Dialect::Gemini => {
            let call = json!({ "functionCall": { "id": id, "name": name, "args": arguments() } });
            let answer = json!({ "functionResponse": { "id": id, "name": name, "response": { "output": result } } });
            (
                "contents",
                json!({ "role": "model", "parts": [call] }),
                json!({ "role": "user", "parts": [answer] }),
            )
        }
        Dialect::BedrockConverse => {
            let call =
                json!({ "toolUse": { "toolUseId": id, "name": name, "input": arguments() } });
            let answer =
                json!({ "toolResult": { "toolUseId": id, "content": [{ "text": result }] } });
            (
                "messages",
                json!({ "role": "assistant", "content": [call] }),
                json!({ "role": "user", "content": [answer] }),
            )
        }
    };
    let turns = body[at].as_array_mut().unwrap();
    turns.extend([said, answered]);
    ask.clone().raw(body.to_string())
}

/// The first call of an answer.
pub(crate) fn call(dialect: Dialect, stream: bool, got: &Got) -> Call {
    let found = if stream {
        streamed(dialect, &got.events())
    } else {
        whole(dialect, &got.json())
    };
    assert!(!found.id.is_empty(), "no call: {}", got.status);
    found
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn in_order<'a>(list: &'a Value, member: &str) -> Option<&'a Value> {
    let mut list = list.as_array()?.iter();
    list.find(|one| one.get(member).is_some())
}

fn of_function(call: &Value) -> Call {
    Call {
        id: text(&call["id"]),
        name: text(&call["function"]["name"]),
        arguments: text(&call["function"]["arguments"]),
    }
}

fn of_gemini(body: &Value) -> Option<Call> {
    let part = in_order(&body["candidates"][0]["content"]["parts"], "functionCall")?;
    let call = &part["functionCall"];
    Some(Call {
        id: text(&call["id"]),
        name: text(&call["name"]),
        arguments: call["args"].to_string(),
    })
}

fn whole(dialect: Dialect, body: &Value) -> Call {
    match dialect {
        Dialect::OpenaiChat => of_function(&body["choices"][0]["message"]["tool_calls"][0]),
        Dialect::Cohere => of_function(&body["message"]["tool_calls"][0]),
        Dialect::AnthropicMessages => {
            let block = in_order(&body["content"], "input").unwrap();
            Call {
                id: text(&block["id"]),
                name: text(&block["name"]),
                arguments: block["input"].to_string(),
            }
        }
        Dialect::OpenaiResponses => of_item(in_order(&body["output"], "call_id").unwrap()),
        Dialect::Gemini => of_gemini(body).unwrap(),
        Dialect::BedrockConverse => {
            let content = &body["output"]["message"]["content"];
            let call = &in_order(content, "toolUse").unwrap()["toolUse"];
            Call {
                id: text(&call["toolUseId"]),
                name: text(&call["name"]),
                arguments: call["input"].to_string(),
            }
        }
    }
}

fn of_item(item: &Value) -> Call {
    Call {
        id: text(&item["call_id"]),
        name: text(&item["name"]),
        arguments: text(&item["arguments"]),
    }
}

fn streamed(dialect: Dialect, events: &[Value]) -> Call {
    let mut call = Call::default();
    for event in events {
        let (begins, id, more) = match dialect {
            Dialect::OpenaiChat => {
                let step = &event["choices"][0]["delta"]["tool_calls"][0];
                (
                    &step["function"],
                    &step["id"],
                    &step["function"]["arguments"],
                )
            }
            Dialect::Cohere => {
                let step = &event["delta"]["message"]["tool_calls"];
                (
                    &step["function"],
                    &step["id"],
                    &step["function"]["arguments"],
                )
            }
            Dialect::AnthropicMessages => {
                let block = &event["content_block"];
                (block, &block["id"], &event["delta"]["partial_json"])
            }
            Dialect::BedrockConverse => {
                let start = &event["contentBlockStart"]["start"]["toolUse"];
                let delta = &event["contentBlockDelta"]["delta"]["toolUse"]["input"];
                (start, &start["toolUseId"], delta)
            }
            Dialect::OpenaiResponses => {
                let item = &event["item"];
                if event["type"] == "response.output_item.done" && item["call_id"].is_string() {
                    return of_item(item);
                }
                continue;
            }
            Dialect::Gemini => {
                if let Some(call) = of_gemini(event) {
                    return call;
                }
                continue;
            }
        };
        if id.is_string() && begins["name"].is_string() {
            (call.id, call.name) = (text(id), text(&begins["name"]));
        }
        call.arguments.push_str(&text(more));
    }
    call
}

/// A model of that dialect that reasons, and wants its reasoning back where any of them does.
pub(crate) fn reasoner(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiChat => "deepseek-reasoner",
        Dialect::AnthropicMessages => "claude-reasoner",
        Dialect::OpenaiResponses => "gpt-reasoner",
        Dialect::Gemini => "gemini-3-pro",
        Dialect::BedrockConverse => "anthropic.claude-sonnet-4",
        Dialect::Cohere => "command-a-reasoner",
    }
}

/// What Google documents for a call that it did not sign, as it stands in its field.
const STAND_IN: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The reasoning that a request brings back to a provider of that dialect, signed where it signs.
pub(crate) fn brought_back(dialect: Dialect, body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let parts = |at: &str, within: &str| -> Vec<Value> {
        let turns = list(&body[at]).into_iter();
        turns.flat_map(|turn| list(&turn[within])).collect()
    };
    let found: Vec<Value> = match dialect {
        Dialect::OpenaiChat => list(&body["messages"])
            .iter()
            .map(|message| message["reasoning_content"].clone())
            .collect(),
        Dialect::AnthropicMessages => parts("messages", "content")
            .iter()
            .map(|block| block["signature"].clone())
            .collect(),
        Dialect::OpenaiResponses => list(&body["input"])
            .iter()
            .map(|item| item["encrypted_content"].clone())
            .collect(),
        Dialect::Gemini => parts("contents", "parts")
            .iter()
            .map(|part| part["thoughtSignature"].clone())
            .filter(|signature| signature != STAND_IN)
            .collect(),
        Dialect::BedrockConverse => parts("messages", "content")
            .iter()
            .map(|block| block["reasoningContent"]["reasoningText"]["signature"].clone())
            .collect(),
        Dialect::Cohere => parts("messages", "content")
            .iter()
            .map(|block| block["thinking"].clone())
            .collect(),
    };
    let texts = found.iter().filter_map(Value::as_str);
    texts
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

//! What a client of each dialect sends, and how its answers are read: for tests that hold in all of them.
//!
//! It shares no code with the gateway; the frames of Amazon's event stream are read by hand.

use dialect::Dialect;
use serde_json::{Value, json};

/// The body that asks the model `m` for an answer to a text.
pub(crate) fn body(dialect: Dialect, text: &str) -> Value {
    let message = json!({ "role": "user", "content": text });
    match dialect {
        Dialect::OpenaiChat | Dialect::Cohere => json!({ "model": "m", "messages": [message] }),
        Dialect::AnthropicMessages => {
            json!({ "model": "m", "messages": [message], "max_tokens": 2000 })
        }
        Dialect::OpenaiResponses => json!({ "model": "m", "input": text }),
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": text }] }] }),
        Dialect::BedrockConverse => {
            json!({ "messages": [{ "role": "user", "content": [{ "text": text }] }] })
        }
    }
}

/// Where it is sent.
pub(crate) fn path(dialect: Dialect, stream: bool) -> &'static str {
    match (dialect, stream) {
        (Dialect::OpenaiChat, _) => "/v1/chat/completions",
        (Dialect::AnthropicMessages, _) => "/v1/messages",
        (Dialect::OpenaiResponses, _) => "/v1/responses",
        (Dialect::Cohere, _) => "/v2/chat",
        (Dialect::Gemini, false) => "/v1beta/models/m:generateContent",
        (Dialect::Gemini, true) => "/v1beta/models/m:streamGenerateContent?alt=sse",
        (Dialect::BedrockConverse, false) => "/model/m/converse",
        (Dialect::BedrockConverse, true) => "/model/m/converse-stream",
    }
}

/// Whether the body says that a stream is wanted; else the path does.
pub(crate) fn says_stream(dialect: Dialect) -> bool {
    match dialect {
        Dialect::OpenaiChat
        | Dialect::AnthropicMessages
        | Dialect::OpenaiResponses
        | Dialect::Cohere => true,
        Dialect::Gemini | Dialect::BedrockConverse => false,
    }
}

/// Where the limit of the output stands.
pub(crate) fn limit(dialect: Dialect, body: &mut Value, tokens: u64) {
    let place = match dialect {
        Dialect::OpenaiChat | Dialect::AnthropicMessages | Dialect::Cohere => {
            &mut body["max_tokens"]
        }
        Dialect::OpenaiResponses => &mut body["max_output_tokens"],
        Dialect::Gemini => &mut body["generationConfig"]["maxOutputTokens"],
        Dialect::BedrockConverse => &mut body["inferenceConfig"]["maxTokens"],
    };
    *place = json!(tokens);
}

/// Adds the tool `take`, which takes a text.
pub(crate) fn tool(dialect: Dialect, body: &mut Value) {
    let schema = json!({ "type": "object", "properties": { "note": { "type": "string" } }, "required": ["note"] });
    match dialect {
        Dialect::OpenaiChat | Dialect::Cohere => {
            let function = json!({ "name": "take", "parameters": schema });
            body["tools"] = json!([{ "type": "function", "function": function }]);
        }
        Dialect::AnthropicMessages => {
            body["tools"] = json!([{ "name": "take", "input_schema": schema }]);
        }
        Dialect::OpenaiResponses => {
            body["tools"] = json!([{ "type": "function", "name": "take", "parameters": schema, "strict": false }]);
        }
        Dialect::Gemini => {
            let function = json!({ "name": "take", "parametersJsonSchema": schema });
            body["tools"] = json!([{ "functionDeclarations": [function] }]);
        }
        Dialect::BedrockConverse => {
            let spec = json!({ "name": "take", "inputSchema": { "json": schema } });
            body["toolConfig"] = json!({ "tools": [{ "toolSpec": spec }] });
        }
    }
}

/// The root of a provider's paths.
pub(crate) fn root(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiChat | Dialect::AnthropicMessages | Dialect::OpenaiResponses => "/v1",
        Dialect::Gemini => "/v1beta",
        Dialect::BedrockConverse => "",
        Dialect::Cohere => "/v2",
    }
}

/// The text that an answer, or one event of a stream, brings.
pub(crate) fn text(part: &Value) -> String {
    let list = |value: &Value| -> String {
        let parts = value.as_array().into_iter().flatten();
        parts.filter_map(|part| part["text"].as_str()).collect()
    };
    let streamed = [
        &part["choices"][0]["delta"]["content"],
        &part["delta"]["text"],
        &part["delta"]["message"]["content"]["text"],
        &part["contentBlockDelta"]["delta"]["text"],
    ];
    if let Some(text) = streamed.into_iter().find_map(Value::as_str) {
        return text.to_owned();
    }
    if part["type"] == "response.output_text.delta" {
        return part["delta"].as_str().unwrap_or_default().to_owned();
    }
    if let Some(text) = part["choices"][0]["message"]["content"].as_str() {
        return text.to_owned();
    }
    let output = part["output"].as_array().into_iter().flatten();
    let output: String = output.map(|item| list(&item["content"])).collect();
    let gemini = part["candidates"][0]["content"]["parts"].as_array();
    let gemini = gemini.into_iter().flatten();
    let gemini = gemini.filter(|part| part["thought"] != true);
    let gemini: String = gemini.filter_map(|part| part["text"].as_str()).collect();
    [
        output,
        gemini,
        list(&part["output"]["message"]["content"]),
        list(&part["message"]["content"]),
        list(&part["content"]),
    ]
    .concat()
}

/// The events of a stream: an event of Amazon's framing is an object with its name.
pub(crate) fn events(content_type: &str, body: &[u8]) -> Vec<Value> {
    if content_type == "application/vnd.amazon.eventstream" {
        return amazon(body);
    }
    String::from_utf8(body.to_vec())
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Length of all, length of the headers, check sum; headers; payload; check sum.
fn amazon(mut body: &[u8]) -> Vec<Value> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let mut events = Vec::new();
    while body.len() >= 16 {
        let (all, headers) = (number(body), number(&body[4..]));
        let (message, rest) = body.split_at(all.min(body.len()));
        if message.len() < all {
            break;
        }
        let name = name(&message[12..12 + headers]);
        let payload: Value = serde_json::from_slice(&message[12 + headers..all - 4]).unwrap();
        events.push(json!({ name: payload }));
        body = rest;
    }
    events
}

/// The value of `:event-type` or `:exception-type`; all of these headers are texts.
fn name(mut headers: &[u8]) -> String {
    let mut found = String::new();
    while let [length, rest @ ..] = headers {
        let (name, rest) = rest.split_at(usize::from(*length));
        let bytes = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        let (value, rest) = rest[3..].split_at(bytes);
        if name == b":event-type" || name == b":exception-type" {
            found = String::from_utf8(value.to_vec()).unwrap();
        }
        headers = rest;
    }
    found
}

/// Whether a stream says that it ended well.
pub(crate) fn has_terminator(dialect: Dialect, events: &[Value], body: &[u8]) -> bool {
    let any = |holds: &dyn Fn(&Value) -> bool| events.iter().any(holds);
    match dialect {
        Dialect::OpenaiChat => String::from_utf8_lossy(body).contains("data: [DONE]"),
        Dialect::AnthropicMessages => any(&|event| event["type"] == "message_stop"),
        Dialect::OpenaiResponses => any(&|event| {
            event["type"] == "response.completed" || event["type"] == "response.incomplete"
        }),
        Dialect::Gemini => any(&|event| event["candidates"][0]["finishReason"].is_string()),
        Dialect::BedrockConverse => any(&|event| event.get("messageStop").is_some()),
        Dialect::Cohere => any(&|event| {
            event["type"] == "message-end" && event["delta"]["finish_reason"] != "ERROR"
        }),
    }
}

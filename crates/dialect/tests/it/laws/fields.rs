//! No field of a request is passed over in silence: taking any one of them out changes
//! what each other dialect is sent, or what is named as lost, or else it is one that says
//! what goes without saying, and stands in a list here.
//!
//! The requests are the recorded ones, the fixtures, and those that the vendors' own
//! schemas allow, one for each form of each field.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use dialect::Dialect;
use dialect::loss::{Loss, LossKind, Losses};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

use super::{others, target};
use crate::corpus::{none, requests};

/// Members that may be left out, by the end of their path and what they say: the target
/// does the same without them.
const USUAL: &[(&str, &str)] = &[
    // The gateway names the model.
    ("/model", "*"),
    // What a member is goes without saying.
    ("/tool_calls/*/type", r#""function""#),
    ("/tool_calls/*/type", r#""custom""#),
    ("/tools/*/type", r#""function""#),
    ("/tools/*/type", r#""custom""#),
    ("/tool_choice/type", r#""function""#),
    ("/cache_control/type", r#""ephemeral""#),
    ("/parameters/type", r#""object""#),
    ("/toolSpec/inputSchema/json/type", r#""object""#),
    ("/source/media_type", r#""text/plain""#),
    // What happens anyhow.
    ("/stream", "false"),
    ("/stream_options", r#"{"include_usage":true}"#),
    ("/n", "1"),
    ("/candidateCount", "1"),
    ("/generationConfig", r#"{"candidateCount":1}"#),
    ("/logprobs", "false"),
    ("/top_p", "1"),
    ("/top_p", "1.0"),
    ("/frequency_penalty", "0.0"),
    ("/presence_penalty", "0.0"),
    ("/modalities", r#"["text"]"#),
    ("/response_format", r#"{"type":"text"}"#),
    ("/text", r#"{"format":{"type":"text"}}"#),
    ("/json_schema/strict", "true"),
    ("/function/strict", "false"),
    ("/function/arguments", r#""{}""#),
    ("/tool_choice", r#""auto""#),
    ("/tool_choice", r#"{"type":"auto"}"#),
    ("/toolChoice", r#"{"auto":{}}"#),
    (
        "/toolConfig",
        r#"{"functionCallingConfig":{"mode":"AUTO"}}"#,
    ),
    (
        "/tool_choice",
        r#"{"disable_parallel_tool_use":false,"type":"auto"}"#,
    ),
    ("/tool_choice/disable_parallel_tool_use", "false"),
    ("/tools/*/strict", "false"),
    ("/toolSpec/strict", "false"),
    ("/strict_tools", "false"),
    ("/raw_prompting", "false"),
    ("/stream_options/include_usage", "*"),
    ("/response_format/type", r#""text""#),
    ("/text/format/type", r#""text""#),
    ("/responseModalities/*", r#""TEXT""#),
    ("/include/*", r#""reasoning.encrypted_content""#),
    ("/include/*", r#""message.output_text.logprobs""#),
    // The bound that a target has of its own.
    ("/max_tokens", "4096"),
    ("/maxTokens", "4096"),
    ("/inferenceConfig", r#"{"maxTokens":4096}"#),
    ("/parallel_tool_calls", "true"),
    ("/image_url/detail", r#""auto""#),
    ("/input/*/content/*/detail", r#""auto""#),
    ("/input/*/output/*/detail", r#""auto""#),
    // Part of a turn of which other items say something.
    ("/input/*", r#"{"content":"","role":"assistant"}"#),
    ("/text/format/strict", "true"),
    ("/content/*/is_error", "false"),
    ("/toolResult/status", r#""success""#),
    ("/toolUse/type", r#""tool_use""#),
    ("/textFormat/type", r#""json_schema""#),
    ("/cachePoint/type", r#""default""#),
    ("/audio/format", r#""wav""#),
    // What these stand in is named as lost as a whole.
    ("/searchResult/citations", "*"),
    ("/searchResult/content", "*"),
    ("/searchResult/source", "*"),
    ("/searchResult/title", "*"),
    ("/toolResult/content/*/image/format", "*"),
    ("/content/*/video/format", "*"),
    ("/system/*/cachePoint/ttl", "*"),
    ("/system/*/guardContent/image", "*"),
    // Text says itself what it is.
    ("/document/format", "*"),
    ("/content/*", r#"{"text":"","type":"text"}"#),
    ("/content", r#"[{"text":"","type":"text"}]"#),
    ("/content/*/thinking/*/type", r#""text""#),
    ("/content/*", r#"{"text":""}"#),
    ("/inferenceConfig", r#"{"stopSequences":[]}"#),
    // Said by a budget or an effort that stands beside it.
    ("/thinking/type", r#""enabled""#),
    ("/thinking", r#"{"type":"adaptive"}"#),
    (
        "/additionalModelRequestFields",
        r#"{"thinking":{"type":"adaptive"}}"#,
    ),
    ("/thinkingLevel", r#""THINKING_LEVEL_UNSPECIFIED""#),
    ("/reasoning/enabled", "true"),
    ("/thinking/type", r#""adaptive""#),
    // What an item is goes without saying, and so does that it is known by its place.
    ("/input/*/type", r#""message""#),
    ("/input/*/id", "*"),
    ("/input/*/status", "*"),
    ("/prompt_cache_breakpoint/mode", r#""explicit""#),
    ("/store", "false"),
    // Without it the request is none.
    ("/prompt/id", "*"),
    ("/prompt/version", "*"),
    ("/prompt/variables", "*"),
    // Named with the item that it belongs to.
    ("/input/*/role", r#""developer""#),
    ("/input/*/tools", "*"),
    // What it asks for is told, or asked for, anyhow.
    ("/include", r#"["reasoning.encrypted_content"]"#),
    ("/include", r#"["message.output_text.logprobs"]"#),
    // Named with what it belongs to.
    ("/top_logprobs", "*"),
    ("/generationConfig/logprobs", "*"),
    // Who speaks, where nobody else does.
    ("/contents/*/role", r#""user""#),
    ("/contents/*/role", r#""function""#),
    ("/responseModalities", r#"["TEXT"]"#),
    ("/generationConfig", r#"{"responseModalities":["TEXT"]}"#),
    // That there is no signature, where nobody else wants one.
    (
        "/thoughtSignature",
        r#""c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=""#,
    ),
    // What an address leads to, where a document is told by where it stands.
    ("/fileData/mimeType", "*"),
    ("/fileData/mime_type", "*"),
    ("/file_data/mime_type", "*"),
    ("/system_instruction/role", "*"),
    ("/systemInstruction/role", "*"),
    ("/parts", r#"[{"text":""}]"#),
    ("/parts/*", r#"{"text":""}"#),
    // A result belongs to its call by name and order, too.
    ("/functionResponse/id", "*"),
    ("/function_response/id", "*"),
    // A result that names its call belongs to it whatever it calls the tool.
    ("/functionResponse/name", "*"),
    ("/function_response/name", "*"),
    // The same reasoning under another of its names.
    ("/reasoning", "*"),
    ("/reasoning_content", "*"),
    ("/reasoning_details/*/type", "*"),
    ("/reasoning_details/*/text", "*"),
    ("/reasoning_details/*/signature", "*"),
];

/// The same of one target alone.
fn usual_to(target: Dialect) -> &'static [(&'static str, &'static str)] {
    match target {
        Dialect::OpenaiChat | Dialect::AnthropicMessages => &[],
        // What a reasoning item says beside its words is its signature, which is named.
        Dialect::Cohere => &[
            ("/input/*/encrypted_content", "*"),
            ("/input/*/summary/*/type", r#""summary_text""#),
            ("/input/*/content/*/type", r#""reasoning_text""#),
            (
                "/input/*/summary",
                r#"[{"text":"words","type":"summary_text"}]"#,
            ),
            (
                "/input/*/content",
                r#"[{"text":"words","type":"reasoning_text"}]"#,
            ),
        ],
        Dialect::OpenaiResponses => &[
            // A turn that says nothing.
            ("/messages/*", r#"{"content":"","role":"assistant"}"#),
            ("/messages/*", r#"{"content":[],"role":"assistant"}"#),
            ("/contents/*", r#"{"parts":[],"role":"model"}"#),
            // As the model likes it.
            ("/thinkingBudget", "-1"),
            // A request without it is none.
            ("/image/format", r#""png""#),
            // Goes with the reasoning, which is named.
            ("/messages/*/reasoning_details", "*"),
        ],
        Dialect::Gemini => &[],
        Dialect::BedrockConverse => &[
            // Models reason when they are asked to.
            ("/thinking", r#"{"type":"disabled"}"#),
            ("/thinking/type", r#""disabled""#),
            ("/input_schema/type", r#""object""#),
        ],
    }
}

#[test]
fn no_field_of_a_real_request_is_passed_over() {
    let mut complaints = Vec::new();
    let mut seen = HashSet::new();
    for (at, sample) in requests().iter().enumerate() {
        let Ok(request) = serde_json::from_str(&sample.text) else {
            continue;
        };
        complaints.extend(passed_over(
            sample.dialect,
            &request,
            None,
            &mut seen,
            |to| sample.meets(at, to),
        ));
    }
    none(&complaints, seen.len());
}

#[test]
fn no_field_of_the_vendors_schemas_is_passed_over() {
    let mut complaints = Vec::new();
    let mut seen = HashSet::new();
    for dialect in Dialect::ALL {
        let Some((root, schema)) = schema(dialect) else {
            println!(
                "SKIPPED: no schema of requests of {} is here",
                dialect.name()
            );
            continue;
        };
        let Value::Object(properties) = &schema["properties"] else {
            panic!("{} has no properties", dialect.name());
        };
        for (name, property) in properties {
            for example in examples(property, &root, shallow(dialect)) {
                let mut request = least(dialect);
                request[name] = example;
                let all = |_| true;
                complaints.extend(passed_over(dialect, &request, Some(name), &mut seen, all));
            }
        }
    }
    none(&complaints, seen.len());
}

/// How deep examples begin: Google's schemas hold one another.
fn shallow(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Gemini => 4,
        Dialect::OpenaiChat
        | Dialect::AnthropicMessages
        | Dialect::OpenaiResponses
        | Dialect::BedrockConverse
        | Dialect::Cohere => 0,
    }
}

/// A request and what is known of the fields looked at so far.
struct Search<'a> {
    /// The dialect that it is written in and the one that it goes to.
    pair: (Dialect, Dialect),
    request: &'a Value,
    whole: Crossed,
    seen: &'a mut HashSet<String>,
    complaints: Vec<String>,
}

/// What another dialect is sent, and what is lost on the way.
pub(super) type Crossed = (Vec<u8>, Vec<Loss>);

/// The members, of all or of the one named, that could be taken out and nobody would know.
fn passed_over(
    dialect: Dialect,
    request: &Value,
    only: Option<&str>,
    seen: &mut HashSet<String>,
    meets: impl Fn(Dialect) -> bool,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for (other, _) in others(dialect).filter(|(other, _)| meets(*other)) {
        let Some(whole) = crossed((dialect, other), request) else {
            continue;
        };
        let mut search = Search {
            pair: (dialect, other),
            request,
            whole,
            seen,
            complaints: Vec::new(),
        };
        for pointer in members(request, "") {
            if only.is_none_or(|name| pointer[1..] == *name) {
                search.look(&pointer);
            }
        }
        complaints.append(&mut search.complaints);
    }
    complaints
}

impl Search<'_> {
    fn look(&mut self, pointer: &str) {
        let value = self.request.pointer(pointer).unwrap();
        let path = generic(pointer);
        let (parent, _) = pointer.rsplit_once('/').unwrap();
        let around = self.request.pointer(parent).filter(|_| !parent.is_empty());
        let around = around.map(Value::to_string).unwrap_or_default();
        let (dialect, other) = (self.pair.0.name(), self.pair.1.name());
        let new = self
            .seen
            .insert(format!("{dialect} {other} {path} {value} {around}"));
        if !new
            || silent(value)
            || tells_itself(&path, &around)
            || is_usual(self.pair.1, &path, value)
        {
            return;
        }
        let mut without = self.request.clone();
        remove(&mut without, pointer);
        let less = crossed(self.pair, &without);
        if less.as_ref() == Some(&self.whole) {
            self.complaints.push(format!(
                "{dialect} as {other}: {path} = {value:.100} in {around:.300}"
            ));
            return;
        }
        // What may not be missing is taken out with what it stands in.
        let less = less.or_else(|| {
            if parent.is_empty() {
                return None;
            }
            let mut without = self.request.clone();
            remove(&mut without, parent);
            crossed(self.pair, &without)
        });
        // What is lost as a whole and named needs no names for what was in it.
        let named = |loss: &Loss| loss.kind == LossKind::Dropped && loss.path == dotted(pointer);
        let lost =
            less.is_some_and(|less| less.0 == self.whole.0) || self.whole.1.iter().any(named);
        if !lost {
            for inner in members(value, pointer) {
                self.look(&inner);
            }
        }
    }
}

/// What the other dialect is sent and what is lost on the way; none where it is refused.
pub(super) fn crossed((dialect, other): (Dialect, Dialect), request: &Value) -> Option<Crossed> {
    let text = request.to_string();
    let hub = dialect.server().decode_request(text.as_bytes()).ok()?;
    let mut losses = Losses::default();
    let codec = other.client();
    // A path may say part of it.
    let mut out = codec.chat_path("m", hub.stream).into_owned().into_bytes();
    out.extend(codec.encode_request(&hub, &target("m"), &mut losses));
    Some((out, losses.into_vec()))
}

/// Nothing is said by a `null` or by what is empty.
pub(super) fn silent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a member says what that target does without it.
pub(super) fn is_usual(target: Dialect, path: &str, value: &Value) -> bool {
    usual(USUAL, path, value) || usual(usual_to(target), path, value)
}

fn usual(table: &[(&str, &str)], path: &str, value: &Value) -> bool {
    let value = value.to_string();
    table
        .iter()
        .any(|(end, said)| path.ends_with(end) && (*said == value || *said == "*"))
}

/// Whether it is the media type of data that say themselves what they are.
pub(super) fn tells_itself(path: &str, around: &str) -> bool {
    const TYPES: [&str; 4] = ["/media_type", "/mimeType", "/mime_type", "/image/format"];
    // PNG, JPEG in both alphabets, PDF, GIF, WebP.
    const BEGINNINGS: [&str; 6] = ["iVBOR", "/9j/", "_9j_", "JVBERi", "R0lGOD", "UklGR"];
    let begins = |word: &&str| around.contains(&format!("\"{word}"));
    TYPES.iter().any(|end| path.ends_with(end)) && BEGINNINGS.iter().any(begins)
}

/// A pointer as losses name places.
pub(super) fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        match step.parse::<usize>() {
            Ok(place) => path.push_str(&format!("[{place}]")),
            Err(_) if path.is_empty() => path.push_str(step),
            Err(_) => path.push_str(&format!(".{step}")),
        }
    }
    path
}

/// A pointer without the numbers of elements.
pub(super) fn generic(pointer: &str) -> String {
    let steps = pointer.split('/').map(|step| match step.parse::<usize>() {
        Ok(_) => "*",
        Err(_) => step,
    });
    steps.collect::<Vec<_>>().join("/")
}

/// Pointers of the members or elements of a value.
pub(super) fn members(value: &Value, at: &str) -> Vec<String> {
    let names: Vec<String> = match value {
        Value::Object(members) => members.keys().cloned().collect(),
        Value::Array(list) => (0..list.len()).map(|place| place.to_string()).collect(),
        _ => Vec::new(),
    };
    let plain = names.iter().filter(|name| !name.contains(['/', '~']));
    plain.map(|name| format!("{at}/{name}")).collect()
}

pub(super) fn remove(value: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.remove(name)),
        Value::Array(list) => drop(list.remove(name.parse().unwrap())),
        _ => panic!("{pointer} is no member"),
    }
}

/// The smallest request in which a field may stand.
fn least(dialect: Dialect) -> Value {
    let tool = match dialect {
        Dialect::OpenaiChat | Dialect::Cohere => {
            json!({"type": "function", "function": {"name": "f"}})
        }
        Dialect::OpenaiResponses => {
            return json!({
                "model": "m",
                "input": [{"role": "user", "content": "Go"}],
                "tools": [{"type": "function", "name": "f"}],
            });
        }
        Dialect::Gemini => {
            return json!({
                "contents": [{"role": "user", "parts": [{"text": "Go"}]}],
                "tools": [{"functionDeclarations": [{"name": "f"}]}],
            });
        }
        Dialect::AnthropicMessages => json!({"name": "f", "input_schema": {"type": "object"}}),
        Dialect::BedrockConverse => {
            let spec = json!({"name": "f", "inputSchema": {"json": {"type": "object"}}});
            return json!({
                "messages": [{"role": "user", "content": [{"text": "Go"}]}],
                "toolConfig": {"tools": [{"toolSpec": spec}]},
            });
        }
    };
    let mut request = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Go"}],
        "tools": [tool],
    });
    if dialect == Dialect::AnthropicMessages {
        request["max_tokens"] = json!(2048);
    }
    request
}

/// A vendor's schemas, and in them that of a request.
fn schema(dialect: Dialect) -> Option<(Value, Value)> {
    let (file, at) = match dialect {
        Dialect::OpenaiChat => (
            "openai-openapi.json",
            "/components/schemas/CreateChatCompletionRequest",
        ),
        Dialect::OpenaiResponses => ("openai-openapi.json", "/components/schemas/CreateResponse"),
        Dialect::AnthropicMessages => ("anthropic_MessageCreateParams.json", ""),
        Dialect::BedrockConverse => return service_model(),
        // There are schemas of its answers alone.
        Dialect::Cohere => return None,
        Dialect::Gemini => (
            "aiplatform.v1.json",
            "/schemas/GoogleCloudAiplatformV1GenerateContentRequest",
        ),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/schemas");
    let root: Value = serde_json::from_str(&fs::read_to_string(folder.join(file)).ok()?).unwrap();
    let merged = merged(root.pointer(at).unwrap(), &root);
    Some((root, merged))
}

/// The request of Converse out of AWS's model of the service, as a JSON Schema.
fn service_model() -> Option<(Value, Value)> {
    const FILE: &str = "../../../shared/schemas/botocore_bedrock-runtime_service-2.json.gz";
    let file = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)).ok()?;
    let mut text = String::new();
    GzDecoder::new(&file[..]).read_to_string(&mut text).unwrap();
    let model: Value = serde_json::from_str(&text).unwrap();
    let mut request = shape(&model["shapes"], "ConverseRequest", 0);
    request["properties"]
        .as_object_mut()
        .unwrap()
        .remove("modelId");
    Some((Value::Null, request))
}

fn shape(shapes: &Value, name: &str, depth: u8) -> Value {
    const DEPTH: u8 = 9;
    let shape_of = |name: &Value| shape(shapes, name.as_str().unwrap(), depth + 1);
    let found = &shapes[name];
    if depth == DEPTH {
        return json!({"type": "none"});
    }
    match found["type"].as_str().unwrap() {
        "structure" if found["document"] == true => json!({"type": "object"}),
        "structure" => {
            let members = found["members"].as_object().unwrap();
            let members = members
                .iter()
                .map(|(name, of)| (name.clone(), shape_of(&of["shape"])));
            if found["union"] == true {
                let forms =
                    members.map(|(name, of)| json!({"type": "object", "properties": {name: of}}));
                return json!({"oneOf": forms.collect::<Vec<_>>()});
            }
            json!({"type": "object", "properties": members.collect::<Map<_, _>>()})
        }
        "list" => json!({"type": "array", "items": shape_of(&found["member"]["shape"])}),
        "map" => json!({"type": "object"}),
        "string" if found["enum"].is_array() => json!({"enum": found["enum"]}),
        "blob" => json!({"const": "aGk="}),
        "string" => json!({"type": "string"}),
        "float" => json!({"type": "number"}),
        "boolean" => json!({"type": "boolean"}),
        _ => json!({"type": "integer"}),
    }
}

/// A schema with the parts that it is made of put together.
fn merged(schema: &Value, root: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        // Google names its schemas, others point at them.
        let named = root["schemas"].get(reference);
        let found = named.or_else(|| root.pointer(reference.strip_prefix('#')?));
        return merged(found.unwrap(), root);
    }
    let mut all = Map::new();
    let mut properties = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let part = merged(part, root);
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        all.extend(part.as_object().cloned().unwrap_or_default());
    }
    properties.extend(
        schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default(),
    );
    all.extend(schema.as_object().cloned().unwrap_or_default());
    if !properties.is_empty() {
        all.insert("properties".to_owned(), Value::Object(properties));
    }
    all.remove("allOf");
    Value::Object(all)
}

/// A value for each form that a schema allows.
fn examples(schema: &Value, root: &Value, depth: u8) -> Vec<Value> {
    const DEPTH: u8 = 9;
    if depth == DEPTH {
        return Vec::new();
    }
    let schema = merged(schema, root);
    if !schema["const"].is_null() {
        return vec![schema["const"].clone()];
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.clone();
    }
    let forms = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    if let Some(forms) = forms {
        return forms
            .iter()
            .flat_map(|form| examples(form, root, depth + 1))
            .collect();
    }
    match schema["type"].as_str() {
        Some("string") => vec![json!("words")],
        Some("integer") => vec![json!(7), json!(4000)],
        Some("number") => vec![json!(0.5)],
        Some("boolean") => vec![json!(true), json!(false)],
        Some("array") => examples(&schema["items"], root, depth + 1)
            .into_iter()
            .map(|item| json!([item]))
            .collect(),
        Some("object") | None if schema["properties"].is_object() => objects(&schema, root, depth),
        Some("object") => vec![json!({"key": "words"})],
        _ => Vec::new(),
    }
}

/// An object with all its members, and one for each further form of each of them.
fn objects(schema: &Value, root: &Value, depth: u8) -> Vec<Value> {
    let mut full = Map::new();
    let mut further = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut forms = examples(property, root, depth + 1).into_iter();
        if let Some(first) = forms.next() {
            full.insert(name.clone(), first);
        }
        further.extend(forms.map(|form| (name.clone(), form)));
    }
    let mut all = vec![Value::Object(full.clone())];
    for (name, form) in further {
        let mut other = full.clone();
        other.insert(name, form);
        all.push(Value::Object(other));
    }
    all
}

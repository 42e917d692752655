//! decode(encode(hub)) = hub minus the reported losses, over generated requests.

use dialect::Dialect;
use dialect::chat::{
    Media, MediaSource, Message, OutputFormat, Part, PartKind, Request, Role, Tool, ToolCall,
    ToolCallKind, ToolChoice, ToolKind, ToolResult,
};
use dialect::json::Json;
use dialect::loss::{Loss, LossKind, Losses};
use proptest::prelude::*;

use super::target;
use crate::canon::{canon, difference};

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}( [a-z]{1,8}){0,3}",
        Just("😀 \"q\" \\ \n é \u{2028}".to_owned()),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        words().prop_map(|text| Json::string(&text).text().to_owned()),
        Just("1.50".to_owned()),
        Just("[1,{\"a\":null}]".to_owned()),
    ];
    prop::collection::btree_map("[a-z]{1,4}", value, 0..3).prop_map(|members| {
        let members = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

fn media(origin: Dialect) -> impl Strategy<Value = Part> {
    // One dialect knows a picture by its media type alone.
    let typed = (origin == Dialect::Gemini).then(|| "image/png".to_owned());
    let source = prop_oneof![
        Just((typed, MediaSource::Url("https://example.com/a.png".into()))),
        Just((
            Some("image/png".to_owned()),
            MediaSource::Base64("aGk=".into())
        )),
    ];
    source.prop_map(|(media_type, source)| {
        PartKind::Image(Media {
            media_type,
            source,
            name: None,
            detail: None,
        })
        .into()
    })
}

fn user(origin: Dialect) -> impl Strategy<Value = Vec<Message>> {
    let part = prop_oneof![3 => words().prop_map(Part::text), 1 => media(origin)];
    prop_oneof![
        words().prop_map(|text| {
            let mut message = Message::new(Role::User, vec![Part::text(text)]);
            message.bare = true;
            message
        }),
        prop::collection::vec(part, 1..4).prop_map(|parts| Message::new(Role::User, parts)),
    ]
    .prop_map(|message| vec![message])
}

/// What an assistant says or asks for, with the tools' answers in the place of the dialect.
fn assistant(origin: Dialect) -> impl Strategy<Value = Vec<Message>> {
    let calls = prop::collection::vec((arguments(), words()), 0..3);
    (prop::option::of(words()), calls, any::<u32>()).prop_map(move |(text, calls, salt)| {
        let mut parts: Vec<Part> = text.into_iter().map(Part::text).collect();
        let mut results = Vec::new();
        for (at, (arguments, answer)) in calls.into_iter().enumerate() {
            let id = format!("call_{salt}_{at}");
            parts.push(
                PartKind::ToolCall(ToolCall {
                    id: id.clone(),
                    name: "look_up".into(),
                    arguments,
                    kind: ToolCallKind::Function,
                })
                .into(),
            );
            let result = ToolResult {
                call_id: id,
                is_error: None,
                parts: vec![Part::text(answer)],
                bare: true,
            };
            results.push(Part::from(PartKind::ToolResult(result)));
        }
        if parts.is_empty() {
            parts.push(Part::text("well"));
        }
        let mut turn = vec![Message::new(Role::Assistant, parts)];
        match origin {
            Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Cohere => {
                turn.extend(
                    results
                        .into_iter()
                        .map(|r| Message::new(Role::Tool, vec![r])),
                );
            }
            Dialect::AnthropicMessages | Dialect::Gemini | Dialect::BedrockConverse
                if results.is_empty() => {}
            Dialect::AnthropicMessages | Dialect::Gemini | Dialect::BedrockConverse => {
                turn.push(Message::new(Role::User, results));
            }
        }
        turn
    })
}

fn tool() -> impl Strategy<Value = Tool> {
    ("[a-z_]{1,10}", prop::option::of(words())).prop_map(|(name, description)| Tool {
        kind: ToolKind::Function {
            name,
            description,
            parameters: Some(Json::parse(r#"{"type":"object","properties":{}}"#).unwrap()),
            strict: None,
        },
        cache: None,
        extra: dialect::chat::Extra::default(),
    })
}

fn request(origin: Dialect) -> impl Strategy<Value = Request> {
    let turns = prop::collection::vec((user(origin), assistant(origin)), 0..3);
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::Required),
        Just(ToolChoice::None),
        Just(ToolChoice::Tool("look_up".into())),
    ];
    (
        (prop::option::of(words()), turns, user(origin)),
        (
            prop::collection::vec(tool(), 0..3),
            prop::option::of(choice),
        ),
        (
            prop::option::of(1u64..9999),
            prop::collection::vec("[A-Z]{1,5}", 0..3),
        ),
        (prop::option::of(Just("0.70")), any::<bool>(), any::<bool>()),
    )
        .prop_map(
            move |((system, turns, last), (tools, choice), (most, stop), rest)| {
                let (temperature, stream, schema) = rest;
                let mut request = Request::new(origin, "m");
                if let Some(system) = system {
                    let mut message = Message::new(Role::System, vec![Part::text(system)]);
                    message.bare = true;
                    message.apart = stands_apart(origin);
                    request.messages.push(message);
                }
                let turns = turns
                    .into_iter()
                    .flat_map(|(user, assistant)| [user, assistant]);
                request.messages.extend(turns.chain([last]).flatten());
                request.tool_choice = choice.filter(|_| !tools.is_empty());
                request.tools = tools;
                request.max_output_tokens = most;
                request.stop = stop;
                if origin == Dialect::OpenaiResponses {
                    // It has no word for them.
                    request.stop.clear();
                }
                request.sampling.temperature = temperature.map(|text| Json::parse(text).unwrap());
                // The path says it, where the body does not.
                request.stream = stream && origin != Dialect::Gemini;
                request.stream_usage = request.stream && origin == Dialect::AnthropicMessages;
                request.output = schema.then(|| OutputFormat::JsonSchema {
                    name: None,
                    description: None,
                    schema: Some(Json::parse(r#"{"type":"object"}"#).unwrap()),
                    strict: None,
                    extra: dialect::chat::Extra::default(),
                });
                request
            },
        )
}

/// What a request means, whatever dialect it is written in.
fn essence(request: &Request) -> (Vec<String>, String) {
    let mut said = Vec::new();
    for message in &request.messages {
        let gone =
            |part: &&Part| matches!(&part.kind, PartKind::Text(text) if text.as_str() == GONE);
        for part in message.parts.iter().filter(|part| !gone(part)) {
            let role = match (message.role, &part.kind) {
                (_, PartKind::ToolResult(_)) => "tool",
                (Role::System | Role::Developer, _) => "system",
                (Role::Assistant, _) => "assistant",
                (Role::User | Role::Tool, _) => "user",
            };
            let what = match &part.kind {
                PartKind::Text(text) => text.to_string(),
                PartKind::Image(media) => format!("{:?}", media.source),
                PartKind::ToolCall(call) => {
                    format!("{} {} {:?}", call.id, call.name, canon(&call.arguments))
                }
                PartKind::ToolResult(result) => {
                    let texts = result.parts.iter().filter_map(|part| match &part.kind {
                        PartKind::Text(text) => Some(text.as_str()),
                        _ => None,
                    });
                    format!("{} {}", result.call_id, texts.collect::<String>())
                }
                other => panic!("{other:?} was not generated"),
            };
            said.push(format!("{role}: {what}"));
        }
    }
    // Where that is not said, schemas of arguments are no rule.
    let mut tools: Vec<_> = request.tools.iter().map(|tool| tool.kind.clone()).collect();
    for tool in &mut tools {
        if let ToolKind::Function { strict, .. } = tool {
            *strict = strict.filter(|strict| *strict);
        }
    }
    let bounds = (&request.stop, request.stream, &request.sampling);
    let schema = request.output.as_ref().map(|output| match output {
        OutputFormat::JsonSchema { schema, .. } => schema.clone(),
        OutputFormat::Text | OutputFormat::Json => None,
    });
    // Where nothing is said, the model decides.
    let choice = request.tool_choice.as_ref();
    let choice = choice.filter(|choice| **choice != ToolChoice::Auto);
    let rest = format!("{tools:?} {choice:?} {bounds:?} {schema:?}");
    (said, rest)
}

/// Whether instructions stand in a member of their own.
fn stands_apart(dialect: Dialect) -> bool {
    match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Cohere => false,
        Dialect::AnthropicMessages | Dialect::Gemini | Dialect::BedrockConverse => true,
    }
}

/// What stands in the place of a part that was lost.
const GONE: &str = "(gone)";

/// Takes out what a loss names; says whether it is one that is to be expected.
fn forgo(hub: &mut Request, again: &mut Request, loss: &Loss, to: Dialect) -> bool {
    let (words, path) = (hub.words(), loss.path.as_str());
    if path == words.output {
        // That schemas are enforced is not promised everywhere.
        return loss.kind == LossKind::Approximated;
    }
    if path == words.stop {
        hub.stop.clear();
        return to == Dialect::OpenaiResponses;
    }
    if path == words.tool_choice && to == Dialect::Cohere {
        // One dialect cannot single out a tool.
        hub.tool_choice.clone_from(&again.tool_choice);
        return true;
    }
    // One cannot forbid tools, wants those of past calls declared, and fetches no pictures.
    if path == words.tools || path == words.tool_choice {
        for request in [hub, again] {
            request.tools.clear();
            request.tool_choice = None;
        }
        return to == Dialect::BedrockConverse;
    }
    let gone = |part: &Part| matches!(&part.kind, PartKind::Text(text) if text.as_str() == GONE);
    for (place, message) in hub.places().iter().zip(&mut hub.messages) {
        if let Some(at) = place.parts.iter().position(|part| part == path) {
            let part = std::mem::replace(&mut message.parts[at], Part::text(GONE));
            return to == Dialect::BedrockConverse && matches!(part.kind, PartKind::Image(_));
        }
        if place.turn == path {
            return message.parts.iter().all(gone);
        }
    }
    false
}

fn holds(hub: &Request) -> Result<(), TestCaseError> {
    for to in Dialect::ALL {
        let mut losses = Losses::default();
        let once = to.client().encode_request(hub, &target("m"), &mut losses);
        let once = String::from_utf8(once).unwrap();
        let again = to.server().decode_request(once.as_bytes());
        let again = again.map_err(|e| TestCaseError::fail(format!("{to:?}: {e}: {once}")))?;
        let mut more = Losses::default();
        let twice = to.client().encode_request(&again, &target("m"), &mut more);
        let twice = String::from_utf8(twice).unwrap();
        prop_assert_eq!(
            difference(&canon(&once).unwrap(), &canon(&twice).unwrap()),
            None
        );
        prop_assert_eq!(more.as_slice(), []);
        let mut hub = hub.clone();
        let mut again = again;
        for loss in losses.as_slice() {
            let known = forgo(&mut hub, &mut again, loss, to);
            prop_assert!(known, "{:?}: {:?} {}", to, loss, once);
        }
        if super::names_model_in_path(to) {
            // So is the form of the answer.
            again.stream = hub.stream;
        }
        prop_assert_eq!(essence(&hub), essence(&again), "{:?}: {}", to, once);
        let bound = hub.max_output_tokens.or(again.max_output_tokens);
        prop_assert_eq!(again.max_output_tokens, bound);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_chat_request_means_the_same_in_every_dialect(hub in request(Dialect::OpenaiChat)) {
        holds(&hub)?;
    }

    #[test]
    fn a_cohere_request_means_the_same_in_every_dialect(hub in request(Dialect::Cohere)) {
        holds(&hub)?;
    }

    #[test]
    fn a_contents_request_means_the_same_in_every_dialect(hub in request(Dialect::Gemini)) {
        holds(&hub)?;
    }

    #[test]
    fn a_responses_request_means_the_same_in_every_dialect(hub in request(Dialect::OpenaiResponses)) {
        holds(&hub)?;
    }

    #[test]
    fn a_messages_request_means_the_same_in_every_dialect(hub in request(Dialect::AnthropicMessages)) {
        holds(&hub)?;
    }

    #[test]
    fn a_converse_request_means_the_same_in_every_dialect(hub in request(Dialect::BedrockConverse)) {
        let mut hub = hub;
        // No request of it names an address.
        let parts = hub.messages.iter_mut().flat_map(|message| &mut message.parts);
        for part in parts {
            if let PartKind::Image(media) = &mut part.kind {
                media.media_type = Some("image/png".to_owned());
                media.source = MediaSource::Base64("aGk=".to_owned());
            }
        }
        holds(&hub)?;
    }
}

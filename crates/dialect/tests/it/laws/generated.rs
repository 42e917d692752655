//! decode(encode(hub)) = hub minus the reported losses, over generated requests.

use dialect::Dialect;
use dialect::chat::{
    Media, MediaSource, Message, OutputFormat, Part, PartKind, Request, Role, Tool, ToolCall,
    ToolCallKind, ToolChoice, ToolKind, ToolResult,
};
use dialect::json::Json;
use dialect::loss::Losses;
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
            Dialect::OpenaiChat => {
                turn.extend(
                    results
                        .into_iter()
                        .map(|r| Message::new(Role::Tool, vec![r])),
                );
            }
            Dialect::AnthropicMessages | Dialect::Gemini if results.is_empty() => {}
            Dialect::AnthropicMessages | Dialect::Gemini => {
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
                    message.apart = origin == Dialect::Gemini;
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
fn essence(request: &Request, to: Dialect) -> (Vec<String>, String) {
    let mut said = Vec::new();
    for message in &request.messages {
        for part in &message.parts {
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
    let tools: Vec<_> = request.tools.iter().map(|tool| &tool.kind).collect();
    let stream = request.stream && to != Dialect::Gemini;
    let bounds = (&request.stop, stream, &request.sampling);
    let schema = request.output.as_ref().map(|output| match output {
        OutputFormat::JsonSchema { schema, .. } => schema.clone(),
        OutputFormat::Text | OutputFormat::Json => None,
    });
    let rest = format!("{tools:?} {:?} {bounds:?} {schema:?}", request.tool_choice);
    (said, rest)
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
        // That schemas are enforced is not promised everywhere.
        let lost = losses.as_slice().iter();
        let lost: Vec<_> = lost.filter(|l| l.path != hub.words().output).collect();
        prop_assert!(lost.is_empty(), "{:?}: {:?} {}", to, lost, once);
        prop_assert_eq!(essence(hub, to), essence(&again, to), "{:?}: {}", to, once);
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
    fn a_contents_request_means_the_same_in_every_dialect(hub in request(Dialect::Gemini)) {
        holds(&hub)?;
    }

    #[test]
    fn a_messages_request_means_the_same_in_every_dialect(hub in request(Dialect::AnthropicMessages)) {
        holds(&hub)?;
    }
}

//! Answers that arrive: what the provider is asked, what the client gets, and in which form.

use dialect::Dialect;
use serde_json::{Value, json};

use crate::asking::{Ask, Got, has_terminator};
use crate::harness::{PAIRS, Road, WRITTEN, echo, provider, scripted, sim, target};
use crate::puppet::Puppet;

/// The header in which a provider of that dialect names its request.
fn request_id(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiResponses | Dialect::Gemini | Dialect::BedrockConverse | Dialect::Cohere => {
            panic!("{WRITTEN:?} are asked for")
        }
        Dialect::OpenaiChat => "x-request-id",
        Dialect::AnthropicMessages => "request-id",
    }
}

fn assert_common_headers(client: Dialect, got: &Got, provider_id: &str) {
    assert_eq!(got.header("x-bondgate-model"), "m");
    assert_eq!(got.header("x-bondgate-target"), "p/echo");
    assert_eq!(got.header("x-bondgate-attempts"), "1");
    assert_eq!(got.header("x-bondgate-cache"), "off");
    assert_eq!(got.header("cache-control"), "no-store");
    assert!(got.header("x-bondgate-overhead-us").parse::<u64>().is_ok());
    assert_eq!(got.header("x-bondgate-request-id").len(), 26);
    assert_eq!(got.header(request_id(client)), provider_id);
}

#[tokio::test]
async fn whole_answers_reach_every_client() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let got = Ask::new(client, "grüße, wörld").send(&road).await;
        assert_eq!(got.status, 200, "{client:?} {served:?} {}", got.text());
        assert_eq!(got.said(), "grüße, wörld", "{client:?} {served:?}");
        assert!(got.whole);
        assert_eq!(got.header("content-type"), "application/json");
        let call = sim.bill().calls.remove(0);
        assert_common_headers(client, &got, &call.request_id);
        let tokens = format!(
            "in={},cached=0,out={}",
            call.input_tokens, call.output_tokens
        );
        assert_eq!(got.header("x-bondgate-tokens"), tokens);
        let settled = road.settled(1).await.remove(0);
        assert_eq!(settled.outcome, "answered");
        assert!(settled.complete);
        assert_eq!(settled.input_tokens, call.input_tokens);
        assert_eq!(settled.output_tokens, call.output_tokens);
        road.at_rest().await;
    }
}

#[tokio::test]
async fn streamed_answers_reach_every_client() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let got = Ask::stream(client, "grüße, wörld").send(&road).await;
        let pair = format!("{client:?} {served:?} {}", got.text());
        assert_eq!(got.status, 200, "{pair}");
        assert_eq!(got.said(), "grüße, wörld", "{pair}");
        assert!(got.whole && has_terminator(&got.body), "{pair}");
        let kind = got.header("content-type");
        assert_eq!(kind, "text/event-stream; charset=utf-8");
        let call = sim.bill().calls.remove(0);
        assert!(call.completed);
        assert_common_headers(client, &got, &call.request_id);
        let settled = road.settled(1).await.remove(0);
        assert_eq!(settled.outcome, "answered", "{pair}");
        assert!(settled.complete, "{pair}");
        assert_eq!(settled.output_tokens, call.output_tokens, "{pair}");
        road.at_rest().await;
    }
}

#[tokio::test]
async fn the_upstream_is_asked_with_the_clients_own_bytes_but_for_the_edits() {
    let (odd_chat, odd_messages) = (
        r#"{ "messages":[ {"role" : "user","content":"a\/b \u00e9","unknown":1.50e3} ],"zz":{"k":[null,-0.0]}, "model"   :"m"}"#,
        r#"{"max_tokens":9 , "model":"\u006d","messages":[{"content":[{"type":"text","text":"x\t","zz":[]}],"role":"user"}],"future_field":{"a":1e2}}"#,
    );
    for (dialect, odd, expected) in [
        (
            Dialect::OpenaiChat,
            odd_chat,
            odd_chat.replace("\"m\"", "\"echo\""),
        ),
        (
            Dialect::AnthropicMessages,
            odd_messages,
            odd_messages.replace("\"\\u006d\"", "\"echo\""),
        ),
    ] {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", dialect, &sim)]);
        let got = Ask::new(dialect, "").raw(odd).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let seen = sim.seen().remove(0);
        assert_eq!(String::from_utf8_lossy(&seen.body), expected);
    }
}

#[tokio::test]
async fn a_stream_of_chat_is_asked_to_report_usage_and_nothing_else_is_edited() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    let plain = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}],"zz":1}"#;
    Ask::new(Dialect::OpenaiChat, "")
        .raw(plain)
        .send(&road)
        .await;
    let seen = sim.seen().remove(0);
    let mut asked: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(asked["stream_options"], json!({ "include_usage": true }));
    asked.as_object_mut().unwrap().remove("stream_options");
    let mut given: Value = serde_json::from_str(plain).unwrap();
    given["model"] = json!("echo");
    assert_eq!(asked, given);
}

const CHAT: &str = "{\n  \"id\" : \"c-1\", \"object\":\"chat.completion\",\"created\":1,\"model\":\"x-2025\",\"zz\":{\"a\":1.0},\r\n\t\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"h\\u0069\",\"own\":[1]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4} }\n";
const MESSAGE: &str = "{ \"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[ {\"type\":\"text\",\"text\":\"h\\u0069\",\"own\":{} } ],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1,\"zz\":7}}";
const CHAT_STREAM: &str = ": hello\n\ndata: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"obf\":\"abc\"}\r\n\r\ndata:{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\u0069\"},\"finish_reason\":null}]}\n\nid: 7\ndata: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n: bye\n\ndata: [DONE]\n\n";
const MESSAGE_STREAM: &str = "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\r\n\r\nevent: ping\ndata: {\"type\": \"ping\"}\n\n: note\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\\u0069\"} }\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":1}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn an_answer_in_the_same_dialect_is_passed_on_byte_for_byte() {
    for (dialect, stream, kind, bytes) in [
        (Dialect::OpenaiChat, false, "application/json", CHAT),
        (
            Dialect::AnthropicMessages,
            false,
            "application/json",
            MESSAGE,
        ),
        (Dialect::OpenaiChat, true, "text/event-stream", CHAT_STREAM),
        (
            Dialect::AnthropicMessages,
            true,
            "text/event-stream",
            MESSAGE_STREAM,
        ),
    ] {
        let puppet = Puppet::answering(200, kind, bytes.as_bytes()).await;
        let road = Road::to(vec![target(provider("p", dialect, puppet.address), "x")]);
        let got = Ask::either(dialect, stream, "hi").send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.text(), bytes);
        assert_eq!(road.outcome().await, "answered");
    }
}

#[tokio::test]
async fn a_usage_chunk_is_withheld_unless_it_was_asked_for() {
    for (client, served) in PAIRS {
        if client != Dialect::OpenaiChat {
            continue;
        }
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let ask = Ask::stream(client, "hi");
        let tells = |got: &Got| got.events().iter().any(|event| event["usage"].is_object());
        let got = ask.send(&road).await;
        assert!(!tells(&got), "{served:?} {}", got.text());
        assert!(
            got.events().iter().all(|e| e["choices"] != json!([])),
            "{served:?} {}",
            got.text()
        );
        let got = ask
            .with("stream_options", json!({ "include_usage": true }))
            .send(&road)
            .await;
        assert!(tells(&got), "{served:?} {}", got.text());
    }
}

#[tokio::test]
async fn details_stand_in_the_last_usage_event() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let ask = Ask::stream(client, "hi").header("x-bondgate-details", "1");
        let got = ask.send(&road).await;
        let pair = format!("{client:?} {served:?} {}", got.text());
        assert!(has_terminator(&got.body), "{pair}");
        let events = got.events();
        let telling: Vec<_> = events
            .iter()
            .filter(|e| e["bondgate"].is_object())
            .collect();
        assert_eq!(telling.len(), 1, "{pair}");
        assert!(telling[0]["usage"].is_object(), "{pair}");
        let details = &telling[0]["bondgate"];
        assert_eq!(details["request_id"], got.header("x-bondgate-request-id"));
        assert_eq!(details["model"], "m");
        assert_eq!(details["target"], "p/echo");
        assert_eq!(details["attempts"], 1);
        let call = sim.bill().calls.remove(0);
        assert_eq!(details["tokens"]["out"], call.output_tokens, "{pair}");
    }
}

#[tokio::test]
async fn probes_and_models_are_answered_here() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    let probe = Ask::new(Dialect::OpenaiChat, "").by("GET").raw("");
    for path in ["/livez", "/readyz"] {
        let ask = probe.clone().without("authorization").at(path);
        assert_eq!(ask.send(&road).await.status, 200);
    }
    let got = probe.clone().at("/v1/models").send(&road).await;
    assert_eq!(got.json()["data"][0]["id"], "m");
    assert_eq!(got.json()["object"], "list");
    let messages = Ask::new(Dialect::AnthropicMessages, "").by("GET").raw("");
    let got = messages.at("/v1/models").send(&road).await;
    assert_eq!(got.json()["data"][0]["id"], "m");
    assert_eq!(got.json()["has_more"], false);
    assert!(sim.seen().is_empty());
    assert!(road.ledger.dispatched().is_empty());
}

#[tokio::test]
async fn every_spelling_of_a_path_leads_there() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    for path in [
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions?timeout=600",
        "/openai/deployments/m/chat/completions?api-version=2024-10-21",
        "/openai/deployments/%6D/chat/completions",
    ] {
        let ask = Ask::new(Dialect::OpenaiChat, "hi").at(path);
        assert_eq!(ask.send(&road).await.said(), "hi", "{path}");
    }
    for path in ["/v1/messages", "/messages", "/v1/messages?beta=true"] {
        let ask = Ask::new(Dialect::AnthropicMessages, "hi").at(path);
        assert_eq!(ask.send(&road).await.said(), "hi", "{path}");
    }
}

#[tokio::test]
async fn however_a_stream_is_cut_into_pieces_it_says_the_same() {
    for (client, served) in PAIRS {
        for bytes in [1, 3, 17, 1000] {
            let sim = scripted(json!({ "split": { "bytes": bytes } })).await;
            let road = Road::to(vec![echo("p", served, &sim)]);
            for stream in [false, true] {
                let got = Ask::either(client, stream, "grüße, 世界").send(&road).await;
                assert_eq!(got.said(), "grüße, 世界", "{client:?} {served:?} {bytes}");
                assert_eq!(has_terminator(&got.body), stream);
            }
        }
    }
}

#[tokio::test]
async fn a_proven_answer_gets_the_last_word_that_its_provider_left_out() {
    let body = "data: {\"id\":\"c\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"all\"},\"finish_reason\":\"stop\"}]}\n\n";
    for client in WRITTEN {
        let puppet = Puppet::answering(200, "text/event-stream", body.as_bytes()).await;
        let chat = provider("p", Dialect::OpenaiChat, puppet.address);
        let road = Road::to(vec![target(chat, "m")]);
        let got = Ask::stream(client, "hi").send(&road).await;
        assert_eq!(got.said(), "all", "{client:?}");
        assert!(got.whole && has_terminator(&got.body), "{}", got.text());
        if client == Dialect::OpenaiChat {
            assert_eq!(got.text(), format!("{body}data: [DONE]\n\n"));
        }
        assert_eq!(road.outcome().await, "answered");
    }
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_counts_where_the_body_ended_well() {
    let bytes = concat!(
        "data: {\"id\":\"c\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":",
        "{\"content\":\"all\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]"
    );
    for client in WRITTEN {
        let puppet = Puppet::answering(200, "text/event-stream", bytes.as_bytes()).await;
        let road = Road::to(vec![target(
            provider("p", Dialect::OpenaiChat, puppet.address),
            "m",
        )]);
        let got = Ask::stream(client, "hi").send(&road).await;
        assert_eq!(got.said(), "all", "{client:?}");
        assert!(has_terminator(&got.body), "{client:?}: {:?}", got.body);
    }
}

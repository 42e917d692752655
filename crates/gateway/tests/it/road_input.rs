//! Bad input: a clear error in the client's dialect, and a gateway that serves on.

use dialect::Dialect;
use serde_json::json;

use crate::asking::{Ask, Got, assert_error};
use crate::harness::{Road, WRITTEN, echo, sim};

async fn road() -> (sim::Sim, Road) {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    (sim, road)
}

/// Nothing came of it, and the next request is served as ever.
async fn assert_unharmed(sim: &sim::Sim, road: &Road) {
    assert!(sim.seen().is_empty());
    assert!(road.ledger.dispatched().is_empty());
    road.at_rest().await;
    for client in WRITTEN {
        assert_eq!(Ask::new(client, "hi").send(road).await.said(), "hi");
    }
}

fn assert_invalid(client: Dialect, got: &Got) {
    assert_error(client, got, 400, "invalid_request");
    assert_eq!(got.facts()["fault"], "client");
    assert_eq!(got.header("x-should-retry"), "false");
}

#[tokio::test]
async fn a_body_that_is_no_json_object() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        for body in [
            "",
            " ",
            "hello",
            "{",
            "{\"model\":\"m\"",
            "{\"model\":\"m\"}}",
            "{\"model\":\"m\",}",
            "{'model':'m'}",
            "[]",
            "null",
            "\"m\"",
            "{\"model\":\"m\"} x",
            "{\"model\":\"\\ud800\"}",
            "{\"model\":\"m\",\"n\":01}",
            "{\"model\":\"m\n\"}",
        ] {
            let got = Ask::new(client, "").raw(body).send(&road).await;
            assert_eq!(got.status, 400, "{client:?} {body}");
            assert_invalid(client, &got);
        }
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn bytes_that_are_no_text() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        let bodies: [&[u8]; 4] = [
            b"{\"model\":\"m\xff\"}",
            b"\xff\xfe{\x00}\x00",
            b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\x28\"}]}",
            b"\x00",
        ];
        for body in bodies {
            let got = Ask::new(client, "").raw(body).send(&road).await;
            assert_eq!(got.status, 400, "{client:?} {body:?}");
            assert_invalid(client, &got);
        }
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn fields_of_a_wrong_type_are_named() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        for (field, value) in [
            ("model", json!(7)),
            ("model", json!(null)),
            ("model", json!(["m"])),
            ("stream", json!("yes")),
            ("stream", json!(1)),
            ("max_tokens", json!("many")),
        ] {
            let got = Ask::new(client, "hi").with(field, value).send(&road).await;
            assert_invalid(client, &got);
            assert!(got.message().contains(field), "{}", got.text());
            if client == Dialect::OpenaiChat {
                assert_eq!(got.json()["error"]["param"], field, "{}", got.text());
            }
        }
        let missing = Ask::new(client, "")
            .raw("{\"messages\":[],\"max_tokens\":9}")
            .send(&road)
            .await;
        assert_invalid(client, &missing);
        assert!(missing.message().contains("model"), "{}", missing.text());
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_field_that_decides_is_not_given_twice() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        for twice in [
            r#"{"model":"m","messages":[],"model":"n"}"#,
            r#"{"model":"m","messages":[],"model":"m"}"#,
            r#"{"model":"m","messages":[],"\u006dodel":"m"}"#,
            r#"{"model":"m","stream":true,"messages":[],"stream":false}"#,
        ] {
            let got = Ask::new(client, "").raw(twice).send(&road).await;
            assert_invalid(client, &got);
        }
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_body_that_is_too_deep() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        for deep in [129, 10_000, 1_000_000] {
            let open = "[".repeat(deep);
            for body in [
                format!("{{\"model\":\"m\",\"x\":{open}"),
                format!("{{\"model\":\"m\",\"x\":{open}{}}}", "]".repeat(deep)),
                "{\"a\":".repeat(deep),
            ] {
                let got = Ask::new(client, "").raw(body).send(&road).await;
                assert_invalid(client, &got);
            }
        }
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        let body = vec![b' '; 64 << 20];
        let got = Ask::new(client, "").raw(body).send(&road).await;
        assert_error(client, &got, 413, "too_large");
        assert!(got.message().contains("33554432"), "{}", got.text());
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn an_encoding_that_is_not_known() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        let ask = Ask::new(client, "hi").header("content-encoding", "lzma");
        let got = ask.send(&road).await;
        assert_error(client, &got, 415, "unsupported_encoding");
        let ask = Ask::new(client, "hi").header("content-encoding", "gzip");
        assert_invalid(client, &ask.send(&road).await);
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_path_that_is_not_there_and_a_method_that_it_does_not_take() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        for path in ["/v1/nothing", "/v1", "/admin/v1/keys", "/v1/chat", "//"] {
            let got = Ask::new(client, "hi").at(path).send(&road).await;
            assert_error(client, &got, 404, "not_found");
        }
        for method in ["GET", "DELETE", "PUT", "OPTIONS"] {
            let got = Ask::new(client, "hi").by(method).send(&road).await;
            assert_error(client, &got, 404, "not_found");
            assert!(got.message().contains("POST"), "{}", got.text());
        }
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_header_for_the_gateway_that_it_cannot_follow() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        for (name, value) in [
            ("x-bondgate-tag", "a=b"),
            ("x-bondgate-", "1"),
            ("X-Bondgate-Nonsense", ""),
            ("x-bondgate-tags", "app=x"),
            ("x-bondgate-user", "u"),
            ("x-bondgate-run", ""),
            ("x-bondgate-tags", "no value"),
            ("x-bondgate-tags", "a=1,a=2"),
            ("x-bondgate-priority", "high"),
            ("x-bondgate-cache", "no-store"),
            ("x-bondgate-resumable", "1"),
            ("x-bondgate-data-class", "public"),
            ("x-bondgate-timeout-ms", "0"),
            ("x-bondgate-timeout-ms", "-1"),
            ("x-bondgate-timeout-ms", "1.5"),
            ("x-bondgate-timeout-ms", "soon"),
            ("x-bondgate-timeout-ms", "99999999999"),
            ("x-bondgate-fidelity", "loose"),
            ("x-bondgate-details", "yes"),
        ] {
            let got = Ask::new(client, "hi").header(name, value).send(&road).await;
            assert_invalid(client, &got);
            let named = got.message().contains(&name.to_ascii_lowercase());
            assert!(named, "{}", got.text());
        }
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn headers_that_are_huge() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        let ask = Ask::new(client, "hi").header("x-large", &"a".repeat(300_000));
        let got = ask.send(&road).await;
        assert!(matches!(got.status, 0 | 400 | 431), "{}", got.status);
        let many = (0..500).fold(Ask::new(client, "hi"), |ask, at| {
            ask.header(&format!("x-{at}"), "a")
        });
        let got = many.send(&road).await;
        assert!(matches!(got.status, 0 | 400 | 431), "{}", got.status);
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_name_that_would_spoil_a_sentence() {
    let (sim, road) = road().await;
    for client in WRITTEN {
        let long = "x".repeat(100_000);
        let name = format!("a\r\nset-cookie: x\u{0}`{long}");
        let got = Ask::new(client, "hi").with("model", name.into());
        let got = got.send(&road).await;
        assert_error(client, &got, 404, "model_not_found");
        assert!(got.body.len() < 2_000, "{}", got.body.len());
        assert!(!got.message().contains('\n'));
        assert!(got.headers.get("set-cookie").is_none());
    }
    assert_unharmed(&sim, &road).await;
}

#[tokio::test]
async fn a_request_that_a_provider_of_another_dialect_could_not_be_told() {
    let sim = sim().await;
    let messages = Dialect::AnthropicMessages;
    let road = Road::to(vec![echo("p", messages, &sim)]);
    let ask = Ask::new(Dialect::OpenaiChat, "").with("messages", json!("hello"));
    let got = ask.send(&road).await;
    assert_invalid(Dialect::OpenaiChat, &got);
    assert!(got.message().contains("messages"), "{}", got.text());
    let wrong = json!([{ "role": "user", "content": 7 }]);
    let ask = Ask::new(Dialect::OpenaiChat, "").with("messages", wrong);
    let got = ask.send(&road).await;
    assert_invalid(Dialect::OpenaiChat, &got);
    let where_ = got.json()["error"]["param"].clone();
    assert_eq!(where_, "messages[0].content", "{}", got.text());
    assert_unharmed(&sim, &road).await;
}

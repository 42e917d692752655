//! Each fault does exactly what the script says.

use std::time::Duration;

use serde_json::{Value, json};
use sim::{Outcome, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answers::{ask, with};
use crate::client::{BEARER, DEADLINE, Got, chat, messages, parse, post, send};
use crate::{scripted, started};

fn stream() -> Value {
    with(
        ask("one two three four five"),
        &json!({"stream": true, "stream_options": {"include_usage": true}}),
    )
}

fn rule(fault: &Value) -> Value {
    json!({"seed": 7, "rules": [{"do": fault}]})
}

/// A chat stream under one fault, and the same without any.
async fn both(fault: &Value) -> (Got, Got) {
    let plain = chat(&scripted(&json!({"seed": 7})).await, &stream()).await;
    assert!(plain.whole);
    (chat(&scripted(&rule(fault)).await, &stream()).await, plain)
}

/// Whether two answers differ in nothing but the second they were made in.
fn same(a: &[u8], b: &[u8]) -> bool {
    let mask = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut parts = text.split("\"created\":");
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        out
    };
    a.len() == b.len() && mask(a) == mask(b)
}

#[tokio::test]
async fn cut_after_bytes_is_exact_by_fin_and_by_rst() {
    for (by, reset) in [("fin", false), ("rst", true)] {
        for n in [0_usize, 1, 100, 777] {
            let (cut, plain) = both(&json!({"cut": {"after_bytes": n, "by": by}})).await;
            assert_eq!(
                (cut.status, cut.whole, cut.reset),
                (200, false, reset),
                "{by} {n}"
            );
            assert!(same(&cut.body, &plain.body[..n]), "{by} {n}");
        }
    }
}

#[tokio::test]
async fn cut_of_a_whole_answer_keeps_its_declared_length() {
    let sim = scripted(&rule(&json!({"cut": {"after_bytes": 50}}))).await;
    let got = chat(&sim, &ask("hello")).await;
    assert_eq!((got.body.len(), got.whole), (50, false));
    assert!(
        got.header("content-length")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            > 50
    );
    let sim = scripted(&rule(&json!({"cut": {"after_bytes": 50, "clean": true}}))).await;
    let got = chat(&sim, &ask("hello")).await;
    assert_eq!((got.body.len(), got.whole), (50, true));
    assert_eq!(sim.ended(1).await, Outcome::Cut("clean"));
}

#[tokio::test]
async fn cut_at_an_event_and_at_a_fraction() {
    let (cut, plain) = both(&json!({"cut": {"after_events": 3, "clean": true}})).await;
    assert_eq!((cut.events().len(), cut.whole), (3, true));
    let (half, _) = both(&json!({"cut": {"at_fraction": 0.5}})).await;
    assert_eq!(half.body.len(), plain.body.len() / 2);
    // Behind the last event there is nothing left to cut but the terminator.
    let all = plain.events().len() + 1;
    let (cut, _) = both(&json!({"cut": {"after_events": all}})).await;
    assert!(cut.text().ends_with("[DONE]\n\n") && !cut.whole);
}

#[tokio::test]
async fn a_fault_without_a_place_is_not_said_to_have_fired() {
    let sim = scripted(&rule(&json!({"cut": {"after_events": 1000}}))).await;
    assert!(chat(&sim, &stream()).await.whole);
    assert_eq!(sim.ended(1).await, Outcome::Finished);
    assert_eq!(sim.seen()[0].faults, Vec::<&str>::new());
}

#[tokio::test]
async fn split_and_drip_write_so_many_bytes_at_a_time() {
    for fault in [
        json!({"split": {"bytes": 10}}),
        json!({"drip": {"bytes": 10, "ms": 1}}),
    ] {
        let (got, plain) = both(&fault).await;
        assert!(got.whole && same(&got.body, &plain.body));
        assert!(got.chunks.iter().all(|n| *n <= 10), "{:?}", got.chunks);
        assert!(got.chunks.len() >= plain.body.len() / 10);
    }
    let sim = scripted(&json!({"split": {"bytes": 1}})).await;
    assert!(chat(&sim, &stream()).await.chunks.iter().all(|n| *n == 1));
}

#[tokio::test]
async fn errors_inside_a_stream_have_the_dialects_shape() {
    let fault = json!({"error_event": {"after_events": 2}});
    let (got, _) = both(&fault).await;
    assert!(got.whole && !got.text().contains("[DONE]"));
    assert_eq!(got.events()[2]["error"]["type"], "server_error");
    let sim = scripted(&rule(&fault)).await;
    let got = messages(&sim, &stream()).await;
    let events = got.events();
    assert_eq!(
        (events.len(), &events[2]["error"]["type"]),
        (3, &json!("overloaded_error"))
    );
    assert!(got.text().contains("event: error\n") && !got.text().contains("message_stop"));
}

#[tokio::test]
async fn bad_json_and_garbage_stand_where_they_are_told() {
    let (got, plain) = both(&json!({"bad_json": {"at_event": 2}})).await;
    let text = got.text();
    let data: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("data: "))
        .collect();
    assert!(serde_json::from_str::<Value>(data[2]).is_err());
    assert!(
        data.iter()
            .enumerate()
            .all(|(i, d)| i == 2 || *d == "[DONE]" || serde_json::from_str::<Value>(d).is_ok())
    );
    assert_eq!(data.len(), plain.events().len() + 1);

    let (got, plain) = both(&json!({"garbage": {"at_event": 1, "bytes": 20}})).await;
    assert_eq!(got.body.len(), plain.body.len() + 20);
    assert!(String::from_utf8(got.body).is_err());
}

#[tokio::test]
async fn statuses_have_the_dialects_errors_and_the_given_headers() {
    let fault = json!({"status": {"status": 429, "retry_after": "7", "headers": {"x-a": "b"}}});
    let sim = scripted(&rule(&fault)).await;
    let got = chat(&sim, &stream()).await;
    assert_eq!(
        (got.status, got.header("retry-after"), got.header("x-a")),
        (429, Some("7"), Some("b"))
    );
    assert_eq!(got.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(
        messages(&sim, &stream()).await.json()["error"]["type"],
        "rate_limit_error"
    );
    for (status, kind) in [
        (529, "overloaded_error"),
        (500, "api_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
    ] {
        let sim = scripted(&rule(&json!({"status": {"status": status}}))).await;
        let got = messages(&sim, &stream()).await;
        assert_eq!(
            (got.status, &got.json()["error"]["type"]),
            (status, &json!(kind))
        );
        assert_eq!(got.json()["type"], "error");
    }
    let quota = json!({"status": {"status": 429, "code": "insufficient_quota"}});
    let got = chat(&scripted(&rule(&quota)).await, &stream()).await;
    assert_eq!(got.json()["error"]["type"], "insufficient_quota");
    let own = json!({"status": {"status": 503, "body": "upstream down"}});
    assert_eq!(
        chat(&scripted(&rule(&own)).await, &stream()).await.text(),
        "upstream down"
    );
    assert_eq!(sim.bill().total_nanos, 0);
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let got = chat(&scripted(&rule(&json!("html"))).await, &stream()).await;
    assert_eq!(
        (got.status, got.header("content-type")),
        (502, Some("text/html"))
    );
    let got = chat(&scripted(&rule(&json!("empty"))).await, &stream()).await;
    assert_eq!((got.status, got.body.len(), got.whole), (200, 0, true));
    let got = chat(
        &scripted(&rule(&json!({"redirect": {"to": "http://127.0.0.1:1/x"}}))).await,
        &stream(),
    )
    .await;
    assert_eq!(
        (got.status, got.header("location")),
        (307, Some("http://127.0.0.1:1/x"))
    );
    let got = chat(
        &scripted(&rule(&json!("wrong_content_type"))).await,
        &stream(),
    )
    .await;
    assert_eq!(got.header("content-type"), Some("text/plain"));
    let got = chat(
        &scripted(&rule(&json!({"no_newline": {"mib": 2}}))).await,
        &stream(),
    )
    .await;
    assert!(got.body[..2 << 20].iter().all(|b| *b == b'a') && got.body[2 << 20] == b'd');
}

#[tokio::test]
async fn informational_answers_come_first() {
    let sim = scripted(&rule(&json!({"informational": {"count": 3}}))).await;
    let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
    let body = stream().to_string();
    tcp.write_all(post("/v1/chat/completions", BEARER, &body).as_bytes())
        .await
        .unwrap();
    let mut raw = Vec::new();
    tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut raw))
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&raw);
    assert_eq!(text.matches("HTTP/1.1 103 Early Hints\r\n").count(), 3);
    let got = parse(&raw, false);
    assert_eq!((got.status, got.whole), (200, true));
}

#[tokio::test]
async fn refuse_closes_new_connections_and_idle_ones() {
    let sim = started(Script::default()).await;
    let mut idle = TcpStream::connect(sim.addr()).await.unwrap();
    let keep = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";
    idle.write_all(keep.as_bytes()).await.unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    sim.set_script(
        Script::from_json(r#"{"rules":[{"when":{"nth":[1,2]},"do":"refuse"}]}"#).unwrap(),
    );
    let ended = tokio::time::timeout(DEADLINE, idle.read(&mut [0; 16]))
        .await
        .unwrap();
    assert_eq!(ended.unwrap(), 0);
    for _ in 0..2 {
        let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
        let end = tokio::time::timeout(DEADLINE, tcp.read(&mut [0; 16]))
            .await
            .unwrap();
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(chat(&sim, &stream()).await.whole);
    assert_eq!(sim.fired(), [2]);
}

#[tokio::test]
async fn hang_up_reads_the_request_and_answers_nothing() {
    for (by, reset) in [("fin", false), ("rst", true)] {
        let sim = scripted(&rule(&json!({"hang_up": {"by": by}}))).await;
        let got = chat(&sim, &stream()).await;
        assert_eq!((got.status, got.reset), (0, reset));
        let seen = &sim.seen()[0];
        assert_eq!(
            (seen.body.len(), seen.faults.clone()),
            (stream().to_string().len(), vec!["hang_up"])
        );
        assert_eq!(sim.bill().calls, []);
    }
}

#[tokio::test]
async fn stalls_last_until_the_client_goes() {
    for (fault, events) in [
        (json!("stall_before"), 0),
        (json!({"stall_inside": {"after_events": 2}}), 2),
    ] {
        let sim = scripted(&rule(&fault)).await;
        let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
        let request = post("/v1/chat/completions", BEARER, &stream().to_string());
        tcp.write_all(request.as_bytes()).await.unwrap();
        tokio::time::timeout(DEADLINE, async {
            sim.arrived(1).await;
            sim.sent(1, events).await;
        })
        .await
        .unwrap();
        assert_eq!(sim.seen()[0].outcome, None);
        drop(tcp);
        let outcome = tokio::time::timeout(DEADLINE, sim.ended(1)).await.unwrap();
        assert_eq!(outcome, Outcome::ClosedByPeer);
    }
    let sim = scripted(&rule(
        &json!([{"stall_before": {"ms": 5}}, {"stall_inside": {"after_events": 2, "ms": 5}}]),
    ))
    .await;
    assert!(chat(&sim, &stream()).await.whole);
    assert_eq!(sim.seen()[0].faults, ["stall_before", "stall_inside"]);
}

#[tokio::test]
async fn waits_are_at_least_as_long_as_scripted() {
    let sim = scripted(&rule(&json!({"slow": {"delay_ms": 30, "gap_ms": 5}}))).await;
    let before = std::time::Instant::now();
    assert!(chat(&sim, &stream()).await.whole);
    // Five words have four gaps.
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn usage_lies_are_told_and_not_billed() {
    let truth = chat(&started(Script::default()).await, &stream()).await;
    let told = |got: &Got| -> Vec<u64> {
        let events = got.events();
        events
            .iter()
            .filter_map(|e| e["usage"]["completion_tokens"].as_u64())
            .collect()
    };
    let right = told(&truth)[0];
    for (lie, want) in [
        ("missing", vec![]),
        ("absurd", vec![9_007_199_254_740_993]),
        ("shrinking", vec![right, right / 2]),
    ] {
        let sim = scripted(&rule(&json!({"usage": {"tell": lie}}))).await;
        assert_eq!(told(&chat(&sim, &stream()).await), want, "{lie}");
        assert_eq!(sim.bill().calls[0].output_tokens, right, "{lie}");
    }
    let sim = scripted(&rule(&json!({"usage": {"tell": "shrinking"}}))).await;
    let events = messages(&sim, &stream()).await.events();
    let told: Vec<u64> = events
        .iter()
        .filter(|e| e["type"] == "message_delta")
        .map(|e| e["usage"]["output_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(told, [right, right / 2]);
}

#[tokio::test]
async fn wrong_id_changes_in_mid_stream() {
    let (got, _) = both(&json!("wrong_id")).await;
    let mut ids: Vec<String> = got.events().iter().map(|e| e["id"].to_string()).collect();
    ids.dedup();
    assert!(ids.len() > 1);
}

#[tokio::test]
async fn rules_choose_by_what_they_say() {
    let status = |n: u16| json!({"status": {"status": n}});
    let sim = scripted(&json!({"rules": [
        {"when": {"model": "gpt-*", "nth": [2, 3]}, "do": status(500)},
        {"when": {"dialect": "anthropic-messages"}, "do": status(501), "times": 1},
        {"when": {"header": {"x-test": "yes"}}, "do": status(502)},
        {"when": {"text": "needle", "stream": true}, "do": status(503)},
        {"when": {"path": "*/deployments/*"}, "do": status(504)},
    ]}))
    .await;
    let gpt = with(ask("a"), &json!({"model": "gpt-x"}));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(chat(&sim, &gpt).await.status);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
    assert_eq!(messages(&sim, &ask("a")).await.status, 501);
    assert_eq!(messages(&sim, &ask("a")).await.status, 200);
    let head = format!("{BEARER}x-test: yes\r\n");
    let got = send(
        &sim,
        &post("/v1/chat/completions", &head, &ask("a").to_string()),
    )
    .await;
    assert_eq!(got.status, 502);
    assert_eq!(chat(&sim, &ask("a needle")).await.status, 200);
    assert_eq!(
        chat(&sim, &with(ask("a needle"), &json!({"stream": true})))
            .await
            .status,
        503
    );
    let path = "/openai/deployments/m/chat/completions?api-version=1";
    let got = send(&sim, &post(path, "api-key: k\r\n", &ask("a").to_string())).await;
    assert_eq!(got.status, 504);
    assert_eq!(sim.fired(), [2, 1, 1, 1, 1]);
}

#[test]
fn a_wrong_script_is_refused_with_its_place() {
    for (script, place) in [
        ("{", "document"),
        (r#"{"rule":[]}"#, "document"),
        (
            r#"{"rules":[{"do":"html"},{"do":"explode"}]}"#,
            "rules[1].do",
        ),
        (r#"{"rules":[{"do":{"cut":{}}}]}"#, "rules[0]"),
        (
            r#"{"rules":[{"do":{"cut":{"after_bytes":1,"after_events":1}}}]}"#,
            "rules[0]",
        ),
        (
            r#"{"rules":[{"when":{"modle":"a"},"do":"html"}]}"#,
            "rules[0]",
        ),
        (
            r#"{"rules":[{"when":{"model":"a"},"do":"refuse"}]}"#,
            "rules[0]",
        ),
        (r#"{"rules":[{"do":{"status":{"status":42}}}]}"#, "rules[0]"),
        (
            r#"{"rules":[{"do":{"drip":{"bytes":0,"ms":1}}}]}"#,
            "rules[0]",
        ),
        (r#"{"split":{"bytes":0}}"#, "split.bytes"),
    ] {
        assert_eq!(
            Script::from_json(script).unwrap_err().place,
            place,
            "{script}"
        );
    }
}

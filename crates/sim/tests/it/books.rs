//! The bill agrees with what was told and with what went out.

use serde_json::{Value, json};
use sim::{Outcome, Script, What};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::answers::{ask, with};
use crate::client::{ANTHROPIC, BEARER, DEADLINE, Got, chat, get, messages, post, send};
use crate::{scripted, started};

fn streamed(text: &str) -> Value {
    with(
        ask(text),
        &json!({"stream": true, "stream_options": {"include_usage": true}}),
    )
}

/// Opens a stream and leaves it after so many events.
async fn leave_after(script: &Value, events: u64) -> sim::Sim {
    let sim = scripted(script).await;
    let mut tcp = TcpStream::connect(sim.addr()).await.unwrap();
    let body = streamed("[[chunks=20&gap_ms=60000&bytes=8]]").to_string();
    tcp.write_all(post("/v1/chat/completions", BEARER, &body).as_bytes())
        .await
        .unwrap();
    tokio::time::timeout(DEADLINE, sim.sent(1, events))
        .await
        .unwrap();
    drop(tcp);
    let outcome = tokio::time::timeout(DEADLINE, sim.ended(1)).await.unwrap();
    assert_eq!(outcome, Outcome::ClosedByPeer);
    sim
}

#[tokio::test]
async fn bill_and_usage_agree() {
    let sim = started(Script::default()).await;
    let usage = |got: &Got| {
        let events = got.events();
        let last = events.iter().rfind(|e| e["usage"].is_object()).unwrap();
        last["usage"].clone()
    };
    for text in ["hello", "CACHED and more 世界", "words"] {
        for model in ["echo", "other"] {
            let told = usage(&chat(&sim, &with(streamed(text), &json!({"model": model}))).await);
            let bill = sim.bill();
            let call = bill.calls.last().unwrap();
            assert_eq!(
                told["prompt_tokens"],
                call.input_tokens + call.cached_tokens
            );
            assert_eq!(
                told["prompt_tokens_details"]["cached_tokens"],
                call.cached_tokens
            );
            assert_eq!(told["completion_tokens"], call.output_tokens);
            assert_eq!(
                call.cost_nanos,
                1_000 * call.input_tokens + 100 * call.cached_tokens + 2_000 * call.output_tokens
            );
            let told =
                usage(&messages(&sim, &with(streamed(text), &json!({"model": model}))).await);
            let bill = sim.bill();
            let call = bill.calls.last().unwrap();
            assert_eq!(told["input_tokens"], call.input_tokens);
            assert_eq!(told["cache_read_input_tokens"], call.cached_tokens);
            assert_eq!(told["output_tokens"], call.output_tokens);
            assert_eq!((call.completed, call.dialect), (true, "anthropic-messages"));
        }
    }
    let bill = sim.bill();
    assert_eq!(
        bill.total_nanos,
        bill.calls.iter().map(|c| c.cost_nanos).sum::<u64>()
    );
    assert!(bill.calls.iter().any(|c| c.cached_tokens > 0));
}

#[tokio::test]
async fn a_client_that_leaves_pays_for_what_was_generated() {
    // The role chunk, then the first content; the next waits a minute.
    let sim = leave_after(&json!({}), 2).await;
    let call = &sim.bill().calls[0];
    assert_eq!(
        (call.output_tokens, call.completed, call.cut.as_deref()),
        (2, false, Some("client"))
    );
}

#[tokio::test]
async fn a_client_that_leaves_pays_in_full_where_that_is_scripted() {
    let sim = leave_after(&json!({"bill_cancelled": "full"}), 2).await;
    assert_eq!(sim.bill().calls[0].output_tokens, 40);
}

#[tokio::test]
async fn a_cut_answer_is_billed_as_far_as_it_went() {
    for (events, output) in [(0, 0), (1, 0), (3, 4)] {
        let sim = scripted(&json!({"rules": [{"do": {"cut": {"after_events": events}}}]})).await;
        assert!(!chat(&sim, &streamed("[[chunks=9&bytes=8]]")).await.whole);
        let call = &sim.bill().calls[0];
        assert_eq!(
            (call.output_tokens, call.cut.as_deref()),
            (output, Some("fin"))
        );
        assert!(call.input_tokens > 0);
    }
    let late =
        json!({"bill_input_on_start": false, "rules": [{"do": {"cut": {"after_events": 1}}}]});
    let sim = scripted(&late).await;
    chat(&sim, &streamed("a")).await;
    assert_eq!(sim.bill().calls, []);
}

#[tokio::test]
async fn prices_are_by_model() {
    let script = json!({"prices": [{"model": "gpt-*", "input": 0, "output": 7}]});
    let sim = scripted(&script).await;
    chat(&sim, &with(ask("abcd"), &json!({"model": "gpt-9/echo"}))).await;
    chat(&sim, &ask("abcd")).await;
    let costs: Vec<u64> = sim.bill().calls.iter().map(|c| c.cost_nanos).collect();
    assert_eq!(costs, [7, 3_000]);
}

#[tokio::test]
async fn requests_are_seen_byte_for_byte() {
    let sim = started(Script::default()).await;
    let body =
        r#"{ "model":"echo",  "zzz": 1e400, "messages":[{"role":"user","content":"\u00e9"}] }"#;
    let got = send(
        &sim,
        &post(
            "/v1/chat/completions?x=1",
            &format!("{BEARER}idempotency-key: i\r\n"),
            body,
        ),
    )
    .await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "é");
    let seen = &sim.seen()[0];
    assert_eq!(
        (&seen.body[..], &*seen.path),
        (body.as_bytes(), "/v1/chat/completions?x=1")
    );
    assert_eq!(seen.headers["idempotency-key"], "i");
    assert_eq!(sim.bill().calls[0].idempotency_key.as_deref(), Some("i"));
    assert_eq!(
        sim.bill().calls[0].request_id,
        got.header("x-request-id").unwrap()
    );
}

#[tokio::test]
async fn events_tell_the_course_of_an_exchange() {
    let sim = started(Script::default()).await;
    let mut events = sim.events();
    chat(&sim, &ask("a")).await;
    let mut course = Vec::new();
    while let Ok(event) = events.try_recv() {
        assert_eq!(event.exchange, 1);
        course.push(event.what);
    }
    assert_eq!(
        course,
        [
            What::Arrived,
            What::HeadSent,
            What::Sent(1),
            What::Ended(Outcome::Finished)
        ]
    );
}

#[tokio::test]
async fn pages_show_the_books_and_take_a_script() {
    let sim = started(Script::default()).await;
    chat(&sim, &ask("a")).await;
    let bill = get(&sim, "/sim/bill").await.json();
    assert_eq!(bill["total_nanos"], sim.bill().total_nanos);
    assert_eq!(bill["calls"][0]["model"], "echo");
    assert_eq!(get(&sim, "/sim/seen").await.json()[0]["status"], 200);
    let script = json!({"rules": [{"do": {"status": {"status": 529}}}]}).to_string();
    assert_eq!(
        send(&sim, &post("/sim/script", "", &script)).await.status,
        200
    );
    assert_eq!(chat(&sim, &ask("a")).await.status, 529);
    let got = send(&sim, &post("/sim/script", "", "{\"rules\":1}")).await;
    assert_eq!(got.status, 400);
    assert!(
        got.json()["error"]
            .as_str()
            .unwrap()
            .contains("sim script: document")
    );
    assert_eq!(send(&sim, &post("/sim/reset", "", "")).await.status, 200);
    assert_eq!((sim.bill().total_nanos, sim.seen().len()), (0, 0));
}

#[tokio::test]
async fn count_tokens_counts_as_the_bill_does() {
    let sim = started(Script::default()).await;
    let body = ask("some text to count").to_string();
    let counted = send(&sim, &post("/v1/messages/count_tokens", ANTHROPIC, &body)).await;
    messages(&sim, &ask("some text to count")).await;
    assert_eq!(
        counted.json()["input_tokens"],
        sim.bill().calls[0].input_tokens
    );
    assert_eq!(sim.bill().calls.len(), 1);
}

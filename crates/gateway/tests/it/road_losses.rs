//! Losses as clients are told them: in their own words, one by one, and none where nothing is lost.

use dialect::Dialect;
use serde_json::json;

use crate::asking::Ask;
use crate::harness::{PAIRS, Road, echo, scripted, sim};

/// The losses that the header tells, each as its path and what became of it.
fn told(header: &str) -> Vec<(String, String)> {
    let one = |loss: &str| {
        let (path, rest) = loss.split_once(' ').unwrap();
        let (kind, why) = rest.split_once(": ").unwrap();
        assert!(!why.is_empty());
        (path.to_owned(), kind.to_owned())
    };
    header.split("; ").map(one).collect()
}

#[tokio::test]
async fn a_plain_answer_loses_nothing_in_any_pair() {
    let sim = scripted(json!({ "seed": 3 })).await;
    for (client, served) in PAIRS {
        let road = Road::to(vec![echo("p", served, &sim)]);
        for stream in [false, true] {
            let got = Ask::either(client, stream, "hi").send(&road).await;
            assert_eq!(got.said(), "hi");
            let lost = got.headers.get("x-bondgate-loss");
            assert_eq!(lost, None, "{client:?} {served:?} {stream}");
        }
    }
}

#[tokio::test]
async fn losses_are_named_in_the_words_of_the_client() {
    let sim = sim().await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    let got = Ask::new(Dialect::AnthropicMessages, "hi")
        .with("stop_sequences", json!(["a", "b", "c", "d", "e"]))
        .with(
            "thinking",
            json!({ "type": "enabled", "budget_tokens": 1500 }),
        )
        .with("top_k", json!(5))
        .header("x-bondgate-fidelity", "permit")
        .send(&road)
        .await;
    let mut told = told(got.header("x-bondgate-loss"));
    told.sort();
    let expected = [
        ("stop_sequences", "dropped"),
        ("thinking.budget_tokens", "approximated"),
        ("top_k", "dropped"),
    ];
    assert_eq!(told, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));

    let road = Road::to(vec![echo("p", Dialect::AnthropicMessages, &sim)]);
    let got = Ask::new(Dialect::OpenaiChat, "hi")
        .with("stop", json!(["a", " "]))
        .with("reasoning_effort", json!("low"))
        .with("n", json!(2))
        .header("x-bondgate-fidelity", "permit")
        .send(&road)
        .await;
    let mut told = self::told(got.header("x-bondgate-loss"));
    told.sort();
    let paths: Vec<&str> = told.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["n", "reasoning_effort", "stop[1]"]);
}

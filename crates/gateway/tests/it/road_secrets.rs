//! Credentials and headers: what goes upstream, what comes back, and what must do neither.

use std::sync::Arc;

use dialect::Dialect;
use policy::model::Recovery;
use policy::origin::{Origin, Scheme};
use policy::secret::{ProviderKey, Secret};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::asking::{Ask, assert_error};
use crate::harness::{
    KEY, PAIRS, Road, WRITTEN, add_key, credential, echo, faulty, key, model, provider, sim,
    snapshot, target,
};
use crate::puppet::{Puppet, STREAM_HEAD, Stage, chunk};

/// All headers of a request that a provider has seen, as text.
fn shown(seen: &sim::Seen) -> String {
    let fields = seen.headers.iter();
    let lines = fields.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    lines.collect::<String>() + &seen.path
}

#[tokio::test]
async fn a_provider_is_shown_its_own_credential_and_nothing_of_the_client() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let ask = Ask::new(client, "hi")
            .header("cookie", "session=1")
            .header("x-bondgate-details", "1")
            .header("x-bondgate-timeout-ms", "5000")
            .header("x-forwarded-for", "10.1.2.3")
            .header("x-internal-secret", "hush")
            .header("x-stainless-retry-count", "1")
            .header("referer", "http://intranet/")
            .header("openai-organization", "org-ours")
            .header("accept-encoding", "gzip, br");
        let path = format!("{}?key={KEY}", ask.path);
        let got = ask.at(&path).send(&road).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let seen = sim.seen().remove(0);
        let text = shown(&seen);
        let place = match served {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => format!("authorization: Bearer {}\n", credential("p")),
            Dialect::AnthropicMessages => format!("x-api-key: {}\n", credential("p")),
        };
        assert!(text.contains(&place), "{text}");
        for private in [
            KEY,
            "cookie",
            "x-bondgate",
            "x-forwarded",
            "hush",
            "stainless",
            "intranet",
            "org-ours",
            "gzip",
        ] {
            assert!(!text.contains(private), "{private} in {text}");
        }
        let mut names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let mut expected = vec![
            "accept-encoding",
            "content-length",
            "content-type",
            "host",
            "user-agent",
        ];
        match served {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => expected.push("authorization"),
            Dialect::AnthropicMessages => expected.extend(["anthropic-version", "x-api-key"]),
        }
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn the_dialects_own_headers_go_on_to_a_provider_of_the_same_dialect_only() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let ask = Ask::new(client, "hi")
            .without("anthropic-version")
            .header("anthropic-version", "2023-01-01")
            .header("anthropic-beta", "one")
            .header("anthropic-beta", "two")
            .header("openai-beta", "assistants=v2");
        // The version says which dialect is spoken, so a client of chat sends none.
        let ask = match client {
            Dialect::OpenaiResponses
            | Dialect::Gemini
            | Dialect::BedrockConverse
            | Dialect::Cohere => panic!("{WRITTEN:?} are asked for"),
            Dialect::OpenaiChat => ask.without("anthropic-version"),
            Dialect::AnthropicMessages => ask,
        };
        let got = ask.send(&road).await;
        let seen = sim.seen().remove(0);
        let all = |name: &str| -> Vec<String> {
            let values = seen.headers.get_all(name).iter();
            values.map(|v| v.to_str().unwrap().to_owned()).collect()
        };
        match (client, served) {
            (Dialect::OpenaiChat, Dialect::OpenaiChat) => {
                assert_eq!(all("openai-beta"), ["assistants=v2"]);
                assert!(all("anthropic-beta").is_empty());
            }
            (Dialect::AnthropicMessages, Dialect::AnthropicMessages) => {
                assert_eq!(all("anthropic-beta"), ["one", "two"]);
                assert_eq!(all("anthropic-version"), ["2023-01-01"]);
                assert!(all("openai-beta").is_empty());
            }
            (_, Dialect::AnthropicMessages) => {
                assert_eq!(all("anthropic-version"), ["2023-06-01"]);
                assert!(all("anthropic-beta").is_empty());
                assert!(all("openai-beta").is_empty());
            }
            (_, _) => {
                assert!(all("anthropic-version").is_empty());
                assert!(all("anthropic-beta").is_empty());
                assert!(all("openai-beta").is_empty());
            }
        }
        assert_ne!(got.status, 500);
    }
}

#[tokio::test]
async fn an_idempotency_key_goes_on_as_the_tenants_own_hash() {
    const OTHER: &str = "bg-another-tenant-with-the-same-idea-of-a-key";
    let sim = sim().await;
    let mut all = snapshot(vec![model(vec![echo("p", Dialect::OpenaiChat, &sim)])]);
    add_key(&mut all, key("other", OTHER));
    let road = Road::start(all);
    for (client, secret, idea) in [
        (Dialect::OpenaiChat, KEY, "order-17"),
        (Dialect::AnthropicMessages, KEY, "order-17"),
        (Dialect::OpenaiChat, KEY, "order-18"),
        (Dialect::OpenaiChat, OTHER, "order-17"),
    ] {
        let ask = Ask::new(client, "hi")
            .without("authorization")
            .without("x-api-key")
            .header("authorization", &format!("Bearer {secret}"))
            .header("idempotency-key", idea);
        assert_eq!(ask.send(&road).await.status, 200);
    }
    let calls = sim.bill().calls;
    let sent: Vec<String> = calls
        .into_iter()
        .map(|call| call.idempotency_key.unwrap())
        .collect();
    assert!(sent.iter().all(|key| !key.contains("order")));
    assert_eq!(sent[0], sent[1]);
    assert_ne!(sent[0], sent[2]);
    assert_ne!(sent[0], sent[3]);
}

#[tokio::test]
async fn a_credential_in_a_query_or_at_the_end_of_a_long_text_is_not_told_either() {
    let (client, secret) = (Dialect::OpenaiChat, credential("p"));
    let coded: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (page, left) in [
        (format!("no such path: /chat?key={coded}"), &coded[..24]),
        // Only the first 300 letters of such an answer are told: they end within the credential.
        (format!("{}{secret}", "-".repeat(288)), &secret[..6]),
    ] {
        let head = format!(
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            page.len()
        );
        let puppet = Puppet::saying([head, page].concat().into_bytes()).await;
        let road = Road::to(vec![target(provider("p", client, puppet.address), "x")]);
        let got = Ask::new(client, "hi").send(&road).await;
        assert!(!got.text().contains(left), "{}", got.text());
        assert!(got.text().contains("[credential]"), "{}", got.text());
    }
}

#[tokio::test]
async fn a_credential_is_never_told_even_if_the_provider_repeats_it() {
    for (client, served) in PAIRS {
        let secret = credential("p");
        let echoing = format!("Incorrect API key provided: {secret}.");
        for status in [401, 403, 400, 500, 429] {
            let fault = json!({ "status": { "status": status, "message": echoing } });
            let bad = faulty(fault).await;
            let road = Road::to(vec![echo("p", served, &bad)]);
            for stream in [false, true] {
                let got = Ask::either(client, stream, "hi").send(&road).await;
                let text = got.text();
                assert!(!text.contains(&secret), "{status} {text}");
                let fields = format!("{:?}", got.headers);
                assert!(!fields.contains(&secret), "{status} {fields}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_provider_says_of_a_credential_is_not_told() {
    for (client, served) in PAIRS {
        let masked = "Incorrect API key provided: sk-on****6789.";
        for status in [401, 403] {
            let fault = json!({ "status": { "status": status, "message": masked } });
            let bad = faulty(fault).await;
            let road = Road::to(vec![echo("p", served, &bad)]);
            let got = Ask::new(client, "hi").send(&road).await;
            assert_error(client, &got, 502, "provider_failed");
            assert!(!got.text().contains("6789"), "{}", got.text());
            assert!(got.message().contains("credential"), "{}", got.text());
            let failed = &got.facts()["failures"][0];
            assert_eq!(failed["kind"], "credential");
            assert_eq!(failed["status"], status);
        }
    }
}

#[tokio::test]
async fn a_credential_goes_to_no_other_origin_than_its_own() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let mut elsewhere = provider("p", served, sim.addr());
        let bound = Origin {
            scheme: Scheme::Https,
            host: "api.example.com".to_owned(),
            port: 443,
        };
        let secret = Secret::new(credential("p"));
        elsewhere.keys = vec![Arc::new(ProviderKey::new("p".to_owned(), secret, bound))];
        let road = Road::to(vec![target(elsewhere, "echo")]);
        let got = Ask::new(client, "hi").send(&road).await;
        assert_error(client, &got, 502, "provider_failed");
        assert!(!got.text().contains(&credential("p")), "{}", got.text());
        assert!(sim.seen().is_empty());
    }
}

#[tokio::test]
async fn what_a_provider_says_of_itself_stays_behind() {
    for (client, served) in PAIRS {
        let sim = sim().await;
        let road = Road::to(vec![echo("p", served, &sim)]);
        let got = Ask::new(client, "hi").send(&road).await;
        for private in [
            "openai-organization",
            "openai-version",
            "anthropic-organization-id",
            "x-ratelimit-limit-requests",
            "anthropic-ratelimit-requests-limit",
            "set-cookie",
            "server",
        ] {
            assert_eq!(got.header(private), "", "{private}");
        }
    }
}

#[tokio::test]
async fn a_credential_in_an_error_within_a_stream_is_not_told_either() {
    let secret = credential("p");
    let start = |delta: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
        )
    };
    let said = start("{\"role\":\"assistant\",\"content\":\"words\"}");
    let error = format!("data: {{\"error\":{{\"message\":\"bad key {secret}\"}}}}\n\n");
    for client in WRITTEN {
        for apart in [false, true] {
            let stage = Stage::open().await;
            let chat = provider("p", Dialect::OpenaiChat, stage.address);
            let mut own = model(vec![target(chat, "x")]);
            own.recovery = Recovery::Off;
            let road = Road::with(own);
            let mut line = Ask::stream(client, "hi").open(&road).await;
            let mut stream = stage.request().await;
            if apart {
                let opening = format!("{STREAM_HEAD}{}", chunk(&said));
                stream.write_all(opening.as_bytes()).await.unwrap();
                line.until(|got| !got.body.is_empty()).await;
                stream.write_all(chunk(&error).as_bytes()).await.unwrap();
            } else {
                let all = format!("{STREAM_HEAD}{}", chunk(&format!("{said}{error}")));
                stream.write_all(all.as_bytes()).await.unwrap();
            }
            let got = line.rest().await;
            assert!(!got.text().contains(&secret), "{}", got.text());
            assert!(got.message().contains("bad key"), "{}", got.text());
            assert_eq!(got.status, if apart { 200 } else { 502 });
        }
    }
}

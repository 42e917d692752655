//! No secret is in any answer but the one that makes it.

use crate::kit::{Bed, FILE_CREDENTIAL, Said, TOKEN};
use crate::records::{id, write};

/// Answers to bodies with a secret in the wrong place.
async fn mistakes(bed: &Bed, planted: &str) -> Vec<Said> {
    let mut said = Vec::new();
    for body in [
        format!(r#"{{"name":"mine","key":"{planted}"}}"#),
        format!(r#"{{"name":"no name","keys":["{planted}"]}}"#),
        format!(r#"{{"name":"b","key":"{planted} "}}"#),
        format!(r#"{{"name":"b","key":["{planted}"]}}"#),
        format!(r#"{{"name":"b","key":"{planted}","keys":[]}}"#),
        format!(r#"{{"name":"b","api_key":"{planted}"}}"#),
        format!(r#"{{"name":"b","key":"{planted}""#),
    ] {
        let refused = bed.call("POST", "/providers", &body).await;
        assert!(refused.status >= 400, "{body}");
        said.push(refused);
    }
    said
}

#[tokio::test]
async fn no_secret_is_in_any_answer_but_the_one_that_tells_it() {
    let bed = Bed::start();
    write(&bed, 3);
    let key = bed.good("POST", "/keys", r#"{"name":"bot"}"#).await;
    let key = key["secret"].as_str().unwrap().to_owned();
    let planted = "sk-planted-0123456789";
    let provider = format!(
        r#"{{"name":"mine","base_url":"https://x.example/v1","dialect":"openai-chat","key":"{planted}"}}"#
    );
    let made = bed.call("POST", "/providers", &provider).await;
    assert_eq!(
        (made.status, made.json()["stored_keys"].as_u64()),
        (201, Some(1)),
        "{made:?}"
    );
    let mut said = vec![made];
    said.extend(mistakes(&bed, planted).await);
    said.push(
        bed.call(
            "PATCH",
            "/providers/mine",
            &format!(r#"{{"key":"{planted}","residency":"eu"}}"#),
        )
        .await,
    );
    let exchange = id(0);
    for row in &bed.table.rows {
        let ids = match row.path {
            "/exchanges/{id}" => vec![exchange.as_str()],
            "/models/{id}" => vec!["fast"],
            _ => vec!["bot", "mine", "support", "support-bot", "openai", "company"],
        };
        if row.method == http::Method::GET {
            for id in ids {
                said.push(bed.call("GET", &row.path.replace("{id}", id), "").await);
            }
        }
    }
    for view in [
        "exchanges",
        "attempts",
        "ledger",
        "spend_daily",
        "budgets",
        "keys",
        "targets",
        "paths",
    ] {
        let body = format!(r#"{{"sql":"SELECT * FROM {view}"}}"#);
        said.push(bed.call("POST", "/query", &body).await);
    }
    said.push(bed.call("GET", "/../../metrics", "").await);
    for one in &said {
        for secret in [
            planted,
            key.as_str(),
            FILE_CREDENTIAL,
            TOKEN,
            "header-value-never-shown",
            "a secret of the file",
            "key_secrets",
        ] {
            assert!(
                !one.text.contains(secret) && !one.head.contains(secret),
                "{secret}: {one:?}"
            );
        }
    }
    assert!(said.iter().filter(|one| one.status == 200).count() > 30);
}

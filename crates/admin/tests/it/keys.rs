//! Keys: a secret that is told once, rotations, and ends.

use std::sync::atomic::Ordering;

use serde_json::Value;
use store::keys::KeyHasher;

use crate::kit::{Bed, MASTER, names};

/// The name of the key that the running gateway finds for a secret.
fn found(bed: &Bed, secret: &str) -> Option<String> {
    let snapshot = bed.app.control.snapshot();
    let key = snapshot.keys.get(&KeyHasher::new(MASTER).hash(secret));
    key.map(|key| key.name.to_string())
}

fn secret(created: &Value) -> String {
    created["secret"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_good_from_its_making_to_its_end_and_its_secret_told_once() {
    let bed = Bed::start();
    let said = bed
        .call(
            "POST",
            "/keys",
            r#"{"name":"bot","team":"support","expires":"90d"}"#,
        )
        .await;
    assert_eq!(said.status, 201, "{said:?}");
    let made = said.json();
    assert_eq!(made["in_force"], true);
    let first = secret(&made);
    assert!(first.starts_with("bg-") && first.len() == 46);
    assert_eq!(found(&bed, &first).as_deref(), Some("bot"));
    let shown = bed.call("GET", "/keys/bot", "").await;
    assert!(shown.json().get("secret").is_none());
    assert_eq!(shown.json()["hint"], first[42..]);

    let rotated = bed
        .call("POST", "/keys/bot/rotate", r#"{"grace":"24h"}"#)
        .await;
    assert_eq!(rotated.status, 201, "{rotated:?}");
    let second = secret(&rotated.json());
    assert_ne!(first, second);
    assert!(found(&bed, &first).is_some() && found(&bed, &second).is_some());
    let third = secret(&bed.good("POST", "/keys/bot/rotate", "").await);
    assert_eq!((found(&bed, &first), found(&bed, &second)), (None, None));
    assert!(found(&bed, &third).is_some());

    let revoked = bed.good("POST", "/keys/bot/revoke", "").await;
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(found(&bed, &third), None);
    assert!(
        names(&bed.good("GET", "/keys", "").await).contains(&"bot"),
        "a revoked key stays visible"
    );
    assert_eq!(bed.call("POST", "/keys/bot/rotate", "{}").await.status, 409);
    bed.good("DELETE", "/keys/bot", "").await;
    assert_eq!(bed.call("GET", "/keys/bot", "").await.status, 404);
}

#[tokio::test]
async fn a_deleted_key_is_refused_at_once() {
    let bed = Bed::start();
    let secret = secret(&bed.good("POST", "/keys", r#"{"name":"bot"}"#).await);
    assert!(found(&bed, &secret).is_some());
    bed.good("DELETE", "/keys/bot", "").await;
    assert_eq!(found(&bed, &secret), None);
}

#[tokio::test]
async fn a_secret_is_not_lost_where_the_key_is_not_in_force_yet() {
    let bed = Bed::start();
    bed.fake.stuck.store(true, Ordering::SeqCst);
    let made = bed.good("POST", "/keys", r#"{"name":"bot"}"#).await;
    assert_eq!(made["in_force"], false);
    bed.fake.stuck.store(false, Ordering::SeqCst);
    bed.good("POST", "/reload", "{}").await;
    assert_eq!(found(&bed, &secret(&made)).as_deref(), Some("bot"));
}

#[tokio::test]
async fn a_grace_that_cannot_be_is_refused_and_changes_nothing() {
    let bed = Bed::start();
    let secret = secret(&bed.good("POST", "/keys", r#"{"name":"bot"}"#).await);
    for body in [
        r#"{"grace":"91d"}"#,
        r#"{"grace":"-1d"}"#,
        r#"{"grace":"soon"}"#,
        r#"{"grace":5}"#,
        r#"{"grace":"1d","grace":"2d"}"#,
        r#"{"grce":"1d"}"#,
        r#"{"grace":"9223372036854775807d"}"#,
        "[]",
        "null",
        "{",
    ] {
        let said = bed.call("POST", "/keys/bot/rotate", body).await;
        assert_eq!(
            (said.status, said.error().0.as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
    assert!(found(&bed, &secret).is_some());
}

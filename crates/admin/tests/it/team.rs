//! What a viewer of one team sees: its own, and nothing is changed by them.

use http::Method;
use serde_json::{Value, json};

use crate::kit::{Bed, about, asked, names, of_team};
use crate::records::{id, write};

#[tokio::test]
async fn a_viewer_of_a_team_sees_its_own_only() {
    let bed = Bed::start();
    write(&bed, 20);
    bed.good("POST", "/teams", r#"{"name":"other"}"#).await;
    bed.good("POST", "/keys", r#"{"name":"stranger","team":"other"}"#)
        .await;
    bed.good(
        "POST",
        "/budgets",
        r#"{"name":"others","on":"team:other","limit":"1","per":"day"}"#,
    )
    .await;
    let lead = of_team("support");
    let get = |path: &str, query: &str| {
        let (status, json) = bed.direct(&lead, &Method::GET, path, &asked(query));
        assert_eq!(status, 200, "{path}: {json}");
        json
    };
    assert_eq!(names(&get("/keys", "")), ["support-bot"]);
    assert_eq!(names(&get("/teams", "")), ["support"]);
    assert_eq!(names(&get("/budgets", "")), ["support"]);
    for path in ["/users", "/organisations", "/providers", "/prices"] {
        assert_eq!(get(path, "")["items"], json!([]), "{path}");
    }
    assert_eq!(names(&get("/balances", "")), ["support"]);
    assert_eq!(names(&get("/models", "")), ["fast"]);
    let all_of = |list: &Value, field: &str, value: &str| {
        let items = list["items"].as_array().unwrap();
        assert!(!items.is_empty());
        assert!(items.iter().all(|item| item[field] == value), "{list}");
    };
    all_of(&get("/targets", ""), "model", "fast");
    all_of(&get("/paths", ""), "key", "support-bot");
    all_of(&get("/exchanges", ""), "team", "support");
    all_of(&get("/ledger", ""), "team", "support");
    assert_eq!(get("/exchanges", "team=other")["items"], json!([]));
    let spend = get("/spend", "by=key");
    assert_eq!(
        (
            &spend["total"]["requests"],
            &spend["unattributed"]["requests"]
        ),
        (&json!(10), &json!(0))
    );
    assert_eq!(get("/exchanges/follow", "")["items"], json!([]));

    for (path, id) in [
        ("/keys/{id}", "stranger".to_owned()),
        ("/teams/{id}", "other".to_owned()),
        ("/budgets/{id}", "company".to_owned()),
        ("/providers/{id}", "openai".to_owned()),
        ("/models/{id}", "slow".to_owned()),
        ("/exchanges/{id}", id(1)),
    ] {
        let (status, _) = bed.direct(&lead, &Method::GET, path, &about(&id, ""));
        assert_eq!(status, 404, "{path} {id}");
    }
}

#[tokio::test]
async fn a_viewer_of_a_team_changes_nothing_and_sees_nothing_of_the_house() {
    let bed = Bed::start();
    let lead = of_team("support");
    let before = bed.app.objects.revision();
    for (path, body) in [
        ("/keys", r#"{"name":"a","team":"support"}"#),
        ("/teams", r#"{"name":"a"}"#),
        ("/users", r#"{"name":"a"}"#),
        ("/organisations", r#"{"name":"a"}"#),
        ("/budgets", r#"{"name":"a","limit":"1","per":"day"}"#),
        ("/providers", r#"{"name":"a"}"#),
        ("/prices", r#"{"target":"a/b","input":"1","output":"1"}"#),
        ("/query", r#"{"sql":"SELECT 1"}"#),
        ("/reload", ""),
        ("/prices/rerate", r#"{"since":"1d"}"#),
    ] {
        let (status, said) = bed.direct(&lead, &Method::POST, path, &about("", body));
        assert_eq!(status, 403, "{path}: {said}");
    }
    for path in ["/config", "/config/revisions", "/audit", "/status"] {
        let (status, said) = bed.direct(&lead, &Method::GET, path, &asked(""));
        assert_eq!(status, 403, "{path}: {said}");
    }
    for row in bed
        .table
        .rows
        .iter()
        .filter(|row| row.path.contains("{id}") && row.method != Method::GET)
    {
        let (status, said) = bed.direct(&lead, &row.method, row.path, &about("support-bot", "{}"));
        assert_eq!(status, 403, "{} {}: {said}", row.method, row.path);
    }
    assert_eq!(bed.app.objects.revision(), before);
    let body = r#"{"model":"slow"}"#;
    let (status, _) = bed.direct(&lead, &Method::POST, "/explain", &about("", body));
    assert_eq!(status, 400, "a model that the team may not call");
    let body = r#"{"model":"fast"}"#;
    assert_eq!(
        bed.direct(&lead, &Method::POST, "/explain", &about("", body))
            .0,
        200
    );
}

#[tokio::test]
async fn a_viewer_of_a_team_that_is_not_there_sees_nothing() {
    let bed = Bed::start();
    write(&bed, 4);
    let nobody = of_team("gone");
    for row in bed
        .table
        .rows
        .iter()
        .filter(|row| row.method == Method::GET && !row.path.contains('{'))
    {
        let (status, said) = bed.direct(&nobody, &Method::GET, row.path, &asked(""));
        if status == 200 && row.path != "/spend" {
            assert_eq!(said["items"], json!([]), "{}", row.path);
        }
    }
    let (_, spend) = bed.direct(&nobody, &Method::GET, "/spend", &asked(""));
    assert_eq!(spend["total"]["requests"], 0);
}

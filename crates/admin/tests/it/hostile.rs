//! What cannot be meant is refused with a clear error, and nothing is lost by it.

use serde_json::{Value, json};

use crate::kit::{Bed, names};
use crate::records::write;

/// A good body of each kind, which the tests then spoil.
const GOOD: [(&str, &str); 7] = [
    (
        "/keys",
        r#"{"name":"a","team":"support","owner":"o","purpose":"p","tags":{"app":"x"},"models":["fast"],"data_class":"d","limits":{"requests":"1/min","tokens":"1/min","concurrent":1},"may_set":["user"],"expires":"1d"}"#,
    ),
    (
        "/teams",
        r#"{"name":"a","owner":"o","cost_center":"c","models":["fast"],"limits":{"concurrent":1}}"#,
    ),
    ("/users", r#"{"name":"a","owner":"o","purpose":"p"}"#),
    (
        "/organisations",
        r#"{"name":"a","owner":"o","models":["fast"]}"#,
    ),
    (
        "/budgets",
        r#"{"name":"a","on":"team:support","limit":"5","per":"day","time_zone":"UTC","mode":"enforce","when_unbounded":"clamp","alert_at":["80%"],"hard":true}"#,
    ),
    (
        "/providers",
        r#"{"name":"a","base_url":"https://x.example/v1","dialect":"openai-chat","auth":"bearer","residency":"eu","key":"sk-1","stream_usage":true}"#,
    ),
    (
        "/prices",
        r#"{"name":"a","target":"openai/x","input":"1","output":"2","above_tokens":[{"n":5,"input":"3"}]}"#,
    ),
];

async fn is_refused(bed: &Bed, method: &str, path: &str, body: &str) {
    let said = bed.call(method, path, body).await;
    let known = matches!(said.status, 400 | 404 | 409 | 413);
    assert!(
        known,
        "{method} {path} {:.200}: {} {:.300}",
        body, said.status, said.text
    );
    let _form = said.error();
}

#[tokio::test]
async fn every_member_of_every_body_is_held_to_its_type() {
    let bed = Bed::start();
    let before = bed.app.objects.revision();
    for (path, good) in GOOD {
        let good: Value = serde_json::from_str(good).unwrap();
        for field in good.as_object().unwrap().keys() {
            for wrong in [
                json!({ "a": 1 }),
                json!([[1]]),
                json!(-1),
                json!(1e308),
                json!("\u{0}\u{7}"),
                json!("\u{202e}gnp"),
                json!("x".repeat(100_000)),
                json!(["x".repeat(5000)]),
            ] {
                let mut body = good.clone();
                body[field] = wrong;
                is_refused(&bed, "POST", path, &body.to_string()).await;
            }
        }
        for (field, value) in [
            ("nonsense", json!(1)),
            ("id", json!("x")),
            ("source", json!("file")),
            ("created_at", json!("x")),
        ] {
            let mut body = good.clone();
            body[field] = value;
            let said = bed.call("POST", path, &body.to_string()).await;
            assert_eq!(
                (said.status, said.error().1.as_deref()),
                (400, Some(field)),
                "{path}"
            );
        }
        let text = good.to_string();
        let twice = format!(r#"{{"name":"b",{}"#, &text[1..]);
        for body in [
            "",
            "[]",
            "null",
            "7",
            "{",
            "{\"name\":\"a\"}x",
            "\u{feff}{}",
            &twice,
            &"[".repeat(5000),
            &"{\"a\":".repeat(5000),
        ] {
            is_refused(&bed, "POST", path, body).await;
            if !body.is_empty() {
                is_refused(&bed, "PATCH", &format!("{path}/a"), body).await;
            }
        }
        let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(2 << 20));
        is_refused(&bed, "POST", path, &huge).await;
    }
    assert_eq!(bed.app.objects.revision(), before, "nothing was made");
}

/// Where, what, and the field at fault.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    (
        "/budgets",
        r#"{"name":"a","limit":"-5 USD","per":"day"}"#,
        "limit",
    ),
    (
        "/budgets",
        r#"{"name":"a","limit":"0","per":"day"}"#,
        "limit",
    ),
    (
        "/budgets",
        r#"{"name":"a","limit":"5 EUR","per":"day"}"#,
        "limit",
    ),
    (
        "/budgets",
        r#"{"name":"a","limit":"99999999999999999999","per":"day"}"#,
        "limit",
    ),
    (
        "/budgets",
        r#"{"name":"a","limit":"0.0000000001","per":"day"}"#,
        "limit",
    ),
    ("/budgets", r#"{"name":"a","limit":5,"per":"day"}"#, "limit"),
    (
        "/budgets",
        r#"{"name":"a","limit":"5","per":"fortnight"}"#,
        "per",
    ),
    ("/budgets", r#"{"name":"a","limit":"5","per":"run"}"#, "per"),
    ("/budgets", r#"{"name":"a","limit":"5"}"#, "per"),
    (
        "/budgets",
        r#"{"name":"a","limit":"5","per":"day","on":"team:nobody"}"#,
        "on",
    ),
    (
        "/budgets",
        r#"{"name":"a","limit":"5","per":"day","time_zone":"Mars/Base"}"#,
        "time_zone",
    ),
    ("/prices", r#"{"target":"a/b","input":"-1"}"#, "input"),
    ("/prices", r#"{"target":"a/b","input":"1000001"}"#, "input"),
    (
        "/prices",
        r#"{"target":"a/b","input":"1","above_tokens":[[5,"3"]]}"#,
        "above_tokens[0]",
    ),
    ("/keys", r#"{"name":"a","limits":["1/min"]}"#, "limits"),
    (
        "/keys",
        r#"{"name":"a","limits":{"concurrent":0}}"#,
        "limits.concurrent",
    ),
    ("/keys", r#"{"name":"a","team":"nobody"}"#, "team"),
    ("/keys", r#"{"name":"","team":"support"}"#, "name"),
    ("/keys", r#"{"name":"../etc"}"#, "name"),
];

#[tokio::test]
async fn amounts_that_cannot_be_are_refused_by_their_field() {
    let bed = Bed::start();
    for (path, body, field) in IMPOSSIBLE {
        let said = bed.call("POST", path, body).await;
        assert_eq!(
            (said.status, said.error()),
            (
                400,
                ("invalid_request".to_owned(), Some((*field).to_owned()))
            ),
            "{body}"
        );
    }
}

/// Puts a text into every path and query string.
async fn everywhere(bed: &Bed, encoded: &str) {
    for row in &bed.table.rows {
        if row.path.contains("{id}") {
            let said = bed
                .call(
                    row.method.as_str(),
                    &row.path.replace("{id}", encoded),
                    "{}",
                )
                .await;
            assert_eq!(said.status, 404, "{} {}", row.method, row.path);
        }
        for parameter in &row.query {
            let said = bed
                .call(
                    "GET",
                    &format!("{}?{}={encoded}", row.path, parameter.name),
                    "",
                )
                .await;
            assert!(
                [200, 400].contains(&said.status),
                "{} {}: {said:?}",
                row.path,
                parameter.name
            );
        }
        let said = bed
            .call(
                row.method.as_str(),
                &format!("{}?{encoded}=1", row.path.replace("{id}", "support")),
                "{}",
            )
            .await;
        assert_eq!(
            said.status, 400,
            "{} {}: an unknown key is an error",
            row.method, row.path
        );
    }
}

#[tokio::test]
async fn sql_is_a_text_like_any_other() {
    let bed = Bed::start();
    write(&bed, 5);
    let sql = "'; DROP TABLE audit; --";
    let made = bed
        .good(
            "POST",
            "/teams",
            &json!({ "name": "a", "owner": sql, "purpose": "\" OR 1=1" }).to_string(),
        )
        .await;
    assert_eq!(made["owner"], sql);
    is_refused(&bed, "POST", "/teams", &json!({ "name": sql }).to_string()).await;
    let encoded = "%27%3B%20DROP%20TABLE%20audit%3B%20--";
    assert_eq!(
        names(
            &bed.good("GET", &format!("/teams?owner={encoded}"), "")
                .await
        ),
        ["a"]
    );
    everywhere(&bed, encoded).await;
    assert_eq!(
        bed.good("GET", "/spend", "").await["total"]["requests"],
        5,
        "nothing is lost"
    );
    assert_eq!(
        bed.good("GET", "/audit", "").await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn paths_and_cursors_that_nobody_gave_are_refused_with_the_promised_form() {
    let bed = Bed::start();
    for (path, status) in [
        ("/keys/%00", 404),
        ("/keys/%ff", 404),
        ("/keys/a%2Fb", 404),
        ("/nothing", 404),
        ("/keys/", 404),
        ("/ledger?cursor=x", 400),
        ("/exchanges?cursor=x", 400),
        ("/audit?cursor=x", 400),
        ("/models?cursor=-1", 400),
        ("/balances?cursor=99999999999999999999999", 400),
        ("/exchanges?tag=app", 400),
        ("/exchanges?status=99999", 400),
        ("/exchanges?since=-262144-01-01", 400),
        ("/exchanges?limit=1e3", 400),
    ] {
        let said = bed.call("GET", path, "").await;
        assert_eq!(said.status, status, "{path}: {said:?}");
        let _form = said.error();
    }
    let long = format!("/keys/{}", "x".repeat(10_000));
    assert_eq!(bed.call("GET", &long, "").await.status, 404);
    let said = bed
        .call("GET", &format!("/teams?owner={}", "x".repeat(20_000)), "")
        .await;
    assert_eq!((said.status, said.error().0.as_str()), (413, "too_large"));
}

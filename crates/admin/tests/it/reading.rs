//! What is read: spend, requests, entries, balances, and what is in force.

use std::sync::atomic::Ordering;

use policy::accounts::{Ask, Hold};
use policy::caller::Attribution;
use policy::limit::Resource;
use serde_json::{Value, json};
use store::objects::NewRevision;
use store::sqlite::{Month, OpenMode, open_month};

use crate::kit::Bed;
use crate::records::{AT, id, write};

fn column<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| &item[field]).collect()
}

const EXCHANGE_FIELDS: &[&str] = &[
    "id",
    "at",
    "state",
    "key",
    "team",
    "organisation",
    "user",
    "run",
    "tags",
    "dialect",
    "operation",
    "model",
    "target",
    "status",
    "failure",
    "stream",
    "usage",
    "cost_usd",
    "price_id",
    "attempts",
    "losses",
    "verdicts",
    "served_model",
    "config_revision",
    "decision",
    "overhead_us",
];

#[tokio::test]
async fn an_exchange_has_the_promised_form() {
    let bed = Bed::start();
    write(&bed, 10);
    let one = bed.good("GET", &format!("/exchanges/{}", id(2)), "").await;
    for field in EXCHANGE_FIELDS {
        assert!(one.get(field).is_some(), "{field}: {one}");
    }
    assert_eq!(one["at"], "2026-11-02T00:00:02Z");
    assert_eq!(one["cost_usd"], "0.000001500");
    assert_eq!(
        (&one["failure"], &one["organisation"]),
        (&json!("broken"), &Value::Null)
    );
    assert_eq!(one["tags"], json!({ "app": "app-0" }));
    assert_eq!(
        (&one["usage"]["input"], &one["usage"]["output"]),
        (&json!(1000), &json!(100))
    );
    assert_eq!(one["decision"]["order"], json!(["openai/gpt-5-mini"]));
    assert_eq!(one["losses"][0]["path"], "seed");
    let attempt = &one["attempts"][0];
    for field in [
        "n",
        "kind",
        "target",
        "outcome",
        "phase",
        "connect_ms",
        "first_token_ms",
        "total_ms",
        "cut_by_us",
        "usage",
        "cost_usd",
    ] {
        assert!(attempt.get(field).is_some(), "{field}: {attempt}");
    }
    assert_eq!(
        (&attempt["connect_ms"], &attempt["total_ms"]),
        (&json!(0.9), &json!(700.5))
    );
    // A list has the same.
    let list = bed.good("GET", "/exchanges?limit=8", "").await;
    assert_eq!(list["items"][7], one);
    assert_eq!(
        bed.call("GET", "/exchanges/01ARZ3NDEKTSV4RRFFQ69G5FAV", "")
            .await
            .status,
        404
    );
    assert_eq!(bed.call("GET", "/exchanges/nothing", "").await.status, 404);
}

#[tokio::test]
async fn exchanges_come_newest_first_in_pages_and_by_fields() {
    let bed = Bed::start();
    write(&bed, 25);
    let mut seen = Vec::new();
    let mut path = "/exchanges?limit=10".to_owned();
    while seen.len() < 25 {
        let page = bed.good("GET", &path, "").await;
        let ids: Vec<Value> = column(&page, "id").into_iter().cloned().collect();
        assert!(!ids.is_empty());
        seen.extend(ids);
        path = format!(
            "/exchanges?limit=10&cursor={}",
            page["next_cursor"].as_str().unwrap_or_default()
        );
    }
    let all: Vec<Value> = (0..25).rev().map(|n| json!(id(n))).collect();
    assert_eq!(seen, all);
    for (query, count) in [
        ("team=support", 13),
        ("key=lone", 12),
        ("tag=app%3Dapp-1", 12),
        ("tag=app=app-1&team=support", 0),
        ("failure=broken", 8),
        ("failure=answered", 17),
        ("status=502", 8),
        ("since=2026-11-02T00:00:20Z", 5),
        ("until=2026-11-02T00:00:20Z", 20),
        ("since=2026-11-03", 0),
        ("model=%27%20OR%201%3D1--", 0),
    ] {
        let page = bed.good("GET", &format!("/exchanges?{query}"), "").await;
        assert_eq!(column(&page, "id").len(), count, "{query}");
    }
    let ledger = bed.good("GET", "/ledger?team=support&limit=1000", "").await;
    assert_eq!(column(&ledger, "number").len(), 13);
    let first = bed.good("GET", "/ledger?limit=10", "").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = bed
        .good("GET", &format!("/ledger?limit=20&cursor={cursor}"), "")
        .await;
    assert_eq!(column(&second, "number").len(), 15);
}

#[tokio::test]
async fn what_is_written_later_can_be_followed() {
    let bed = Bed::start();
    let place = bed.good("GET", "/exchanges/follow", "").await;
    assert_eq!(place["items"], json!([]));
    write(&bed, 4);
    let path = format!(
        "/exchanges/follow?limit=3&cursor={}",
        place["next_cursor"].as_str().unwrap()
    );
    let page = bed.good("GET", &path, "").await;
    assert_eq!(
        column(&page, "id"),
        [&json!(id(0)), &json!(id(1)), &json!(id(2))]
    );
    let path = format!(
        "/exchanges/follow?cursor={}",
        page["next_cursor"].as_str().unwrap()
    );
    let page = bed.good("GET", &path, "").await;
    assert_eq!(column(&page, "id"), [&json!(id(3))]);
    assert_eq!(
        bed.call("GET", "/exchanges/follow?cursor=x", "")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn spend_is_summed_by_what_is_asked_for() {
    let bed = Bed::start();
    write(&bed, 20);
    let spend = bed.good("GET", "/spend?by=team&by=model", "").await;
    assert_eq!(spend["by"], json!(["team", "model"]));
    let teams: Vec<&Value> = spend["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["by"]["team"])
        .collect();
    assert!(
        teams.contains(&&json!("support")) && teams.contains(&&Value::Null),
        "{spend}"
    );
    assert_eq!(
        (&spend["total"]["requests"], &spend["total"]["unpriced"]),
        (&json!(20), &json!(4))
    );
    assert_eq!(spend["total"]["cost_usd"], "0.000024000");
    assert_eq!(spend["unattributed"]["requests"], 10);
    let later = bed
        .good(
            "GET",
            "/spend?by=day&by=tag:app&since=2026-11-02T00:00:10Z&until=2026-11-03",
            "",
        )
        .await;
    assert_eq!(later["total"]["requests"], 10);
    assert_eq!(later["items"][0]["by"]["day"], "2026-11-02");
    assert_eq!(later["since"], "2026-11-02T00:00:10Z");
    bed.good("GET", "/spend?since=30d", "").await;
    for query in [
        "by=colour",
        "by=team&by=team",
        "by=tag:",
        "since=tomorrow",
        "since=1d&until=2d",
        "sinc=30d",
        "since=30d&since=31d",
        "by=key&by=team&by=user&by=model&by=provider&by=target&by=day&by=organisation&by=tag:a",
    ] {
        let said = bed.call("GET", &format!("/spend?{query}"), "").await;
        assert_eq!(
            (said.status, said.error().0.as_str()),
            (400, "invalid_request"),
            "{query}"
        );
    }
}

/// What a request under way of team `support` holds.
fn held(bed: &Bed, nanos: i64) -> Hold {
    let snapshot = bed.app.control.snapshot();
    let who = Attribution {
        key: "support-bot".into(),
        team: Some("support".into()),
        ..Attribution::default()
    };
    let ask = Ask {
        who: &who,
        model: "fast",
        providers: &["openai"],
        at_ms: admin::reading::now_ms(),
        amounts: &[(Resource::Money, nanos)],
    };
    bed.fake.accounts.take(&snapshot.limits, &ask).unwrap()
}

#[tokio::test]
async fn every_limit_tells_what_is_settled_held_and_left() {
    let bed = Bed::start();
    let hold = held(&bed, 2_500_000_000);
    bed.good(
        "POST",
        "/users",
        r#"{"name":"ada","limits":{"requests":"5/min"}}"#,
    )
    .await;
    let list = bed.good("GET", "/balances", "").await;
    assert_eq!(
        column(&list, "name"),
        [
            &json!("company"),
            &json!("support"),
            &json!("user:ada requests")
        ]
    );
    let support = &list["items"][1];
    assert_eq!(support["account"], "team:support");
    assert_eq!(
        (
            &support["amount"],
            &support["held"],
            &support["settled"],
            &support["remaining"]
        ),
        (
            &json!("500.000000000"),
            &json!("2.500000000"),
            &json!("0.000000000"),
            &json!("497.500000000")
        )
    );
    assert!(
        support["resets_at"]
            .as_str()
            .unwrap()
            .ends_with("-01T00:00:00Z"),
        "{support}"
    );
    assert_eq!(
        (&support["source"], &list["items"][2]["source"]),
        (&json!("file"), &json!("store"))
    );
    assert_eq!(list["items"][2]["amount"], 5);
    let one = bed
        .good("GET", "/balances?account=team:support&resource=money", "")
        .await;
    assert_eq!(column(&one, "name"), [&json!("support")]);
    drop(hold);
}

#[tokio::test]
async fn what_is_in_force_is_shown() {
    let bed = Bed::start();
    let models = bed.good("GET", "/models", "").await;
    assert_eq!(column(&models, "name"), [&json!("fast"), &json!("slow")]);
    assert_eq!(
        models["items"][0]["fallback"]["context_window"],
        json!(["openai/gpt-5"])
    );
    assert_eq!(
        bed.good("GET", "/models/slow", "").await["targets"][0]["target"],
        "openai/gpt-5"
    );
    let targets = bed.good("GET", "/targets?model=fast", "").await;
    assert_eq!(
        column(&targets, "target"),
        [
            &json!("openai/gpt-5-mini"),
            &json!("openai/gpt-5-nano"),
            &json!("openai/gpt-5")
        ]
    );
    assert!(targets["items"][0]["price_id"].is_string(), "{targets}");
    let paths = bed.good("GET", "/paths", "").await;
    assert_eq!(
        column(&paths, "key"),
        vec![&json!("support-bot"); 3],
        "its team may call `fast` only"
    );
    bed.good("POST", "/keys", r#"{"name":"all","direct":true}"#)
        .await;
    let paths = bed.good("GET", "/paths?key=all", "").await;
    assert_eq!(column(&paths, "target").last(), Some(&&json!("openai/*")));
    let config = bed.good("GET", "/config", "").await;
    assert_eq!(config["revision"], "0123456789abcdef");
    assert_eq!(
        (&config["providers"][0]["keys"], &config["keys"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(config["listeners"][0]["address"], "127.0.0.1:4000");
    let revision = NewRevision {
        revision: "abc",
        who: "ada",
        source: "bondgate.yaml",
        accepted: true,
        message: None,
    };
    bed.app.objects.record_revision(revision, AT).unwrap();
    let revisions = bed.good("GET", "/config/revisions", "").await;
    assert_eq!(
        (&revisions["items"][0]["who"], &revisions["next_cursor"]),
        (&json!("ada"), &Value::Null)
    );
}

#[tokio::test]
async fn an_explanation_says_why_each_target_is_used_or_not() {
    let bed = Bed::start();
    let told = bed
        .good(
            "POST",
            "/explain",
            r#"{"model":"fast","key":"support-bot","needs":["tools"]}"#,
        )
        .await;
    let roles: Vec<&Value> = told["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["role"])
        .collect();
    assert_eq!(
        roles,
        [&json!("target"), &json!("target"), &json!("not_used")]
    );
    assert_eq!(
        (&told["targets"][0]["order"], &told["targets"][2]["order"]),
        (&json!(1), &Value::Null)
    );
    // What its targets can do is known.
    assert_eq!(told["notes"], json!([]));
    for (body, field) in [
        (r#"{"model":"slow","key":"support-bot"}"#, "model"),
        (r#"{"model":"fsat"}"#, "model"),
        (r#"{"model":"fast","key":"nobody"}"#, "key"),
        (r#"{"model":"fast","needs":["wings"]}"#, "needs"),
        (r#"{"model":"fast","prompt_tokens":-1}"#, "prompt_tokens"),
        (r#"{"key":"support-bot"}"#, "model"),
        (r#"{"model":"fast","colour":"red"}"#, "colour"),
        (r#"{"model":"fast","model":"slow"}"#, "model"),
    ] {
        let said = bed.call("POST", "/explain", body).await;
        assert_eq!(
            (said.status, said.error().1.as_deref()),
            (400, Some(field)),
            "{body}: {}",
            said.text
        );
    }
}

const NO_QUERIES: &[&str] = &[
    "",
    ";",
    "SELECT 1; SELECT 2",
    "DELETE FROM exchanges",
    "DROP TABLE audit",
    "INSERT INTO ledger VALUES (1)",
    "UPDATE keys SET name = 'x'",
    "PRAGMA journal_mode",
    "ATTACH DATABASE 'x' AS x",
    "VACUUM",
    "EXPLAIN SELECT 1",
    "SELECT * FROM key_secrets",
    "SELECT * FROM sqlite_master",
    "SELECT hash FROM main.key_secrets",
    "SELECT load_extension('x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT ?",
    "SELECT 1\u{0}; DROP TABLE audit",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t, t, t, nothing",
    "CREATE TABLE x (y)",
    "BEGIN",
];

#[tokio::test]
async fn a_query_reads_every_view_and_nothing_else() {
    let bed = Bed::start();
    write(&bed, 6);
    for (view, rows) in [
        ("exchanges", 6),
        ("attempts", 6),
        ("ledger", 6),
        ("spend_daily", 2),
        ("budgets", 2),
        ("keys", 1),
        ("targets", 4),
        ("paths", 3),
    ] {
        let body =
            json!({ "sql": format!("SELECT count(*) AS n FROM \"{}\"", view.to_uppercase()) });
        let answer = bed.good("POST", "/query", &body.to_string()).await;
        assert_eq!(
            (&answer["columns"], &answer["rows"]),
            (&json!(["n"]), &json!([[rows]])),
            "{view}"
        );
    }
    let many = json!({ "sql": "SELECT id, cost_nanos FROM exchanges ORDER BY id", "limit": 2 });
    let answer = bed.good("POST", "/query", &many.to_string()).await;
    assert_eq!(
        (&answer["rows"][0][1], &answer["more"]),
        (&json!(1500), &json!(true))
    );
    for sql in NO_QUERIES {
        let said = bed
            .call("POST", "/query", &json!({ "sql": sql }).to_string())
            .await;
        assert_eq!(
            (said.status, said.error()),
            (400, ("invalid_request".to_owned(), Some("sql".to_owned()))),
            "{sql}: {}",
            said.text
        );
    }
    for body in [
        "",
        "{}",
        r#"{"sql":1}"#,
        r#"{"sql":"SELECT 1","limit":0}"#,
        r#"{"sql":"SELECT 1","rows":1}"#,
    ] {
        let said = bed.call("POST", "/query", body).await;
        assert_eq!(
            (said.status, said.error().0.as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
    let all = json!({ "sql": "SELECT count(*) FROM exchanges" });
    assert_eq!(
        bed.good("POST", "/query", &all.to_string()).await["rows"],
        json!([[6]]),
        "nothing is lost"
    );
}

#[tokio::test]
async fn rating_anew_appends_the_difference_once() {
    let bed = Bed::start();
    write(&bed, 10);
    // $1 and $2 a million tokens: 1,000 and 100 of them are $0.0012.
    bed.good(
        "POST",
        "/prices",
        r#"{"target":"openai/gpt-5-mini","input":"1","output":"2"}"#,
    )
    .await;
    let body = r#"{"since":"2026-11-01","until":"2026-11-03"}"#;
    let done = bed.good("POST", "/prices/rerate", body).await;
    assert_eq!(
        (&done["seen"], &done["adjusted"]),
        (&json!(10), &json!(10)),
        "{done}"
    );
    assert_eq!(done["difference_usd"], "0.011988000");
    let spend = bed.good("GET", "/spend", "").await;
    assert_eq!(
        (&spend["total"]["cost_usd"], &spend["total"]["unpriced"]),
        (&json!("0.012000000"), &json!(0))
    );
    let audit = bed.good("GET", "/audit?limit=1", "").await;
    let entry = &audit["items"][0];
    assert_eq!(
        (&entry["action"], &entry["kind"], &entry["who"]),
        (&json!("rerate"), &json!("ledger"), &json!("admin-token"))
    );
    assert_eq!(entry["name"], "2026-11-01T00:00:00Z/2026-11-03T00:00:00Z");
    assert_eq!(
        entry["after"],
        json!({
            "since": "2026-11-01T00:00:00Z",
            "until": "2026-11-03T00:00:00Z",
            "seen": 10,
            "adjusted": 10,
            "left": 0,
            "difference_usd": "0.011988000",
            "error": null,
        })
    );
    let again = bed.good("POST", "/prices/rerate", body).await;
    assert_eq!(
        (&again["seen"], &again["adjusted"]),
        (&json!(10), &json!(0))
    );
    for body in [
        "",
        r#"{"since":"2025-01-01","until":"2026-01-01"}"#,
        r#"{"since":"2026-11-03","until":"2026-11-01"}"#,
        r#"{"since":5}"#,
        r#"{"since":"1d","tier":"batch"}"#,
    ] {
        let said = bed.call("POST", "/prices/rerate", body).await;
        assert_eq!(
            (said.status, said.error().0.as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn requests_of_months_gone_by_are_removed_and_who_did_it_is_known() {
    let bed = Bed::start();
    write(&bed, 10);
    let spend = bed.good("GET", "/spend", "").await;
    for month in ["2024-12", "2025-03", "2025-04"] {
        let month = Month::of_name(month).unwrap();
        drop(open_month(bed.dir.path(), month, OpenMode::Create).unwrap());
    }
    let done = bed
        .good("POST", "/exchanges/prune", r#"{"before":"2025-04"}"#)
        .await;
    assert_eq!(
        done,
        json!({ "before": "2025-04", "removed": ["2025-03", "2024-12"] })
    );
    let left = Month::list(bed.dir.path()).unwrap();
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["2026-11", "2025-04"]);
    assert_eq!(bed.good("GET", "/spend", "").await, spend);
    let audit = bed.good("GET", "/audit", "").await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 1, "{audit}");
    assert_eq!(audit["items"][0]["action"], "prune");
    assert_eq!(
        audit["items"][0]["after"]["months"],
        json!(["2025-03", "2024-12"])
    );
    // Nothing is left to be removed, so nothing was done.
    let again = bed
        .good("POST", "/exchanges/prune", r#"{"before":"2025-04"}"#)
        .await;
    assert_eq!(again["removed"], json!([]));
    assert_eq!(bed.good("GET", "/audit", "").await, audit);
    let this_month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    for before in [
        this_month.as_str(),
        "2025-13",
        "2025",
        "",
        "2025-4",
        "9999-01",
    ] {
        let body = json!({ "before": before }).to_string();
        let said = bed.call("POST", "/exchanges/prune", &body).await;
        assert_eq!(
            (said.status, said.error()),
            (
                400,
                ("invalid_request".to_owned(), Some("before".to_owned()))
            ),
            "{before}"
        );
    }
}

#[tokio::test]
async fn a_bad_configuration_is_told_with_its_problems() {
    let bed = Bed::start();
    assert_eq!(
        bed.good("POST", "/reload", "").await["revision"],
        "0123456789abcdef"
    );
    bed.fake.broken.store(true, Ordering::SeqCst);
    let said = bed.call("POST", "/reload", "{}").await;
    assert_eq!(
        (said.status, said.error().0.as_str()),
        (400, "invalid_configuration")
    );
    assert!(said.text.contains("bondgate.yaml:3:1"), "{}", said.text);
}

#[tokio::test]
async fn the_status_tells_parts_and_the_fullest_limits_first() {
    let bed = Bed::start();
    let hold = held(&bed, 2_500_000_000);
    let status = bed.good("GET", "/status", "").await;
    assert_eq!(
        status["balances"][0]["name"], "support",
        "the fullest first"
    );
    assert_eq!(
        (&status["open_requests"], &status["well"]),
        (&json!(3), &json!(true))
    );
    drop(hold);
}

//! Objects from their making to their end; pages, filters, and what is the file's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use policy::price::PriceBook;
use policy::snapshot::Snapshot;
use serde_json::json;
use store::objects::{FileObjects, PriceSpec};

use crate::kit::{Bed, names};

/// Each kind but keys: where it is, how one is made, what is changed of it, and what it then is.
const KINDS: [(&str, &str, &str, &str); 6] = [
    (
        "/teams",
        r#"{"name":"x","owner":"ops@example.com"}"#,
        r#"{"purpose":"Answers"}"#,
        "purpose",
    ),
    (
        "/users",
        r#"{"name":"x","limits":{"requests":"5/min"}}"#,
        r#"{"cost_center":"4711"}"#,
        "cost_center",
    ),
    (
        "/organisations",
        r#"{"name":"x","models":["fast"]}"#,
        r#"{"owner":"ada"}"#,
        "owner",
    ),
    (
        "/budgets",
        r#"{"name":"x","limit":"5 USD","per":"day","on":"team:support"}"#,
        r#"{"time_zone":"Europe/Paris"}"#,
        "time_zone",
    ),
    (
        "/providers",
        r#"{"name":"x","base_url":"https://x.example/v1","dialect":"openai-chat","key":"sk-1"}"#,
        r#"{"residency":"eu"}"#,
        "residency",
    ),
    (
        "/prices",
        r#"{"name":"x","target":"openai/x","input":"1","output":"2"}"#,
        r#"{"cache_read":"0.1"}"#,
        "cache_read",
    ),
];

#[tokio::test]
async fn every_kind_is_made_shown_changed_and_deleted() {
    let bed = Bed::start();
    for (path, new, change, field) in KINDS {
        let said = bed.call("POST", path, new).await;
        assert_eq!(said.status, 201, "{path}: {said:?}");
        let made = said.json();
        assert_eq!(made["source"], "store");
        assert_eq!(made["created_by"], "admin-token");
        let id = made["id"].as_str().unwrap();
        assert_eq!(id.len(), 26, "a ULID");
        assert!(
            made["created_at"].as_str().unwrap().ends_with('Z'),
            "{made}"
        );

        let each = format!("{path}/x");
        let by_id = format!("{path}/{id}");
        assert_eq!(bed.good("GET", &each, "").await, made);
        assert_eq!(bed.good("GET", &by_id, "").await, made);
        assert!(
            names(&bed.good("GET", path, "").await).contains(&"x"),
            "{path}"
        );

        let changed = bed.good("PATCH", &by_id, change).await;
        assert_ne!(changed[field], made[field], "{path}");
        assert_eq!(bed.good("GET", &each, "").await, changed);
        let taken = bed.call("POST", path, new).await;
        assert_eq!(
            (taken.status, taken.error().0.as_str()),
            (409, "conflict"),
            "{path}"
        );

        let gone = bed.call("DELETE", &each, "").await;
        assert_eq!((gone.status, gone.text.as_str()), (204, ""), "{path}");
        for path in [each, by_id] {
            let said = bed.call("GET", &path, "").await;
            assert_eq!((said.status, said.error().0.as_str()), (404, "not_found"));
        }
    }
    let audit = bed.good("GET", "/audit?limit=1000", "").await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 3 * KINDS.len());
    assert_eq!(audit["items"][0]["action"], "delete");
}

#[tokio::test]
async fn what_is_changed_is_in_force_when_it_is_answered() {
    let bed = Bed::start();
    let limits = |bed: &Bed, name: &str| {
        bed.app
            .control
            .snapshot()
            .limits
            .get(name)
            .map(|limit| limit.amount)
    };
    bed.good(
        "POST",
        "/budgets",
        r#"{"name":"small","limit":"5 USD","per":"day"}"#,
    )
    .await;
    assert_eq!(limits(&bed, "small"), Some(5_000_000_000));
    bed.good("PATCH", "/budgets/small", r#"{"limit":"6"}"#)
        .await;
    assert_eq!(limits(&bed, "small"), Some(6_000_000_000));
    bed.good("DELETE", "/budgets/small", "").await;
    assert_eq!(limits(&bed, "small"), None);
}

#[tokio::test]
async fn a_change_that_is_kept_and_not_in_force_is_no_success() {
    let bed = Bed::start();
    bed.fake.stuck.store(true, Ordering::SeqCst);
    let said = bed.call("POST", "/teams", r#"{"name":"late"}"#).await;
    assert_eq!(
        (said.status, said.error().0.as_str()),
        (503, "not_in_force")
    );
    assert_eq!(bed.good("GET", "/teams/late", "").await["name"], "late");
    bed.fake.stuck.store(false, Ordering::SeqCst);
    bed.good("POST", "/reload", "").await;
    assert!(bed.app.control.snapshot().teams.contains_key("late"));
}

#[tokio::test]
async fn objects_of_the_file_are_shown_and_not_changed() {
    let bed = Bed::start();
    for (path, name) in [
        ("/keys", "support-bot"),
        ("/teams", "support"),
        ("/budgets", "company"),
        ("/providers", "openai"),
    ] {
        let each = format!("{path}/{name}");
        let shown = bed.good("GET", &each, "").await;
        assert_eq!(
            (&shown["source"], &shown["id"]),
            (&json!("file"), &json!(format!("file:{name}")))
        );
        assert!(names(&bed.good("GET", path, "").await).contains(&name));
        for (method, body) in [("PATCH", "{}"), ("DELETE", "")] {
            let said = bed.call(method, &each, body).await;
            assert_eq!(
                (said.status, said.error().0.as_str()),
                (409, "conflict"),
                "{method} {each}"
            );
            assert!(said.text.contains("change it there"), "{}", said.text);
        }
    }
    for action in ["rotate", "revoke"] {
        let said = bed
            .call("POST", &format!("/keys/support-bot/{action}"), "")
            .await;
        assert_eq!(said.status, 409, "{action}");
    }
}

#[tokio::test]
async fn the_files_prices_are_listed_and_not_changed() {
    let bed = Bed::start();
    let given = r#"{"target":"openai/gpt-5-mini","input":"1","output":"2","discount":"12.5%","tier":{"flex":{"input":"0.5"}}}"#;
    let spec: PriceSpec = serde_json::from_str(given).unwrap();
    let row = spec.row().unwrap();
    let snapshot = Snapshot {
        prices: Some(Arc::new(
            PriceBook::built_in().unwrap().with(vec![row.clone()]),
        )),
        ..Snapshot::default()
    };
    bed.app.objects.set_file(FileObjects::of(&snapshot));
    let listed = bed.good("GET", "/prices", "").await;
    assert_eq!(
        names(&listed),
        [&*row.id],
        "the file's, not the built-in ones"
    );
    let shown = &listed["items"][0];
    assert_eq!(shown["source"], "file");
    assert_eq!(shown["discount"], "12.5%");
    assert_eq!(shown["tier"]["flex"]["input"], "0.500000000");
    assert_eq!(shown["tier"]["flex"]["output"], "2.000000000", "as without");
    let said = bed.call("DELETE", &format!("/prices/{}", row.id), "").await;
    assert_eq!((said.status, said.error().0.as_str()), (409, "conflict"));
}

#[tokio::test]
async fn prices_are_imported_in_one_call_all_or_none() {
    let bed = Bed::start();
    let ok = r#"{"name":"one","target":"openai/a","input":"1","cache_write_1h":"2","output":"4","above_tokens":[{"n":1000,"input":"2","audio_in":"8"}],"tier":{"priority":{"input":"2"},"batch":{"input":"0.5","output":"2"}},"discount":"15%"}"#;
    for (row, field) in [
        (r#"{"target":"openai/b","inptu":"1"}"#, "prices[1].inptu"),
        (r#"{"target":"openai","input":"1"}"#, "prices[1].target"),
        (r#"{"target":"openai/b"}"#, "prices[1].input"),
        (
            r#"{"target":"openai/b","input":"1","tier":{"batch":{"input":"-1"}}}"#,
            "prices[1].tier.batch.input",
        ),
        (
            r#"{"target":"openai/b","input":"1","tier":{"fast":{}}}"#,
            "prices[1].tier.fast",
        ),
        (
            r#"{"target":"openai/b","input":"1","tier":{"slow":{"input":"1"}}}"#,
            "prices[1].tier.slow",
        ),
        (
            r#"{"target":"openai/b","input":"1","tier":{"fast":["1"]}}"#,
            "prices[1].tier.fast",
        ),
        (
            r#"{"target":"openai/b","input":"1","tier":{"fast":{"output":"0.0000001"}}}"#,
            "prices[1].tier.fast.output",
        ),
        (
            r#"{"target":"openai/b","input":"1","discount":"101%"}"#,
            "prices[1].discount",
        ),
        (
            r#"{"target":"openai/b","input":"1","discount":0.1}"#,
            "prices[1].discount",
        ),
        (
            r#"{"name":"one","target":"openai/b","input":"1"}"#,
            "prices[1].name",
        ),
        ("7", "prices[1]"),
    ] {
        let body = format!(r#"{{"prices":[{ok},{row}]}}"#);
        let said = bed.call("POST", "/prices/import", &body).await;
        let (_, at) = said.error();
        assert_eq!(at.as_deref(), Some(field), "{row}: {}", said.text);
        assert!([400, 409].contains(&said.status), "{row}: {}", said.status);
    }
    for body in ["", "{}", r#"{"prices":[]}"#, r#"{"prices":{}}"#, "[]"] {
        let said = bed.call("POST", "/prices/import", body).await;
        assert_eq!(said.status, 400, "{body}");
    }
    assert_eq!(bed.good("GET", "/prices", "").await["items"], json!([]));
    assert_eq!(bed.good("GET", "/audit", "").await["items"], json!([]));

    let two = r#"{"target":"openai/b","input":"3"}"#;
    let body = format!(r#"{{"prices":[{ok},{two}]}}"#);
    let said = bed.call("POST", "/prices/import", &body).await;
    assert_eq!(said.status, 201, "{}", said.text);
    let made = said.json();
    assert_eq!(made["items"][0]["discount"], "15%");
    assert_eq!(made["items"][0]["tier"]["priority"]["input"], "2.000000000");
    assert_eq!(made["items"][0]["cache_write_1h"], "2.000000000");
    let listed = bed.good("GET", "/prices", "").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(bed.good("GET", "/prices/one", "").await, made["items"][0]);
}

#[tokio::test]
async fn lists_come_in_pages_and_by_fields() {
    let bed = Bed::start();
    for n in 0..7 {
        let (owner, name) = (n % 2, format!("t{n}"));
        let body = format!(r#"{{"name":"{name}","owner":"o{owner}"}}"#);
        bed.good("POST", "/teams", &body).await;
    }
    let mut seen = Vec::new();
    let mut path = "/teams?limit=3".to_owned();
    let mut pages = 0;
    loop {
        let page = bed.good("GET", &path, "").await;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/teams?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, ["support", "t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    let of_one = bed.good("GET", "/teams?owner=o1", "").await;
    assert_eq!(names(&of_one), ["t1", "t3", "t5"]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("colour=red", "colour"),
    ] {
        let said = bed.call("GET", &format!("/teams?{query}"), "").await;
        assert_eq!(
            (said.status, said.error()),
            (400, ("invalid_request".to_owned(), Some(field.to_owned()))),
            "{query}"
        );
    }
    for query in [
        "limit=many",
        "limit=-1",
        "limit=3&limit=4",
        "owner=a&owner=b",
        "cursor=%00",
    ] {
        let said = bed.call("GET", &format!("/teams?{query}"), "").await;
        assert_eq!(
            (said.status, said.error().0.as_str()),
            (400, "invalid_request"),
            "{query}"
        );
    }
}

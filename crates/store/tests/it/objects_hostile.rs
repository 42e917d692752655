//! Bad input: each is refused with its field named, or kept exactly as it was said.

use store::objects::{
    BudgetSpec, Change, Error, KeySpec, New, Object, Objects, OrganisationSpec, Plain, PriceSpec,
    ProviderSpec, TeamSpec, UserSpec, change_schema, new_schema, object_schema,
};

use crate::objects::{NOW_MS, ada, audit, change, fresh, new};

const SQL: &str = "x'); DROP TABLE objects; --\" OR 1=1 /* ` $1 ?1 :a % _";

/// Makes an object of a request's body; the error, if it is refused.
type Make = fn(&Objects, &str) -> Option<Error>;

fn make<S: Plain>(objects: &Objects, json: &str) -> Option<Error> {
    match New::<S>::from_json(json.as_bytes(), NOW_MS) {
        Err(invalid) => Some(Error::Invalid(invalid)),
        Ok(new) => objects.create(&ada(), new, NOW_MS).err(),
    }
}

fn make_key(objects: &Objects, json: &str) -> Option<Error> {
    match New::<KeySpec>::from_json(json.as_bytes(), NOW_MS) {
        Err(invalid) => Some(Error::Invalid(invalid)),
        Ok(new) => objects.create_key(&ada(), new, NOW_MS).err(),
    }
}

/// Each body is refused by that field, and nothing of it is left.
fn are_refused(make: Make, bodies: &[(&str, &str)]) {
    let (_dir, objects) = fresh();
    for (json, field) in bodies {
        match make(&objects, json) {
            Some(Error::Invalid(invalid)) => assert_eq!(invalid.field, *field, "{json}: {invalid}"),
            other => panic!("{json}: {other:?}"),
        }
    }
    assert!(audit(&objects).is_empty());
    assert_eq!(objects.revision(), 0);
}

#[test]
fn a_name_is_plain() {
    let (long, most) = ("a".repeat(65), "a".repeat(64));
    for name in [
        "", " ", "a b", "-a", ".a", "a/b", "a'b", "ä", "a\\u0000", "a\\n", &long,
    ] {
        are_refused(make_key, &[(&format!(r#"{{"name":"{name}"}}"#), "name")]);
    }
    let (_dir, objects) = fresh();
    for name in ["a", "7", "A.b-c_d", &most] {
        assert!(
            make_key(&objects, &format!(r#"{{"name":"{name}"}}"#)).is_none(),
            "{name}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_key_is_refused_by_its_field() {
    are_refused(
        make_key,
        &[
            (r#"{}"#, "name"),
            (r#"{"name":5}"#, "name"),
            (r#"{"name":"a","name":"b"}"#, "name"),
            (r#"{"name":"a","teem":"x"}"#, "teem"),
            (r#"{"name":"a","team":5}"#, "team"),
            (r#"{"name":"a","team":"none"}"#, "team"),
            (
                r#"{"name":"a","team":"x","organisation":"y"}"#,
                "organisation",
            ),
            (r#"{"name":"a","direct":"yes"}"#, "direct"),
            (r#"{"name":"a","models":"fast"}"#, "models"),
            (r#"{"name":"a","models":["fast",5]}"#, "models[1]"),
            (r#"{"name":"a","models":["fast","fast"]}"#, "models[1]"),
            (r#"{"name":"a","models":[""]}"#, "models[0]"),
            (r#"{"name":"a","tags":{"a":5}}"#, "tags.a"),
            (r#"{"name":"a","tags":{"a":"1","a":"2"}}"#, "a"),
            (r#"{"name":"a","tags":{"a b":"1"}}"#, "tags.a b"),
            (r#"{"name":"a","may_set":["everything"]}"#, "may_set[0]"),
        ],
    );
}

#[test]
fn limits_and_ends_that_cannot_be_are_refused_by_their_field() {
    are_refused(
        make_key,
        &[
            (
                r#"{"name":"a","limits":{"requests":"-1/min"}}"#,
                "limits.requests",
            ),
            (
                r#"{"name":"a","limits":{"requests":"0/min"}}"#,
                "limits.requests",
            ),
            (
                r#"{"name":"a","limits":{"requests":600}}"#,
                "limits.requests",
            ),
            (
                r#"{"name":"a","limits":{"tokens":"99999999999999999999/min"}}"#,
                "limits.tokens",
            ),
            (
                r#"{"name":"a","limits":{"concurrent":0}}"#,
                "limits.concurrent",
            ),
            (
                r#"{"name":"a","limits":{"concurrent":-1}}"#,
                "limits.concurrent",
            ),
            (
                r#"{"name":"a","limits":{"concurrent":99999999999999999999}}"#,
                "limits.concurrent",
            ),
            (
                r#"{"name":"a","limits":{"concurrent":1.5}}"#,
                "limits.concurrent",
            ),
            (
                r#"{"name":"a","limits":{"konkurrent":1}}"#,
                "limits.konkurrent",
            ),
            (r#"{"name":"a","expires":"soon"}"#, "expires"),
            (r#"{"name":"a","expires":"99999999999d"}"#, "expires"),
            (r#"{"name":"a","expires":7}"#, "expires"),
            (
                r#"{"name":"a","expires":"1d","expires_at":"2099-01-01"}"#,
                "expires",
            ),
            (r#"{"name":"a","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#, "id"),
            (r#"{"name":"a","hint":"abcd"}"#, "hint"),
            (r#"{"name":"a","revoked_at":null}"#, "revoked_at"),
            (r#"{"name":"a","secret":"bg-mine"}"#, "secret"),
            (r#"{"name":"a","owner":"a\u0007b"}"#, "owner"),
            (r#"{"name":"a","owner":"a\u202eb"}"#, "owner"),
            (r#"{"name":"a","owner":""}"#, "owner"),
            ("", ""),
            ("[]", ""),
            ("{", ""),
            (r#"{"name":"a"} {}"#, ""),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_team_is_refused_by_its_field() {
    are_refused(
        make::<TeamSpec>,
        &[
            (r#"{"name":"a","organisation":"none"}"#, "organisation"),
            (r#"{"name":"a","direct":true}"#, "direct"),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_budget_is_refused_by_its_field() {
    are_refused(
        make::<BudgetSpec>,
        &[
            (r#"{"name":"b","per":"day"}"#, "limit"),
            (r#"{"name":"b","limit":"5"}"#, "per"),
            (r#"{"name":"b","limit":"-5","per":"day"}"#, "limit"),
            (r#"{"name":"b","limit":"0","per":"day"}"#, "limit"),
            (r#"{"name":"b","limit":5,"per":"day"}"#, "limit"),
            (r#"{"name":"b","limit":"1e9","per":"day"}"#, "limit"),
            (
                r#"{"name":"b","limit":"99999999999999","per":"day"}"#,
                "limit",
            ),
            (
                r#"{"name":"b","limit":"0.0000000001","per":"day"}"#,
                "limit",
            ),
            (r#"{"name":"b","limit":"5 EUR","per":"day"}"#, "limit"),
            (r#"{"name":"b","limit":"5","per":"fortnight"}"#, "per"),
            (r#"{"name":"b","limit":"5","per":"run"}"#, "per"),
            (
                r#"{"name":"b","limit":"5","per":"day","on":"teem:x"}"#,
                "on",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","on":"team:none"}"#,
                "on",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","each":"day"}"#,
                "each",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","time_zone":"Mars/Olympus"}"#,
                "time_zone",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","time_zone":"../../etc/passwd"}"#,
                "time_zone",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","mode":"maybe"}"#,
                "mode",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","when_unbounded":"hope"}"#,
                "when_unbounded",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","alert_at":["101%"]}"#,
                "alert_at[0]",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","alert_at":["50%","-1%"]}"#,
                "alert_at[1]",
            ),
            (
                r#"{"name":"b","limit":"5","per":"day","hard":"yes"}"#,
                "hard",
            ),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_provider_is_refused_by_its_field() {
    are_refused(
        make::<ProviderSpec>,
        &[
            (r#"{"name":"p","base_url":"https://u:p@x"}"#, "base_url"),
            (
                r#"{"name":"p","base_url":"file:///etc/passwd"}"#,
                "base_url",
            ),
            (r#"{"name":"p","dialect":"smoke-signals"}"#, "dialect"),
            (r#"{"name":"p","auth":"basic"}"#, "auth"),
            (r#"{"name":"p","key":5}"#, "key"),
            (r#"{"name":"p","key":"a b"}"#, "key"),
            (r#"{"name":"p","keys":["a",""]}"#, "keys[1]"),
            (r#"{"name":"p","keys":"a"}"#, "keys"),
            (r#"{"name":"p","key":"a","keys":["b"]}"#, "key"),
            (r#"{"name":"p","stored_keys":3}"#, "stored_keys"),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_price_is_refused_by_its_field() {
    are_refused(
        make::<PriceSpec>,
        &[
            (r#"{"input":"1"}"#, "target"),
            (r#"{"target":"gpt","input":"1"}"#, "target"),
            (r#"{"target":"a/b"}"#, "input"),
            (r#"{"target":"a/b","input":"-1"}"#, "input"),
            (r#"{"target":"a/b","input":"2000000"}"#, "input"),
            (
                r#"{"target":"a/b","input":"1","from":"2026-02-01","until":"2026-01-01"}"#,
                "until",
            ),
            (r#"{"target":"a/b","input":"1","from":"yesterday"}"#, "from"),
            (
                r#"{"target":"a/b","input":"1","above_tokens":[{"n":9,"input":"1"},{"n":9,"input":"2"}]}"#,
                "above_tokens",
            ),
            (
                r#"{"target":"a/b","input":"1","above_tokens":[{"n":9},{"n":8}]}"#,
                "above_tokens",
            ),
            (r#"{"target":"a/b","input":"0.0000001"}"#, "input"),
        ],
    );
}

#[test]
fn a_change_is_held_to_the_same_rules_and_a_name_stays() {
    let (_dir, objects) = fresh();
    objects
        .create(
            &ada(),
            new::<BudgetSpec>(r#"{"name":"b","limit":"5","per":"day"}"#),
            NOW_MS,
        )
        .unwrap();
    for (json, field) in [
        (r#"{"name":"c"}"#, "name"),
        (r#"{"limit":null}"#, "limit"),
        (r#"{"limit":"-1"}"#, "limit"),
        (r#"{"on":"team:none"}"#, "on"),
        (r#"{"onn":"x"}"#, "onn"),
        (r#"{"id":"x"}"#, "id"),
    ] {
        let error = match Change::<BudgetSpec>::from_json(json.as_bytes(), NOW_MS) {
            Err(invalid) => Error::Invalid(invalid),
            Ok(change) => objects.change(&ada(), "b", &change, NOW_MS).unwrap_err(),
        };
        let Error::Invalid(invalid) = error else {
            panic!("{json}: {error}")
        };
        assert_eq!(invalid.field, field, "{json}");
    }
    assert_eq!(audit(&objects).len(), 1);
}

#[test]
fn a_name_is_given_once_for_each_kind() {
    let (_dir, objects) = fresh();
    objects
        .create(&ada(), new::<TeamSpec>(r#"{"name":"a"}"#), NOW_MS)
        .unwrap();
    let error = objects
        .create(&ada(), new::<TeamSpec>(r#"{"name":"a"}"#), NOW_MS)
        .unwrap_err();
    assert!(matches!(error, Error::Taken { .. }), "{error}");
    objects
        .create(&ada(), new::<UserSpec>(r#"{"name":"a"}"#), NOW_MS)
        .unwrap();
    objects
        .create(&ada(), new::<OrganisationSpec>(r#"{"name":"a"}"#), NOW_MS)
        .unwrap();
}

#[test]
fn sql_and_odd_characters_come_back_as_they_were() {
    let (_dir, objects) = fresh();
    for text in [
        SQL,
        "日本語 🎉 ümlaut",
        "\u{0301}combining",
        "\\\"'`;--",
        "%s%n{}${x}<script>",
    ] {
        let said = Some(text.to_owned());
        let name = format!("k{}", text.len());
        let spec = KeySpec {
            user: said.clone(),
            owner: said.clone(),
            cost_center: said.clone(),
            purpose: said.clone(),
            data_class: said.clone(),
            tags: [("app".to_owned(), text.to_owned())].into(),
            models: Some(vec![text.to_owned()]),
            passthrough: vec![text.to_owned()],
            ..KeySpec::default()
        };
        objects
            .create_key(&ada(), New::named(&name, spec.clone()), NOW_MS)
            .unwrap();
        let read: Object<KeySpec> = objects.get(&ada(), &name).unwrap();
        assert_eq!(read.spec, spec);
        for key in [text, "' OR 1=1 --"] {
            assert!(matches!(
                objects.get::<KeySpec>(&ada(), key),
                Err(Error::NotFound { .. })
            ));
            assert!(matches!(
                objects.delete::<KeySpec>(&ada(), key, NOW_MS),
                Err(Error::NotFound { .. })
            ));
        }
        let patch = serde_json::json!({ "owner": format!("{text}!") }).to_string();
        let changed = objects
            .change(&ada(), &name, &change::<KeySpec>(&patch), NOW_MS)
            .unwrap();
        assert_eq!(changed.spec.owner, Some(format!("{text}!")));
    }
    assert_eq!(objects.load().unwrap().keys.len(), 5);
}

#[test]
fn huge_values_are_refused_and_messages_stay_short() {
    let (_dir, objects) = fresh();
    let huge = "a".repeat(1 << 20);
    let body = format!(r#"{{"name":"a","owner":"{huge}"}}"#);
    assert!(New::<KeySpec>::from_json(body.as_bytes(), NOW_MS).is_err());
    let long = format!(r#"{{"name":"a","direct":"{}"}}"#, "b".repeat(100_000));
    let Err(wrong) = New::<KeySpec>::from_json(long.as_bytes(), NOW_MS) else {
        panic!("a text is no yes or no")
    };
    assert!(
        wrong.field == "direct" && wrong.message.len() < 300,
        "{wrong}"
    );
    let deep = format!(
        r#"{{"name":"a","tags":{}1{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert!(New::<KeySpec>::from_json(deep.as_bytes(), NOW_MS).is_err());
    assert!(audit(&objects).is_empty());
}

#[test]
fn huge_fields_are_refused_however_they_come() {
    let (_dir, objects) = fresh();
    let huge = "a".repeat(1 << 20);
    let specs = [
        (
            "owner",
            KeySpec {
                owner: Some(huge.clone()),
                ..KeySpec::default()
            },
        ),
        (
            "tags.a",
            KeySpec {
                tags: [("a".to_owned(), huge.clone())].into(),
                ..KeySpec::default()
            },
        ),
        (
            "models[0]",
            KeySpec {
                models: Some(vec![huge.clone()]),
                ..KeySpec::default()
            },
        ),
        (
            "models",
            KeySpec {
                models: Some((0..1000).map(|n| n.to_string()).collect()),
                ..KeySpec::default()
            },
        ),
        (
            "tags",
            KeySpec {
                tags: (0..100).map(|n| (n.to_string(), "x".to_owned())).collect(),
                ..KeySpec::default()
            },
        ),
    ];
    for (field, spec) in specs {
        let error = objects
            .create_key(&ada(), New::named("a", spec), NOW_MS)
            .err()
            .unwrap();
        let Error::Invalid(invalid) = error else {
            panic!("{error}")
        };
        assert!(
            invalid.field == field && invalid.message.len() < 300,
            "{invalid}"
        );
    }
    let error = objects
        .create_key(&ada(), New::named(&huge, KeySpec::default()), NOW_MS)
        .err()
        .unwrap();
    assert!(error.to_string().len() < 300);
    let error = objects.get::<KeySpec>(&ada(), &huge).unwrap_err();
    assert!(error.to_string().len() < 300);
    assert!(audit(&objects).is_empty());
}

#[test]
fn the_schemas_say_what_requests_may_hold() {
    let mut generator = schemars::SchemaGenerator::default();
    let made = new_schema::<KeySpec>(&mut generator);
    for field in ["name", "team", "limits", "expires", "expires_at"] {
        assert!(made["properties"].get(field).is_some(), "{field}: {made}");
    }
    assert_eq!(made["additionalProperties"], false);
    let changed = change_schema::<BudgetSpec>(&mut generator);
    assert!(changed.get("required").is_none() && changed["properties"].get("limit").is_some());
    let shown = object_schema::<ProviderSpec>(&mut generator);
    assert!(shown["properties"].get("stored_keys").is_some(), "{shown}");
    assert!(shown["properties"].get("keys").is_none(), "{shown}");
}

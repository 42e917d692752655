//! The document says what the router does, and every reference in it leads somewhere.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kit::Bed;

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let ("$ref", Value::String(target)) = (name.as_str(), value) {
                    found.push(target);
                }
                references(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let bed = Bed::start();
    let document = bed.good("GET", "/openapi.json", "").await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for target in found {
        let pointer = target
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{target}"));
        assert!(
            document.pointer(pointer).is_some_and(Value::is_object),
            "{target}"
        );
    }
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_document_and_the_router_have_the_same_functions() {
    let bed = Bed::start();
    let document = bed.good("GET", "/openapi.json", "").await;
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            described.insert((method.to_ascii_uppercase(), path.clone()));
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands there twice");
            let mut names = BTreeSet::new();
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                assert!(names.insert(name), "{id}: {name}");
                assert!(parameter["schema"]["type"].is_string(), "{id}: {parameter}");
                assert!(
                    !parameter["description"].as_str().unwrap().is_empty(),
                    "{id}: {name}"
                );
            }
            assert_eq!(path.contains("{id}"), names.contains("id"), "{path}");
            assert!(operation["responses"]["default"].is_object(), "{id}");
            let takes_body = ["post", "patch"].contains(&method.as_str());
            assert_eq!(takes_body, operation.get("requestBody").is_some(), "{id}");
        }
    }
    let routed: BTreeSet<(String, String)> = bed
        .table
        .rows
        .iter()
        .map(|row| (row.method.to_string(), format!("/admin/v1{}", row.path)))
        .collect();
    assert_eq!(described, routed);
    for (method, path) in &routed {
        let target = path.replace("{id}", "nothing");
        let said = bed.send(method, &target, "", b"").await;
        assert_eq!(
            said.status, 401,
            "{method} {path} is there and wants the token"
        );
    }
}

#[tokio::test]
async fn what_is_promised_is_there() {
    let table = admin::routes();
    let has = |method: &str, path: &str| {
        let row = table
            .rows
            .iter()
            .find(|row| row.method == method && row.path == path);
        assert!(row.is_some(), "{method} {path}");
    };
    for kind in [
        "/keys",
        "/teams",
        "/users",
        "/organisations",
        "/budgets",
        "/providers",
        "/prices",
    ] {
        has("GET", kind);
        has("POST", kind);
        for method in ["GET", "PATCH", "DELETE"] {
            has(method, &format!("{kind}/{{id}}"));
        }
    }
    has("POST", "/keys/{id}/rotate");
    for path in [
        "/spend",
        "/exchanges",
        "/exchanges/{id}",
        "/ledger",
        "/targets",
        "/models",
        "/paths",
        "/config",
        "/config/revisions",
        "/audit",
    ] {
        has("GET", path);
    }
    for path in ["/explain", "/query", "/reload"] {
        has("POST", path);
    }
}

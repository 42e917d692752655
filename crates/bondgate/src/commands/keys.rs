//! `bondgate keys`: virtual keys, made, listed, rotated and revoked.
//!
//! A secret is printed once, to stdout, where the key is made or rotated; it is kept nowhere
//! and is part of no message.

use serde_json::{Map, Value, json};
use store::objects::Moment;

use super::answers::{self, Column};
use super::{now_ms, print, tell_empty};
use crate::cli::Format;
use crate::cli::operate::{KeysAction, KeysCreate, KeysList, KeysOne, KeysOptions, KeysRotate};
use crate::client::Client;

const LIST: [Column; 20] = [
    Column::text("NAME", "name"),
    Column::text("TEAM", "team"),
    Column::text("OWNER", "owner"),
    Column::text("MODELS", "models"),
    Column::time("CREATED", "created_at"),
    Column::time("EXPIRES", "expires_at"),
    Column::time("REVOKED", "revoked_at"),
    Column::text("ENDS IN", "hint"),
    Column::text("FROM", "source"),
    Column::more("id"),
    Column::more("organisation"),
    Column::more("user"),
    Column::more("cost_center"),
    Column::more("purpose"),
    Column::more("tags"),
    Column::more("direct"),
    Column::more("passthrough"),
    Column::more("limits"),
    Column::more("previous_valid_until"),
    Column::more("created_by"),
];

/// Does what is said with keys.
///
/// # Errors
/// Where the gateway cannot be asked, or refuses.
pub(super) fn run(options: &KeysOptions) -> anyhow::Result<()> {
    match &options.action {
        KeysAction::Create(options) => create(options),
        KeysAction::List(options) => list(options),
        KeysAction::Show(options) => show(options),
        KeysAction::Revoke(options) => revoke(options),
        KeysAction::Rotate(options) => rotate(options),
    }
}

fn create(options: &KeysCreate) -> anyhow::Result<()> {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(options.name));
    let mut say = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    say("team", options.team.as_ref().map(|team| json!(team)));
    say("owner", options.owner.as_ref().map(|owner| json!(owner)));
    say(
        "models",
        options.models.as_ref().map(|models| json!(models)),
    );
    let until = options.expires.as_ref().map(|when| when.ahead(now_ms()));
    say("expires_at", until.map(|ms| json!(Moment(ms).to_string())));
    let tags = options.tags.iter();
    let tags: Map<_, _> = tags
        .map(|tag| (tag.name.clone(), json!(tag.value)))
        .collect();
    say("tags", (!tags.is_empty()).then_some(Value::Object(tags)));
    let made = Client::open(&options.admin)?.post("/keys", &Value::Object(body))?;
    print_secret(made, options.format)
}

fn list(options: &KeysList) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    let team = options.team.iter().map(|team| ("team", team.clone()));
    let most = options.limit.and_then(|most| usize::try_from(most).ok());
    let keys = client.list("/keys", &team.collect::<Vec<_>>(), most)?;
    tell_empty(
        &keys.items,
        "there are no keys · make one with `bondgate keys create --name …`",
    );
    print(&answers::render(&keys.items, &LIST, options.format))
}

fn show(options: &KeysOne) -> anyhow::Result<()> {
    let key = Client::open(&options.admin)?.get_one("/keys", &options.key)?;
    print_one(key, options.format)
}

fn revoke(options: &KeysOne) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    let key = client.act("/keys", &options.key, "revoke", &json!({}))?;
    print_one(key, options.format)
}

fn rotate(options: &KeysRotate) -> anyhow::Result<()> {
    let client = Client::open(&options.admin)?;
    let grace = options
        .grace
        .as_ref()
        .map(|grace| json!({ "grace": grace }));
    let body = grace.unwrap_or_else(|| json!({}));
    let made = client.act("/keys", &options.key, "rotate", &body)?;
    print_secret(made, options.format)
}

fn print_one(key: Value, format: Format) -> anyhow::Result<()> {
    print(&match format {
        Format::Table => answers::card(&key, &LIST),
        Format::Csv => answers::csv(&[key], &LIST),
        Format::Json => answers::json(&key),
    })
}

/// A key with its secret: in tables the secret alone on the last line, as it is.
fn print_secret(mut key: Value, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print(&answers::json(&key)),
        Format::Table => {
            let secret = key.as_object_mut().and_then(|key| key.remove("secret"));
            let secret = secret.unwrap_or_default();
            let secret = secret.as_str().unwrap_or_default();
            print(&format!("{}\n{secret}\n", answers::card(&key, &LIST)))
        }
        Format::Csv => {
            let columns = [
                Column::text("", "id"),
                Column::text("", "name"),
                Column::text("", "secret"),
            ];
            print(&answers::csv(&[key], &columns))
        }
    }
}

//! Configurations that are good: what becomes of them.

use std::time::Duration;

use bondgate::config::{check, revision, snapshot};
use dialect::Dialect;
use policy::model::{Balance, Recovery};
use policy::price::Kind;
use policy::provider::Auth;
use store::keys::KeyHasher;

use crate::kit::{GOOD, Written};

/// The contract's example, without what is not available yet: a certificate that is read,
/// `bedrock-eu`, data classes and `residency`.
const CONTRACT: &str = r#"
listen: 127.0.0.1:4000
admin:  { listen: 127.0.0.1:4001, token: "${BONDGATE_ADMIN_TOKEN}" }
data:   ./bondgate-data
store:  sqlite
shared: none
secrets: { master_key: "${file:master}" }
durability: process
memory: 512MiB
upstream: { proxy: "${HTTPS_PROXY:-}", ca: extra.pem }

providers:
  openai:     { key: "${OPENAI_API_KEY}" }
  anthropic:  { keys: ["${ANTHROPIC_A}", "${ANTHROPIC_B}"] }
  local:      { base_url: http://127.0.0.1:8000/v1, dialect: openai-chat, key: none }
  gemini:     { key: abc }

models:
  fast-summary:
    description: Summaries for internal tools
    targets:
      - openai/gpt-5-mini
      - { target: anthropic/claude-haiku-4-5, weight: 1, priority: 2 }
    balance: weighted
    fallback: { failure: [local/llama-3], context_window: [gemini/gemini-2.5-pro], content_policy: [local/llama-3] }
  smart: { alias: fast-summary }

defaults: {}
require_tags: [app, use_case]

teams:
  support: { owner: "ops@example.com", cost_center: "4711", models: [fast-summary], limits: { requests: 600/min, tokens: 200000/min, concurrent: 20 } }
users: {}
organisations: {}
keys:
  support-bot: { team: support, secret: "${SUPPORT_BOT_KEY}", tags: { app: helpdesk, use_case: triage }, models: [fast-summary], may_set: [user], passthrough: [] }
budgets:
  company:  { limit: 20000 USD, per: month, time_zone: Europe/Paris, alert_at: [50%, 80%, 100%] }
  support:  { on: team:support, limit: 500 USD, per: month, when_unbounded: clamp }
  per-user: { on: key:support-bot, each: user, limit: 5 USD, per: day }
  per-run:  { each: run, limit: 2 USD, per: run }
prices:
  - { target: local/llama-3, input: 0 USD, output: 0 USD }
"#;

fn contract() -> Written {
    let written = Written::new(CONTRACT)
        .with("BONDGATE_ADMIN_TOKEN", "0123456789abcdef")
        .with("OPENAI_API_KEY", "sk-openai")
        .with("ANTHROPIC_A", "sk-a")
        .with("ANTHROPIC_B", "sk-b")
        .with("SUPPORT_BOT_KEY", "sixteen-or-more-characters");
    written.write("master", "a-master-key-of-some-length\n");
    written.write("extra.pem", "");
    written
}

#[test]
fn the_documented_example_is_accepted_and_means_what_it_says() {
    let written = contract();
    let loaded = written.check().unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.files.iter().any(|file| file.ends_with("master")));
    let config = loaded.config;
    let model = &config.models["fast-summary"];
    let names: Vec<String> = model
        .targets
        .iter()
        .map(|target| target.name().to_string())
        .collect();
    assert_eq!(names, ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]);
    assert_eq!(
        (model.balance, model.targets[1].priority),
        (Balance::Weighted, 2)
    );
    assert_eq!(&**model.fallback.failure[0].name(), "local/llama-3");
    assert_eq!(
        &**model.fallback.context_window[0].name(),
        "gemini/gemini-2.5-pro"
    );
    assert_eq!(model.recovery, Recovery::Restart);
    assert_eq!(&*config.models["smart"].name, "fast-summary");
    assert_eq!(config.providers["anthropic"].keys.len(), 2);
    assert_eq!(
        config.providers["anthropic"].dialect,
        Dialect::AnthropicMessages
    );
    assert_eq!(config.providers["local"].auth, Auth::None);
    assert_eq!(config.prices[0].rates.get(Kind::Input), Some(0));
    assert_eq!(config.memory, 512 << 20);
    assert!(config.upstream.proxy.is_none());
    assert!(config.data.ends_with("bondgate-data"));
}

#[test]
fn the_example_of_the_repository_is_accepted() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let env = |_: &str| None;
    let path = std::path::PathBuf::from(root).join("bondgate.example.yaml");
    let overrides = bondgate::config::Overrides::default();
    let loaded = bondgate::config::load(&path, &overrides, &env, bondgate::config::Mode::Offline);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    assert!(loaded.config.models.len() > 1);
}

#[test]
fn every_setting_has_its_line_in_the_example() {
    let example = include_str!("../../../../bondgate.example.yaml");
    let schema = check::schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    for object in definitions.chain([&schema]) {
        for name in object["properties"].as_object().unwrap().keys() {
            assert!(
                example.contains(&format!("{name}:")),
                "`{name}` is not in the example"
            );
        }
    }
}

#[test]
fn a_bare_host_stands_for_its_versioned_root() {
    let base_of = |url: &str, dialect: &str| {
        let text = format!("providers: {{ p: {{ base_url: \"{url}\", dialect: {dialect} }} }}");
        Written::new(&text).check().unwrap().config.providers["p"]
            .base_path
            .clone()
    };
    let base = |url| base_of(url, "openai-chat");
    assert_eq!(base("https://api.example.com"), "/v1");
    assert_eq!(base("https://api.example.com/"), "/v1");
    assert_eq!(base("https://api.example.com/v1/"), "/v1");
    assert_eq!(base("https://api.example.com/openai/v2"), "/openai/v2");
    for (dialect, root) in [
        ("openai-responses", "/v1"),
        ("anthropic-messages", "/v1"),
        ("gemini", "/v1beta"),
        ("cohere", "/v2"),
        ("bedrock-converse", ""),
    ] {
        assert_eq!(base_of("https://api.example.com", dialect), root);
        assert_eq!(base_of("https://api.example.com/x", dialect), "/x");
    }
}

#[test]
fn a_key_is_bound_to_the_origin_of_its_provider() {
    let text = "providers: { openai: { key: sk-real, base_url: \"https://mirror.example/v1\" } }";
    let config = Written::new(text).check().unwrap().config;
    let provider = &config.providers["openai"];
    assert_eq!(
        provider.keys[0].reveal_for(&provider.origin),
        Some("sk-real")
    );
    let elsewhere = policy::origin::BaseUrl::parse("https://api.openai.com/v1")
        .unwrap()
        .origin;
    assert_eq!(provider.keys[0].reveal_for(&elsewhere), None);
}

#[test]
fn a_model_says_only_what_differs_from_the_defaults() {
    let text = format!(
        "defaults: {{ timeouts: {{ connect: 1s, total: 10m }}, recovery: off }}\n{}",
        GOOD.replace("[local/small]", "[local/small], timeouts: { total: 1m }")
    );
    let config = Written::new(&text).check().unwrap().config;
    let timeouts = config.models["fast"].timeouts;
    assert_eq!(timeouts.connect, Duration::from_secs(1));
    assert_eq!(timeouts.total, Duration::from_secs(60));
    assert_eq!(config.models["fast"].recovery, Recovery::Off);
    assert_eq!(config.defaults.timeouts.total, Duration::from_secs(600));
}

#[test]
fn names_stay_text_whatever_they_look_like() {
    let text = "providers: { no: { base_url: http://h, dialect: openai-chat } }
models: { 007: { targets: [no/1.0] }, yes: { alias: 007 } }";
    let config = Written::new(text).check().unwrap().config;
    assert_eq!(&**config.models["007"].targets[0].name(), "no/1.0");
    assert_eq!(&*config.models["yes"].name, "007");
}

#[test]
fn an_empty_file_is_a_configuration_with_warnings() {
    for text in ["", "# nothing\n", "keys:\nproviders:\n"] {
        let loaded = Written::new(text).check().unwrap();
        assert_eq!(loaded.warnings.len(), 2, "{text:?}");
    }
}

#[test]
fn a_snapshot_finds_keys_by_hash_and_holds_no_secret_of_theirs() {
    let hasher = KeyHasher::new(b"master");
    let config = Written::new(GOOD).check().unwrap().config;
    let snapshot = snapshot(&config, &hasher);
    assert_eq!(
        &*snapshot.keys[&hasher.hash("0123456789abcdef")].name,
        "app"
    );
    assert_eq!(*snapshot.revision, *revision(&config, &hasher));
    assert_eq!(snapshot.max_body, 32 << 20);
}

#[test]
fn a_revision_changes_with_any_setting_and_any_secret_and_with_nothing_else() {
    let hasher = KeyHasher::new(b"master");
    let of = |text: &str| revision(&Written::new(text).check().unwrap().config, &hasher);
    let good = of(GOOD);
    assert_eq!(good.len(), 16);
    assert!(good.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(good, of(&format!("# a comment\n{GOOD}")));
    assert_ne!(
        good,
        of(&GOOD.replace("0123456789abcdef", "0123456789abcdeX"))
    );
    assert_ne!(good, of(&GOOD.replace("small", "large")));
    assert_ne!(
        good,
        revision(
            &Written::new(GOOD).check().unwrap().config,
            &KeyHasher::new(b"other")
        )
    );
}

#[test]
fn the_schema_lists_what_is_accepted_and_what_is_not_yet() {
    let schema = check::schema();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["providers"].is_object());
    let not_yet = schema["x-not-yet"].as_array().unwrap();
    assert!(not_yet.iter().any(|name| name == "guardrails"));
    let text = schema.to_string();
    assert!(text.contains("anthropic-messages"), "{text}");
}

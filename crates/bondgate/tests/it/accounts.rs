//! Teams, keys, limits and budgets of a configuration: what becomes of them, and how objects
//! made at run time are laid beside them.

use std::sync::Arc;

use bondgate::config::{Config, Durability, snapshot, zero_config};
use policy::limit::{Each, Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::money::Nanos;
use policy::price::{Kind, Tier};
use policy::snapshot::{About, Snapshot};
use store::keys::KeyHasher;
use store::objects::{FileObjects, Moment};

use crate::kit::Written;

const ACCOUNTS: &str = r#"
durability: power
providers:
  local: { base_url: "http://127.0.0.1:8000/v1", dialect: openai-chat, key: none, ceiling: 0.5 USD }
models:
  fast: { targets: [local/small], ceiling: 0.1 USD }
  slow: { targets: [local/large] }
defaults: { ceiling: 2 USD }
require_tags: [app]
organisations:
  acme: { models: [fast, slow], tags: { app: acme, region: eu }, limits: { concurrent: 50 } }
teams:
  support:
    organisation: acme
    owner: ops@example.com
    cost_center: "4711"
    purpose: answering
    expires: 2099-12-31
    models: [fast]
    tags: { app: helpdesk }
    limits: { requests: 600/min, tokens: 200000/hour, mode: report }
users:
  ada: { limits: { requests: 10/day } }
keys:
  bot:
    secret: 0123456789abcdef
    team: support
    user: ada
    tags: { use_case: triage }
    may_set: [user, priority, tag:run_kind]
    limits: { concurrent: 5 }
budgets:
  company: { limit: 20000 USD, per: month, time_zone: Europe/Paris, alert_at: [50%, 80%, 100%] }
  support: { on: team:support, limit: 500.25 USD, per: quarter, when_unbounded: refuse, mode: report }
  per-user: { on: key:bot, each: user, limit: 5 USD, per: day, hard: false }
  per-run: { each: run, limit: 2 USD, per: run }
prices:
  - target: local/small
    discount: 12.5%
    input: 1 USD
    tier: { batch: { input: 0.5 USD } }
alerts: { webhook: "https://hooks.example/a", secret: fedcba9876543210, slack: "https://slack.example/x" }
"#;

fn config() -> Config {
    let loaded = Written::new(ACCOUNTS).check().unwrap();
    assert_eq!(loaded.warnings, []);
    loaded.config
}

fn hasher() -> KeyHasher {
    KeyHasher::new(b"master")
}

fn limit<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Limit {
    let found = snapshot.limits.iter().find(|limit| *limit.name == *name);
    found.unwrap_or_else(|| panic!("there is no limit {name}"))
}

#[test]
fn a_key_knows_its_team_organisation_user_and_tags() {
    let snapshot = snapshot(&config(), &hasher());
    let key = &snapshot.keys[&hasher().hash("0123456789abcdef")];
    let team = key.team.as_ref().unwrap();
    assert_eq!(&*team.name, "support");
    let end_ms = 4_102_358_400_000;
    assert_eq!(team.expires_ms, Some(end_ms));
    assert!(key.is_current(end_ms - 1) && !key.is_current(end_ms));
    let shown = FileObjects::of(&snapshot).teams;
    assert_eq!(shown[0].spec.expires_at, Some(Moment(end_ms)));
    assert_eq!(&*key.organisation().unwrap().name, "acme");
    assert_eq!(key.user.as_deref(), Some("ada"));
    assert_eq!(key.tags, [("use_case".into(), "triage".into())]);
    assert!(key.may_set.user && key.may_set.priority && !key.may_set.tags);
    assert!(key.may_set.tag("run_kind") && !key.may_set.tag("app"));
    assert!(
        key.may_call("fast") && !key.may_call("slow"),
        "the team allows `fast` only"
    );
    assert_eq!(snapshot.require_tags, [Arc::from("app")]);
    let about = About {
        owner: Some("ops@example.com".to_owned()),
        cost_center: Some("4711".to_owned()),
        purpose: Some("answering".to_owned()),
    };
    assert_eq!(snapshot.about["team:support"], about);
    assert_eq!(snapshot.about.len(), 1);
}

#[test]
fn limits_at_objects_are_named_by_scope_and_resource() {
    let snapshot = snapshot(&config(), &hasher());
    let mut names: Vec<&str> = snapshot.limits.iter().map(|limit| &*limit.name).collect();
    names.sort_unstable();
    let expected = [
        "company",
        "key:bot concurrent",
        "organisation:acme concurrent",
        "per-run",
        "per-user",
        "support",
        "team:support requests",
        "team:support tokens",
        "user:ada requests",
    ];
    assert_eq!(names, expected);
    let requests = limit(&snapshot, "team:support requests");
    assert_eq!(
        (requests.resource, requests.amount, requests.period),
        (Resource::Requests, 600, Period::Minute)
    );
    assert_eq!(requests.scope, Scope::Team("support".into()));
    assert!(!requests.refuses(), "it only reports");
    let tokens = limit(&snapshot, "team:support tokens");
    assert_eq!((tokens.amount, tokens.period), (200_000, Period::Hour));
    assert_eq!(limit(&snapshot, "key:bot concurrent").amount, 5);
}

#[test]
fn budgets_mean_what_they_say() {
    let snapshot = snapshot(&config(), &hasher());
    let company = limit(&snapshot, "company");
    assert_eq!(company.scope, Scope::Everything);
    assert_eq!(company.amount, 20_000_000_000_000);
    assert_eq!(company.time_zone.iana_name(), Some("Europe/Paris"));
    assert_eq!(company.alert_at_percent, [50, 80, 100]);
    assert_eq!(company.when_unbounded, WhenUnbounded::Clamp);
    assert!(company.refuses());
    let support = limit(&snapshot, "support");
    assert_eq!(support.amount, 500_250_000_000);
    assert_eq!(support.when_unbounded, WhenUnbounded::Refuse);
    assert_eq!((support.mode, support.refuses()), (Mode::Report, false));
    let per_user = limit(&snapshot, "per-user");
    assert_eq!(per_user.scope, Scope::Key("bot".into()));
    assert_eq!((&per_user.each, per_user.hard), (&Some(Each::User), false));
    let per_run = limit(&snapshot, "per-run");
    assert_eq!(
        (&per_run.each, per_run.period),
        (&Some(Each::Run), Period::Run)
    );
}

#[test]
fn ceilings_prices_alerts_and_durability_are_kept() {
    let config = config();
    assert_eq!(config.durability, Durability::Power);
    assert_eq!(
        config.ceilings.of("fast", "local"),
        Some(Nanos(100_000_000))
    );
    assert_eq!(
        config.ceilings.of("slow", "local"),
        Some(Nanos(500_000_000))
    );
    assert_eq!(
        config.ceilings.of("slow", "else"),
        Some(Nanos(2_000_000_000))
    );
    let price = &config.prices[0];
    assert_eq!((&*price.provider, &*price.model), ("local", "small"));
    assert_eq!(price.discount_basis_points, 1_250);
    let (tier, schedule) = &price.tiers[0];
    assert_eq!(*tier, Tier::Batch);
    assert_eq!(schedule.at(1).get(Kind::Input), Some(500_000));
    let webhook = config.alerts.webhook.as_ref().unwrap();
    assert_eq!(webhook.url.reveal(), "https://hooks.example/a");
    assert_eq!(webhook.secret.reveal(), "fedcba9876543210");
    assert!(config.alerts.slack.is_some());
}

#[test]
fn a_time_zone_is_read_whatever_its_case() {
    let text = ACCOUNTS.replace("Europe/Paris", "europe/paris");
    let config = Written::new(&text).check().unwrap().config;
    let company = config.limits.iter().find(|limit| &*limit.name == "company");
    let zone = &company.unwrap().time_zone;
    assert_eq!(zone.iana_name(), Some("Europe/Paris"));
}

#[test]
fn without_a_file_the_key_has_a_hard_budget_of_five_dollars_a_day() {
    let config = zero_config(&|_| None, "http://127.0.0.1:5555");
    let snapshot = snapshot(&config, &hasher());
    let budget = limit(&snapshot, "default");
    assert_eq!(budget.scope, Scope::Key("default".into()));
    assert_eq!(
        (budget.resource, budget.amount),
        (Resource::Money, 5_000_000_000)
    );
    assert_eq!(budget.period, Period::Day);
    assert!(budget.refuses());
    // Else the budget would refuse the simulated provider, which nobody sells.
    assert_eq!(config.ceilings.of("sim/echo", "sim"), Some(Nanos::ZERO));
    let book = snapshot.prices.as_ref().unwrap();
    assert!(book.find("sim", "", "echo", 0).is_some());
}

#[test]
fn the_files_prices_come_before_the_houses() {
    let text = "
providers: { mine: { provider: openai, key: abc }, openai: { key: abc } }
prices: [{ target: mine/gpt-4o, input: 0.000001 USD }]
";
    let config = Written::new(text).check().unwrap().config;
    assert_eq!(config.providers["mine"].catalogue_id, "openai");
    let snapshot = snapshot(&config, &hasher());
    let book = snapshot.prices.as_ref().unwrap();
    let input = |provider: &str| {
        let row = book.find(provider, "openai", "gpt-4o", 1_790_000_000_000);
        row.unwrap().rates.get(Kind::Input)
    };
    assert_eq!(input("mine"), Some(1));
    assert!(input("openai") > Some(1));
}

const KEY: &str = "keys: { k: { secret: 0123456789abcdef, team: t } }\n";

/// What is warned of in a configuration with these lines.
fn warnings(text: &str) -> Vec<String> {
    let good = "
providers:
  local: { base_url: \"http://h\", dialect: openai-chat }
  openai: { key: abc }
models:
  free: { targets: [openai/gpt-5-mini] }
  own: { targets: [local/a], fallback: { failure: [local/b] } }
teams: { t: { models: [free] } }
";
    let loaded = Written::new(&format!("{text}{good}")).check().unwrap();
    let mut lines = loaded.warnings.iter().map(|warning| warning.line(None));
    lines.by_ref().collect()
}

#[test]
fn a_hard_budget_over_targets_without_a_price_is_warned_of() {
    let of = |budget: &str| {
        warnings(&format!(
            "budgets: {{ b: {{ {budget}, limit: 1 USD, per: day }} }}\n{KEY}"
        ))
    };
    let said = of("each: key");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("budget `b` is hard and `local/a`, `local/b` have no price"));
    for harmless in [
        "hard: false",
        "mode: report",
        "on: team:t",
        "on: key:k",
        "on: model:free",
        "on: provider:openai",
    ] {
        assert_eq!(of(harmless), [""; 0], "{harmless}");
    }
    for reaching in ["on: model:own", "on: provider:local", "on: tag:a=b"] {
        assert_eq!(of(reaching).len(), 1, "{reaching}");
    }
    let known = "prices: [{ target: local/a, input: 0 USD }, { target: local/b, input: 0 USD }]\n";
    let ceiling = "defaults: { ceiling: 1 USD }\n";
    for mended in [known, ceiling] {
        let text = format!("budgets: {{ b: {{ limit: 1 USD, per: day }} }}\n{KEY}{mended}");
        assert_eq!(warnings(&text), [""; 0], "{mended}");
    }
}

#[test]
fn required_tags_that_cannot_be_had_are_warned_of() {
    let none = warnings(&format!("require_tags: [app]\n{KEY}"));
    assert_eq!(none.len(), 1);
    assert!(
        none[0].contains("no key carries or may set the required tag `app`"),
        "{none:?}"
    );
    let two = "keys:\n  k: { secret: 0123456789abcdef, may_set: [tag:app] }\n  l: { secret: 0123456789abcdeX }\n";
    let one = warnings(&format!("require_tags: [app]\n{two}"));
    assert_eq!(one.len(), 1);
    assert!(one[0].starts_with("key `l` neither carries"), "{one:?}");
}

#[test]
fn a_model_that_a_keys_team_does_not_allow_is_warned_of() {
    let key = "keys: { k: { secret: 0123456789abcdef, team: t, models: [free, own] } }\n";
    let said = warnings(key);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("key `k` names `own`"), "{said:?}");
}

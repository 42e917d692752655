//! Which price holds: names, dates, overrides, and data that cannot be read.

use dialect::chat::Usage;
use policy::price::{Given, PriceBook, PriceRow, Source, Stored, Tier};

use super::{given, today_ms, usage, usd};

const HEADER: &str = r#"{"format":1,"date":"2026-11-21","unit":"","sources":[]}"#;

fn book(lines: &[&str]) -> PriceBook {
    PriceBook::parse(&format!("{HEADER}\n{}", lines.join("\n"))).unwrap()
}

fn built_in(catalogue_id: &str, model: &str) -> Option<std::sync::Arc<PriceRow>> {
    let book = PriceBook::built_in().unwrap();
    book.find("mine", catalogue_id, model, today_ms())
}

#[test]
fn the_built_in_data_prices_the_usual_models() {
    let row = built_in("openai", "gpt-4o-mini").unwrap();
    assert_eq!(row.rates.input, Some(150_000));
    assert_eq!(row.rates.cache_read, Some(75_000));
    assert_eq!(row.rates.output, Some(600_000));
    let row = built_in("anthropic", "claude-haiku-4-5").unwrap();
    assert_eq!(row.rates.input, Some(1_000_000));
    assert_eq!(row.rates.cache_write, Some(1_250_000));
    assert_eq!(row.rates.cache_write_1h, Some(2_000_000));
    assert_eq!(row.rates.output, Some(5_000_000));
    assert!(row.max_output_tokens.is_some());
    let row = built_in("gemini", "gemini-2.5-pro").unwrap();
    assert_eq!(row.above.first().map(|step| step.n), Some(200_000));
}

#[test]
fn every_built_in_price_has_an_id_a_source_and_an_input() {
    let book = PriceBook::built_in().unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for row in book.rows() {
        let name = format!("{}/{}", row.provider, row.model);
        assert!(ids.insert(&row.id), "{name}: {} stands twice", row.id);
        assert!(row.id.starts_with(row.source.name()), "{name}");
        assert_ne!(row.source, Source::Configuration, "{name}");
        let rates = &row.rates;
        let beside = rates.image.or(rates.character).or(rates.second);
        let priced = rates.input.or(rates.request).or(beside).is_some();
        assert!(priced, "{name} has no price for input");
    }
    assert!(ids.len() > 1_000);
}

#[test]
fn an_anthropic_price_knows_what_writing_to_the_cache_costs() {
    let book = PriceBook::built_in().unwrap();
    let rows = book.rows().filter(|row| &*row.provider == "anthropic");
    for row in rows.filter(|row| row.model.contains("-4-") || row.model.contains("-5")) {
        assert!(row.rates.cache_write > row.rates.input, "{}", row.model);
        assert!(
            row.rates.cache_write_1h > row.rates.cache_write,
            "{}",
            row.model
        );
    }
}

#[test]
fn a_version_of_a_model_is_priced_where_its_provider_says_so_and_no_other_name_is() {
    let same = |id, one, other| {
        let row = built_in(id, one).unwrap_or_else(|| panic!("{one} has no price"));
        assert_eq!(row.id, built_in(id, other).unwrap().id, "{one} {other}");
    };
    same("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5");
    same("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini");
    same("gemini", "models/gemini-2.5-flash", "gemini-2.5-flash");
    let old = built_in("openai", "gpt-4o-2024-05-13").unwrap();
    assert_ne!(old.id, built_in("openai", "gpt-4o").unwrap().id);
    for (id, name) in [
        ("openai", "gpt-4o-mini-2099"),
        ("openai", "gpt-4o-minimal"),
        ("openai", "GPT-4o"),
        ("anthropic", "claude-haiku-4-9"),
        ("anthropic", "claude-haiku-4-5-turbo"),
        ("anthropic", ""),
        ("nobody", "gpt-4o"),
        ("", "gpt-4o"),
        ("llama-cpp", "gpt-4o"),
    ] {
        assert!(built_in(id, name).is_none(), "{id}/{name}");
    }
}

#[test]
fn a_fine_tuned_model_has_its_own_price_or_none() {
    let tuned = built_in("openai", "ft:gpt-4o-mini-2024-07-18:acme::7p4lURel").unwrap();
    assert_eq!(tuned.rates.input, Some(300_000));
    assert!(built_in("openai", "ft:gpt-9:acme::7p4lURel").is_none());
    assert!(built_in("openai", "ft:gpt-5-mini:acme::7p4lURel").is_none());
}

#[test]
fn a_region_has_its_own_price_where_the_provider_asks_more_for_it() {
    let named = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let eu = built_in("bedrock", named).unwrap();
    let global = built_in(
        "bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    )
    .unwrap();
    assert!(eu.rates.input > global.rates.input);
    let arn = format!("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/{named}");
    assert_eq!(built_in("bedrock", &arn).unwrap().id, eu.id);
    let hidden = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc";
    assert!(built_in("bedrock", hidden).is_none());
}

#[test]
fn names_of_regions_and_versions_are_rules_of_the_data() {
    let book = book(&[
        r#"{"provider":"b","models":["v.m-1:0"],"regional":["v.m"],"rates":{"input":1},"source":"litellm"}"#,
        r#"{"provider":"b","models":["jp.v.m-v1:0"],"dated":["jp.v.m"],"rates":{"input":2},"source":"litellm"}"#,
    ]);
    let input = |name| book.find("p", "b", name, 0).and_then(|row| row.rates.input);
    assert_eq!(input("us.v.m-v1:0"), Some(1));
    assert_eq!(input("jp.v.m-20260101-v1:0"), Some(2));
    assert_eq!(input("v.m-1:0"), Some(1));
    assert_eq!(input("moon.v.m-v1:0"), None);
    assert_eq!(input("us.v.m-large"), None);
}

#[test]
fn a_price_holds_from_its_first_moment_until_before_its_last() {
    let book = book(&[
        r#"{"provider":"p","models":["m"],"until":"2026-01-01","rates":{"input":1},"source":"litellm"}"#,
        r#"{"provider":"p","models":["m"],"from":"2026-01-01","rates":{"input":2},"source":"litellm"}"#,
    ]);
    let at = |ms| book.find("x", "p", "m", ms).unwrap().rates.input;
    let start = 1_767_225_600_000;
    assert_eq!((at(start - 1), at(start)), (Some(1), Some(2)));
}

#[test]
fn a_price_of_the_configuration_wins_while_it_holds() {
    let mut old = given(&[("input", "1")]);
    (old.provider, old.model) = ("mine".into(), "gpt-4o".into());
    let mut new = old.clone();
    (old.until_ms, new.from_ms) = (Some(2_000), Some(1_000));
    new.until_ms = Some(3_000);
    new.rates.input = Some(7);
    let book = PriceBook::built_in().unwrap().with(vec![old, new]);
    let at = |name, ms| book.find(name, "openai", "gpt-4o", ms).unwrap();
    assert_eq!(at("mine", 0).rates.input, Some(1_000_000));
    assert_eq!(at("mine", 1_500).rates.input, Some(7));
    assert_eq!(at("mine", 1_500).source, Source::Configuration);
    assert_ne!(at("mine", 3_000).source, Source::Configuration);
    assert_ne!(at("other", 1_500).source, Source::Configuration);
    assert!(book.find("mine", "", "gpt-4o-mini", 0).is_none());
    assert_eq!(
        book.rows().count(),
        PriceBook::built_in().unwrap().rows().count() + 2
    );
}

#[test]
fn a_usage_is_rated_anew_by_another_book() {
    let usage = Usage {
        cache_read: 1_000,
        ..usage(1_000, 100)
    };
    let stored = Stored {
        provider_name: "p",
        catalogue_id: "openai",
        model: "m",
        at_ms: 0,
        usage: &usage,
        tier: Some(Tier::Flex),
        requests: 1,
    };
    let book = PriceBook::built_in().unwrap();
    assert!(book.rerate(&stored).is_none());
    let row = PriceRow::from_per_million(&Given {
        provider: "p",
        model: "m",
        rates: [
            ("input", usd("1")),
            ("cache_read", usd("0.1")),
            ("output", usd("2")),
        ]
        .into(),
        ..Given::default()
    })
    .unwrap();
    let book = book.with(vec![row.clone()]);
    let (by, cost) = book.rerate(&stored).unwrap();
    assert_eq!(by.id, row.id);
    assert_eq!(cost.nanos, usd("0.0013"));
}

#[test]
fn the_built_in_prices_are_all_read_whenever_they_are() {
    let text = include_str!("../../../data/prices.jsonl");
    let whole = PriceBook::parse(text).unwrap();
    let built_in = PriceBook::built_in().unwrap();
    assert_eq!(whole.rows().count(), text.lines().count() - 1);
    assert!(whole.rows().eq(built_in.rows()));
}

#[test]
fn data_that_cannot_be_read_is_refused_with_its_line() {
    let good = r#"{"provider":"p","models":["m"],"rates":{"input":1},"source":"litellm"}"#;
    let refused = |text: String, line: usize, what: &str| {
        let error = PriceBook::parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(
            error.to_string().contains(&format!("line {line}")),
            "{error}"
        );
    };
    refused(String::new(), 1, "no data");
    refused("{}".to_owned(), 1, "no header");
    refused(HEADER.replace(":1,", ":2,"), 1, "format 2");
    for (bad, what) in [
        (&good[..40], "EOF"),
        (&good.replace(":1}", ":-1}"), "invalid value"),
        (&good.replace(":1}", ":0.5}"), "invalid type"),
        (
            &good.replace(":1}", ":18446744073709551616}"),
            "invalid type",
        ),
        (&good.replace("input", "imput"), "unknown field"),
        (&good.replace(r#"{"input":1}"#, "{}"), "no rate"),
        (&good.replace(r#"["m"]"#, "[]"), "no name"),
        (&good.replace("litellm", "hearsay"), "unknown variant"),
        (
            &good.replace(r#","source"#, r#","from":"2026-02-30","source"#),
            "day",
        ),
        (
            &good.replace(
                r#","source"#,
                r#","from":"2026-02-03","until":"2026-02-03","source"#,
            ),
            "never",
        ),
        (
            &good.replace(
                r#","source"#,
                r#","above":[{"n":2,"rates":{}},{"n":1,"rates":{}}],"source"#,
            ),
            "too late",
        ),
        (good, "another price"),
        ("", "EOF"),
    ] as [(&str, &str); 13]
    {
        refused(format!("{HEADER}\n{good}\n{bad}\n"), 3, what);
    }
}

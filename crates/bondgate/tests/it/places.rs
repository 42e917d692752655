//! Providers of the catalogue whose address has blanks, and credentials that are obtained.

use bondgate::config::Config;
use policy::provider::{Auth, Provider};
use policy::renewal::Recipe;

use crate::kit::Written;

fn accepted(text: &str) -> Config {
    let loaded = Written::new(text).check();
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config
}

fn refused(text: &str) -> String {
    match Written::new(text).check() {
        Ok(_) => panic!("it was accepted: {text}"),
        Err(problems) => problems.to_string(),
    }
}

fn place(provider: &Provider) -> String {
    format!("{}{}", provider.origin, provider.base_path)
}

#[test]
fn blanks_are_filled_from_the_configuration() {
    let config = accepted(
        "providers:
  bedrock: { region: eu-west-1, dialect: openai-chat }
  eu: { provider: vertex, region: europe-west1, project: mine, dialect: openai-chat }
  global: { provider: vertex, region: global, project: mine, dialect: openai-chat }
  azure: { resource: mine, key: k }
  classic: { provider: azure-openai, resource: mine, api_version: \"2024-10-21\", key: k }
  cloudflare-workers-ai: { account: abc, key: k }
",
    );
    let at = |name: &str| place(&config.providers[name]);
    assert_eq!(
        at("bedrock"),
        "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1"
    );
    assert_eq!(
        at("eu"),
        "https://europe-west1-aiplatform.googleapis.com/v1/projects/mine/locations/europe-west1/endpoints/openapi"
    );
    assert_eq!(
        at("global"),
        "https://aiplatform.googleapis.com/v1/projects/mine/locations/global/endpoints/openapi"
    );
    assert_eq!(at("azure"), "https://mine.openai.azure.com/openai/v1");
    assert_eq!(config.providers["azure"].auth, Auth::Header("api-key"));
    assert_eq!(config.providers["azure"].catalogue_id, "azure");
    assert_eq!(at("classic"), "https://mine.openai.azure.com/openai");
    let paths = &config.providers["classic"].paths;
    assert!(paths.deployments);
    assert_eq!(paths.query, "api-version=2024-10-21");
    let cloudflare = "https://api.cloudflare.com/client/v4/accounts/abc/ai/v1";
    assert_eq!(at("cloudflare-workers-ai"), cloudflare);
}

#[test]
fn what_a_place_lacks_is_named_and_what_it_does_not_need_too() {
    for (text, says) in [
        ("bedrock: { dialect: openai-chat }", "needs `region`"),
        (
            "vertex: { region: global, dialect: openai-chat }",
            "needs `project`",
        ),
        ("azure-openai: { key: k }", "needs `resource`"),
        (
            "openai: { key: k, region: eu }",
            "`region` does nothing for `openai`",
        ),
        (
            "azure-openai: { key: k, resource: \"evil.example/x\" }",
            "`resource` is `evil.example/x`",
        ),
        (
            "groq: { key: k, dialect: anthropic-messages }",
            "no place where `groq` speaks",
        ),
        (
            "p: { base_url: \"https://p.example\", dialect: openai-chat, aws: {} }",
            "names no region",
        ),
    ] {
        let said = refused(&format!("providers: {{ {text} }}"));
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn a_credential_that_nobody_gives_is_obtained_as_the_row_says() {
    let config = accepted(
        "providers:
  bedrock: { region: eu-west-1, dialect: openai-chat }
  keyed: { provider: bedrock, region: eu-west-1, dialect: openai-chat, key: bedrock-api-key }
  prod: { provider: bedrock, region: eu-west-1, dialect: openai-chat, aws: { profile: prod } }
  vertex: { region: global, project: mine, dialect: openai-chat }
  azure: { resource: mine, entra: { tenant: t, client_id: c, client_secret: s } }
",
    );
    let recipe = |name: &str| {
        config.providers[name].keys[0]
            .renewal()
            .map(policy::renewal::Renewal::recipe)
    };
    assert!(matches!(
        recipe("bedrock"),
        Some(Recipe::Aws { profile: None })
    ));
    assert!(matches!(recipe("prod"), Some(Recipe::Aws { profile: Some(name) }) if name == "prod"));
    assert!(matches!(recipe("vertex"), Some(Recipe::GoogleMetadata)));
    assert!(matches!(recipe("azure"), Some(Recipe::Entra(_))));
    assert!(recipe("keyed").is_none());
    assert_eq!(config.providers["keyed"].auth, Auth::Bearer);
    assert_eq!(config.providers["azure"].auth, Auth::Bearer);
    assert_eq!(
        config.providers["bedrock"].region.as_deref(),
        Some("eu-west-1")
    );
}

#[test]
fn credentials_that_cannot_be_right_are_refused_without_being_repeated() {
    let google = "{ base_url: \"https://g.example/v1\", dialect: openai-chat, google: { credentials: '{\"client_email\":\"a\",\"private_key\":\"very-private\"}' } }";
    for (text, says) in [
        (google, "`private_key` is no key in PEM"),
        (
            "{ resource: r, provider: azure-openai, entra: { tenant: t } }",
            "`entra` wants",
        ),
        (
            "{ provider: bedrock, dialect: openai-chat, region: r, key: k, aws: {} }",
            "stand both",
        ),
    ] {
        let said = refused(&format!("providers: {{ p: {text} }}"));
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("very-private"), "{said}");
    }
}

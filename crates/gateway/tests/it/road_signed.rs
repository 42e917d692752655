//! Credentials that are obtained: kept fresh beside the road, shown as the provider wants them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use dialect::Dialect;
use gateway::WallClock;
use gateway::tasks::Tasks;
use gateway::upstream::sign::renew::{Givers, Renewer, obtain, renewed, take_over};
use policy::model::Target;
use policy::origin::BaseUrl;
use policy::provider::Auth;
use policy::renewal::{Entra, GoogleAccount, Obtained, Recipe, Token};
use policy::secret::{ProviderKey, Secret};
use policy::snapshot::Snapshot;
use tokio_util::sync::CancellationToken;

use crate::asking::{Ask, assert_error};
use crate::harness::{Road, model, nobody, provider, scripted, sim, snapshot, target, until};
use crate::kit::upstream;
use crate::puppet::Puppet;

/// 2015-08-30T12:36:00Z
const NOW_MS: i64 = 1_440_938_160_000;

fn givers(env: &[(&str, String)]) -> Givers {
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Givers {
        upstream: upstream(),
        direct: upstream(),
        env: Arc::new(move |name| env.get(name).cloned()),
    }
}

fn base(puppet: &Puppet) -> BaseUrl {
    BaseUrl::parse(&format!("http://{}", puppet.address)).unwrap()
}

fn bearer(obtained: &Obtained) -> &str {
    match &obtained.token {
        Token::Bearer(secret) => secret.reveal(),
        Token::Aws(_) => panic!("no bearer token"),
    }
}

/// A target of a provider that obtains its credential.
fn obtaining(sim: &sim::Sim, auth: Auth, recipe: Recipe) -> Arc<Target> {
    let mut provider = provider("p", Dialect::OpenaiChat, sim.addr());
    let key = ProviderKey::renewed("p".to_owned(), recipe, provider.origin.clone());
    provider.keys = vec![Arc::new(key)];
    provider.auth = auth;
    provider.region = Some("eu-west-1".to_owned());
    target(provider, "echo")
}

fn enter(target: &Target, token: Token, expires_ms: Option<i64>) {
    let renewal = target.provider.keys[0].renewal().unwrap();
    assert!(renewal.claim());
    let obtained = Obtained {
        token,
        at_ms: 0,
        expires_ms,
    };
    renewal.enter(Ok(obtained), 0);
}

fn token(text: &str) -> Token {
    Token::Bearer(Secret::new(text.to_owned()))
}

#[tokio::test]
async fn a_request_to_bedrock_is_signed_with_the_keys_at_hand() {
    let sim = sim().await;
    let auth = Auth::SigV4 { service: "bedrock" };
    let target = obtaining(&sim, auth, Recipe::Aws { profile: None });
    let keys = policy::renewal::AwsKeys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("very-secret".to_owned()),
        session_token: Some(Secret::new("session".to_owned())),
    };
    enter(&target, Token::Aws(keys), None);
    let road = Road::to(vec![target]);
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    // The simulated provider asks for a bearer token: what counts is what it was shown.
    drop(got);
    let seen = sim.seen();
    let header = |name: &str| seen[0].headers[name].to_str().unwrap().to_owned();
    let shown = header("authorization");
    let day = &header("x-amz-date")[..8];
    let scope =
        format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{day}/eu-west-1/bedrock/aws4_request, ");
    assert!(shown.starts_with(&scope), "{shown}");
    let names = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(shown.contains(names), "{shown}");
    assert_eq!(header("x-amz-security-token"), "session");
}

#[tokio::test]
async fn a_token_at_hand_is_shown_and_one_that_ended_is_not() {
    let sim = sim().await;
    let target = obtaining(&sim, Auth::Bearer, Recipe::GoogleMetadata);
    let road = Road::to(vec![Arc::clone(&target)]);
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    assert_error(Dialect::OpenaiChat, &got, 502, "provider_failed");
    let why = road.settled_record().await.attempts[0].why.clone();
    assert!(why.contains("is being obtained"), "{why}");
    enter(&target, token("fresh-token"), None);
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    assert_eq!(got.said(), "hi", "{}", got.text());
    assert_eq!(sim.seen()[0].headers["authorization"], "Bearer fresh-token");
    enter(&target, token("ended"), Some(1));
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    assert_error(Dialect::OpenaiChat, &got, 502, "provider_failed");
    assert_eq!(sim.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_the_provider_refuses_is_renewed_before_its_time_and_never_told() {
    let refusal = serde_json::json!({ "status": { "status": 401, "message": "bad fresh-token" } });
    let sim = scripted(serde_json::json!({ "rules": [{ "do": refusal }] })).await;
    let target = obtaining(&sim, Auth::Bearer, Recipe::GoogleMetadata);
    enter(&target, token("fresh-token"), None);
    let renewal = target.provider.keys[0].renewal().unwrap();
    assert!(!renewal.is_due(5_000));
    let road = Road::to(vec![Arc::clone(&target)]);
    let got = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    assert_error(Dialect::OpenaiChat, &got, 502, "provider_failed");
    assert!(!got.text().contains("fresh-token"), "{}", got.text());
    assert!(renewal.is_due(5_000));
}

#[tokio::test]
async fn a_key_in_the_query_stands_behind_what_is_there() {
    let sim = sim().await;
    let mut provider = provider("p", Dialect::OpenaiChat, sim.addr());
    provider.auth = Auth::Query("key");
    provider.paths.query = "api-version=2024-10-21".to_owned();
    provider.paths.deployments = true;
    let road = Road::to(vec![target(provider, "echo")]);
    let _ = Ask::new(Dialect::OpenaiChat, "hi").send(&road).await;
    let path = sim.seen()[0].path.clone();
    assert!(
        path.starts_with("/v1/deployments/echo/chat/completions"),
        "{path}"
    );
}

#[tokio::test]
async fn a_service_account_shows_an_assertion_and_gets_a_token() {
    let body = br#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#;
    let google = Puppet::answering(200, "application/json", body).await;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = rcgen_pem(der.as_ref());
    let account = GoogleAccount {
        email: "robot@my-project.iam.gserviceaccount.com".to_owned(),
        key_id: "k1".to_owned(),
        key: Secret::new(pem),
        token_url: base(&google),
    };
    let recipe = Recipe::GoogleAccount(account);
    let obtained = obtain(&recipe, &givers(&[]), NOW_MS).await.unwrap();
    assert_eq!(bearer(&obtained), "ya29.x");
    assert_eq!(obtained.expires_ms, Some(NOW_MS + 3_599_000));
    let asked = google.requests().remove(0);
    assert!(
        asked.contains("grant%5Ftype=") || asked.contains("grant_type="),
        "{asked}"
    );
    let (_, jwt) = asked.split_once("assertion=").unwrap();
    assert_signed(
        &jwt.replace("%2E", ".")
            .replace("%2D", "-")
            .replace("%5F", "_"),
        &pair,
    );
}

/// The assertion is one that the account's public key proves.
fn assert_signed(jwt: &str, pair: &KeyPair) {
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::Engine as _;
    let decode = |part: &str| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap()
    };
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    public
        .verify(signed.as_bytes(), &decode(signature))
        .unwrap();
    let claims = decode(signed.split_once('.').unwrap().1);
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "robot@my-project.iam.gserviceaccount.com");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3600
    );
}

fn rcgen_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|l| std::str::from_utf8(l).unwrap())
        .collect();
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

#[tokio::test]
async fn the_machines_own_account_and_an_application_of_entra_get_tokens() {
    let body = br#"{"access_token":"t","expires_in":"3600"}"#;
    let giver = Puppet::answering(200, "application/json", body).await;
    let env = [("GCE_METADATA_HOST", giver.address.to_string())];
    let obtained = obtain(&Recipe::GoogleMetadata, &givers(&env), 0)
        .await
        .unwrap();
    assert_eq!(bearer(&obtained), "t");
    let asked = giver.requests().remove(0).to_lowercase();
    assert!(asked.contains("metadata-flavor: google"), "{asked}");
    let entra = Recipe::Entra(Entra {
        authority: base(&giver),
        tenant: "contoso".to_owned(),
        client_id: "app".to_owned(),
        client_secret: Secret::new("s&cret".to_owned()),
    });
    let obtained = obtain(&entra, &givers(&[]), 0).await.unwrap();
    assert_eq!(obtained.expires_ms, Some(3_600_000));
    let asked = giver.requests().remove(1);
    assert!(
        asked.starts_with("POST /contoso/oauth2/v2.0/token "),
        "{asked}"
    );
    assert!(asked.contains("=s%26cret"), "{asked}");
}

#[tokio::test]
async fn a_container_and_a_machine_are_asked_for_their_keys() {
    let keys = br#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2016-02-25T06:03:31Z"}"#;
    let giver = Puppet::answering(200, "application/json", keys).await;
    let url = format!("http://{}/creds", giver.address);
    let env = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let-me-in".to_owned()),
    ];
    let recipe = Recipe::Aws { profile: None };
    let obtained = obtain(&recipe, &givers(&env), 0).await.unwrap();
    assert_eq!(obtained.expires_ms, Some(1_456_380_211_000));
    let asked = giver.requests().remove(0);
    assert!(
        asked.starts_with("GET /creds ") && asked.contains("let-me-in"),
        "{asked}"
    );
    let machine = [(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        format!("http://{}", giver.address),
    )];
    assert!(obtain(&recipe, &givers(&machine), 0).await.is_ok());
    let asked = giver.requests();
    assert!(
        asked[1].starts_with("PUT /latest/api/token "),
        "{}",
        asked[1]
    );
    assert!(
        asked[2].contains("x-aws-ec2-metadata-token: "),
        "{}",
        asked[2]
    );
    assert!(
        asked[3].starts_with("GET /latest/meta-data/iam/security-credentials/"),
        "{}",
        asked[3]
    );
    let nobody = [(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        format!("http://{}", nobody().await),
    )];
    let why = obtain(&recipe, &givers(&nobody), 0).await.err().unwrap();
    assert!(why.contains("no AWS credentials were found"), "{why}");
}

/// A snapshot with one provider that obtains its credential from that giver.
fn of_entra(giver: &Puppet, sim: &sim::Sim) -> Snapshot {
    let recipe = Recipe::Entra(Entra {
        authority: base(giver),
        tenant: "contoso".to_owned(),
        client_id: "app".to_owned(),
        client_secret: Secret::new("s".to_owned()),
    });
    snapshot(vec![model(vec![obtaining(sim, Auth::Bearer, recipe)])])
}

#[tokio::test]
async fn what_is_due_is_obtained_once_and_kept_over_a_reload() {
    let body = br#"{"access_token":"t","expires_in":3600}"#;
    let giver = Puppet::answering(200, "application/json", body).await;
    let sim = sim().await;
    let now_ms = Arc::new(AtomicI64::new(NOW_MS));
    let clock = Arc::clone(&now_ms);
    let renewer = Renewer {
        givers: givers(&[]),
        clock: Arc::new(WallClock::new(move || clock.load(Ordering::Relaxed))),
        tasks: Tasks::new(),
        tell: Arc::new(|_: &str| {}),
    };
    let shared = Arc::new(ArcSwap::from_pointee(of_entra(&giver, &sim)));
    let stopped = CancellationToken::new();
    let running = tokio::spawn({
        let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
        async move { renewer.run(&shared, stopped).await }
    });
    let at_hand = |now_ms: i64| {
        let snapshot = shared.load();
        renewed(&snapshot).all(|(_, key)| key.renewal().unwrap().at_hand(now_ms).is_ok())
    };
    until("a token is at hand", || at_hand(NOW_MS)).await;
    assert_eq!(giver.requests().len(), 1);
    let next = of_entra(&giver, &sim);
    take_over(&next, &shared.load());
    shared.store(Arc::new(next));
    assert!(at_hand(NOW_MS));
    now_ms.store(NOW_MS + 3_400_000, Ordering::Relaxed);
    until("it was renewed", || at_hand(NOW_MS + 3_700_000)).await;
    assert_eq!(giver.requests().len(), 2);
    stopped.cancel();
    running.await.unwrap();
}

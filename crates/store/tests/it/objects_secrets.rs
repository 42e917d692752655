//! Secrets: in no byte of any file, good for their own origin only, and gone with a wrong master key.

use std::path::Path;

use store::keys::KeyHasher;
use store::objects::{Error, KeySpec, New, Objects, ProviderSpec};
use store::seal::Sealer;
use store::sqlite::{OpenMode, open_main};

use crate::objects::{MASTER, NOW_MS, ada, audit, change, fresh, new, open};

const CREDENTIAL: &str = "sk-planted-0123456789abcdefghij";
const OTHER: &str = "sk-planted-zyxwvutsrqponmlkjihg";

/// Whether any file below that folder holds those bytes.
fn on_disk(dir: &Path, needle: &str) -> bool {
    let mut files = 0;
    let found = std::fs::read_dir(dir).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    });
    assert!(files > 0);
    found
}

fn opened(objects: &Objects) -> Vec<String> {
    let all = objects.load().unwrap();
    let keys = all.providers[0].keys.as_ref().unwrap();
    keys.iter().map(|key| key.reveal().to_owned()).collect()
}

#[test]
fn no_secret_is_in_any_byte_of_the_files_or_in_what_is_shown() {
    let (dir, objects) = fresh();
    let key = objects
        .create_key(
            &ada(),
            new(r#"{"name":"bot","owner":"visible-owner"}"#),
            NOW_MS,
        )
        .unwrap();
    let rotated = objects.rotate_key(&ada(), "bot", 1000, NOW_MS).unwrap();
    let json = format!(r#"{{"name":"openai","keys":["{CREDENTIAL}","{OTHER}"]}}"#);
    let provider = objects
        .create(&ada(), new::<ProviderSpec>(&json), NOW_MS)
        .unwrap();
    assert_eq!(provider.state.stored_keys, 2);
    objects
        .change(
            &ada(),
            "openai",
            &change::<ProviderSpec>(&format!(r#"{{"key":"{OTHER}"}}"#)),
            NOW_MS,
        )
        .unwrap();
    let shown = serde_json::to_string(&audit(&objects)).unwrap()
        + &serde_json::to_string(&provider).unwrap()
        + &serde_json::to_string(&rotated.object).unwrap();
    let secrets = [
        key.secret.reveal(),
        rotated.secret.reveal(),
        CREDENTIAL,
        OTHER,
    ];
    let check = |when: &str| {
        assert!(
            on_disk(dir.path(), "visible-owner"),
            "{when}: the scan sees what is there"
        );
        for secret in secrets {
            // Neither the whole nor its middle.
            for part in [secret, &secret[8..24]] {
                assert!(!on_disk(dir.path(), part), "{when}: a secret is on disk");
                assert!(!shown.contains(part), "a secret is shown");
            }
        }
        assert!(
            !on_disk(dir.path(), std::str::from_utf8(MASTER).unwrap()),
            "{when}"
        );
    };
    check("with the WAL");
    assert_eq!(opened(&objects), [OTHER]);
    drop(objects);
    check("after closing");
    assert_eq!(opened(&open(&dir)), [OTHER]);
}

#[test]
fn a_credential_stays_with_its_origin() {
    let (dir, objects) = fresh();
    let json = format!(
        r#"{{"name":"p","base_url":"https://api.example.com/v1","dialect":"openai-chat","key":"{CREDENTIAL}"}}"#
    );
    objects
        .create(&ada(), new::<ProviderSpec>(&json), NOW_MS)
        .unwrap();
    let moved = r#"{"base_url":"https://evil.example/v1"}"#;
    let error = objects
        .change(&ada(), "p", &change::<ProviderSpec>(moved), NOW_MS)
        .unwrap_err();
    assert!(error.to_string().contains("`base_url`"), "{error}");
    // Another path of the same origin is no move.
    let path = r#"{"base_url":"https://api.example.com/v2"}"#;
    objects
        .change(&ada(), "p", &change::<ProviderSpec>(path), NOW_MS)
        .unwrap();
    assert_eq!(opened(&objects), [CREDENTIAL]);
    // Whoever writes to the file cannot move it either.
    let db = open_main(dir.path(), OpenMode::Existing).unwrap();
    db.execute(
        "UPDATE objects SET spec = replace(spec, 'api.example.com', 'evil.example')",
        [],
    )
    .unwrap();
    let all = objects.load().unwrap();
    let error = all.providers[0].keys.as_ref().err().unwrap();
    assert!(error.to_string().contains("evil.example") && !error.to_string().contains(CREDENTIAL));
    // New credentials go with a move; null takes all away.
    let both = format!(r#"{{"base_url":"https://other.example","keys":["{OTHER}"]}}"#);
    objects
        .change(&ada(), "p", &change::<ProviderSpec>(&both), NOW_MS)
        .unwrap();
    assert_eq!(opened(&objects), [OTHER]);
    let none = objects
        .change(
            &ada(),
            "p",
            &change::<ProviderSpec>(r#"{"keys":null}"#),
            NOW_MS,
        )
        .unwrap();
    assert_eq!(none.state.stored_keys, 0);
}

#[test]
fn a_refused_credential_is_in_no_message() {
    for json in [
        format!(r#"{{"name":"p","key":{{"a":"{CREDENTIAL}"}}}}"#),
        format!(r#"{{"name":"p","key":"{CREDENTIAL} "}}"#),
        format!(r#"{{"name":"p","keys":[["{CREDENTIAL}"]]}}"#),
        format!(r#"{{"name":"p","keys":{{"{CREDENTIAL}":1}}}}"#),
    ] {
        let error = New::<ProviderSpec>::from_json(json.as_bytes(), NOW_MS)
            .err()
            .unwrap();
        assert!(!error.to_string().contains("planted"), "{error}");
    }
}

#[test]
fn another_master_key_is_refused_at_the_start() {
    let (dir, objects) = fresh();
    objects
        .create_key(&ada(), New::named("bot", KeySpec::default()), NOW_MS)
        .unwrap();
    drop(objects);
    let db = open_main(dir.path(), OpenMode::Existing).unwrap();
    let error = Objects::open(db, KeyHasher::new(b"other"), Sealer::new(b"other").unwrap())
        .err()
        .unwrap();
    assert!(matches!(error, Error::WrongMasterKey { .. }), "{error}");
    assert!(error.to_string().contains("secrets.master_key"), "{error}");
    assert_eq!(open(&dir).load().unwrap().keys.len(), 1);
}

#[test]
fn what_a_token_is_asked_for_with_is_sealed_and_bound_to_what_it_is_for() {
    let (dir, objects) = fresh();
    let file = r#"{"type": "service_account", "private_key": "-----BEGIN a key"}"#;
    let quoted = serde_json::to_string(file).unwrap();
    for (name, google) in [("text", quoted.as_str()), ("file", file)] {
        let json = format!(
            r#"{{"name":"{name}","provider":"vertex","region":"us-east5","project":"p","google":{{"credentials":{google}}}}}"#
        );
        let made = objects
            .create(&ada(), new::<ProviderSpec>(&json), NOW_MS)
            .unwrap();
        assert_eq!(made.state.stored_keys, 1);
        assert!(made.spec.google.is_some());
        assert!(!serde_json::to_string(&made).unwrap().contains("BEGIN"));
    }
    assert!(!on_disk(dir.path(), "BEGIN a key"));
    let entra = format!(
        r#"{{"name":"e","provider":"azure-openai","resource":"acme","entra":{{"tenant":"t","client_id":"c","client_secret":"{CREDENTIAL}"}}}}"#
    );
    objects
        .create(&ada(), new::<ProviderSpec>(&entra), NOW_MS)
        .unwrap();
    let all = objects.load().unwrap();
    let sealed = |name: &str| {
        let mut providers = all.providers.iter();
        let found = providers.find(|one| one.provider.name == name).unwrap();
        found.keys.as_ref().unwrap()[0].reveal().to_owned()
    };
    assert_eq!(sealed("e"), CREDENTIAL);
    assert_eq!(sealed("text"), file);
    // Neither to another directory, nor as a key of its own, nor to another resource.
    for change_to in [
        r#"{"entra":{"tenant":"another"}}"#,
        r#"{"entra":null}"#,
        r#"{"resource":"evil"}"#,
    ] {
        let error = objects
            .change(&ada(), "e", &change::<ProviderSpec>(change_to), NOW_MS)
            .unwrap_err();
        assert!(error.to_string().contains("are bound to"), "{error}");
    }
    for (json, field) in [
        (r#"{"name":"x","google":{},"aws":{}}"#, "google"),
        (r#"{"name":"x","google":{},"key":"k"}"#, "key"),
        (
            r#"{"name":"x","entra":{"client_secret":7}}"#,
            "entra.client_secret",
        ),
        (r#"{"name":"x","dialect":"openai-chatt"}"#, "dialect"),
    ] {
        let read = New::<ProviderSpec>::from_json(json.as_bytes(), NOW_MS);
        let made = read.map(|new| objects.create(&ada(), new, NOW_MS));
        let told = match made {
            Err(error) => error.to_string(),
            Ok(made) => made.unwrap_err().to_string(),
        };
        assert!(told.contains(&format!("`{field}`")), "{told}");
    }
}

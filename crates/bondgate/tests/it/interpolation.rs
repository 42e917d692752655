//! `${…}` in scalars.

use std::time::{Duration, Instant};

use bondgate::config::interpolate::Commands;
use bondgate::config::{Mode, Overrides, load};

use crate::kit::{GOOD, Written};

fn with_key(reference: &str) -> Written {
    Written::new(&format!("{GOOD}  other: {{ secret: \"{reference}\" }}\n"))
}

fn secret(loaded: &bondgate::config::Loaded) -> &str {
    let key = loaded
        .config
        .keys
        .iter()
        .find(|key| key.name == "other")
        .unwrap();
    key.secret.reveal()
}

#[test]
fn variables_defaults_files_and_escapes_are_read() {
    let cases = [
        ("${K}", "fromTheVariable0"),
        ("pre-${K}-post", "pre-fromTheVariable0-post"),
        ("${UNSET:-aDefaultOf16chars}", "aDefaultOf16chars"),
        ("${EMPTY:-aDefaultOf16chars}", "aDefaultOf16chars"),
        ("${UNSET:-${K}}", "fromTheVariable0"),
        ("${file:secret.txt}", "fromTheFile00000"),
        ("$${K}-0123456789ab", "${K}-0123456789ab"),
        ("${command:echo fromTheCommand00}", "fromTheCommand00"),
        ("${command@1h:echo fromTheCommand00}", "fromTheCommand00"),
        (
            "${command:f() { echo fromTheCommand00; }; f}",
            "fromTheCommand00",
        ),
    ];
    for (reference, value) in cases {
        let written = with_key(reference)
            .with("K", "fromTheVariable0")
            .with("EMPTY", "");
        written.write("secret.txt", "fromTheFile00000\n");
        assert_eq!(secret(&written.serve().unwrap()), value, "{reference}");
    }
}

#[test]
fn a_value_can_never_add_keys() {
    let written = Written::new("data: ${D}\nkeys: { a: { secret: \"${S}\" } }")
        .with("D", "x\nbudgets: {}")
        .with("S", "0123456789abcdef\", direct: true");
    let said = written.problems();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("2:22: the secret of key `a` holds a space"),
        "{said:?}"
    );
}

#[test]
fn an_interpolated_number_is_read_as_one() {
    let text = "providers: { p: { base_url: http://h, dialect: openai-chat } }
models: { m: { targets: [{ target: p/a, priority: \"${P}\" }] } }";
    let loaded = Written::new(text).with("P", "7").check().unwrap();
    assert_eq!(loaded.config.models["m"].targets[0].priority, 7);
    let said = Written::new(text).with("P", "sk-hunter2").problems();
    assert_eq!(
        said,
        [
            "2:51: `priority`: this value is not a whole number that fits · write one from 1 to 4294967295"
        ]
    );
}

#[test]
fn what_leads_nowhere_is_named() {
    let cases = [
        (
            "${NOT_SET}",
            "the environment variable `NOT_SET` is not set · set it, or give a default: `${NOT_SET:-…}`",
        ),
        (
            "${file:/none/of/this}",
            "`/none/of/this` cannot be read: No such file or directory (os error 2) · make the file, or name another",
        ),
        (
            "${NOT_CLOSED",
            "`${` is never closed · end it with `}`, or write `$${` for the text",
        ),
        (
            "${not a name}",
            "`${…}` holds no name of a variable · write `${NAME}`, `${NAME:-default}`, `${file:/path}` or `${command:…}`",
        ),
        (
            "${}",
            "`${…}` holds no name of a variable · write `${NAME}`, `${NAME:-default}`, `${file:/path}` or `${command:…}`",
        ),
        (
            "${command@x:true}",
            "`${command@…}`: a duration is written `250ms`, `2s`, `5m`, `1h` or `30d` · write `${command@10m:…}`",
        ),
        (
            "${command@0s:true}",
            "a time to live below one second · write `${command@10m:…}`",
        ),
    ];
    for (reference, problem) in cases {
        assert_eq!(
            with_key(reference).problems(),
            [format!("7:20: {problem}")],
            "{reference}"
        );
    }
}

#[test]
fn a_command_that_fails_is_said_without_what_it_wrote() {
    for (command, why) in [
        ("echo hunter2; exit 3", "it ended with exit status: 3"),
        ("true", "it says nothing"),
        (
            "head -c 70000 /dev/zero | tr '\\\\\\\\0' x",
            "it says more than 65536 bytes",
        ),
    ] {
        let problems = with_key(&format!("${{command:{command}}}"))
            .serve()
            .err()
            .unwrap();
        let said = problems.to_string();
        assert!(said.contains(why), "{command}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn checking_runs_no_command_and_says_nothing_of_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("ran");
    let written = with_key(&format!("${{command:touch {}; echo x}}", trace.display()));
    let loaded = written.check().unwrap();
    assert!(!trace.exists(), "the command ran");
    assert_eq!(
        loaded.config.keys.len(),
        1,
        "the key without a known secret is left out"
    );
    assert!(written.serve().is_err(), "`x` is too short for a secret");
    assert!(trace.exists());
}

#[test]
fn a_commands_value_is_kept_for_its_time_to_live() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let command = format!("echo ran >> {}; echo 0123456789abcdeX", runs.display());
    let written = with_key(&format!("${{command@1h:{command}}}"));
    let mut commands = Commands::default();
    assert!(!commands.stale(Instant::now()), "nothing was asked for");
    let env = |_: &str| None;
    for _ in 0..2 {
        let mode = Mode::Serve(&mut commands);
        load(&written.path(), &Overrides::default(), &env, mode).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(runs).unwrap(),
        "ran\n",
        "it ran once"
    );
    assert!(!commands.stale(Instant::now() + Duration::from_secs(3_000)));
    assert!(commands.stale(Instant::now() + Duration::from_secs(4_000)));
}

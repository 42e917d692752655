//! Reloading: the last good configuration keeps serving.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bondgate::config::interpolate::Commands;
use bondgate::config::watch::{Accepted, Cause, Reload, Watcher};
use bondgate::config::{Loaded, Overrides, revision};
use store::keys::KeyHasher;

use crate::kit::{GOOD, Written};

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn hasher() -> KeyHasher {
    KeyHasher::new(b"master")
}

fn watcher(written: &Written) -> Watcher {
    let Loaded { config, files, .. } = written.serve().unwrap();
    let first = (Arc::new(config), files);
    Watcher::new(
        written.path(),
        Overrides::default(),
        Commands::default(),
        hasher(),
        first,
    )
}

fn accepted(reload: Option<Reload>) -> Accepted {
    match reload {
        Some(Reload::Accepted(accepted)) => *accepted,
        Some(Reload::Refused(problems)) => panic!("refused: {problems}"),
        Some(Reload::Same) => panic!("the same"),
        None => panic!("no reason was seen"),
    }
}

#[test]
fn a_changed_file_is_read_when_it_looks_the_same_twice() {
    let written = Written::new(GOOD);
    let mut watcher = watcher(&written);
    assert!(watcher.poll().is_none());
    written.write("bondgate.yaml", &GOOD.replace("small", "larger"));
    assert!(watcher.poll().is_none(), "it may be half written");
    let accepted = accepted(watcher.poll());
    assert_eq!(
        &**accepted.config.models["fast"].targets[0].name(),
        "local/larger"
    );
    assert_eq!(accepted.revision.cause, Cause::File);
    assert_eq!(
        accepted.revision.hash,
        revision(&accepted.config, &hasher())
    );
    assert!(watcher.poll().is_none(), "read once");
}

#[test]
fn a_bad_file_is_refused_whole_and_the_next_good_one_accepted() {
    let written = Written::new(GOOD);
    let mut watcher = watcher(&written);
    let revisions = watcher.revisions();
    written.write(
        "bondgate.yaml",
        &GOOD.replace("local/small", "nobody/small"),
    );
    watcher.poll();
    let Some(Reload::Refused(problems)) = watcher.poll() else {
        panic!("it is accepted");
    };
    assert!(problems.to_string().contains("nobody/small"));
    assert!(watcher.poll().is_none(), "said once");
    assert_eq!(revisions.lock().len(), 1);
    written.write("bondgate.yaml", &GOOD.replace("small", "larger"));
    watcher.poll();
    accepted(watcher.poll());
    assert_eq!(revisions.lock().len(), 2);
    assert_eq!(revisions.lock()[0].cause, Cause::Start);
}

#[test]
fn a_file_that_is_referred_to_is_watched_too() {
    let text = GOOD.replace("0123456789abcdef", "\"${file:secret}\"");
    let written = Written::new(&text);
    written.write("secret", "the-first-secret-0");
    let mut watcher = watcher(&written);
    written.write("secret", "the-second-secret");
    watcher.poll();
    let accepted = accepted(watcher.poll());
    assert_eq!(accepted.config.keys[0].secret.reveal(), "the-second-secret");
}

#[test]
fn asking_for_what_is_already_served_changes_nothing() {
    let written = Written::new(GOOD);
    let mut watcher = watcher(&written);
    assert!(matches!(watcher.reload(Cause::Asked), Reload::Same));
    assert_eq!(watcher.revisions().lock().len(), 1);
}

#[test]
fn what_takes_a_restart_is_said_by_name() {
    let written = Written::new(GOOD);
    let mut watcher = watcher(&written);
    written.write(
        "bondgate.yaml",
        &format!("listen: 127.0.0.1:4999\nmemory: 64MiB\n{GOOD}"),
    );
    let accepted = accepted(Some(watcher.reload(Cause::Asked)));
    let said: Vec<&str> = accepted
        .warnings
        .iter()
        .map(|warning| warning.what.as_str())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("`listen` has changed") && said[1].starts_with("`memory` has changed")
    );
}

#[test]
fn the_thread_hands_over_on_a_change_and_when_asked() {
    let written = Written::new(GOOD);
    let (say, hear) = mpsc::channel();
    let handle = watcher(&written)
        .watch(move |accepted| {
            say.send(accepted.config.models["fast"].targets[0].name().to_string())
                .ok();
        })
        .unwrap();
    written.write("bondgate.yaml", &GOOD.replace("small", "second"));
    assert_eq!(hear.recv_timeout(PATIENCE).unwrap(), "local/second");
    written.write("bondgate.yaml", &GOOD.replace("small", "third"));
    handle.reload();
    assert_eq!(hear.recv_timeout(PATIENCE).unwrap(), "local/third");
    drop(handle);
    assert!(
        hear.recv_timeout(PATIENCE).is_err(),
        "the thread ends with its handle"
    );
}

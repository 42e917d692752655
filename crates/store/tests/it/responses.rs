//! The file of answers that providers keep: what is told to it is there at the next start.

use std::sync::Arc;

use store::responses::{Bound, Change, FILE, LASTS_MS, Place, Responses};
use store::sqlite::OpenError;
use tempfile::TempDir;

const NOW_MS: i64 = 1_700_000_000_000;

fn bound(name: u128, at_ms: i64) -> Bound {
    let place = Place {
        provider: format!("provider-{}", name % 3),
        model: "gpt".to_owned(),
        credential: "provider-1".to_owned(),
    };
    Bound {
        name,
        place: Arc::new(place),
        at_ms,
    }
}

/// What the file knows at a time.
fn known(dir: &TempDir, now_ms: i64) -> Vec<Bound> {
    let (file, known) = Responses::open(dir.path(), now_ms).unwrap();
    file.close();
    known
}

#[test]
fn what_is_bound_and_not_forgotten_is_there_at_the_next_start_the_oldest_first() {
    let dir = TempDir::new().unwrap();
    let (file, none) = Responses::open(dir.path(), NOW_MS).unwrap();
    assert_eq!(none, []);
    let changes = file.changes();
    for name in 0..5000 {
        changes.tell(Change::Bind(bound(name, NOW_MS + name as i64)));
    }
    changes.tell(Change::Forget(7));
    file.close();
    let known = known(&dir, NOW_MS);
    assert_eq!(known.len(), 4999);
    let expected = (0..5000).filter(|name| *name != 7);
    let expected = expected.map(|name| bound(name, NOW_MS + name as i64));
    assert!(known.into_iter().eq(expected));
}

#[test]
fn what_is_bound_again_counts_from_then_on() {
    let dir = TempDir::new().unwrap();
    let (file, _) = Responses::open(dir.path(), NOW_MS).unwrap();
    file.changes().tell(Change::Bind(bound(u128::MAX, NOW_MS)));
    file.changes()
        .tell(Change::Bind(bound(u128::MAX, NOW_MS + 1)));
    assert_eq!(file.unwritten(), 0);
    file.close();
    assert_eq!(known(&dir, NOW_MS), [bound(u128::MAX, NOW_MS + 1)]);
}

#[test]
fn what_is_over_is_not_there_any_more() {
    let dir = TempDir::new().unwrap();
    let (file, _) = Responses::open(dir.path(), NOW_MS).unwrap();
    file.changes().tell(Change::Bind(bound(1, NOW_MS)));
    file.changes().tell(Change::Bind(bound(2, NOW_MS + 1)));
    file.close();
    assert_eq!(known(&dir, NOW_MS + LASTS_MS - 1).len(), 2);
    assert_eq!(known(&dir, NOW_MS + LASTS_MS), [bound(2, NOW_MS + 1)]);
}

#[test]
fn a_file_that_is_damaged_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE);
    std::fs::write(&path, b"no database at all, but somebody's notes").unwrap();
    let refused = Responses::open(dir.path(), NOW_MS).err().unwrap();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
    let left = std::fs::read(&path).unwrap();
    assert_eq!(left, b"no database at all, but somebody's notes");
}

#[test]
fn what_is_told_after_the_end_is_counted_as_unwritten_and_waits_for_nobody() {
    let dir = TempDir::new().unwrap();
    let (file, _) = Responses::open(dir.path(), NOW_MS).unwrap();
    let changes = file.changes();
    file.close();
    changes.tell(Change::Bind(bound(1, NOW_MS)));
    assert_eq!(known(&dir, NOW_MS), []);
}

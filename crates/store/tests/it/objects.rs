//! What operators make at run time: how keys live and end, what the road is told, what is
//! recorded, who sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy::caller::{Group, VirtualKey};
use policy::limit::{Period, Resource, Scope};
use policy::price::{PriceBook, PriceRow};
use policy::snapshot::Snapshot;
use policy::viewer::{Sees, Viewer};
use store::keys::KeyHasher;
use store::objects::{
    AuditEntry, BudgetSpec, Change, Error, FileObjects, KeySpec, New, NewRevision, Object, Objects,
    OrganisationSpec, PriceSpec, Query, Source, Spec, TeamSpec, UserSpec, apply,
};
use store::seal::Sealer;
use store::sqlite::{OpenMode, open_main};
use tempfile::TempDir;

pub(crate) const MASTER: &[u8] = b"the master key of the tests";
/// 2026-11-21T12:00:00Z
pub(crate) const NOW_MS: i64 = 1_795_262_400_000;
const DAY_MS: i64 = 86_400_000;

pub(crate) fn open(dir: &TempDir) -> Objects {
    let db = open_main(dir.path(), OpenMode::Create).unwrap();
    Objects::open(db, KeyHasher::new(MASTER), Sealer::new(MASTER).unwrap()).unwrap()
}

pub(crate) fn fresh() -> (TempDir, Objects) {
    let dir = TempDir::new().unwrap();
    let objects = open(&dir);
    (dir, objects)
}

pub(crate) fn ada() -> Viewer {
    Viewer::operator("ada")
}

pub(crate) fn new<S: Spec>(json: &str) -> New<S> {
    New::from_json(json.as_bytes(), NOW_MS).unwrap_or_else(|error| panic!("{json}: {error}"))
}

pub(crate) fn change<S: Spec>(json: &str) -> Change<S> {
    Change::from_json(json.as_bytes(), NOW_MS).unwrap_or_else(|error| panic!("{json}: {error}"))
}

pub(crate) fn audit(objects: &Objects) -> Vec<AuditEntry> {
    let mut entries = objects.audit_list(&ada(), None, Some(1000)).unwrap().items;
    entries.reverse();
    entries
}

/// The key that the road finds for a secret, if it is good.
fn found(objects: &Objects, secret: &str, now_ms: i64) -> Option<Arc<VirtualKey>> {
    let mut snapshot = Snapshot::default();
    apply(&objects.load().unwrap(), &mut snapshot, now_ms);
    let key = snapshot
        .keys
        .get(&KeyHasher::new(MASTER).hash(secret))
        .cloned();
    key.filter(|key| key.is_current(now_ms))
}

#[test]
fn a_key_is_good_from_its_making_to_its_revocation() {
    let (dir, objects) = fresh();
    let created = objects
        .create_key(&ada(), new(r#"{"name":"bot","models":["fast"],"tags":{"app":"desk"},"may_set":["user","tag:run"]}"#), NOW_MS)
        .unwrap();
    let secret = created.secret.reveal();
    assert!(
        secret.starts_with("bg-") && secret.len() == 46,
        "{}",
        secret.len()
    );
    assert_eq!(created.object.state.hint.as_deref(), secret.get(42..));
    let key = found(&objects, secret, NOW_MS).unwrap();
    assert_eq!(&*key.name, "bot");
    assert!(key.may_call("fast") && !key.may_call("slow"));
    assert!(key.may_set.user && key.may_set.tag("run") && !key.may_set.tags);
    // It outlives the process.
    drop(objects);
    let objects = open(&dir);
    assert!(found(&objects, secret, NOW_MS).is_some());
    let before = objects.revision();
    let revoked = objects.revoke_key(&ada(), "bot", NOW_MS + 1).unwrap();
    assert_eq!(revoked.state.revoked_at.unwrap().0, NOW_MS + 1);
    assert!(objects.revision() > before);
    assert!(found(&objects, secret, NOW_MS + 1).is_none());
    let again = objects.revoke_key(&ada(), "bot", NOW_MS + 2).unwrap();
    assert_eq!(again.state.revoked_at, revoked.state.revoked_at);
    assert!(matches!(
        objects.rotate_key(&ada(), "bot", 0, NOW_MS),
        Err(Error::Conflict(_))
    ));
}

#[test]
fn after_a_rotation_both_secrets_are_good_until_the_grace_ends() {
    let (_dir, objects) = fresh();
    let first = objects
        .create_key(&ada(), new(r#"{"name":"bot"}"#), NOW_MS)
        .unwrap();
    let second = objects.rotate_key(&ada(), "bot", DAY_MS, NOW_MS).unwrap();
    let is_good =
        |secret: &policy::secret::Secret, at| found(&objects, secret.reveal(), at).is_some();
    let end = NOW_MS + DAY_MS;
    assert_eq!(second.object.state.previous_valid_until.unwrap().0, end);
    assert!(is_good(&first.secret, end - 1) && is_good(&second.secret, end - 1));
    assert!(!is_good(&first.secret, end) && is_good(&second.secret, end));
    // A snapshot that was made before the end refuses at the end too.
    let mut snapshot = Snapshot::default();
    apply(&objects.load().unwrap(), &mut snapshot, NOW_MS);
    let old = &snapshot.keys[&KeyHasher::new(MASTER).hash(first.secret.reveal())];
    assert!(old.is_current(end - 1) && !old.is_current(end));
    // Without grace nothing but the newest is good.
    let third = objects.rotate_key(&ada(), "bot", 0, NOW_MS + 1).unwrap();
    assert!(!is_good(&first.secret, NOW_MS + 1) && !is_good(&second.secret, NOW_MS + 1));
    assert!(is_good(&third.secret, NOW_MS + 1));
    let error = objects
        .rotate_key(&ada(), "bot", 91 * DAY_MS, NOW_MS)
        .err()
        .unwrap();
    assert!(error.to_string().contains("grace"), "{error}");
}

#[test]
fn a_key_ends_when_it_expires_and_a_change_moves_the_end() {
    let (_dir, objects) = fresh();
    let created = objects
        .create_key(&ada(), new(r#"{"name":"bot","expires":"90d"}"#), NOW_MS)
        .unwrap();
    let end = NOW_MS + 90 * DAY_MS;
    assert_eq!(created.object.spec.expires_at.unwrap().0, end);
    let is_good = |at| found(&objects, created.secret.reveal(), at).is_some();
    assert!(is_good(end - 1) && !is_good(end));
    let changed = objects
        .change(
            &ada(),
            "bot",
            &change::<KeySpec>(r#"{"expires":null}"#),
            NOW_MS,
        )
        .unwrap();
    assert_eq!(changed.spec.expires_at, None);
    assert!(is_good(end + 1));
    for past in [
        r#"{"expires":"2020-01-01"}"#,
        r#"{"expires_at":"2020-01-01"}"#,
        r#"{"expires":"0d"}"#,
    ] {
        let error = Change::<KeySpec>::from_json(past.as_bytes(), NOW_MS)
            .err()
            .unwrap();
        assert!(error.field.starts_with("expires"), "{error}");
    }
}

#[test]
fn the_keys_of_a_team_end_when_the_team_does() {
    let (_dir, objects) = fresh();
    let team = objects
        .create(
            &ada(),
            new::<TeamSpec>(r#"{"name":"summer","expires":"30d"}"#),
            NOW_MS,
        )
        .unwrap();
    let end = NOW_MS + 30 * DAY_MS;
    assert_eq!(team.spec.expires_at.unwrap().0, end);
    let bot = objects
        .create_key(&ada(), new(r#"{"name":"bot","team":"summer"}"#), NOW_MS)
        .unwrap();
    let is_good = |at| found(&objects, bot.secret.reveal(), at).is_some();
    assert!(is_good(end - 1) && !is_good(end));
    let later = change::<TeamSpec>(r#"{"expires_at":null}"#);
    objects.change(&ada(), "summer", &later, NOW_MS).unwrap();
    assert!(is_good(end));
    for past in [r#"{"expires":"2020-01-01"}"#, r#"{"expires":"0d"}"#] {
        let error = Change::<TeamSpec>::from_json(past.as_bytes(), NOW_MS).err();
        assert_eq!(error.unwrap().field, "expires_at");
    }
}

#[test]
fn a_price_is_shown_with_every_kind_of_rate_that_its_row_has() {
    for row in PriceBook::built_in().unwrap().rows() {
        let spec = PriceSpec::of(row);
        let again = spec.row().unwrap_or_else(|why| panic!("{}: {why}", row.id));
        assert_eq!(
            (again.rates, &again.above, again.from_ms, again.until_ms),
            (row.rates, &row.above, row.from_ms, row.until_ms),
            "{}",
            row.id
        );
        assert_eq!(again.discount_basis_points, row.discount_basis_points);
        let short = |row: &PriceRow| {
            let tiers = row.tiers.iter();
            tiers
                .map(|(tier, schedule)| (*tier, schedule.rates))
                .collect::<Vec<_>>()
        };
        assert_eq!(short(&again).len(), short(row).len(), "{}", row.id);
        for tier in short(row) {
            assert!(short(&again).contains(&tier), "{}", row.id);
        }
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<PriceSpec>(&text).unwrap(), spec);
    }
}

#[test]
fn a_change_replaces_what_it_names_clears_nulls_and_leaves_the_rest() {
    let (_dir, objects) = fresh();
    let json = r#"{"name":"support","owner":"ops","cost_center":"4711","limits":{"requests":"600/min","concurrent":20},"tags":{"a":"1","b":"2"}}"#;
    objects
        .create(&ada(), new::<TeamSpec>(json), NOW_MS)
        .unwrap();
    let patch =
        r#"{"owner":"desk","cost_center":null,"limits":{"requests":"60/min"},"tags":{"a":null}}"#;
    let bob = Viewer::operator("bob");
    let team = objects
        .change(&bob, "support", &change::<TeamSpec>(patch), NOW_MS + 5)
        .unwrap();
    assert_eq!(team.spec.owner.as_deref(), Some("desk"));
    assert_eq!(team.spec.cost_center, None);
    assert_eq!(team.spec.limits.requests.unwrap().amount, 60);
    assert_eq!(team.spec.limits.concurrent, Some(20));
    assert_eq!(team.spec.tags.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(team.created_by.as_deref(), Some("ada"));
    assert_eq!(
        (team.changed_by.as_deref(), team.changed_at.unwrap().0),
        (Some("bob"), NOW_MS + 5)
    );
    let revision = objects.revision();
    objects
        .change(
            &bob,
            "support",
            &change::<TeamSpec>(r#"{"owner":"desk"}"#),
            NOW_MS + 9,
        )
        .unwrap();
    assert_eq!(objects.revision(), revision, "no difference, no entry");
    let by_id: Object<TeamSpec> = objects.get(&ada(), &team.id).unwrap();
    assert_eq!(by_id, team);
}

#[test]
fn what_is_stored_becomes_groups_keys_and_limits_of_a_snapshot() {
    let (_dir, objects) = fresh();
    objects
        .create(
            &ada(),
            new::<OrganisationSpec>(r#"{"name":"acme","models":["fast","slow"]}"#),
            NOW_MS,
        )
        .unwrap();
    objects.create(&ada(), new::<TeamSpec>(r#"{"name":"support","organisation":"acme","tags":{"app":"desk"},"limits":{"requests":"600/min","tokens":"200000/hour","concurrent":20}}"#), NOW_MS).unwrap();
    objects
        .create(
            &ada(),
            new::<UserSpec>(r#"{"name":"eve","limits":{"requests":"10/day"}}"#),
            NOW_MS,
        )
        .unwrap();
    objects.create(&ada(), new::<BudgetSpec>(r#"{"name":"support","on":"team:support","limit":"500","per":"month","time_zone":"Europe/Paris","alert_at":["80%","50%"]}"#), NOW_MS).unwrap();
    let key = objects
        .create_key(&ada(), new(r#"{"name":"bot","team":"support"}"#), NOW_MS)
        .unwrap();
    let mut snapshot = Snapshot::default();
    apply(&objects.load().unwrap(), &mut snapshot, NOW_MS);
    let found = found(&objects, key.secret.reveal(), NOW_MS).unwrap();
    assert!(found.may_call("fast") && !found.may_call("other"));
    assert_eq!(&*found.organisation().unwrap().name, "acme");
    let limit = |name: &str| {
        snapshot
            .limits
            .iter()
            .find(|limit| &*limit.name == name)
            .unwrap()
    };
    assert_eq!(limit("team:support requests").amount, 600);
    assert_eq!(limit("team:support tokens").period, Period::Hour);
    assert_eq!(
        limit("team:support concurrent").resource,
        Resource::Concurrent
    );
    assert_eq!(limit("user:eve requests").scope, Scope::User("eve".into()));
    let budget = limit("support");
    assert_eq!(
        (budget.amount, budget.resource),
        (500_000_000_000, Resource::Money)
    );
    assert_eq!(budget.alert_at_percent, [50, 80]);
    assert_eq!(budget.time_zone.iana_name(), Some("Europe/Paris"));
    assert_eq!(snapshot.limits.iter().count(), 5);
}

fn file_snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let group = |name: &str| {
        Arc::new(Group {
            name: name.into(),
            models: Some(vec!["fast".into()]),
            ..Group::default()
        })
    };
    snapshot.teams.insert("ops".to_owned(), group("ops"));
    snapshot.of_file.teams = BTreeSet::from(["ops".to_owned()]);
    let key = VirtualKey {
        name: "filed".into(),
        team: Some(group("ops")),
        ..VirtualKey::default()
    };
    snapshot.keys.insert(key.hash, Arc::new(key));
    snapshot.of_file.keys = BTreeSet::from(["filed".to_owned()]);
    snapshot
}

#[test]
fn objects_of_the_file_are_shown_referred_to_and_never_changed() {
    let (_dir, objects) = fresh();
    objects.set_file(FileObjects::of(&file_snapshot()));
    let filed: Object<KeySpec> = objects.get(&ada(), "filed").unwrap();
    assert_eq!(
        (filed.source, filed.spec.team.as_deref()),
        (Source::File, Some("ops"))
    );
    let read_only = |error: Error| assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    read_only(
        objects
            .change(&ada(), "filed", &change::<KeySpec>("{}"), NOW_MS)
            .unwrap_err(),
    );
    read_only(
        objects
            .delete::<TeamSpec>(&ada(), "ops", NOW_MS)
            .unwrap_err(),
    );
    read_only(
        objects
            .revoke_key(&ada(), "file:filed", NOW_MS)
            .unwrap_err(),
    );
    let taken = objects
        .create(&ada(), new::<TeamSpec>(r#"{"name":"ops"}"#), NOW_MS)
        .unwrap_err();
    assert!(
        matches!(
            taken,
            Error::Taken {
                by: Source::File,
                ..
            }
        ),
        "{taken}"
    );
    // A stored key of a team of the file may what that team may.
    let key = objects
        .create_key(&ada(), new(r#"{"name":"bot","team":"ops"}"#), NOW_MS)
        .unwrap();
    let mut snapshot = file_snapshot();
    apply(&objects.load().unwrap(), &mut snapshot, NOW_MS);
    let hash = KeyHasher::new(MASTER).hash(key.secret.reveal());
    assert!(snapshot.keys[&hash].may_call("fast") && !snapshot.keys[&hash].may_call("slow"));
    let names: Vec<_> = objects
        .list::<KeySpec>(&ada(), &Query::default())
        .unwrap()
        .items;
    let names: Vec<_> = names.into_iter().map(|key| key.name).collect();
    assert_eq!(names, ["bot", "filed"]);
    // Once the team is gone from the file, its stored keys may nothing.
    assert!(found(&objects, key.secret.reveal(), NOW_MS).is_none());
}

#[test]
fn a_name_that_the_file_takes_later_hides_the_stored_object() {
    let (_dir, objects) = fresh();
    let stored = objects
        .create(
            &ada(),
            new::<TeamSpec>(r#"{"name":"ops","models":["slow"]}"#),
            NOW_MS,
        )
        .unwrap();
    objects.set_file(FileObjects::of(&file_snapshot()));
    let all = objects.load().unwrap();
    assert!(all.teams.is_empty());
    assert_eq!(all.shadowed.len(), 1);
    let shown = objects
        .list::<TeamSpec>(&ada(), &Query::default())
        .unwrap()
        .items;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].source, Source::File);
    objects
        .delete::<TeamSpec>(&ada(), &stored.id, NOW_MS)
        .unwrap();
    assert!(objects.load().unwrap().shadowed.is_empty());
}

#[test]
fn what_others_refer_to_is_not_deleted() {
    let (_dir, objects) = fresh();
    objects
        .create(&ada(), new::<TeamSpec>(r#"{"name":"support"}"#), NOW_MS)
        .unwrap();
    objects
        .create_key(&ada(), new(r#"{"name":"bot","team":"support"}"#), NOW_MS)
        .unwrap();
    objects
        .create(
            &ada(),
            new::<BudgetSpec>(r#"{"name":"daily","on":"key:bot","limit":"1","per":"day"}"#),
            NOW_MS,
        )
        .unwrap();
    let error = objects
        .delete::<TeamSpec>(&ada(), "support", NOW_MS)
        .unwrap_err();
    assert!(error.to_string().contains("key `bot`"), "{error}");
    let error = objects
        .delete::<KeySpec>(&ada(), "bot", NOW_MS)
        .unwrap_err();
    assert!(error.to_string().contains("budget `daily`"), "{error}");
    objects
        .delete::<BudgetSpec>(&ada(), "daily", NOW_MS)
        .unwrap();
    objects.delete::<KeySpec>(&ada(), "bot", NOW_MS).unwrap();
    objects
        .delete::<TeamSpec>(&ada(), "support", NOW_MS)
        .unwrap();
    let error = objects.get::<TeamSpec>(&ada(), "support").unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn every_change_has_its_entry_and_no_number_is_missing() {
    let (_dir, objects) = fresh();
    objects
        .create_key(&ada(), new(r#"{"name":"bot"}"#), NOW_MS)
        .unwrap();
    // Refused changes leave no entry and no gap.
    assert!(
        objects
            .create_key(&ada(), new(r#"{"name":"bot"}"#), NOW_MS)
            .is_err()
    );
    objects
        .change(
            &ada(),
            "bot",
            &change::<KeySpec>(r#"{"owner":"x"}"#),
            NOW_MS + 1,
        )
        .unwrap();
    objects
        .rotate_key(&Viewer::operator("bob"), "bot", DAY_MS, NOW_MS + 2)
        .unwrap();
    objects.revoke_key(&ada(), "bot", NOW_MS + 3).unwrap();
    objects
        .delete::<KeySpec>(&ada(), "bot", NOW_MS + 4)
        .unwrap();
    let entries = audit(&objects);
    let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["create", "change", "rotate", "revoke", "delete"]);
    let [create, change, rotate, .., delete] = entries.as_slice() else {
        panic!()
    };
    assert_eq!(
        (create.who.as_str(), create.at.0, create.kind.as_str()),
        ("ada", NOW_MS, "key")
    );
    assert!(create.before.is_none() && delete.after.is_none());
    assert_eq!(
        change.before.as_ref().unwrap()["owner"],
        serde_json::Value::Null
    );
    assert_eq!(change.after.as_ref().unwrap()["owner"], "x");
    assert_eq!(rotate.who, "bob");
    assert_ne!(
        rotate.before.as_ref().unwrap()["hint"],
        rotate.after.as_ref().unwrap()["hint"]
    );
    // By pages, newest first.
    let page = objects.audit_list(&ada(), None, Some(2)).unwrap();
    let next = objects
        .audit_list(&ada(), page.next_cursor.as_deref(), Some(2))
        .unwrap();
    assert_eq!(
        next.items
            .iter()
            .map(|entry| entry.number)
            .collect::<Vec<_>>(),
        [3, 2]
    );
}

#[test]
fn the_audit_trail_is_only_added_to() {
    let (dir, objects) = fresh();
    objects
        .create_key(&ada(), new(r#"{"name":"bot"}"#), NOW_MS)
        .unwrap();
    let db = open_main(dir.path(), OpenMode::Existing).unwrap();
    for statement in ["DELETE FROM audit", "UPDATE audit SET who = 'nobody'"] {
        let error = db.execute(statement, []).unwrap_err();
        assert!(error.to_string().contains("only added to"), "{error}");
    }
}

#[test]
fn writers_at_once_lose_nothing_and_number_without_gaps() {
    let (dir, objects) = fresh();
    let other = open(&dir);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let objects = if writer % 2 == 0 { &objects } else { &other };
            scope.spawn(move || {
                for n in 0..10 {
                    let json = format!(r#"{{"name":"key-{writer}-{n}"}}"#);
                    objects.create_key(&ada(), new(&json), NOW_MS).unwrap();
                    // All of them want this name; one gets it.
                    let _ = objects.create(
                        &ada(),
                        new::<TeamSpec>(&format!(r#"{{"name":"team-{n}"}}"#)),
                        NOW_MS,
                    );
                }
            });
        }
    });
    let all = objects.load().unwrap();
    assert_eq!((all.keys.len(), all.teams.len()), (40, 10));
    let entries = audit(&objects);
    let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!(all.revision, 50);
}

#[test]
fn a_viewer_of_one_team_sees_what_is_its_own_and_changes_nothing() {
    let (_dir, objects) = fresh();
    for team in ["support", "sales"] {
        objects
            .create(
                &ada(),
                new::<TeamSpec>(&format!(r#"{{"name":"{team}"}}"#)),
                NOW_MS,
            )
            .unwrap();
        let key = format!(r#"{{"name":"{team}-bot","team":"{team}"}}"#);
        objects.create_key(&ada(), new(&key), NOW_MS).unwrap();
        let budget = format!(r#"{{"name":"{team}","on":"team:{team}","limit":"5","per":"day"}}"#);
        objects
            .create(&ada(), new::<BudgetSpec>(&budget), NOW_MS)
            .unwrap();
    }
    objects
        .create(&ada(), new::<UserSpec>(r#"{"name":"eve"}"#), NOW_MS)
        .unwrap();
    objects
        .create_key(&ada(), new(r#"{"name":"loose"}"#), NOW_MS)
        .unwrap();
    let eve = Viewer {
        name: "eve".into(),
        sees: Sees::Team("support".into()),
    };
    fn names<S: Spec>(objects: &Objects, viewer: &Viewer) -> Vec<String> {
        let items = objects.list::<S>(viewer, &Query::default()).unwrap().items;
        items.into_iter().map(|object| object.name).collect()
    }
    assert_eq!(names::<KeySpec>(&objects, &eve), ["support-bot"]);
    assert_eq!(names::<TeamSpec>(&objects, &eve), ["support"]);
    assert_eq!(names::<BudgetSpec>(&objects, &eve), ["support"]);
    assert!(names::<UserSpec>(&objects, &eve).is_empty());
    assert!(objects.get::<KeySpec>(&eve, "support-bot").is_ok());
    for hidden in ["sales-bot", "loose"] {
        let (seen, none) = (
            objects.get::<KeySpec>(&eve, hidden),
            objects.get::<KeySpec>(&eve, "none"),
        );
        let text = |error: Error, name: &str| error.to_string().replace(name, "…");
        assert_eq!(
            text(seen.unwrap_err(), hidden),
            text(none.unwrap_err(), "none")
        );
    }
}

#[test]
fn a_viewer_of_one_team_changes_nothing() {
    let (_dir, objects) = fresh();
    let team = r#"{"name":"support"}"#;
    objects
        .create(&ada(), new::<TeamSpec>(team), NOW_MS)
        .unwrap();
    let key = r#"{"name":"support-bot","team":"support"}"#;
    objects.create_key(&ada(), new(key), NOW_MS).unwrap();
    let budget = r#"{"name":"support","on":"team:support","limit":"5","per":"day"}"#;
    objects
        .create(&ada(), new::<BudgetSpec>(budget), NOW_MS)
        .unwrap();
    let eve = Viewer {
        name: "eve".into(),
        sees: Sees::Team("support".into()),
    };
    let before = objects.revision();
    let forbidden =
        |error: Option<Error>| assert!(matches!(error, Some(Error::Forbidden { .. })), "{error:?}");
    forbidden(
        objects
            .create_key(&eve, new(r#"{"name":"more","team":"support"}"#), NOW_MS)
            .err(),
    );
    forbidden(objects.rotate_key(&eve, "support-bot", 0, NOW_MS).err());
    forbidden(objects.revoke_key(&eve, "support-bot", NOW_MS).err());
    forbidden(
        objects
            .change(
                &eve,
                "support",
                &change::<TeamSpec>(r#"{"limits":null}"#),
                NOW_MS,
            )
            .err(),
    );
    forbidden(objects.delete::<BudgetSpec>(&eve, "support", NOW_MS).err());
    forbidden(objects.audit_list(&eve, None, None).err());
    forbidden(objects.list_revisions(&eve, None, None).err());
    assert_eq!(objects.revision(), before);
}

#[test]
fn a_list_comes_in_pages_by_name_and_by_filter() {
    let (_dir, objects) = fresh();
    for n in 0..25 {
        let json = format!(
            r#"{{"name":"key-{n:02}","owner":"{}"}}"#,
            if n % 5 == 0 { "a" } else { "b" }
        );
        objects.create_key(&ada(), new(&json), NOW_MS).unwrap();
    }
    let mut query = Query {
        limit: Some(10),
        ..Query::default()
    };
    let mut names = Vec::new();
    loop {
        let page = objects.list::<KeySpec>(&ada(), &query).unwrap();
        names.extend(page.items.into_iter().map(|key| key.name));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(
        names,
        (0..25).map(|n| format!("key-{n:02}")).collect::<Vec<_>>()
    );
    let query = |field: &str, value: &str| Query {
        filters: vec![(field.to_owned(), value.to_owned())],
        ..Query::default()
    };
    let of_a = objects
        .list::<KeySpec>(&ada(), &query("owner", "a"))
        .unwrap()
        .items;
    assert_eq!(of_a.len(), 5);
    let none = objects
        .list::<KeySpec>(&ada(), &query("owner", "a' OR '1'='1"))
        .unwrap()
        .items;
    assert!(none.is_empty());
    let error = objects
        .list::<KeySpec>(&ada(), &query("hash", "a"))
        .unwrap_err();
    assert!(error.to_string().contains("`hash`"), "{error}");
}

#[test]
fn configurations_that_were_given_are_kept() {
    let (_dir, objects) = fresh();
    let given = NewRevision {
        revision: "abc",
        who: "ada",
        source: "bondgate.yaml",
        accepted: true,
        message: None,
    };
    objects.record_revision(given, NOW_MS).unwrap();
    let refused = NewRevision {
        accepted: false,
        message: Some("line 3: no such key"),
        revision: "abd",
        ..given
    };
    objects.record_revision(refused, NOW_MS + 1).unwrap();
    let items = objects.list_revisions(&ada(), None, None).unwrap().items;
    assert_eq!(
        items
            .iter()
            .map(|item| (item.number, item.accepted))
            .collect::<Vec<_>>(),
        [(2, false), (1, true)]
    );
    assert_eq!(items[0].message.as_deref(), Some("line 3: no such key"));
}

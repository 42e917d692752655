//! What limits have settled, hold and leave, in the window that is now.
//!
//! Shown of the running gateway's own accounts: what a request is measured against.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy::accounts::Balance as Account;
use policy::limit::{Limit, Resource, Scope};
use policy::money::Nanos;
use policy::snapshot::Snapshot;
use policy::viewer::Viewer;
use policy::window::Window;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::objects::{Moment, Usd};

use crate::App;
use crate::page::{self, Page};
use crate::reading::now_ms;
use crate::route::Answer;

/// One limit and bucket in the window that is now.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct Balance {
    /// The limit's name; of a budget, the budget's.
    pub(super) name: String,
    /// Whose requests count, such as `team:support`; null for all.
    account: Option<String>,
    /// The bucket, where each key, user, run or value of a tag has its own.
    bucket: Option<String>,
    /// `money`, `tokens`, `requests` or `concurrent`.
    resource: &'static str,
    /// What a window allows.
    amount: Amount,
    /// What is charged in it.
    settled: Amount,
    /// What requests under way hold.
    held: Amount,
    /// What is left.
    remaining: Amount,
    /// The window: `minute`, `day`, `month` and so on.
    per: &'static str,
    /// Where the calendar is read.
    time_zone: String,
    /// When the window began; null where it has no beginning.
    window_at: Option<Moment>,
    /// When the next one begins; null where none does.
    resets_at: Option<Moment>,
    /// Whether it refuses; else it only alerts.
    hard: bool,
    /// `enforce` or `report`.
    mode: String,
    /// `file` or `store`.
    source: &'static str,
    /// How full it is, for sorting: settled and held of what is allowed.
    #[serde(skip)]
    used: i128,
}

/// US dollars as a decimal string of nine places where it is money, else a number.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(untagged)]
enum Amount {
    /// US dollars.
    Money(Usd),
    /// Tokens or requests.
    Count(i64),
}

/// Which balances.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// Rows of the page: 100 when absent, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// The limit's or budget's name.
    name: Option<String>,
    /// Whose requests count, such as `team:support`; `everything` for those of all.
    account: Option<String>,
    /// The bucket.
    bucket: Option<String>,
    /// `money`, `tokens`, `requests` or `concurrent`.
    resource: Option<String>,
}

/// Balances, by the limit's name and the bucket.
pub(super) fn balances(app: &App, viewer: &Viewer, wanted: &Wanted) -> Answer<Page<Balance>> {
    let is = |given: &Option<String>, value: &str| given.as_ref().is_none_or(|text| text == value);
    let rows = now(app, viewer).into_iter().filter(|row| {
        is(&wanted.name, &row.name)
            && is(
                &wanted.account,
                row.account.as_deref().unwrap_or("everything"),
            )
            && is(&wanted.bucket, row.bucket.as_deref().unwrap_or_default())
            && is(&wanted.resource, row.resource)
    });
    page::of(rows, wanted.limit, wanted.cursor.as_deref())
}

/// The fullest limits.
pub(super) fn fullest(app: &App, viewer: &Viewer, most: usize) -> Vec<Balance> {
    let mut rows = now(app, viewer);
    rows.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.name.cmp(&b.name)));
    rows.truncate(most);
    rows
}

/// Every account that the viewer may see in its present window; limits that nobody has used
/// yet among them.
fn now(app: &App, viewer: &Viewer) -> Vec<Balance> {
    let snapshot = app.control.snapshot();
    let accounts = current(&snapshot, app.control.balances(), now_ms());
    let mine = Mine::of(&snapshot, viewer);
    let accounts = accounts.iter().filter(|account| mine.has(&account.limit));
    accounts.map(|account| shown(&snapshot, account)).collect()
}

/// Accounts in the window of that time, by name and bucket.
pub(super) fn current(snapshot: &Snapshot, live: Vec<Account>, at_ms: i64) -> Vec<Account> {
    let mut all: Vec<Account> = live
        .into_iter()
        .filter(|account| account.window.contains(at_ms))
        .collect();
    let seen: BTreeSet<Arc<str>> = all.iter().map(|one| Arc::clone(&one.limit.name)).collect();
    let unused = snapshot
        .limits
        .iter()
        .filter(|limit| limit.each.is_none() && !seen.contains(&limit.name));
    all.extend(unused.map(|limit| Account {
        limit: Arc::clone(limit),
        bucket: Arc::from(""),
        window: Window::of(limit.period, &limit.time_zone, at_ms),
        amount: limit.amount,
        settled: 0,
        held: 0,
    }));
    all.sort_by(|a, b| (&a.limit.name, &a.bucket).cmp(&(&b.limit.name, &b.bucket)));
    all
}

/// Whether a limit is of the file.
pub(super) fn source(snapshot: &Snapshot, limit: &Limit) -> &'static str {
    let owned = &snapshot.of_file;
    let of_file = match (&limit.scope, limit.resource) {
        (_, Resource::Money) => owned.budgets.contains(&*limit.name),
        (Scope::Key(name), _) => owned.keys.contains(&**name),
        (Scope::Team(name), _) => owned.teams.contains(&**name),
        (Scope::User(name), _) => owned.users.contains(&**name),
        (Scope::Organisation(name), _) => owned.organisations.contains(&**name),
        (Scope::Everything | Scope::Tag { .. } | Scope::Provider(_) | Scope::Model(_), _) => true,
    };
    if of_file { "file" } else { "store" }
}

/// Whose requests a limit counts; nothing for all.
pub(super) fn account(limit: &Limit) -> Option<String> {
    (limit.scope != Scope::Everything).then(|| limit.scope.to_string())
}

fn shown(snapshot: &Snapshot, account_now: &Account) -> Balance {
    let Account {
        limit,
        bucket,
        window,
        amount,
        settled,
        held,
    } = account_now;
    let of = |number: i64| match limit.resource {
        Resource::Money => Amount::Money(Usd(Nanos(number))),
        Resource::Tokens | Resource::Requests | Resource::Concurrent => Amount::Count(number),
    };
    let used = settled.saturating_add(*held);
    Balance {
        name: limit.name.to_string(),
        account: account(limit),
        bucket: (!bucket.is_empty()).then(|| bucket.to_string()),
        resource: limit.resource.name(),
        amount: of(*amount),
        settled: of(*settled),
        held: of(*held),
        remaining: of(amount.saturating_sub(used).max(0)),
        per: limit.period.name(),
        time_zone: limit.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        window_at: (*window != Window::ENDLESS).then_some(Moment(window.start_ms)),
        resets_at: window.end_ms.map(Moment),
        hard: limit.hard,
        mode: limit.mode.to_string(),
        source: source(snapshot, limit),
        used: i128::from(used) * 1_000_000 / i128::from((*amount).max(1)),
    }
}

/// Which limits a viewer may see: all, or those of one team and its keys.
struct Mine {
    team: Option<String>,
    keys: BTreeSet<Arc<str>>,
}

impl Mine {
    fn of(snapshot: &Snapshot, viewer: &Viewer) -> Self {
        let Some(team) = viewer.team() else {
            return Self {
                team: None,
                keys: BTreeSet::new(),
            };
        };
        let keys = snapshot.keys.values();
        let own = keys.filter(|key| key.team.as_ref().is_some_and(|group| *group.name == *team));
        Self {
            team: Some(team.to_owned()),
            keys: own.map(|key| Arc::clone(&key.name)).collect(),
        }
    }

    fn has(&self, limit: &Limit) -> bool {
        let Some(team) = &self.team else {
            return true;
        };
        match &limit.scope {
            Scope::Team(name) => **name == **team,
            Scope::Key(name) => self.keys.contains(name),
            Scope::Everything
            | Scope::Organisation(_)
            | Scope::User(_)
            | Scope::Tag { .. }
            | Scope::Provider(_)
            | Scope::Model(_) => false,
        }
    }
}

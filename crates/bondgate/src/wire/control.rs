//! The running gateway, as its operators reach it.

use std::sync::Arc;
use std::time::Duration;

use gateway::Shared;
use gateway::telemetry::Reading;
use parking_lot::Mutex;
use policy::accounts::Balance;
use policy::control::{Control, Part, ReloadError, Running};
use policy::health::Health as TargetsHealth;
use policy::snapshot::Snapshot;
use store::journal::Health;
use store::journal::Journal;
use store::ledger::{self, Standing};

use super::rules::Rules;
use crate::alerts;
use crate::config::watch::Handle;

/// The running gateway.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) rules: Arc<Rules>,
    pub(super) journal: Arc<Journal>,
    pub(super) ledger: Arc<ledger::Health>,
    /// Follows the file, where there is one.
    pub(super) watcher: Mutex<Option<Handle>>,
    /// What runs.
    pub(super) running: Running,
}

impl Control for Live {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    fn reload(&self, who: &str) -> Result<String, ReloadError> {
        let watcher = self.watcher.lock().clone();
        let Some(watcher) = watcher else {
            let why = "there is no configuration file: the gateway runs from the environment";
            return Err(ReloadError::NoFile(why.to_owned()));
        };
        tracing::info!(%who, "the configuration is read again");
        let problems = |text: String| text.lines().map(str::to_owned).collect();
        watcher
            .reload_now()
            .map_err(|text| ReloadError::Problems(problems(text)))
    }

    fn refresh(&self) -> Result<(), String> {
        let done = self.rules.put_in_force(&self.shared);
        done.map(drop).map_err(|error| format!("{error:#}"))
    }

    fn balances(&self) -> Vec<Balance> {
        self.shared.accounts.balances(&self.snapshot().limits)
    }

    fn open_requests(&self) -> u64 {
        self.journal.stats().open
    }

    fn running(&self) -> Running {
        self.running.clone()
    }

    fn metrics(&self) -> String {
        self.shared.telemetry.text()
    }

    fn see_targets(&self, see: &mut dyn FnMut(&TargetsHealth, Duration)) {
        let choice = &self.shared.choice;
        see(&choice.health, choice.now());
    }

    fn health(&self) -> Vec<Part> {
        vec![self.journal_part(), self.ledger_part()]
    }
}

impl Live {
    fn journal_part(&self) -> Part {
        let stats = self.journal.stats();
        let (well, state) = match stats.health {
            Health::Good => (true, format!("it writes; {} requests are open", stats.open)),
            Health::Full => (false, "the disk is full: no request is let in".to_owned()),
            Health::Failed(why) => (false, why.to_string()),
        };
        Part {
            name: "journal",
            well,
            state,
        }
    }

    fn ledger_part(&self) -> Part {
        let (well, state) = match self.ledger.standing() {
            Standing::Ok => (true, "it keeps up with the journal".to_owned()),
            Standing::Behind(records) => (true, format!("about {records} records wait for it")),
            Standing::Failing { why, waiting } => (
                false,
                format!("it cannot be written, about {waiting} records wait in the journal: {why}"),
            ),
        };
        Part {
            name: "ledger",
            well,
            state,
        }
    }

    /// Figures that are read when they are asked for.
    pub(super) fn show_gauges(self: &Arc<Self>) {
        let telemetry = &self.shared.telemetry;
        let live = Arc::clone(self);
        telemetry.gauge(
            "bondgate_memory_held_bytes",
            "Bytes in buffers",
            move || one(live.shared.memory.held()),
        );
        let live = Arc::clone(self);
        telemetry.gauge(
            "bondgate_journal_open",
            "Requests dispatched and not settled",
            move || one(live.journal.stats().open),
        );
        let live = Arc::clone(self);
        telemetry.gauge(
            "bondgate_journal_bytes",
            "Bytes of the journal's files",
            move || one(live.journal.stats().bytes),
        );
        let live = Arc::clone(self);
        telemetry.gauge(
            "bondgate_ledger_behind_records",
            "Records that wait for the ledger",
            move || match live.ledger.standing() {
                Standing::Ok => one(0_u64),
                Standing::Behind(records) => one(records),
                Standing::Failing { waiting, .. } => one(waiting),
            },
        );
        let live = Arc::clone(self);
        telemetry.gauge(
            "bondgate_affinity_turns",
            "Further turns of conversations, by whether they returned to the target that had answered",
            move || {
                let (turns, returned) = live.shared.choice.affinity.turns();
                let away = turns.saturating_sub(returned);
                let reading = |(word, count): (&str, u64)| Reading {
                    labels: vec![("returned", word.to_owned())],
                    value: i64::try_from(count).unwrap_or(i64::MAX),
                };
                [("yes", returned), ("no", away)].map(reading).into()
            },
        );
        for (name, help, value) in LIMIT_GAUGES {
            let live = Arc::clone(self);
            telemetry.gauge(name, help, move || live.of_limits(value));
        }
    }

    /// How many alerts came to what, since the start.
    pub(super) fn show_alerts(&self, alerts: alerts::Handle) {
        let help = "Alerts since the start, by what came of them";
        self.shared
            .telemetry
            .gauge("bondgate_alerts", help, move || {
                let counts = alerts.counts();
                let reading = |(outcome, count): (&str, u64)| Reading {
                    labels: vec![("outcome", outcome.to_owned())],
                    value: i64::try_from(count).unwrap_or(i64::MAX),
                };
                let all = [
                    ("sent", counts.sent),
                    ("retried", counts.retried),
                    ("given_up", counts.given_up),
                    ("dropped", counts.dropped),
                ];
                all.map(reading).into()
            });
    }

    /// One value of each limit that has one bucket for all; those with many would be too many.
    fn of_limits(&self, value: fn(&Balance) -> i64) -> Vec<Reading> {
        let now_ms = self.shared.now_ms();
        let balances = self.balances().into_iter();
        let shown = balances
            .filter(|balance| balance.limit.each.is_none() && balance.window.contains(now_ms));
        shown
            .map(|balance| Reading {
                labels: vec![
                    ("limit", balance.limit.name.to_string()),
                    ("resource", balance.limit.resource.name().to_owned()),
                ],
                value: value(&balance),
            })
            .collect()
    }
}

/// Name, help and value of what is told of each limit; money is in nano-dollars.
type LimitGauge = (&'static str, &'static str, fn(&Balance) -> i64);

const LIMIT_GAUGES: [LimitGauge; 3] = [
    (
        "bondgate_limit_amount",
        "What a limit allows in its window",
        |balance| balance.amount,
    ),
    (
        "bondgate_limit_settled",
        "What is spent of a limit in its window",
        |balance| balance.settled,
    ),
    (
        "bondgate_limit_held",
        "What requests under way hold of a limit",
        |balance| balance.held,
    ),
];

fn one(value: impl TryInto<i64>) -> Vec<Reading> {
    vec![Reading {
        labels: Vec::new(),
        value: value.try_into().unwrap_or(i64::MAX),
    }]
}

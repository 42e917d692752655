//! The auditor: what the accounts say is spent against what the ledger says.
//!
//! It compares once nothing has moved for a while: no request is under way, nothing was written, and
//! the ledger has caught up. What differs then is a fault of ours.

use policy::accounts::{Balance, Drift};
use policy::limit::Resource;
use store::ledger::{Ledger, Standing};

use super::books::balances;
use super::control::Live;

/// Looks, a second apart, over which nothing may have moved: more than the ledger takes to write.
const STILL_LOOKS: u32 = 5;

/// Compares accounts and ledger when nothing moves.
#[derive(Default)]
pub(super) struct Auditor {
    /// What the journal had at the last look.
    mark: (u64, u64),
    still: u32,
}

impl Auditor {
    /// Looks once; says what differs, once for each stillness.
    pub(super) fn look(&mut self, live: &Live, ledger: &Ledger, now_ms: i64) -> Vec<Drift> {
        let stats = live.journal.stats();
        let mark = (stats.bytes, stats.free_bytes_min);
        let moved = mark != self.mark || stats.open > 0 || stats.unsynced > 0;
        if moved || live.ledger.standing() != Standing::Ok {
            self.mark = mark;
            self.still = 0;
            return Vec::new();
        }
        self.still = self.still.saturating_add(1);
        if self.still != STILL_LOOKS {
            return Vec::new();
        }
        let limits = &live.shared.snapshot.load_full().limits;
        let accounts = &live.shared.accounts;
        let before = accounts.balances(limits);
        let Ok(rows) = balances(ledger, limits, now_ms) else {
            return Vec::new();
        };
        let drifts = accounts.audit(limits, &rows, now_ms);
        if sums(&before) != sums(&accounts.balances(limits)) {
            self.still = 0;
            return Vec::new();
        }
        let of_money = drifts.into_iter().filter(|drift| {
            let account = &drift.account;
            account.limit.resource == Resource::Money && account.window.contains(now_ms)
        });
        of_money.collect()
    }
}

fn sums(balances: &[Balance]) -> Vec<(i64, i64)> {
    let sums = balances.iter().map(|one| (one.settled, one.held));
    sums.collect()
}

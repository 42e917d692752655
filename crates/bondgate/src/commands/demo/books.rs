//! The fourth part: the provider's bill beside the gateway's ledger, call by call.
//!
//! A line of the bill and an entry are joined by the request's name: its run in the ledger, a part of
//! its prompt at the provider. What the two say is compared, never corrected.

use std::collections::{BTreeMap, BTreeSet};

use policy::viewer::Viewer;
use sim::Sim;
use store::ledger::{EntryFilter, EntryRow, Ledger};

use super::Demo;
use super::ask::{Answer, End};
use super::child::Running;
use super::page::usd;

/// What is remembered of each request, for the comparison.
#[derive(Default)]
pub(super) struct Notes {
    whole: BTreeSet<String>,
}

/// Calls of one kind.
#[derive(Default)]
struct Sum {
    calls: u32,
    billed: i64,
    entered: i64,
}

/// The comparison.
#[derive(Default)]
struct Compared {
    exact: Sum,
    counted: Sum,
    presumed: Sum,
    direct: Sum,
    differing: u32,
    missing: u32,
    twice: u32,
    too_low: u32,
    not_settled: u32,
}

impl Notes {
    /// Remembers an answer.
    pub(super) fn asked(&mut self, name: &str, answer: &Answer) {
        if answer.end == End::Whole {
            self.whole.insert(name.to_owned());
        }
    }

    /// What the provider charges for the requests whose names begin so, in nano-dollars.
    pub(super) fn billed(&self, sim: &Sim, begins: &str) -> i64 {
        let bill = bill(sim).into_iter();
        let of_them = bill.filter(|(name, _)| name.starts_with(begins));
        of_them.map(|(_, nanos)| nanos).sum()
    }
}

pub(super) async fn show(demo: &mut Demo, gateway: Running) -> anyhow::Result<()> {
    demo.page
        .part(4, "The provider's bill beside the gateway's ledger")?;
    gateway.stop().await?;
    let entries = entries(&demo.place.data())?;
    let compared = compare(&bill(&demo.sim), &entries, &demo.notes);
    demo.page.say(&format!(
        "   {:<26} {:>5}  {:>16}  {:>16}  {:>14}",
        "", "calls", "bill", "ledger", "difference"
    ))?;
    for (what, sum) in [
        ("settled", &compared.exact),
        ("cut by the provider", &compared.counted),
        ("presumed after kill -9", &compared.presumed),
    ] {
        demo.page.say(&format!(
            "   {what:<26} {:>5}  {:>16}  {:>16}  {:>14}",
            sum.calls,
            usd(sum.billed),
            usd(sum.entered),
            usd(sum.entered - sum.billed)
        ))?;
    }
    demo.page.say(&format!(
        "   {:<26} {:>5}  {:>16}  {:>16}\n\n   \
         Settled is what the provider counted, to the nano-dollar. Of an answer that was cut nobody\n   \
         told the gateway the count: it is charged on the safe side, with what it can have cost at\n   \
         most, and marked, so that the provider's invoice can set it right.",
        "asked directly, part 1",
        compared.direct.calls,
        usd(compared.direct.billed),
        "no gateway"
    ))?;
    promises(demo, &compared)
}

fn promises(demo: &mut Demo, compared: &Compared) -> anyhow::Result<()> {
    let exact = &compared.exact;
    let apart = exact.entered - exact.billed;
    demo.page.promise(
        exact.calls > 0 && apart == 0 && compared.differing == 0,
        &format!("settled entries and bill: difference {}", usd(apart)),
    )?;
    demo.page.promise(
        compared.missing == 0 && compared.twice == 0,
        &format!(
            "calls on the bill that the ledger lacks: {}; entered twice: {}",
            compared.missing, compared.twice
        ),
    )?;
    demo.page.promise(
        compared.not_settled == 0 && compared.too_low == 0,
        "what was answered whole is settled, and nothing is entered below what was billed",
    )
}

/// Nano-dollars by the name of the request.
fn bill(sim: &Sim) -> BTreeMap<String, i64> {
    let seen = sim.seen().into_iter();
    let names: BTreeMap<u64, String> = seen
        .filter_map(|seen| Some((seen.n, name_in(&seen.body)?)))
        .collect();
    let mut by_name = BTreeMap::new();
    for call in sim.bill().calls {
        let name = names.get(&call.n).cloned().unwrap_or_default();
        let cost = i64::try_from(call.cost_nanos).unwrap_or(i64::MAX);
        *by_name.entry(name).or_default() += cost;
    }
    by_name
}

fn name_in(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("\"{")?;
    rest.split_once('}').map(|(name, _)| name.to_owned())
}

/// All entries, by the name of the request.
fn entries(data: &std::path::Path) -> anyhow::Result<BTreeMap<String, Vec<EntryRow>>> {
    let ledger = Ledger::open(data)?;
    let (viewer, filter) = (Viewer::operator("demo"), EntryFilter::default());
    let mut all: BTreeMap<String, Vec<EntryRow>> = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = ledger.entries(&viewer, &filter, cursor.as_deref(), 1000)?;
        for row in page.items {
            all.entry(row.run.clone()).or_default().push(row);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn compare(
    bill: &BTreeMap<String, i64>,
    entries: &BTreeMap<String, Vec<EntryRow>>,
    notes: &Notes,
) -> Compared {
    let mut compared = Compared::default();
    for (name, billed) in bill {
        if name.ends_with("-direct") {
            compared.direct.add(*billed, 0);
            continue;
        }
        let rows = entries.get(name).map_or(&[][..], Vec::as_slice);
        let Some(row) = rows.first() else {
            compared.missing += 1;
            continue;
        };
        compared.twice += u32::from(rows.len() > 1);
        let entered: i64 = rows.iter().map(|row| row.cost.0).sum();
        compared.too_low += u32::from(entered < *billed);
        let is_settled = row.kind == "settled";
        compared.not_settled += u32::from(notes.whole.contains(name) && !is_settled);
        if !is_settled {
            compared.presumed.add(*billed, entered);
        } else if row.flags.estimated {
            compared.counted.add(*billed, entered);
        } else {
            compared.differing += u32::from(entered != *billed);
            compared.exact.add(*billed, entered);
        }
    }
    compared
}

impl Sum {
    fn add(&mut self, billed: i64, entered: i64) {
        self.calls += 1;
        self.billed += billed;
        self.entered += entered;
    }
}

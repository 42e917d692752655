//! What a death of the program costs: nothing that the provider bills is missing from the ledger.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{Client, address, read};
use crate::program::{KEY, Program, SimThread};
use crate::proof::{Book, Charged, Ended, TIGHT, Wanted, house, nothing_is_held, until};

/// How many times the gateway is killed; `cargo xtask crash` says more.
const ROUNDS: &str = "BONDGATE_CRASH_ROUNDS";

/// Clients that ask one request after the other.
const CLIENTS: u64 = 12;

/// One budget is never reached; the other is, early.
const BUDGETS: &str = "budgets:\n  wide: { on: key:test, limit: 10000 USD, per: total }\n  \
    tight: { on: key:tight, limit: 0.05 USD, per: total }\n";
const TIGHT_NANOS: i64 = 50_000_000;

/// A load that goes on until it is told to stop, and what its clients got whole.
struct Load {
    stop: Arc<AtomicBool>,
    whole: Arc<Mutex<Vec<String>>>,
    clients: JoinSet<()>,
}

impl Load {
    fn on(gateway: &Program, round: u64) -> Self {
        let (address, count) = (address(gateway), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let whole = Arc::new(Mutex::new(Vec::new()));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (count, stop, whole) = (Arc::clone(&count), Arc::clone(&stop), Arc::clone(&whole));
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let wanted = mixed(round, count.fetch_add(1, Ordering::Relaxed));
                    match wanted.ask(address).await {
                        Ended::Whole => whole.lock().unwrap().push(wanted.run),
                        Ended::Refused(got) => assert_eq!(got.status, 429, "{got:?}"),
                        Ended::Broken => {}
                    }
                }
            });
        }
        Self {
            stop,
            whole,
            clients,
        }
    }

    /// Ends it; gives the names of what came whole.
    async fn end(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        std::mem::take(&mut self.whole.lock().unwrap())
    }
}

/// Whole and streamed, both dialects, quick and slow ones, both keys.
fn mixed(round: u64, n: u64) -> Wanted {
    let slow = "[[chunks=30&bytes=4&gap_ms=10]]";
    Wanted {
        run: format!("r{round}-{n}"),
        key: if n.is_multiple_of(3) { TIGHT } else { KEY },
        messages: n.is_multiple_of(2),
        stream: n % 4 < 3,
        text: if n.is_multiple_of(5) {
            slow
        } else {
            "a plain question"
        }
        .to_owned(),
    }
}

fn rounds() -> u64 {
    let given = std::env::var(ROUNDS).ok();
    given.map_or(20, |text| text.parse().expect("rounds are a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_on_the_bill_is_in_the_ledger_once_after_many_kills() {
    let sim = SimThread::start("{}");
    let (data, configuration) = (TempDir::new().unwrap(), house(&sim, BUDGETS));
    let (mut charged, mut whole) = (Charged::default(), Vec::new());
    for round in 0..rounds() {
        let gateway = Program::start_on(data.path(), &configuration);
        let load = Load::on(&gateway, round);
        // Any moment will do: in the first answers, or far into the load.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..300))).await;
        gateway.killed();
        whole.extend(load.end().await);
        charged.look(&sim);
        if round % 50 == 49 {
            eprintln!("{} kills, {} answers came whole", round + 1, whole.len());
        }
    }
    let gateway = Program::start_on(data.path(), &configuration);
    nothing_is_held(&gateway).await;
    gateway.stopped();
    let (bill, book) = (charged.bill(&sim), Book::read(data.path()));
    book.agrees_with(&bill, &whole);
    let (settled, presumed) = (book.count("settled"), book.count("presumed"));
    eprintln!(
        "{} calls on the bill, {settled} settled and {presumed} presumed in the ledger",
        bill.len()
    );
    assert!(presumed > 0, "no kill hit a request under way");
    assert!(!whole.is_empty(), "nothing was answered");
    let tight: i64 = bill
        .iter()
        .filter(|(name, _)| book.entries[*name][0].key == "tight")
        .map(|(_, nanos)| nanos)
        .sum();
    assert!(tight <= TIGHT_NANOS, "billed {tight} on {TIGHT_NANOS}");
    let balance = book.balance("tight");
    assert!(balance <= TIGHT_NANOS, "charged {balance} on {TIGHT_NANOS}");
    assert!(tight <= balance, "billed {tight}, charged {balance}");
    let all: i64 = book.exchanges.keys().map(|name| book.cost(name)).sum();
    assert_eq!(balance + book.balance("wide"), all, "balances and entries");
}

const STREAMS: usize = 200;

/// Streams that have all begun; each takes two seconds.
async fn streams(gateway: &Program, sim: &SimThread) -> JoinSet<(String, bool)> {
    let address = address(gateway);
    let mut streams = JoinSet::new();
    for n in 0..STREAMS {
        let wanted = Wanted {
            messages: n.is_multiple_of(2),
            ..Wanted::new(format!("s{n}"), true, "[[chunks=100&bytes=4&gap_ms=20]]")
        };
        streams.spawn(async move {
            let whole = matches!(wanted.ask(address).await, Ended::Whole);
            (wanted.run, whole)
        });
    }
    until("all streams flow", || async {
        let seen = sim.sim.seen();
        seen.len() == STREAMS && seen.iter().all(|seen| seen.events_sent > 3)
    })
    .await;
    streams
}

async fn ended(mut streams: JoinSet<(String, bool)>) -> Vec<String> {
    let mut whole = Vec::new();
    while let Some(ended) = streams.join_next().await {
        let (run, is_whole) = ended.unwrap();
        whole.extend(is_whole.then_some(run));
    }
    whole
}

fn compared(sim: &SimThread, data: &Path, whole: &[String]) -> Book {
    let (bill, book) = (Charged::default().bill(sim), Book::read(data));
    assert_eq!((bill.len(), book.entries.len()), (STREAMS, STREAMS));
    book.agrees_with(&bill, whole);
    book
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_under_way_at_a_stop_are_all_settled() {
    let sim = SimThread::start("{}");
    let data = TempDir::new().unwrap();
    let gateway = Program::start_on(data.path(), &house(&sim, BUDGETS));
    let streams = streams(&gateway, &sim).await;
    gateway.stopped();
    let whole = ended(streams).await;
    assert_eq!(whole.len(), STREAMS);
    let book = compared(&sim, data.path(), &whole);
    assert_eq!(
        (book.count("settled"), book.count("presumed")),
        (STREAMS, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_a_kill_cuts_are_presumed_and_charged_with_what_was_held() {
    let sim = SimThread::start("{}");
    let (data, configuration) = (TempDir::new().unwrap(), house(&sim, BUDGETS));
    let gateway = Program::start_on(data.path(), &configuration);
    let streams = streams(&gateway, &sim).await;
    let held = crate::proof::metric(&gateway, "bondgate_limit_held").await;
    assert!(held > 0);
    gateway.killed();
    assert_eq!(ended(streams).await, Vec::<String>::new());
    until("the provider knows that nobody listens", || async {
        sim.sim.seen().iter().all(|seen| seen.outcome.is_some())
    })
    .await;
    let gateway = Program::start_on(data.path(), &configuration);
    let said = gateway.said("requests were under way");
    assert!(said.contains(&format!("{STREAMS} requests")), "{said}");
    nothing_is_held(&gateway).await;
    let book = compared(&sim, data.path(), &[]);
    assert_eq!(
        (book.count("settled"), book.count("presumed")),
        (0, STREAMS)
    );
    assert_eq!(book.balance("wide"), held, "what was held is charged");
    // What is charged stays charged: a third start presumes nothing again.
    gateway.killed();
    let gateway = Program::start_on(data.path(), &configuration);
    let settled = crate::proof::metric(&gateway, "bondgate_limit_settled").await;
    assert_eq!(settled, held);
    let mut client = Client::to(&gateway).await;
    let after = Wanted::new("after", false, "and on").request();
    assert_eq!(read(client.send(after).await.unwrap()).await.status, 200);
}

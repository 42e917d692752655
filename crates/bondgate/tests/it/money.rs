//! Budgets and durability through the running program; the provider's bill is the judge.

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::address;
use crate::program::{Program, SimThread};
use crate::proof::{
    Book, Charged, Ended, MAX_TOKENS, TIGHT, Wanted, house, metric, nothing_is_held,
};

const AT_ONCE: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_worth_ten_requests_holds_under_five_hundred_at_once() {
    let sim = SimThread::start("{}");
    let data = TempDir::new().unwrap();
    // An answer of 400 tokens is billed 0.0008 USD, and its question less than 0.0001.
    let answer = i64::try_from(MAX_TOKENS).unwrap() * 2_000;
    let limit = 10 * answer + 1_000_000;
    let budget = format!(
        "budgets:\n  tight: {{ on: key:tight, limit: 0.{limit:09} USD, per: total, when_unbounded: refuse }}\n"
    );
    let gateway = Program::start_on(data.path(), &house(&sim, &budget));
    let (address, mut all) = (address(&gateway), JoinSet::new());
    for n in 0..AT_ONCE {
        let wanted = Wanted {
            key: TIGHT,
            messages: n % 2 == 0,
            ..Wanted::new(format!("b{n}"), n % 3 > 0, "[[chunks=400&bytes=4]]")
        };
        all.spawn(async move { (wanted.ask(address).await, wanted.run) });
    }
    let mut whole = Vec::new();
    while let Some(ended) = all.join_next().await {
        match ended.unwrap() {
            (Ended::Whole, run) => whole.push(run),
            (Ended::Refused(got), _) => {
                assert_eq!(got.status, 429, "{got:?}");
                assert!(got.body.contains("budget_exceeded"), "{got:?}");
            }
            (Ended::Broken, run) => panic!("{run} broke"),
        }
    }
    nothing_is_held(&gateway).await;
    let settled = metric(&gateway, "bondgate_limit_settled").await;
    gateway.stopped();
    let (bill, book) = (Charged::default().bill(&sim), Book::read(data.path()));
    book.agrees_with(&bill, &whole);
    let billed: i64 = bill.values().sum();
    assert_eq!((billed, book.balance("tight")), (settled, settled));
    assert!(billed <= limit, "billed {billed} on a budget of {limit}");
    assert_eq!(whole.len(), bill.len());
    assert!((1..=11).contains(&whole.len()), "{} answers", whole.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_durability_power_answers_come_and_are_settled() {
    let sim = SimThread::start("{}");
    let data = TempDir::new().unwrap();
    let gateway = Program::start_on(data.path(), &house(&sim, "durability: power\n"));
    let (address, mut all, mut whole) = (address(&gateway), JoinSet::new(), Vec::new());
    for n in 0..60 {
        let wanted = Wanted {
            messages: n % 2 == 0,
            ..Wanted::new(format!("p{n}"), n % 3 > 0, "what lasts?")
        };
        all.spawn(async move { (wanted.ask(address).await, wanted.run) });
    }
    while let Some(ended) = all.join_next().await {
        let (ended, run) = ended.unwrap();
        assert!(matches!(ended, Ended::Whole), "{run} {ended:?}");
        whole.push(run);
    }
    // Killed at once: what was answered whole was on the disk before.
    gateway.killed();
    Program::start_on(data.path(), &house(&sim, "durability: power\n")).stopped();
    let (bill, book) = (Charged::default().bill(&sim), Book::read(data.path()));
    book.agrees_with(&bill, &whole);
    assert_eq!((book.count("settled"), book.count("presumed")), (60, 0));
}

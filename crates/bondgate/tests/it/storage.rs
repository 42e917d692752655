//! What is below the gateway fails: the database is locked, replaced or newer, the journal is
//! damaged, the disk is full. Requests go on or are refused in so many words; nothing is lost.
//!
//! A disk that fails to sync is tested where it can be made to: in the journal's own tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use http_body_util::BodyExt as _;
use policy::money::Nanos;
use rusqlite::Connection;
use store::journal::{Batch, Position, Positions};
use store::ledger::{LedgerWriter, Options, Source, SourceError};
use store::record::{Dispatched, Exchange, Record};
use tempfile::TempDir;
use tokio::task::JoinSet;
use ulid::Ulid;

use crate::client::{Client, Got, address, get, read, soon};
use crate::program::{KEY, PATIENCE, Program, SimThread};
use crate::proof::{Book, Charged, Ended, Wanted, house, metric, nothing_is_held, operator, until};

const BUDGET: &str = "budgets:\n  wide: { limit: 10000 USD, per: total }\n";

/// Asks so many at once; gives the names of what came whole.
async fn burst(gateway: &Program, name: &str, count: usize) -> Vec<String> {
    let (address, mut all) = (address(gateway), JoinSet::new());
    for n in 0..count {
        let wanted = Wanted {
            messages: n % 2 == 0,
            ..Wanted::new(format!("{name}{n}"), n % 3 > 0, "what if?")
        };
        all.spawn(async move { (wanted.ask(address).await, wanted.run) });
    }
    let mut whole = Vec::new();
    while let Some(ended) = all.join_next().await {
        let (ended, run) = ended.unwrap();
        assert!(matches!(ended, Ended::Whole), "{run}: {ended:?}");
        whole.push(run);
    }
    whole
}

/// What a start that fails says.
fn does_not_start(data: &Path, configuration: &str) -> String {
    let folder = TempDir::new().unwrap();
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ndata: {}\n{configuration}",
        data.display()
    );
    std::fs::write(folder.path().join("bondgate.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bondgate"))
        .current_dir(folder.path())
        .env_remove("BONDGATE_CONFIG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// Every file below a folder, byte for byte.
fn bytes_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_of(&path));
        } else {
            all.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    all
}

/// Starts, stops, and finds all that was answered in the ledger.
fn nothing_is_lost(data: &Path, configuration: &str, sim: &SimThread, whole: &[String]) {
    Program::start_on(data, configuration).stopped();
    let (bill, book) = (Charged::default().bill(sim), Book::read(data));
    assert_eq!(bill.len(), whole.len());
    book.agrees_with(&bill, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_ledger_holds_up_no_request_and_loses_nothing() {
    let sim = SimThread::start("{}");
    let (data, configuration) = (TempDir::new().unwrap(), house(&sim, BUDGET));
    let gateway = Program::start_on(data.path(), &configuration);
    let mut whole = burst(&gateway, "before", 20).await;
    let other = Connection::open(data.path().join("bondgate.db")).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    whole.extend(burst(&gateway, "locked", 200).await);
    eprintln!(
        "200 answers beside a locked ledger in {:?}",
        began.elapsed()
    );
    nothing_is_held(&gateway).await;
    let token = gateway.admin_token();
    until(
        "operators are told that the ledger cannot be written",
        || async {
            let status = operator(gateway.admin(), "/admin/v1/status", &token).await;
            status.status == 200 && status.body.contains("cannot be written")
        },
    )
    .await;
    let probed = || async {
        let mut client = Client::to(&gateway).await;
        let ready = client.ask(get("/readyz")).await;
        ready.status == 200 && ready.body.contains("ledger: ")
    };
    until("it is ready, and tells what is degraded", probed).await;
    other.execute_batch("ROLLBACK").unwrap();
    until("the ledger keeps up again", || async {
        metric(&gateway, "bondgate_ledger_behind_records").await == 0
    })
    .await;
    gateway.stopped();
    nothing_is_lost(data.path(), &configuration, &sim, &whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_locked_when_the_gateway_dies_gets_everything_afterwards() {
    let sim = SimThread::start("{}");
    let (data, configuration) = (TempDir::new().unwrap(), house(&sim, BUDGET));
    let gateway = Program::start_on(data.path(), &configuration);
    let other = Connection::open(data.path().join("bondgate.db")).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let whole = burst(&gateway, "locked", 100).await;
    gateway.killed();
    assert_eq!(Book::read(data.path()).entries.len(), 0);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    nothing_is_lost(data.path(), &configuration, &sim, &whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_main_file_of_garbage_or_of_a_newer_program_is_refused_and_nothing_is_touched() {
    let sim = SimThread::start("{}");
    let (data, configuration) = (TempDir::new().unwrap(), house(&sim, BUDGET));
    let gateway = Program::start_on(data.path(), &configuration);
    let whole = burst(&gateway, "before", 30).await;
    gateway.killed();
    let (main, good) = (data.path().join("bondgate.db"), TempDir::new().unwrap());
    for name in ["bondgate.db", "bondgate.db-wal", "bondgate.db-shm"] {
        let path = data.path().join(name);
        if path.exists() {
            std::fs::rename(path, good.path().join(name)).unwrap();
        }
    }
    let journal = data.path().join("journal");
    let before = bytes_of(&journal);
    for garbage in [
        "this is no database. ".repeat(500),
        "SQLite format 3\0".repeat(500),
    ] {
        std::fs::write(&main, &garbage).unwrap();
        let said = does_not_start(data.path(), &configuration);
        assert!(said.contains("bondgate.db"), "{said}");
        assert!(std::fs::read(&main).unwrap() == garbage.as_bytes());
        assert!(bytes_of(&journal) == before, "the journal was touched");
    }
    for entry in std::fs::read_dir(good.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::rename(entry.path(), data.path().join(entry.file_name())).unwrap();
    }
    let newer = "UPDATE schema_migrations SET version = version + 1000
         WHERE version = (SELECT max(version) FROM schema_migrations)";
    let database = Connection::open(&main).unwrap();
    database.execute(newer, []).unwrap();
    drop(database);
    let said = does_not_start(data.path(), &configuration);
    assert!(said.contains("bondgate.db has schema 100"), "{said}");
    assert!(said.contains("newer program"), "{said}");
    assert!(bytes_of(&journal) == before, "the journal was touched");
    let database = Connection::open(&main).unwrap();
    database.execute(&newer.replace('+', "-"), []).unwrap();
    drop(database);
    nothing_is_lost(data.path(), &configuration, &sim, &whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_damaged_in_the_middle_is_refused_with_its_file_and_offset() {
    let sim = SimThread::start("{}");
    let (data, configuration) = (TempDir::new().unwrap(), house(&sim, BUDGET));
    let gateway = Program::start_on(data.path(), &configuration);
    // Locked, so that the ledger has none of it: the records are nowhere else.
    let other = Connection::open(data.path().join("bondgate.db")).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut whole = burst(&gateway, "first", 60).await;
    until("the disk has it", || async {
        metric(&gateway, "bondgate_ledger_behind_records").await > 0
    })
    .await;
    whole.extend(burst(&gateway, "then", 60).await);
    gateway.killed();
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    let all = bytes_of(&data.path().join("journal"));
    let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let (path, bytes) = all.iter().max_by_key(|(_, bytes)| used(bytes)).unwrap();
    let (mut damaged, middle) = (bytes.clone(), used(bytes) / 4);
    damaged[middle..middle + 8].copy_from_slice(b"damaged!");
    std::fs::write(path, &damaged).unwrap();
    let said = does_not_start(data.path(), &configuration);
    let file = format!("{} is damaged at byte ", path.display());
    assert!(said.contains(&file), "{said}");
    let (_, rest) = said.split_once(&file).unwrap();
    let offset: usize = rest.split(':').next().unwrap().parse().unwrap();
    assert!(offset <= middle, "{said}");
    assert!(said.contains("docs/journal.md"), "{said}");
    assert!(std::fs::read(path).unwrap() == damaged, "it was changed");
    std::fs::write(path, bytes).unwrap();
    nothing_is_lost(data.path(), &configuration, &sim, &whole);
}

/// A small file system in memory, with a ballast that fills it.
struct Small(TempDir);

impl Small {
    /// Room for the journal of all cores and little else.
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        let size = format!("size={}m", 48 * cores + 16);
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
        let mounted = mount.arg(dir.path()).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(dir))
    }

    fn fill(&self) {
        use std::io::Write as _;
        let mut ballast = std::fs::File::create(self.0.path().join("ballast")).unwrap();
        for bytes in [1 << 20, 4096, 1] {
            while ballast.write_all(&vec![1; bytes]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// A request with as much to keep as there may be.
fn heavy(run: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = Wanted::new(run, false, "a lot of tags").request();
    let tags: Vec<String> = (0..32)
        .map(|n| format!("tag{n}={}", "x".repeat(120)))
        .collect();
    let tags = tags.join(",").parse().unwrap();
    request.headers_mut().insert("x-bondgate-tags", tags);
    request
}

/// Asks until it is refused for want of room; gives the refusal and the names of what was answered.
async fn until_full(client: &mut Client) -> (Got, Vec<String>) {
    let mut whole = Vec::new();
    for n in 0..100_000 {
        let run = format!("fill{n}");
        let got = client.ask(heavy(&run)).await;
        if got.status != 200 {
            return (got, whole);
        }
        whole.push(run);
    }
    panic!("the disk never is full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_new_settles_what_is_under_way_and_recovers() {
    let Some(small) = Small::mount() else {
        eprintln!("SKIPPED: mounting a small file system is not permitted here");
        return;
    };
    let sim = SimThread::start("{}");
    let keys = format!("  test: {{ secret: {KEY} }}");
    let taggers = format!("  test: {{ secret: {KEY}, may_set: [tags] }}");
    let configuration = house(&sim, BUDGET).replace(&keys, &taggers);
    let data = small.0.path().join("data");
    let gateway = Program::start_on(&data, &configuration);
    let mut client = Client::to(&gateway).await;
    assert_eq!(client.ask(heavy("warm")).await.status, 200);
    let slow = Wanted::new("slow", true, "[[chunks=400&bytes=4&gap_ms=50]]");
    let mut slow_client = Client::to(&gateway).await;
    let mut under_way = slow_client.send(slow.request()).await.unwrap();
    soon(under_way.body_mut().frame()).await.unwrap().unwrap();
    small.fill();
    let (refused, mut whole) = until_full(&mut client).await;
    eprintln!("{} answers before the disk was full", whole.len());
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("storage_unavailable"), "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert_eq!(client.ask(get("/livez")).await.status, 200);
    let got = read(under_way).await;
    assert!(got.is_whole_stream(), "{got:?}");
    small.empty();
    let by = Instant::now() + PATIENCE;
    for n in 0.. {
        let run = format!("after{n}");
        let got = client.ask(heavy(&run)).await;
        if got.status == 200 {
            whole.push(run);
            break;
        }
        assert!(Instant::now() < by, "it does not recover: {got:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    whole.extend(["warm".to_owned(), "slow".to_owned()]);
    nothing_is_held(&gateway).await;
    gateway.stopped();
    nothing_is_lost(&data, &configuration, &sim, &whole);
}

/// Requests of the past, made as they are asked for.
struct Past {
    next: u64,
    count: u64,
}

impl Source for Past {
    fn next_batch(&mut self, max: usize) -> Result<Batch, SourceError> {
        let mut batch = Batch::default();
        while batch.records.len() + 1 < max && self.next < self.count {
            self.next += 1;
            let at_ms = 1_772_323_200_000 + i64::try_from(self.next).unwrap();
            let id = Ulid::from_parts(at_ms.unsigned_abs(), u128::from(self.next));
            let (cost, held) = (Nanos(1_000), Nanos(2_000));
            let (model, target) = ("o".into(), "chat/echo".into());
            let dispatched = Dispatched {
                id,
                at_ms,
                held,
                model,
                target,
                ..Dispatched::default()
            };
            let (model, target) = ("o".into(), "chat/echo".into());
            let closed = Exchange {
                id,
                at_ms,
                cost,
                model,
                target,
                ..Exchange::default()
            };
            let records = [
                Record::Dispatched(Box::new(dispatched)),
                Record::Closed(Box::new(closed)),
            ];
            for (n, record) in (0..).zip(records) {
                let sequence = 2 * self.next - 1 + n;
                batch.records.push((
                    Position {
                        writer: 1000,
                        sequence,
                    },
                    record,
                ));
            }
        }
        Ok(batch)
    }

    fn wait(&mut self, _: std::time::Duration) -> bool {
        self.next < self.count
    }

    fn committed(&mut self, _: &Positions) {}
}

#[tokio::test]
async fn it_starts_over_a_ledger_of_many_exchanges() {
    let long = std::env::var_os("BONDGATE_LONG").is_some();
    let count = if long { 1_000_000 } else { 50_000 };
    let (sim, data) = (SimThread::start("{}"), TempDir::new().unwrap());
    let mut writer = LedgerWriter::open(data.path(), Options::default()).unwrap();
    let recovered = writer.recover(&mut Past { next: 0, count }).unwrap();
    assert_eq!(recovered.records, 2 * count);
    drop(writer);
    let began = Instant::now();
    let gateway = Program::start_on(data.path(), &house(&sim, BUDGET));
    let mut client = Client::to(&gateway).await;
    let first = client
        .ask(Wanted::new("first", false, "hello").request())
        .await;
    let took = began.elapsed();
    assert_eq!(first.status, 200, "{first:?}");
    eprintln!(
        "over {count} exchanges the first answer comes {} ms after the start",
        took.as_millis()
    );
    gateway.stopped();
}

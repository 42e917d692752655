//! What the proofs share: a gateway over a folder that outlives it, a load in which every request
//! carries a name of its own, and the comparison of the ledger with the simulated provider's bill.
//!
//! The name is the run (`x-bondgate-run`), which the ledger keeps, and stands in the prompt, which
//! the provider sees: so each line of the bill is joined to its exchange without asking the gateway.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use policy::viewer::Viewer;
use rusqlite::Connection;
use store::ledger::{EntryFilter, EntryRow, ExchangeFilter, ExchangeRow, Ledger};
use tokio::net::TcpStream;

use crate::client::{CHAT, Client, Got, read, request};
use crate::program::{KEY, PATIENCE, Program, SimThread};

/// A second key, for a budget of its own.
pub(crate) const TIGHT: &str = "tight-key-0123456789abcdef";

/// Where messages are asked for in the other dialect.
const MESSAGES: &str = "/v1/messages";

/// Output that each request of a load may have, in tokens.
pub(crate) const MAX_TOKENS: u64 = 400;

/// Models of both dialects, two keys, and the simulated provider's own prices.
pub(crate) fn house(sim: &SimThread, more: &str) -> String {
    let providers = sim.providers();
    let rates = "input: 1 USD, cache_read: 0.1 USD, output: 2 USD";
    format!(
        "{providers}models:\n  o: {{ targets: [chat/echo] }}\n  a: {{ targets: [anthropic/echo] }}\n\
         keys:\n  test: {{ secret: {KEY} }}\n  tight: {{ secret: {TIGHT} }}\n\
         prices:\n  - {{ target: chat/echo, {rates} }}\n  - {{ target: anthropic/echo, {rates} }}\n{more}"
    )
}

/// A request of a load.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) run: String,
    /// Who asks.
    pub(crate) key: &'static str,
    /// Anthropic's dialect instead of OpenAI's.
    pub(crate) messages: bool,
    /// Whether it asks for a stream.
    pub(crate) stream: bool,
    /// What is said beside the name, directives included.
    pub(crate) text: String,
}

/// How it ended, as its client saw it.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The answer came whole, by its protocol's own proof.
    Whole,
    /// It was refused in so many words.
    Refused(Got),
    /// Nothing that a client would take for a whole answer.
    Broken,
}

impl Wanted {
    /// A plain request with the usual key.
    pub(crate) fn new(run: impl Into<String>, stream: bool, text: &str) -> Self {
        Self {
            run: run.into(),
            key: KEY,
            messages: false,
            stream,
            text: text.to_owned(),
        }
    }

    /// As it is sent.
    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let (path, model) = if self.messages {
            (MESSAGES, "a")
        } else {
            (CHAT, "o")
        };
        let text = format!("{{{}}} {}", self.run, self.text);
        let body = serde_json::json!({
            "model": model,
            "stream": self.stream,
            "max_tokens": MAX_TOKENS,
            "messages": [{ "role": "user", "content": text }],
        });
        let mut request = request("POST", path, self.key, body.to_string());
        let headers = request.headers_mut();
        headers.insert("x-bondgate-run", self.run.parse().unwrap());
        request
    }

    /// Asks a gateway that may be gone.
    pub(crate) async fn ask(&self, address: SocketAddr) -> Ended {
        let Ok(stream) = TcpStream::connect(address).await else {
            return Ended::Broken;
        };
        let mut client = Client::over(stream, false).await;
        let Ok(response) = client.send(self.request()).await else {
            return Ended::Broken;
        };
        self.ended(read(response).await)
    }

    fn ended(&self, got: Got) -> Ended {
        let proven = match (self.stream, self.messages) {
            (false, _) => true,
            (true, false) => got.body.ends_with("data: [DONE]\n\n"),
            (true, true) => got.body.contains("event: message_stop"),
        };
        match got.status {
            StatusCode::OK if got.whole && proven => Ended::Whole,
            StatusCode::OK => Ended::Broken,
            _ => Ended::Refused(got),
        }
    }
}

/// What the provider charges for each name.
#[derive(Debug, Default)]
pub(crate) struct Charged {
    seen: u64,
    names: HashMap<u64, String>,
}

impl Charged {
    /// Notes who asked for what, before the provider forgets it.
    pub(crate) fn look(&mut self, sim: &SimThread) {
        for seen in sim.sim.seen() {
            if seen.n <= self.seen {
                continue;
            }
            self.seen = seen.n;
            let body = String::from_utf8_lossy(&seen.body);
            let (_, rest) = body
                .split_once("\"{")
                .expect("the prompt begins with a name");
            let (name, _) = rest.split_once('}').expect("the name ends");
            self.names.insert(seen.n, name.to_owned());
        }
    }

    /// Nano-dollars by name.
    pub(crate) fn bill(&mut self, sim: &SimThread) -> BTreeMap<String, i64> {
        self.look(sim);
        let bill = sim.sim.bill();
        assert_eq!(
            bill.call_count,
            bill.calls.len() as u64,
            "the provider lists all it charges"
        );
        let mut by_name = BTreeMap::new();
        for call in bill.calls {
            let cost = i64::try_from(call.cost_nanos).unwrap();
            *by_name.entry(self.names[&call.n].clone()).or_default() += cost;
        }
        by_name
    }
}

/// All that is in the ledger of a data folder.
pub(crate) struct Book {
    /// The entries by the name of their request.
    pub(crate) entries: BTreeMap<String, Vec<EntryRow>>,
    /// The exchanges by name.
    pub(crate) exchanges: HashMap<String, ExchangeRow>,
    /// What is charged to each budget, in nano-dollars.
    balances: HashMap<String, i64>,
}

impl Book {
    /// Reads it; the gateway may run.
    pub(crate) fn read(data: &Path) -> Self {
        let ledger = Ledger::open(data).unwrap();
        let viewer = Viewer::operator("proof");
        let mut entries: BTreeMap<String, Vec<EntryRow>> = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let filter = EntryFilter::default();
            let page = ledger.entries(&viewer, &filter, cursor.as_deref(), 1000);
            let page = page.unwrap();
            for row in page.items {
                entries.entry(row.run.clone()).or_default().push(row);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let mut exchanges = HashMap::new();
        loop {
            let filter = ExchangeFilter::default();
            let page = ledger.exchanges(&viewer, &filter, cursor.as_deref(), 1000);
            let page = page.unwrap();
            for row in page.items {
                let before = exchanges.insert(row.run.clone(), row);
                assert!(before.is_none(), "two exchanges of one name: {before:?}");
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Self {
            entries,
            exchanges,
            balances: balances(data),
        }
    }

    /// What is charged to a budget, in nano-dollars.
    pub(crate) fn balance(&self, limit: &str) -> i64 {
        self.balances.get(limit).copied().unwrap_or_default()
    }

    /// How many requests have a first entry of that kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let all = self.entries.values().flatten();
        all.filter(|row| row.kind == kind).count()
    }

    /// What the entries of one name come to.
    pub(crate) fn cost(&self, name: &str) -> i64 {
        let rows = self.entries.get(name).map_or(&[][..], Vec::as_slice);
        rows.iter().map(|row| row.cost.0).sum()
    }

    /// Every call on the bill is entered, once, at its price or, where nobody knows what the
    /// provider charged, at no less; what clients got whole is settled.
    pub(crate) fn agrees_with(&self, bill: &BTreeMap<String, i64>, whole: &[String]) {
        for (name, billed) in bill {
            let rows = self.entries.get(name);
            let rows = rows.unwrap_or_else(|| panic!("{name} is billed and not in the ledger"));
            let first: Vec<&EntryRow> = rows.iter().filter(|row| row.revision == 0).collect();
            assert_eq!(first.len(), 1, "{name} is entered more than once: {rows:?}");
            let row = first[0];
            let entered = self.cost(name);
            if row.kind == "settled" && !row.flags.estimated {
                assert_eq!(entered, *billed, "{name}: {rows:?}");
            } else {
                assert!(entered >= *billed, "{name} is billed {billed}: {rows:?}");
            }
        }
        for name in whole {
            let row = &self.entries[name][0];
            assert_eq!(row.kind, "settled", "{name} was answered whole: {row:?}");
            assert!(bill.contains_key(name), "{name} was answered by nobody");
        }
    }
}

/// The balances of money as they stand in the main file.
fn balances(data: &Path) -> HashMap<String, i64> {
    let main = Connection::open(data.join("bondgate.db")).unwrap();
    let sql = "SELECT \"limit\", sum(settled) FROM balances WHERE resource = 'money' GROUP BY 1";
    let mut statement = main.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// A figure that the gateway shows, summed over its labels.
pub(crate) async fn metric(gateway: &Program, name: &str) -> i64 {
    let text = metrics(gateway).await;
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '{']))
    });
    let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap());
    values.sum()
}

/// All figures that the gateway shows.
pub(crate) async fn metrics(gateway: &Program) -> String {
    let got = operator(gateway.admin(), "/metrics", &gateway.admin_token()).await;
    assert_eq!(got.status, 200, "{got:?}");
    got.body
}

/// Reads a page of the operators' listener with that token.
pub(crate) async fn operator(address: SocketAddr, path: &str, token: &str) -> Got {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut client = Client::over(stream, false).await;
    let mut request = request("GET", path, token, "");
    let host = address.to_string().parse().unwrap();
    request.headers_mut().insert("host", host);
    *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
    client.ask(request).await
}

/// Waits until it holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let by = std::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(std::time::Instant::now() < by, "never came about: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Nothing is held and nothing is open.
pub(crate) async fn nothing_is_held(gateway: &Program) {
    until("nothing is open", || async {
        metric(gateway, "bondgate_journal_open").await == 0
    })
    .await;
    assert_eq!(metric(gateway, "bondgate_limit_held").await, 0);
}

//! A running listener with a data folder of its own, a gateway that is made up, and a client that
//! writes every byte of its requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use admin::App;
use admin::route::{Ask, Routes};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use policy::accounts::{Accounts, Balance, LimitSet};
use policy::caller::{Group, VirtualKey};
use policy::control::{Control, Listener, Part, ReloadError, Running};
use policy::limit::{Limit, Mode, Period, Resource, Scope, WhenUnbounded};
use policy::model::{Fallback, Model, Target};
use policy::origin::BaseUrl;
use policy::price::PriceBook;
use policy::provider::{Auth, Provider, Quirks};
use policy::secret::{ProviderKey, Secret};
use policy::snapshot::{FileOwned, Snapshot};
use policy::viewer::{Sees, Viewer};
use serde_json::Value;
use store::keys::KeyHasher;
use store::ledger::Ledger;
use store::objects::{FileObjects, Objects, apply};
use store::seal::Sealer;
use store::sqlite::{OpenMode, open_main};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "the-admin-token-of-the-tests";
pub(crate) const MASTER: &[u8] = b"the master key of the tests";
/// A credential of the file's provider.
pub(crate) const FILE_CREDENTIAL: &str = "sk-of-the-file-never-shown";

/// A gateway that is made up.
pub(crate) struct Fake {
    pub(crate) objects: Arc<Objects>,
    pub(crate) accounts: Accounts,
    pub(crate) stuck: AtomicBool,
    pub(crate) broken: AtomicBool,
    snapshot: Mutex<Arc<Snapshot>>,
}

impl Control for Fake {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock())
    }

    fn reload(&self, _who: &str) -> Result<String, ReloadError> {
        if self.broken.load(Ordering::SeqCst) {
            let problem = "bondgate.yaml:3:1: unknown key `modles` · did you mean `models`?";
            return Err(ReloadError::Problems(vec![problem.to_owned()]));
        }
        Ok(self.snapshot().revision.to_string())
    }

    fn refresh(&self) -> Result<(), String> {
        if self.stuck.load(Ordering::SeqCst) {
            return Err("the store does not answer".to_owned());
        }
        let mut next = of_file();
        let all = self.objects.load().map_err(|error| error.to_string())?;
        apply(&all, &mut next, admin::reading::now_ms());
        *self.snapshot.lock() = Arc::new(next);
        Ok(())
    }

    fn balances(&self) -> Vec<Balance> {
        self.accounts.balances(&self.snapshot().limits)
    }

    fn open_requests(&self) -> u64 {
        3
    }

    fn running(&self) -> Running {
        Running {
            version: "1.2.3".to_owned(),
            listeners: vec![Listener {
                name: "applications",
                address: "127.0.0.1:4000".parse().unwrap(),
                tls: false,
            }],
            data: "bondgate-data".to_owned(),
            store: "sqlite",
            durability: "process",
            memory_bytes: 1 << 29,
            ..Running::default()
        }
    }

    fn metrics(&self) -> String {
        "bondgate_requests_total 3\n# EOF\n".to_owned()
    }

    fn health(&self) -> Vec<Part> {
        vec![Part {
            name: "journal",
            well: true,
            state: "it writes".to_owned(),
        }]
    }
}

/// What the file of the tests says.
pub(crate) fn of_file() -> Snapshot {
    let provider = provider();
    let target = |model: &str| Arc::new(Target::new(Arc::clone(&provider), model.to_owned()));
    let fast = Model {
        name: "fast".into(),
        targets: vec![target("gpt-5-mini"), target("gpt-5-nano")],
        fallback: Fallback {
            context_window: vec![target("gpt-5")],
            ..Fallback::default()
        },
        ..Model::default()
    };
    let slow = Model {
        name: "slow".into(),
        targets: vec![target("gpt-5")],
        ..Model::default()
    };
    let support = Arc::new(Group {
        name: "support".into(),
        models: Some(vec!["fast".to_owned()]),
        ..Group::default()
    });
    let hasher = KeyHasher::new(MASTER);
    let key = VirtualKey {
        name: "support-bot".into(),
        hash: hasher.hash("a secret of the file"),
        team: Some(Arc::clone(&support)),
        ..VirtualKey::default()
    };
    let limits = vec![
        limit("company", Scope::Everything, 20_000_000_000_000),
        limit("support", Scope::Team("support".into()), 500_000_000_000),
    ];
    Snapshot {
        revision: "0123456789abcdef".into(),
        providers: [("openai".to_owned(), provider)].into(),
        models: [("fast", fast), ("slow", slow)]
            .map(|(name, model)| (name.to_owned(), Arc::new(model)))
            .into(),
        keys: [(key.hash, Arc::new(key))].into(),
        teams: [("support".to_owned(), support)].into(),
        limits: LimitSet::new(limits),
        prices: Some(Arc::clone(PriceBook::built_in().unwrap())),
        of_file: FileOwned {
            keys: ["support-bot".to_owned()].into(),
            teams: ["support".to_owned()].into(),
            budgets: ["company".to_owned(), "support".to_owned()].into(),
            providers: ["openai".to_owned()].into(),
            ..FileOwned::default()
        },
        ..Snapshot::default()
    }
}

fn provider() -> Arc<Provider> {
    let base = BaseUrl::parse("https://api.openai.com/v1").unwrap();
    let secret = Secret::new(FILE_CREDENTIAL.to_owned());
    let key = ProviderKey::new("openai 1".to_owned(), secret, base.origin.clone());
    Arc::new(Provider {
        name: "openai".to_owned(),
        origin: base.origin,
        base_path: base.path,
        dialect: dialect::Dialect::by_name("openai-chat").unwrap(),
        auth: Auth::Bearer,
        keys: vec![Arc::new(key)],
        quirks: Quirks::default(),
        headers: vec![("x-team".to_owned(), "header-value-never-shown".to_owned())],
        catalogue_id: "openai",
        residency: Some("us".to_owned()),
    })
}

fn limit(name: &str, scope: Scope, amount: i64) -> Limit {
    Limit {
        name: name.into(),
        scope,
        each: None,
        resource: Resource::Money,
        amount,
        period: Period::Month,
        time_zone: jiff::tz::TimeZone::UTC,
        hard: true,
        mode: Mode::Enforce,
        when_unbounded: WhenUnbounded::Clamp,
        alert_at_percent: vec![80],
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The error's code and field, where it is one in the form that was promised.
    pub(crate) fn error(&self) -> (String, Option<String>) {
        let json = self.json();
        let facts = json["error"]
            .as_object()
            .unwrap_or_else(|| panic!("{json}"));
        assert!(!facts["message"].as_str().unwrap().is_empty(), "{json}");
        let extra = facts
            .keys()
            .find(|key| !["code", "message", "field"].contains(&key.as_str()));
        assert_eq!(extra, None, "{json}");
        let field = facts
            .get("field")
            .map(|field| field.as_str().unwrap().to_owned());
        (facts["code"].as_str().unwrap().to_owned(), field)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A listener that runs, and everything behind it.
pub(crate) struct Bed {
    pub(crate) dir: TempDir,
    pub(crate) app: Arc<App>,
    pub(crate) fake: Arc<Fake>,
    pub(crate) address: SocketAddr,
    pub(crate) table: Routes,
    stop: CancellationToken,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Bed {
    pub(crate) fn start() -> Self {
        Self::with(None, false)
    }

    pub(crate) fn with(tls: Option<Arc<rustls::ServerConfig>>, metrics_open: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let db = open_main(dir.path(), OpenMode::Create).unwrap();
        let hasher = KeyHasher::new(MASTER);
        let objects = Objects::open(db, hasher, Sealer::new(MASTER).unwrap()).unwrap();
        let objects = Arc::new(objects);
        objects.set_file(FileObjects::of(&of_file()));
        let fake = Arc::new(Fake {
            objects: Arc::clone(&objects),
            accounts: Accounts::new(),
            stuck: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            snapshot: Mutex::new(Arc::new(of_file())),
        });
        let control: Arc<dyn Control> = Arc::<Fake>::clone(&fake);
        let app = Arc::new(App {
            control,
            objects,
            ledger: Arc::new(Ledger::open(dir.path()).unwrap()),
            token: Secret::new(TOKEN.to_owned()),
            metrics_open,
        });
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let tls = tls.map(|tls| Arc::new(move || Arc::clone(&tls)) as admin::server::Tls);
        tokio::spawn(admin::server::serve(
            socket,
            tls,
            Arc::clone(&app),
            stop.clone(),
        ));
        Self {
            dir,
            app,
            fake,
            address,
            table: admin::routes(),
            stop,
        }
    }

    /// A call as the holder of the token makes it; `path` is below `/admin/v1`.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Said {
        let token = format!("authorization: Bearer {TOKEN}\r\n");
        self.send(method, &format!("/admin/v1{path}"), &token, body.as_bytes())
            .await
    }

    /// A call that is answered as it should.
    pub(crate) async fn good(&self, method: &str, path: &str, body: &str) -> Value {
        let said = self.call(method, path, body).await;
        assert!(
            (200..300).contains(&said.status),
            "{method} {path} {body}: {said:?}"
        );
        if said.status == 204 {
            Value::Null
        } else {
            said.json()
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Said {
        let host = if headers.to_ascii_lowercase().contains("host:") {
            String::new()
        } else {
            format!("host: {}\r\n", self.address)
        };
        let mut bytes = format!(
            "{method} {target} HTTP/1.1\r\n{host}{headers}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, &bytes).await
    }

    /// Calls a function of the table as somebody else than the holder of the token.
    pub(crate) fn direct(
        &self,
        viewer: &Viewer,
        method: &Method,
        path: &str,
        ask: &Ask,
    ) -> (u16, Value) {
        let row = self
            .table
            .find(method, path)
            .unwrap_or_else(|| panic!("{path}"));
        match (row.function)(&self.app, viewer, ask) {
            Ok(reply) => {
                let json = reply
                    .json
                    .map(|json| serde_json::from_slice(&json).unwrap());
                (reply.status.as_u16(), json.unwrap_or_default())
            }
            Err(error) => {
                assert_ne!(error.status, StatusCode::INTERNAL_SERVER_ERROR, "{error:?}");
                (error.status.as_u16(), Value::String(error.message))
            }
        }
    }
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    bytes: &[u8],
) -> Said {
    // A server that refuses early may close before all is written.
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    let text = String::from_utf8(read).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Said {
        status: status.unwrap_or_default(),
        head: head.to_owned(),
        text: body.to_owned(),
    }
}

pub(crate) fn of_team(team: &str) -> Viewer {
    Viewer {
        name: Arc::from("lead"),
        sees: Sees::Team(Arc::from(team)),
    }
}

/// A query string as a function gets it.
pub(crate) fn asked(query: &str) -> Ask {
    Ask {
        query: query.to_owned(),
        ..Ask::default()
    }
}

/// A name or id and a body as a function gets them.
pub(crate) fn about(id: &str, body: &str) -> Ask {
    Ask {
        id: id.to_owned(),
        body: body.as_bytes().to_vec().into(),
        ..Ask::default()
    }
}

/// Names in a list's items.
pub(crate) fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

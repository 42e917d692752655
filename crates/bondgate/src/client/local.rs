//! The admin API's own functions over the data folder of a gateway that does not run.
//!
//! Under the folder's lock, so that no gateway starts meanwhile. What a dead gateway left in
//! its journal is entered first, as at a gateway's start: else sums would be wrong.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use admin::App;
use admin::guard::Names;
use admin::server::router;
use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use parking_lot::RwLock;
use policy::accounts::{Accounts, Balance};
use policy::control::{Control, Part, ReloadError, Running};
use policy::secret::Secret;
use policy::snapshot::Snapshot;
use store::keys::KeyHasher;
use tokio_util::task::TaskTracker;

use super::ANSWER_BYTES_MAX;
use super::find::Place;
use crate::config::data_dir::{DataDir, DataDirError};
use crate::config::interpolate::Commands;
use crate::config::{Config, Durability, Mode, Overrides, Source, load, zero_config};
use crate::wire::books::{Books, BooksOptions, restore};
use crate::wire::rules::Rules;

/// What every data folder has that a gateway has run on.
const MAIN_FILE: &str = "bondgate.db";

/// The functions of the API; no more is known of them than what goes in and comes out.
type Serve = Box<dyn Fn(Request<Full<Bytes>>) -> Answering>;

type Answering = Pin<Box<dyn Future<Output = anyhow::Result<(StatusCode, Bytes)>>>>;

/// A data folder, opened.
pub(super) struct Local {
    serve: Serve,
    token: HeaderValue,
    path: PathBuf,
    // Last, so that the folder is free only when nothing is open in it.
    _books: Books,
    _data: DataDir,
}

impl Local {
    pub(super) fn open(place: &Place) -> anyhow::Result<Self> {
        if !place.data.is_dir() {
            bail!(
                "no gateway answers at {} and there is no data folder {} · start the gateway with \
                 `bondgate serve`, or name it with `--admin` or its folder with `--data`",
                place.url,
                place.data.display()
            );
        }
        if !place.data.join(MAIN_FILE).is_file() {
            bail!(
                "{} is no data folder of a gateway: it has no {MAIN_FILE} · name the right one with \
                 `--data`, or start the gateway on it with `bondgate serve`",
                place.data.display()
            );
        }
        let config = configuration(place)?;
        let data = DataDir::open(&place.data).map_err(|error| in_use(error, place))?;
        let master_key = data.master_key(config.master_key.as_ref())?;
        let now_ms = now_ms();
        let books = Books::open(&BooksOptions {
            dir: data.path(),
            cores: 1,
            durability: Durability::Process,
            master_key: &master_key,
            now_ms,
        })?;
        let hasher = KeyHasher::new(master_key.reveal().as_bytes());
        let (objects, ledger) = (Arc::clone(&books.objects), Arc::clone(&books.ledger));
        let running = running(&config, place);
        let rules = Rules::new(
            Arc::new(config),
            Arc::clone(&objects),
            Arc::clone(&ledger),
            hasher,
        );
        let snapshot = rules.snapshot(now_ms)?;
        let accounts = Accounts::new();
        restore(&accounts, &snapshot.limits, (&ledger, now_ms), |_| true)?;
        let random = store::keys::random_256().map_err(|error| anyhow!("{error}"))?;
        let token = Secret::new(URL_SAFE_NO_PAD.encode(random));
        let mut shown = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))?;
        shown.set_sensitive(true);
        let rest = AtRest {
            rules,
            snapshot: RwLock::new(Arc::new(snapshot)),
            accounts,
            running,
        };
        let app = App {
            control: Arc::new(rest),
            objects,
            ledger,
            token,
            metrics_open: false,
        };
        Ok(Self {
            serve: serving(app),
            token: shown,
            path: data.path().to_owned(),
            _books: books,
            _data: data,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for a path of the API; `target` begins with a slash.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(AUTHORIZATION, self.token.clone())
            .header(HOST, "localhost")
            .body(Full::new(body))?;
        (self.serve)(request).await
    }
}

fn serving(app: App) -> Serve {
    let router = router(Arc::new(app), Names::OfThisMachine, TaskTracker::new());
    let service = TowerToHyperService::new(router);
    Box::new(move |request| {
        let answered = service.call(request);
        Box::pin(async move {
            let answer = answered.await.map_err(|never| match never {})?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| anyhow!("{error}"));
            Ok((status, body.context("the answer broke off")?.to_bytes()))
        })
    })
}

/// A gateway that does not run.
struct AtRest {
    rules: Rules,
    snapshot: RwLock<Arc<Snapshot>>,
    accounts: Accounts,
    running: Running,
}

impl Control for AtRest {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }

    fn reload(&self, _who: &str) -> Result<String, ReloadError> {
        let why = "no gateway runs: its file is read when it starts";
        Err(ReloadError::NoFile(why.to_owned()))
    }

    fn refresh(&self) -> Result<(), String> {
        let next = self.rules.snapshot(now_ms());
        *self.snapshot.write() = Arc::new(next.map_err(|error| format!("{error:#}"))?);
        Ok(())
    }

    fn balances(&self) -> Vec<Balance> {
        self.accounts.balances(&self.snapshot().limits)
    }

    fn open_requests(&self) -> u64 {
        0
    }

    fn running(&self) -> Running {
        self.running.clone()
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn health(&self) -> Vec<Part> {
        vec![Part {
            name: "gateway",
            well: false,
            state: "it does not run; this is what its data folder holds".to_owned(),
        }]
    }
}

fn running(config: &Config, place: &Place) -> Running {
    Running {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: place.source.path().map(|path| path.display().to_string()),
        data: place.data.display().to_string(),
        store: "sqlite",
        durability: match config.durability {
            Durability::Process => "process",
            Durability::Power => "power",
        },
        memory_bytes: u64::try_from(config.memory).unwrap_or(u64::MAX),
        ..Running::default()
    }
}

fn configuration(place: &Place) -> anyhow::Result<Config> {
    let env = |name: &str| std::env::var(name).ok();
    match &place.source {
        Source::File(path) => {
            let overrides = Overrides {
                data: Some(place.data.clone()),
                ..Overrides::default()
            };
            let mut commands = Commands::default();
            // As a start would: the master key may come from a command.
            let loaded =
                load(path, &overrides, &env, Mode::Serve(&mut commands)).with_context(|| {
                    "no gateway runs, so the configuration was read, and it is not accepted; \
                 mend it, set the variables that it names, or start the gateway"
                })?;
            Ok(loaded.config)
        }
        // Nothing is sent there: the address only makes the row complete.
        Source::Environment => Ok(zero_config(&env, "http://127.0.0.1:9")),
    }
}

/// What to do where the folder belongs to a gateway whose admin listener was not found.
fn in_use(error: DataDirError, place: &Place) -> anyhow::Error {
    match error {
        DataDirError::InUse { path, holder } => anyhow!(
            "the data folder {path} is in use by {holder}, and no admin API answers at {} · name \
             that gateway's admin listener with `--admin URL` or BONDGATE_ADMIN_URL (it says the \
             address when it starts)",
            place.url
        ),
        DataDirError::Io { .. } | DataDirError::MasterKey { .. } => error.into(),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

//! Flags of the commands that read or change a gateway.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use policy::origin::BaseUrl;
use store::ledger::By;

use super::Format;

/// What `keys --help` says beside its commands.
pub(super) const KEYS_HELP: &str = "Examples:
  bondgate keys create --name support-bot --team support --expires 90d
  bondgate keys list
  bondgate keys rotate support-bot --grace 24h";

/// What `prices --help` says beside its commands.
pub(super) const PRICES_HELP: &str = "Examples:
  bondgate prices list gpt-5-mini
  bondgate prices import negotiated.yaml";

/// What `prune --help` says beside its flags.
pub(super) const PRUNE_HELP: &str =
    "Removes exchanges and attempts, whole months of them; this month and the last one stay. Entries \
of the ledger, its sums and balances are never removed. The audit trail says who did it.

Example:
  bondgate prune --before 2026-01";

/// What `spend --help` says beside its flags.
pub(super) const SPEND_HELP: &str =
    "Of the last 30 days where nothing is said. `--by` may stand several \
times. Requests without a known price cost nothing here; a column of their own counts them.

Examples:
  bondgate spend --by team --by model
  bondgate spend --by day --since 7d
  bondgate spend --by tag:app --since 2026-11-01 --until 2026-12-01 --format csv > november.csv";

/// What `logs --help` says beside its flags.
pub(super) const LOGS_HELP: &str = "Filters: state, key, team, organisation, user, run, dialect, operation, \
model, target, served_model, status, failure, tag:NAME; all of them must hold. The newest come last. \
With `--follow`, JSON is one object a line.

Examples:
  bondgate logs
  bondgate logs --follow --filter team=support
  bondgate logs --filter state=refused --since 1h --format json";

/// What `show --help` says beside its flags.
pub(super) const SHOW_HELP: &str =
    "The id is in every answer's `x-bondgate-request-id`, and in `bondgate logs`.

Examples:
  bondgate show 01JD3V7Q8T4W9YB2K5N6P0R1SX
  bondgate show 01JD3V7Q8T4W9YB2K5N6P0R1SX --format json";

/// What `paths --help` says beside its flags.
pub(super) const PATHS_HELP: &str = "Examples:
  bondgate paths
  bondgate paths --format csv > paths.csv";

/// What `query --help` says beside its flags.
pub(super) const QUERY_HELP: &str = "Views: exchanges, attempts, ledger, spend_daily, budgets, keys, targets, \
paths; their columns are in docs/ledger.md. Money is in integer nano-dollars. It cannot change anything.

Examples:
  bondgate query 'SELECT model, sum(cost_nanos) / 1e9 AS usd FROM ledger GROUP BY model'
  bondgate query 'SELECT name, settled, amount FROM budgets' --format json
  bondgate query - < report.sql";

/// What `status --help` says beside its flags.
pub(super) const STATUS_HELP: &str =
    "On a terminal it is drawn anew every two seconds, until interrupted; \
elsewhere it is printed once. Exit code 1: a part of the gateway is not well.

Examples:
  bondgate status
  bondgate status --format json";

/// Which gateway is meant, and what proves that one may.
///
/// The token comes from `BONDGATE_ADMIN_TOKEN` or a file, never from an argument: others on
/// the machine see arguments.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Gateway")]
pub struct AdminOptions {
    /// Its admin API [default: the configuration's `admin.listen`, else http://127.0.0.1:4001]
    #[arg(long = "admin", value_name = "URL", env = "BONDGATE_ADMIN_URL", value_parser = admin_url)]
    pub url: Option<String>,
    /// A further certificate authority for an https URL, PEM
    #[arg(long = "admin-ca", value_name = "FILE", env = "BONDGATE_ADMIN_CA")]
    pub ca: Option<PathBuf>,
    /// Its data folder [default: the configuration's `data`, else ./bondgate-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Its configuration file [default: ./bondgate.yaml where it exists]
    #[arg(long, value_name = "FILE", env = "BONDGATE_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Flags of `keys`.
#[derive(Args, Clone, Debug)]
pub struct KeysOptions {
    /// What to do with them
    #[command(subcommand)]
    pub action: KeysAction,
}

/// What is done with virtual keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysAction {
    /// Make a key; its secret is printed once, and cannot be had again.
    #[command(
        after_help = "The secret is the last line of stdout, alone. With `--format json` it is the \
field `secret` of the key.

Examples:
  bondgate keys create --name support-bot --team support --models fast-summary --expires 90d
  bondgate keys create --name ci --tag app=ci --tag use_case=tests
  KEY=$(bondgate keys create --name dev | tail -n 1)"
    )]
    Create(KeysCreate),
    /// List all keys.
    #[command(after_help = "Examples:
  bondgate keys list
  bondgate keys list --team support --format csv > keys.csv")]
    List(KeysList),
    /// Show one key.
    #[command(after_help = "Example:
  bondgate keys show support-bot")]
    Show(KeysOne),
    /// Refuse a key from now on, for good.
    #[command(after_help = "Example:
  bondgate keys revoke support-bot")]
    Revoke(KeysOne),
    /// Give a key a new secret; the one before stays good for a while.
    #[command(after_help = "Without `--grace` the secret before is refused at once.

Examples:
  bondgate keys rotate support-bot --grace 24h
  bondgate keys rotate support-bot --format json")]
    Rotate(KeysRotate),
}

/// Flags of `keys create`.
#[derive(Args, Clone, Debug)]
pub struct KeysCreate {
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The team that it belongs to
    #[arg(long, value_name = "TEAM")]
    pub team: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,
    /// Models that it may call, such as `fast,smart` [default: all that its team may]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// For how long it is good, such as `90d`, or until when [default: for ever]
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<When>,
    /// A tag of all its requests; may be given several times
    #[arg(long = "tag", value_name = "K=V")]
    pub tags: Vec<Pair>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `keys list`.
#[derive(Args, Clone, Debug)]
pub struct KeysList {
    /// Only those of a team
    #[arg(long, value_name = "TEAM")]
    pub team: Option<String>,
    /// Rows at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `keys show` and `keys revoke`.
#[derive(Args, Clone, Debug)]
pub struct KeysOne {
    /// Its name or id
    #[arg(value_name = "KEY")]
    pub key: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `keys rotate`.
#[derive(Args, Clone, Debug)]
pub struct KeysRotate {
    /// Its name or id
    #[arg(value_name = "KEY")]
    pub key: String,
    /// For how long the secret before stays good, such as `24h`
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub grace: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `spend`.
#[derive(Args, Clone, Debug)]
pub struct SpendOptions {
    /// team, key, user, organisation, model, provider, target, day or tag:NAME; may be given several times
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = by)]
    pub by: Vec<String>,
    /// From when, such as `30d` (ago) or `2026-11-01`
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    pub since: When,
    /// Until when [default: now]
    #[arg(long, value_name = "WHEN")]
    pub until: Option<When>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `logs`.
#[derive(Args, Clone, Debug)]
pub struct LogsOptions {
    /// Print further exchanges as they end, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// Only exchanges whose field is that; may be given several times
    #[arg(long = "filter", value_name = "K=V")]
    pub filters: Vec<Pair>,
    /// From when, such as `1h` (ago) or `2026-11-01`
    #[arg(long, value_name = "WHEN")]
    pub since: Option<When>,
    /// Until when
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    pub until: Option<When>,
    /// Rows at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowOptions {
    /// Its id, as in `x-bondgate-request-id`
    #[arg(value_name = "EXCHANGE")]
    pub exchange: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `paths`.
#[derive(Args, Clone, Debug)]
pub struct PathsOptions {
    /// Rows at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `query`.
#[derive(Args, Clone, Debug)]
pub struct QueryOptions {
    /// One SELECT over the views; `-` reads it from stdin
    #[arg(value_name = "SELECT", allow_hyphen_values = true)]
    pub sql: String,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `prices`.
#[derive(Args, Clone, Debug)]
pub struct PricesOptions {
    /// What to do with them
    #[command(subcommand)]
    pub action: PricesAction,
}

/// What is done with prices.
#[derive(Clone, Debug, Subcommand)]
pub enum PricesAction {
    /// List prices, in US dollars for a million tokens.
    #[command(after_help = "Examples:
  bondgate prices list
  bondgate prices list openai/gpt-5-mini --format json")]
    List(PricesList),
    /// Add prices from a file.
    #[command(
        after_help = "The file is a list of rows as in the configuration's `prices`, or has them under \
`prices`; YAML or JSON. All rows are looked at before the first is added.

Examples:
  bondgate prices import negotiated.yaml
  echo '[{\"target\": \"local/llama-3\", \"input\": \"0 USD\", \"output\": \"0 USD\"}]' > free.json
  bondgate prices import free.json"
    )]
    Import(PricesImport),
}

/// Flags of `prices list`.
#[derive(Args, Clone, Debug)]
pub struct PricesList {
    /// Only those of a target, `provider/model`, or of all targets with that model
    #[arg(value_name = "MODEL")]
    pub model: Option<String>,
    /// Rows at most [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `prices import`.
#[derive(Args, Clone, Debug)]
pub struct PricesImport {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the added rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `prune`.
#[derive(Args, Clone, Debug)]
pub struct PruneOptions {
    /// The first month that stays, such as 2026-01
    #[arg(long, value_name = "MONTH")]
    pub before: String,
    /// How the removed months are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// Flags of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusOptions {
    /// Print once, on a terminal too
    #[arg(long)]
    pub once: bool,
    /// How it is printed; other than `table`, once
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which gateway
    #[command(flatten)]
    pub admin: AdminOptions,
}

/// A name and its value, written `k=v`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: String,
    /// The value; may hold `=`.
    pub value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            Some(_) | None => Err("it is written NAME=VALUE".to_owned()),
        }
    }
}

/// A point in time: so long before or after now, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// A length of time in milliseconds.
    Length(i64),
    /// A moment in milliseconds since 1970.
    At(i64),
}

impl When {
    /// The moment, where a length of time means so long before now.
    #[must_use]
    pub fn ago(&self, now_ms: i64) -> i64 {
        match self {
            When::Length(ms) => now_ms.saturating_sub(*ms),
            When::At(ms) => *ms,
        }
    }

    /// The moment, where a length of time means so long from now.
    #[must_use]
    pub fn ahead(&self, now_ms: i64) -> i64 {
        match self {
            When::Length(ms) => now_ms.saturating_add(*ms),
            When::At(ms) => *ms,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(ms) = length_ms(text) {
            return Ok(When::Length(ms));
        }
        let moment: Result<store::objects::Moment, _> = text.parse();
        moment.map(|at| When::At(at.0)).map_err(|_| {
            "write a length of time such as `30d`, a date such as `2026-11-01`, or \
             `2026-11-01T12:00:00Z`"
                .to_owned()
        })
    }
}

fn length_ms(text: &str) -> Option<i64> {
    let period: crate::config::units::Period = text.parse().ok()?;
    let ms = i64::try_from(period.0.as_millis()).ok()?;
    // Ten years: what is longer is a slip of the hand, and would not be a date.
    (ms <= 3650 * 86_400_000).then_some(ms)
}

fn length(text: &str) -> Result<String, String> {
    match length_ms(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write a length of time such as `24h`".to_owned()),
    }
}

fn by(text: &str) -> Result<String, String> {
    let known: Result<By, _> = text.parse();
    known
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

fn admin_url(text: &str) -> Result<String, String> {
    BaseUrl::parse(text)?;
    let root = text.trim_end_matches('/');
    Ok(root.strip_suffix("/admin/v1").unwrap_or(root).to_owned())
}

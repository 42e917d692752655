//! The command line: every command and flag, with help that teaches.
//!
//! Only shapes and words; what a command does is in [`crate::commands`]. A command that is
//! not built is not listed here.

mod moving;
pub mod operate;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use dialect::needs::Need;

use operate::{
    KeysOptions, LogsOptions, PathsOptions, PricesOptions, PruneOptions, QueryOptions, ShowOptions,
    SpendOptions, StatusOptions,
};

pub use moving::{ImportOptions, ImportSource, KeyText, LitellmOptions, RunOptions, ScanOptions};

/// An AI gateway: one process between your applications and every model they call.
#[derive(Debug, Parser)]
#[command(
    name = "bondgate",
    bin_name = "bondgate",
    version,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    after_help = "Without a command, `bondgate` serves. Without a configuration file, every provider \
whose usual key variable is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, …) is on, and the \
built-in simulated provider answers as `sim/echo`.

Examples:
  bondgate                                    serve, from ./bondgate.yaml or the environment
  bondgate check                              say every problem of the configuration at once
  bondgate doctor                             what works, what does not, and what mends it
  bondgate egress                             hosts and ports, for a firewall
  bondgate explain fast-summary               which targets would serve a model, and why
  bondgate keys create --name app             a key for an application
  bondgate spend --by team --by model         what was spent
  bondgate demo                               the promises, shown in under a minute
  bondgate sim --listen 127.0.0.1:9000        a provider to test against, with faults by script
  bondgate import litellm config.yaml         a LiteLLM configuration as one of ours
  bondgate scan .                             provider keys and direct calls in a folder
  bondgate run -- claude                      a program with base URL and key set for the gateway"
)]
pub struct Cli {
    /// What to do; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `serve`, for when no command is given.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    #[command(
        after_help = "A change of the file, of a file it refers to, or SIGHUP reloads the configuration; \
a bad one is refused whole and the last good one keeps serving. BONDGATE_LOG says how much is logged to \
stderr [default: warn]; `exchange=debug` gives a line for each request.

Examples:
  bondgate serve
  bondgate serve --config /etc/bondgate.yaml --listen 0.0.0.0:4000"
    )]
    Serve(ServeOptions),
    /// Say every problem of a configuration at once, each with its place and what mends it.
    #[command(
        after_help = "Never connects and runs no `${command:…}`. Exit code 0: good; 1: problems.

Examples:
  bondgate check
  bondgate check --config staging.yaml
  bondgate check --schema > bondgate.schema.json"
    )]
    Check(CheckOptions),
    /// Connect, and say what works, what does not, and what mends it.
    #[command(
        after_help = "Looks at the configuration, open files, the data folder, ports, and at each provider: its \
name, its answer to each credential, the models that targets name, and its clock beside ours. The one call is \
the list of models, which costs nothing. Exit code 0: nothing is bad; 1: something is.

Examples:
  bondgate doctor
  bondgate doctor --config staging.yaml --format json"
    )]
    Doctor(DoctorOptions),
    /// The hosts and ports that this configuration can reach, for a firewall.
    #[command(
        after_help = "From the configuration only: nothing is connected to. With a proxy, what it carries is \
marked `proxy`: the gateway itself reaches the proxy only.

Examples:
  bondgate egress
  bondgate egress --format json"
    )]
    Egress(EgressOptions),
    /// Which targets would serve a model, in what order, and why each other one is not used.
    #[command(after_help = "Reads the configuration only: nothing is connected to.

Examples:
  bondgate explain fast-summary
  bondgate explain fast-summary --key support-bot --needs tools,vision
  bondgate explain openai/gpt-5-mini --format json")]
    Explain(ExplainOptions),
    /// Virtual keys: make, list, show, revoke and rotate them.
    #[command(after_help = operate::KEYS_HELP)]
    Keys(KeysOptions),
    /// What was spent, summed from the ledger.
    #[command(after_help = operate::SPEND_HELP)]
    Spend(SpendOptions),
    /// Exchanges: what was asked, of whom, how it ended and what it cost.
    #[command(after_help = operate::LOGS_HELP)]
    Logs(LogsOptions),
    /// One exchange, with its attempts and why it went where it went.
    #[command(after_help = operate::SHOW_HELP)]
    Show(ShowOptions),
    /// Who reaches what: every key with the targets that its requests may go to.
    #[command(after_help = operate::PATHS_HELP)]
    Paths(PathsOptions),
    /// One SELECT over the views of the ledger.
    #[command(after_help = operate::QUERY_HELP)]
    Query(QueryOptions),
    /// Prices: list them, import rows of your own.
    #[command(after_help = operate::PRICES_HELP)]
    Prices(PricesOptions),
    /// Remove the requests of months gone by; the ledger keeps what they cost.
    #[command(after_help = operate::PRUNE_HELP)]
    Prune(PruneOptions),
    /// How the gateway fares; live on a terminal.
    #[command(after_help = operate::STATUS_HELP)]
    Status(StatusOptions),
    /// Show the promises in under a minute, on a simulated provider; no account needed.
    #[command(
        after_help = "Starts a gateway of its own over a temporary folder, cuts its streams, sends 500 requests \
at once against a budget of $1, kills it with SIGKILL, and lays the provider's bill beside the ledger. \
Exit code 0: every promise held; 1: one did not.

Example:
  bondgate demo"
    )]
    Demo,
    /// The simulated provider alone, with faults by script, keeping its bill.
    #[command(
        after_help = "It speaks openai-chat, openai-responses, anthropic-messages, gemini, bedrock-converse and
cohere. Its bill is at /sim/bill. Point any client, or a provider's `base_url`, at it.

Examples:
  bondgate sim
  bondgate sim --listen 127.0.0.1:9000 --script faults.json"
    )]
    Sim(SimOptions),
    /// Turn another gateway's configuration into one of ours, each finding graded.
    Import(ImportOptions),
    /// Find provider keys, their base URLs and the clients that use them, with a suggestion for each.
    #[command(
        after_help = "Follows no links; passes over .git, node_modules, target, virtual environments, \
binaries and files over 1 MiB. Of a key, its first 4 characters and its length are shown, never more. \
Exit code 0: no key in clear; 1: at least one.

Examples:
  bondgate scan .
  bondgate scan services deploy --format csv > calls.csv
  bondgate scan . --gateway https://gateway.example.com"
    )]
    Scan(ScanOptions),
    /// Start a program with base URL and key set for the gateway.
    #[command(
        after_help = "Sets for the program: OPENAI_BASE_URL, OPENAI_API_BASE, OPENAI_API_KEY, \
ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, ANTHROPIC_CUSTOM_HEADERS (with \
`x-bondgate-run`), those of the Gemini, Bedrock and Cohere libraries, BONDGATE_URL and BONDGATE_RUN. \
OpenAI's variables carry no headers: a program that uses them belongs to the run only where it sends \
`x-bondgate-run` itself. claude, codex, gemini, opencode and aider are given what else they need, and \
with `--model` the model.

SIGINT, SIGTERM, SIGHUP and SIGQUIT reach the program. Exit code: the program's, or 128 and the number \
of the signal that ended it; 127: there is no such program; 126: it cannot be started; 1: the gateway \
does not answer, or there is no key.

Examples:
  bondgate run -- claude
  bondgate run --model fast -- codex exec 'explain this repository'
  bondgate run --run nightly-42 --model fast -- aider
  BONDGATE_KEY=bg-… bondgate run --gateway https://gateway.example.com -- python agent.py"
    )]
    Run(RunOptions),
    /// Write a shell's completions to stdout.
    #[command(after_help = "Example:
  bondgate completions bash > /etc/bash_completion.d/bondgate")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Version, commit and features.
    Version,
}

/// Flags of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeOptions {
    /// Configuration file [default: ./bondgate.yaml where it exists]
    #[arg(long, value_name = "FILE", env = "BONDGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where applications call, instead of the file's `listen`
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Where operators call, instead of the file's `admin.listen`
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub admin_listen: Option<SocketAddr>,
    /// Folder of what lasts, instead of the file's `data`
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Flags of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckOptions {
    /// Configuration file [default: ./bondgate.yaml]
    #[arg(long, value_name = "FILE", env = "BONDGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print the JSON Schema of configurations instead
    #[arg(long)]
    pub schema: bool,
}

/// Flags of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorOptions {
    /// Configuration file [default: ./bondgate.yaml where it exists]
    #[arg(long, value_name = "FILE", env = "BONDGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Flags of `egress`.
#[derive(Args, Clone, Debug)]
pub struct EgressOptions {
    /// Configuration file [default: ./bondgate.yaml where it exists]
    #[arg(long, value_name = "FILE", env = "BONDGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainOptions {
    /// A model of the configuration, or `provider/model`
    pub model: String,
    /// As that key would be served [default: a key that may call everything]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Length of the input, in tokens
    #[arg(long, value_name = "N")]
    pub prompt_tokens: Option<u64>,
    /// What the request asks of a target, such as `tools,vision`
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = need)]
    pub needs: Vec<Need>,
    /// Configuration file [default: ./bondgate.yaml where it exists]
    #[arg(long, value_name = "FILE", env = "BONDGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Flags of `sim`.
#[derive(Args, Clone, Debug)]
pub struct SimOptions {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,
    /// Script of faults, JSON
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For spreadsheets
    Csv,
    /// For programs
    Json,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse::<crate::config::values::Address>()
        .map(|address| address.0)
}

fn need(text: &str) -> Result<Need, String> {
    Need::ALL
        .into_iter()
        .find(|need| need.name() == text)
        .ok_or_else(|| format!("known needs: {}", Need::ALL.map(Need::name).join(", ")))
}

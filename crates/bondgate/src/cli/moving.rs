//! Flags of the commands by which one moves to a gateway: `import`, `scan` and `run`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Args, Subcommand};
use policy::origin::BaseUrl;
use policy::secret::Secret;

use super::Format;
use super::operate::AdminOptions;

/// Flags of `import`.
#[derive(Args, Clone, Debug)]
pub struct ImportOptions {
    /// Whose configuration
    #[command(subcommand)]
    pub source: ImportSource,
}

/// Whose configuration is imported.
#[derive(Clone, Debug, Subcommand)]
pub enum ImportSource {
    /// A configuration of LiteLLM's proxy.
    #[command(
        after_help = "The configuration goes to stdout, or to `--output`; the findings go to stderr. With \
`--report`, the findings go to stdout as rows instead of the configuration. Each is `exact`, \
`approximate`, `manual` (there is something to do) or `unsupported`. No key that stands in the file is \
copied: it becomes a `${NAME}` to set. Nothing is connected to.

Examples:
  bondgate import litellm config.yaml > bondgate.yaml
  bondgate import litellm config.yaml --output bondgate.yaml --report
  bondgate import litellm config.yaml --report --format csv > findings.csv"
    )]
    Litellm(LitellmOptions),
}

/// Flags of `import litellm`.
#[derive(Args, Clone, Debug)]
pub struct LitellmOptions {
    /// LiteLLM's config.yaml
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the configuration to a file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file of `--output` where it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Print the findings to stdout as rows, instead of the configuration
    #[arg(long)]
    pub report: bool,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t, requires = "report")]
    pub format: Format,
}

/// Flags of `scan`.
#[derive(Args, Clone, Debug)]
pub struct ScanOptions {
    /// Folders or files
    #[arg(value_name = "DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// The gateway that suggestions name
    #[arg(long, value_name = "URL", env = "BONDGATE_URL", default_value = GATEWAY, value_parser = gateway)]
    pub gateway: String,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The gateway
    #[arg(long, value_name = "URL", env = "BONDGATE_URL", default_value = GATEWAY, value_parser = gateway)]
    pub gateway: String,
    /// A virtual key; better by BONDGATE_KEY, since others on this machine see arguments
    #[arg(long, value_name = "KEY", env = "BONDGATE_KEY", hide_env_values = true)]
    pub key: Option<KeyText>,
    /// Name of the run that its requests belong to [default: a new ULID]
    #[arg(long, value_name = "NAME", value_parser = run_name)]
    pub run: Option<String>,
    /// The model that a coding agent asks for [default: what the agent is set to]
    #[arg(long, value_name = "NAME", value_parser = model_name)]
    pub model: Option<String>,
    /// Which gateway, for a key where none is given, and for the spend
    #[command(flatten)]
    pub admin: AdminOptions,
    /// The program and its arguments
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
}

/// Where a gateway listens when nothing else is said.
const GATEWAY: &str = "http://127.0.0.1:4000";

/// A key from the command line or the environment. It has a `Debug` that shows nothing.
#[derive(Clone)]
pub struct KeyText(pub Arc<Secret>);

impl FromStr for KeyText {
    type Err = std::convert::Infallible;

    /// Takes any text: a refusal would show it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Arc::new(Secret::new(text.to_owned()))))
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyText(…)")
    }
}

/// A gateway's root; a base URL that ends in `/v1` means it too.
fn gateway(text: &str) -> Result<String, String> {
    BaseUrl::parse(text)?;
    let root = text.trim_end_matches('/');
    Ok(root.strip_suffix("/v1").unwrap_or(root).to_owned())
}

/// As the gateway takes `x-bondgate-run`.
fn run_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.len() > 128 || !name.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err("a run is named by 1 to 128 visible ASCII characters".to_owned());
    }
    Ok(name.to_owned())
}

/// A model's name, as agents can be told it.
fn model_name(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a model is named by visible ASCII characters, without spaces".to_owned());
    }
    Ok(text.to_owned())
}

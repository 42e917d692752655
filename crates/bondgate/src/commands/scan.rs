//! `bondgate scan`: where a folder's programs call providers directly, and with which keys.
//!
//! Of a key, its first 4 characters and its length are shown, never more. Nothing is
//! connected to and nothing is changed.

mod clients;
mod keys;
mod kind;
mod urls;
mod variables;
mod walk;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use super::rows::Rows;
use crate::cli::ScanOptions;
use kind::FileKind;

/// Most findings that are listed.
const FINDINGS_MAX: usize = 100_000;

/// What a finding is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// A key in clear.
    Key,
    /// A variable that usually holds a key.
    Variable,
    /// A provider's address.
    BaseUrl,
    /// A client that is made.
    Client,
}

/// Something to move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// Where it begins, in bytes.
    at: usize,
    of: Of,
    what: String,
    /// A row of the catalogue, another provider's name, or empty.
    provider: &'static str,
}

/// All finders; made once.
struct Finders {
    keys: keys::Keys,
    variables: variables::Variables,
    urls: urls::Urls,
    clients: clients::Clients,
}

/// Scans; the exit code is 1 where keys in clear were found.
///
/// # Errors
/// Where a path is not there.
pub(super) fn run(options: &ScanOptions) -> anyhow::Result<ExitCode> {
    for path in &options.paths {
        if !path.exists() {
            bail!("{} is not there · name a folder or a file", path.display());
        }
    }
    let finders = Finders::new()?;
    let mut scan = Scan {
        advice: Advice {
            gateway: &options.gateway,
            key_name: key_name(options.paths.first().map(|path| &**path)),
        },
        rows: Rows::new(&["place", "kind", "what", "provider", "suggestion"]),
        listed: 0,
        keys: 0,
    };
    let progress = progress();
    let mut files = 0u64;
    let mut unread = Vec::new();
    for path in &options.paths {
        walk::walk(path, &mut unread, &mut |path, text| {
            files += 1;
            progress.set_position(files);
            scan.file(path, text, &finders);
        });
    }
    progress.finish_and_clear();
    scan.said(files, &unread);
    print(&scan.rows.render(options.format))?;
    Ok(ExitCode::from(u8::from(scan.keys > 0)))
}

/// What suggestions name.
struct Advice<'a> {
    gateway: &'a str,
    key_name: String,
}

struct Scan<'a> {
    advice: Advice<'a>,
    rows: Rows,
    listed: usize,
    keys: usize,
}

impl Scan<'_> {
    fn file(&mut self, path: &Path, text: &str, finders: &Finders) {
        let mut lines = Lines::of(text);
        let mut seen = BTreeSet::new();
        for found in finders.find(path, text) {
            let line = lines.number(found.at);
            // What is the gateway's is moved already.
            if found.of == Of::BaseUrl && self.advice.gateway.starts_with(&found.what) {
                continue;
            }
            if !seen.insert((line, found.of, found.what.clone())) {
                continue;
            }
            self.keys += usize::from(found.of == Of::Key);
            self.listed += 1;
            if self.listed <= FINDINGS_MAX {
                self.rows.push(vec![
                    format!("{}:{line}", path.display()),
                    found.of.name().to_owned(),
                    found.what.clone(),
                    found.provider.to_owned(),
                    self.advice.on(&found),
                ]);
            }
        }
    }

    fn said(&self, files: u64, unread: &[String]) {
        for why in unread {
            eprintln!("{why}");
        }
        let Self { listed, keys, .. } = self;
        eprintln!("{files} files read, {listed} findings, {keys} keys in clear");
        if *listed > FINDINGS_MAX {
            eprintln!("only the first {FINDINGS_MAX} are listed · scan fewer folders at once");
        }
    }
}

impl Finders {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            keys: keys::Keys::new()?,
            variables: variables::Variables::new()?,
            urls: urls::Urls::new()?,
            clients: clients::Clients::new()?,
        })
    }

    /// All findings of a file, in its order.
    fn find(&self, path: &Path, text: &str) -> Vec<Found> {
        let kind = FileKind::of(path, text);
        let mut found = self.keys.find(text);
        let shapes: Vec<usize> = found.iter().map(|key| key.at).collect();
        let urls = match kind {
            FileKind::Prose => Vec::new(),
            FileKind::Settings | FileKind::Code(_) => self.urls.find(text),
        };
        found.extend(self.variables.find(text, kind, &shapes));
        if let FileKind::Code(language) = kind {
            found.extend(self.clients.find(text, language, &urls));
        }
        found.extend(urls);
        found.sort();
        found
    }
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Of::Key => "key",
            Of::Variable => "variable",
            Of::BaseUrl => "base URL",
            Of::Client => "client",
        }
    }
}

impl Advice<'_> {
    fn on(&self, found: &Found) -> String {
        let create = format!("`bondgate keys create --name {}`", self.key_name);
        let to = self.base_url(found.provider);
        match found.of {
            Of::Key => format!(
                "revoke it at the provider; keep the new one where the gateway runs, and put a virtual key here: {create}"
            ),
            Of::Variable => format!("set {to}, and the key to a virtual key: {create}"),
            Of::BaseUrl | Of::Client => {
                format!("set {to}, and call with a virtual key: {create}")
            }
        }
    }

    /// Where a provider's clients call instead.
    fn base_url(&self, provider: &str) -> String {
        let gateway = self.gateway;
        match provider {
            "anthropic" => format!("ANTHROPIC_BASE_URL to {gateway}"),
            "openai" => format!("OPENAI_BASE_URL to {gateway}/v1"),
            _ => format!("the base URL of an OpenAI client to {gateway}/v1"),
        }
    }
}

/// A key is named by the folder that is scanned.
fn key_name(path: Option<&Path>) -> String {
    let whole = path.and_then(|path| path.canonicalize().ok());
    let name = whole.as_deref().and_then(Path::file_name);
    let name = name.map(|name| name.to_string_lossy().to_lowercase());
    let name: String = name
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    match name.trim_matches('-') {
        "" => "my-app".to_owned(),
        name => name.to_owned(),
    }
}

/// Shown on stderr where that is a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} files read, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Line numbers of ascending places.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    fn number(&mut self, at: usize) -> usize {
        let between = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.at = at.max(self.at);
        self.line
    }
}

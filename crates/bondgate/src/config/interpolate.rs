//! `${…}` in scalars: environment variables, files and commands, read after parsing, so
//! that a value can never add keys.
//!
//! `${NAME}` · `${NAME:-default}` · `${file:/path}` · `${command:…}`, or with a time to
//! live `${command@10m:…}` · `$${` for a plain `${`. What is read must never show in a
//! problem; a name that leads nowhere is a problem that says the name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::node::{Kind, Node, Scalar, TextSource};
use super::problem::{Place, Problem};
use super::units::Period;

/// Largest value that a file or a command may give, in bytes.
const MAX_VALUE: usize = 64 << 10;
const MAX_DEPTH: usize = 8;
/// How long a value from a command is good where nothing else is said.
pub const COMMAND_TTL: Duration = Duration::from_secs(300);

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What values are made of besides the file itself.
pub struct Inputs<'a> {
    /// Environment variables.
    pub env: Env<'a>,
    /// Runs commands; without it they stay unknown.
    pub commands: Option<&'a mut Commands>,
    /// Where relative paths begin.
    pub folder: &'a Path,
    /// Files that were read, to be watched.
    pub files: BTreeSet<PathBuf>,
}

/// Values of commands, kept for their time to live.
#[derive(Default)]
pub struct Commands {
    values: BTreeMap<String, Value>,
}

struct Value {
    text: Zeroizing<String>,
    until: Instant,
    used: bool,
}

impl Commands {
    /// Whether a value has outlived its time.
    #[must_use]
    pub fn stale(&self, now: Instant) -> bool {
        self.values.values().any(|value| value.until <= now)
    }

    /// Forgets the values that no reference asked for since the last call.
    pub fn forget_unused(&mut self) {
        self.values
            .retain(|_, value| std::mem::take(&mut value.used));
    }

    fn value(&mut self, command: &str, ttl: Duration) -> Result<Zeroizing<String>, String> {
        let now = Instant::now();
        if let Some(value) = self
            .values
            .get_mut(command)
            .filter(|value| value.until > now)
        {
            value.used = true;
            return Ok(value.text.clone());
        }
        let text = super::command::run(command, MAX_VALUE)?;
        let value = Value {
            text: text.clone(),
            until: Instant::now() + ttl,
            used: true,
        };
        self.values.insert(command.to_owned(), value);
        Ok(text)
    }
}

/// Replaces the references in all scalars below `node`.
///
/// A scalar with a reference that leads nowhere becomes [`TextSource::Unknown`], so that
/// nothing more is said of it.
pub fn interpolate(node: &mut Node, inputs: &mut Inputs<'_>, problems: &mut Vec<Problem>) {
    match &mut node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                if entry.key.contains("${") {
                    let what = "a name cannot be interpolated";
                    problems.push(Problem::at(entry.place, what, "write the name out"));
                }
                interpolate(&mut entry.value, inputs, problems);
            }
        }
        Kind::List(items) => {
            for item in items {
                interpolate(item, inputs, problems);
            }
        }
        Kind::Scalar(scalar) => {
            if scalar.text.contains("${") {
                replace(scalar, node.place, inputs, problems);
            }
        }
    }
}

fn replace(
    scalar: &mut Scalar,
    place: Place,
    inputs: &mut Inputs<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut expansion = Expansion {
        out: Zeroizing::new(String::new()),
        source: TextSource::Written,
    };
    match expansion.text(&scalar.text, inputs, 0) {
        Ok(()) => {
            scalar.text = expansion.out;
            scalar.source = expansion.source;
        }
        Err(Wrong { what, mend }) => {
            problems.push(Problem::at(place, what, mend));
            scalar.text = Zeroizing::new(String::new());
            scalar.source = TextSource::Unknown;
        }
    }
}

struct Wrong {
    what: String,
    mend: String,
}

impl Wrong {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: mend.into(),
        }
    }
}

struct Expansion {
    out: Zeroizing<String>,
    source: TextSource,
}

impl Expansion {
    fn text(&mut self, text: &str, inputs: &mut Inputs<'_>, depth: usize) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            let what = format!("references nested deeper than {MAX_DEPTH}");
            return Err(Wrong::new(what, "name the value directly"));
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                self.out.push_str(before);
                self.out.push_str("${");
                rest = after;
                continue;
            }
            self.out.push_str(before);
            let (reference, after) = closed(after).ok_or_else(|| {
                Wrong::new(
                    "`${` is never closed",
                    "end it with `}`, or write `$${` for the text",
                )
            })?;
            self.reference(reference, inputs, depth)?;
            rest = after;
        }
        self.out.push_str(rest);
        Ok(())
    }

    fn reference(
        &mut self,
        reference: &str,
        inputs: &mut Inputs<'_>,
        depth: usize,
    ) -> Result<(), Wrong> {
        if let Some(path) = reference.strip_prefix("file:") {
            return self.file(path, inputs);
        }
        if let Some(rest) = reference.strip_prefix("command:") {
            return self.command(rest, COMMAND_TTL, inputs);
        }
        if let Some((ttl, command)) = reference
            .strip_prefix("command@")
            .and_then(|rest| rest.split_once(':'))
        {
            let ttl: Period = ttl.parse().map_err(|why: String| {
                Wrong::new(
                    format!("`${{command@…}}`: {why}"),
                    "write `${command@10m:…}`",
                )
            })?;
            if ttl.0 < Duration::from_secs(1) {
                let what = "a time to live below one second";
                return Err(Wrong::new(what, "write `${command@10m:…}`"));
            }
            return self.command(command, ttl.0, inputs);
        }
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_name(name) {
            return Err(Wrong::new(
                "`${…}` holds no name of a variable",
                "write `${NAME}`, `${NAME:-default}`, `${file:/path}` or `${command:…}`",
            ));
        }
        match (
            (inputs.env)(name).filter(|v| default.is_none() || !v.is_empty()),
            default,
        ) {
            (Some(value), _) => self.value(&Zeroizing::new(value)),
            (None, Some(default)) => self.text(default, inputs, depth + 1)?,
            (None, None) => {
                return Err(Wrong::new(
                    format!("the environment variable `{name}` is not set"),
                    format!("set it, or give a default: `${{{name}:-…}}`"),
                ));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str, inputs: &mut Inputs<'_>) -> Result<(), Wrong> {
        let path = inputs.folder.join(path.trim());
        inputs.files.insert(path.clone());
        let shown = path.display();
        let text = read_capped(&path).map_err(|why| {
            Wrong::new(
                format!("`{shown}` cannot be read: {why}"),
                "make the file, or name another",
            )
        })?;
        self.value(&text);
        Ok(())
    }

    fn command(
        &mut self,
        command: &str,
        ttl: Duration,
        inputs: &mut Inputs<'_>,
    ) -> Result<(), Wrong> {
        let Some(commands) = &mut inputs.commands else {
            self.source = TextSource::Unknown;
            return Ok(());
        };
        let text = commands.value(command.trim(), ttl).map_err(|why| {
            let what = format!("`${{command:…}}` gave no value: {why}");
            Wrong::new(what, "run the command by hand in the gateway's environment")
        })?;
        self.value(&text);
        Ok(())
    }

    fn value(&mut self, text: &str) {
        self.out.push_str(text);
        if self.source == TextSource::Written {
            self.source = TextSource::Interpolated;
        }
    }
}

/// Splits at the brace that closes the reference, nested ones counted.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut open = 1usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn read_capped(path: &Path) -> Result<Zeroizing<String>, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = Zeroizing::new(String::new());
    let mut capped = file.take(MAX_VALUE as u64 + 1);
    capped
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() > MAX_VALUE {
        return Err(format!("it holds more than {MAX_VALUE} bytes"));
    }
    Ok(trimmed(&text))
}

/// Without the line end that editors and commands leave.
pub(super) fn trimmed(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned())
}

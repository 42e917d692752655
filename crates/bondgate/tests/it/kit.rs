//! What tests of configurations share: a folder with a file in it, and an environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bondgate::config::interpolate::Commands;
use bondgate::config::{Loaded, Mode, Overrides, Problems, load};
use tempfile::TempDir;

/// A folder with a configuration, and the variables it may refer to.
pub(crate) struct Written {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Written {
    /// Writes the configuration to a folder of its own.
    pub(crate) fn new(text: &str) -> Self {
        let written = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
        };
        written.write("bondgate.yaml", text);
        written
    }

    /// Sets a variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Writes a file beside the configuration, swapped in whole.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let beside = self.folder.path().join(format!("{name}.next"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.folder.path().join(name)).unwrap();
    }

    /// Where the configuration is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("bondgate.yaml")
    }

    /// Loads as `check` does.
    pub(crate) fn check(&self) -> Result<Loaded, Problems> {
        self.load(Mode::Offline)
    }

    /// Loads as `serve` does.
    pub(crate) fn serve(&self) -> Result<Loaded, Problems> {
        self.load(Mode::Serve(&mut Commands::default()))
    }

    fn load(&self, mode: Mode<'_>) -> Result<Loaded, Problems> {
        let env = |name: &str| self.variables.get(name).cloned();
        load(&self.path(), &Overrides::default(), &env, mode)
    }

    /// The problems, each as `line:col: what · how to mend it`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.check().err().expect("the configuration is accepted");
        let file = format!("{}:", self.path().display());
        let lines = problems.to_string();
        lines
            .lines()
            .map(|line| line.strip_prefix(&file).unwrap_or(line).to_owned())
            .collect()
    }
}

/// A configuration in which nothing is wrong, to which tests add what is.
pub(crate) const GOOD: &str = "\
providers:
  local: { base_url: http://127.0.0.1:8000/v1, dialect: openai-chat, key: none }
models:
  fast: { targets: [local/small] }
keys:
  app: { secret: 0123456789abcdef }
";

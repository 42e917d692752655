//! From a path to a [`Config`]: reads the file and runs the steps in their order.
//!
//! A file is accepted whole or not at all. Offline nothing is written and no command runs.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use policy::secret::Secret;
use zeroize::Zeroizing;

use super::file::ConfigFile;
use super::interpolate::{Commands, Env, Inputs, interpolate};
use super::node::{Kind, Node, canonical};
use super::problem::{Place, Problem, Problems};
use super::resolve::resolve;
use super::{Admin, Config, FIXED, check, decode, yaml};

/// The file that is read where no other is named.
pub const FILE: &str = "bondgate.yaml";

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// There is none: see [`super::zero_config`].
    Environment,
}

impl Source {
    /// The file, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            Source::Environment => None,
        }
    }
}

/// Finds the file: the one that is named, else `./bondgate.yaml` where it exists.
#[must_use]
pub fn source(named: Option<&Path>) -> Source {
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Source::File(path.to_owned()),
        None if Path::new(FILE).exists() => Source::File(PathBuf::from(FILE)),
        None => Source::Environment,
    }
}

/// What the command line says instead of the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where applications call.
    pub listen: Option<SocketAddr>,
    /// Where operators call.
    pub admin_listen: Option<SocketAddr>,
    /// Folder of what lasts.
    pub data: Option<PathBuf>,
}

impl Overrides {
    /// Lays them over a configuration.
    pub fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.listen.address = listen;
        }
        if let Some(address) = self.admin_listen {
            match &mut config.admin {
                Some(admin) => admin.address = address,
                None => {
                    config.admin = Some(Admin {
                        address,
                        token: None,
                        tls: None,
                        metrics_open: false,
                    });
                }
            }
        }
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
    }
}

/// What loading may do.
pub enum Mode<'a> {
    /// Runs commands.
    Serve(&'a mut Commands),
    /// Runs none: their values stay unknown.
    Offline,
}

/// An accepted configuration.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
    /// Files whose content it holds, to be watched besides its own.
    pub files: BTreeSet<PathBuf>,
}

/// Reads a file and everything that it refers to.
///
/// # Errors
/// All problems at once.
pub fn load(
    path: &Path,
    overrides: &Overrides,
    env: Env<'_>,
    mode: Mode<'_>,
) -> Result<Loaded, Problems> {
    let file = Some(path.to_owned());
    let text = read(path).map_err(|problem| Problems::one(file.clone(), problem))?;
    let mut root = yaml::parse(&text).map_err(|list| Problems::new(file.clone(), list))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    let mut inputs = Inputs {
        env,
        commands: match mode {
            Mode::Serve(commands) => Some(commands),
            Mode::Offline => None,
        },
        folder,
        files: BTreeSet::new(),
    };
    interpolate(&mut root, &mut inputs, &mut problems);
    let files = inputs.files;
    let (whole, fixed) = (text_of(&root), FIXED.map(|key| (key, part(&root, key))));
    check::check(&mut root, &check::schema(), &mut problems);
    let decoded = decode::decode::<ConfigFile>(&root);
    let written = decoded.unwrap_or_else(|problem| {
        problems.push(problem);
        ConfigFile::default()
    });
    let mut resolved = resolve(&written, folder);
    problems.append(&mut resolved.problems);
    if !problems.is_empty() {
        return Err(Problems::new(file, problems));
    }
    let mut config = resolved.config;
    config.canonical = whole;
    config.fixed = fixed.into_iter().collect();
    // The files of a certificate may change while it serves, whether there is one may not.
    let listen = format!("{} {}", config.listen.address, config.listen.tls.is_some());
    config.fixed.insert("listen", Secret::new(listen));
    overrides.apply(&mut config);
    Ok(Loaded {
        config,
        warnings: resolved.warnings,
        files,
    })
}

fn text_of(node: &Node) -> Secret {
    let mut text = Zeroizing::new(String::new());
    canonical(node, &mut text);
    Secret::new(std::mem::take(&mut *text))
}

fn part(root: &Node, key: &str) -> Secret {
    let entry = match &root.kind {
        Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
        Kind::List(_) | Kind::Scalar(_) => None,
    };
    entry.map_or_else(|| Secret::new(String::new()), |entry| text_of(&entry.value))
}

fn read(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let problem = |error: std::io::Error| {
        Problem::of_all(
            format!("the configuration cannot be read: {error}"),
            "name another with `--config`; without a file Bondgate runs from the environment",
        )
    };
    let file = std::fs::File::open(path).map_err(problem)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let most = yaml::MAX_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(problem)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(
            text.trim_start_matches('\u{feff}').to_owned(),
        )),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let place = end_of(&String::from_utf8_lossy(before));
            Err(Problem::at(
                place,
                "this is no UTF-8",
                "save the file as UTF-8",
            ))
        }
    }
}

fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}

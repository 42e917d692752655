//! Reloading: on a change of the file or of a file that it refers to, when a command's value
//! has outlived its time, and when asked.
//!
//! A bad configuration is refused whole and said once; the last good one keeps serving. By
//! looking at the files twice a second: it works on every file system and follows the
//! swapped links of mounted secrets. It never touches what is being served: it hands over.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use store::keys::KeyHasher;

use super::interpolate::Commands;
use super::load::{Loaded, Mode, Overrides, load};
use super::{Config, Problem, Problems, revision};
use crate::say::say;

const EVERY: Duration = Duration::from_millis(500);
/// When a refused configuration is tried again: a file it refers to may have come, or a command
/// have a value now.
const PATIENCE: Duration = Duration::from_secs(30);
const REVISIONS_KEPT: usize = 100;

/// An accepted configuration's place in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Hash of the configuration, as stamped on exchanges.
    pub hash: String,
    /// When it was accepted.
    pub at: SystemTime,
    /// Why it was read.
    pub cause: Cause,
}

/// Why a configuration was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The process began.
    Start,
    /// A file changed.
    File,
    /// A value from a command outlived its time.
    Command,
    /// Somebody asked, by signal or otherwise.
    Asked,
}

/// What came of a reload.
pub enum Reload {
    /// A configuration to serve from now on.
    Accepted(Box<Accepted>),
    /// It says what it said before.
    Same,
    /// It is refused; the last good one keeps serving.
    Refused(Problems),
}

/// A configuration to serve from now on.
pub struct Accepted {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its revision.
    pub revision: Revision,
    /// What is allowed and probably not meant, and keys that need a restart to change.
    pub warnings: Vec<Problem>,
}

/// Revisions that were accepted, the newest last; bounded.
pub type Revisions = Arc<Mutex<VecDeque<Revision>>>;

/// Reads a configuration again when there is a reason to.
pub struct Watcher {
    path: PathBuf,
    overrides: Overrides,
    hasher: KeyHasher,
    commands: Commands,
    first: Arc<Config>,
    hash: String,
    revisions: Revisions,
    files: BTreeSet<PathBuf>,
    loaded: Vec<Stamp>,
    seen: Vec<Stamp>,
    again: Option<Instant>,
}

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64, u64, u64)>;

impl Watcher {
    /// Begins with what was loaded at the start.
    #[must_use]
    pub fn new(
        path: PathBuf,
        overrides: Overrides,
        commands: Commands,
        hasher: KeyHasher,
        first: (Arc<Config>, BTreeSet<PathBuf>),
    ) -> Self {
        let (first, files) = first;
        let hash = revision(&first, &hasher);
        let mut watcher = Self {
            path,
            overrides,
            hasher,
            commands,
            first,
            hash,
            revisions: Revisions::default(),
            files,
            loaded: Vec::new(),
            seen: Vec::new(),
            again: None,
        };
        watcher.loaded = watcher.stamps();
        watcher.seen.clone_from(&watcher.loaded);
        watcher.keep(Cause::Start);
        watcher
    }

    /// The revisions, to be read from elsewhere.
    #[must_use]
    pub fn revisions(&self) -> Revisions {
        Arc::clone(&self.revisions)
    }

    /// Looks for a reason, and reloads where there is one.
    ///
    /// A changed file is read when it looked the same twice, so that no half of one is.
    pub fn poll(&mut self) -> Option<Reload> {
        let stamps = self.stamps();
        let settled = stamps == self.seen;
        self.seen.clone_from(&stamps);
        if settled && stamps != self.loaded {
            return Some(self.reload(Cause::File));
        }
        let now = Instant::now();
        match self.again {
            Some(again) => (again <= now).then(|| self.reload(Cause::File)),
            None => self
                .commands
                .stale(now)
                .then(|| self.reload(Cause::Command)),
        }
    }

    /// Reads the configuration now.
    pub fn reload(&mut self, cause: Cause) -> Reload {
        // Before reading: a change while reading is then seen by the next look.
        self.loaded = self.stamps();
        let env = |name: &str| std::env::var(name).ok();
        let mode = Mode::Serve(&mut self.commands);
        let loaded = match load(&self.path, &self.overrides, &env, mode) {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.again = Some(Instant::now() + PATIENCE);
                return Reload::Refused(problems);
            }
        };
        self.again = None;
        self.commands.forget_unused();
        self.accept(loaded, cause)
    }

    fn accept(&mut self, loaded: Loaded, cause: Cause) -> Reload {
        if loaded.files != self.files {
            self.files = loaded.files;
            self.loaded = self.stamps();
            self.seen.clone_from(&self.loaded);
        }
        let hash = revision(&loaded.config, &self.hasher);
        if hash == self.hash {
            return Reload::Same;
        }
        let mut warnings = loaded.warnings;
        for key in self.first.needs_restart(&loaded.config) {
            let what = format!("`{key}` has changed, which takes a restart: the old value holds");
            warnings.push(Problem::of_all(what, "restart when it suits"));
        }
        self.hash = hash;
        let revision = self.keep(cause);
        Reload::Accepted(Box::new(Accepted {
            config: Arc::new(loaded.config),
            revision,
            warnings,
        }))
    }

    fn keep(&mut self, cause: Cause) -> Revision {
        let revision = Revision {
            hash: self.hash.clone(),
            at: SystemTime::now(),
            cause,
        };
        let mut kept = self.revisions.lock();
        if kept.len() == REVISIONS_KEPT {
            kept.pop_front();
        }
        kept.push_back(revision.clone());
        revision
    }

    fn stamps(&self) -> Vec<Stamp> {
        std::iter::once(&self.path)
            .chain(&self.files)
            .map(|path| stamp(path))
            .collect()
    }

    /// Watches on a thread of its own; `on_accept` is called there with each configuration
    /// that is accepted. What is refused is written to stderr, each problem once.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn watch<F>(mut self, mut on_accept: F) -> io::Result<Handle>
    where
        F: FnMut(&Accepted) + Send + 'static,
    {
        let (asks, asked) = mpsc::channel();
        let named = thread::Builder::new().name("config".to_owned());
        named.spawn(move || {
            let mut said = String::new();
            loop {
                let mut reply: Option<Reply> = None;
                let reload = match asked.recv_timeout(EVERY) {
                    Ok(asked) => {
                        reply = asked;
                        Some(self.reload(Cause::Asked))
                    }
                    Err(RecvTimeoutError::Timeout) => self.poll(),
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                let answer = match &reload {
                    Some(Reload::Refused(problems)) => Err(problems.to_string()),
                    Some(Reload::Accepted(_) | Reload::Same) | None => Ok(self.hash.clone()),
                };
                match reload {
                    Some(Reload::Accepted(accepted)) => {
                        said.clear();
                        for warning in &accepted.warnings {
                            say(&warning.line(Some(&self.path)));
                        }
                        on_accept(&accepted);
                    }
                    Some(Reload::Refused(problems)) => say_once(&problems, &mut said),
                    Some(Reload::Same) => said.clear(),
                    None => {}
                }
                if let Some(reply) = reply {
                    // Whoever asked may have gone.
                    reply.send(answer).ok();
                }
            }
        })?;
        Ok(Handle { asks })
    }
}

/// Where it is told what came of a reload: the revision in force, or what is wrong.
type Reply = mpsc::Sender<Result<String, String>>;

/// Keeps a watcher going; it ends when this is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    asks: mpsc::Sender<Option<Reply>>,
}

impl Handle {
    /// Asks for a reload now, as a signal does.
    pub fn reload(&self) {
        // The thread lives as long as a handle does, so somebody hears.
        self.asks.send(None).ok();
    }

    /// Reloads and waits for what comes of it: the revision in force.
    ///
    /// # Errors
    /// What is wrong with the configuration; the last good one keeps serving.
    pub fn reload_now(&self) -> Result<String, String> {
        let (reply, answer) = mpsc::channel();
        let gone = |_| "the watcher of the configuration has ended".to_owned();
        self.asks.send(Some(reply)).map_err(|_| gone(()))?;
        answer.recv().map_err(|_| gone(()))?
    }
}

fn say_once(problems: &Problems, said: &mut String) {
    let text = problems.to_string();
    if text != *said {
        say(&format!(
            "the configuration is refused, the last good one keeps serving\n{text}"
        ));
        *said = text;
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), meta.dev(), meta.ino()))
}

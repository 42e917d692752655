//! `bondgate doctor`: connects, and says what works, what does not, and what mends it.
//!
//! Nothing is changed: the configuration is read, ports are tried and let go, a file in the data
//! folder is made and taken away, and each provider is asked for its models with each of its
//! credentials, those made at run time too. No secret shows in what is said.

mod host;
mod provider;
mod stored;

use std::process::ExitCode;

use anyhow::Context as _;
use gateway::tasks::Tasks;

use super::print;
use super::rows::Rows;
use crate::cli::DoctorOptions;
use crate::config::interpolate::Commands;
use crate::config::{self, Admin, Config, Mode, Overrides, Source};
use crate::wire;
use provider::Examiner;

/// How one thing was found.
struct Finding {
    /// What was looked at.
    part: String,
    state: State,
    /// What was found.
    what: String,
    /// What to do; empty where nothing is to be done.
    mend: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// It works and may not go on to.
    Warning,
    Bad,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Warning => "warning",
            State::Bad => "bad",
        }
    }
}

impl Finding {
    fn new(part: impl Into<String>, state: State, what: impl Into<String>, mend: &str) -> Self {
        Self {
            part: part.into(),
            state,
            what: what.into(),
            mend: mend.to_owned(),
        }
    }

    fn good(part: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(part, State::Good, what, "")
    }
}

/// Looks at everything; exit code 1 where something is bad.
///
/// # Errors
/// Where the configuration is bad, or there is nothing to look with.
pub(super) fn run(options: &DoctorOptions) -> anyhow::Result<ExitCode> {
    let mut config = read(options)?;
    let mut findings = vec![Finding::good("configuration", told(&config))];
    findings.extend(stored::providers(&mut config));
    findings.push(host::file_limit());
    findings.push(host::data_folder(&config.data));
    let admin = config.admin.as_ref();
    let operators = admin.map_or_else(|| Admin::default().address, |admin| admin.address);
    findings.push(host::port("listen", config.listen.address));
    findings.push(host::port("admin.listen", operators));
    let runtime = wire::event_loop()?;
    let upstream = wire::upstream(&config)?;
    findings.extend(runtime.block_on(async {
        let tasks = Tasks::new();
        let examiner = Examiner::new(&config, &upstream, &tasks);
        examiner.all().await
    }));
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    let mut rows = Rows::new(&["part", "state", "found", "mend"]);
    for Finding {
        part,
        state,
        what,
        mend,
    } in findings
    {
        rows.push(vec![part, state.name().to_owned(), what, mend]);
    }
    print(&rows.render(options.format))?;
    Ok(ExitCode::from(u8::from(bad)))
}

fn read(options: &DoctorOptions) -> anyhow::Result<Config> {
    let env = |name: &str| std::env::var(name).ok();
    let mut commands = Commands::default();
    match config::source(options.config.as_deref()) {
        Source::File(path) => {
            let mode = Mode::Serve(&mut commands);
            let loaded = config::load(&path, &Overrides::default(), &env, mode);
            Ok(loaded.context("the configuration is bad")?.config)
        }
        // The simulated provider runs inside a gateway only.
        Source::Environment => {
            let mut config = config::zero_config(&env, "http://127.0.0.1:9");
            config.providers.remove("sim");
            Ok(config)
        }
    }
}

fn told(config: &Config) -> String {
    let (providers, models) = (config.providers.len(), config.models.len());
    format!(
        "{providers} providers, {models} models, {} keys",
        config.keys.len()
    )
}

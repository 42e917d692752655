//! A program that runs in our place: our pipes, our signals, its exit code.
//!
//! What a terminal sends to all that runs in its foreground has reached the program
//! already; it must not be sent twice, since programs take a second one as "at once".

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

use super::variables::Variable;
use crate::say::say;

/// There is no such program.
const NOT_FOUND: u8 = 127;
/// There is, and it cannot be started.
const NOT_STARTED: u8 = 126;

/// Runs a program to its end; gives the exit code, as a shell would.
///
/// # Errors
/// Where the system gives no signals, or the program cannot be waited for.
pub(super) fn run(command: &[OsString], variables: &[Variable]) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before the start: an end that came at once would not be heard.
        let mut signals = Signals::listen().context("the system gives no signals")?;
        match started(command, variables) {
            Ok(child) => signals.wait(child).await,
            Err(code) => Ok(code),
        }
    })
}

fn started(command: &[OsString], variables: &[Variable]) -> Result<Child, u8> {
    let [program, arguments @ ..] = command else {
        return Err(NOT_FOUND);
    };
    let mut child = Command::new(program);
    child.args(arguments);
    for (name, value) in variables {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    child.spawn().map_err(|error| {
        let shown = program.display();
        if error.kind() == io::ErrorKind::NotFound {
            say(&format!(
                "there is no program `{shown}` · give its path, or put it on PATH"
            ));
            NOT_FOUND
        } else {
            say(&format!(
                "`{shown}` cannot be started: {error} · see that it is a program that may be run"
            ));
            NOT_STARTED
        }
    })
}

struct Signals {
    child: Listener,
    interrupt: Listener,
    terminate: Listener,
    hang_up: Listener,
    quit: Listener,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn wait(&mut self, mut child: Child) -> anyhow::Result<u8> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(code(status));
            }
            let (sent, by_terminal) = tokio::select! {
                _ = self.child.recv() => continue,
                _ = self.terminate.recv() => (Signal::TERM, false),
                _ = self.hang_up.recv() => (Signal::HUP, false),
                _ = self.interrupt.recv() => (Signal::INT, in_foreground()),
                _ = self.quit.recv() => (Signal::QUIT, in_foreground()),
            };
            if !by_terminal {
                // It may have ended in between.
                let _ = kill_process(Pid::from_child(&child), sent);
            }
        }
    }
}

/// Whether a terminal's keys reach us, and so the program, which is in our group.
fn in_foreground() -> bool {
    let ours = getpgrp();
    let stdin = tcgetpgrp(io::stdin());
    let stderr = tcgetpgrp(io::stderr());
    [stdin, stderr]
        .into_iter()
        .flatten()
        .any(|group| group == ours)
}

fn code(status: ExitStatus) -> u8 {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(1)
}

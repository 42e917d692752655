//! `bondgate demo`: the promises, shown in under a minute and without an account.
//!
//! Starts a simulated provider within itself and a gateway as a child process, puts load on it, cuts
//! its streams, kills it, and at the end lays the provider's bill beside the gateway's ledger. Talks
//! to loopback only and leaves nothing behind. A promise that did not hold makes the exit code 1.

mod ask;
mod books;
mod budget;
mod child;
mod cut;
mod killed;
mod page;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sim::{Script, Sim};
use tokio::signal::ctrl_c;

use self::ask::Asker;
use self::books::Notes;
use self::child::{Place, Running};
use self::page::Page;

/// The key of the demonstration's requests; good for nothing else.
const KEY: &str = "demo-key-for-this-run-only";

/// What the simulated provider charges, and what it does to answers.
const SCRIPT: &str = r#"{
  "prices": [{ "model": "*", "input": 1000, "cached": 1000, "output": 10000 }],
  "rules": [
    { "when": { "text": "{story-" }, "do": { "cut": { "after_events": 16, "clean": true } } },
    { "when": { "text": "{letter-direct}" }, "do": { "cut": { "at_fraction": 0.5 } } },
    { "when": { "text": "{letter-gateway}", "nth": [1, 1] }, "do": { "cut": { "at_fraction": 0.5 } } }
  ]
}"#;

/// What the parts share.
struct Demo {
    page: Page,
    sim: Sim,
    place: Place,
    notes: Notes,
}

/// Runs it.
///
/// # Errors
/// Where something that it needs cannot be had: a port, a folder, a process.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            done = Box::pin(show()) => done,
            // What was started ends, and the folder goes, as all is dropped.
            _ = ctrl_c() => Ok(ExitCode::from(130)),
        }
    })
}

async fn show() -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    allow_many_connections();
    let script = Script::from_json(SCRIPT)?;
    let started = Sim::start("127.0.0.1:0", script).await;
    let sim = started.context("the simulated provider cannot start")?;
    let mut demo = Demo {
        page: Page::new(),
        place: Place::new(&configuration(&sim.url()))?,
        sim,
        notes: Notes::default(),
    };
    demo.page.say(
        "Bondgate, shown on this machine: a simulated provider that keeps its own bill, and a\n\
         gateway in front of it. No account, no network, nothing left behind.",
    )?;
    let gateway = demo.place.start().await?;
    cut::show(&mut demo, &gateway).await?;
    budget::show(&mut demo, &gateway).await?;
    let gateway = killed::show(&mut demo, gateway).await?;
    books::show(&mut demo, gateway).await?;
    end(&demo.page, began)
}

fn end(page: &Page, began: Instant) -> anyhow::Result<ExitCode> {
    let seconds = began.elapsed().as_secs_f32();
    if page.broken() > 0 {
        let broken = page.broken();
        page.say(&format!(
            "\n{broken} of these promises did not hold, after {seconds:.1} s. That is a defect: please report this page."
        ))?;
        return Ok(ExitCode::from(1));
    }
    page.say(&format!(
        "\nEvery promise held, in {seconds:.1} s.\n\n\
         Read on:\n   bondgate                start a gateway; it prints a line to try\n   \
         docs/streams.md         what a client sees when things break\n   \
         docs/journal.md         how a cost survives kill -9\n   \
         docs/proofs.md          every promise, and the command that proves it"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Two budgets: the one of the second part, and one that only shows what is held.
fn configuration(provider: &str) -> String {
    let rates = "input: 1 USD, output: 10 USD";
    format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0, metrics: open }}\n\
         providers:\n  demo: {{ base_url: \"{provider}\", dialect: openai-chat, key: any }}\n\
         models:\n  chat: {{ targets: [demo/chat] }}\n  rush: {{ targets: [demo/rush] }}\n\
         keys:\n  demo: {{ secret: {KEY} }}\n\
         prices:\n  - {{ target: demo/chat, {rates} }}\n  - {{ target: demo/rush, {rates} }}\n\
         budgets:\n  one-dollar: {{ on: \"model:rush\", limit: 1 USD, per: total, when_unbounded: refuse }}\n  \
         all: {{ limit: 1000 USD, per: total }}\n"
    )
}

impl Demo {
    fn direct(&self) -> anyhow::Result<Asker> {
        Asker::new(&self.sim.url(), KEY)
    }
}

impl Running {
    fn asker(&self) -> anyhow::Result<Asker> {
        Asker::new(&self.url, KEY)
    }

    /// What all requests under way hold, in nano-dollars.
    async fn held(&self) -> anyhow::Result<i64> {
        let figures = Asker::new(&self.admin, KEY)?.page("/metrics").await?;
        let wanted = |line: &&str| line.starts_with("bondgate_limit_held{");
        let values = figures.lines().filter(wanted);
        let numbers = values.filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok());
        Ok(numbers.sum())
    }
}

/// Client and provider are both in this process: two descriptors a request.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, requests that find no descriptor will say so.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

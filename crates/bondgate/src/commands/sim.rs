//! `bondgate sim`: the simulated provider alone.
//!
//! Runs until it is told to stop; nothing of the gateway is started.

use std::path::Path;

use anyhow::Context as _;
use sim::{Script, Sim};

use super::print;
use crate::cli::SimOptions;

/// Runs the simulated provider.
///
/// # Errors
/// Where the script cannot be read or the address not be had.
pub(super) fn run(options: &SimOptions) -> anyhow::Result<()> {
    let script = options
        .script
        .as_deref()
        .map(read)
        .transpose()?
        .unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let started = Sim::start(options.listen, script).await;
        let sim = started.with_context(|| {
            format!(
                "{} cannot be listened on · choose another with `--listen`",
                options.listen
            )
        })?;
        let url = sim.url();
        print(&format!(
            "simulated provider on {url}, its bill at {url}/sim/bill\n\
             try: curl -s {url}/v1/chat/completions -H 'authorization: Bearer any' \
             -H 'content-type: application/json' -d '{{\"model\":\"echo\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'"
        ))?;
        match sim.serve_forever().await {}
    })
}

fn read(path: &Path) -> anyhow::Result<Script> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{shown} cannot be read · name another with `--script`"))?;
    Script::from_json(&text).map_err(|error| anyhow::anyhow!("{shown}: {error}"))
}

//! Whether a gateway answers, before anything is started that needs it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{Upstream, UpstreamConfig};
use http::{Request, StatusCode};
use policy::origin::BaseUrl;

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

/// Asks `GET /livez` of the gateway with that root.
///
/// # Errors
/// Where nobody answers, or somebody who is no gateway.
pub(super) fn gateway(root: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let status = runtime.block_on(livez(root)).with_context(|| {
        format!("no gateway answers at {root} · start one with `bondgate serve`, or name another with `--gateway` or BONDGATE_URL")
    })?;
    if status != StatusCode::OK {
        bail!(
            "{root} answers {status} to /livez: it is no gateway, or one that does not serve · \
             name another with `--gateway` or BONDGATE_URL"
        );
    }
    Ok(())
}

async fn livez(root: &str) -> anyhow::Result<StatusCode> {
    let base = BaseUrl::parse(root).map_err(anyhow::Error::msg)?;
    let request = Request::get(format!("{}/livez", base.path)).body(Default::default())?;
    let upstream = Upstream::new(UpstreamConfig::new(client_config(&[])?), Tasks::new());
    let answer = Box::pin(upstream.send(&base.origin, request, CONNECT));
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answered) => Ok(answered?.status()),
        Err(_) => bail!("it took longer than {} s", ANSWER.as_secs()),
    }
}

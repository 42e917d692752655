//! What is asked of a gateway before anything is started that needs it: whether it answers, and
//! which models a key may use.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use gateway::tasks::Tasks;
use gateway::tls::client_config;
use gateway::upstream::{Upstream, UpstreamConfig};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use policy::origin::BaseUrl;
use serde_json::Value;

use crate::client::member;

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes that a list of models may have.
const LIST_MAX: usize = 4 << 20;

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

/// The models that a key may use, by name.
///
/// # Errors
/// Where the gateway does not list them.
pub(super) fn models(root: &str, key: &str) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let what = "the gateway does not list the models of this key · name one with `--model`";
    let (status, body) = runtime
        .block_on(answer(root, "/v1/models", Some(key)))
        .context(what)?;
    if status != StatusCode::OK {
        bail!("{what} · it answers {status}");
    }
    let list: Value = serde_json::from_slice(&body).context(what)?;
    let models = member(&list, "data").as_array().into_iter().flatten();
    let names = models.filter_map(|model| member(model, "id").as_str());
    Ok(names.map(str::to_owned).collect())
}

async fn livez(root: &str) -> anyhow::Result<StatusCode> {
    Ok(answer(root, "/livez", None).await?.0)
}

/// Status and body of what the gateway answers to a `GET`.
async fn answer(root: &str, path: &str, key: Option<&str>) -> anyhow::Result<(StatusCode, Bytes)> {
    let base = BaseUrl::parse(root).map_err(anyhow::Error::msg)?;
    let mut request = Request::get(format!("{}{path}", base.path));
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    let request = request.body(Default::default())?;
    let upstream = Upstream::new(UpstreamConfig::new(client_config(&[])?), Tasks::new());
    let asked = async {
        let response = Box::pin(upstream.send(&base.origin, request, CONNECT)).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LIST_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("{error}"))?;
        anyhow::Ok((status, body.to_bytes()))
    };
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answered) => answered,
        Err(_) => bail!("it took longer than {} s", ANSWER.as_secs()),
    }
}

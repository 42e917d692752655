//! Answers that the gateway itself gives, and the headers that every answer carries.

use dialect::Spoken;
use dialect::chat::Usage;
use dialect::codec::ModelEntry;
use dialect::json::{Json, Writer};
use dialect::loss::Loss;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response};
use policy::failure::Failure;
use policy::model::Model;
use policy::snapshot::{Resolved, Snapshot};

use crate::Shared;
use crate::endpoint::Operation;
use crate::exchange::Exchange;
use crate::identify::Caller;
use crate::names;
use crate::refuse;
use crate::relay::Body;

mod limits;

pub(crate) use limits::limits;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-bondgate-request-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-bondgate-attempts");
const MODEL: HeaderName = HeaderName::from_static("x-bondgate-model");
const TARGET: HeaderName = HeaderName::from_static("x-bondgate-target");
const CACHE: HeaderName = HeaderName::from_static("x-bondgate-cache");
const LOSS: HeaderName = HeaderName::from_static("x-bondgate-loss");
/// That a count is estimated.
pub(crate) const ESTIMATE: HeaderName = HeaderName::from_static("x-bondgate-estimate");
const OVERHEAD: HeaderName = HeaderName::from_static("x-bondgate-overhead-us");
const TOKENS: HeaderName = HeaderName::from_static("x-bondgate-tokens");
const COST: HeaderName = HeaderName::from_static("x-bondgate-cost-usd");

/// Longest value of `x-bondgate-loss`, in bytes; what does not fit is counted.
const LOSS_BYTES: usize = 2048;

/// Headers of every answer. `provider_id` is the provider's own id of the request.
pub(crate) fn common(
    headers: &mut HeaderMap,
    dialect: Spoken,
    exchange: &Exchange,
    provider_id: Option<HeaderValue>,
) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&exchange.id) {
        headers.insert(
            &names::of(dialect).request_id,
            provider_id.unwrap_or_else(|| id.clone()),
        );
        headers.insert(REQUEST_ID, id);
    }
    if !exchange.attempts.is_empty() {
        headers.insert(ATTEMPTS, HeaderValue::from(exchange.attempts.len()));
    }
}

/// Headers of an answer that a target gave.
pub(crate) fn answered(headers: &mut HeaderMap, exchange: &Exchange) {
    if let Some(Ok(name)) = exchange
        .model
        .as_ref()
        .map(|model| HeaderValue::from_bytes(model.name.as_bytes()))
    {
        headers.insert(MODEL, name);
    }
    if let Some(Ok(name)) = exchange
        .attempts
        .last()
        .map(|attempt| HeaderValue::from_str(&attempt.name))
    {
        headers.insert(TARGET, name);
    }
    headers.insert(CACHE, HeaderValue::from_static("off"));
    if !exchange.losses.is_empty()
        && let Ok(value) = HeaderValue::from_str(&loss_list(&exchange.losses))
    {
        headers.insert(LOSS, value);
    }
    let overhead = exchange.opened.elapsed().saturating_sub(exchange.waited);
    headers.insert(
        OVERHEAD,
        HeaderValue::from(u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX)),
    );
}

/// Header of a whole answer whose usage is known.
pub(crate) fn tokens(headers: &mut HeaderMap, usage: &Usage) {
    let mut text = String::with_capacity(64);
    for (name, count) in [
        ("in=", usage.total_input()),
        (",cached=", usage.cache_read),
        (",out=", usage.total_output()),
    ] {
        text.push_str(name);
        text.push_str(itoa::Buffer::new().format(count));
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(TOKENS, value);
    }
}

/// Header of a whole answer that is settled. What has no price has no cost to tell.
pub(crate) fn cost(headers: &mut HeaderMap, exchange: &Exchange) {
    let Some(bill) = exchange.bill.as_ref().filter(|bill| !bill.unpriced) else {
        return;
    };
    if let Ok(value) = HeaderValue::try_from(bill.cost.to_string()) {
        headers.insert(COST, value);
    }
}

/// `path reason; …`, bounded, in visible ASCII. A semicolon stands between losses only.
#[must_use]
pub(crate) fn loss_list(losses: &[Loss]) -> String {
    let mut list = String::new();
    for (at, loss) in losses.iter().enumerate() {
        let item = format!("{} {}: {}", loss.path, loss.kind.name(), loss.why);
        if list.len() + item.len() > LOSS_BYTES {
            list.push_str(&format!("; and {} more", losses.len() - at));
            break;
        }
        if at > 0 {
            list.push_str("; ");
        }
        list.extend(item.chars().map(|c| match c {
            ';' => ',',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '?',
        }));
    }
    list
}

/// The answer of a probe; none where something else is asked.
#[must_use]
pub(crate) fn probed(operation: &Operation, shared: &Shared) -> Option<Response<Body>> {
    match operation {
        Operation::Live => Some(live()),
        Operation::Ready => Some(ready(shared)),
        Operation::Chat(_)
        | Operation::CountTokens(_)
        | Operation::Task(..)
        | Operation::Through(_)
        | Operation::Stored(_)
        | Operation::Models
        | Operation::Model { .. } => None,
    }
}

/// The answer of the probe that asks whether the process runs.
#[must_use]
fn live() -> Response<Body> {
    json(b"{\"live\":true}".to_vec())
}

/// The answer of the probe that asks whether it can serve, with what is degraded.
#[must_use]
fn ready(shared: &Shared) -> Response<Body> {
    let mut out = Writer::default();
    out.object(|out| {
        out.key("ready").bool(true);
        out.key("revision").string(&shared.snapshot.load().revision);
        out.key("degraded").array(|out| {
            for part in shared.degraded.load().iter() {
                out.string(part);
            }
        });
    });
    json(out.into_bytes())
}

/// The models that the caller may use: logical ones, then those of providers that it may call directly
/// and that prices are known of.
#[must_use]
pub(crate) fn models(dialect: Spoken, snapshot: &Snapshot, caller: &Caller) -> Response<Body> {
    let direct = snapshot.callable_directly(&caller.key);
    let direct: Vec<(String, &str)> = direct
        .map(|(provider, model)| (format!("{provider}/{model}"), provider))
        .filter(|(id, _)| !snapshot.models.contains_key(id))
        .collect();
    let logical = snapshot.callable(&caller.key);
    let logical = logical.map(|(id, model)| entry(id, model, "bondgate"));
    let direct = direct.iter().map(|(id, owner)| ModelEntry {
        id,
        description: None,
        owner,
    });
    let entries: Vec<ModelEntry<'_>> = logical.chain(direct).collect();
    json(dialect.server().encode_models(&entries))
}

/// One model that the caller may use.
///
/// # Errors
/// `model_not_found` with near names; for one that the caller may not use, too.
pub(crate) fn model(
    dialect: Spoken,
    snapshot: &Snapshot,
    caller: &Caller,
    id: &str,
) -> Result<Response<Body>, Failure> {
    match snapshot.resolve(id, &caller.key) {
        Resolved::Model(model) => {
            let direct = model.targets.first();
            let owner = match direct.filter(|_| !snapshot.models.contains_key(id)) {
                Some(target) => &target.provider.name,
                None => "bondgate",
            };
            let entry = entry(id, &model, owner);
            Ok(json(dialect.server().encode_model(&entry)))
        }
        Resolved::NotAllowed => Err(refuse::no_model(id, &snapshot.near(id, &caller.key))),
        Resolved::NotFound(near) => Err(refuse::no_model(id, &near)),
    }
}

fn entry<'a>(id: &'a str, model: &'a Model, owner: &'a str) -> ModelEntry<'a> {
    ModelEntry {
        id,
        description: model.description.as_deref(),
        owner,
    }
}

/// A whole answer in JSON.
#[must_use]
pub(crate) fn json(body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Every failed attempt, for programs.
#[must_use]
pub(crate) fn attempts(exchange: &Exchange) -> Json {
    let mut out = Writer::default();
    out.array(|out| {
        for attempt in &exchange.attempts {
            let Some(failure) = attempt.failure else {
                continue;
            };
            out.object(|out| {
                out.key("target").string(attempt.target.name());
                out.key("kind").string(failure.name());
                out.key("why").string(attempt.told());
                if let Some(status) = attempt.status {
                    out.key("status").number(status);
                }
                out.key("took_ms")
                    .number(u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX));
            });
        }
    });
    Json::parse(&String::from_utf8_lossy(&out.into_bytes())).unwrap_or_else(|_| Json::string(""))
}

#[cfg(test)]
mod tests {
    use dialect::loss::{LossKind, Losses};

    use super::loss_list;

    #[test]
    fn a_list_of_losses_can_be_taken_apart_whatever_the_fields_are_called() {
        let mut losses = Losses::default();
        for path in ["a; b dropped: c", "d\r\ne", "f;", "grüße"] {
            losses.tuning(path, LossKind::Dropped, "one; or another");
        }
        let list = loss_list(losses.as_slice());
        assert_eq!(list.split("; ").count(), 4, "{list}");
        assert_eq!(list.matches(';').count(), 3, "{list}");
        assert!(list.bytes().all(|b| (b' '..=b'~').contains(&b)));
    }
}

//! The road of a request, top to bottom.
//!
//! Each stage takes the previous stage's type, so nothing can be sent that was
//! not admitted, screened, planned and reserved. There is no way back up but a
//! [`Failure`], and one place renders it.

use std::sync::Arc;

use dialect::Dialect;
use http::{Request, Response};
use hyper::body::Incoming;
use policy::failure::Failure;

use crate::Gateway;
use crate::admit::{Call, admit};
use crate::attempt::attempt;
use crate::attribute::attribute;
use crate::endpoint::{self, Operation};
use crate::exchange::{Exchange, Outcome};
use crate::identify::identify;
use crate::intake;
use crate::listener::refuse_ambiguous;
use crate::options::Options;
use crate::plan::plan;
use crate::recall::{Recall, recall};
use crate::refuse;
use crate::relay::{Body, relay};
use crate::rescue::rescue;
use crate::reserve::{Reserved, reserve};
use crate::respond;
use crate::screen::screen;

/// Serves one request.
pub async fn serve(gateway: Gateway, request: Request<Incoming>) -> Response<Body> {
    let dialect = endpoint::spoken(request.uri().path(), request.headers());
    let snapshot = gateway.shared.snapshot.load_full();
    let mut exchange = Exchange::open(&gateway, snapshot, dialect);
    match forward(&gateway, dialect, request, &mut exchange).await {
        Ok(Way::Send(reserved)) => relay(dialect, attempt(gateway, reserved, exchange)).await,
        Ok(Way::Answer(mut response)) => {
            exchange.conclude(Outcome::Answered);
            respond::common(response.headers_mut(), dialect, &exchange, None);
            response
        }
        Err(failure) => rescue(dialect, &failure, exchange).await,
    }
}

/// Where the forward stages lead.
enum Way {
    /// To a provider.
    Send(Reserved),
    /// To an answer that the gateway itself knows.
    Answer(Response<Body>),
}

async fn forward(
    gateway: &Gateway,
    dialect: Dialect,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Way, Failure> {
    let (parts, body) = request.into_parts();
    let shared = &gateway.shared;
    let snapshot = Arc::clone(&exchange.snapshot);
    refuse_ambiguous(&parts).map_or(Ok(()), |why| Err(refuse::malformed(why)))?;
    let endpoint = endpoint::find(&parts.method, parts.uri.path(), dialect)?;
    exchange.operation = endpoint.operation.name();
    let model_in_path = match &endpoint.operation {
        Operation::Live => return Ok(Way::Answer(respond::live())),
        Operation::Ready => return Ok(Way::Answer(respond::ready(shared))),
        Operation::Models | Operation::Model { .. } | Operation::Chat { model: None } => None,
        Operation::Chat { model: Some(model) } => Some(model.clone()),
    };

    let caller = identify(
        &parts.headers,
        &parts.uri,
        &snapshot,
        &shared.hasher,
        exchange.at_ms,
    )?;
    exchange.key = Some(Arc::clone(&caller.key));
    let options = Options::read(&parts.headers)?;
    if endpoint.operation == Operation::Models {
        let list = respond::models(endpoint.dialect, &snapshot, &caller);
        return Ok(Way::Answer(list));
    }
    if let Operation::Model { id } = &endpoint.operation {
        return respond::model(endpoint.dialect, &snapshot, &caller, id).map(Way::Answer);
    }

    exchange.who = Some(attribute(&caller.key, &options, &snapshot.require_tags)?);
    let limits = intake::Limits::of(&snapshot, model_in_path.as_deref(), options.timeout);
    let body = intake::read(body, &parts, &limits, &shared.memory).await?;
    let mut head = endpoint
        .dialect
        .server()
        .head(&body.bytes)
        .map_err(|invalid| refuse::invalid(&invalid))?;
    match model_in_path {
        Some(model) => head.name_model(model),
        None if head.model.is_empty() => return Err(refuse::no_model_named()),
        None => {}
    }
    let call = Call {
        dialect: endpoint.dialect,
        options,
        headers: parts.headers,
    };
    let admitted = admit(shared, (caller, call, head), exchange)?;
    let screened = screen(admitted, body)?;
    let planned = plan(screened, &snapshot)?;
    exchange.model = Some(Arc::clone(&planned.plan.model));
    let planned = match recall(planned) {
        Recall::Hit(answer) => return Ok(Way::Answer(answer)),
        Recall::Miss(planned) => planned,
    };
    let reserved = reserve(planned, shared, exchange)?;
    Ok(Way::Send(reserved))
}

//! The road of a request, top to bottom.
//!
//! Each stage takes the previous stage's type, so nothing can be sent that was
//! not admitted, screened, planned and reserved. There is no way back up but a
//! [`Failure`], and one place renders it.

use std::sync::Arc;

use dialect::head::Head;
use http::{Request, Response};
use hyper::body::Incoming;
use policy::failure::Failure;

use crate::Gateway;
use crate::admit::{Call, admit};
use crate::attempt::attempt;
use crate::attribute::attribute;
use crate::count::{self, count};
use crate::endpoint::{self, Asked, Form, Operation};
use crate::exchange::{Exchange, Outcome};
use crate::identify::identify;
use crate::intake;
use crate::listener::refuse_ambiguous;
use crate::options::Options;
use crate::plan::{Planned, plan};
use crate::recall::{Recall, recall};
use crate::refuse;
use crate::relay::{Body, relay};
use crate::rescue::rescue;
use crate::reserve::{Reserved, reserve};
use crate::respond;
use crate::screen::screen;
use crate::speech::Speech;
use crate::stored_calls::{self, Asking};
use crate::through::{self, Through};

/// Serves one request.
pub async fn serve(gateway: Gateway, request: Request<Incoming>) -> Response<Body> {
    let snapshot = gateway.shared.snapshot.load_full();
    let asked = endpoint::find(request.method(), request.uri(), request.headers());
    let asked = asked.spoken_by(&snapshot);
    let dialect = asked.dialect;
    let mut exchange = Exchange::open(&gateway, snapshot, dialect);
    match forward(&gateway, asked, request, &mut exchange).await {
        Ok(Way::Send(reserved)) => relay(dialect, attempt(gateway, reserved, exchange)).await,
        Ok(Way::Count(planned)) => count(gateway, planned, exchange).await,
        Ok(Way::Through(through)) => through::send(gateway, through, exchange).await,
        Ok(Way::Ask(asking)) => stored_calls::ask(gateway, asking, exchange).await,
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
    /// To whoever counts its tokens.
    Count(Box<Planned>),
    /// To a provider's own path.
    Through(Box<Through>),
    /// To the provider that keeps an answer.
    Ask(Box<Asking>),
    /// To an answer that the gateway itself knows.
    Answer(Response<Body>),
}

async fn forward(
    gateway: &Gateway,
    Asked { dialect, operation }: Asked,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Way, Failure> {
    let (parts, body) = request.into_parts();
    let shared = &gateway.shared;
    let snapshot = Arc::clone(&exchange.snapshot);
    refuse_ambiguous(&parts).map_or(Ok(()), |why| Err(refuse::form(&parts.headers, why)))?;
    let operation = operation?;
    exchange.operation = operation.name();
    if let Some(probed) = respond::probed(&operation, shared) {
        return Ok(Way::Answer(probed));
    }
    let (task, form) = operation.form();

    let caller = identify(
        &parts.headers,
        &parts.uri,
        &snapshot,
        &shared.hasher,
        exchange.at_ms,
    )?;
    exchange.key = Some(Arc::clone(&caller.key));
    let options = Options::read(&parts.headers)?;
    if operation == Operation::Models {
        return Ok(Way::Answer(respond::models(dialect, &snapshot, &caller)));
    }
    if let Operation::Model { id } = &operation {
        return respond::model(dialect, &snapshot, &caller, id).map(Way::Answer);
    }
    if let Operation::Through(asked) = &operation {
        let (came, who) = ((parts, body), (caller, options));
        let through = through::forward(shared, asked, came, who, exchange);
        return Box::pin(through).await.map(Way::Through);
    }

    exchange.who = Some(attribute(&caller.key, &options, &snapshot.require_tags)?);
    if let Operation::Stored(asked) = operation {
        let call = Call::new(Speech::new(dialect, false), options, parts.headers);
        let admitted = admit(shared, (caller, call, Head::default()), exchange)?;
        let asking = stored_calls::find(admitted, asked, (gateway, &snapshot))?;
        return Ok(Way::Ask(Box::new(asking)));
    }
    let limits = intake::Limits::of(&snapshot, form.model.as_deref(), options.timeout);
    let mut body = intake::read(body, &parts, &limits, &shared.memory).await?;
    let is_counted = matches!(operation, Operation::CountTokens(_));
    let mut head = if is_counted {
        count::asked(dialect, &mut body)?
    } else {
        intake::head((dialect, task), &body, &parts.headers)?
    };
    let speech = Speech::new(dialect, form.json_array);
    complete(&mut head, form)?;
    let call = Call::new(speech, options, parts.headers);
    let admitted = admit(shared, (caller, call, head), exchange)?;
    let screened = screen(admitted, body)?;
    let planned = plan(screened, shared, exchange)?;
    if is_counted {
        return Ok(Way::Count(planned));
    }
    let planned = match recall(planned) {
        Recall::Hit(answer) => return Ok(Way::Answer(answer)),
        Recall::Miss(planned) => planned,
    };
    let reserved = reserve(planned, shared, exchange)?;
    Ok(Way::Send(reserved))
}

/// What path and query say of a request wins over its body.
fn complete(head: &mut Head, form: Form) -> Result<(), Failure> {
    match form.model {
        Some(model) => head.name_model(model),
        None if head.model.is_empty() => return Err(refuse::no_model_named()),
        None => {}
    }
    head.stream = form.stream.unwrap_or(head.stream);
    Ok(())
}

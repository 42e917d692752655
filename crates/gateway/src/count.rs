//! Counting the tokens of a request: asked of the target that would serve it, else estimated.
//!
//! It is authorised, limited and entered like the request itself, and costs nothing. The first target of
//! the plan that can be asked has the word: another one's model counts otherwise. Where its provider does
//! not count, the estimate says that it is one.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use dialect::Spoken;
use dialect::count::{Count, Counted, TokenCounter, estimate, estimate_of_bytes};
use dialect::head::Head;
use http::{HeaderValue, Response, StatusCode};
use policy::failure::{AttemptFailure, Code, Failure};
use policy::model::{Model, Target};
use tokio::time::{Instant, timeout_at};

use crate::Gateway;
use crate::answer::{Collected, Failed, TOTAL, collect, refused};
use crate::attempt::{is_retry, ready, waited};
use crate::choice::Tries;
use crate::conclude::{Ends, conclude};
use crate::exchange::{Attempt, Exchange, Outcome};
use crate::intake;
use crate::outgoing::{Encoded, Outgoing};
use crate::plan::Planned;
use crate::refuse;
use crate::relay::Body;
use crate::rescue::rescue;
use crate::respond;
use crate::route::{Move, Route};

/// Largest answer of a counter that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// Finds the chat request that a body asks to count, and its head.
///
/// # Errors
/// `invalid_request` where there is none.
pub(crate) fn asked(dialect: Spoken, body: &mut intake::Body) -> Result<Head, Failure> {
    let counter = counter(dialect)?;
    let chat = counter.chat(&body.bytes);
    let Some(chat) = chat.map_err(|invalid| refuse::invalid(&invalid))? else {
        return Ok(Head {
            candidates: 1,
            ..Head::default()
        });
    };
    body.bytes = chat;
    let head = dialect.server().head(&body.bytes);
    let head = head.map_err(|invalid| refuse::invalid(&invalid))?;
    Ok(Head {
        stream: false,
        ..head
    })
}

fn counter(dialect: Spoken) -> Result<&'static dyn TokenCounter, Failure> {
    dialect.dialect().counter().ok_or_else(|| {
        let why = format!("{} has no word for counts of tokens", dialect.name());
        Failure::new(Code::NotFound, why)
    })
}

/// Answers with the count.
pub(crate) async fn count(
    gateway: Gateway,
    planned: Box<Planned>,
    mut exchange: Box<Exchange>,
) -> Response<Body> {
    let dialect = exchange.dialect;
    exchange.input_bytes = planned.screened.body.bytes.len() as u64;
    let steps = planned.plan.steps.iter();
    exchange.order = steps.map(|step| Arc::clone(&step.target)).collect();
    let counted = Box::pin(counted(&gateway, planned, &mut exchange)).await;
    let written = counted.and_then(|count| Ok((count, counter(dialect)?.answer(count))));
    match written {
        Ok((count, body)) => {
            exchange.conclude(Outcome::Answered);
            let mut response = respond::json(body);
            let headers = response.headers_mut();
            respond::common(headers, dialect, &exchange, None);
            respond::answered(headers, &exchange);
            respond::limits(headers, dialect, &exchange);
            if count.is_estimate {
                headers.insert(respond::ESTIMATE, HeaderValue::from_static("1"));
            }
            response
        }
        Err(failure) => rescue(dialect, &failure, exchange).await,
    }
}

/// Walks along the plan until a target has the word.
async fn counted(
    gateway: &Gateway,
    planned: Box<Planned>,
    exchange: &mut Exchange,
) -> Result<Count, Failure> {
    let model = Arc::clone(&planned.plan.model);
    let own = planned.screened.admitted.call.options.timeout;
    let most = model.timeouts.total;
    let deadline = exchange.opened + own.map_or(most, |own| own.min(most));
    let shared = Arc::clone(&gateway.shared);
    let admitted = &planned.screened.admitted;
    let nested = is_retry(&admitted.call.headers);
    let tries = Tries::of(&shared.choice, exchange.snapshot.retries, nested);
    let mut route = Route::new(&planned.plan, admitted);
    let mut outgoing = Outgoing::new(planned, None, Arc::clone(&shared));
    let mut ends = Ends::new(&exchange.excluded);
    while let Some(target) = route.target().cloned() {
        let provider = &target.provider;
        let spoken = provider
            .paths
            .counts
            .map_or_else(|| provider.spoken(), Spoken::of);
        let Some(counter) = spoken.dialect().counter() else {
            return estimated(&outgoing);
        };
        let next = match ready(&shared, &mut outgoing, (&tries, &route, &target), spoken) {
            Err(why) => {
                ends.add(why);
                route.pass()
            }
            // How its counter does says nothing of how the target answers.
            Ok((encoded, _ticket)) => {
                route.count();
                let key = encoded.key.clone();
                let one = One {
                    gateway,
                    outgoing: &outgoing,
                    model: &model,
                    target: &target,
                    deadline,
                };
                match one.attempt(encoded, (spoken, counter), exchange).await {
                    Ok(tokens) => return Ok(exact(tokens)),
                    Err(failed) if does_not_count(exchange) => {
                        drop(failed);
                        return estimated(&outgoing);
                    }
                    Err(failed) => {
                        let another_key = outgoing.after(key, &target, failed.kind);
                        let (kind, retry_after) = (failed.kind, failed.retry_after);
                        let is_over = failed.timed_out == Some(TOTAL);
                        ends.last = Some(failed);
                        if is_over {
                            Move::Stop
                        } else {
                            route.after(kind, another_key, retry_after)
                        }
                    }
                }
            }
        };
        match next {
            Move::Try { wait } if waited(wait, deadline).await => {}
            Move::Try { .. } | Move::Stop => break,
        }
    }
    Err(conclude(ends, exchange, &model, &shared.choice))
}

fn exact(tokens: u64) -> Count {
    Count {
        tokens,
        is_estimate: false,
    }
}

/// Whether the last provider asked has no such path, or none for that model.
fn does_not_count(exchange: &Exchange) -> bool {
    let last = exchange.attempts.last().and_then(|attempt| attempt.status);
    last.is_some_and(|status| {
        [
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_IMPLEMENTED,
        ]
        .iter()
        .any(|known| known.as_u16() == status)
    })
}

fn estimated(outgoing: &Outgoing) -> Result<Count, Failure> {
    let screened = &outgoing.planned().screened;
    let server = screened.admitted.call.speech.dialect.server();
    let body = &screened.body.bytes;
    // What held another dialect's request was given no head.
    let tokens = if screened.admitted.head.body_start == 0 {
        estimate_of_bytes(body.len())
    } else {
        let request = server.decode_request(body);
        estimate(&request.map_err(|invalid| refuse::invalid(&invalid))?)
    };
    Ok(Count {
        tokens,
        is_estimate: true,
    })
}

/// One attempt at one target.
struct One<'a> {
    gateway: &'a Gateway,
    outgoing: &'a Outgoing,
    model: &'a Model,
    target: &'a Arc<Target>,
    deadline: Instant,
}

impl One<'_> {
    async fn attempt(
        &self,
        encoded: Encoded,
        by: (Spoken, &dyn TokenCounter),
        exchange: &mut Exchange,
    ) -> Result<u64, Failed> {
        let began = Instant::now();
        exchange.attempts.push(Attempt::free(self.target));
        exchange.losses.clone_from(&encoded.losses);
        let asking = self.ask(encoded, by, exchange);
        let result = timeout_at(self.deadline, asking).await;
        let result = result
            .unwrap_or_else(|_elapsed| Err(Failed::timed_out(AttemptFailure::Overloaded, TOTAL)));
        let result = result.map_err(|failed| failed.concealed(self.target));
        let took = began.elapsed();
        exchange.waited += took;
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.took = took;
            if let Err(failed) = &result {
                attempt.failure = Some(failed.kind);
                attempt.why.clone_from(&failed.why);
                attempt.phase = failed.timed_out.unwrap_or_default();
            }
        }
        result
    }

    async fn ask(
        &self,
        mut encoded: Encoded,
        (spoken, counter): (Spoken, &dyn TokenCounter),
        exchange: &mut Exchange,
    ) -> Result<u64, Failed> {
        let shared = &self.gateway.shared;
        let provider = &self.target.provider;
        let unsent = |why: String| Failed::new(AttemptFailure::NotSent, why);
        let counted = Counted {
            model: &self.target.model,
            root: &provider.base_path,
        };
        let chat = encoded.body.copy_to_bytes(encoded.body.remaining());
        let body = counter.request(&chat, &counted);
        encoded.body = Bytes::from(body.map_err(|e| unsent(e.to_string()))?).into();
        let (path, now) = (counter.path(&self.target.model), shared.now_ms());
        let request = self
            .outgoing
            .request_at(
                (self.target, spoken, &path),
                &mut encoded,
                (&shared.hasher, now),
            )
            .map_err(|failure| unsent(failure.message))?;
        let mut unlisted = None;
        let connected = match exchange.attempts.last_mut() {
            Some(attempt) => &mut attempt.connected,
            None => &mut unlisted,
        };
        let asked = (request, self.model.timeouts.connect);
        let upstream = &self.gateway.upstream;
        let response = upstream.send_timed(&provider.origin, asked, connected);
        let response = response.await?;
        if let Some(attempt) = exchange.attempts.last_mut() {
            attempt.status = Some(response.status().as_u16());
        }
        if !response.status().is_success() {
            let reading = refused(response, self.target, (&shared.memory, shared.now_ms()));
            return Err(Box::pin(reading).await);
        }
        match collect(response.into_body(), ANSWER_MAX, &shared.memory).await? {
            Collected::Whole(bytes, _) => Ok(counter.tokens(&bytes)?),
            Collected::Long(..) => {
                let why = format!("the count is longer than {ANSWER_MAX} bytes");
                Err(Failed::new(AttemptFailure::MidStream, why))
            }
        }
    }
}

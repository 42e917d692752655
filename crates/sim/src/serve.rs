//! One request from its head to the first byte of its answer: which dialect,
//! whether it is allowed and understood, which faults, what answer.
//!
//! Nothing here writes a wire format; that is the dialects' part.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::admin;
use crate::answer::answer;
use crate::ask::Ask;
use crate::books::{Call, Charge, Seen, Ticket, now_ms};
use crate::dialect::{DIALECTS, Dialect, Head, Job, Op, Refusal, likely};
use crate::fault::{Fault, Status};
use crate::plan::{Plan, Spoilers, plan};
use crate::play::{Play, PlayBody};
use crate::script::{InputBill, Query, Script};
use crate::server::Core;
use crate::wire::{By, Line};
use crate::words::{Rng, hash};

const BODY_MAX: usize = 64 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
pub(crate) struct HungUp;

/// Answers a request.
///
/// # Errors
/// The client left before its request was whole, or the script hung up.
pub(crate) async fn serve(
    core: Arc<Core>,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<PlayBody>, HungUp> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => None,
        Err(_) => return Err(HungUp),
    };
    let seen = Seen {
        n: 0,
        at: 0,
        connection: line.id,
        version: parts.version,
        method: parts.method,
        path: parts
            .uri
            .path_and_query()
            .map_or_else(String::new, |p| p.as_str().to_owned()),
        headers: parts.headers,
        body: body.clone().unwrap_or_default(),
        status: None,
        faults: Vec::new(),
        events_sent: 0,
        bytes_sent: 0,
        outcome: None,
    };
    if seen.path.starts_with("/sim/") {
        let (status, body) = admin::answer(&core, &seen);
        return Ok(plain(status, JSON, Play::plain(body), &line));
    }
    let authority = parts.uri.authority().map(|a| a.as_str().to_owned());
    let mut exchange = Exchange::new(&core, &line, seen, authority);
    match body {
        Some(_) => exchange.run().await,
        None => Ok(exchange.refuse(&Refusal::of(413))),
    }
}

fn plain(status: u16, kind: HeaderValue, play: Play, line: &Arc<Line>) -> Response<PlayBody> {
    let mut response = Response::new(PlayBody::new(play, None, Arc::clone(line)));
    *response.status_mut() = code(status);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn code(status: u16) -> http::StatusCode {
    http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR)
}

/// A request on its way through.
struct Exchange {
    core: Arc<Core>,
    line: Arc<Line>,
    script: Arc<Script>,
    ticket: Option<Ticket>,
    dialect: &'static dyn Dialect,
    op: Option<Op>,
    ids: u64,
    request_id: String,
    method: Method,
    path: String,
    authority: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    faults: Vec<&'static str>,
}

/// A response before it has a body.
struct Outline {
    status: u16,
    kind: HeaderValue,
    extra: HeaderMap,
}

impl Outline {
    fn new(status: u16) -> Outline {
        Outline {
            status,
            kind: JSON,
            extra: HeaderMap::new(),
        }
    }
}

impl Exchange {
    fn new(core: &Arc<Core>, line: &Arc<Line>, seen: Seen, authority: Option<String>) -> Exchange {
        let script = core.script();
        let (method, path) = (seen.method.clone(), seen.path.clone());
        let (headers, body) = (seen.headers.clone(), seen.body.clone());
        let ticket = core.books.arrived(seen);
        let ids = hash(script.seed.unwrap_or(core.boot), &ticket.n.to_le_bytes());
        let mut exchange = Exchange {
            core: Arc::clone(core),
            line: Arc::clone(line),
            script,
            ticket: Some(ticket),
            dialect: likely(&headers),
            op: None,
            ids,
            request_id: String::new(),
            method,
            path,
            authority,
            headers,
            body,
            faults: Vec::new(),
        };
        let head = exchange.head();
        let routed = DIALECTS
            .iter()
            .find_map(|d| d.route(&head).map(|op| (*d, op)));
        if let Some((dialect, op)) = routed {
            (exchange.dialect, exchange.op) = (dialect, Some(op));
        }
        exchange.request_id = exchange.dialect.request_id(&mut Rng::new(ids));
        exchange
    }

    fn head(&self) -> Head<'_> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        Head {
            method: &self.method,
            path,
            query,
            authority: self.authority.as_deref(),
            headers: &self.headers,
            shelf: &self.core.shelf,
        }
    }

    async fn run(&mut self) -> Result<Response<PlayBody>, HungUp> {
        let Some(op) = self.op.clone() else {
            let root = self.method == Method::HEAD && self.head().path == "/";
            let status = if root { 200 } else { 404 };
            let message = format!("Invalid URL ({} {})", self.method, self.path);
            let refusal = Refusal {
                message: Some(message),
                ..Refusal::of(status)
            };
            return Ok(if root {
                self.empty(Outline::new(200))
            } else {
                self.refuse(&refusal)
            });
        };
        if let Err(refusal) = self.authorise() {
            return Ok(self.refuse(&refusal));
        }
        let ask = if op.charged() {
            self.dialect.read(&op, &self.head(), &self.body)
        } else {
            Ok(Ask::default())
        };
        let ask = match ask {
            Ok(ask) => ask,
            Err(refusal) => return Ok(self.refuse(&refusal)),
        };
        let script = Arc::clone(&self.script);
        let faults = script.faults(&Query {
            dialect: self.dialect.name(),
            operation: op.name(),
            model: &ask.model,
            path: &self.path,
            text: &ask.last_text,
            stream: ask.stream,
            headers: &self.headers,
        });
        for fault in faults {
            if let Some(response) = self.before(fault).await? {
                return Ok(response);
            }
        }
        if op.charged() {
            return Ok(self.charged(&op, &ask, faults).await);
        }
        match self.dialect.other(&op, &self.head(), &self.body) {
            Ok(body) => Ok(self.respond(Outline::new(200), Play::plain(body))),
            Err(refusal) => Ok(self.refuse(&refusal)),
        }
    }

    fn authorise(&self) -> Result<(), Refusal> {
        let head = self.head();
        let key = self.dialect.key(&head).filter(|k| !k.is_empty());
        let known = &self.script.keys;
        match key {
            Some(key) if known.is_empty() || known.iter().any(|k| k == key) => {
                self.dialect.verify(&head, &self.body, &self.script.aws)
            }
            Some(_) | None => Err(self.dialect.unknown_key(key.is_some())),
        }
    }

    /// Faults that come instead of an answer, or before one.
    async fn before(&mut self, fault: &Fault) -> Result<Option<Response<PlayBody>>, HungUp> {
        match fault {
            Fault::HangUp { by } => return self.hang_up(*by).await,
            Fault::StallBefore { ms } => {
                self.note("stall_before");
                let Some(ms) = ms else {
                    if let Some(ticket) = &mut self.ticket {
                        ticket.stalled();
                    }
                    return std::future::pending().await;
                };
                tokio::time::sleep(Duration::from_millis(*ms)).await;
            }
            Fault::Status(status) => {
                self.note("status");
                return Ok(Some(self.status(status)));
            }
            Fault::Html { status } => {
                self.note("html");
                let mut outline = Outline::new(*status);
                outline.kind = HeaderValue::from_static("text/html");
                let page = format!(
                    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
                );
                return Ok(Some(self.respond(outline, Play::plain(Bytes::from(page)))));
            }
            Fault::Empty {} => {
                self.note("empty");
                return Ok(Some(self.empty(Outline::new(200))));
            }
            Fault::Redirect { to, status } => {
                self.note("redirect");
                let mut outline = Outline::new(*status);
                if let Ok(to) = HeaderValue::from_str(to) {
                    outline.extra.insert(LOCATION, to);
                }
                return Ok(Some(self.empty(outline)));
            }
            Fault::Informational { count } => self.informational(*count).await,
            Fault::Refuse { .. }
            | Fault::StallInside { .. }
            | Fault::Drip { .. }
            | Fault::Cut(_)
            | Fault::ErrorEvent { .. }
            | Fault::BadJson { .. }
            | Fault::Flip { .. }
            | Fault::Garbage { .. }
            | Fault::Slow { .. }
            | Fault::NoNewline { .. }
            | Fault::WrongContentType { .. }
            | Fault::Usage { .. }
            | Fault::WrongId {}
            | Fault::Split { .. } => {}
        }
        Ok(None)
    }

    fn note(&mut self, fault: &'static str) {
        self.faults.push(fault);
        if let Some(ticket) = &self.ticket {
            ticket.fault(fault);
        }
    }

    async fn hang_up(&mut self, by: By) -> Result<Option<Response<PlayBody>>, HungUp> {
        self.note("hang_up");
        if let Some(ticket) = &mut self.ticket {
            ticket.cut(by.name());
        }
        if by == By::Rst && self.line.is_h2() {
            return Err(HungUp);
        }
        self.line.close(by);
        std::future::pending().await
    }

    /// 1xx answers, written past hyper, which has written nothing yet.
    async fn informational(&mut self, count: Option<u64>) {
        if self.line.is_h2() {
            return;
        }
        self.note("informational");
        for _ in 0..count.unwrap_or(u64::MAX) {
            let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </sim>; rel=preload\r\n\r\n";
            self.line.inject(hint);
            while self.line.injected_left() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    fn status(&mut self, fault: &Status) -> Response<PlayBody> {
        let refusal = Refusal {
            status: fault.status,
            code: fault.code.clone(),
            param: None,
            message: fault.message.clone(),
        };
        let mut outline = Outline::new(fault.status);
        self.dialect.error_headers(&refusal, &mut outline.extra);
        if let Some(Ok(value)) = fault.retry_after.as_deref().map(HeaderValue::from_str) {
            outline.extra.insert(RETRY_AFTER, value);
        }
        for (name, value) in &fault.headers {
            let name = HeaderName::try_from(name.as_str());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                outline.extra.insert(name, value);
            }
        }
        let body = match &fault.body {
            Some(body) => Bytes::from(body.clone()),
            None => self.dialect.error(&self.head(), &refusal, &self.request_id),
        };
        self.respond(outline, Play::plain(body))
    }

    async fn charged(&mut self, op: &Op, ask: &Ask, faults: &[Fault]) -> Response<PlayBody> {
        let said = answer(ask, self.script.seed);
        let lie = faults.iter().find_map(|f| {
            if let Fault::Usage { tell } = f {
                Some(*tell)
            } else {
                None
            }
        });
        let wrong_id = faults.iter().any(|f| matches!(f, Fault::WrongId {}));
        let head = self.head();
        let job = Job {
            op,
            ask,
            answer: &said,
            ids: self.ids,
            created: now_ms() / 1_000,
            request_id: &self.request_id,
            usage_lie: lie,
            wrong_id,
            owner: self.dialect.key(&head).unwrap_or_default(),
            shelf: head.shelf,
        };
        let Plan {
            mut play,
            delay,
            faults: fired,
        } = plan_of(self.dialect, &job, faults);
        let mut outline = Outline::new(200);
        outline.kind = HeaderValue::from_static(self.dialect.content_type(&job));
        self.dialect.answer_headers(&job, &mut outline.extra);
        if let Some(bytes) = self.script.split.filter(|_| play.slice.is_none()) {
            play.slice = Some((bytes, Duration::ZERO));
        }
        self.faults.extend(fired);
        self.faults.extend(lie.map(|_| "usage"));
        self.faults.extend(wrong_id.then_some("wrong_id"));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let charge = self.charge(op, ask, &said.usage);
        if let Some(ticket) = &mut self.ticket {
            ticket.charge = Some(charge);
        }
        if ask.stream {
            outline
                .extra
                .insert("cache-control", HeaderValue::from_static("no-cache"));
        }
        if let Some(kind) = faults.iter().find_map(Fault::content_type) {
            outline.kind = kind;
            self.faults.push("wrong_content_type");
        }
        self.respond(outline, play)
    }

    fn charge(&self, op: &Op, ask: &Ask, usage: &crate::answer::Usage) -> Charge {
        let idempotency = self
            .headers
            .get("idempotency-key")
            .and_then(|v| v.to_str().ok());
        Charge {
            call: Call {
                n: self.ticket.as_ref().map_or(0, |t| t.n),
                at: self.ticket.as_ref().map_or(0, |t| t.at),
                dialect: self.dialect.name(),
                operation: op.name(),
                model: ask.model.clone(),
                input_tokens: usage.input,
                cached_tokens: usage.cached,
                output_tokens: 0,
                cost_nanos: 0,
                completed: false,
                cut: None,
                request_id: self.request_id.clone(),
                idempotency_key: idempotency.map(str::to_owned),
            },
            price: self.script.price(&ask.model),
            output_full: usage.output,
            input_on_start: self.script.bill_input_on_start == InputBill::OnStart,
            cancelled: self.script.bill_cancelled,
        }
    }

    fn refuse(&mut self, refusal: &Refusal) -> Response<PlayBody> {
        let body = self.dialect.error(&self.head(), refusal, &self.request_id);
        let mut outline = Outline::new(refusal.status);
        self.dialect.error_headers(refusal, &mut outline.extra);
        self.respond(outline, Play::plain(body))
    }

    fn empty(&mut self, outline: Outline) -> Response<PlayBody> {
        self.respond(outline, Play::plain(Bytes::new()))
    }

    fn respond(&mut self, outline: Outline, play: Play) -> Response<PlayBody> {
        let mut ticket = self.ticket.take();
        if let Some(ticket) = &mut ticket {
            ticket.head(outline.status, std::mem::take(&mut self.faults));
        }
        let mut response = Response::new(PlayBody::new(play, ticket, Arc::clone(&self.line)));
        *response.status_mut() = code(outline.status);
        let headers = response.headers_mut();
        headers.reserve(24);
        headers.insert(CONTENT_TYPE, outline.kind);
        self.dialect
            .headers(headers, &self.request_id, outline.status);
        headers.extend(outline.extra);
        response
    }
}

fn plan_of(dialect: &dyn Dialect, job: &Job<'_>, faults: &[Fault]) -> Plan {
    let tape = if job.ask.stream {
        dialect.stream(job)
    } else {
        dialect.whole(job)
    };
    let spoilers = Spoilers {
        error_event: &|at| dialect.error_event(job, at),
        broken_event: &|at| dialect.broken_event(job, at),
    };
    plan(tape, job.ask, faults, &spoilers)
}

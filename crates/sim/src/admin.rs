//! The provider's own pages under `/sim/`: the bill, what was seen, and the
//! script.
//!
//! They are for tests and drills; no dialect and no fault touches them.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::json;

use crate::books::{Outcome, Seen};
use crate::script::Script;
use crate::server::Core;

const SEEN_LISTED: usize = 200;
const BODY_SHOWN: usize = 64 << 10;

/// Status and body for a request under `/sim/`.
pub(crate) fn answer(core: &Core, request: &Seen) -> (u16, Bytes) {
    let path = request.path.split('?').next().unwrap_or_default();
    match (path, &request.method) {
        ("/sim/bill", &Method::GET) => (200, json_of(&core.books.bill())),
        ("/sim/seen", &Method::GET) => (200, json_of(&listed(&core.books.seen()))),
        ("/sim/script", &Method::POST) => load(core, &request.body),
        ("/sim/reset", &Method::POST) => {
            core.reset();
            (200, Bytes::from_static(b"{}"))
        }
        _ => {
            let here = "GET /sim/bill, GET /sim/seen, POST /sim/script, POST /sim/reset";
            (
                404,
                json_of(&json!({ "error": format!("no such page; there are {here}") })),
            )
        }
    }
}

fn load(core: &Core, body: &[u8]) -> (u16, Bytes) {
    let text = String::from_utf8_lossy(body);
    match Script::from_json(&text) {
        Ok(script) => {
            core.set_script(script);
            (200, Bytes::from_static(b"{}"))
        }
        Err(e) => (400, json_of(&json!({ "error": e.to_string() }))),
    }
}

#[derive(Serialize)]
struct Row<'a> {
    n: u64,
    at: u64,
    connection: u64,
    version: String,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, String)>,
    body_bytes: usize,
    /// At most 64 KiB of it.
    body: String,
    status: Option<u16>,
    faults: &'a [&'static str],
    events_sent: u64,
    bytes_sent: u64,
    outcome: Option<Outcome>,
}

fn listed(seen: &[Seen]) -> Vec<Row<'_>> {
    let from = seen.len().saturating_sub(SEEN_LISTED);
    let rows = seen.iter().skip(from).map(|s| Row {
        n: s.n,
        at: s.at,
        connection: s.connection,
        version: format!("{:?}", s.version),
        method: s.method.as_str(),
        path: &s.path,
        headers: s
            .headers
            .iter()
            .map(|(k, v)| {
                (
                    k.as_str(),
                    String::from_utf8_lossy(v.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body_bytes: s.body.len(),
        body: String::from_utf8_lossy(s.body.get(..BODY_SHOWN).unwrap_or(&s.body)).into_owned(),
        status: s.status,
        faults: &s.faults,
        events_sent: s.events_sent,
        bytes_sent: s.bytes_sent,
        outcome: s.outcome,
    });
    rows.collect()
}

fn json_of(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

//! The options of connections that are in use, as the kernel tells them.
//!
//! `TCP_NODELAY` of another's socket cannot be read, but the keep-alive timer can, and one function
//! sets both; that it sets both is proven where it lives.

use std::net::SocketAddr;

use dialect::Dialect;
use serde_json::json;

use crate::asking::{Ask, Line};
use crate::harness::{Road, echo, scripted, until};

/// `/proc/net/tcp`'s mark of a socket whose keep-alive timer runs.
const KEEP_ALIVE: &str = "02";

#[tokio::test]
async fn live_connections_on_both_sides_have_their_options() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: the kernel's table of sockets is Linux's");
        return;
    }
    let stall = json!({ "stall_inside": { "after_events": 1 } });
    let sim = scripted(json!({ "rules": [{ "do": stall }] })).await;
    let road = Road::to(vec![echo("p", Dialect::OpenaiChat, &sim)]);
    let line: Line = Ask::stream(Dialect::OpenaiChat, "hi").open(&road).await;
    let accepted = |socket: &Entry| socket.local == road.address;
    let connected = |socket: &Entry| socket.remote == sim.addr();
    until("both connections run their keep-alive timers", || {
        let sockets = table();
        let runs = |which: &dyn Fn(&Entry) -> bool| {
            sockets
                .iter()
                .any(|socket| which(socket) && socket.timer == KEEP_ALIVE)
        };
        runs(&accepted) && runs(&connected)
    })
    .await;
    drop(line);
}

struct Entry {
    local: SocketAddr,
    remote: SocketAddr,
    timer: String,
}

fn table() -> Vec<Entry> {
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    text.lines().skip(1).filter_map(entry).collect()
}

/// `sl local_address rem_address st tx:rx tr:when …`, addresses in hexadecimal, host byte order.
fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
    let timer = fields.nth(2)?.split(':').next()?.to_owned();
    Some(Entry {
        local,
        remote,
        timer,
    })
}

fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let host = u32::from_str_radix(host, 16).ok()?.to_ne_bytes();
    Some((host, u16::from_str_radix(port, 16).ok()?).into())
}

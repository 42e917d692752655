//! What is asked for while measuring: the table of settings, and the figures
//! that must be reached.
//!
//! A new setting is a row here. `--only` picks rows by a part of their name.

use super::subject::Kind;
use super::switches::Switches;
use super::wire::{Ask, Shape, Wire};

/// One kind of load in a closed loop.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The name in the tables and for `--only`.
    pub name: String,
    /// The request repeated.
    pub ask: Ask,
    /// Connections, each with one request at a time.
    pub connections: u32,
    /// Whether every gateway can do it, or only ours.
    pub ours_only: bool,
    /// Whether what each switch costs is told of it.
    pub by_switch: bool,
    /// The bare proxy's setting to compare with, and how many times its CPU
    /// a request may cost in ours, bare, where that is bounded.
    pub against: (&'static str, Option<f64>),
}

impl Setting {
    /// Whether a subject is measured under it.
    pub fn is_for(&self, kind: Kind) -> bool {
        match kind {
            Kind::Bondgate(switches) if switches.is_variation() => self.by_switch,
            Kind::Bondgate(Switches::Everything) => !self.ours_only,
            Kind::Bondgate(_) => true,
            Kind::Direct | Kind::BareProxy | Kind::Nginx | Kind::LiteLlm | Kind::Portkey => {
                !self.ours_only
            }
        }
    }
}

/// What the client speaks, and the model it calls: that of an upstream of the
/// same dialect, or of the other.
const CHAT: (Wire, &str) = (Wire::Chat, "bench");
const MESSAGES: (Wire, &str) = (Wire::Messages, "bencha");
const MESSAGES_TO_CHAT: (Wire, &str) = (Wire::Messages, "bench");
const CHAT_TO_MESSAGES: (Wire, &str) = (Wire::Chat, "bencha");

const KIB: usize = 1024;

/// Messages of two kilobytes each that a long conversation begins with; the last one fills it up.
const LONG_TURNS: usize = 400;

/// Bytes of the body, and how the answer comes: a hundred events at once, or
/// as tokens come.
const SMALL: (usize, Shape) = (KIB, Shape::Whole);
const LARGE: (usize, Shape) = (32 * KIB, Shape::Whole);
const BURST: (usize, Shape) = (
    KIB,
    Shape::Stream {
        chunks: 100,
        gap_ms: 0,
    },
);
const PACED: (usize, Shape) = (
    KIB,
    Shape::Stream {
        chunks: 100,
        gap_ms: 10,
    },
);

/// The slow streams whose memory is measured.
pub const SLOW: Shape = Shape::Stream {
    chunks: 20,
    gap_ms: 200,
};

/// Name, road, size and shape, and the bare proxy's CPU that ours may cost.
type Row = (&'static str, (Wire, &'static str), (usize, Shape), f64);

const ROWS: [Row; 13] = [
    ("chat-1k", CHAT, SMALL, 1.5),
    ("chat-32k", CHAT, LARGE, 1.7),
    ("chat-stream", CHAT, BURST, 1.4),
    ("chat-paced", CHAT, PACED, 1.4),
    ("messages-1k", MESSAGES, SMALL, 1.5),
    ("messages-32k", MESSAGES, LARGE, 1.7),
    ("messages-stream", MESSAGES, BURST, 1.4),
    ("messages-to-chat-1k", MESSAGES_TO_CHAT, SMALL, 3.0),
    ("messages-to-chat-32k", MESSAGES_TO_CHAT, LARGE, 3.0),
    ("messages-to-chat-stream", MESSAGES_TO_CHAT, BURST, 3.0),
    ("chat-to-messages-1k", CHAT_TO_MESSAGES, SMALL, 3.0),
    ("chat-to-messages-32k", CHAT_TO_MESSAGES, LARGE, 3.0),
    ("chat-to-messages-stream", CHAT_TO_MESSAGES, BURST, 3.0),
];

/// The settings of which is told what each switch costs.
const BY_SWITCH: [&str; 2] = ["chat-1k", "chat-stream"];

/// With everything on: the setting, how many times the bare proxy's CPU a request may cost
/// the threads that serve, and the whole process where that is bounded too.
pub const EVERYTHING: [(&str, f64, Option<f64>); 2] =
    [("chat-1k", 1.8, Some(2.6)), ("chat-stream", 1.6, None)];

/// Every setting, in the order of the tables.
pub fn all() -> Vec<Setting> {
    ROWS.into_iter().map(setting).collect()
}

fn setting((name, (wire, model), (size, shape), times): Row) -> Setting {
    Setting {
        name: name.to_owned(),
        ask: Ask {
            wire,
            model,
            size,
            turns: 0,
            shape,
            delay_ms: 0,
            id: 0,
        },
        connections: connections(shape),
        ours_only: (wire, model) != CHAT,
        by_switch: BY_SWITCH.contains(&name),
        against: (yardstick(size, shape), Some(times)),
    }
}

/// Every pair of what the client and the upstream speak: whole and as a stream; and from each wire
/// format to the next a long conversation.
pub fn pairs() -> Vec<Setting> {
    let mut settings = Vec::new();
    for (client, upstream) in every_pair() {
        for (kind, size, turns, shape) in [
            ("1k", KIB, 0, SMALL.1),
            ("stream", KIB, 0, BURST.1),
            ("1m", KIB * KIB, LONG_TURNS, SMALL.1),
        ] {
            let is_yardstick = (client, upstream) == (Wire::Chat, Wire::Chat);
            let is_long = turns > 0;
            if is_long && !is_yardstick && next(client) != upstream {
                continue;
            }
            settings.push(Setting {
                name: format!("{}-to-{}-{kind}", client.name(), upstream.name()),
                ask: Ask {
                    wire: client,
                    model: upstream.model(),
                    size,
                    turns,
                    shape,
                    delay_ms: 0,
                    id: 0,
                },
                connections: if is_long { 8 } else { connections(shape) },
                ours_only: !is_yardstick,
                by_switch: false,
                against: (
                    match kind {
                        "1k" => "chat-to-chat-1k",
                        "stream" => "chat-to-chat-stream",
                        _ => "chat-to-chat-1m",
                    },
                    None,
                ),
            });
        }
    }
    settings
}

fn every_pair() -> impl Iterator<Item = (Wire, Wire)> {
    let to_all = |client| Wire::ALL.map(|upstream| (client, upstream));
    Wire::ALL.into_iter().flat_map(to_all)
}

/// The wire format behind that one, in a ring.
fn next(wire: Wire) -> Wire {
    let mut from = Wire::ALL.into_iter().cycle().skip_while(|one| *one != wire);
    from.nth(1).unwrap_or(wire)
}

fn connections(shape: Shape) -> u32 {
    match shape {
        Shape::Whole => 64,
        Shape::Stream { gap_ms: 0, .. } => 16,
        Shape::Stream { .. } => 100,
    }
}

fn yardstick(size: usize, shape: Shape) -> &'static str {
    match shape {
        Shape::Whole if size > KIB => "chat-32k",
        Shape::Whole => "chat-1k",
        Shape::Stream { gap_ms: 0, .. } => "chat-stream",
        Shape::Stream { .. } => "chat-paced",
    }
}

/// Rates at which latency is compared, a second.
pub const RATES: [u32; 2] = [200, 1000];

/// The rate of streams at which the time to the first event is compared.
pub const STREAM_RATE: u32 = 50;

/// Added p50 above the bare proxy's, in microseconds.
pub const ADDED_P50_US: f64 = 60.0;

/// Idle memory, in MiB.
pub const IDLE_MIB: f64 = 20.0;

/// Memory of an open slow stream, times the bare proxy's.
pub const SLOW_STREAM_TIMES: f64 = 1.3;

/// Client gone to upstream closed, p99, in milliseconds.
pub const GONE_MS: f64 = 50.0;

/// A clean release build on two cores, in minutes.
pub const BUILD_MINUTES: f64 = 8.0;

/// The steady rate of a long run, a second.
pub const SOAK_RATE: u32 = 3000;

/// How much memory may grow in it after its first quarter, in MiB.
pub const SOAK_GROWTH_MIB: f64 = 8.0;

/// How long after it the ledger may still be at work, in seconds.
pub const SOAK_BEHIND_SECONDS: f64 = 2.0;

/// From a start with many exchanges to the first answer, in seconds.
pub const START_SECONDS: f64 = 2.0;

/// What `bondgate spend` may take over many exchanges, in seconds.
pub const SPEND_SECONDS: f64 = 1.0;

/// When a client goes away.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// The name in the tables.
    pub name: &'static str,
    /// How the answer would have come.
    pub shape: Shape,
    /// Milliseconds the upstream would have waited.
    pub delay_ms: u64,
    /// Events read before going.
    pub events: u64,
}

/// The phases in which a client goes away.
pub const PHASES: [Phase; 3] = [
    Phase {
        name: "awaiting a whole answer",
        shape: Shape::Whole,
        delay_ms: 30_000,
        events: 0,
    },
    Phase {
        name: "awaiting the first event",
        shape: PACED.1,
        delay_ms: 30_000,
        events: 0,
    },
    Phase {
        name: "within a stream",
        shape: Shape::Stream {
            chunks: 3000,
            gap_ms: 10,
        },
        delay_ms: 0,
        events: 3,
    },
];

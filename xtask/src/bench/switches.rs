//! What is switched on in Bondgate while it is measured: everything that one would run with, or less
//! by one switch, so that the table tells what each costs.
//!
//! Key, journal, ledger and metrics cannot be switched off, so they are on in all. The limits are so
//! wide that nothing is ever refused: what is measured is the counting.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::wire::{KEY, Wire};

/// A set of switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switches {
    /// Key, journal, ledger.
    Bare,
    /// And two hard budgets.
    WithBudgets,
    /// Key, four limits, two hard budgets, tags, journal, ledger, metrics scraped once a second.
    Everything,
    /// Everything but the limits.
    NoLimits,
    /// Everything but the budgets.
    NoBudgets,
    /// Everything, and each record on the disk before its request goes on.
    Power,
}

/// Those of which only the costs are of interest, not latency or memory.
pub const VARIATIONS: [Switches; 4] = [
    Switches::WithBudgets,
    Switches::NoLimits,
    Switches::NoBudgets,
    Switches::Power,
];

impl Switches {
    /// The name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bondgate, bare",
            Self::WithBudgets => "bare and budgets",
            Self::Everything => "bondgate, everything on",
            Self::NoLimits => "everything but limits",
            Self::NoBudgets => "everything but budgets",
            Self::Power => "everything, durability power",
        }
    }

    /// What is on.
    pub const fn on(self) -> &'static str {
        match self {
            Self::Bare => {
                "target/release; key checked, routing, translation where dialects differ, usage metered and priced, journal and ledger"
            }
            Self::WithBudgets => {
                "the same, and two hard budgets: of all a month, of each key a day"
            }
            Self::Everything => {
                "the same, and four limits (requests and tokens a minute, requests a day, concurrency), tags of key and caller, metrics read once a second"
            }
            Self::NoLimits => "everything but the four limits",
            Self::NoBudgets => "everything but the two budgets",
            Self::Power => "everything, and records wait for the disk",
        }
    }

    /// Whether it is one of [`VARIATIONS`].
    pub fn is_variation(self) -> bool {
        VARIATIONS.contains(&self)
    }

    /// Whether its metrics are read while it works.
    pub const fn is_scraped(self) -> bool {
        self.is_full()
    }

    /// Headers that its caller sends.
    pub const fn headers(self) -> &'static str {
        if self.is_full() {
            "x-bondgate-tags: feature=search\r\n"
        } else {
            ""
        }
    }

    /// Its configuration.
    pub fn config(self, address: SocketAddr, upstream: SocketAddr, data: &Path) -> String {
        let (mut providers, mut models, mut prices) = (
            "providers:\n".to_owned(),
            "models:\n".to_owned(),
            "prices:\n".to_owned(),
        );
        let mut text = format!(
            r#"listen: {address}
admin: {{ listen: "127.0.0.1:0", metrics: open }}
data: {data:?}
"#
        );
        // One provider, model and price for each wire format; writing to a text does not fail.
        let _ = Wire::ALL.iter().try_for_each(|wire| {
            let (name, dialect, model) = (wire.name(), wire.dialect(), wire.model());
            writeln!(providers, "  {name}: {{ base_url: \"http://{upstream}\", dialect: {dialect}, key: \"sk-upstream-0123456789\" }}")?;
            writeln!(models, "  {model}: {{ targets: [{name}/bench] }}")?;
            writeln!(prices, "  - {{ target: {name}/bench, input: 1.25 USD, output: 10 USD }}")
        });
        text.push_str(&[providers, models, prices].concat());
        let tags = if self.is_full() {
            r#", team: bench, tags: { app: bench }, may_set: [tags]"#
        } else {
            ""
        };
        let (team, key) = if self.limits() {
            (
                "limits: { requests: 1000000000000/day }",
                ", limits: { requests: 1000000000/min, tokens: 1000000000000/min, concurrent: 1000000 }",
            )
        } else {
            ("", "")
        };
        if self.is_full() {
            let _ = writeln!(text, "teams:\n  bench: {{ {team} }}");
        }
        let _ = writeln!(text, "keys:\n  bench: {{ secret: \"{KEY}\"{tags}{key} }}");
        if self.budgets() {
            text.push_str("budgets:\n  company: { limit: 1000000 USD, per: month }\n  daily: { each: key, limit: 1000000 USD, per: day }\n");
        }
        if self == Self::Power {
            text.push_str("durability: power\n");
        }
        text
    }

    const fn is_full(self) -> bool {
        match self {
            Self::Bare | Self::WithBudgets => false,
            Self::Everything | Self::NoLimits | Self::NoBudgets | Self::Power => true,
        }
    }

    const fn limits(self) -> bool {
        match self {
            Self::Bare | Self::WithBudgets | Self::NoLimits => false,
            Self::Everything | Self::NoBudgets | Self::Power => true,
        }
    }

    const fn budgets(self) -> bool {
        match self {
            Self::Bare | Self::NoBudgets => false,
            Self::WithBudgets | Self::Everything | Self::NoLimits | Self::Power => true,
        }
    }
}

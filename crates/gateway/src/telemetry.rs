//! Figures for Prometheus.
//!
//! Every figure of a request comes from its settled record, and from nowhere else. A request costs one
//! lookup: its series hold the handles of all its metrics. Names follow OpenTelemetry's `gen_ai.*`
//! conventions where those have one. Labels are bounded: what comes after [`SERIES_MAX`] counts as `other`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use store::record::Exchange;

/// Most combinations of model, target and outcome that are told apart.
pub const SERIES_MAX: usize = 4096;

/// Seconds, from a millisecond to a quarter of an hour.
const DURATIONS: [f64; 14] = [
    0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];

/// Seconds that the gateway adds.
const OVERHEADS: [f64; 9] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    gen_ai_request_model: Arc<str>,
    target: Arc<str>,
    outcome: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    gen_ai_request_model: Arc<str>,
    target: Arc<str>,
    gen_ai_token_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempts {
    target: Arc<str>,
    kind: Cow<'static, str>,
    outcome: Cow<'static, str>,
}

/// All figures.
pub struct Telemetry {
    registry: Mutex<Registry>,
    series: RwLock<HashMap<Of, Arc<Series>, RandomState>>,
    requests: Family<Of, Counter>,
    durations: Family<Of, Histogram>,
    first: Family<Of, Histogram>,
    cost: Family<Of, Counter>,
    tokens: Family<Tokens, Counter>,
    attempts: Family<Attempts, Counter>,
    overhead: Histogram,
    unauthenticated: Counter,
    estimated: Counter,
    unpriced: Counter,
    would_refuse: Counter,
}

/// The handles of one combination.
struct Series {
    requests: Counter,
    duration: Histogram,
    first: Histogram,
    cost: Counter,
    input: Counter,
    cached: Counter,
    output: Counter,
}

impl Default for Telemetry {
    fn default() -> Self {
        let telemetry = Self {
            registry: Mutex::new(Registry::default()),
            series: RwLock::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            first: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            cost: Family::default(),
            tokens: Family::default(),
            attempts: Family::default(),
            overhead: Histogram::new(OVERHEADS),
            unauthenticated: Counter::default(),
            estimated: Counter::default(),
            unpriced: Counter::default(),
            would_refuse: Counter::default(),
        };
        telemetry.register();
        telemetry
    }
}

impl Telemetry {
    fn register(&self) {
        let mut registry = self.registry.lock();
        let all = &mut *registry;
        all.register(
            "bondgate_requests",
            "Requests of known callers",
            self.requests.clone(),
        );
        all.register(
            "gen_ai_server_request_duration_seconds",
            "From a request's coming to its end",
            self.durations.clone(),
        );
        all.register(
            "gen_ai_server_time_to_first_token_seconds",
            "From a request's coming to its first semantic event or its whole answer",
            self.first.clone(),
        );
        all.register(
            "bondgate_cost_nanos",
            "Cost in nano-dollars",
            self.cost.clone(),
        );
        all.register("gen_ai_client_token_usage", "Tokens", self.tokens.clone());
        all.register(
            "bondgate_attempts",
            "Tries at targets",
            self.attempts.clone(),
        );
        all.register(
            "bondgate_overhead_seconds",
            "What the gateway adds to a request",
            self.overhead.clone(),
        );
        all.register(
            "bondgate_unauthenticated",
            "Requests refused before their caller was known",
            self.unauthenticated.clone(),
        );
        all.register(
            "bondgate_estimated",
            "Requests whose tokens are not the provider's own count",
            self.estimated.clone(),
        );
        all.register(
            "bondgate_unpriced",
            "Requests at targets without a price",
            self.unpriced.clone(),
        );
        all.register(
            "bondgate_would_refuse",
            "Requests that a limit in mode report would have refused",
            self.would_refuse.clone(),
        );
    }

    /// Counts a request that is over.
    pub fn observe(&self, exchange: &Exchange) {
        let series = self.series(exchange);
        series.requests.inc();
        series.duration.observe(seconds(exchange.took_us));
        if exchange.first_us > 0 {
            series.first.observe(seconds(exchange.first_us));
        }
        let usage = &exchange.usage;
        series
            .cost
            .inc_by(u64::try_from(exchange.cost.0).unwrap_or_default());
        series.cached.inc_by(usage.cache_read);
        series
            .input
            .inc_by(usage.total_input().saturating_sub(usage.cache_read));
        series.output.inc_by(usage.total_output());
        self.overhead.observe(seconds(exchange.overhead_us));
        self.count_flags(exchange);
        // The plain case of one good try is what `requests` counts already.
        if exchange.attempts.len() > 1 || exchange.outcome != "answered" {
            for attempt in &exchange.attempts {
                let of = Attempts {
                    target: Arc::clone(&attempt.target),
                    kind: attempt.kind.clone(),
                    outcome: attempt.outcome.clone(),
                };
                self.attempts.get_or_create(&of).inc();
            }
        }
    }

    fn count_flags(&self, exchange: &Exchange) {
        let flags = exchange.flags;
        for (set, counter) in [
            (flags.estimated, &self.estimated),
            (flags.unpriced, &self.unpriced),
            (flags.would_refuse, &self.would_refuse),
        ] {
            if set {
                counter.inc();
            }
        }
    }

    /// Counts a request that was refused before its caller was known: it has no exchange.
    pub fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }

    /// Shows figures that are read when they are asked for: labels and values.
    pub fn gauge<F>(&self, name: &'static str, help: &'static str, read: F)
    where
        F: Fn() -> Vec<Reading> + Send + Sync + 'static,
    {
        let collector = Gauge {
            name,
            help,
            read: Box::new(read),
        };
        self.registry.lock().register_collector(Box::new(collector));
    }

    /// Everything, in the OpenMetrics text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry.lock()) {
            text.clear();
            let _ = writeln!(text, "# the figures cannot be written: {error}");
        }
        text
    }

    fn series(&self, exchange: &Exchange) -> Arc<Series> {
        let mut of = Of {
            gen_ai_request_model: Arc::clone(&exchange.model),
            target: Arc::clone(&exchange.target),
            outcome: exchange.outcome.clone(),
        };
        if let Some(series) = self.series.read().get(&of) {
            return Arc::clone(series);
        }
        let mut all = self.series.write();
        if all.len() >= SERIES_MAX {
            of = Of {
                gen_ai_request_model: Arc::from("other"),
                target: Arc::from("other"),
                outcome: of.outcome,
            };
        }
        let made = || Arc::new(self.make(&of));
        Arc::clone(all.entry(of.clone()).or_insert_with(made))
    }

    fn make(&self, of: &Of) -> Series {
        let tokens = |kind| {
            let of = Tokens {
                gen_ai_request_model: Arc::clone(&of.gen_ai_request_model),
                target: Arc::clone(&of.target),
                gen_ai_token_type: kind,
            };
            self.tokens.get_or_create_owned(&of)
        };
        Series {
            requests: self.requests.get_or_create_owned(of),
            duration: self.durations.get_or_create_owned(of),
            first: self.first.get_or_create_owned(of),
            cost: self.cost.get_or_create_owned(of),
            input: tokens("input"),
            cached: tokens("input_cached"),
            output: tokens("output"),
        }
    }
}

/// One value of a figure that is read when it is asked for.
pub struct Reading {
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: i64,
}

struct Gauge {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> Vec<Reading> + Send + Sync>,
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Collector for Gauge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let kind = prometheus_client::metrics::MetricType::Gauge;
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for reading in (self.read)() {
            let value = ConstGauge::new(reading.value);
            value.encode(metric.encode_family(&reading.labels)?)?;
        }
        Ok(())
    }
}

fn seconds(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}

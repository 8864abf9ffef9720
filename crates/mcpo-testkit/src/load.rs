//! Load, and what it was answered with. Closed loop for capacity: each connection sends as soon
//! as it was answered. Open loop for latency: calls have their times before the run begins, and
//! latency counts from that time, so that a stall is felt by every call that it held up.

mod http;
mod pipe;
mod swarm;
mod timer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

pub use http::{HttpLoad, http_request};
pub use pipe::PipeLoad;
pub use swarm::{Call, Held, Kind, NUMBER_DIGITS, Refused, Swarm, Tally};
pub(crate) use timer::Timer;

/// What a histogram can hold: a minute, in nanoseconds; longer ones count as a minute.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Three digits: an error of at most 0.1 %.
const LATENCY_DIGITS: u8 = 3;

/// How much load, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Connections, or calls in flight on a pipe.
    pub connections: usize,
    /// Load that is not recorded, first.
    pub warm_up: Duration,
    /// How long load is recorded.
    pub length: Duration,
    /// When calls are sent.
    pub pace: Pace,
}

/// When calls are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As soon as a connection is free.
    Closed,
    /// So many per second, whatever the answers do.
    Open {
        /// Calls per second over all connections.
        per_second: f64,
    },
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// Calls answered rightly in the recorded time.
    pub calls: u64,
    /// Calls answered rightly, warm-up included; what a processor time is divided by.
    pub calls_in_all: u64,
    /// Wrong answers and broken connections, warm-up included.
    pub errors: u64,
    /// The recorded time.
    pub length: Duration,
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
}

impl Report {
    fn new(plan: &Plan) -> Self {
        let empty = || {
            Histogram::new_with_max(LATENCY_NS_MAX, LATENCY_DIGITS).expect("the bounds are valid")
        };
        Self {
            calls: 0,
            calls_in_all: 0,
            errors: 0,
            length: plan.length,
            latency: empty(),
            lateness: empty(),
        }
    }

    /// Calls per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.calls as f64 / self.length.as_secs_f64()
    }

    /// Latency in microseconds: 0.5 for the median, 0.999 for the slowest in a thousand.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are below 2^52")]
    pub fn latency_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// How late the generator itself was in microseconds, where a free connection waited for a
    /// call to be due: part of every latency of an open loop, and nobody's fault but the machine's.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are below 2^52")]
    pub fn lateness_us(&self, quantile: f64) -> f64 {
        self.lateness.value_at_quantile(quantile) as f64 / 1000.0
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.calls_in_all += other.calls_in_all;
        self.errors += other.errors;
        self.latency.add(&other.latency).expect("both have the same bounds");
        self.lateness.add(&other.lateness).expect("both have the same bounds");
    }

    /// Counts one answer to the call that was due at `intended`.
    fn answered(&mut self, arrivals: &Arrivals, intended: Instant, right: bool) {
        if !right {
            self.errors += 1;
            return;
        }
        self.calls_in_all += 1;
        if intended >= arrivals.recorded_from {
            self.calls += 1;
            self.latency.saturating_record(ns_since(intended));
        }
    }

    /// Notes that a call that was due at `intended` is being sent now.
    fn woke(&mut self, arrivals: &Arrivals, intended: Instant) {
        if intended >= arrivals.recorded_from {
            self.lateness.saturating_record(ns_since(intended));
        }
    }
}

fn ns_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_nanos()).unwrap_or(LATENCY_NS_MAX)
}

/// The times at which calls are due, given out one by one to whoever is free.
#[derive(Debug)]
struct Arrivals {
    begin: Instant,
    recorded_from: Instant,
    end: Instant,
    interval: Option<Duration>,
    next: AtomicU64,
}

impl Arrivals {
    fn new(plan: &Plan) -> Self {
        let begin = Instant::now();
        let interval = match plan.pace {
            Pace::Closed => None,
            Pace::Open { per_second } => Some(Duration::from_secs_f64(1.0 / per_second)),
        };
        let recorded_from = begin + plan.warm_up;
        Self {
            begin,
            recorded_from,
            end: recorded_from + plan.length,
            interval,
            next: AtomicU64::new(0),
        }
    }

    /// When the next call is due; `None` when the run is over.
    fn next(&self) -> Option<Instant> {
        let due = match self.interval {
            None => Instant::now(),
            Some(interval) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let after = u128::from(number) * interval.as_nanos();
                self.begin + Duration::from_nanos(u64::try_from(after).unwrap_or(u64::MAX))
            }
        };
        (due < self.end).then_some(due)
    }
}

//! How values of a metric become one: over time (roll-ups, steps of an answer), and over upstreams.
//!
//! | metric | over time | over upstreams |
//! |---|---|---|
//! | rate, shed, recoveries, in flight, sessions, processor, memory | mean, by time | sum |
//! | error rate, cache hit rate, p50, p90, wait | mean, by calls | mean, by calls |
//! | p99 | greatest | greatest |
//! | score | mean, by time | least |
//!
//! A median of medians is not a median: p50 and p90 are means of what was measured, and p99 is the
//! worst of it, since it is looked at to see what went wrong.

use super::{Metric, ROW_EMPTY, Row};

/// Over upstreams, these are means, weighed by calls.
const BY_CALLS: [Metric; 5] =
    [Metric::ErrorRate, Metric::P50, Metric::P90, Metric::Wait, Metric::CacheHitRate];

/// Where no call was made all weights are this small, and so alike: time alone weighs.
const CALLS_PER_SECOND_MIN: f64 = 1e-9;

/// Rows that become one row, over time.
#[derive(Debug, Clone, Default)]
pub(super) struct Fold {
    sums: [Sum; Metric::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    value: f64,
    weight: f64,
}

#[derive(Clone, Copy)]
enum OverTime {
    ByTime,
    ByCalls,
    Greatest,
}

// === impl Fold ===

impl Fold {
    /// Adds a row that stands for so many seconds.
    pub(super) fn add(&mut self, covered_seconds: f64, row: &Row) {
        for metric in Metric::ALL {
            let value = f64::from(row[metric.index()]);
            if value.is_finite() {
                self.sums[metric.index()].add(over_time(metric), value, covered_seconds, row);
            }
        }
    }

    /// What they come to.
    pub(super) fn row(&self) -> Row {
        let mut row = ROW_EMPTY;
        for metric in Metric::ALL {
            if let Some(value) = self.value(metric) {
                row[metric.index()] = value;
            }
        }
        row
    }

    /// What they come to in one metric; `None` where no row had it.
    pub(super) fn value(&self, metric: Metric) -> Option<f32> {
        let sum = self.sums[metric.index()];
        (sum.weight > 0.0).then(|| narrow(sum.value / sum.weight))
    }
}

impl Sum {
    fn add(&mut self, how: OverTime, value: f64, covered_seconds: f64, row: &Row) {
        let weight = match how {
            OverTime::ByTime => covered_seconds,
            OverTime::ByCalls => covered_seconds * calls_per_second(row),
            OverTime::Greatest => {
                let greatest = if self.weight > 0.0 { self.value.max(value) } else { value };
                *self = Self { value: greatest, weight: 1.0 };
                return;
            }
        };
        self.value += value * weight;
        self.weight += weight;
    }
}

fn calls_per_second(row: &Row) -> f64 {
    f64::from(row[Metric::Rate.index()]).max(CALLS_PER_SECOND_MIN)
}

#[expect(clippy::cast_possible_truncation, reason = "what is kept has the precision of f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn over_time(metric: Metric) -> OverTime {
    match metric {
        Metric::ErrorRate | Metric::P50 | Metric::P90 | Metric::Wait | Metric::CacheHitRate => {
            OverTime::ByCalls
        }
        Metric::P99 => OverTime::Greatest,
        Metric::Rate
        | Metric::InFlight
        | Metric::Sessions
        | Metric::SessionsInUse
        | Metric::Recoveries
        | Metric::Cpu
        | Metric::Memory
        | Metric::Score
        | Metric::Shed => OverTime::ByTime,
    }
}

/// The rows of several upstreams at one time as one.
pub(super) fn together<'a>(rows: impl Iterator<Item = &'a Row>) -> Row {
    let mut means = Fold::default();
    let mut row = ROW_EMPTY;
    for each in rows {
        means.add(1.0, each);
        for metric in Metric::ALL {
            let (kept, value) = (&mut row[metric.index()], each[metric.index()]);
            *kept = across(metric, *kept, value);
        }
    }
    for metric in BY_CALLS {
        row[metric.index()] = means.value(metric).unwrap_or(f32::NAN);
    }
    row
}

fn across(metric: Metric, kept: f32, value: f32) -> f32 {
    if value.is_nan() {
        return kept;
    } else if kept.is_nan() {
        return value;
    }
    match metric {
        Metric::P99 => kept.max(value),
        Metric::Score => kept.min(value),
        // The means are made apart, since they need weights.
        Metric::ErrorRate | Metric::P50 | Metric::P90 | Metric::Wait | Metric::CacheHitRate => {
            value
        }
        Metric::Rate
        | Metric::InFlight
        | Metric::Sessions
        | Metric::SessionsInUse
        | Metric::Recoveries
        | Metric::Cpu
        | Metric::Memory
        | Metric::Shed => kept + value,
    }
}

//! One tool's numbers as atomics. Nothing here waits but the keeping of exemplars, which only calls
//! with a sampled trace do.

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use mcpo_core::sketch::{Recorder, Sketch};

use crate::clock::Clock;

use super::{CallResult, EXEMPLAR_BOUNDS_SECONDS, Ended, Exemplar, ToolReading};

/// One for each bound, and one for what is longer than all of them.
const EXEMPLARS_MAX: usize = EXEMPLAR_BOUNDS_SECONDS.len() + 1;

/// How many there are, and how many there were at most.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// One tool's numbers, in this order: what every call writes is on lines side by side.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Tool {
    name: Box<str>,
    calls: Gauge,
    ended: [AtomicU64; CallResult::ALL.len()],
    waited_ns: AtomicU64,
    upstream_ns: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    durations: Recorder,
    exemplars: OnceLock<Box<Mutex<Exemplars>>>,
}

type Exemplars = [Option<Exemplar>; EXEMPLARS_MAX];

// === impl Gauge ===

impl Gauge {
    pub(super) fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        // Mostly it is not exceeded, and then the line stays shared between cores.
        if now > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(now, Ordering::Relaxed);
        }
    }

    pub(super) fn leave(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

// === impl Tool ===

impl Tool {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            calls: Gauge::default(),
            ended: array::from_fn(|_| AtomicU64::new(0)),
            waited_ns: AtomicU64::new(0),
            upstream_ns: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            durations: Recorder::default(),
            exemplars: OnceLock::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn enter(&self) {
        self.calls.enter();
    }

    pub(super) fn leave(&self) {
        self.calls.leave();
    }

    /// Counts a call that went away.
    pub(super) fn cancelled(&self) {
        self.count(CallResult::Cancelled);
    }

    /// Counts a call that was turned away.
    pub(super) fn turned_away(&self) {
        self.count(CallResult::NotSent);
    }

    /// Counts a call that took so long.
    pub(super) fn ended(&self, ended: &Ended, took: Duration) {
        if ended.result == CallResult::Cancelled {
            return self.cancelled();
        }
        self.durations.record(took);
        add(&self.waited_ns, nanos(ended.waited));
        add(&self.upstream_ns, nanos(ended.upstream));
        add(&self.bytes_in, ended.bytes_in);
        add(&self.bytes_out, ended.bytes_out);
        // Last, since a reading holds how long each call took that it has as ended.
        self.count(ended.result);
        if let Some(trace_id) = ended.trace_id {
            self.keep(Exemplar { seconds: took.as_secs_f64(), at: now(), trace_id });
        }
    }

    fn count(&self, result: CallResult) {
        self.ended[result as usize].fetch_add(1, Ordering::Release);
    }

    fn keep(&self, exemplar: Exemplar) {
        let place = EXEMPLAR_BOUNDS_SECONDS.partition_point(|bound| *bound < exemplar.seconds);
        let exemplars = self.exemplars.get_or_init(Box::default);
        exemplars.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(exemplar);
    }

    pub(super) const fn durations(&self) -> &Recorder {
        &self.durations
    }

    /// All numbers as they stand, but for how long which share of the calls took.
    pub(super) fn read(&self) -> ToolReading {
        let exemplars = self.exemplars.get().map(|exemplars| {
            let exemplars = exemplars.lock().unwrap_or_else(PoisonError::into_inner);
            exemplars.iter().flatten().copied().collect()
        });
        ToolReading {
            tool: self.name.to_string(),
            ended: array::from_fn(|index| self.ended[index].load(Ordering::Acquire)),
            in_flight: self.calls.now(),
            peak: self.calls.peak(),
            duration: Sketch::default(),
            duration_sum: self.durations.sum(),
            duration_bounds: self.durations.bounds(),
            waited_sum: length(&self.waited_ns),
            upstream_sum: length(&self.upstream_ns),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            exemplars: exemplars.unwrap_or_default(),
        }
    }
}

fn add(sum: &AtomicU64, more: u64) {
    sum.fetch_add(more, Ordering::Relaxed);
}

/// 584 years fit.
fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

fn length(nanos: &AtomicU64) -> Duration {
    Duration::from_nanos(nanos.load(Ordering::Relaxed))
}

fn now() -> f64 {
    Clock::System.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

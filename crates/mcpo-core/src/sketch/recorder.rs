//! A sketch that many count in at once, without a lock.

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{BUCKETS, BUCKETS_PER_OCTAVE, Sketch, bucket};

/// Buckets that are allocated together: lengths of one kind are mostly within a few octaves.
const CHUNK: usize = BUCKETS_PER_OCTAVE as usize;
const CHUNKS: usize = BUCKETS / CHUNK;

/// A [`Sketch`] that many write at once, with the sum and the ends of what it counted. A few relaxed
/// atomics each time; half a KiB empty, and half a KiB more for each octave that was met.
#[derive(Debug)]
pub struct Recorder {
    chunks: [OnceLock<Box<[AtomicU64; CHUNK]>>; CHUNKS],
    sum_ns: AtomicU64,
    /// `u64::MAX` before the first.
    min_ns: AtomicU64,
    max_ns: AtomicU64,
}

// === impl Recorder ===

impl Default for Recorder {
    fn default() -> Self {
        Self {
            chunks: array::from_fn(|_| OnceLock::new()),
            sum_ns: AtomicU64::new(0),
            min_ns: AtomicU64::new(u64::MAX),
            max_ns: AtomicU64::new(0),
        }
    }
}

impl Recorder {
    /// Counts one length. What is longer than 584 years counts as that.
    pub fn record(&self, length: Duration) {
        let bucket = usize::from(bucket(length.as_secs_f64()));
        let chunk = self.chunks[bucket / CHUNK]
            .get_or_init(|| Box::new(array::from_fn(|_| AtomicU64::new(0))));
        chunk[bucket % CHUNK].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(nanos, Ordering::Relaxed);
        // Mostly neither end moves, and then their line stays shared between cores.
        if nanos < self.min_ns.load(Ordering::Relaxed) {
            self.min_ns.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// What was counted so far. What is being counted meanwhile may be in it or not.
    #[must_use]
    pub fn sketch(&self) -> Sketch {
        let chunks = self.chunks.iter().enumerate();
        let used = chunks.filter_map(|(index, chunk)| Some((index, chunk.get()?)));
        Sketch::from_buckets(used.flat_map(|(index, chunk)| {
            let counts = chunk.iter().map(|count| count.load(Ordering::Relaxed));
            // There are `BUCKETS` of them, which fit.
            ((index * CHUNK) as u16..).zip(counts)
        }))
    }

    /// All of it added up.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed))
    }

    /// The shortest and the longest; `None` before the first.
    #[must_use]
    pub fn bounds(&self) -> Option<(Duration, Duration)> {
        let min = self.min_ns.load(Ordering::Relaxed);
        // The first one may have written only the one of them.
        let max = self.max_ns.load(Ordering::Relaxed).max(min);
        (min != u64::MAX).then(|| (Duration::from_nanos(min), Duration::from_nanos(max)))
    }
}

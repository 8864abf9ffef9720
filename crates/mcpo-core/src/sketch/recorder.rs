//! A sketch that many count in at once, without a lock.

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{BUCKETS, BUCKETS_PER_OCTAVE, Sketch, bucket};

/// Buckets that are allocated together: lengths of one kind are mostly within a few octaves. There
/// is one for each bit of [`Chunk::used`].
pub(super) const CHUNK: usize = BUCKETS_PER_OCTAVE as usize;
pub(super) const CHUNKS: usize = BUCKETS / CHUNK;
const _: () = assert!(CHUNK == u64::BITS as usize);

/// A [`Sketch`] that many write at once, with the sum and the ends of what it counted. A few relaxed
/// atomics each time; half a KiB empty, and half a KiB more for each octave that was met. In this
/// order: what is always written stands beside what its owner has before it.
#[derive(Debug)]
#[repr(C)]
pub struct Recorder {
    sum_ns: AtomicU64,
    /// `u64::MAX` before the first.
    min_ns: AtomicU64,
    max_ns: AtomicU64,
    chunks: [OnceLock<Box<Chunk>>; CHUNKS],
}

#[derive(Debug)]
pub(super) struct Chunk {
    counts: [AtomicU64; CHUNK],
    /// A bit for each bucket that is not empty: most are, and are passed over.
    used: AtomicU64,
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
        self.chunks[bucket / CHUNK].get_or_init(Box::default).count(bucket % CHUNK);
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
        let buckets = self.chunks().map(|(_, counts)| counts.used().count_ones() as usize).sum();
        let mut sketch = Sketch::with_capacity(buckets);
        for (chunk, counts) in self.chunks() {
            let bucket = |place: usize| (chunk * CHUNK + place) as u16;
            counts.iter().for_each(|(place, count)| sketch.add_many(bucket(place), count));
        }
        sketch
    }

    /// The chunks that there are, and which each is.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> {
        let chunks = self.chunks.iter().enumerate();
        chunks.filter_map(|(at, chunk)| chunk.get().map(|chunk| (at, &**chunk)))
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

// === impl Chunk ===

impl Default for Chunk {
    fn default() -> Self {
        Self { counts: array::from_fn(|_| AtomicU64::new(0)), used: AtomicU64::new(0) }
    }
}

impl Chunk {
    fn count(&self, place: usize) {
        if self.counts[place].fetch_add(1, Ordering::Relaxed) == 0 {
            self.used.fetch_or(1 << place, Ordering::Relaxed);
        }
    }

    /// A bit for each bucket that is not empty.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The buckets that are not empty, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let mut used = self.used();
        std::iter::from_fn(move || {
            let place = (used != 0).then(|| used.trailing_zeros() as usize)?;
            used &= used - 1;
            Some((place, self.counts[place].load(Ordering::Relaxed)))
        })
    }
}

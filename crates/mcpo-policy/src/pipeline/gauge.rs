//! Room for calls, and how much of it is taken.

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use mcpo_core::load::ShedReason;

use crate::cache::{Cache, CacheReading};

/// How many calls pass the pipeline, shared with those who watch it.
#[derive(Debug)]
pub struct PipelineGauge {
    capacity: usize,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    shed: [AtomicU64; ShedReason::ALL.len()],
    cache: OnceLock<Arc<Cache>>,
}

/// Room for one call, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'g>(&'g PipelineGauge);

// === impl PipelineGauge ===

impl PipelineGauge {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            shed: array::from_fn(|_| AtomicU64::new(0)),
            cache: OnceLock::new(),
        }
    }

    /// A place; `None` where none is free.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        let one_more = |count: usize| (count < self.capacity).then_some(count + 1);
        let before =
            self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        if before + 1 > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(before + 1, Ordering::Relaxed);
        }
        Some(Place(self))
    }

    /// Counts a call that was turned away.
    pub(crate) fn count_shed(&self, reason: ShedReason) {
        self.shed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Calls under way now, those that wait for anything included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most at once since the start.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Calls that were turned away for each reason, in the order of [`ShedReason::ALL`], whatever
    /// they were for.
    #[must_use]
    pub fn shed(&self) -> [u64; ShedReason::ALL.len()] {
        array::from_fn(|reason| self.shed[reason].load(Ordering::Relaxed))
    }

    /// How the cache stands.
    #[must_use]
    pub fn cache(&self) -> CacheReading {
        self.cache.get().map(|cache| cache.reading()).unwrap_or_default()
    }

    /// Has it tell how that cache stands, from now on. Only the first one counts.
    pub(crate) fn watch_cache(&self, cache: &Arc<Cache>) {
        let _first = self.cache.set(Arc::clone(cache));
    }

    /// Calls that were turned away, for whatever reason.
    #[must_use]
    pub fn shed_total(&self) -> u64 {
        self.shed().iter().sum()
    }

    /// How many there may be at once.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

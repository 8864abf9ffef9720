//! Room for calls, and how much of it is taken.

use mcpo_core::load::ShedReason;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::cache::CacheReading;

/// How many calls pass the pipeline, shared with those who watch it.
#[derive(Debug)]
pub struct PipelineGauge {
    capacity: usize,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    shed: AtomicU64,
}

/// Room for one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'g>(&'g PipelineGauge);

// === impl PipelineGauge ===

impl PipelineGauge {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            shed: AtomicU64::new(0),
        }
    }

    /// A place; `None`, and counted as sent away, where none is free.
    pub(super) fn enter(&self) -> Option<Place<'_>> {
        let one_more = |count: usize| (count < self.capacity).then_some(count + 1);
        let Ok(before) =
            self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
        else {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if before + 1 > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(before + 1, Ordering::Relaxed);
        }
        Some(Place(self))
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
        let mut shed = [0; ShedReason::ALL.len()];
        shed[ShedReason::ProcessFull as usize] = self.shed_total();
        shed
    }

    /// How the cache stands.
    #[must_use]
    pub fn cache(&self) -> CacheReading {
        CacheReading::default()
    }

    /// Calls that were sent away since there was no room.
    #[must_use]
    pub fn shed_total(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
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

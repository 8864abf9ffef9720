//! How many calls, successes and retries there were of late: counted by the second, read as the
//! sum of the last ten. No lock: a call costs one atomic addition for each count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far back the counts reach. Ten seconds is what Finagle's `RetryBudget` and Linkerd's
/// breaker look back on.
pub const WINDOW: Duration = Duration::from_secs(WINDOW_SECONDS);
const WINDOW_SECONDS: u64 = 10;

/// More than the window has, so that one who read the clock a moment ago and counts only now does
/// not meet a slot that is in use for a later second already.
const SLOTS: usize = 16;

/// A slot's second is in its upper half, its count in its lower half.
const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
/// A count stays here, far from where one more addition would reach into the second.
const COUNT_MAX: u64 = COUNT_MASK / 2;

/// What came and went over the last [`WINDOW`], the second that has begun included.
#[derive(Debug)]
pub struct Traffic {
    origin: Instant,
    calls: Ring,
    successes: Ring,
    retries: Ring,
}

/// One count. Second and count of a slot are one number, so that a slot begins its new second and
/// counts in it in one step, and nobody ever sees the count of an old one under the name of a new.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: [AtomicU64; SLOTS],
}

// === impl Traffic ===

impl Traffic {
    /// Nothing yet. Seconds are counted from `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { origin: now, calls: Ring::new(), successes: Ring::new(), retries: Ring::new() }
    }

    /// A call came in; its first attempt, not its retries.
    pub fn call(&self, now: Instant) {
        self.calls.add(self.second(now));
    }

    /// An attempt succeeded.
    pub fn success(&self, now: Instant) {
        self.successes.add(self.second(now));
    }

    /// A call was sent again.
    pub fn retry(&self, now: Instant) {
        self.retries.add(self.second(now));
    }

    /// Calls in the window.
    #[must_use]
    pub fn calls(&self, now: Instant) -> u64 {
        self.calls.sum(self.second(now))
    }

    /// Successes in the window.
    #[must_use]
    pub fn successes(&self, now: Instant) -> u64 {
        self.successes.sum(self.second(now))
    }

    /// Retries in the window.
    #[must_use]
    pub fn retries(&self, now: Instant) -> u64 {
        self.retries.sum(self.second(now))
    }

    fn second(&self, now: Instant) -> u64 {
        second(self.origin, now)
    }
}

/// The number of the second in which `now` is; an instant before the origin is in the first one.
pub(crate) fn second(origin: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(origin).as_secs().min(COUNT_MASK)
}

// === impl Ring ===

impl Ring {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { AtomicU64::new(0) }; SLOTS] }
    }

    pub(crate) fn add(&self, second: u64) {
        let slot = &self.slots[index(second)];
        let seen = slot.load(Ordering::Relaxed);
        // Between this look and the addition the slot may have gone on to a later second, if we
        // slept for that long; then one count is that much too young, which harms nobody.
        if seen >> COUNT_BITS >= second {
            if seen & COUNT_MASK < COUNT_MAX {
                slot.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let begun = |seen: u64| {
            let is_begun = seen >> COUNT_BITS >= second;
            Some(if is_begun { seen + 1 } else { (second << COUNT_BITS) + 1 })
        };
        let _counted = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begun);
    }

    pub(crate) fn sum(&self, second: u64) -> u64 {
        let recent = |slot: &AtomicU64| {
            let seen = slot.load(Ordering::Relaxed);
            let is_recent = (seen >> COUNT_BITS) + WINDOW_SECONDS > second;
            if is_recent { seen & COUNT_MASK } else { 0 }
        };
        self.slots.iter().map(recent).sum()
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        for slot in &self.slots {
            slot.store(0, Ordering::Relaxed);
        }
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SLOTS as u64).expect("less than the number of slots")
}

#[cfg(test)]
mod tests;

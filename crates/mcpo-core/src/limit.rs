//! How many calls an upstream is sent at once, learnt from what becomes of them: additive increase,
//! multiplicative decrease. Calls that end tell it of themselves without a lock.
//!
//! ```text
//!              answered, and half of the limit is in use          lost
//!   up to the threshold      limit + 1                            limit x 0.9, once for all calls
//!   above it                 limit + 1 / limit                    that were in flight together
//! ```
//!
//! Sources: the condition, the factor and the step of one are those of `AIMDLimit` in Netflix'
//! concurrency-limits. That steps by one for each answer, and pays for each loss; an upstream that
//! refuses what is too much loses many calls at once, and one decrease for all of them is what
//! congestion control makes of it (RFC 5681, section 4.3; RFC 9002, section 7.3.2). Then the
//! increase must be as slow as theirs as well: one for each round of calls (RFC 5681, section 3.1,
//! equation 3), and faster only up to the threshold (there: slow start) that losses in a row leave
//! behind, so that an upstream which was away is back as soon as it answers.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a loss leaves of the limit, in tenths: Netflix' `backoffRatio` of 0.9.
const LEFT_TENTHS: u64 = 9;

/// Limits are kept in millionths of a call, so that small steps add up.
const MICRO: u64 = 1_000_000;

/// However bad things are, one call is tried: it is what finds out that they are better.
const FLOOR: u64 = MICRO;

/// No more calls than this are counted, so that no step overflows.
const CEILING_MAX: u64 = (u32::MAX as u64) * MICRO;

/// How many calls an upstream is sent at once. Shared by its calls: no move waits for another, and
/// two at the same moment may count as one.
#[derive(Debug)]
pub struct AdaptiveLimit {
    born: Instant,
    /// In millionths, as the two below; from [`FLOOR`] to the ceiling.
    limit: AtomicU64,
    ceiling: AtomicU64,
    /// Up to here it grows by one for each answer.
    threshold: AtomicU64,
    /// It has grown since it was lowered last.
    has_grown: AtomicBool,
    /// When it was lowered last, in microseconds since `born`, plus one; 0 for never.
    lowered_at_us: AtomicU64,
}

// === impl AdaptiveLimit ===

impl AdaptiveLimit {
    /// One that starts at its ceiling: nothing is held against an upstream that is not known yet.
    #[must_use]
    pub fn new(ceiling: NonZeroUsize, now: Instant) -> Self {
        let ceiling = micro(ceiling);
        Self {
            born: now,
            limit: AtomicU64::new(ceiling),
            ceiling: AtomicU64::new(ceiling),
            threshold: AtomicU64::new(ceiling),
            has_grown: AtomicBool::new(true),
            lowered_at_us: AtomicU64::new(0),
        }
    }

    /// So many calls may be in flight: at least one, at most the ceiling.
    #[must_use]
    pub fn get(&self) -> usize {
        usize::try_from(self.limit.load(Ordering::Relaxed) / MICRO).unwrap_or(usize::MAX)
    }

    /// A call was answered while so many were in flight, it included. Three loads while the limit
    /// is at its ceiling.
    pub fn answered(&self, in_flight: usize) {
        let (limit, ceiling) =
            (self.limit.load(Ordering::Relaxed), self.ceiling.load(Ordering::Relaxed));
        // A limit that is not in use proves nothing by its answers.
        if limit >= ceiling || (in_flight as u64).saturating_mul(2) < limit / MICRO {
            return;
        }
        let threshold = self.threshold.load(Ordering::Relaxed);
        let more = |limit: u64| {
            let step = if limit < threshold { MICRO } else { MICRO * MICRO / limit };
            (limit < ceiling).then(|| (limit + step).min(ceiling))
        };
        if self.limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            self.has_grown.store(true, Ordering::Relaxed);
        }
    }

    /// A call that began then is lost. One that was in flight when the limit was lowered last is
    /// what that was for, and lowers it no further.
    pub fn lost(&self, began: Instant, now: Instant) {
        let lowered_at = self.lowered_at_us.load(Ordering::Relaxed);
        if lowered_at > self.since_birth_us(began) {
            return;
        }
        let now = self.since_birth_us(now) + 1;
        let (set, failed) = (Ordering::Relaxed, Ordering::Relaxed);
        // Of two at the same moment one lowers it.
        if self.lowered_at_us.compare_exchange(lowered_at, now, set, failed).is_err() {
            return;
        }
        let less = |limit: u64| (limit / 10 * LEFT_TENTHS).max(FLOOR);
        let before = self.limit.update(set, failed, less);
        if self.has_grown.swap(false, Ordering::Relaxed) {
            self.threshold.store(less(before), Ordering::Relaxed);
        }
    }

    /// Another ceiling from now on. A limit that was at the one before is at the new one: nothing
    /// was learnt against it.
    pub fn set_ceiling(&self, ceiling: NonZeroUsize) {
        let ceiling = micro(ceiling);
        let before = self.ceiling.swap(ceiling, Ordering::Relaxed);
        let held = |limit: u64| if limit >= before { ceiling } else { limit.min(ceiling) };
        self.limit.update(Ordering::Relaxed, Ordering::Relaxed, held);
    }

    /// Forgets all that was learnt.
    pub fn reset(&self) {
        self.limit.store(self.ceiling.load(Ordering::Relaxed), Ordering::Relaxed);
        self.has_grown.store(true, Ordering::Relaxed);
    }

    fn since_birth_us(&self, at: Instant) -> u64 {
        let since: Duration = at.saturating_duration_since(self.born);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX - 1)
    }
}

fn micro(calls: NonZeroUsize) -> u64 {
    (calls.get() as u64).saturating_mul(MICRO).min(CEILING_MAX)
}

#[cfg(test)]
mod tests;

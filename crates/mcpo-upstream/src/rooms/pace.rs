//! How long calls take, as their ends tell it with a few relaxed atomics. Ends at the same moment
//! may overwrite each other: these are estimates, and all of them pass.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mcpo_core::catalog::Tool;
use tokio::time::Instant;

/// Tools share so many slots. Two that share one count as the faster of them, which turns away
/// fewer calls.
const SLOTS: usize = 16;

/// The fastest answer counts for one to two of these. Not longer: while it counts, calls that would
/// be the proof of better times are not started.
const WINDOW: Duration = Duration::from_secs(10);

/// A new length counts an eighth, as in the round trip times of RFC 6298, section 2.
const WEIGHT_SHIFT: u32 = 3;

/// A slot holds the number of a window above these bits, and microseconds in them: twelve days.
const LENGTH_BITS: u32 = 40;

/// How long calls of one upstream take.
#[derive(Debug)]
pub(super) struct Pace {
    born: Instant,
    /// A moving average of the time for which a call has its place, in microseconds; 0 before the
    /// first.
    usual_us: AtomicU64,
    /// The shortest of each of two windows, the even and the odd ones.
    fastest: [[AtomicU64; 2]; SLOTS],
}

/// Where a tool's lengths are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u8);

// === impl Slot ===

impl Slot {
    /// Tools lie side by side in their catalog, so that its first sixteen have a slot each. One of
    /// a new catalog may have another, which time mends.
    pub(super) fn of(tool: &Tool) -> Self {
        let place = ptr::from_ref(tool).addr() / size_of::<Tool>();
        Self(u8::try_from(place % SLOTS).unwrap_or(0))
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { born: now, usual_us: AtomicU64::new(0), fastest: Default::default() }
    }

    /// A call of the tool was answered, and had its place for so long.
    pub(super) fn answered(&self, slot: Slot, took: Duration, now: Instant) {
        let took = micros(took);
        let usual = self.usual_us.load(Ordering::Relaxed);
        let next = if usual == 0 {
            took
        } else {
            usual - (usual >> WEIGHT_SHIFT) + (took >> WEIGHT_SHIFT)
        };
        if next != usual {
            self.usual_us.store(next.max(1), Ordering::Relaxed);
        }
        let window = self.window(now);
        let fastest = self.slot(slot, window);
        let known = fastest.load(Ordering::Relaxed);
        if known >> LENGTH_BITS != window || known & LENGTH_MAX > took {
            fastest.store(window << LENGTH_BITS | took, Ordering::Relaxed);
        }
    }

    /// What a call of the tool takes at the least, as far as is known of late; zero where nothing
    /// is.
    pub(super) fn fastest(&self, slot: Slot, now: Instant) -> Duration {
        let window = self.window(now);
        let of = |window: u64| {
            let known = self.slot(slot, window).load(Ordering::Relaxed);
            (known != 0 && known >> LENGTH_BITS == window).then_some(known & LENGTH_MAX)
        };
        let shortest = of(window).into_iter().chain(of(window - 1)).min();
        Duration::from_micros(shortest.unwrap_or(0))
    }

    /// For how long a call usually has its place; zero before the first.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_micros(self.usual_us.load(Ordering::Relaxed))
    }

    /// From 1, so that a slot that was written is never zero.
    fn window(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.born).as_secs();
        (age / WINDOW.as_secs() + 1) & (u64::MAX >> LENGTH_BITS)
    }

    fn slot(&self, Slot(slot): Slot, window: u64) -> &AtomicU64 {
        let [even, odd] = &self.fastest[usize::from(slot)];
        if window.is_multiple_of(2) { even } else { odd }
    }
}

const LENGTH_MAX: u64 = (1 << LENGTH_BITS) - 1;

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX).min(LENGTH_MAX)
}

#[cfg(test)]
mod tests;

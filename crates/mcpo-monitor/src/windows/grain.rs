//! Time in slots of ten seconds, and which of them belong together. A window begins where a slot of
//! its grain does, so that it is a little shorter than its name says: it tells its length.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest slot: the last minute is at least five of them and what is under way.
pub(super) const SLOT: Duration = Duration::from_secs(10);

const SLOTS_PER_MINUTE: u64 = 6;
/// Four of these are an hour. A quarter rather than five minutes: what a busy tool costs is mostly
/// its long slots.
const SLOTS_PER_QUARTER: u64 = 90;

/// The start is in this slot, so that what the history knows of the six hours before has its slots.
const FIRST: u64 = 24 * SLOTS_PER_QUARTER;

/// A slot, by its number, or the first of some that were joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u64);

// === impl Slot ===

impl Slot {
    /// The slot of a moment.
    pub(super) fn of(started: Instant, at: Instant) -> Self {
        Self(FIRST + at.saturating_duration_since(started).as_secs() / SLOT.as_secs())
    }

    /// The slot that so much time before the start was in.
    pub(super) fn before_start(by: Duration) -> Self {
        Self(FIRST.saturating_sub(by.as_secs().div_ceil(SLOT.as_secs()).max(1)))
    }

    /// How much was seen of the time since this slot began.
    pub(super) fn seen(self, started: Instant, now: Instant) -> Duration {
        let slots = u32::try_from(self.0.saturating_sub(FIRST)).unwrap_or(u32::MAX);
        now.saturating_duration_since(started + SLOT * slots)
    }

    pub(super) const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The slots that the last minute, five minutes and hour begin with, while this one is under
    /// way.
    pub(super) const fn windows(self) -> [Self; 3] {
        [Self(self.0.saturating_sub(5)), self.minutes_ago(4), self.quarters_ago(3)]
    }

    /// The first slot of the minute that was under way so many minutes ago.
    pub(super) const fn minutes_ago(self, minutes: u64) -> Self {
        Self((self.0 / SLOTS_PER_MINUTE).saturating_sub(minutes) * SLOTS_PER_MINUTE)
    }

    /// The first slot of the quarter of an hour that was under way so many of them ago.
    pub(super) const fn quarters_ago(self, quarters: u64) -> Self {
        Self((self.0 / SLOTS_PER_QUARTER).saturating_sub(quarters) * SLOTS_PER_QUARTER)
    }

    /// As which slot calls of that one are kept while this one is under way; `None` once they are in
    /// no window.
    pub(super) fn keeps(self, slot: Self) -> Option<Self> {
        let [minute, five_minutes, hour] = self.windows();
        if slot >= minute {
            Some(slot)
        } else if slot >= five_minutes {
            Some(slot.minutes_ago(0))
        } else if slot >= hour {
            Some(slot.quarters_ago(0))
        } else {
            None
        }
    }
}

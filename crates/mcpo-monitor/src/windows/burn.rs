//! What became of an upstream's calls in the last six hours, for burn rates.

use super::grain::Slot;
use crate::picture::{BurnWindows, Tally};

/// By minute for an hour, by quarter of an hour before; only where there were calls. At most 60 and
/// 24 of 12 bytes.
#[derive(Debug, Default)]
pub(super) struct Burn {
    kept: Vec<(Slot, Few)>,
}

/// A tally of a minute or a quarter of an hour: more than four thousand million calls are told as
/// that many.
#[derive(Debug, Clone, Copy, Default)]
struct Few {
    good: u32,
    bad: u32,
}

// === impl Burn ===

impl Burn {
    /// Adds what happened in that slot, which is no older than any that is there.
    pub(super) fn push(&mut self, slot: Slot, tally: Tally) {
        if tally.total() > 0 {
            self.add(slot, tally);
        }
    }

    /// Joins what is to be joined, and drops what is too old, now that this slot is under way.
    pub(super) fn age(&mut self, now: Slot) {
        for (slot, tally) in std::mem::take(&mut self.kept) {
            let slot = match slot {
                slot if slot >= now.minutes_ago(59) => slot.minutes_ago(0),
                slot if slot >= now.quarters_ago(23) => slot.quarters_ago(0),
                _ => continue,
            };
            self.add(slot, tally.into());
        }
    }

    /// The windows, now that this slot is under way; `open` is what it saw so far.
    pub(super) fn show(&self, now: Slot, open: Tally) -> BurnWindows {
        let since = |first: Slot| {
            let mut sum = open;
            let shown = self.kept.iter().filter(|(slot, _)| *slot >= first);
            shown.for_each(|(_, tally)| sum += (*tally).into());
            sum
        };
        BurnWindows {
            five_minutes: since(now.minutes_ago(4)),
            half_hour: since(now.minutes_ago(29)),
            hour: since(now.minutes_ago(59)),
            six_hours: since(now.quarters_ago(23)),
        }
    }

    fn add(&mut self, slot: Slot, tally: Tally) {
        match self.kept.last_mut() {
            Some((last, sum)) if *last == slot => *sum = sum.with(tally),
            Some(_) | None => self.kept.push((slot, Few::default().with(tally))),
        }
    }
}

// === impl Few ===

impl Few {
    fn with(self, tally: Tally) -> Self {
        let few = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            good: self.good.saturating_add(few(tally.good)),
            bad: self.bad.saturating_add(few(tally.bad)),
        }
    }
}

impl From<Few> for Tally {
    fn from(few: Few) -> Self {
        Self { good: few.good.into(), bad: few.bad.into() }
    }
}

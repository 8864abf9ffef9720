//! Calls that were turned away, and what the cache answered, in the last minute, five minutes and
//! hour: from counters that only grow, kept where something happened.

use mcpo_core::load::ShedReason;
use mcpo_policy::cache::ServerCacheReading;

use super::grain::Slot;
use crate::picture::{ByReason, CacheUse};

const REASONS: usize = ShedReason::ALL.len();
/// Behind the reasons: calls that a kept answer would have done for.
const ASKED: usize = REASONS;
/// Behind that: those for which it did.
const HITS: usize = REASONS + 1;
const COUNTS: usize = REASONS + 2;

/// What was counted of load since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted([u64; COUNTS]);

/// What was counted of load of late.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Few {
    pub(crate) minute: Load,
    pub(crate) five_minutes: Load,
    pub(crate) hour: Load,
}

/// What was counted of load in some time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) shed: ByReason,
    pub(crate) cache: CacheUse,
}

/// Counts of the last hour: of each, 5 slots of ten seconds, 4 minutes and 4 quarters of an hour at
/// most, 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct Track {
    base: Counted,
    /// Which slot, which count, and how many.
    kept: Vec<(Slot, u8, u32)>,
}

// === impl Counted ===

impl Counted {
    /// What an upstream's meter and the cache say of it.
    pub(crate) fn of(shed: ByReason, cache: Option<&ServerCacheReading>) -> Self {
        let mut counted = Self::default();
        counted.0[..REASONS].copy_from_slice(&shed);
        if let Some(cache) = cache {
            counted.0[HITS] = cache.hits + cache.stale;
            counted.0[ASKED] = counted.0[HITS] + cache.misses;
        }
        counted
    }
}

// === impl Track ===

impl Track {
    /// What came since this was called last happened in that slot.
    pub(super) fn push(&mut self, slot: Slot, counted: Counted) {
        for (at, count) in self.open(counted) {
            self.kept.push((slot, at as u8, u32::try_from(count).unwrap_or(u32::MAX)));
        }
        self.base = counted;
    }

    /// Joins what is to be joined, and drops what is too old, now that this slot is under way.
    pub(super) fn age(&mut self, now: Slot) {
        self.kept.retain_mut(|(slot, _, _)| match now.keeps(*slot) {
            Some(kept) => {
                *slot = kept;
                true
            }
            None => false,
        });
        self.kept.sort_unstable();
        self.kept.dedup_by(|next, first| {
            let same = (next.0, next.1) == (first.0, first.1);
            if same {
                first.2 = first.2.saturating_add(next.2);
            }
            same
        });
    }

    /// What was of late, now that this slot is under way.
    pub(super) fn show(&self, now: Slot, counted: Counted) -> Few {
        let mut sums = [[0; COUNTS]; 3];
        for (at, count) in self.open(counted) {
            sums.iter_mut().for_each(|sum| sum[at] += count);
        }
        for (slot, at, count) in &self.kept {
            let shown = sums.iter_mut().zip(now.windows()).filter(|(_, first)| slot >= first);
            shown.for_each(|(sum, _)| sum[usize::from(*at)] += u64::from(*count));
        }
        let [minute, five_minutes, hour] = sums.map(Load::of);
        Few { minute, five_minutes, hour }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    fn open(&self, counted: Counted) -> impl Iterator<Item = (usize, u64)> + use<> {
        let grown = |(now, before): (u64, u64)| now.saturating_sub(before);
        let all = counted.0.into_iter().zip(self.base.0).map(grown).enumerate();
        all.filter(|(_, count)| *count > 0)
    }
}

// === impl Load ===

impl Load {
    fn of(sums: [u64; COUNTS]) -> Self {
        let mut shed = [0; REASONS];
        shed.copy_from_slice(&sums[..REASONS]);
        Self { shed, cache: CacheUse { asked: sums[ASKED], hits: sums[HITS] } }
    }
}

#[cfg(test)]
mod tests;

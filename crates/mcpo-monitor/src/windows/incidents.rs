//! What went wrong with an upstream in the last hour, by kind, from counters that only grow.

use mcpo_core::fault::FaultKind;
use mcpo_upstream::journal::UpstreamCounters;

use super::grain::Slot;

const KINDS: usize = FaultKind::ALL.len();
/// Behind the faults: recoveries that were begun.
const COUNTS: usize = KINDS + 1;

/// Counts of the last hour; of an upstream that is well there are none.
#[derive(Debug)]
pub(super) struct Incidents {
    base: [u64; COUNTS],
    /// By quarter of an hour: which, and how many. At most five quarters of each.
    kept: Vec<(Slot, u8, u32)>,
}

// === impl Incidents ===

impl Incidents {
    pub(super) const fn new() -> Self {
        Self { base: [0; COUNTS], kept: Vec::new() }
    }

    /// What came since this was called last happened in that slot.
    pub(super) fn push(&mut self, slot: Slot, counters: &UpstreamCounters) {
        let counts = counts(counters);
        for (at, count) in self.open(&counts) {
            self.kept.push((
                slot.quarters_ago(0),
                at as u8,
                u32::try_from(count).unwrap_or(u32::MAX),
            ));
        }
        self.base = counts;
    }

    /// Joins what is to be joined, and drops what is too old, now that this slot is under way.
    pub(super) fn age(&mut self, now: Slot) {
        let [_, _, hour] = now.windows();
        self.kept.retain(|(slot, _, _)| *slot >= hour);
        self.kept.sort_unstable();
        self.kept.dedup_by(|next, first| {
            let same = (next.0, next.1) == (first.0, first.1);
            if same {
                first.2 = first.2.saturating_add(next.2);
            }
            same
        });
    }

    /// Faults by kind, and recoveries that were begun, of the hour that ends now.
    pub(super) fn show(&self, counters: &UpstreamCounters) -> (Vec<(FaultKind, u64)>, u64) {
        let mut sums = [0; COUNTS];
        self.open(&counts(counters)).for_each(|(at, count)| sums[at] += count);
        self.kept.iter().for_each(|(_, at, count)| sums[usize::from(*at)] += u64::from(*count));
        let faults = FaultKind::ALL.into_iter().zip(sums).filter(|(_, count)| *count > 0);
        (faults.collect(), sums[KINDS])
    }

    fn open<'a>(&self, counts: &'a [u64; COUNTS]) -> impl Iterator<Item = (usize, u64)> + use<'a> {
        let grown = |(now, before): (&u64, u64)| now.saturating_sub(before);
        let all = counts.iter().zip(self.base).map(grown).enumerate();
        all.filter(|(_, count)| *count > 0)
    }
}

fn counts(counters: &UpstreamCounters) -> [u64; COUNTS] {
    let mut counts = [0; COUNTS];
    for (kind, count) in counters.errors() {
        // The order is that of all kinds.
        if let Some(at) = FaultKind::ALL.iter().position(|one| *one == kind) {
            counts[at] = count;
        }
    }
    counts[KINDS] = counters.recoveries_tried;
    counts
}

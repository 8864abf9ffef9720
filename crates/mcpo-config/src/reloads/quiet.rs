//! When a burst of changes is over, or has lasted long enough. Pure: `now` is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// The changes since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quiet {
    burst: Option<Burst>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Quiet {
    /// A change was told.
    pub(super) fn moved(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |burst| burst.first);
        self.burst = Some(Burst { first, last: now });
    }

    /// When to look: after `quiet` without another change, and at most `late` after the first one.
    /// `None` where nothing was told.
    pub(super) fn due(&self, quiet: Duration, late: Duration) -> Option<Instant> {
        self.burst.map(|burst| (burst.last + quiet).min(burst.first + late))
    }
}

#[cfg(test)]
mod tests;

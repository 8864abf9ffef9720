//! How fast an upstream that has a session is given further ones, when these fail or do not last.
//! The upstream itself is well: `mcpo_core::life` knows nothing of it.

use std::time::Duration;

use mcpo_core::backoff::Backoff;
use mcpo_core::life::LifePolicy;
use tokio::time::Instant;

/// What became of the further sessions.
#[derive(Debug, Default)]
pub(super) struct Spares {
    failures: u32,
    not_before: Option<Instant>,
}

impl Spares {
    /// An attempt failed.
    pub(super) fn failed(&mut self, now: Instant, backoff: &Backoff) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + backoff.wait(self.failures, fastrand::f64()));
    }

    /// A session was lost while others were left. The next one is started at once, unless they do
    /// not last.
    pub(super) fn lost(&mut self, now: Instant, lived: Duration, life: &LifePolicy) {
        if lived >= life.sustained {
            *self = Self::default();
        } else if self.failures == 0 {
            self.failures = 1;
        } else {
            self.failed(now, &life.backoff);
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long until the next attempt may be made.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

//! The life of one upstream as a state machine: what to do next after a start, a failure, a loss.
//!
//! ```text
//!              connected                     lost (first time, or after a long life)
//!   +----------+        +---------+  -------------------------------------------+
//!   | Starting | -----> |  Ready  |                                             |
//!   +----------+        +---------+  ---- lost again soon ----> +-----------+   |
//!     ^   ^  |                                                  |  Resting  |   |
//!     |   |  +------------------ failed ----------------------> +-----------+   |
//!     |   +--------------------- due ---------------------------------+         |
//!     +-------------------------------------------------------------------------+
//!   any state -- stop --> Stopped
//! ```

use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// Where an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection attempt is under way.
    Starting,
    /// There is a session.
    Ready {
        /// Since when.
        since: Instant,
    },
    /// Waiting before the next attempt.
    Resting {
        /// When the next attempt is due.
        until: Instant,
    },
    /// No attempt will be made any more.
    Stopped,
}

/// What decides how fast an upstream is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifePolicy {
    /// The waits between attempts.
    pub backoff: Backoff,
    /// How long a session must have lived for its loss to count as the first failure again.
    pub sustained: Duration,
}

impl Default for LifePolicy {
    /// 0.5 s to 60 s; a session counts as sustained after 10 s, longer than any server that fails
    /// right after its handshake was seen to live.
    fn default() -> Self {
        Self {
            backoff: Backoff { first: Duration::from_millis(500), most: Duration::from_secs(60) },
            sustained: Duration::from_secs(10),
        }
    }
}

/// One upstream's life. Moves take `now` and `dice` and say the phase that follows.
#[derive(Debug, Clone)]
pub struct Life {
    policy: LifePolicy,
    phase: Phase,
    /// Attempts that failed since there was a session.
    failed_starts: u32,
    /// Sessions in a row that did not last, the last one included.
    early_losses: u32,
}

impl Life {
    /// A life that begins with an attempt.
    #[must_use]
    pub const fn new(policy: LifePolicy) -> Self {
        Self { policy, phase: Phase::Starting, failed_starts: 0, early_losses: 0 }
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// How often in a row it failed: attempts since there was a session, or sessions that did not
    /// last beyond the first such loss, whichever is more.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failed_starts.max(self.early_losses.saturating_sub(1))
    }

    /// The attempt succeeded. Early losses are forgotten only once a session proves to last.
    pub fn connected(&mut self, now: Instant) -> Phase {
        self.failed_starts = 0;
        self.go(Phase::Ready { since: now })
    }

    /// The attempt failed.
    pub fn failed(&mut self, now: Instant, dice: f64) -> Phase {
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.rest(now, dice)
    }

    /// The session is gone. The first loss is repaired at once; an upstream that loses its
    /// sessions soon after each start is given the waits of one that does not start.
    pub fn lost(&mut self, now: Instant, dice: f64) -> Phase {
        let lived = match self.phase {
            Phase::Ready { since } => now.saturating_duration_since(since),
            Phase::Starting | Phase::Resting { .. } | Phase::Stopped => Duration::ZERO,
        };
        if lived >= self.policy.sustained {
            self.early_losses = 0;
        }
        self.early_losses = self.early_losses.saturating_add(1);
        if self.early_losses == 1 { self.go(Phase::Starting) } else { self.rest(now, dice) }
    }

    fn rest(&mut self, now: Instant, dice: f64) -> Phase {
        let until = now + self.policy.backoff.wait(self.failures(), dice);
        self.go(Phase::Resting { until })
    }

    /// The wait is over.
    pub fn due(&mut self) -> Phase {
        self.go(Phase::Starting)
    }

    /// No more of it.
    pub fn stop(&mut self) -> Phase {
        self.phase = Phase::Stopped;
        self.phase
    }

    fn go(&mut self, next: Phase) -> Phase {
        if self.phase != Phase::Stopped {
            self.phase = next;
        }
        self.phase
    }
}

#[cfg(test)]
mod tests;

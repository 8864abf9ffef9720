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
    failures: u32,
}

impl Life {
    /// A life that begins with an attempt.
    #[must_use]
    pub const fn new(policy: LifePolicy) -> Self {
        Self { policy, phase: Phase::Starting, failures: 0 }
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// How many attempts failed, or sessions were lost early, in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The attempt succeeded. Failures are forgotten only once the session proves to last.
    pub fn connected(&mut self, now: Instant) -> Phase {
        self.go(Phase::Ready { since: now })
    }

    /// The attempt failed.
    pub fn failed(&mut self, now: Instant, dice: f64) -> Phase {
        self.failures = self.failures.saturating_add(1);
        let until = now + self.policy.backoff.wait(self.failures, dice);
        self.go(Phase::Resting { until })
    }

    /// The session is gone. The first loss is repaired at once; an upstream that loses its
    /// sessions soon after each start is given the waits of one that does not start.
    pub fn lost(&mut self, now: Instant, dice: f64) -> Phase {
        let lived = match self.phase {
            Phase::Ready { since } => now.saturating_duration_since(since),
            Phase::Starting | Phase::Resting { .. } | Phase::Stopped => Duration::ZERO,
        };
        if lived >= self.policy.sustained {
            self.failures = 0;
        }
        if self.failures == 0 {
            self.failures = 1;
            return self.go(Phase::Starting);
        }
        self.failed(now, dice)
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

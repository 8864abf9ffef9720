//! When a call is sent again: how often at most, and after which wait. Whether it may be sent
//! again at all is for [`crate::outcome`] to say, and whether there is money for it for
//! [`crate::budget`].

use std::time::Duration;

use crate::backoff::{Backoff, NEVER};

/// What decides how a call is sent again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// How often a call is tried, the first attempt included.
    pub attempts_max: u32,
    /// The waits after a failure.
    pub transient: Backoff,
    /// The waits after an upstream said "not now".
    pub throttled: Backoff,
    /// How much later than the upstream asked for a call comes back at most.
    pub retry_after_slack: Duration,
}

/// Why a call is sent again: this decides the wait and the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Something failed that may well work at the next try.
    Transient,
    /// The upstream said "not now": `Outcome::Refused`, `FaultKind::Throttled`.
    Throttled,
}

impl Default for RetryPolicy {
    /// The numbers of the AWS SDKs' "standard" retry mode, version 2.1 (the retry behaviour of 2026
    /// in their reference guide): three attempts, 50 ms or 1 s doubling up to 20 s, and at most 5 s
    /// beyond a `Retry-After`.
    fn default() -> Self {
        let most = Duration::from_secs(20);
        Self {
            attempts_max: 3,
            transient: Backoff { first: Duration::from_millis(50), most },
            throttled: Backoff { first: Duration::from_secs(1), most },
            retry_after_slack: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// The wait after the attempt of that number (1 is the first) failed; `dice` is in `0.0..1.0`.
    ///
    /// Without `retry_after` it is anywhere between nothing and the step. With it, never sooner
    /// than the upstream asked for, and later by as much as the step would have been, the slack at
    /// most: those who were refused together do not come back together. It may be longer than any
    /// deadline, since coming back earlier than asked is of no use; but never beyond a day, so that
    /// it can be added to an instant.
    #[must_use]
    pub fn wait(
        &self,
        pace: Pace,
        attempt: u32,
        retry_after: Option<Duration>,
        dice: f64,
    ) -> Duration {
        let backoff = match pace {
            Pace::Transient => self.transient,
            Pace::Throttled => self.throttled,
        };
        let jittered = backoff.full_jitter(attempt, dice);
        match retry_after {
            None => jittered,
            Some(asked) => asked.saturating_add(jittered.min(self.retry_after_slack)).min(NEVER),
        }
    }
}

#[cfg(test)]
mod tests;

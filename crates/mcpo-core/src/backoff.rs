//! How long to wait before trying again.

use std::time::{Duration, Instant};

/// Exponential backoff, with the jitter on top ([`Backoff::wait`]) or all over
/// ([`Backoff::full_jitter`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The least wait after the first failure.
    pub first: Duration,
    /// The longest wait, jitter included; what is beyond a day counts as a day.
    pub most: Duration,
}

/// How much jitter adds at most, as a share of the wait. A half spreads the clients of one dead
/// upstream well apart and still never shortens a wait below its step.
const JITTER_SHARE: f64 = 0.5;

/// Beyond this many doublings a step is past every cap: 2^30 x 1 ms is twelve days.
const DOUBLINGS_MAX: u32 = 30;

/// What stands for "never" where an instant is needed: far past every deadline, and yet an
/// instant can be that far off without overflow.
pub(crate) const NEVER: Duration = Duration::from_hours(24);

impl Backoff {
    /// The wait after that many failures in a row (1 is the first), never below its step. `dice`
    /// is in `0.0..1.0`. For an upstream, which one keeper alone tries again.
    #[must_use]
    pub fn wait(&self, failures: u32, dice: f64) -> Duration {
        let most = self.most.min(NEVER);
        let step = self.doubled(failures).min(most.div_f64(1.0 + JITTER_SHARE));
        step.mul_f64(1.0 + JITTER_SHARE * share(dice)).min(most)
    }

    /// A wait anywhere between nothing and the step: `dice * min(most, first * 2^(failures - 1))`.
    /// For calls, of which many fail at the same moment and must not all come back at one.
    ///
    /// Source: "full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter", which
    /// the retries of the AWS SDKs use.
    #[must_use]
    pub fn full_jitter(&self, failures: u32, dice: f64) -> Duration {
        self.doubled(failures).min(self.most).min(NEVER).mul_f64(share(dice))
    }

    fn doubled(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        self.first.saturating_mul(1 << doublings)
    }
}

/// Dice as a share of one, whatever was rolled.
pub(crate) fn share(dice: f64) -> f64 {
    if dice.is_nan() { 0.0 } else { dice.clamp(0.0, 1.0) }
}

/// The instant that much later; a wait beyond [`NEVER`] ends there.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(NEVER)
}

#[cfg(test)]
mod tests;

//! How long to wait before trying again.

use std::time::Duration;

/// Exponential backoff with jitter on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The least wait after the first failure.
    pub first: Duration,
    /// The longest wait, jitter included.
    pub most: Duration,
}

/// How much jitter adds at most, as a share of the wait. A half spreads the clients of one dead
/// upstream well apart and still never shortens a wait below its step.
const JITTER_SHARE: f64 = 0.5;

impl Backoff {
    /// The wait after that many failures in a row (1 is the first). `dice` is in `0.0..1.0`.
    #[must_use]
    pub fn wait(&self, failures: u32, dice: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let step = self.first.saturating_mul(1 << doublings);
        let step_most = self.most.div_f64(1.0 + JITTER_SHARE);
        step.min(step_most).mul_f64(1.0 + JITTER_SHARE * dice.clamp(0.0, 1.0)).min(self.most)
    }
}

#[cfg(test)]
mod tests;

//! How many calls may be sent again, so that retries help an upstream that stumbles and never
//! bury one that is down.
//!
//! Two bounds, and a retry must pass both:
//!
//! - a bucket of tokens: each retry costs some, each call that succeeds at its first try brings one
//!   back. An upstream that is down for long gets no retries at all once the bucket is empty.
//!   Source: the retry quota of the AWS SDKs' "standard" mode 2.1.
//! - a ratio: the retries of the last seconds are at most a tenth of the calls of these seconds,
//!   however full the bucket is; a few go free, so that an upstream with little traffic gets any.
//!   Source: Google's SRE book, "Handling Overload" (10 % per client), and Finagle's `RetryBudget`
//!   (a ratio over 10 s plus a reserve).

use std::sync::atomic::{AtomicU32, Ordering};

use crate::retry::Pace;

/// What retries may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetPolicy {
    /// What the bucket holds when it is full.
    pub tokens_max: u32,
    /// The price of a retry after a failure.
    pub cost_transient: u32,
    /// The price of a retry after "not now": less, since the upstream has said that it lives.
    pub cost_throttled: u32,
    /// What a call that succeeds at its first try brings back.
    pub gain: u32,
    /// Retries per call in the window, `0.0..`.
    pub ratio: f64,
    /// So many retries in the window go without a look at the ratio.
    pub reserve: u32,
}

impl Default for BudgetPolicy {
    /// 500 tokens, 14 and 5 a retry, 1 a success (AWS SDKs, retry 2.1); 10 % (SRE book; Finagle has
    /// 20 %); a reserve of 10 in 10 s (Finagle has 10 in one second, for services far busier than a
    /// server of tools).
    fn default() -> Self {
        Self {
            tokens_max: 500,
            cost_transient: 14,
            cost_throttled: 5,
            gain: 1,
            ratio: 0.1,
            reserve: 10,
        }
    }
}

/// One upstream's budget. Shared by its calls without a lock: no move waits for another.
#[derive(Debug)]
pub struct Budget {
    policy: BudgetPolicy,
    /// At most `tokens_max`.
    tokens: AtomicU32,
}

impl Budget {
    /// A full one.
    #[must_use]
    pub const fn new(policy: BudgetPolicy) -> Self {
        Self { policy, tokens: AtomicU32::new(policy.tokens_max) }
    }

    /// A call succeeded at its first try. While the bucket is full this is a single load.
    pub fn first_try_succeeded(&self) {
        let BudgetPolicy { tokens_max, gain, .. } = self.policy;
        let more = |tokens: u32| {
            (tokens < tokens_max).then(|| tokens.saturating_add(gain).min(tokens_max))
        };
        let _full = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether a call may be sent again now, which is paid for at once.
    ///
    /// The counts are those of [`crate::traffic::Traffic`], without this retry. Two who ask at the
    /// same moment with the same counts may both be let through; one who must hold the ratio to
    /// the last retry counts and asks under a lock.
    pub fn try_spend(&self, pace: Pace, calls_in_window: u64, retries_in_window: u64) -> bool {
        if !self.is_within_ratio(calls_in_window, retries_in_window) {
            return false;
        }
        let cost = match pace {
            Pace::Transient => self.policy.cost_transient,
            Pace::Throttled => self.policy.cost_throttled,
        };
        let paid = |tokens: u32| tokens.checked_sub(cost);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }

    /// The larger of reserve and ratio, not their sum: from a hundred calls in the window on, an
    /// upstream sees 1.1 times the calls that came in, and no more.
    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are far below 2^52")]
    fn is_within_ratio(&self, calls: u64, retries: u64) -> bool {
        let with_this_one = retries.saturating_add(1);
        with_this_one <= u64::from(self.policy.reserve)
            || with_this_one as f64 <= self.policy.ratio * calls as f64
    }

    /// What the bucket holds.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Fills the bucket.
    pub fn reset(&self) {
        self.tokens.store(self.policy.tokens_max, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

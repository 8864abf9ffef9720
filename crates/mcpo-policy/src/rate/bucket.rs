//! One bucket: a moment, and the algorithm that judges calls by it, which is governor's. Governor
//! keeps the rate with the bucket; here each call brings the rate along, so that another one holds
//! from the next call on and the bucket stays.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use mcpo_core::load::Rate;

/// The longest time in which a bucket fills up, in nanoseconds: some 146 years, so that no sum
/// of moments overflows.
const FILL_NS_MAX: u64 = u64::MAX / 4;

/// When it has all its tokens again, in nanoseconds; a moment that is over means that it has.
#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

/// What came of a token that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was there.
    Yes {
        /// Tokens that are left.
        remaining: u32,
        /// Until all are there again; where none is left, until the next one is.
        reset: Duration,
    },
    /// It was not.
    No {
        /// Until it is.
        retry_after: Duration,
    },
}

/// A bucket at a moment. To governor that moment is zero.
struct At<'b> {
    bucket: &'b AtomicU64,
    now: u64,
    /// How far ahead the bucket's moment can be at this rate: further than that it was emptied at
    /// another rate, and nobody waits longer for a token than this rate takes.
    ahead_max: u64,
}

/// Governor's moment.
struct Zero;

type Limiter<'b> = RateLimiter<NotKeyed, At<'b>, Zero, StateInformationMiddleware>;

// === impl Bucket ===

impl Bucket {
    /// Whether it has all its tokens, so that it is as good as a new one.
    pub(super) fn is_full(&self, now: u64) -> bool {
        self.full_at() <= now
    }

    /// When it has all its tokens.
    pub(super) fn full_at(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, rate: Rate, now: u64) -> Taken {
        let token = token_ns(rate);
        let burst = burst(rate, token);
        let period = Quota::with_period(Duration::from_nanos(token)).expect("it is not zero");
        let ahead_max = token * u64::from(burst.get());
        let at = At { bucket: &self.0, now, ahead_max };
        let limiter: Limiter<'_> = RateLimiter::new(period.allow_burst(burst), at, Zero);
        match limiter.check() {
            Ok(left) => {
                let remaining = left.remaining_burst_capacity();
                let ahead = self.full_at().saturating_sub(now).min(ahead_max);
                let reset = if remaining > 0 { ahead } else { ahead + token - ahead_max };
                Taken::Yes { remaining, reset: Duration::from_nanos(reset) }
            }
            Err(until) => Taken::No { retry_after: until.wait_time_from(Zero.now()) },
        }
    }

    /// A token that was taken at that rate just now is not needed.
    pub(super) fn give_back(&self, rate: Rate) {
        let back = |at: u64| Some(at.saturating_sub(token_ns(rate)));
        let _always = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, back);
    }
}

/// How long a token takes to come.
fn token_ns(rate: Rate) -> u64 {
    let nanos = rate.per.as_nanos() / u128::from(rate.calls.get());
    u64::try_from(nanos).unwrap_or(FILL_NS_MAX).clamp(1, FILL_NS_MAX)
}

/// As many tokens as there may be at once, within what can be counted.
fn burst(rate: Rate, token: u64) -> NonZeroU32 {
    let most = u32::try_from(FILL_NS_MAX / token).unwrap_or(u32::MAX);
    NonZeroU32::new(rate.burst.get().min(most)).unwrap_or(NonZeroU32::MIN)
}

// === impl At ===

impl StateStore for At<'_> {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (yes, no) = (Ordering::Relaxed, Ordering::Relaxed);
        let mut seen = self.bucket.load(Ordering::Relaxed);
        // Each turn but the last one is another call's success.
        loop {
            let most = self.now.saturating_add(self.ahead_max);
            if seen > most {
                // Also where the call is refused: from now on it fills up at this rate.
                let emptied = self.bucket.compare_exchange(seen, most, yes, no);
                seen = emptied.map_or_else(|other| other, |_| most);
            }
            let ahead = seen.saturating_sub(self.now).min(self.ahead_max);
            let (told, next) = judge(Some(Nanos::new(ahead)))?;
            let next = self.now.saturating_add(next.as_u64());
            match self.bucket.compare_exchange_weak(seen, next, yes, no) {
                Ok(_) => return Ok(told),
                Err(other) => seen = other,
            }
        }
    }
}

impl Clock for Zero {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(0)
    }
}

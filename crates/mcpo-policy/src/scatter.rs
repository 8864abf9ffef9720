//! Calls that stood in a line for nothing go away one by one.
//!
//! When an upstream's breaker opens, or its session is gone for good, all that stand in its line
//! have nothing to hope for in the same moment. Each that is told so costs the process about as much
//! as one that is answered: hundreds at once keep it busy for ten milliseconds, in which the calls
//! of all other upstreams wait. They have stood there for a while, and each is told a little later,
//! when its place at the upstream is free already. Who comes to an upstream that is away is told at
//! once as before.

use std::time::Duration;

use mcpo_core::outcome::OutcomeKind;
use tokio::time::{Instant, sleep};

use crate::pipeline::Report;

/// Whoever stood there for less is told at once: few can have come in that time.
const STOOD_MIN: Duration = Duration::from_millis(100);
/// So large a part of the time for which it stood there a call stays longer, at most. In a line
/// that has stood for two seconds with 500 calls a second those that go are one in a millisecond.
const STAYS_SHARE: u32 = 4;
/// However long it stood there. It is told to come again after a second at the least, and in whole
/// seconds: half of one is no more than the rounding.
const STAYS_MAX: Duration = Duration::from_millis(500);

/// Lets a call stay for a moment that stood in line for so long and was not sent after that; others
/// are not kept.
///
/// Cancel-safe.
pub(crate) async fn scatter(report: &Report, stood: Duration, deadline: Instant) {
    if stood < STOOD_MIN || report.attempts > 0 || report.outcome.kind() != OutcomeKind::NotSent {
        return;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    // Large, and rare.
    Box::pin(sleep(stays(stood, left, fastrand::f64()))).await;
}

/// How long it stays, with so much time left; `dice` is at least 0 and less than 1.
fn stays(stood: Duration, left: Duration, dice: f64) -> Duration {
    (stood / STAYS_SHARE).min(STAYS_MAX).min(left).mul_f64(dice)
}

#[cfg(test)]
mod tests;

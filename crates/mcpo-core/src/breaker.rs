//! Whether an upstream that has sessions is sent calls: one that keeps failing is left alone for a
//! while, then looked at with one real call.
//!
//! ```text
//!               too many failures                 the wait is over: a call becomes the probe
//!   +--------+ -------------------> +--------+ ---------------------> +----------+
//!   | Closed |                      |  Open  |                        | HalfOpen | <-+ probe lost:
//!   +--------+                      +--------+ <--------------------- +----------+ --+ next call is it
//!       ^                                        the probe failed          |
//!       +------------------------------------------------------------------+
//!                                  the probe succeeded
//! ```
//!
//! It judges calls on living sessions only; sessions are judged by [`crate::life`]. What counts as
//! a failure is the caller's to say: what is unknown or unreachable, never a tool's own error.
//!
//! Source: Linkerd's breakers ("Circuit Breaking" in its reference): failures in a row, or too low a
//! success rate, whichever comes first; a penalty that grows with jitter; one request as a probe.

use std::time::{Duration, Instant};

use crate::backoff::{Backoff, after};
use crate::traffic::{Ring, WINDOW, second};

/// What decides when a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    /// So many failures in a row open it.
    pub consecutive: u32,
    /// A share of successes below this opens it, over [`WINDOW`].
    pub success_rate: f64,
    /// The share is not looked at before there were so many calls in the window.
    pub samples_min: u32,
    /// The least and the longest time for which it stays open.
    pub open: Backoff,
    /// Between these two: so large a share of the time for which the trouble has lasted.
    pub open_share: f64,
}

/// Linkerd doubles the time with each probe that fails, so that an upstream that was in trouble for
/// half a minute waits for another quarter once it is well. A share of its age finds every trouble's
/// end after that share more: one of half a minute within a second and a half, jitter included, and
/// one that has lasted for half an hour sees one call a minute, as it does with doubling.
const OPEN_SHARE: f64 = 1.0 / 30.0;

impl Default for BreakerPolicy {
    /// 7 in a row (Linkerd's `consecutive-failures` default), or less than 80 % of at least 5;
    /// open for 1 s at first and 60 s at most
    /// (Linkerd's `min-penalty` and `max-penalty`), growing with the trouble.
    fn default() -> Self {
        Self {
            consecutive: 7,
            success_rate: 0.8,
            samples_min: 5,
            open: Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) },
            open_share: OPEN_SHARE,
        }
    }
}

/// Where a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open {
        /// When the trouble began: it opened and has not closed since.
        since: Instant,
        /// When the next call may pass, as a probe.
        until: Instant,
    },
    /// One call finds out.
    HalfOpen {
        /// When the trouble began: it opened and has not closed since.
        since: Instant,
        /// Whether that call is under way.
        probing: bool,
    },
}

/// What a call is told that asks to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Pass,
    /// Send it, and tell what it came to: others wait for that.
    Probe,
    /// Do not send it now.
    Wait {
        /// When the trouble began.
        since: Instant,
        /// When to ask again; `None` while a probe is under way, whose end is the time.
        until: Option<Instant>,
    },
}

/// One upstream's breaker.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: BreakerState,
    /// Failures since the last success.
    in_a_row: u32,
    /// Failures in the window, since it was last closed.
    failures: Ring,
    origin: Option<Instant>,
    /// When the trouble began, times counted in which it was closed but not for long.
    trouble_since: Option<Instant>,
    closed_at: Option<Instant>,
    /// A call was sent to find out since it opened, and failed.
    a_probe_failed: bool,
    probe_sent_at: Option<Instant>,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub const fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: BreakerState::Closed,
            in_a_row: 0,
            failures: Ring::new(),
            origin: None,
            trouble_since: None,
            closed_at: None,
            a_probe_failed: false,
            probe_sent_at: None,
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether it is closed and the last call succeeded: then a success changes nothing and need
    /// not be told, so that the healthy path takes no lock.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        matches!(self.state, BreakerState::Closed) && self.in_a_row == 0
    }

    /// A call asks to be sent. Whoever is told [`Admission::Probe`] must tell what came of it, by
    /// [`Breaker::succeeded`], [`Breaker::failed`] or [`Breaker::probe_abandoned`]. A probe of
    /// which nobody tells for as long as the longest wait is forgotten, and the next call is one.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            BreakerState::Closed => Admission::Pass,
            BreakerState::Open { since, until } if now < until => {
                Admission::Wait { since, until: Some(until) }
            }
            BreakerState::HalfOpen { since, probing: true } if !self.is_probe_forgotten(now) => {
                Admission::Wait { since, until: None }
            }
            BreakerState::Open { since, .. } | BreakerState::HalfOpen { since, .. } => {
                self.state = BreakerState::HalfOpen { since, probing: true };
                self.probe_sent_at = Some(now);
                Admission::Probe
            }
        }
    }

    fn is_probe_forgotten(&self, now: Instant) -> bool {
        let age = self.probe_sent_at.map(|sent| now.saturating_duration_since(sent));
        age.is_none_or(|age| age >= self.policy.open.most)
    }

    /// A call succeeded. Only a probe closes it: the others were sent before it opened, and their
    /// answers say nothing of what the upstream would do now.
    pub fn succeeded(&mut self, now: Instant, was_probe: bool) {
        match self.state {
            BreakerState::Closed => self.in_a_row = 0,
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } if was_probe => {
                self.close();
                self.closed_at = Some(now);
            }
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {}
        }
    }

    /// A call failed; `dice` is in `0.0..1.0`, the successes are those of
    /// [`crate::traffic::Traffic`]. Whether this opened it: true once for each trouble, not when a
    /// probe fails later on.
    pub fn failed(
        &mut self,
        now: Instant,
        dice: f64,
        successes_in_window: u64,
        was_probe: bool,
    ) -> bool {
        match self.state {
            BreakerState::Closed => {
                self.count_failure(now);
                let trips = self.is_too_much(now, successes_in_window);
                if trips {
                    self.trip(now, dice);
                }
                trips
            }
            BreakerState::HalfOpen { since, .. } if was_probe => {
                self.a_probe_failed = true;
                self.open(since, now, dice);
                false
            }
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => false,
        }
    }

    fn count_failure(&mut self, now: Instant) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let origin = *self.origin.get_or_insert(now);
        self.failures.add(second(origin, now));
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are far below 2^52")]
    fn is_too_much(&self, now: Instant, successes: u64) -> bool {
        if self.in_a_row >= self.policy.consecutive {
            return true;
        }
        let failures = self.origin.map_or(0, |origin| self.failures.sum(second(origin, now)));
        let samples = successes.saturating_add(failures);
        samples >= u64::from(self.policy.samples_min)
            && (successes as f64) < self.policy.success_rate * samples as f64
    }

    /// One that trips again soon after it closed is in the same trouble still.
    fn trip(&mut self, now: Instant, dice: f64) {
        let closed_for = self.closed_at.map(|closed| now.saturating_duration_since(closed));
        if closed_for.is_none_or(|length| length >= WINDOW) {
            self.trouble_since = None;
        }
        self.a_probe_failed = false;
        self.open(now, now, dice);
    }

    fn open(&mut self, since: Instant, now: Instant, dice: f64) {
        let trouble_since = *self.trouble_since.get_or_insert(since);
        let Backoff { first, most } = self.policy.open;
        let share = now.saturating_duration_since(trouble_since).mul_f64(self.policy.open_share);
        let wait = Backoff { first: share.clamp(first, most), most }.wait(1, dice);
        self.state = BreakerState::Open { since, until: after(now, wait) };
        self.probe_sent_at = None;
    }

    /// The upstream was given a new session after it had been away: what opened this may have gone
    /// with the old one, so that the next call may find out at once.
    pub fn begin_anew(&mut self, now: Instant) {
        if let BreakerState::Open { since, until } = self.state {
            self.state = BreakerState::Open { since, until: until.min(now) };
        }
    }

    /// A session of the upstream answered a question about its life. A restart breaks many calls at
    /// once and is over in milliseconds: the next call may find out at once, unless a call has found
    /// out already that living is not enough.
    pub fn vouched_for(&mut self, now: Instant) {
        if !self.a_probe_failed {
            self.begin_anew(now);
        }
    }

    /// The call that was the probe ended without saying anything of the upstream: the next call is
    /// the probe.
    pub fn probe_abandoned(&mut self, _now: Instant) {
        if let BreakerState::HalfOpen { since, .. } = self.state {
            self.state = BreakerState::HalfOpen { since, probing: false };
            self.probe_sent_at = None;
        }
    }

    /// Closes it, and forgets all.
    pub fn reset(&mut self, _now: Instant) {
        self.close();
        self.trouble_since = None;
        self.closed_at = None;
    }

    fn close(&mut self) {
        self.state = BreakerState::Closed;
        self.in_a_row = 0;
        self.failures.clear();
        self.probe_sent_at = None;
    }
}

#[cfg(test)]
mod tests;

//! What judges an upstream by its calls: whether one may be sent (the breaker) and whether one may
//! be sent again (the budget). A healthy upstream costs a call some relaxed atomics and no lock.
//!
//! An upstream that says "not now" and names the time at which it takes calls again is left alone
//! until then: what is sent before is refused as well, and its resends use up the budget, so that
//! calls fail although the upstream is back in time for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpo_core::breaker::{Admission, Breaker, BreakerPolicy, BreakerState};
use mcpo_core::budget::{Budget, BudgetPolicy};
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::retry::Pace;
use mcpo_core::traffic::{Traffic, WINDOW};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::journal::Journal;

/// No refusal keeps calls back for longer than this, whatever time it names: it may have been meant
/// for one caller only, and what becomes of the others is found out by sending a call. It keeps back
/// calls of its own tool only: what limits one often limits no other.
pub const THROTTLED_MAX: Duration = Duration::from_secs(10);

/// So many tools of one upstream are kept back at once; calls of any further one find out by being
/// refused themselves.
const TOOLS_THROTTLED_MAX: usize = 64;

/// Those that were kept back go over so long a time at most once they may: together they would be
/// refused again. A few hundred calls then meet the upstream as one in each millisecond, and those
/// that have not gone when the next refusal comes do not go.
pub const THROTTLED_SPREAD: Duration = Duration::from_millis(250);

/// What decides when a gate is open.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GatePolicy {
    /// When calls are sent away.
    pub breaker: BreakerPolicy,
    /// How many calls are sent again.
    pub budget: BudgetPolicy,
}

/// One upstream's gate.
#[derive(Debug)]
pub struct Gate {
    upstream: String,
    journal: Arc<Journal>,
    door: Mutex<Door>,
    /// The breaker is closed and has seen no failure since the last success, and no call is kept
    /// back: such a success, and the question whether a call may pass, need not ask the door.
    is_quiet: AtomicBool,
    budget: Budget,
    /// When it was last told that the budget is spent.
    spent_told: Mutex<Option<Instant>>,
    traffic: Traffic,
    changes: watch::Sender<u64>,
}

/// What keeps calls out.
#[derive(Debug)]
struct Door {
    breaker: Breaker,
    /// Tools of which the upstream takes no call before then, by its own word. In the past that
    /// keeps nobody out; the next call that asks forgets it.
    throttled: Vec<(Box<str>, Instant)>,
}

/// Whether a call may be sent now.
#[derive(Debug)]
pub enum Entry<'a> {
    /// It may; what it came to is told to the turn.
    In(Turn<'a>),
    /// The breaker is open.
    Wait {
        /// Since when the upstream has been in trouble: the first time that the breaker opened.
        since: Instant,
        /// When it lets a probe through; `None` while one is under way.
        until: Option<Instant>,
    },
    /// The upstream has refused a call, and said when it takes calls again.
    Throttled {
        /// When that is, or [`THROTTLED_MAX`] after it said so.
        until: Instant,
    },
}

/// A call that the gate let in. Dropped without [`settle`](Self::settle), it says nothing of the
/// upstream, and if it was the probe, another call may be.
#[derive(Debug)]
#[must_use = "what the call came to is told to it"]
pub struct Turn<'a> {
    gate: &'a Gate,
    is_probe: bool,
    is_settled: bool,
}

/// What happened to a breaker.
struct Change<T> {
    before: BreakerState,
    came_to: T,
    after: BreakerState,
}

/// What an attempt says of its upstream.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'a> {
    /// It answered, also with an error of the tool's own.
    Good,
    /// It failed, in a way that counts against it.
    Bad(&'a Fault),
    /// Neither.
    Neutral,
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new(
        upstream: &str,
        policy: GatePolicy,
        journal: Arc<Journal>,
        now: Instant,
    ) -> Self {
        Self {
            upstream: upstream.to_owned(),
            journal,
            door: Mutex::new(Door { breaker: Breaker::new(policy.breaker), throttled: Vec::new() }),
            is_quiet: AtomicBool::new(true),
            budget: Budget::new(policy.budget),
            spent_told: Mutex::default(),
            traffic: Traffic::new(now.into_std()),
            changes: watch::Sender::new(0),
        }
    }

    /// Whether a call may be sent now.
    pub fn admit(&self, now: Instant, tool: &str) -> Entry<'_> {
        if self.is_quiet.load(Ordering::Relaxed) {
            return Entry::In(Turn::new(self, false));
        }
        let mut door = self.door();
        if !door.throttled.is_empty() {
            door.throttled.retain(|(_, until)| now < *until);
            if let Some(until) = door.throttled_until(tool) {
                return Entry::Throttled { until };
            }
            self.is_quiet.store(door.is_quiet(), Ordering::Relaxed);
        }
        let admission = door.breaker.admit(now.into_std());
        drop(door);
        match admission {
            Admission::Pass => Entry::In(Turn::new(self, false)),
            Admission::Probe => Entry::In(Turn::new(self, true)),
            Admission::Wait { since, until } => {
                Entry::Wait { since: since.into(), until: until.map(Instant::from) }
            }
        }
    }

    /// Counts a call that came in, however often it will be sent.
    pub fn call(&self, now: Instant) {
        self.traffic.call(now.into_std());
    }

    /// A call was answered at its first attempt: it earns a little for the retries of others.
    pub fn first_try_succeeded(&self) {
        self.budget.first_try_succeeded();
    }

    /// A call was refused with that fault. Where the upstream named a time, calls are kept back
    /// until then, for [`THROTTLED_MAX`] at most; of several such times the last one counts.
    pub fn refused(&self, now: Instant, tool: &str, fault: &Fault) {
        let (FaultKind::Throttled, Some(wait)) = (fault.kind, fault.retry_after) else { return };
        if wait.is_zero() {
            return;
        }
        let until = now + wait.min(THROTTLED_MAX);
        let mut door = self.door();
        let throttled = &mut door.throttled;
        match throttled.iter().position(|(name, _)| **name == *tool) {
            Some(known) => throttled[known].1 = until.max(throttled[known].1),
            None if throttled.len() < TOOLS_THROTTLED_MAX => throttled.push((tool.into(), until)),
            None => return,
        }
        self.is_quiet.store(false, Ordering::Relaxed);
    }

    /// Until when calls are kept back because the upstream said so; `None` if they are not.
    #[must_use]
    pub fn throttled_until(&self, now: Instant, tool: &str) -> Option<Instant> {
        self.door().throttled_until(tool).filter(|until| now < *until)
    }

    /// Whether the budget allows one more attempt at a call; if so it is charged.
    ///
    /// One that was refused, while the upstream has named the time at which it takes calls again,
    /// costs tokens only and does not count towards the ratio. The ratio keeps retries from burying
    /// an upstream that may be down; this one lives and will be back, nothing is sent to it before
    /// that, and should it refuse again, the next hold stops the rest. The tokens still bound what
    /// an upstream sees that refuses for ever.
    pub fn try_retry(&self, now: Instant, tool: &str, pace: Pace) -> bool {
        let at = now.into_std();
        if pace == Pace::Throttled && self.throttled_until(now, tool).is_some() {
            let may = self.budget.try_spend(pace, u64::MAX, 0);
            if !may {
                self.tell_spent(now);
            }
            return may;
        }
        let may = self.budget.try_spend(pace, self.traffic.calls(at), self.traffic.retries(at));
        if may {
            self.traffic.retry(at);
        } else {
            self.tell_spent(now);
        }
        may
    }

    /// Once in each [`WINDOW`]: while many calls fail and some succeed, there is one to be told of
    /// with every failure.
    fn tell_spent(&self, now: Instant) {
        let mut told = self.spent_told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.saturating_duration_since(told) < WINDOW) {
            return;
        }
        *told = Some(now);
        drop(told);
        self.journal.record(&Event::BudgetSpent { upstream: self.upstream.clone() });
    }

    /// Changes whenever the breaker opens or closes, when its probe ended without a word, and when
    /// [`reset`](Self::reset) lets calls go that were kept back. A call that waits looks again then,
    /// and at the time that it was told. Cancel-safe, as all of `watch`.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Where the breaker is.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.door().breaker.state()
    }

    /// What is left of the budget.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.budget.tokens()
    }

    /// Forgets all that the upstream did so far.
    pub fn reset(&self, now: Instant) {
        self.budget.reset();
        *self.spent_told.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let was_throttled = !std::mem::take(&mut self.door().throttled).is_empty();
        self.change(|breaker| breaker.reset(now.into_std()));
        if was_throttled {
            self.changes.send_modify(|times| *times += 1);
        }
    }

    /// It has a session again after it had none.
    pub(crate) fn begin_anew(&self, now: Instant) {
        if !self.is_quiet.load(Ordering::Relaxed) {
            self.change(|breaker| breaker.begin_anew(now.into_std()));
        }
    }

    /// One of its sessions answered a probe.
    pub(crate) fn vouched_for(&self, now: Instant) {
        if !self.is_quiet.load(Ordering::Relaxed) {
            self.change(|breaker| breaker.vouched_for(now.into_std()));
        }
    }

    fn settle(&self, now: Instant, verdict: Verdict<'_>, was_probe: bool) {
        match verdict {
            Verdict::Good => self.succeeded(now, was_probe),
            Verdict::Bad(fault) => self.failed(now, fault, was_probe),
            Verdict::Neutral if was_probe => self.abandoned(now),
            Verdict::Neutral => {}
        }
    }

    fn succeeded(&self, now: Instant, was_probe: bool) {
        self.traffic.success(now.into_std());
        if self.is_quiet.load(Ordering::Relaxed) && !was_probe {
            return;
        }
        let Change { before, after, .. } =
            self.change(|breaker| breaker.succeeded(now.into_std(), was_probe));
        self.tell_closed(before, after, now);
    }

    fn failed(&self, now: Instant, fault: &Fault, was_probe: bool) {
        let at = now.into_std();
        let Change { came_to: tripped, after, .. } = self.change(|breaker| {
            breaker.failed(at, fastrand::f64(), self.traffic.successes(at), was_probe)
        });
        if let BreakerState::Open { until, .. } = after
            && tripped
        {
            self.journal.record(&Event::BreakerOpened {
                upstream: self.upstream.clone(),
                fault: fault.clone(),
                open_for: until.saturating_duration_since(at),
            });
        }
    }

    fn abandoned(&self, now: Instant) {
        self.change(|breaker| breaker.probe_abandoned(now.into_std()));
    }

    fn tell_closed(&self, before: BreakerState, after: BreakerState, now: Instant) {
        let since = match (before, after) {
            (
                BreakerState::Open { since, .. } | BreakerState::HalfOpen { since, .. },
                BreakerState::Closed,
            ) => since,
            (BreakerState::Closed, _)
            | (_, BreakerState::Open { .. } | BreakerState::HalfOpen { .. }) => return,
        };
        let after = now.into_std().saturating_duration_since(since);
        self.journal.record(&Event::BreakerClosed { upstream: self.upstream.clone(), after });
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets something happen to the breaker, and tells those who wait if it is another then.
    fn change<T>(&self, happens: impl FnOnce(&mut Breaker) -> T) -> Change<T> {
        let mut door = self.door();
        let before = door.breaker.state();
        let came_to = happens(&mut door.breaker);
        let after = door.breaker.state();
        self.is_quiet.store(door.is_quiet(), Ordering::Relaxed);
        drop(door);
        if before != after {
            self.changes.send_modify(|times| *times += 1);
        }
        Change { before, came_to, after }
    }
}

// === impl Door ===

impl Door {
    fn is_quiet(&self) -> bool {
        self.breaker.is_quiet() && self.throttled.is_empty()
    }

    fn throttled_until(&self, tool: &str) -> Option<Instant> {
        self.throttled.iter().find(|(name, _)| **name == *tool).map(|(_, until)| *until)
    }
}

// === impl Turn ===

impl<'a> Turn<'a> {
    const fn new(gate: &'a Gate, is_probe: bool) -> Self {
        Self { gate, is_probe, is_settled: false }
    }

    /// Whether the breaker looks at this call to learn if the upstream is well again.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Tells what the call came to.
    pub fn settle(mut self, now: Instant, verdict: Verdict<'_>) {
        self.is_settled = true;
        self.gate.settle(now, verdict, self.is_probe);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.is_settled {
            self.gate.abandoned(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;

//! What judges an upstream by its calls: whether one may be sent (the breaker) and whether one may
//! be sent again (the budget). A healthy upstream costs a call some relaxed atomics and no lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpo_core::breaker::{Admission, Breaker, BreakerPolicy, BreakerState};
use mcpo_core::budget::{Budget, BudgetPolicy};
use mcpo_core::event::Event;
use mcpo_core::fault::Fault;
use mcpo_core::retry::Pace;
use mcpo_core::traffic::Traffic;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::journal::Journal;

/// One upstream's gate.
#[derive(Debug)]
pub struct Gate {
    upstream: String,
    journal: Arc<Journal>,
    breaker: Mutex<Breaker>,
    /// The breaker is closed and has seen no failure since the last success: such a success, and
    /// the question whether a call may pass, need not ask it.
    is_quiet: AtomicBool,
    budget: Budget,
    is_spent: AtomicBool,
    traffic: Traffic,
    changes: watch::Sender<u64>,
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
    pub(crate) fn new(upstream: &str, journal: Arc<Journal>, now: Instant) -> Self {
        Self {
            upstream: upstream.to_owned(),
            journal,
            breaker: Mutex::new(Breaker::new(BreakerPolicy::default())),
            is_quiet: AtomicBool::new(true),
            budget: Budget::new(BudgetPolicy::default()),
            is_spent: AtomicBool::new(false),
            traffic: Traffic::new(now.into_std()),
            changes: watch::Sender::new(0),
        }
    }

    /// Whether a call may be sent now.
    pub fn admit(&self, now: Instant) -> Entry<'_> {
        if self.is_quiet.load(Ordering::Relaxed) {
            return Entry::In(Turn::new(self, false));
        }
        let admission = self.breaker().admit(now.into_std());
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
        if self.is_spent.load(Ordering::Relaxed) {
            self.is_spent.store(false, Ordering::Relaxed);
        }
    }

    /// Whether the budget allows one more attempt at a call; if so it is charged.
    pub fn try_retry(&self, now: Instant, pace: Pace) -> bool {
        let at = now.into_std();
        let may = self.budget.try_spend(pace, self.traffic.calls(at), self.traffic.retries(at));
        if may {
            self.traffic.retry(at);
        } else if !self.is_spent.swap(true, Ordering::Relaxed) {
            self.journal.record(&Event::BudgetSpent { upstream: self.upstream.clone() });
        }
        may
    }

    /// Changes whenever the breaker opens, closes, or lets a call through as its probe. A call that
    /// waits looks again then, and at the time that it was told. Cancel-safe, as all of `watch`.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Where the breaker is.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.breaker().state()
    }

    /// What is left of the budget.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.budget.tokens()
    }

    /// Forgets all that the upstream did so far.
    pub fn reset(&self, now: Instant) {
        self.budget.reset();
        self.is_spent.store(false, Ordering::Relaxed);
        let mut breaker = self.breaker();
        breaker.reset(now.into_std());
        self.let_go(breaker);
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
        let mut breaker = self.breaker();
        let before = breaker.state();
        breaker.succeeded(now.into_std(), was_probe);
        let after = breaker.state();
        self.let_go(breaker);
        self.tell_closed(before, after, now);
    }

    fn failed(&self, now: Instant, fault: &Fault, was_probe: bool) {
        let at = now.into_std();
        let mut breaker = self.breaker();
        let tripped = breaker.failed(at, fastrand::f64(), self.traffic.successes(at), was_probe);
        let state = breaker.state();
        self.let_go(breaker);
        if let BreakerState::Open { until, .. } = state
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
        let mut breaker = self.breaker();
        breaker.probe_abandoned(now.into_std());
        self.let_go(breaker);
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
        let after: Duration = now.into_std().saturating_duration_since(since);
        self.journal.record(&Event::BreakerClosed { upstream: self.upstream.clone(), after });
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the breaker back, and tells those who wait if it changed for them.
    fn let_go(&self, breaker: MutexGuard<'_, Breaker>) {
        self.is_quiet.store(breaker.is_quiet(), Ordering::Relaxed);
        drop(breaker);
        self.changes.send_modify(|times| *times += 1);
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

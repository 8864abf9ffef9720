//! One session as calls see it: what is under way on it, and every sign of life that they meet.
//! Calls write these signs with a few relaxed atomics; no lock, no waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::health::Signs;
use mcpo_core::outcome::{Outcome, OutcomeKind};
use mcpo_core::pool::cost;
use mcpo_mcp::session::Session;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::bell::Bell;

/// A session to send calls on, and which one of its upstream it is.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// Counts the sessions of an upstream, from 1.
    pub epoch: u64,
    /// Whether each call has a connection of its own.
    pub connection_per_call: bool,
    /// The handle.
    pub session: Session,
    pub(crate) member: Arc<Member>,
}

/// A call under way on a session, until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    member: Arc<Member>,
    ended_at: Option<Instant>,
}

/// What an outcome said of the session that it came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noted {
    /// The session is of no more use.
    pub spent: bool,
    /// Nobody had said so before.
    pub first: bool,
}

/// What is known of one session: written by the calls on it and by its own task, read by its
/// keeper. Times are microseconds since `born`, so that they fit an atomic. In this order: what
/// each call reads and writes is on lines side by side.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Member {
    born: Instant,
    /// In one order with `is_leaving`: either who begins a call sees that the session is leaving, or
    /// who ends the session sees the call.
    outstanding: AtomicUsize,
    heard_us: AtomicU64,
    busy_us: AtomicU64,
    idle_us: AtomicU64,
    /// The longest time that a call may take of those since nothing was under way.
    patience_us: AtomicU64,
    doubted: AtomicBool,
    /// A call was answered on it.
    is_proved: AtomicBool,
    /// Time may have passed that no clock of ours has counted.
    is_stale: AtomicBool,
    /// The next look is not put off, however short ago the last one was.
    is_urgent: AtomicBool,
    is_leaving: AtomicBool,
    /// Whether it is `spent`.
    is_spent: AtomicBool,
    rules: Rules,
    bell: Arc<Bell>,
    spent: OnceLock<Fault>,
    /// Wakes the session's own task when it is doubted.
    pub(crate) doubts: Notify,
    /// Changes whenever a probe came to something, and when the session is spent.
    looked: watch::Sender<u64>,
    /// Wakes the session's own task once nothing is under way, while it is leaving.
    emptied: Notify,
    /// The newest list of its tools that its keeper has not taken yet.
    listed: Mutex<Option<Listed>>,
    /// Its task has ended, and nothing of the session is left.
    is_over: AtomicBool,
}

/// What came of listing the tools.
pub(crate) type Listed = Result<Vec<Value>, Fault>;

/// What a member is judged by that does not change while it lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether doubts are looked into; without that nobody waits for a look.
    pub(crate) is_probed: bool,
    /// Whether each request has a connection of its own.
    pub(crate) connection_per_call: bool,
    /// Not heard of for longer than this, it is probed before it is used.
    pub(crate) stale: Duration,
    /// With this many calls under way the keeper is told that the session is crowded.
    pub(crate) grow_at: usize,
}

/// What is heard is written down no more often than this: calls on other cores read the same
/// cache line, and no rule looks closer.
const HEARD_GRAIN_US: u64 = 1000;

// === impl LiveSession ===

impl LiveSession {
    /// What sending a call here costs: the least is picked.
    #[must_use]
    pub fn cost(&self) -> u64 {
        cost(self.outstanding(), self.is_doubted())
    }

    /// Whether something happened on it that makes one doubt that it lives.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.member.is_doubted()
    }

    /// Calls under way on it.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.member.outstanding()
    }

    /// Whether calls may be sent on it: it is not known to be of no use, and not being closed.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.member.is_usable()
    }

    /// Counts a call that is sent now and answered by `deadline` until the guard is dropped.
    /// `None` if the session is of no use any more: one that is to end does not end under a call
    /// that has begun.
    #[must_use]
    pub fn begin(&self, now: Instant, deadline: Instant) -> Option<InFlight> {
        Member::enter(&self.member, now, deadline)
    }

    /// Takes what a call came to as a sign of the session's life.
    pub fn note<R>(&self, outcome: &Outcome<R>, now: Instant) -> Noted {
        let Some(fault) = outcome.fault() else {
            self.member.heard(now);
            self.member.prove();
            return Noted::default();
        };
        if self.is_spent_by(outcome) {
            return Noted { spent: true, first: self.member.spend(fault.clone()) };
        }
        match fault.kind {
            FaultKind::Throttled => self.member.heard(now),
            FaultKind::Timeout
            | FaultKind::ServerError
            | FaultKind::Nonsense
            | FaultKind::Unauthorized
            | FaultKind::Disconnected => self.member.doubt(),
            // These end a session, or are ours and say nothing of it.
            FaultKind::Unreachable
            | FaultKind::NotStartable
            | FaultKind::SessionLost
            | FaultKind::Overloaded
            | FaultKind::Stopping
            | FaultKind::Held
            | FaultKind::BreakerOpen => {}
        }
        Noted::default()
    }

    /// Whether what a call on this session came to shows that it is of no more use.
    #[must_use]
    pub fn is_spent_by<R>(&self, outcome: &Outcome<R>) -> bool {
        let Some(fault) = outcome.fault() else { return false };
        // A connection that broke under its own call says nothing of the session.
        let only_its_own = self.connection_per_call
            && fault.kind == FaultKind::Disconnected
            && outcome.kind() == OutcomeKind::Unknown;
        fault.kind.ends_session() && !only_its_own
    }

    /// Whether nothing was heard of it for so long, or time jumped, that it must be probed before it
    /// is used.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        self.member.is_stale(now)
    }

    /// Whether the session can be used. True at once unless it [is stale](Self::is_stale); then
    /// after the probe, which is made now.
    ///
    /// Cancel-safe: the probe is not ours and goes on.
    pub async fn fresh(&self, deadline: Instant) -> bool {
        !self.member.is_stale(Instant::now()) || self.member.look(deadline).await
    }

    /// Whether something was heard of it since then, its handshake included: it lived after that.
    #[must_use]
    pub fn heard_since(&self, then: Instant) -> bool {
        self.member.heard_us.load(Ordering::Relaxed) >= self.member.since_birth(then)
    }

    /// Like [`fresh`](Self::fresh), for a call that has met trouble: true at once only if the
    /// session was heard of since then, or is not probed at all.
    ///
    /// Cancel-safe: the probe is not ours and goes on.
    pub async fn fresh_since(&self, then: Instant, deadline: Instant) -> bool {
        if self.heard_since(then) || !self.member.rules.is_probed {
            return self.is_usable();
        }
        self.member.look(deadline).await
    }
}

impl InFlight {
    /// The call ended at that time.
    pub fn end(mut self, now: Instant) {
        self.ended_at = Some(now);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.member.end_call(self.ended_at.unwrap_or_else(Instant::now));
    }
}

// === impl Member ===

impl Member {
    pub(crate) fn new(rules: Rules, bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            outstanding: AtomicUsize::new(0),
            heard_us: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
            idle_us: AtomicU64::new(0),
            patience_us: AtomicU64::new(0),
            doubted: AtomicBool::new(false),
            is_proved: AtomicBool::new(false),
            is_stale: AtomicBool::new(false),
            is_urgent: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            is_spent: AtomicBool::new(false),
            rules,
            bell,
            spent: OnceLock::new(),
            doubts: Notify::new(),
            looked: watch::Sender::new(0),
            emptied: Notify::new(),
            listed: Mutex::new(None),
            is_over: AtomicBool::new(false),
        })
    }

    pub(crate) fn born(&self) -> Instant {
        self.born
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::SeqCst)
    }

    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    /// Whether anything is found out about it that no call needs.
    pub(crate) fn is_probed(&self) -> bool {
        self.rules.is_probed
    }

    /// Whether a call was answered on it.
    pub(crate) fn is_proved(&self) -> bool {
        self.is_proved.load(Ordering::Relaxed)
    }

    fn prove(&self) {
        if !self.is_proved() {
            self.is_proved.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.is_leaving() && !self.is_spent()
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::SeqCst)
    }

    fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Acquire)
    }

    /// Why it is of no more use, if it is.
    pub(crate) fn spent_by(&self) -> Option<&Fault> {
        self.spent.get()
    }

    /// Since when nothing is under way; `None` while something is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.outstanding() == 0).then(|| self.at(&self.idle_us))
    }

    pub(crate) fn signs(&self) -> Signs {
        let busy = self.outstanding() > 0;
        Signs {
            heard_at: self.at(&self.heard_us).into_std(),
            busy_since: busy.then(|| self.at(&self.busy_us).into_std()),
            doubted: self.is_doubted(),
            patience: Duration::from_micros(self.patience_us.load(Ordering::Relaxed)),
        }
    }

    /// Ends when no call is under way, once it is leaving. Cancel-safe.
    pub(crate) async fn is_empty(&self) {
        while self.outstanding() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Its task has ended, in whatever way.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        let _first = self.spend(Fault::new(FaultKind::Disconnected, "its task ended"));
        self.bell.ring();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Leaves a list of its tools to the keeper; one that was not taken yet is older.
    pub(crate) fn put_list(&self, listed: Listed) {
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
        self.bell.ring();
    }

    pub(crate) fn take_list(&self) -> Option<Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a probe that failed so shows that the session is of no more use.
    pub(crate) fn is_ended_by_probe(&self, fault: &Fault) -> bool {
        match fault.kind {
            FaultKind::Unauthorized => true,
            // The probe's own connection broke, which says nothing of the session.
            FaultKind::Disconnected => !self.rules.connection_per_call,
            FaultKind::Unreachable
            | FaultKind::NotStartable
            | FaultKind::SessionLost
            | FaultKind::Stopping
            | FaultKind::Timeout
            | FaultKind::ServerError
            | FaultKind::Throttled
            | FaultKind::Nonsense
            | FaultKind::Overloaded
            | FaultKind::Held
            | FaultKind::BreakerOpen => fault.kind.ends_session(),
        }
    }

    /// Something came from the upstream.
    pub(crate) fn heard(&self, now: Instant) {
        let at = self.since_birth(now);
        if self.is_doubted() || self.is_stale.load(Ordering::Relaxed) {
            self.heard_us.store(at, Ordering::Relaxed);
            self.doubted.store(false, Ordering::Relaxed);
            self.is_stale.store(false, Ordering::Relaxed);
            self.tell_looked();
        } else if at > self.heard_us.load(Ordering::Relaxed) + HEARD_GRAIN_US {
            self.heard_us.store(at, Ordering::Relaxed);
        }
    }

    /// It may not live any more: its own task looks at once.
    pub(crate) fn doubt(&self) {
        if self.rules.is_probed && !self.doubted.swap(true, Ordering::Relaxed) {
            self.doubts.notify_one();
        }
    }

    /// An operator wants to know whether it lives: its own task looks at once.
    pub(crate) fn doubt_by_order(&self) {
        self.is_urgent.store(true, Ordering::Relaxed);
        self.doubted.store(true, Ordering::Relaxed);
        self.doubts.notify_one();
    }

    /// It may have slept, or the network under it: nobody uses it before it was looked at.
    pub(crate) fn doubt_time(&self) {
        if self.rules.is_probed {
            self.is_urgent.store(true, Ordering::Relaxed);
            self.is_stale.store(true, Ordering::Relaxed);
            self.doubt();
        }
    }

    /// Whether the next look must not be put off, since this was asked last.
    pub(crate) fn take_urgent(&self) -> bool {
        self.is_urgent.swap(false, Ordering::Relaxed)
    }

    /// It is of no more use. Whether nobody has said so before.
    pub(crate) fn spend(&self, fault: Fault) -> bool {
        let first = self.spent.set(fault).is_ok();
        // By the second, too: whoever has said so finds it so.
        self.is_spent.store(true, Ordering::Release);
        if first {
            self.bell.ring();
            self.tell_looked();
        }
        first
    }

    /// No call is to begin on it any more.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::SeqCst);
        self.emptied.notify_one();
    }

    /// A probe came to something.
    pub(crate) fn tell_looked(&self) {
        self.looked.send_modify(|times| *times += 1);
    }

    fn is_stale(&self, now: Instant) -> bool {
        let silent = self.since_birth(now).saturating_sub(self.heard_us.load(Ordering::Relaxed));
        self.rules.is_probed
            && (Duration::from_micros(silent) > self.rules.stale
                || self.is_stale.load(Ordering::Relaxed))
    }

    /// Has the session looked at, and waits for what comes of it; whether it can be used.
    pub(crate) async fn look(&self, deadline: Instant) -> bool {
        let mut looked = self.looked.subscribe();
        self.doubt();
        let heard = looked.wait_for(|_| self.is_spent() || !self.is_doubted());
        // In vain until the deadline: the call itself finds out.
        let _heard_or_late = timeout_at(deadline, heard).await;
        self.is_usable()
    }

    /// Ends when nobody doubts it any more, or it is of no more use. Cancel-safe.
    pub(crate) async fn looked_at(&self) {
        let mut looked = self.looked.subscribe();
        let done = |_: &u64| !self.is_doubted() || self.is_spent();
        // The sender stands here, so that it cannot be gone.
        let _seen = looked.wait_for(done).await;
    }

    fn enter(member: &Arc<Self>, now: Instant, deadline: Instant) -> Option<InFlight> {
        member.begin(now, deadline);
        let in_flight = InFlight { member: Arc::clone(member), ended_at: None };
        // Only now that the call is counted; who ends the session asks in the other order.
        member.is_usable().then_some(in_flight)
    }

    fn begin(&self, now: Instant, deadline: Instant) {
        let before = self.outstanding.fetch_add(1, Ordering::SeqCst);
        let patience = micros(deadline.saturating_duration_since(now));
        if before == 0 {
            self.busy_us.store(self.since_birth(now), Ordering::Relaxed);
            self.patience_us.store(patience, Ordering::Relaxed);
        } else if patience > self.patience_us.load(Ordering::Relaxed) {
            self.patience_us.fetch_max(patience, Ordering::Relaxed);
        }
        if before + 1 >= self.rules.grow_at {
            self.bell.crowded();
        }
    }

    fn end_call(&self, now: Instant) {
        if self.outstanding.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        self.idle_us.store(self.since_birth(now), Ordering::Relaxed);
        if self.is_leaving() {
            self.emptied.notify_one();
        }
    }

    fn since_birth(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.born))
    }

    fn at(&self, since_birth_us: &AtomicU64) -> Instant {
        self.born + Duration::from_micros(since_birth_us.load(Ordering::Relaxed))
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

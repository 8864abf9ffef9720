//! One bound on calls in flight, and the line of those who wait for it.
//!
//! How many are in flight and how many wait is one atomic word, so that the two are seen together:
//! whoever leaves while somebody waits takes the lock and lets the next ones in, and whoever joins
//! the line counts itself in that word before it looks whether there is room. One of the two sees
//! the other, so that no place stays free while somebody waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpo_core::identity::Identity;
use mcpo_core::load::ShedReason;
use mcpo_core::queue::{Bounds, Next, Queue, STANDING_MIN};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::pace::{Pace, Slot};

/// One call in flight, and one that waits, in the word.
const IN_FLIGHT: u64 = 1;
const WAITING: u64 = 1 << 32;

/// Who waits is late where less time is left than this many times the usual length of a call. One
/// would do if all took as long as they usually do; the other half is for those that take longer.
const LATE_FACTOR: u32 = 2;

/// One bound on calls in flight.
#[derive(Debug)]
pub(super) struct Room {
    /// Calls in flight in the lower half, calls in the line in the upper half.
    word: AtomicU64,
    /// At least 1.
    bound: AtomicUsize,
    /// Whether the bound was learnt; one that is told is taken for what the upstream works on.
    is_learnt: AtomicBool,
    line: Mutex<Queue<Waiter>>,
    pace: Arc<Pace>,
}

/// A call that wants in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) identity: &'a Identity,
    pub(super) deadline: Instant,
    pub(super) slot: Slot,
    /// So many wait at most.
    pub(super) waiting_max: usize,
}

/// One in the line. It is told once, under the lock, as it is taken out of the line.
#[derive(Debug)]
struct Waiter {
    told: oneshot::Sender<Result<(), ShedReason>>,
    slot: Slot,
}

/// One's own end of it. Dropped, it leaves the line, or gives back the place that it was given and
/// has not heard of.
#[derive(Debug)]
struct InLine<'r> {
    room: &'r Room,
    identity: &'r Identity,
    number: u64,
    told: oneshot::Receiver<Result<(), ShedReason>>,
    has_heard: bool,
}

// === impl Room ===

impl Room {
    pub(super) fn new(bound: usize, pace: &Arc<Pace>) -> Self {
        Self {
            word: AtomicU64::new(0),
            bound: AtomicUsize::new(bound.max(1)),
            is_learnt: AtomicBool::new(false),
            line: Mutex::default(),
            pace: Arc::clone(pace),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        in_flight(self.word.load(Ordering::Relaxed))
    }

    pub(super) fn waiting(&self) -> usize {
        waiting(self.word.load(Ordering::Relaxed))
    }

    pub(super) fn bound(&self) -> usize {
        self.bound.load(Ordering::Relaxed)
    }

    /// Another bound for all who come or [leave](Self::leave) from now on; a load if it is none.
    /// Whether it is another one.
    pub(super) fn set_bound(&self, bound: usize) -> bool {
        let bound = bound.max(1);
        let is_new = self.bound.load(Ordering::Relaxed) != bound;
        if is_new {
            self.bound.store(bound, Ordering::Relaxed);
        }
        is_new
    }

    pub(super) fn set_learnt(&self, is_learnt: bool) {
        if self.is_learnt.load(Ordering::Relaxed) != is_learnt {
            self.is_learnt.store(is_learnt, Ordering::Relaxed);
        }
    }

    /// Goes in, if there is room and nobody waits.
    pub(super) fn try_enter(&self) -> bool {
        let one_more = |word: u64| {
            (waiting(word) == 0 && in_flight(word) < self.bound()).then_some(word + IN_FLIGHT)
        };
        self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Goes in, now or in its turn; who is in owes one [`Self::leave`].
    ///
    /// Cancel-safe: dropped, it leaves the line, and a place that it was just given goes on.
    pub(super) async fn enter(&self, wish: Wish<'_>) -> Result<(), ShedReason> {
        if self.try_enter() {
            return Ok(());
        }
        let now = Instant::now();
        let mut in_line = self.join(wish, now)?;
        // Later than that it would not be answered in time, and has better use for what is left.
        let needs = self.pace.fastest(wish.slot, now);
        let give_up_at = wish.deadline.checked_sub(needs).unwrap_or(now);
        match timeout_at(give_up_at, &mut in_line.told).await {
            Ok(told) => {
                in_line.has_heard = true;
                // Whoever takes one out of the line tells it.
                told.unwrap_or(Err(ShedReason::ServerFull))
            }
            Err(_) => Err(ShedReason::TooLate),
        }
    }

    fn join<'r>(&'r self, wish: Wish<'r>, now: Instant) -> Result<InLine<'r>, ShedReason> {
        let Wish { identity, deadline, slot, waiting_max } = wish;
        let (told_tx, told) = oneshot::channel();
        let waiter = Waiter { told: told_tx, slot };
        let bounds = self.bounds(waiting_max);
        let mut line = self.line();
        let joined = line.join(identity, deadline.into_std(), waiter, (now.into_std(), bounds));
        let joined = joined.map_err(|_waiter| ShedReason::ServerFull)?;
        match joined.pushed_out {
            None => drop(self.word.fetch_add(WAITING, Ordering::AcqRel)),
            Some(out) => out.tell(Err(ShedReason::ServerFull)),
        }
        self.let_in(&mut line, now);
        Ok(InLine { room: self, identity, number: joined.number, told, has_heard: false })
    }

    /// One that was in is out; the next goes in.
    pub(super) fn leave(&self) {
        let before = self.word.fetch_sub(IN_FLIGHT, Ordering::AcqRel);
        if waiting(before) > 0 {
            self.look();
        }
    }

    /// Lets in as many as there is room for.
    pub(super) fn look(&self) {
        self.let_in(&mut self.line(), Instant::now());
    }

    fn let_in(&self, line: &mut Queue<Waiter>, now: Instant) {
        let needs = |waiter: &Waiter| self.pace.fastest(waiter.slot, now);
        // Its length is of no matter to who is next.
        let bounds = self.bounds(usize::MAX);
        while !line.is_empty() && self.take_place() {
            loop {
                match line.next(now.into_std(), bounds, needs) {
                    None => {
                        self.word.fetch_sub(IN_FLIGHT, Ordering::AcqRel);
                        break;
                    }
                    Some(Next::TooLate(waiter)) => {
                        self.word.fetch_sub(WAITING, Ordering::AcqRel);
                        waiter.tell(Err(ShedReason::TooLate));
                    }
                    Some(Next::Starts(waiter)) => {
                        self.word.fetch_sub(WAITING, Ordering::AcqRel);
                        waiter.tell(Ok(()));
                        break;
                    }
                }
            }
        }
    }

    /// A place for one who waits.
    fn take_place(&self) -> bool {
        let one_more = |word: u64| (in_flight(word) < self.bound()).then_some(word + IN_FLIGHT);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    fn bounds(&self, len_max: usize) -> Bounds {
        let usual = self.pace.usual();
        let late_max = usual.saturating_mul(LATE_FACTOR);
        // One for each place: none is free before the next call comes. A bound that is learnt keeps
        // half as many as are worked on waiting in the upstream as well, where the next one is found
        // sooner, and a third of it in the line makes as many in all.
        let bound = self.bound();
        let is_learnt = self.is_learnt.load(Ordering::Relaxed);
        let short_max = if is_learnt { bound.div_ceil(3) } else { bound };
        Bounds { len_max, short_max, standing_max: STANDING_MIN.max(usual), late_max }
    }

    /// How long the last one in the line will wait, as things are.
    pub(super) fn wait(&self) -> Duration {
        let in_line = u32::try_from(self.waiting()).unwrap_or(u32::MAX).saturating_add(1);
        let at_once = u32::try_from(self.bound()).unwrap_or(u32::MAX);
        self.pace.usual().saturating_mul(in_line) / at_once.max(1)
    }

    fn line(&self) -> MutexGuard<'_, Queue<Waiter>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiter ===

impl Waiter {
    /// Nobody in the line is deaf: who goes away leaves it first.
    fn tell(self, what: Result<(), ShedReason>) {
        let _heard = self.told.send(what);
    }
}

// === impl InLine ===

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if self.has_heard {
            return;
        }
        let left = self.room.line().leave(self.identity, self.number);
        if left.is_some() {
            self.room.word.fetch_sub(WAITING, Ordering::AcqRel);
        } else if self.told.try_recv() == Ok(Ok(())) {
            self.room.leave();
        }
    }
}

fn in_flight(word: u64) -> usize {
    usize::try_from(word % WAITING).unwrap_or(usize::MAX)
}

fn waiting(word: u64) -> usize {
    usize::try_from(word / WAITING).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;

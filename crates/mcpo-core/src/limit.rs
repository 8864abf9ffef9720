//! How many calls an upstream is sent at once, learnt from what becomes of them: additive increase,
//! multiplicative decrease. Calls that end tell it of themselves without a lock.
//!
//! ```text
//!              answered, and half of the limit is in use          lost
//!   up to the threshold      limit + 1                            limit x 0.9, once for all calls
//!   above it                 limit + 1 / limit                    that were in flight together;
//!                                                                 most of them lost: half of them
//! ```
//!
//! Sources: the condition, the factor and the step of one are those of `AIMDLimit` in Netflix'
//! concurrency-limits. That steps by one for each answer, and pays for each loss; an upstream that
//! refuses what is too much loses many calls at once, and one decrease for all of them is what
//! congestion control makes of it (RFC 5681, section 4.3; RFC 9002, section 7.3.2). Then the
//! increase must be as slow as theirs as well: one for each round of calls (RFC 5681, section 3.1,
//! equation 3), and faster only up to the threshold (there: slow start) that losses in a row leave
//! behind, so that an upstream which was away is back as soon as it answers.
//!
//! A lone loss says little, and of a limit that is far above what is in use its tenth is nothing.
//! Where most of those that were in flight are lost it is a collapse, and the limit becomes half of
//! what was in flight (RFC 5681, section 3.1, equation 4), however high it was. Three signs make
//! sure that it is not one slow tool among others that are well: no fewer than three are lost (the
//! number of RFC 5681, section 3.2), more than half of those that were in flight together, and more
//! than were answered in the lifetime of the one that says so. No collapse takes the limit below
//! ten, which is safe to begin with where nothing is known (RFC 6928); what takes fewer is found by
//! tenths. The threshold stays where it was, for an upstream that was only away; one that collapses
//! again on the way there has said how much is too much, and the threshold is that half, too.
//!
//! Before anything is lost, calls may wait for long in the upstream. How many it works on at once is
//! learnt from how long they take, see [`crate::knee`], and the lower one of both counts.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::knee::{Answer, Knee, Load};

/// What a loss leaves of the limit, in tenths: Netflix' `backoffRatio` of 0.9.
const LEFT_TENTHS: u64 = 9;

/// Fewer losses than this are no collapse.
const COLLAPSE_LOSSES_MIN: u64 = 3;

/// No collapse takes it below this; see the module.
const COLLAPSED_MIN: u64 = 10 * MICRO;

/// Limits are kept in millionths of a call, so that small steps add up.
const MICRO: u64 = 1_000_000;

/// However bad things are, one call is tried: it is what finds out that they are better.
const FLOOR: u64 = MICRO;

/// No more calls than this are counted, so that no step overflows.
const CEILING_MAX: u64 = (u32::MAX as u64) * MICRO;

/// How many calls an upstream is sent at once. Shared by its calls: two moves at the same moment may
/// count as one, and none waits for another, but for the moments of a trial of the knee.
#[derive(Debug)]
pub struct AdaptiveLimit {
    born: Instant,
    /// In millionths, as the two below; from [`FLOOR`] to the ceiling.
    limit: AtomicU64,
    ceiling: AtomicU64,
    /// Up to here it grows by one for each answer.
    threshold: AtomicU64,
    /// It has grown since it was lowered last.
    has_grown: AtomicBool,
    /// When it was lowered last, in microseconds since `born`, plus one; 0 for never.
    lowered_at_us: AtomicU64,
    /// Calls that were answered so far.
    answers: AtomicU64,
    /// Calls that were in flight when it was lowered last, and those of them that are lost.
    flight: AtomicU64,
    losses: AtomicU64,
    /// They have not collapsed yet.
    is_whole: AtomicBool,
    /// When it was lowered last it was on its way to the threshold.
    was_on_its_way: AtomicBool,
    /// Calls that were sent so far.
    sent: AtomicU64,
    /// By how long they take; [`usize::MAX`] for as many as you like.
    knee_limit: AtomicUsize,
    /// A trial waits for its calls: none of their ends is passed over.
    is_on_trial: AtomicBool,
    /// Of an upstream that never had many calls at once nothing is kept.
    knee: Mutex<Option<Box<Knee>>>,
}

/// A call that is sent, or an attempt of it.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// [How many were answered](AdaptiveLimit::answers) before.
    pub answers: u64,
}

// === impl AdaptiveLimit ===

impl AdaptiveLimit {
    /// One that starts at its ceiling: nothing is held against an upstream that is not known yet.
    #[must_use]
    pub fn new(ceiling: NonZeroUsize, now: Instant) -> Self {
        let ceiling = micro(ceiling);
        Self {
            born: now,
            limit: AtomicU64::new(ceiling),
            ceiling: AtomicU64::new(ceiling),
            threshold: AtomicU64::new(ceiling),
            has_grown: AtomicBool::new(true),
            lowered_at_us: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            flight: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            is_whole: AtomicBool::new(false),
            was_on_its_way: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            knee_limit: AtomicUsize::new(usize::MAX),
            is_on_trial: AtomicBool::new(false),
            knee: Mutex::new(None),
        }
    }

    /// So many calls may be in flight: at least one, at most the ceiling.
    #[must_use]
    pub fn get(&self) -> usize {
        self.by_losses().min(self.knee_limit.load(Ordering::Relaxed))
    }

    /// So many may be in flight where nothing is learnt.
    #[must_use]
    pub fn ceiling(&self) -> usize {
        usize::try_from(self.ceiling.load(Ordering::Relaxed) / MICRO).unwrap_or(usize::MAX)
    }

    fn by_losses(&self) -> usize {
        usize::try_from(self.limit.load(Ordering::Relaxed) / MICRO).unwrap_or(usize::MAX)
    }

    /// One more is sent: how many were before it.
    pub fn send(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed)
    }

    /// A call was answered after so long, while so many were in flight, it included. Where another
    /// one says so at this moment, that one alone counts: nobody waits, but while there is a trial,
    /// which would else wait for what it is never told.
    pub fn took(&self, answer: Answer, in_flight: usize, now: Instant) {
        let Some(mut knee) = self.knee() else { return };
        if knee.is_none() && !Knee::is_worth_knowing(answer.in_flight) {
            return;
        }
        let knee = knee.get_or_insert_with(|| Box::new(Knee::new(now)));
        let sent = self.sent.load(Ordering::Relaxed);
        let limit = knee.answered(answer, Load { sent, in_flight, max: self.by_losses() }, now);
        if self.knee_limit.load(Ordering::Relaxed) != limit {
            self.knee_limit.store(limit, Ordering::Relaxed);
        }
        let is_on_trial = knee.is_on_trial();
        if self.is_on_trial.load(Ordering::Relaxed) != is_on_trial {
            self.is_on_trial.store(is_on_trial, Ordering::Relaxed);
        }
    }

    /// The call that was [sent](AdaptiveLimit::send) with that number ended without an answer.
    pub fn gone(&self, number: u64) {
        if let Some(mut knee) = self.knee()
            && let Some(knee) = knee.as_deref_mut()
        {
            knee.gone(number);
        }
    }

    /// How many calls were answered so far, for [`Sent`].
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// A call was answered while so many were in flight, it included. One addition and two loads
    /// while the limit is at its ceiling.
    pub fn answered(&self, in_flight: usize) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        let (limit, ceiling) =
            (self.limit.load(Ordering::Relaxed), self.ceiling.load(Ordering::Relaxed));
        // A limit that is not in use proves nothing by its answers.
        if limit >= ceiling || (in_flight as u64).saturating_mul(2) < limit / MICRO {
            return;
        }
        let threshold = self.threshold.load(Ordering::Relaxed);
        let more = |limit: u64| {
            let step = if limit < threshold { MICRO } else { MICRO * MICRO / limit };
            (limit < ceiling).then(|| (limit + step).min(ceiling))
        };
        if self.limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            self.has_grown.store(true, Ordering::Relaxed);
        }
    }

    /// A call is lost while so many were in flight, it included. One that was in flight when the
    /// limit was lowered last is what that was for, and lowers it further only where most of them
    /// are lost.
    pub fn lost(&self, call: Sent, in_flight: usize, now: Instant) {
        let lowered_at = self.lowered_at_us.load(Ordering::Relaxed);
        if lowered_at > self.since_birth_us(call.at) {
            return self.one_more_of_them(call);
        }
        let now = self.since_birth_us(now) + 1;
        let (set, failed) = (Ordering::Relaxed, Ordering::Relaxed);
        // Of two at the same moment one lowers it.
        if self.lowered_at_us.compare_exchange(lowered_at, now, set, failed).is_err() {
            return self.one_more_of_them(call);
        }
        self.flight.store(in_flight as u64, set);
        self.losses.store(1, set);
        self.is_whole.store(true, set);
        let before = self.limit.update(set, failed, tenth_less);
        let has_grown = self.has_grown.swap(false, set);
        if has_grown {
            let threshold = self.threshold.swap(tenth_less(before), set);
            let aim = threshold.min(self.ceiling.load(set));
            self.was_on_its_way.store(before < aim, set);
        }
    }

    /// Of the calls that were in flight together another one is lost.
    fn one_more_of_them(&self, call: Sent) {
        let losses = self.losses.fetch_add(1, Ordering::Relaxed) + 1;
        let flight = self.flight.load(Ordering::Relaxed);
        let is_collapse = losses >= COLLAPSE_LOSSES_MIN
            && losses.saturating_mul(2) > flight
            && losses > self.answers().saturating_sub(call.answers);
        if !is_collapse || !self.is_whole.swap(false, Ordering::Relaxed) {
            return;
        }
        let half = (flight.saturating_mul(MICRO) / 2).max(COLLAPSED_MIN);
        self.limit.fetch_min(half, Ordering::Relaxed);
        if self.was_on_its_way.swap(false, Ordering::Relaxed) {
            self.threshold.fetch_min(half, Ordering::Relaxed);
        }
    }

    /// Another ceiling from now on. A limit that was at the one before is at the new one: nothing
    /// was learnt against it.
    pub fn set_ceiling(&self, ceiling: NonZeroUsize) {
        let ceiling = micro(ceiling);
        let before = self.ceiling.swap(ceiling, Ordering::Relaxed);
        let held = |limit: u64| if limit >= before { ceiling } else { limit.min(ceiling) };
        self.limit.update(Ordering::Relaxed, Ordering::Relaxed, held);
    }

    /// Forgets all that was learnt.
    pub fn reset(&self) {
        let ceiling = self.ceiling.load(Ordering::Relaxed);
        self.limit.store(ceiling, Ordering::Relaxed);
        self.threshold.store(ceiling, Ordering::Relaxed);
        self.has_grown.store(true, Ordering::Relaxed);
        let mut knee = self.knee.lock().unwrap_or_else(PoisonError::into_inner);
        *knee = None;
        self.knee_limit.store(usize::MAX, Ordering::Relaxed);
        self.is_on_trial.store(false, Ordering::Relaxed);
    }

    /// `None` while another one looks at it and nothing is on trial.
    fn knee(&self) -> Option<MutexGuard<'_, Option<Box<Knee>>>> {
        match self.knee.try_lock() {
            Ok(knee) => Some(knee),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if self.is_on_trial.load(Ordering::Relaxed) => {
                Some(self.knee.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn since_birth_us(&self, at: Instant) -> u64 {
        let since: Duration = at.saturating_duration_since(self.born);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX - 1)
    }
}

fn tenth_less(limit: u64) -> u64 {
    (limit / 10 * LEFT_TENTHS).max(FLOOR)
}

fn micro(calls: NonZeroUsize) -> u64 {
    (calls.get() as u64).saturating_mul(MICRO).min(CEILING_MAX)
}

#[cfg(test)]
mod tests;

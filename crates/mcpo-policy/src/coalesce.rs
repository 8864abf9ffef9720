//! Equal calls in flight share one: the first one leads, and whoever comes with the same question
//! before it has landed joins.
//!
//! A flight belongs to those who wait for it, and is driven by them; when the last one has left, it
//! is dropped, which cancels the call upstream.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};
use mcpo_core::load::ShedReason;
use tokio::time::{Instant, timeout_at};

use crate::pipeline::Report;
use crate::question::{ByQuestion, Question};

/// Calls on different shards never meet. Many more than cores.
const SHARDS: usize = 64;

/// Flights of one shard at once; a call beyond them goes alone. Far more than all calls that the
/// process takes in hand by default.
const FLIGHTS_PER_SHARD_MAX: usize = 1024;

/// Calls that join one flight; the next one leads another. More than the process takes in hand by
/// default.
const FOLLOWERS_MAX: u32 = 16_384;

/// All flights that can be joined.
pub(crate) struct Flights {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    /// By the hash of the question. Two questions of one hash: the second one flies alone.
    flights: HashMap<u64, Entry, ByQuestion>,
    /// Of the last flight.
    number: u64,
}

struct Entry {
    number: u64,
    question: Question,
    facts: Arc<Facts>,
    followers: u32,
    flying: WeakShared<Flying>,
}

type Flying = Pin<Box<dyn Future<Output = Landing> + Send>>;

/// How a flight ended. Everybody who waits gets a copy; an answer's bytes are shared.
#[derive(Clone)]
enum Landing {
    Landed(Report),
    /// Its work panicked; whoever takes this goes on with that.
    Broke(Arc<Mutex<Option<Box<dyn Any + Send>>>>),
}

/// What a flight must have begun after to be joined. Both only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// How often the upstream was written to.
    pub(crate) writes: u64,
    /// How often it was ordered to forget answers.
    pub(crate) purges: u64,
}

/// What is known of a flight to those who wait for it.
#[derive(Debug)]
pub(crate) struct Facts {
    /// When it began.
    pub(crate) epoch: Epoch,
    /// It ends by then.
    pub(crate) deadline: Instant,
    /// When the caller who leads it would have given up, where that is before the deadline.
    pub(crate) impatient_at: Option<Instant>,
    /// Attempts that were begun.
    attempts: AtomicU32,
    /// One of them may have acted, or is under way.
    may_have_acted: AtomicBool,
    /// There is room for the call at its upstream; until then it waits in line.
    has_place: AtomicBool,
}

/// A place in a flight. The last one that is dropped cancels it.
pub(crate) struct Flight {
    shared: Shared<Flying>,
    facts: Arc<Facts>,
    leads: bool,
}

/// What a caller sees of a flight's end.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Its report; the caller's own, if it led.
    Landed(Report),
    /// The flight ended for reasons of its own, and the caller has time left.
    TooEarly,
    /// The caller's deadline came first.
    TooLate {
        /// An attempt of the flight's may have acted, or is under way.
        may_have_acted: bool,
        /// Attempts that were begun, where the caller led.
        attempts: Option<u32>,
    },
    /// The same, and there was no room for the call at its upstream until then.
    StillInLine,
}

/// Takes a flight off the board when it has landed, or is dropped.
struct Boarding {
    flights: Arc<Flights>,
    hash: u64,
    number: u64,
}

// === impl Flights ===

impl Flights {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// A place in a flight with that question that began in the same epoch, or else in a new one,
    /// which does the given work. `None` where there is no room for another flight.
    pub(crate) fn board<F>(
        self: &Arc<Self>,
        question: &Question,
        facts: Facts,
        work: impl FnOnce(Arc<Facts>) -> F,
    ) -> Option<Flight>
    where
        F: Future<Output = Report> + Send + 'static,
    {
        let hash = question.hash();
        let mut shard = self.shard(hash);
        let Shard { flights, number } = &mut *shard;
        let is_full = flights.len() >= FLIGHTS_PER_SHARD_MAX;
        let slot = flights.entry(hash);
        if let Slot::Occupied(entry) = &slot
            && entry.get().question != *question
        {
            return None;
        }
        let slot = match slot {
            Slot::Occupied(mut entry) => match entry.get_mut().join(facts.epoch) {
                Some(flight) => return Some(flight),
                None => Slot::Occupied(entry),
            },
            Slot::Vacant(_) if is_full => return None,
            Slot::Vacant(vacant) => Slot::Vacant(vacant),
        };
        *number += 1;
        let facts = Arc::new(facts);
        let work = work(Arc::clone(&facts));
        let boarding = Boarding { flights: Arc::clone(self), hash, number: *number };
        let flying = fly(work, boarding).shared();
        let entry = Entry {
            number: *number,
            question: question.clone(),
            facts: Arc::clone(&facts),
            followers: 0,
            flying: flying.downgrade().expect("it was not polled"),
        };
        slot.insert_entry(entry);
        Some(Flight { shared: flying, facts, leads: true })
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The map takes the lower bits, and the upper seven.
        let index = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().expect("it is whole").flights.len()).sum()
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

/// The work, until its end is known; nobody joins after that. A panic does not leave those waiting
/// who did not meet it.
fn fly<F>(work: F, boarding: Boarding) -> Flying
where
    F: Future<Output = Report> + Send + 'static,
{
    let landing = AssertUnwindSafe(work).catch_unwind().map(move |landed| {
        drop(boarding);
        match landed {
            Ok(report) => Landing::Landed(report),
            Err(panic) => Landing::Broke(Arc::new(Mutex::new(Some(panic)))),
        }
    });
    Box::pin(landing)
}

// === impl Entry ===

impl Entry {
    /// `None` if it cannot be joined. What is looked up here is not the last that holds the flight,
    /// whose end would want the shard: that is asked for last.
    fn join(&mut self, epoch: Epoch) -> Option<Flight> {
        if self.facts.epoch != epoch || self.followers >= FOLLOWERS_MAX {
            return None;
        }
        let shared = self.flying.upgrade()?;
        self.followers += 1;
        Some(Flight { shared, facts: Arc::clone(&self.facts), leads: false })
    }
}

// === impl Facts ===

impl Facts {
    pub(crate) fn new(epoch: Epoch, deadline: Instant, impatient_at: Option<Instant>) -> Self {
        Self {
            epoch,
            deadline,
            impatient_at,
            attempts: AtomicU32::new(0),
            may_have_acted: AtomicBool::new(false),
            has_place: AtomicBool::new(false),
        }
    }

    /// By when whoever leads it must have the answer: a call that could not be answered by then is
    /// not worth a place. Who joined with more time leads one of their own.
    pub(crate) fn patience(&self) -> Instant {
        self.impatient_at.unwrap_or(self.deadline)
    }

    /// It is in line no longer.
    pub(crate) fn set_has_place(&self) {
        self.has_place.store(true, Ordering::Relaxed);
    }

    /// An attempt is being sent.
    pub(crate) fn sending(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.set_may_have_acted(true);
    }

    /// Whether the call may have acted so far.
    pub(crate) fn set_may_have_acted(&self, may_have_acted: bool) {
        self.may_have_acted.store(may_have_acted, Ordering::Relaxed);
    }
}

// === impl Flight ===

impl Flight {
    /// Waits for its end, until the deadline at most.
    ///
    /// Cancel-safe: dropping it leaves the flight to the others, or cancels it where there are
    /// none.
    pub(crate) async fn arrive(self, deadline: Instant) -> Arrival {
        let Self { shared, facts, leads } = self;
        // Without a timer of its own where the flight ends before that anyway.
        let landing = if deadline >= facts.deadline {
            Some(shared.await)
        } else {
            timeout_at(deadline, shared).await.ok()
        };
        match landing {
            None if !facts.has_place.load(Ordering::Relaxed) => Arrival::StillInLine,
            None => Arrival::TooLate {
                may_have_acted: facts.may_have_acted.load(Ordering::Relaxed),
                attempts: leads.then(|| facts.attempts.load(Ordering::Relaxed)),
            },
            Some(Landing::Landed(report)) if leads => Arrival::Landed(report),
            Some(Landing::Landed(report)) if ended_for_time(&report, &facts, deadline) => {
                Arrival::TooEarly
            }
            Some(Landing::Landed(report)) => Arrival::Landed(Report {
                shared: true,
                attempts: 0,
                upstream: Duration::ZERO,
                ..report
            }),
            Some(Landing::Broke(panic)) => {
                // One of those who wait meets it, as one call alone would have; the others go on.
                let taken = panic.lock().unwrap_or_else(PoisonError::into_inner).take();
                match taken {
                    Some(panic) => resume_unwind(panic),
                    None => Arrival::TooEarly,
                }
            }
        }
    }
}

/// Whether a flight without an answer would have got one in the time that a follower still has.
fn ended_for_time(report: &Report, facts: &Facts, deadline: Instant) -> bool {
    let now = Instant::now();
    // In line it is the leader's time that counts, in flight the longer one.
    let (was_late, ended_by) = if report.shed == Some(ShedReason::TooLate) {
        (true, facts.patience())
    } else {
        (now >= facts.deadline, facts.deadline)
    };
    was_late && ended_by < deadline && now < deadline && report.outcome.fault().is_some()
}

// === impl Boarding ===

impl Drop for Boarding {
    fn drop(&mut self) {
        let mut shard = self.flights.shard(self.hash);
        if let Slot::Occupied(entry) = shard.flights.entry(self.hash)
            && entry.get().number == self.number
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;

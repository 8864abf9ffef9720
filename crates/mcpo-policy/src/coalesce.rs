//! Equal calls in flight share one: the first one leads, and whoever comes with the same question
//! before it has landed joins.
//!
//! A flight belongs to those who wait for it, and is driven by one of them: the first one at first,
//! and when that one leaves, the next in line. When the last one has left, it is dropped, which
//! cancels the call upstream. One that nobody joined costs hardly more than the call alone.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use mcpo_core::load::ShedReason;
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
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

/// A flight that has not landed so long after its time is driven by nobody who gets on: those in line
/// wait no longer. Well above the delay of a wake-up in a busy process, and nothing beside a call's
/// time.
const LANDING_TIME_MAX: Duration = Duration::from_millis(100);

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
    epoch: Epoch,
    followers: u32,
    flying: Weak<Flying>,
}

/// A flight under way. Whoever is in its one seat drives it; the others wait for the seat.
struct Flying {
    facts: Arc<Facts>,
    /// Closed once it has landed.
    seat: Semaphore,
    /// Until it has landed.
    work: Mutex<Option<Work>>,
    /// What the others are given: nothing, where it broke.
    landing: OnceLock<Option<Report>>,
}

/// What a flight does, and its place on the board, which ends with it.
struct Work {
    working: Pin<Box<dyn Future<Output = Report> + Send>>,
    _boarding: Boarding,
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
    flying: Arc<Flying>,
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
        let working = in_box(|| work(Arc::clone(&facts)));
        let epoch = facts.epoch;
        // Last, as its end wants the shard.
        let boarding = Boarding { flights: Arc::clone(self), hash, number: *number };
        let flying = Arc::new(Flying {
            facts,
            seat: Semaphore::new(1),
            work: Mutex::new(Some(Work { working, _boarding: boarding })),
            landing: OnceLock::new(),
        });
        slot.insert_entry(Entry {
            number: *number,
            question: question.clone(),
            epoch,
            followers: 0,
            flying: Arc::downgrade(&flying),
        });
        Some(Flight { flying, leads: true })
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

/// A large future is made in its box, and so never copied.
pub(crate) fn in_box<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

// === impl Entry ===

impl Entry {
    /// `None` if it cannot be joined. What is looked up here is not the last that holds the flight,
    /// whose end would want the shard: that is asked for last.
    fn join(&mut self, epoch: Epoch) -> Option<Flight> {
        if self.epoch != epoch || self.followers >= FOLLOWERS_MAX {
            return None;
        }
        let flying = self.flying.upgrade()?;
        self.followers += 1;
        Some(Flight { flying, leads: false })
    }
}

// === impl Flying ===

impl Flying {
    /// Its report, driving it when it is one's turn. `None` where it broke; whoever drove it then
    /// goes on with the panic, as one call alone would have.
    ///
    /// Cancel-safe: the next in line drives it.
    async fn landed(self: &Arc<Self>, deadline: Instant) -> Result<Option<Report>, Elapsed> {
        // The first one has it without a look at the line.
        let seat = match self.seat.try_acquire() {
            Ok(seat) => seat,
            // Nobody's time hangs on another call being polled.
            Err(_) => match timeout_at(self.in_line_until(deadline), self.seat.acquire()).await? {
                Ok(seat) => seat,
                Err(_landed) => return Ok(self.landing.get().cloned().flatten()),
            },
        };
        let driving = poll_fn(|cx| self.drive(cx));
        // Without a timer of its own where the flight ends before that anyway.
        let driven = if deadline >= self.facts.deadline {
            driving.await
        } else {
            timeout_at(deadline, driving).await?
        };
        match driven {
            Ok(report) => {
                self.land(Some(&report));
                // Nobody wants it any more.
                seat.forget();
                Ok(Some(report))
            }
            Err(panic) => {
                self.land(None);
                resume_unwind(panic)
            }
        }
    }

    /// Until when one with that deadline waits for whoever drives. What the flight comes to in its
    /// last moment is still waited for.
    fn in_line_until(&self, deadline: Instant) -> Instant {
        if deadline < self.facts.deadline {
            deadline
        } else {
            deadline.max(self.facts.deadline + LANDING_TIME_MAX)
        }
    }

    /// Never waits for the lock: only who is in the seat takes it.
    fn drive(&self, cx: &mut Context<'_>) -> Poll<Result<Report, Box<dyn Any + Send>>> {
        let mut work = self.work();
        let working = &mut work.as_mut().expect("the seat is closed once it landed").working;
        let polled = catch_unwind(AssertUnwindSafe(|| working.as_mut().poll(cx)));
        polled.map_or_else(|panic| Poll::Ready(Err(panic)), |polled| polled.map(Ok))
    }

    /// Nobody joins it any more; those who did are given its report.
    fn land(self: &Arc<Self>, report: Option<&Report>) {
        let work = self.work().take();
        drop(work);
        if Arc::strong_count(self) > 1 {
            let _first = self.landing.set(report.cloned());
            self.seat.close();
        }
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
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
        let Self { flying, leads } = self;
        let facts = &flying.facts;
        match flying.landed(deadline).await {
            Err(_) if !facts.has_place.load(Ordering::Relaxed) => Arrival::StillInLine,
            Err(_) => Arrival::TooLate {
                may_have_acted: facts.may_have_acted.load(Ordering::Relaxed),
                attempts: leads.then(|| facts.attempts.load(Ordering::Relaxed)),
            },
            Ok(Some(report)) if leads => Arrival::Landed(report),
            Ok(None) => Arrival::TooEarly,
            Ok(Some(report)) if ended_for_time(&report, facts, deadline) => Arrival::TooEarly,
            Ok(Some(report)) => Arrival::Landed(Report {
                shared: true,
                attempts: 0,
                upstream: Duration::ZERO,
                ..report
            }),
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

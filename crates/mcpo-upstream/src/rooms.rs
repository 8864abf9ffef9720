//! Room for an upstream's calls: so many are in flight at once, so many wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpo_core::catalog::Tool;
use mcpo_core::identity::Identity;
use mcpo_core::load::{ServerLoad, ShedReason};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::meter::Meter;

/// A call that wants a place.
#[derive(Debug, Clone, Copy)]
pub struct Ticket<'a> {
    /// What it calls.
    pub tool: &'a Tool,
    /// For whom.
    pub identity: &'a Identity,
    /// When its caller must have its answer.
    pub deadline: Instant,
}

/// What a call's end says of how many calls its upstream can take at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// It was answered: there may be room for more.
    Answered,
    /// It was refused, or not answered in the time that is usual: there were too many.
    Lost,
    /// Nothing.
    Neutral,
}

/// The room of one upstream.
#[derive(Debug)]
pub(crate) struct Rooms {
    places: Semaphore,
    /// Counts those that wait for a place.
    meter: Arc<Meter>,
}

/// Room for one call at an upstream, until it is settled or dropped.
#[derive(Debug)]
pub struct Place<'a> {
    _permit: SemaphorePermit<'a>,
}

/// Counts a call that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

// === impl Rooms ===

impl Rooms {
    pub(crate) fn new(meter: Arc<Meter>) -> Arc<Self> {
        meter.limit.store(ServerLoad::MAX_CONCURRENT.get(), Ordering::Relaxed);
        Arc::new(Self { places: Semaphore::new(ServerLoad::MAX_CONCURRENT.get()), meter })
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    pub(crate) fn queued(&self) -> usize {
        self.meter.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn come_back_in(&self) -> Duration {
        Duration::from_secs(1)
    }

    pub(crate) async fn enter(&self, ticket: Ticket<'_>) -> Result<Place<'_>, ShedReason> {
        if let Ok(permit) = self.places.try_acquire() {
            return Ok(Place { _permit: permit });
        }
        let _waiting = Waiting::new(&self.meter.queued).ok_or(ShedReason::ServerFull)?;
        let permit = timeout_at(ticket.deadline, self.places.acquire()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(ShedReason::TooLate)?;
        Ok(Place { _permit: permit })
    }
}

// === impl Place ===

impl Place<'_> {
    /// The call has ended; what it came to says how many there may be at once from now on.
    pub fn settle(self, _now: Instant, _feedback: Feedback) {}
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < ServerLoad::MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

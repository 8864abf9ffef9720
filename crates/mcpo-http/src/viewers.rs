//! Places of those who watch live: few, given to others when their holder takes nothing any more,
//! and all over when we stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How many may watch at once: a wall of screens. Each costs a picture a second.
pub(crate) const LIVE_VIEWERS_MAX: usize = 16;

/// Who takes nothing for so long loses its place to the next one who asks for it. A viewer that
/// reads is asked each second whether it takes more; 30 s as for all other answers.
pub(crate) const VIEWER_STALL_MAX: Duration = Duration::from_secs(30);

/// Those who watch.
#[derive(Debug)]
pub(crate) struct Viewers {
    began: Instant,
    seats: Mutex<Vec<Arc<Seat>>>,
    ending: watch::Sender<bool>,
}

#[derive(Debug)]
struct Seat {
    /// When its holder last took something or waited for more, in milliseconds after `began`;
    /// [`GIVEN_AWAY`] once the place is another's.
    asked_ms: AtomicU64,
}

const GIVEN_AWAY: u64 = u64::MAX;

/// One viewer's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    viewers: Arc<Viewers>,
    seat: Arc<Seat>,
}

// === impl Viewers ===

impl Viewers {
    pub(crate) fn new() -> Arc<Self> {
        let (ending, _) = watch::channel(false);
        Arc::new(Self { began: Instant::now(), seats: Mutex::default(), ending })
    }

    /// A place, if need be that of a viewer who takes nothing; `None` where all do.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let now = self.now_ms();
        let mut seats = self.seats();
        if seats.len() >= LIVE_VIEWERS_MAX {
            let stalled = seats.iter().position(|seat| seat.is_stalled(now))?;
            seats.swap_remove(stalled).asked_ms.store(GIVEN_AWAY, Ordering::Relaxed);
        }
        let seat = Arc::new(Seat { asked_ms: AtomicU64::new(now) });
        seats.push(seat.clone());
        Some(Place { viewers: self.clone(), seat })
    }

    /// Ends all that is told live, now and from now on.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Turns true when all ends.
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(GIVEN_AWAY - 1)
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seat ===

impl Seat {
    fn is_stalled(&self, now_ms: u64) -> bool {
        let stalled_ms = now_ms.saturating_sub(self.asked_ms.load(Ordering::Relaxed));
        u128::from(stalled_ms) > VIEWER_STALL_MAX.as_millis()
    }
}

// === impl Place ===

impl Place {
    /// Notes that its holder asks for more, and says whether the place is still its own.
    pub(crate) fn is_kept(&self) -> bool {
        // Under the lock no one gives the place away between the look and the note.
        let _seats = self.viewers.seats();
        if self.seat.asked_ms.load(Ordering::Relaxed) == GIVEN_AWAY {
            return false;
        }
        self.seat.asked_ms.store(self.viewers.now_ms(), Ordering::Relaxed);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.viewers.seats().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

#[cfg(test)]
mod tests;

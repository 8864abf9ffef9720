//! One upstream in a snapshot, and what a call or an operator does with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::view::{State, View};
use crate::bell::Bell;
use crate::gate::Gate;
use crate::live::LiveSession;
use crate::meter::Meter;
use crate::order::{Order, OrderError, Request, Told};

/// One upstream in a snapshot.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What it was when the snapshot was made.
    pub view: Arc<View>,
    pub(super) seat: u64,
    views: watch::Receiver<Arc<View>>,
    /// The views end once no keeper holds their sender.
    sender: Weak<watch::Sender<Arc<View>>>,
    rooms: Arc<Rooms>,
    gate: Arc<Gate>,
    bell: Arc<Bell>,
    orders: mpsc::Sender<Request>,
}

/// Calls of one upstream at once. Well below the connections and the calls that the process takes
/// in all, so that one that hangs leaves room for the others.
pub const CALLS_IN_FLIGHT_MAX: usize = 1024;

/// Calls that wait for one of these places, each until its deadline. As many again as are in
/// flight: whoever waits behind them would hardly be served in time.
pub const CALLS_WAITING_MAX: usize = 1024;

#[derive(Debug)]
struct Rooms {
    places: Semaphore,
    /// Counts those that wait for a place.
    meter: Arc<Meter>,
}

/// Room for one call at an upstream, until it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    _permit: SemaphorePermit<'a>,
}

/// Counts a call that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

/// What a new seat brings.
pub(super) type Furniture = (Arc<View>, Arc<Gate>, Arc<Bell>, mpsc::Sender<Request>, Arc<Meter>);

// === impl Upstream ===

impl Upstream {
    /// An upstream whose seat is taken, over from `before` where there was one: those who wait for
    /// it, and the places of its calls, stay.
    pub(super) fn entering(
        before: Option<&Self>,
        seat: u64,
        (view, gate, bell, orders, meter): Furniture,
    ) -> (Self, Arc<watch::Sender<Arc<View>>>) {
        let sender = before.and_then(|before| before.sender.upgrade());
        let sender = sender.unwrap_or_else(|| Arc::new(watch::Sender::new(view.clone())));
        let rooms = before.map_or_else(|| Rooms::new(meter), |before| before.rooms.clone());
        let upstream = Self {
            view,
            seat,
            views: sender.subscribe(),
            sender: Arc::downgrade(&sender),
            rooms,
            gate,
            bell,
            orders,
        };
        (upstream, sender)
    }

    /// Follows this upstream's views from now on. Cancel-safe, as all of `watch`.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// What judges whether calls may be sent, and sent again.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Where its calls are counted. It stays the same one when the upstream is replaced, or comes
    /// back under its name.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.rooms.meter
    }

    /// How many calls wait for a [place](Self::place).
    #[must_use]
    pub fn queued(&self) -> usize {
        self.rooms.meter.queued.load(Ordering::Relaxed)
    }

    /// A place among this upstream's calls in flight, held until it is dropped; waits for one until
    /// the deadline, in the order of coming. `None` when that is reached, or at once when
    /// [`CALLS_WAITING_MAX`] wait already.
    ///
    /// Cancel-safe: dropping it leaves the queue.
    pub async fn place(&self, deadline: Instant) -> Option<Place<'_>> {
        let rooms = &*self.rooms;
        if let Ok(permit) = rooms.places.try_acquire() {
            return Some(Place { _permit: permit });
        }
        let _waiting = Waiting::new(&rooms.meter.queued)?;
        let permit = timeout_at(deadline, rooms.places.acquire()).await.ok()?.ok()?;
        Some(Place { _permit: permit })
    }

    /// Tells the keeper that a call waits for a session. Telling it more than once costs nothing.
    pub fn want(&self) {
        self.bell.want();
    }

    /// Time may have passed uncounted: each session is looked at before it is used again.
    pub(crate) fn doubt_time(&self) {
        let all = self.view.sessions.iter().chain(&self.view.withheld);
        all.for_each(|live| live.member.doubt_time());
    }

    /// Has an order carried out, and says how the upstream stands then. [`Order::Validate`] ends
    /// when every session has been looked at and no attempt is under way, at the deadline at the
    /// latest.
    ///
    /// Cancel-safe: an order that was taken is carried out.
    ///
    /// # Errors
    /// It was not carried out, or not in time.
    pub async fn order(&self, order: Order, deadline: Instant) -> Result<Told, OrderError> {
        let (done, carried_out) = oneshot::channel();
        self.orders.try_send(Request { order, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => OrderError::Full,
            mpsc::error::TrySendError::Closed(_) => OrderError::Gone,
        })?;
        let carried_out = timeout_at(deadline, carried_out).await;
        carried_out.map_err(|_| OrderError::Late)?.map_err(|_| OrderError::Gone)?;
        let mut views = self.follow();
        if order == Order::Validate {
            // Also at the deadline it is told how things stand.
            let _looked = timeout_at(deadline, validated(&mut views)).await;
        }
        let view = Arc::clone(&views.borrow());
        Ok(Told {
            state: view.state.name(),
            sessions: view.sessions.len(),
            in_flight: view.outstanding(),
            fault: view.state.fault().cloned(),
        })
    }
}

/// Ends when every session was looked at, and no attempt is under way.
async fn validated(views: &mut watch::Receiver<Arc<View>>) {
    loop {
        let view = Arc::clone(&views.borrow_and_update());
        for live in &view.sessions {
            live.member.looked_at().await;
        }
        let starting = matches!(view.state, State::Starting { .. });
        let all_usable = view.sessions.iter().all(LiveSession::is_usable);
        if (!starting && all_usable) || views.changed().await.is_err() {
            return;
        }
    }
}

// === impl Rooms ===

impl Rooms {
    fn new(meter: Arc<Meter>) -> Arc<Self> {
        Arc::new(Self { places: Semaphore::new(CALLS_IN_FLIGHT_MAX), meter })
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < CALLS_WAITING_MAX).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

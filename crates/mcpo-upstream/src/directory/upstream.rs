//! One upstream in a snapshot, and what a call or an operator does with it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use mcpo_core::load::{ServerLoad, ShedReason};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::view::{State, View};
use crate::bell::Bell;
use crate::gate::Gate;
use crate::live::LiveSession;
use crate::meter::Meter;
use crate::order::{Order, OrderError, Request, Told};
use crate::rooms::{InHand, Place, Rooms, Ticket};
use crate::sleep::Beat;

/// One upstream in a snapshot. Two counters make a clone of it: all calls of an upstream would
/// else write the same ten.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What it was when the snapshot was made.
    pub view: Arc<View>,
    seating: Arc<Seating>,
}

/// What is the same for all of its views while its seat is.
#[derive(Debug)]
struct Seating {
    number: u64,
    views: watch::Receiver<Arc<View>>,
    /// The views end once no keeper holds their sender.
    sender: Weak<watch::Sender<Arc<View>>>,
    rooms: Arc<Rooms>,
    gate: Arc<Gate>,
    bell: Arc<Bell>,
    beat: Arc<Beat>,
    orders: mpsc::Sender<Request>,
}

/// Calls of one upstream at once, where its operator says nothing else.
pub const CALLS_IN_FLIGHT_MAX: usize = ServerLoad::MAX_CONCURRENT.get();

/// Calls that wait for one of these places, where its operator says nothing else.
pub const CALLS_WAITING_MAX: usize = ServerLoad::MAX_WAITING;

/// What a new seat brings.
pub(super) type Furniture =
    (Arc<View>, Arc<Gate>, Arc<Bell>, mpsc::Sender<Request>, (Arc<Meter>, Arc<Beat>));

// === impl Upstream ===

impl Upstream {
    /// An upstream whose seat is taken, over from `before` where there was one: those who wait for
    /// it, and the places of its calls, stay.
    pub(super) fn entering(
        before: Option<&Self>,
        seat: u64,
        (view, gate, bell, orders, (meter, beat)): Furniture,
    ) -> (Self, Arc<watch::Sender<Arc<View>>>) {
        let before = before.map(|before| &before.seating);
        let sender = before.and_then(|before| before.sender.upgrade());
        let sender = sender.unwrap_or_else(|| Arc::new(watch::Sender::new(view.clone())));
        let rooms = before.map(|before| Arc::clone(&before.rooms));
        let rooms = rooms.unwrap_or_else(|| Rooms::new(meter, &view.load));
        rooms.follow(&view.load);
        let seating = Seating {
            number: seat,
            views: sender.subscribe(),
            sender: Arc::downgrade(&sender),
            rooms,
            gate,
            bell,
            beat,
            orders,
        };
        (Self { view, seating: Arc::new(seating) }, sender)
    }

    pub(super) fn rooms(&self) -> &Rooms {
        &self.seating.rooms
    }

    /// Another number whenever the upstream is replaced, or comes back; no other upstream has it.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.seating.number
    }

    /// Follows this upstream's views from now on. Cancel-safe, as all of `watch`.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<View>> {
        self.seating.views.clone()
    }

    /// What judges whether calls may be sent, and sent again.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.seating.gate
    }

    /// Where its calls are counted. It stays the same one when the upstream is replaced, or comes
    /// back under its name.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        self.seating.rooms.meter()
    }

    /// How many calls wait for a [place](Self::enter).
    #[must_use]
    pub fn queued(&self) -> usize {
        self.seating.rooms.queued()
    }

    /// A place among this upstream's calls in flight, held until it is settled or dropped; waits
    /// for one while there is hope that the call is answered by its deadline.
    ///
    /// Cancel-safe: dropping it leaves the queue.
    ///
    /// # Errors
    /// There is no room for the call, or not in time; nothing of it was sent.
    pub async fn enter(&self, ticket: Ticket<'_>) -> Result<Place<'_>, ShedReason> {
        self.seating.rooms.enter(ticket).await
    }

    /// Takes a call in hand for this upstream, where it has fewer than that: its share of what the
    /// process holds. One that is alone has all of it.
    #[must_use]
    pub fn take_in_hand(&self, share: usize) -> Option<InHand<'_>> {
        self.seating.rooms.take_in_hand(share)
    }

    /// When one that was turned away had better come again: an honest guess, at least a second.
    #[must_use]
    pub fn come_back_in(&self) -> Duration {
        self.seating.rooms.come_back_in()
    }

    /// Tells the keeper that a call waits for a session. Telling it more than once costs nothing.
    pub fn want(&self) {
        self.seating.bell.want();
    }

    /// Whether time may have passed uncounted of late, which nobody else has noticed yet; its
    /// sessions are looked at then. One load and a comparison where all is well.
    pub fn notice_jump(&self, now: Instant) -> bool {
        let is_late = self.seating.beat.is_late(now);
        if is_late {
            self.doubt_time();
        }
        is_late
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
        self.seating.orders.try_send(Request { order, done }).map_err(|error| match error {
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

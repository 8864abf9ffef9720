//! Room for an upstream's calls: so many are in flight at once, of the upstream, of a tool and of an
//! identity, and so many wait for that.
//!
//! A call of a tool with a bound of its own passes the tool's room first, and then the upstream's:
//! those who wait for one tool are in nobody's way who wants another. Each room has a line of its
//! own, see [`mcpo_core::queue`]; the upstream's bound is learnt, see [`mcpo_core::limit`] and
//! [`mcpo_core::knee`].

mod pace;
mod room;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mcpo_core::catalog::Tool;
use mcpo_core::identity::Identity;
use mcpo_core::knee::Answer;
use mcpo_core::limit::{AdaptiveLimit, Sent};
use mcpo_core::load::{ServerLoad, ShedReason};
use tokio::time::Instant;

use crate::headcount::{Counted, Headcount};
use crate::meter::Meter;
use crate::rooms::pace::{Pace, Slot};
use crate::rooms::room::{Room, Wish};

/// Nobody is told to come back sooner: the header counts whole seconds.
const COME_BACK_MIN: Duration = Duration::from_secs(1);

/// Nobody is told to stay away for longer: much can change in a minute, and who has to wait for
/// that long in a line is sent away from it by its deadline.
const COME_BACK_MAX: Duration = Duration::from_secs(60);

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

/// The room of one upstream. It stays when the upstream is replaced.
#[derive(Debug)]
pub(crate) struct Rooms {
    all: Room,
    limit: AdaptiveLimit,
    is_adaptive: AtomicBool,
    waiting_max: AtomicUsize,
    /// Of one identity; 0 for no bound.
    of_one_max: AtomicUsize,
    identities: Headcount,
    /// Of tools with a bound that are in use; a call holds it while it waits or is in flight.
    tools: RwLock<HashMap<Box<str>, Arc<Room>>>,
    pace: Arc<Pace>,
    /// Counts those that wait for a place, and tells the limit.
    meter: Arc<Meter>,
    in_hand: AtomicUsize,
    is_alone: AtomicBool,
}

/// Room for one call at an upstream, until it is settled or dropped. Dropped, it says nothing of
/// how many calls there may be.
#[derive(Debug)]
#[must_use = "it is free again once it is dropped"]
pub struct Place<'a> {
    rooms: &'a Rooms,
    tool: Option<Arc<Room>>,
    _of_identity: Option<Counted<'a>>,
    slot: Slot,
    began: Instant,
    /// Calls that the upstream had answered by then, and was sent before.
    answers: u64,
    number: u64,
    /// How many were in flight then, it included.
    in_flight: usize,
    is_answered: bool,
}

/// A call that is in the process for an upstream, whatever it waits for there, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct InHand<'a>(&'a AtomicUsize);

/// Counts a call that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

/// Gives a tool's place back unless the call comes to its own.
struct ToolPlace(Option<Arc<Room>>);

// === impl Rooms ===

impl Rooms {
    pub(crate) fn new(meter: Arc<Meter>, load: &ServerLoad) -> Arc<Self> {
        let now = Instant::now();
        let pace = Arc::new(Pace::new(now));
        let rooms = Self {
            all: Room::new(load.max_concurrent.get(), &pace),
            limit: AdaptiveLimit::new(load.max_concurrent, now.into_std()),
            is_adaptive: AtomicBool::new(load.adaptive),
            waiting_max: AtomicUsize::new(0),
            of_one_max: AtomicUsize::new(0),
            identities: Headcount::default(),
            tools: RwLock::default(),
            pace,
            meter,
            in_hand: AtomicUsize::new(0),
            is_alone: AtomicBool::new(false),
        };
        rooms.follow(load);
        Arc::new(rooms)
    }

    /// Other bounds from now on, also for those who wait.
    pub(crate) fn follow(&self, load: &ServerLoad) {
        self.limit.set_ceiling(load.max_concurrent);
        self.is_adaptive.store(load.adaptive, Ordering::Relaxed);
        if !load.adaptive {
            self.limit.reset();
        }
        self.waiting_max.store(load.max_waiting, Ordering::Relaxed);
        let of_one_max = load.max_per_identity.map_or(0, NonZeroUsize::get);
        self.of_one_max.store(of_one_max, Ordering::Relaxed);
        self.set_bound();
        self.all.look();
    }

    /// Whether there are other upstreams that it must leave room for.
    pub(crate) fn set_alone(&self, is_alone: bool) {
        self.is_alone.store(is_alone, Ordering::Relaxed);
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    pub(crate) fn queued(&self) -> usize {
        self.meter.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn come_back_in(&self) -> Duration {
        self.all.wait().clamp(COME_BACK_MIN, COME_BACK_MAX)
    }

    pub(crate) fn take_in_hand(&self, share: usize) -> Option<InHand<'_>> {
        let before = self.in_hand.fetch_add(1, Ordering::Relaxed);
        let in_hand = InHand(&self.in_hand);
        (before < share || self.is_alone.load(Ordering::Relaxed)).then_some(in_hand)
    }

    pub(crate) async fn enter<'a>(&'a self, ticket: Ticket<'_>) -> Result<Place<'a>, ShedReason> {
        let of_identity = self.count(ticket.identity)?;
        let slot = Slot::of(ticket.tool);
        let tool = match ticket.tool.max_concurrent {
            None => ToolPlace(None),
            Some(bound) => ToolPlace(Some(self.enter_tool(ticket, slot, bound).await?)),
        };
        if !self.all.try_enter() {
            let _waiting = Waiting::new(&self.meter.queued);
            self.all.enter(self.wish(ticket, slot)).await?;
        }
        let (began, answers) = (Instant::now(), self.limit.answers());
        Ok(Place {
            rooms: self,
            tool: tool.keep(),
            _of_identity: of_identity,
            slot,
            began,
            answers,
            number: self.limit.send(),
            in_flight: self.all.in_flight(),
            is_answered: false,
        })
    }

    fn count(&self, identity: &Identity) -> Result<Option<Counted<'_>>, ShedReason> {
        match self.of_one_max.load(Ordering::Relaxed) {
            0 => Ok(None),
            max => self.identities.enter(identity, max).ok_or(ShedReason::IdentityFull).map(Some),
        }
    }

    async fn enter_tool(
        &self,
        ticket: Ticket<'_>,
        slot: Slot,
        bound: NonZeroUsize,
    ) -> Result<Arc<Room>, ShedReason> {
        let room = self.tool(&ticket.tool.definition.name, bound);
        if !room.try_enter() {
            let _waiting = Waiting::new(&self.meter.queued);
            room.enter(self.wish(ticket, slot)).await?;
        }
        Ok(room)
    }

    /// The room of a tool that has a bound.
    fn tool(&self, name: &str, bound: NonZeroUsize) -> Arc<Room> {
        let known =
            self.tools.read().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone);
        let Some(room) = known else { return self.first_of_tool(name, bound) };
        if room.bound() != bound.get() {
            room.set_bound(bound.get());
            room.look();
        }
        room
    }

    /// Only names that the configuration gives a bound come here; those that nobody uses go, so
    /// that a configuration that changes for ever fills nothing.
    fn first_of_tool(&self, name: &str, bound: NonZeroUsize) -> Arc<Room> {
        let mut tools = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        tools.retain(|known, room| **known == *name || Arc::strong_count(room) > 1);
        let room = || Arc::new(Room::new(bound.get(), &self.pace));
        Arc::clone(tools.entry(name.into()).or_insert_with(room))
    }

    fn wish<'a>(&self, ticket: Ticket<'a>, slot: Slot) -> Wish<'a> {
        let waiting_max = self.waiting_max.load(Ordering::Relaxed);
        Wish { identity: ticket.identity, deadline: ticket.deadline, slot, waiting_max }
    }

    fn set_bound(&self) {
        // Of two who set it at once the later one may have the older limit in hand: whoever changed
        // the bound looks again.
        while self.all.set_bound(self.limit()) {
            fence(Ordering::SeqCst);
        }
        self.all.set_learnt(self.limit() < self.limit.ceiling());
        let limit = self.all.bound();
        if self.meter.limit.load(Ordering::Relaxed) != limit {
            self.meter.limit.store(limit, Ordering::Relaxed);
        }
    }

    /// A call that settles as learning is switched off may still tell the limit something, which does
    /// not count.
    fn limit(&self) -> usize {
        let is_adaptive = self.is_adaptive.load(Ordering::Relaxed);
        if is_adaptive { self.limit.get() } else { self.limit.ceiling() }
    }

    fn learn(&self, limit: impl FnOnce(&AdaptiveLimit)) {
        if self.is_adaptive.load(Ordering::Relaxed) {
            limit(&self.limit);
            self.set_bound();
        }
    }
}

// === impl Place ===

impl Place<'_> {
    /// When it was given.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// An attempt that began then was too much for the upstream. The call goes on.
    pub fn lost(&self, began: Instant, now: Instant) {
        let rooms = self.rooms;
        let attempt = Sent { at: began.into_std(), answers: self.answers };
        rooms.learn(|limit| limit.lost(attempt, rooms.all.in_flight(), now.into_std()));
    }

    fn answer(&self, took: Duration) -> Answer {
        let Self { number, in_flight, .. } = *self;
        Answer { tool: self.slot.index(), number, in_flight, took }
    }

    /// The call has ended; what it came to says how many there may be at once from now on.
    pub fn settle(mut self, now: Instant, feedback: Feedback) {
        let rooms = self.rooms;
        match feedback {
            Feedback::Answered => {
                self.is_answered = true;
                let took = now.saturating_duration_since(self.began);
                rooms.pace.answered(self.slot, took, now);
                rooms.learn(|limit| {
                    let in_flight = rooms.all.in_flight();
                    limit.answered(in_flight);
                    limit.took(self.answer(took), in_flight, now.into_std());
                });
            }
            Feedback::Lost => self.lost(self.began, now),
            Feedback::Neutral => {}
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_answered && self.rooms.is_adaptive.load(Ordering::Relaxed) {
            self.rooms.limit.gone(self.number);
        }
        self.rooms.all.leave();
        drop(ToolPlace(self.tool.take()));
    }
}

// === impl ToolPlace ===

impl ToolPlace {
    fn keep(mut self) -> Option<Arc<Room>> {
        self.0.take()
    }
}

impl Drop for ToolPlace {
    fn drop(&mut self) {
        if let Some(room) = &self.0 {
            room.leave();
        }
    }
}

// === impl InHand ===

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

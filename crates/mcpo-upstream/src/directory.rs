//! What runs now: one immutable snapshot of all upstreams, replaced whole at every change.

mod upstream;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use mcpo_core::fault::Fault;
use mcpo_core::places::Places;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::bell::Bell;
use crate::clock::Clock;
use crate::gate::{Gate, GatePolicy};
use crate::journal::Journal;
use crate::meter::Meters;
use crate::order::{ORDERS_WAITING_MAX, Request};
use crate::sleep::Beat;

pub use crate::live::{InFlight, LiveSession, Noted};
pub use upstream::{CALLS_IN_FLIGHT_MAX, CALLS_WAITING_MAX, Upstream};
pub use view::{PoolView, State, View};

/// All upstreams at one time.
#[derive(Debug, Default)]
pub struct Snapshot {
    upstreams: Vec<Upstream>,
    /// Where each of them is in that list; shared by all snapshots with the same order.
    by_name: Arc<Places>,
    /// Changes whenever any upstream, its state or its catalog does.
    pub generation: u64,
    /// Changes whenever a document made from the snapshot may change.
    pub catalog_generation: u64,
}

/// The publishing end and the reading end of the snapshots.
#[derive(Debug)]
pub struct Directory {
    current: ArcSwap<Snapshot>,
    generations: watch::Sender<u64>,
    publishing: Mutex<u64>,
    journal: Arc<Journal>,
    meters: Arc<Meters>,
    beat: Arc<Beat>,
}

/// A keeper's end of one upstream in the directory.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Seats have numbers, so that one that was taken over changes nothing any more.
    number: u64,
    /// Goes on to the seat's next owner, so that those who wait see what that one does.
    views: Arc<watch::Sender<Arc<View>>>,
    directory: Arc<Directory>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) orders: mpsc::Receiver<Request>,
}

// === impl Directory ===

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_clock(Clock::System)
    }

    /// The same, whose journal goes by that clock.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::default(),
            generations: watch::Sender::new(0),
            publishing: Mutex::new(0),
            journal: Arc::new(Journal::with_clock(clock)),
            meters: Arc::default(),
            beat: Beat::new(),
        })
    }

    /// Where everything that happens is told.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Where calls are counted.
    #[must_use]
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// When it was looked last whether time jumped.
    pub(crate) const fn beat(&self) -> &Arc<Beat> {
        &self.beat
    }

    /// The snapshot of this moment, without waiting or counting references.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Sees [`Snapshot::generation`] change. Cancel-safe, as all of `watch`.
    #[must_use]
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.generations.subscribe()
    }

    /// Makes room for an upstream, in its first state; a seat of that name is taken over.
    pub(crate) fn enter(self: &Arc<Self>, view: View, policy: GatePolicy) -> Seat {
        let view = Arc::new(view);
        let gate = Gate::new(&view.name, policy, Arc::clone(&self.journal), Instant::now());
        let gate = Arc::new(gate);
        let bell = Arc::new(Bell::default());
        let (orders_tx, orders) = mpsc::channel(ORDERS_WAITING_MAX);
        let (meter, beat) = (self.meters.of(&view.name), Arc::clone(&self.beat));
        let (publishing, (number, views)) = self.publish(|number, upstreams, before| {
            let before = before.position(&view.name);
            let (upstream, views) = Upstream::entering(
                before.map(|index| &upstreams[index]),
                number,
                (view.clone(), Arc::clone(&gate), Arc::clone(&bell), orders_tx, (meter, beat)),
            );
            match before {
                Some(index) => upstreams[index] = upstream,
                None => upstreams.push(upstream),
            }
            (number, views)
        });
        views.send_replace(view);
        drop(publishing);
        Seat { number, views, directory: self.clone(), gate, bell, orders }
    }

    /// Takes an upstream out.
    pub(crate) fn leave(&self, name: &str) {
        let _published =
            self.publish(|_, upstreams, _| upstreams.retain(|upstream| upstream.view.name != name));
    }

    /// Brings the upstreams into this order; one that is not named goes to the end.
    pub(crate) fn arrange(&self, names: &[&str]) {
        let places: HashMap<&str, usize> =
            names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
        let place = |upstream: &Upstream| {
            places.get(upstream.view.name.as_str()).copied().unwrap_or(usize::MAX)
        };
        if self.load().upstreams.is_sorted_by_key(place) {
            return;
        }
        let _published = self.publish(|_, upstreams, _| upstreams.sort_by_key(place));
    }

    /// Shows an upstream whose keeper is gone as waiting for the next one.
    pub(crate) fn show_resting(&self, name: &str, fault: Fault, retry_at: Instant) {
        let _published = self.publish(|_, upstreams, before| {
            let Some(index) = before.position(name) else { return };
            let last = &upstreams[index].view;
            let view = View {
                name: last.name.clone(),
                state: State::Resting { failures: 1, fault, retry_at },
                since: Instant::now(),
                catalog: last.catalog.clone(),
                missing_tools: last.missing_tools.clone(),
                sessions: Vec::new(),
                withheld: Vec::new(),
                ..**last
            };
            upstreams[index].view = Arc::new(view);
        });
    }

    /// The change is told the number of this publication, which no other has, and is given a copy
    /// of the upstreams, and the snapshot that it was made of. Nothing else is published until the
    /// guard is dropped, so that who waits for one upstream is told of its views in the order of
    /// the snapshots.
    ///
    /// With many upstreams most publications are of one of them: what has not changed is not looked
    /// at.
    fn publish<T>(
        &self,
        change: impl FnOnce(u64, &mut Vec<Upstream>, &Snapshot) -> T,
    ) -> (MutexGuard<'_, u64>, T) {
        let mut publishing = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        // Room for one that enters, so that the list is not copied twice.
        let mut upstreams = Vec::with_capacity(before.upstreams.len() + 1);
        upstreams.extend_from_slice(&before.upstreams);
        *publishing += 1;
        let changed = change(*publishing, &mut upstreams, &before);
        if before.upstreams.len() != upstreams.len() {
            let is_alone = upstreams.len() == 1;
            upstreams.iter().for_each(|upstream| upstream.rooms().set_alone(is_alone));
        }
        let generation = before.generation + 1;
        let catalog_generation =
            before.catalog_generation + u64::from(!before.same_documents(&upstreams));
        let by_name = before.by_name_of(&upstreams);
        self.current.store(Arc::new(Snapshot {
            upstreams,
            by_name,
            generation,
            catalog_generation,
        }));
        self.generations.send_replace(generation);
        (publishing, changed)
    }
}

// === impl Seat ===

impl Seat {
    /// The view that was published last, here or by who has taken the seat over.
    pub(crate) fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    pub(crate) fn journal(&self) -> &Arc<Journal> {
        &self.directory.journal
    }

    /// Publishes what has become of the upstream: in the snapshot first, then to those who wait.
    /// Nothing once another has taken the seat over.
    pub(crate) fn publish(&self, view: View) {
        let view = Arc::new(view);
        let (publishing, is_taken_over) = self.directory.publish(|_, upstreams, before| {
            // One that was removed has nobody but those who wait.
            let Some(index) = before.position(&view.name) else { return false };
            let is_ours = upstreams[index].incarnation() == self.number;
            if is_ours {
                upstreams[index].view = view.clone();
                upstreams[index].rooms().follow(&view.load);
            }
            !is_ours
        });
        if !is_taken_over {
            self.views.send_replace(view);
        }
        drop(publishing);
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// The upstream of that name.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&Upstream> {
        self.position(name).map(|index| &self.upstreams[index])
    }

    /// All upstreams, in the order of the configuration.
    #[must_use]
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.by_name.find(name, |place| name_at(&self.upstreams, place))
    }

    /// Whether documents of those show what documents of these do.
    fn same_documents(&self, others: &[Upstream]) -> bool {
        let same = |(old, new): (&Upstream, &Upstream)| {
            Arc::ptr_eq(&old.view, &new.view) || old.view.same_document(&new.view)
        };
        self.upstreams.len() == others.len() && self.upstreams.iter().zip(others).all(same)
    }

    /// Where each of these upstreams is among them, which are those of this snapshot but for a few.
    fn by_name_of(&self, others: &[Upstream]) -> Arc<Places> {
        let same = |(old, new): (&Upstream, &Upstream)| {
            Arc::ptr_eq(&old.view, &new.view) || old.view.name == new.view.name
        };
        let known = self.upstreams.len();
        let goes_on = known <= others.len() && self.upstreams.iter().zip(others).all(same);
        if goes_on && known == others.len() {
            return Arc::clone(&self.by_name);
        }
        let from = if goes_on { known } else { 0 };
        let mut by_name = if goes_on { Places::clone(&self.by_name) } else { Places::default() };
        (from..others.len()).for_each(|at| by_name.add(at, |place| name_at(others, place)));
        Arc::new(by_name)
    }
}

fn name_at(upstreams: &[Upstream], place: usize) -> &str {
    &upstreams[place].view.name
}

#[cfg(test)]
mod tests;

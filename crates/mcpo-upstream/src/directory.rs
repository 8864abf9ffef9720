//! What runs now: one immutable snapshot of all upstreams, replaced whole at every change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use mcpo_core::catalog::Catalog;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::{Outcome, OutcomeKind};
use mcpo_mcp::session::Session;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

/// All upstreams at one time.
#[derive(Debug, Default)]
pub struct Snapshot {
    upstreams: Vec<Upstream>,
    by_name: HashMap<String, usize>,
    /// Changes whenever any upstream, its state or its catalog does.
    pub generation: u64,
    /// Changes whenever a document made from the snapshot may change.
    pub catalog_generation: u64,
}

/// One upstream in a snapshot.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What it was when the snapshot was made.
    pub view: Arc<View>,
    views: watch::Receiver<Arc<View>>,
    suspicions: Arc<watch::Sender<Suspicion>>,
    places: Arc<Semaphore>,
}

/// Calls of one upstream at once. Well below the connections and the calls that the process takes
/// in all, so that one that hangs leaves room for the others.
pub const CALLS_IN_FLIGHT_MAX: usize = 1024;

/// One upstream at one time.
#[derive(Debug)]
pub struct View {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is in its life.
    pub state: State,
    /// Since when it is in that state.
    pub since: Instant,
    /// Since when it has had no session; while it has one, when that came.
    pub away_since: Instant,
    /// The last catalog that it gave; kept while it is away. `None` until it was ready once.
    pub catalog: Option<Arc<Catalog>>,
    /// Grows with every new catalog of this upstream.
    pub catalog_version: u64,
    /// The session to send calls on, while it is ready.
    pub session: Option<LiveSession>,
    /// How long a call may take where the call does not say; `None` leaves it to the default.
    pub timeout: Option<Duration>,
    /// How often it was connected anew after it had been ready.
    pub reconnects: u64,
}

/// A session and which one of its upstream it is.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// Counts the sessions of an upstream, from 1.
    pub epoch: u64,
    /// Whether each call has a connection of its own.
    pub connection_per_call: bool,
    /// The handle.
    pub session: Session,
}

/// Where an upstream is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Being connected; `failures` counts the attempts that failed in a row before this one, and
    /// `fault` is the last one's.
    Starting {
        /// Attempts failed in a row.
        failures: u32,
        /// Why the last one failed, or why the session before was lost.
        fault: Option<Fault>,
    },
    /// It has a session and a catalog.
    Ready,
    /// The last attempt failed; the next one is at `retry_at`.
    Resting {
        /// Attempts failed in a row, at least 1.
        failures: u32,
        /// Why.
        fault: Fault,
        /// When it is tried again.
        retry_at: Instant,
    },
    /// Removed, or mcpo is stopping.
    Stopped,
}

/// What the call path tells a keeper: the newest session that turned out to be of no use. It is a
/// fact rather than a message, so that nothing is lost however many calls tell it at once.
#[derive(Debug, Default)]
pub(crate) struct Suspicion {
    /// Sessions up to this one are of no use; 0 suspects none.
    pub(crate) epoch: u64,
    /// What that session did.
    pub(crate) fault: Option<Fault>,
}

/// The publishing end and the reading end of the snapshots.
#[derive(Debug)]
pub struct Directory {
    current: ArcSwap<Snapshot>,
    generations: watch::Sender<u64>,
    publishing: Mutex<()>,
}

/// A keeper's end of one upstream in the directory.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) suspicions: watch::Receiver<Suspicion>,
    views: watch::Sender<Arc<View>>,
    directory: Arc<Directory>,
}

// === impl Directory ===

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::default(),
            generations: watch::Sender::new(0),
            publishing: Mutex::new(()),
        })
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

    /// Makes room for an upstream, in its first state; a place of that name is replaced.
    pub(crate) fn enter(self: &Arc<Self>, view: View) -> Place {
        let (suspicions_tx, suspicions) = watch::channel(Suspicion::default());
        let view = Arc::new(view);
        let (views, views_rx) = watch::channel(view.clone());
        let upstream = Upstream {
            view,
            views: views_rx,
            suspicions: Arc::new(suspicions_tx),
            places: Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX)),
        };
        self.publish(|upstreams| match position(upstreams, &upstream.view.name) {
            Some(index) => upstreams[index] = upstream,
            None => upstreams.push(upstream),
        });
        Place { suspicions, views, directory: self.clone() }
    }

    /// Takes an upstream out.
    pub(crate) fn leave(&self, name: &str) {
        self.publish(|upstreams| upstreams.retain(|upstream| upstream.view.name != name));
    }

    /// Shows an upstream whose keeper is gone as waiting for the next one.
    pub(crate) fn show_resting(&self, name: &str, fault: Fault, retry_at: Instant) {
        self.publish(|upstreams| {
            let Some(index) = position(upstreams, name) else { return };
            let last = &upstreams[index].view;
            let view = View {
                name: last.name.clone(),
                state: State::Resting { failures: 1, fault, retry_at },
                since: Instant::now(),
                catalog: last.catalog.clone(),
                session: None,
                ..**last
            };
            upstreams[index].view = Arc::new(view);
        });
    }

    fn publish(&self, change: impl FnOnce(&mut Vec<Upstream>)) {
        let publishing = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let mut upstreams = before.upstreams.clone();
        change(&mut upstreams);
        let same_documents = before.upstreams.len() == upstreams.len()
            && before
                .upstreams
                .iter()
                .zip(&upstreams)
                .all(|(old, new)| old.view.same_document(&new.view));
        let generation = before.generation + 1;
        let catalog_generation = before.catalog_generation + u64::from(!same_documents);
        let by_name = upstreams
            .iter()
            .enumerate()
            .map(|(index, upstream)| (upstream.view.name.clone(), index))
            .collect();
        self.current.store(Arc::new(Snapshot {
            upstreams,
            by_name,
            generation,
            catalog_generation,
        }));
        self.generations.send_replace(generation);
        drop(publishing);
    }
}

fn position(upstreams: &[Upstream], name: &str) -> Option<usize> {
    upstreams.iter().position(|upstream| upstream.view.name == name)
}

// === impl Place ===

impl Place {
    /// The view that was published last.
    pub(crate) fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    /// Publishes what has become of the upstream: in the snapshot first, then to those who wait.
    pub(crate) fn publish(&self, view: View) {
        let view = Arc::new(view);
        self.directory.publish(|upstreams| {
            if let Some(index) = position(upstreams, &view.name) {
                upstreams[index].view = view.clone();
            }
        });
        self.views.send_replace(view);
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// The upstream of that name.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&Upstream> {
        self.by_name.get(name).map(|&index| &self.upstreams[index])
    }

    /// All upstreams, in the order of the configuration.
    #[must_use]
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }
}

// === impl Upstream ===

impl Upstream {
    /// Follows this upstream's views from now on. Cancel-safe, as all of `watch`.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// A place among this upstream's calls in flight, held until it is dropped; `None` when all
    /// are taken.
    #[must_use]
    pub fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Tells the keeper that a session is of no use. Telling it more than once costs nothing.
    pub fn replace_session(&self, epoch: u64, fault: Fault) {
        self.suspicions.send_if_modified(|known| {
            let news = epoch > known.epoch;
            if news {
                *known = Suspicion { epoch, fault: Some(fault) };
            }
            news
        });
    }
}

// === impl LiveSession ===

impl LiveSession {
    /// Whether what a call on this session came to shows that it is of no more use.
    #[must_use]
    pub fn is_spent_by<R>(&self, outcome: &Outcome<R>) -> bool {
        let Some(fault) = outcome.fault() else { return false };
        // A connection that broke under its own call says nothing of the session.
        let only_its_own = self.connection_per_call
            && fault.kind == FaultKind::Disconnected
            && outcome.kind() == OutcomeKind::Unknown;
        fault.kind.ends_session() && !only_its_own
    }
}

// === impl View ===

impl View {
    fn same_document(&self, other: &Self) -> bool {
        self.name == other.name
            && self.catalog_version == other.catalog_version
            && self.catalog.is_some() == other.catalog.is_some()
    }

    /// Whether calls can be sent now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.session.is_some()
    }
}

impl State {
    /// The name in health answers and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starting { .. } => "starting",
            Self::Ready => "ready",
            Self::Resting { .. } => "resting",
            Self::Stopped => "stopped",
        }
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Starting { fault, .. } => fault.as_ref(),
            Self::Resting { fault, .. } => Some(fault),
            Self::Ready | Self::Stopped => None,
        }
    }
}

#[cfg(test)]
mod tests;

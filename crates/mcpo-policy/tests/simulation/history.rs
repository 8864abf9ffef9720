//! What really happened, on both sides, kept outside of what is tested.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use mcpo_core::fault::FaultKind;
use mcpo_core::outcome::OutcomeKind;
use tokio::time::Instant;

/// More than any run that makes progress comes to.
const HAPPENINGS_MAX: usize = 20_000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Happening {
    /// A session was made.
    Opened { server: String, place: usize, session: usize },
    /// A session ended.
    Closed { server: String, place: usize, session: usize },
    /// An attempt at a call came to a server.
    Came { call: u64, server: String, place: usize, session: usize },
    /// The server carried it out.
    Acted { call: u64 },
    /// The server gave an answer that may be shared, to an attempt that came at that time; no other
    /// answer has that number.
    Given { call: u64, server: String, place: usize, topic: u64, number: u64, came: Duration },
    /// An attempt that came is not written to the server before its deadline.
    Unwritten { call: u64 },
    /// Nobody can know from outside whether it did.
    Ambiguous { call: u64, why: &'static str },
    /// The caller was told.
    Told(Told),
    /// The caller went away.
    Dropped { call: u64 },
    /// There was no such server, or its tools were not known yet.
    Absent { call: u64 },
    /// A person did something.
    Changed { what: String },
    /// Something that must not be.
    Wrong { what: String },
}

/// What a caller was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) call: u64,
    pub(crate) outcome: OutcomeKind,
    pub(crate) fault: Option<FaultKind>,
    pub(crate) detail: String,
    pub(crate) attempts: u32,
    pub(crate) repeated: bool,
    /// The answer is that of this call.
    pub(crate) is_its_own: bool,
    /// The number of an answer that may be shared.
    pub(crate) given: Option<u64>,
    /// It was that of a call in flight.
    pub(crate) shared: bool,
    /// What the cache did, in a word, and how old the answer is.
    pub(crate) cache: Option<(&'static str, Option<Duration>)>,
}

/// All that happened, and what is there now.
#[derive(Debug)]
pub(crate) struct History {
    began: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    rng: Rng,
    all: Vec<(Duration, Happening)>,
    /// Wires, dials and calls that exist.
    alive: usize,
    /// Answers given that may be shared.
    given: u64,
}

/// Counts something as existing until it is dropped.
#[derive(Debug)]
pub(crate) struct Alive(std::sync::Arc<History>);

impl History {
    /// Its dice are those of the servers.
    pub(crate) fn new(seed: u64) -> std::sync::Arc<Self> {
        let kept = Kept { rng: Rng::with_seed(!seed), all: Vec::new(), alive: 0, given: 0 };
        std::sync::Arc::new(Self { began: Instant::now(), kept: Mutex::new(kept) })
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn at(&self, time: Duration) -> Instant {
        self.began + time
    }

    pub(crate) fn note(&self, what: Happening) {
        let now = self.now();
        let mut kept = self.kept();
        kept.all.push((now, what));
        assert!(
            kept.all.len() <= HAPPENINGS_MAX,
            "it goes round in circles: {:#?}",
            kept.all.iter().rev().take(20).collect::<Vec<_>>()
        );
    }

    /// Another number each time.
    pub(crate) fn number(&self) -> u64 {
        let mut kept = self.kept();
        kept.given += 1;
        kept.given
    }

    pub(crate) fn wrong(&self, what: impl Into<String>) {
        self.note(Happening::Wrong { what: what.into() });
    }

    pub(crate) fn dice<T>(&self, roll: impl FnOnce(&mut Rng) -> T) -> T {
        roll(&mut self.kept().rng)
    }

    pub(crate) fn alive(self: &std::sync::Arc<Self>) -> Alive {
        self.kept().alive += 1;
        Alive(std::sync::Arc::clone(self))
    }

    /// How many wires, dials and calls there are.
    pub(crate) fn count_alive(&self) -> usize {
        self.kept().alive
    }

    pub(crate) fn all(&self) -> Vec<(Duration, Happening)> {
        self.kept().all.clone()
    }

    /// The same for the same happenings at the same times, in any process.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.kept().all.hash(&mut hasher);
        hasher.finish()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.kept().alive -= 1;
    }
}

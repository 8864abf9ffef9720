//! The history as others use it: on disk as long as that goes, else in memory.
//!
//! ```text
//! Memory: in memory, for good
//! Directory: on disk --cannot write--> in memory --a minute later--> on disk, with what was kept
//!            (cannot open at the start: in memory, as above)         meanwhile
//! ```

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::base::{Base, QUARTER_SECONDS};
use super::failure::Failure;
use super::fold::Fold;
use super::{Frame, HistoryError, KeptEvent, POINTS_MAX, Query, Series, directory, frame};

/// Bytes on disk.
pub const STORE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes in memory, where nothing is kept on disk.
pub const MEMORY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A place that could not be used is tried again after so many seconds.
const RETRY_SECONDS: u64 = 60;
/// Of more events at once, the oldest are not kept.
const EVENTS_AT_ONCE_MAX: usize = 1000;
/// No answer has more events.
pub const EVENTS_ANSWER_MAX: usize = 10_000;

/// Where the history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It ends with the process.
    Memory,
    /// In this directory, which is made if need be.
    Directory(PathBuf),
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Every sample, for so many seconds.
    pub full_seconds: u64,
    /// Roll-ups of 15 minutes, for so many seconds.
    pub rolled_seconds: u64,
    /// Events, for so many seconds.
    pub events_seconds: u64,
    /// All of it together, in bytes, in the file or in memory.
    pub bytes_max: u64,
}

/// Samples and events. Its methods wait for the disk unless they say that they do not: call them
/// where that is allowed.
pub struct Store {
    place: Opener,
    bounds: Bounds,
    state: Mutex<State>,
    health: Health,
}

/// What is told of a store to those who may not wait: the state is locked while the disk is written.
#[derive(Debug, Default)]
struct Health {
    bytes: AtomicU64,
    is_away: AtomicBool,
    failures: AtomicU64,
    failed_at: Mutex<Option<Instant>>,
}

/// What opens the place on disk, with a warning if it had to set something aside.
type OpenOnDisk = dyn Fn(Bounds) -> Result<(Base, Option<String>), Failure> + Send + Sync;

/// Where a store belongs.
#[derive(Clone)]
pub(super) enum Opener {
    Memory,
    Disk { name: String, open: Arc<OpenOnDisk> },
}

struct State {
    base: Arc<Base>,
    /// Set while it is in memory though it belongs on disk: since then, by the frames' clock.
    away: Option<Away>,
}

#[derive(Clone, Copy)]
struct Away {
    tried_at: u64,
}

// === impl Bounds ===

impl Bounds {
    /// A week of every sample, 90 days of roll-ups, 30 days of events; of all of it so many bytes.
    #[must_use]
    pub const fn of_bytes(bytes_max: u64) -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            full_seconds: 7 * DAY,
            rolled_seconds: 90 * DAY,
            events_seconds: 30 * DAY,
            bytes_max,
        }
    }
}

// === impl Store: opening ===

impl Store {
    /// Opens the history of a place. It never fails: where the place cannot be used, it is kept in
    /// memory, and what is broken is set aside; the warnings say so.
    #[must_use]
    pub fn open(place: Place) -> (Self, Vec<String>) {
        Self::open_with(place, Bounds::of_bytes(STORE_BYTES_MAX))
    }

    /// The same, with other bounds.
    #[must_use]
    pub fn open_with(place: Place, bounds: Bounds) -> (Self, Vec<String>) {
        Self::open_by(opener(place), bounds)
    }

    pub(super) fn open_by(place: Opener, bounds: Bounds) -> (Self, Vec<String>) {
        let (opened, warning) = match &place {
            Opener::Memory => (None, None),
            Opener::Disk { name, open } => match open(bounds) {
                Ok((base, warning)) => (Some(base), warning),
                Err(failure) => (None, Some(told(name, &failure))),
            },
        };
        let is_away = opened.is_none() && matches!(place, Opener::Disk { .. });
        let away = is_away.then_some(Away { tried_at: 0 });
        let base = Arc::new(opened.unwrap_or_else(|| in_memory(bounds)));
        let state = Mutex::new(State { base, away });
        let store = Self { place, bounds, state, health: Health::default() };
        if is_away {
            store.failed();
        }
        store.show(&store.state());
        (store, warning.into_iter().collect())
    }

    fn failed(&self) {
        self.health.failures.fetch_add(1, Ordering::Relaxed);
        *self.health.failed_at() = Some(Instant::now());
    }

    fn show(&self, state: &State) {
        self.health.bytes.store(state.base.length(), Ordering::Relaxed);
        self.health.is_away.store(state.away.is_some(), Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn base(&self) -> Arc<Base> {
        Arc::clone(&self.state().base)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

fn opener(place: Place) -> Opener {
    match place {
        Place::Memory => Opener::Memory,
        Place::Directory(path) => Opener::Disk {
            name: path.display().to_string(),
            open: Arc::new(move |bounds| directory::open(&path, bounds)),
        },
    }
}

fn in_memory(bounds: Bounds) -> Base {
    let bounds = Bounds { bytes_max: bounds.bytes_max.min(MEMORY_BYTES_MAX), ..bounds };
    Base::in_memory(bounds).expect("memory holds what is written to it")
}

fn told(place: &str, failure: &Failure) -> String {
    match failure {
        Failure::Taken => format!(
            "the history in {place} belongs to another process: this one's is kept in memory until \
             that one ends; --state-dir gives it a directory of its own"
        ),
        Failure::Broken(_) | Failure::Unusable(_) => format!(
            "the history in {place} cannot be used, and is kept in memory until it can: {failure}; \
             --state-dir names another directory, --no-state none"
        ),
    }
}

// === impl Health ===

impl Health {
    fn failed_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Store: writing ===

impl Store {
    /// Keeps a sample. Where the disk fails, it is kept in memory, and a warning is logged once.
    pub fn append(&self, frame: Frame) {
        let mut state = self.state();
        self.come_back(&mut state, frame.at);
        let frame = frame::bounded(frame);
        self.write(&mut state, frame.at, |base| base.append(&frame));
        self.show(&state);
    }

    /// Keeps events; of more than `EVENTS_AT_ONCE_MAX` at once the newest.
    pub fn append_events(&self, mut events: Vec<KeptEvent>) {
        let events = events.split_off(events.len().saturating_sub(EVENTS_AT_ONCE_MAX));
        let Some(at_ms) = events.last().map(|event| event.at_ms) else { return };
        let mut state = self.state();
        self.write(&mut state, at_ms / 1000, |base| base.append_events(&events));
        self.show(&state);
    }

    /// Drops what is too old, or too much. Appending does so by itself.
    pub fn trim(&self) {
        let mut state = self.state();
        let span = state.base.span().ok().flatten();
        if let Some(span) = span {
            self.write(&mut state, span.last, |base| base.trim(span.last));
        }
        self.show(&state);
    }

    fn write(&self, state: &mut State, at: u64, act: impl Fn(&Base) -> Result<(), Failure>) {
        let Err(failure) = act(&state.base) else { return };
        self.failed();
        if let Opener::Disk { name, .. } = &self.place {
            tracing::warn!("{}", told(name, &failure));
            state.away = Some(Away { tried_at: at });
        }
        state.base = Arc::new(in_memory(self.bounds));
        if let Err(failure) = act(&state.base) {
            tracing::warn!(%failure, "a sample was not kept");
        }
    }

    /// Where it belongs on disk and is in memory: tries the disk again, now and then.
    fn come_back(&self, state: &mut State, at: u64) {
        let Opener::Disk { name, open } = &self.place else { return };
        let Some(away) = &mut state.away else { return };
        if away.tried_at == 0 {
            away.tried_at = at;
        }
        if at.abs_diff(away.tried_at) < RETRY_SECONDS {
            return;
        }
        away.tried_at = at;
        let Ok((base, warning)) = open(self.bounds) else { return };
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        match base.take_over(&state.base) {
            Ok(()) => {
                tracing::info!("the history is kept in {name} again");
                *state = State { base: Arc::new(base), away: None };
            }
            Err(_told_before) => self.failed(),
        }
    }
}

// === impl Store: reading ===

impl Store {
    /// How often it could not be opened, written or read where it belongs, since it was opened. Waits for
    /// nobody.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.health.failures.load(Ordering::Relaxed)
    }

    /// Whether that happened within this time, or it is in memory since then. Waits for nobody.
    #[must_use]
    pub fn is_troubled(&self, within: Duration) -> bool {
        let has_failed = self.health.failed_at().is_some_and(|at| at.elapsed() <= within);
        has_failed || self.health.is_away.load(Ordering::Relaxed)
    }

    /// What it takes up, in its file or in memory. Waits for nobody.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.health.bytes.load(Ordering::Relaxed)
    }

    /// The points of one metric.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn query(&self, query: &Query) -> Result<Series, HistoryError> {
        let (from, to) = (seconds(query.from), seconds(query.to));
        if from > to {
            return Err(HistoryError::BadQuery("`from` is later than `to`".to_owned()));
        }
        let base = self.base();
        let mut series = Series {
            server: query.server.clone(),
            metric: query.metric,
            step_seconds: query.step_seconds.max(1),
            points: Vec::new(),
        };
        if query.server.as_deref() == Some(frame::WHOLE) {
            return Ok(series);
        }
        let unreadable = |failure| self.unreadable(failure);
        let Some(span) = base.span().map_err(unreadable)? else { return Ok(series) };
        let from = from.max(span.from);
        let grain = if from < span.full_from { QUARTER_SECONDS } else { 1 };
        let least = to.saturating_sub(from) / (POINTS_MAX - 1) + 1;
        series.step_seconds = query.step_seconds.max(grain).max(least);
        let name = query.server.as_deref().unwrap_or(frame::WHOLE);
        let mut steps = Steps { metric: query.metric, series, step: None };
        base.scan(from..to.saturating_add(1), |at, covered, bytes| {
            if let Some(row) = frame::find(bytes, name) {
                steps.add(at, covered, &row);
            }
        })
        .map_err(unreadable)?;
        steps.end_step();
        Ok(steps.series)
    }

    /// The newest events from one time to another, oldest first, of one upstream or of all; no
    /// more than [`EVENTS_ANSWER_MAX`]. None where they cannot be read.
    #[must_use]
    pub fn events(
        &self,
        from: SystemTime,
        to: SystemTime,
        server: Option<&str>,
        limit: usize,
    ) -> Vec<KeptEvent> {
        let times = milliseconds(from)..milliseconds(to).saturating_add(1);
        let pass = |event: &KeptEvent| server.is_none() || event.server.as_deref() == server;
        self.base().events(times, limit.min(EVENTS_ANSWER_MAX), pass).unwrap_or_else(|failure| {
            self.failed();
            tracing::warn!(%failure, "the kept events cannot be read");
            Vec::new()
        })
    }

    pub(super) fn unreadable(&self, failure: Failure) -> HistoryError {
        self.failed();
        HistoryError::Unreadable(Box::new(failure))
    }
}

/// The points of an answer while they are made.
struct Steps {
    metric: super::Metric,
    series: Series,
    step: Option<(u64, Fold)>,
}

impl Steps {
    fn add(&mut self, at: u64, covered_seconds: u32, row: &super::Row) {
        let start = at - at % self.series.step_seconds;
        if self.step.as_ref().is_none_or(|(of, _)| *of != start) {
            self.end_step();
            self.step = Some((start, Fold::default()));
        }
        if let Some((_, fold)) = &mut self.step {
            fold.add(covered_seconds.into(), row);
        }
    }

    fn end_step(&mut self) {
        if let Some((start, fold)) = self.step.take()
            && let Some(value) = fold.value(self.metric)
        {
            self.series.points.push((start, widened(value)));
        }
    }
}

/// The number that people would write for it: 0.1 rather than 0.10000000149011612.
pub(super) fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

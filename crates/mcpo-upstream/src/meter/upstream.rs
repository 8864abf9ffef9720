//! The meters of all upstreams, and a call as it is counted.

use std::array;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use mcpo_core::load::ShedReason;
use tokio::time::Instant;

use super::sharing::Sharing;
use super::tool::{Gauge, Tool};
use super::{CallResult, OTHER, TOOL_NAME_BYTES_MAX, TOOLS_IN_ALL_MAX, TOOLS_MAX, UPSTREAMS_MAX};
use super::{ToolReading, UpstreamReading};

/// The meters of all upstreams, also of those that were removed: numbers never go back.
#[derive(Debug, Default)]
pub struct Meters {
    /// In the order of their coming.
    meters: Mutex<Vec<Arc<Meter>>>,
    /// Tools that are counted on their own, in all of them.
    tools: Arc<AtomicUsize>,
}

/// Counts the calls of one upstream.
#[derive(Debug)]
pub struct Meter {
    upstream: String,
    sharing: Sharing,
    calls: Arc<Gauge>,
    /// Calls that wait for a place; who waits writes it.
    pub(crate) queued: AtomicUsize,
    /// Calls that may be in flight; who gives places writes it.
    pub(crate) limit: AtomicUsize,
    shed: [AtomicU64; ShedReason::ALL.len()],
    tools: RwLock<HashMap<Box<str>, Arc<Tool>>>,
    other: OnceLock<Arc<Tool>>,
    tools_in_all: Arc<AtomicUsize>,
}

/// A call under way; it counts as cancelled if it is dropped before its end, or as of unknown
/// outcome if that is by a panic.
#[derive(Debug)]
#[must_use = "a call that is dropped counts as cancelled"]
pub struct Metered {
    tool: Arc<Tool>,
    began: Instant,
    fate: Fate,
}

/// What a call came to.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// As what it counts.
    pub result: CallResult,
    /// The time in which no attempt was under way: places, breakers, sessions, waits between
    /// attempts.
    pub waited: Duration,
    /// The time of all its attempts.
    pub upstream: Duration,
    /// Bytes of its arguments.
    pub bytes_in: u64,
    /// Bytes of its answer.
    pub bytes_out: u64,
    /// Its W3C trace, if it belongs to one that is kept.
    pub trace_id: Option<[u8; 16]>,
}

#[derive(Debug)]
enum Fate {
    Open,
    Ended(Ended),
    /// It was no call after all.
    Void,
}

// === impl Meters ===

impl Meters {
    /// The meter of that upstream, which may have been there before. Beyond [`UPSTREAMS_MAX`] the
    /// oldest one goes that nobody uses any more.
    pub(crate) fn of(&self, upstream: &str) -> Arc<Meter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = meters.iter().find(|meter| meter.upstream == upstream) {
            return Arc::clone(known);
        }
        if meters.len() >= UPSTREAMS_MAX
            && let Some(unused) = meters.iter().position(|meter| Arc::strong_count(meter) == 1)
        {
            meters.remove(unused);
        }
        let meter = Arc::new(Meter::new(upstream, Arc::clone(&self.tools)));
        meters.push(Arc::clone(&meter));
        meter
    }

    /// All numbers as they stand, by upstream; also of upstreams that were removed.
    #[must_use]
    pub fn read(&self) -> Vec<UpstreamReading> {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        meters.iter().map(|meter| meter.read()).collect()
    }
}

// === impl Meter ===

impl Meter {
    fn new(upstream: &str, tools_in_all: Arc<AtomicUsize>) -> Self {
        Self {
            upstream: upstream.to_owned(),
            sharing: Sharing::default(),
            calls: Arc::default(),
            queued: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            shed: array::from_fn(|_| AtomicU64::new(0)),
            tools: RwLock::default(),
            other: OnceLock::new(),
            tools_in_all,
        }
    }

    /// The upstream's name.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// What its calls shared with each other.
    #[must_use]
    pub const fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    /// Counts a call that begins now.
    pub fn begin(&self, tool: &str) -> Metered {
        let tool = self.known(tool).unwrap_or_else(|| self.first_call(tool));
        tool.enter();
        Metered { tool, began: Instant::now(), fate: Fate::Open }
    }

    /// Counts a call that was turned away.
    pub fn shed(&self, reason: ShedReason) {
        self.shed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All numbers as they stand.
    #[must_use]
    pub fn read(&self) -> UpstreamReading {
        let tools = self.tools();
        let mut tools: Vec<ToolReading> =
            tools.values().chain(self.other.get()).map(|tool| tool.read()).collect();
        tools.sort_by(|one, other| one.tool.cmp(&other.tool));
        UpstreamReading {
            upstream: self.upstream.clone(),
            in_flight: self.calls.now(),
            peak: self.calls.peak(),
            queued: self.queued.load(Ordering::Relaxed),
            limit: self.limit.load(Ordering::Relaxed),
            shed: array::from_fn(|reason| self.shed[reason].load(Ordering::Relaxed)),
            tools,
        }
    }

    fn tools(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Arc<Tool>>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the calls of a tool count, unless it is the first of them and there may be room for
    /// the tool. Nobody waits here but for the first call of another tool.
    fn known(&self, name: &str) -> Option<Arc<Tool>> {
        let tools = self.tools();
        if let Some(tool) = tools.get(name) {
            return Some(Arc::clone(tool));
        }
        let is_full = tools.len() >= TOOLS_MAX
            || self.tools_in_all.load(Ordering::Relaxed) >= TOOLS_IN_ALL_MAX;
        let is_other = is_full || name == OTHER || name.len() > TOOL_NAME_BYTES_MAX;
        is_other.then(|| self.other())
    }

    fn first_call(&self, name: &str) -> Arc<Tool> {
        let mut tools = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been the first.
        if let Some(tool) = tools.get(name) {
            return Arc::clone(tool);
        }
        let one_more = |count: usize| (count < TOOLS_IN_ALL_MAX).then_some(count + 1);
        if tools.len() >= TOOLS_MAX
            || self
                .tools_in_all
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
                .is_err()
        {
            return self.other();
        }
        let tool = Arc::new(Tool::new(name, Arc::clone(&self.calls)));
        tools.insert(name.into(), Arc::clone(&tool));
        tool
    }

    fn other(&self) -> Arc<Tool> {
        let other = || Arc::new(Tool::new(OTHER, Arc::clone(&self.calls)));
        Arc::clone(self.other.get_or_init(other))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.tools_in_all.fetch_sub(self.tools().len(), Ordering::Relaxed);
    }
}

// === impl Metered ===

impl Metered {
    /// The call ends now.
    pub fn end(mut self, ended: Ended) {
        self.fate = Fate::Ended(ended);
    }

    /// It turned out to be no call; it counts as nothing.
    pub fn void(mut self) {
        self.fate = Fate::Void;
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.tool.leave();
        match &self.fate {
            Fate::Ended(ended) => self.tool.ended(ended, self.began.elapsed()),
            Fate::Open if thread::panicking() => {
                self.tool.ended(&Ended::unknown(), self.began.elapsed());
            }
            Fate::Open => self.tool.cancelled(),
            Fate::Void => {}
        }
    }
}

// === impl Ended ===

impl Ended {
    /// Of a call of which nothing is known but that it ended.
    const fn unknown() -> Self {
        Self {
            result: CallResult::Unknown,
            waited: Duration::ZERO,
            upstream: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 0,
            trace_id: None,
        }
    }
}

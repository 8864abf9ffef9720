//! The meters of all upstreams, and a call as it is counted.

use std::array;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use mcpo_core::load::ShedReason;
use mcpo_core::sketch::{Sketch, Sum};
use tokio::time::Instant;

use super::sharing::Sharing;
use super::shelf::Shelf;
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
    calls: Gauge,
    /// Calls that wait for a place; who waits writes it.
    pub(crate) queued: AtomicUsize,
    /// Calls that may be in flight; who gives places writes it.
    pub(crate) limit: AtomicUsize,
    shed: [AtomicU64; ShedReason::ALL.len()],
    tools: Shelf,
    other: OnceLock<Box<Tool>>,
    tools_in_all: Arc<AtomicUsize>,
}

/// A call under way; it counts as cancelled if it is dropped before its end, or as of unknown
/// outcome if that is by a panic.
#[derive(Debug)]
#[must_use = "a call that is dropped counts as cancelled"]
pub struct Metered<'a> {
    meter: &'a Meter,
    tool: &'a Tool,
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

/// Of what is told how long calls took.
#[derive(Debug, Clone, Copy)]
enum Detail {
    Tools,
    Upstreams,
}

#[derive(Debug)]
enum Fate {
    Open,
    Ended(Ended),
    TurnedAway,
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
        self.read_as(Detail::Tools)
    }

    /// The same, but how long calls took is told of each upstream and not of each tool: with
    /// thousands of these that is most of the work, and most of the memory.
    #[must_use]
    pub fn read_briefly(&self) -> Vec<UpstreamReading> {
        self.read_as(Detail::Upstreams)
    }

    fn read_as(&self, detail: Detail) -> Vec<UpstreamReading> {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut durations = Sum::default();
        meters.iter().map(|meter| meter.read_as(detail, &mut durations)).collect()
    }
}

// === impl Meter ===

impl Meter {
    fn new(upstream: &str, tools_in_all: Arc<AtomicUsize>) -> Self {
        Self {
            upstream: upstream.to_owned(),
            sharing: Sharing::default(),
            calls: Gauge::default(),
            queued: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            shed: array::from_fn(|_| AtomicU64::new(0)),
            tools: Shelf::default(),
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
    pub fn begin(&self, tool: &str) -> Metered<'_> {
        let tool = self.tools.find(tool).unwrap_or_else(|| self.unknown(tool));
        self.calls.enter();
        tool.enter();
        Metered { meter: self, tool, began: Instant::now(), fate: Fate::Open }
    }

    /// Counts a call that was turned away.
    pub fn shed(&self, reason: ShedReason) {
        self.shed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All numbers as they stand.
    #[must_use]
    pub fn read(&self) -> UpstreamReading {
        self.read_as(Detail::Tools, &mut Sum::default())
    }

    /// `durations` is empty, and is so again afterwards.
    fn read_as(&self, detail: Detail, durations: &mut Sum) -> UpstreamReading {
        let counted = self.tools.tools().chain(self.other.get().map(|tool| &**tool));
        let read = |tool: &Tool| {
            // Before the lengths: a call that is read as ended is among these.
            let reading = tool.read();
            durations.add(tool.durations());
            let duration = match detail {
                Detail::Tools => tool.durations().sketch(),
                Detail::Upstreams => Sketch::default(),
            };
            ToolReading { duration, ..reading }
        };
        let mut tools: Vec<ToolReading> = counted.map(read).collect();
        tools.sort_unstable_by(|one, other| one.tool.cmp(&other.tool));
        UpstreamReading {
            upstream: self.upstream.clone(),
            in_flight: self.calls.now(),
            peak: self.calls.peak(),
            queued: self.queued.load(Ordering::Relaxed),
            limit: self.limit.load(Ordering::Relaxed),
            shed: array::from_fn(|reason| self.shed[reason].load(Ordering::Relaxed)),
            duration: durations.take(),
            tools,
        }
    }

    /// Where the calls of a tool count that was not called before. Nobody waits here but for the
    /// first call of another tool.
    fn unknown(&self, name: &str) -> &Tool {
        let is_full = self.tools.len() >= TOOLS_MAX
            || self.tools_in_all.load(Ordering::Relaxed) >= TOOLS_IN_ALL_MAX;
        if is_full || name == OTHER || name.len() > TOOL_NAME_BYTES_MAX {
            return self.other();
        }
        self.tools.find_or_add(name, || self.has_room_in_all()).unwrap_or_else(|| self.other())
    }

    /// Takes room for one more tool among those of all upstreams, if there is any.
    fn has_room_in_all(&self) -> bool {
        let one_more = |count: usize| (count < TOOLS_IN_ALL_MAX).then_some(count + 1);
        self.tools_in_all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn other(&self) -> &Tool {
        self.other.get_or_init(|| Box::new(Tool::new(OTHER)))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.tools_in_all.fetch_sub(self.tools.len(), Ordering::Relaxed);
    }
}

// === impl Metered ===

impl Metered<'_> {
    /// The call ends now.
    pub fn end(mut self, ended: Ended) {
        self.fate = Fate::Ended(ended);
    }

    /// The call was turned away. It counts as not sent, and says nothing of how long calls take: a
    /// server that turns many away would look fast.
    pub fn turned_away(mut self) {
        self.fate = Fate::TurnedAway;
    }

    /// It turned out to be no call; it counts as nothing.
    pub fn void(mut self) {
        self.fate = Fate::Void;
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.tool.leave();
        self.meter.calls.leave();
        match &self.fate {
            Fate::Ended(ended) => self.tool.ended(ended, self.began.elapsed()),
            Fate::TurnedAway => self.tool.turned_away(),
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

//! All that is known at one moment. Every face is made from this and from nothing else.

mod load;
mod recent;
mod take;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use mcpo_core::sketch::Sketch;
use mcpo_upstream::journal::UpstreamCounters;
use mcpo_upstream::meter::{CallResult, Exemplar};

use crate::requests::RequestSeries;
use crate::resources::{MachineSample, ProcessSample};
use crate::score::Score;

pub use load::{ByReason, CacheCounts, CachePicture, CacheUse, ShedPicture, WholeCachePicture};
pub(crate) use recent::Recent;
pub use take::epoch_seconds;
pub(crate) use take::{Room, Sources, take};

/// All that is known at one moment. Rates are 0 to 1, lengths are what their type says.
#[derive(Debug, Clone)]
pub struct Picture {
    /// When it was made.
    pub at: SystemTime,
    /// Since this process started.
    pub uptime: Duration,
    /// Each upstream, in the order of the configuration.
    pub servers: Vec<ServerPicture>,
    /// All upstreams together.
    pub whole: WholePicture,
    /// Requests of downstreams, by route, method and status class.
    pub requests: Vec<RequestSeries>,
    /// This process alone; `None` before the first sample, or where it cannot be read.
    pub process: Option<ProcessSample>,
    /// The machine, or the container that we are in.
    pub machine: Option<MachineSample>,
    /// What watching itself comes to.
    pub watch: WatchPicture,
}

/// What watching itself comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WatchPicture {
    /// What share of the calls must come to an answer; see
    /// [`Monitoring::slo_objective`](mcpo_config::Monitoring::slo_objective).
    pub slo_objective: f64,
    /// The number of the journal's newest entry.
    pub journal_seq: u64,
    /// What the history takes up, in its file or in memory; `None` before it is open.
    pub history_bytes: Option<u64>,
    /// How often the history could not be opened, written or read.
    pub history_errors: u64,
    /// That happened of late, or the history is in memory though it belongs on disk.
    pub is_history_troubled: bool,
}

/// What holds for all upstreams together.
#[derive(Debug, Clone)]
pub struct WholePicture {
    /// Calls of all tools together.
    pub calls: CallPicture,
    /// Calls at once that the pipeline takes.
    pub max_concurrent: usize,
    /// Calls in flight now, and the most there ever were.
    pub in_flight: usize,
    /// The most at once since the start.
    pub peak: usize,
    /// Calls that wait for a place at their upstream.
    pub queued: usize,
    /// Calls that were turned away.
    pub shed: ShedPicture,
    /// What the cache did.
    pub cache: WholeCachePicture,
    /// Faults of the last hour, by kind, those kinds that there were.
    pub faults_last_hour: Vec<(FaultKind, u64)>,
    /// Answered and failed calls of the windows that burn rates are made from.
    pub burn: BurnWindows,
    /// Of all, what pulls it down included.
    pub score: Score,
}

/// One upstream.
#[derive(Debug, Clone)]
pub struct ServerPicture {
    /// Its name in the configuration.
    pub name: String,
    /// Its state's stable name: `starting`, `ready`, `resting`, `held`, `dormant`, `stopped`.
    pub state: &'static str,
    /// How much of it can be used.
    pub standing: Standing,
    /// Since when it is in that state; of one that is tried (`starting`, `resting`), since when it
    /// has had no session.
    pub since: SystemTime,
    /// What is wrong with it now, if anything is.
    pub fault: Option<FaultKind>,
    /// What exactly went wrong, for operators only: it may name addresses and commands.
    pub detail: Option<Arc<str>>,
    /// Who holds it, if anybody does.
    pub held_by: Option<HeldBy>,
    /// When it is tried or looked at again, if that is set.
    pub retry_in: Option<Duration>,
    /// Sessions, and how many of them have calls under way.
    pub sessions: usize,
    /// Sessions with at least one call under way.
    pub sessions_in_use: usize,
    /// As many are kept.
    pub pool_min: usize,
    /// Never more than this.
    pub pool_max: usize,
    /// Where its breaker is.
    pub breaker: BreakerName,
    /// What is left of its retry budget.
    pub retry_tokens: u32,
    /// How often it was connected anew after it had been ready.
    pub reconnects: u64,
    /// How many tools it offers; `None` until it was ready once.
    pub tools_offered: Option<usize>,
    /// Tools that an earlier session offered and the ones since do not.
    pub missing_tools: Vec<String>,
    /// Failures, recoveries and replays, counted by the journal.
    pub counters: UpstreamCounters,
    /// The last failure that the journal told of since the start, and when.
    pub last_error: Option<(SystemTime, FaultKind)>,
    /// Faults of the last hour, by kind, those kinds that there were.
    pub faults_last_hour: Vec<(FaultKind, u64)>,
    /// Recoveries that were begun in the last hour.
    pub recoveries_last_hour: u64,
    /// Answered and failed calls of the windows that burn rates are made from.
    pub burn: BurnWindows,
    /// Calls of all its tools together.
    pub calls: CallPicture,
    /// Each tool that was called, by name; at most `meter::TOOLS_MAX`.
    pub tools: Vec<ToolPicture>,
    /// Calls that wait for a place.
    pub queued: usize,
    /// Calls that may be in flight at once, as was learnt of it; no more than the next.
    pub limit: usize,
    /// Calls that may be in flight at once, as its operator says.
    pub limit_max: usize,
    /// Calls that were turned away, also those that mcpo itself had no room for.
    pub shed: ShedPicture,
    /// What the cache did for it; `None` where it never had anything to do.
    pub cache: Option<CachePicture>,
    /// Its process trees together; `None` where it has none.
    pub processes: Option<ProcessSample>,
    /// What pulls it down included.
    pub score: Score,
}

/// One tool's calls.
#[derive(Debug, Clone)]
pub struct ToolPicture {
    /// Its name; [`mcpo_upstream::meter::OTHER`] for all that came after the bound was reached.
    pub tool: String,
    /// What there was.
    pub calls: CallPicture,
}

/// Calls since the start, and of late.
#[derive(Debug, Clone, Default)]
pub struct CallPicture {
    /// Calls that ended, in the order of [`CallResult::ALL`].
    pub ended: [u64; CallResult::ALL.len()],
    /// Under way now.
    pub in_flight: usize,
    /// The most at once.
    pub peak: usize,
    /// Seconds from a call's start to its end, of all that were answered or failed; those that were
    /// turned away are left out, here and below.
    pub duration: Sketch,
    /// The same, added up.
    pub duration_sum: Duration,
    /// The shortest and the longest; `None` before the first call.
    pub duration_bounds: Option<(Duration, Duration)>,
    /// Of that, the time until they were sent (places, sessions, breakers).
    pub waited_sum: Duration,
    /// Of that, the time that the upstream had them.
    pub upstream_sum: Duration,
    /// Bytes of arguments.
    pub bytes_in: u64,
    /// Bytes of answers.
    pub bytes_out: u64,
    /// The last calls with a trace, one for each bucket of the exposition at most.
    pub exemplars: Vec<Exemplar>,
    /// The last minute, five minutes, hour.
    pub windows: [WindowPicture; 3],
}

/// Calls of one window.
#[derive(Debug, Clone, Default)]
pub struct WindowPicture {
    /// How much of the window was seen; less than its length soon after the start.
    pub length: Duration,
    /// Calls that ended, in the order of [`CallResult::ALL`].
    pub ended: [u64; CallResult::ALL.len()],
    /// Seconds they took; empty in the windows of one tool.
    pub duration: Sketch,
    /// See [`CallPicture::duration_sum`].
    pub duration_sum: Duration,
    /// See [`CallPicture::waited_sum`].
    pub waited_sum: Duration,
    /// See [`CallPicture::upstream_sum`].
    pub upstream_sum: Duration,
}

/// Calls that count for or against an objective. Cancelled ones count for neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answered, also with a tool's own error.
    pub good: u64,
    /// Failed: see [`CallResult::is_failure`].
    pub bad: u64,
}

/// The windows of multi-window burn rates. Source: "The Site Reliability Workbook", chapter 5.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BurnWindows {
    /// The last five minutes.
    pub five_minutes: Tally,
    /// The last half hour.
    pub half_hour: Tally,
    /// The last hour.
    pub hour: Tally,
    /// The last six hours; of the time before the start what the history still knows.
    pub six_hours: Tally,
}

/// Where a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerName {
    /// Calls pass.
    Closed,
    /// None does.
    Open,
    /// One at a time does.
    HalfOpen,
}

/// How much of an upstream can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// All of it.
    Ok,
    /// It can be called, but tools or sessions are missing, or its breaker lets few calls through.
    Degraded,
    /// It cannot be called.
    Down,
}

/// Which of [`CallPicture::windows`] is the last minute.
pub const MINUTE: usize = 0;
/// Which is the last five minutes.
pub const FIVE_MINUTES: usize = 1;
/// Which is the last hour.
pub const HOUR: usize = 2;

// === impl CallPicture ===

impl CallPicture {
    /// Calls that ended, in whatever way.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// What came of those that came to something.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally::of(&self.ended)
    }
}

// === impl WindowPicture ===

impl WindowPicture {
    /// Calls that ended, in whatever way.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// Calls that ended in a second; 0 while nothing was seen.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { self.total() as f64 / seconds } else { 0.0 }
    }

    /// What came of those that came to something.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally::of(&self.ended)
    }

    /// Mean time until a call was sent; `None` while nothing was counted.
    #[must_use]
    pub fn mean_wait(&self) -> Option<Duration> {
        let count = u32::try_from(self.duration.count()).unwrap_or(u32::MAX);
        self.waited_sum.checked_div(count)
    }
}

// === impl Tally ===

impl Tally {
    /// Of results in the order of [`CallResult::ALL`].
    #[must_use]
    pub fn of(ended: &[u64; CallResult::ALL.len()]) -> Self {
        let mut tally = Self::default();
        for (result, count) in CallResult::ALL.into_iter().zip(ended) {
            match result {
                CallResult::Ok | CallResult::ToolError => tally.good += count,
                CallResult::NotSent | CallResult::Refused | CallResult::Unknown => {
                    tally.bad += count;
                }
                CallResult::Cancelled => {}
            }
        }
        tally
    }

    /// How many there were.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.good + self.bad
    }

    /// What came after `earlier`, which is an earlier state of the same. Numbers that are smaller
    /// than before began anew.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        if self.good < earlier.good || self.bad < earlier.bad {
            return self;
        }
        Self { good: self.good - earlier.good, bad: self.bad - earlier.bad }
    }

    /// The share that failed, 0 to 1; 0 where there was none.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        if self.total() == 0 { 0.0 } else { self.bad as f64 / self.total() as f64 }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.good += other.good;
        self.bad += other.bad;
    }
}

// === impl BreakerName ===

impl BreakerName {
    /// The name in answers and metrics: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

// === impl Standing ===

impl Standing {
    /// The name in answers and metrics: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

//! How a picture is taken: from the snapshot, the meters, the journal, the windows and the last
//! samples of resources.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use mcpo_core::breaker::BreakerState;
use mcpo_core::life::HeldBy;
use mcpo_policy::cache::{CacheReading, ServerCacheReading};
use mcpo_upstream::directory::{Snapshot, State, Upstream, View};
use mcpo_upstream::journal::Counters;
use mcpo_upstream::meter::{ToolReading, UpstreamReading};
use tokio::time::Instant;

use super::{
    BreakerName, BurnWindows, ByReason, CachePicture, CallPicture, Picture, Recent, ServerPicture,
    ShedPicture, Standing, ToolPicture, WatchPicture, WholeCachePicture, WholePicture,
    WindowPicture,
};
use crate::requests::RequestSeries;
use crate::resources::{MachineSample, ProcessSample};
use crate::score::{self, Baselines, Score};
use crate::windows::{Counted, Windows};

/// What a picture is made from.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) at: SystemTime,
    pub(crate) now: Instant,
    pub(crate) started: Instant,
    pub(crate) snapshot: &'a Snapshot,
    /// By upstream; also those of upstreams that were removed.
    pub(crate) readings: Vec<UpstreamReading>,
    pub(crate) counters: &'a Counters,
    pub(crate) recent: &'a Recent,
    pub(crate) windows: &'a Windows,
    pub(crate) baselines: &'a Baselines,
    pub(crate) requests: Vec<RequestSeries>,
    pub(crate) room: Room,
    pub(crate) cache: &'a CacheReading,
    pub(crate) process: Option<ProcessSample>,
    pub(crate) machine: Option<MachineSample>,
    pub(crate) watch: WatchPicture,
    /// Of each upstream that has processes, by its name.
    pub(crate) children: &'a HashMap<String, ProcessSample>,
}

/// Places for calls, as the pipeline has them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    pub(crate) max_concurrent: usize,
    pub(crate) in_flight: usize,
    pub(crate) peak: usize,
    pub(crate) shed: ByReason,
}

/// Takes a picture.
pub(crate) fn take(mut sources: Sources<'_>) -> Picture {
    // Moved, since ten thousand tools are some mebibytes.
    let mut readings: HashMap<String, UpstreamReading> = std::mem::take(&mut sources.readings)
        .into_iter()
        .map(|mut one| (std::mem::take(&mut one.upstream), one))
        .collect();
    let kept: HashMap<&str, &ServerCacheReading> =
        sources.cache.servers.iter().map(|one| (one.upstream.as_str(), one)).collect();
    let servers: Vec<ServerPicture> = sources
        .snapshot
        .upstreams()
        .iter()
        .map(|upstream| {
            let name = upstream.view.name.as_str();
            let (reading, kept) = (readings.remove(name), kept.get(name).copied());
            server(&sources, upstream, reading.unwrap_or_default(), kept)
        })
        .collect();
    let mut picture = Picture {
        at: sources.at,
        uptime: sources.now.saturating_duration_since(sources.started),
        whole: whole(&sources, &servers),
        servers,
        requests: sources.requests,
        process: sources.process,
        machine: sources.machine,
        watch: sources.watch,
    };
    score::put(&mut picture, sources.baselines);
    picture
}

fn server(
    sources: &Sources<'_>,
    upstream: &Upstream,
    reading: UpstreamReading,
    kept: Option<&ServerCacheReading>,
) -> ServerPicture {
    let (view, breaker) = (&*upstream.view, upstream.gate().breaker_state());
    let now = sources.now;
    let read = reading.tools.into_iter();
    let tools: Vec<ToolPicture> = read.map(|one| tool(sources, &view.name, one)).collect();
    let mut calls = sum(tools.iter().map(|tool| &tool.calls));
    (calls.in_flight, calls.peak) = (reading.in_flight, reading.peak);
    // Of its tools it may not have been read.
    calls.duration = reading.duration;
    calls.windows = sources.windows.of(&view.name, &calls, now);
    let counters = sources.counters.upstreams.get(&view.name).cloned().unwrap_or_default();
    let few = sources.windows.few(&view.name, Counted::of(reading.shed, kept));
    let last_hour = sources.windows.last_hour(&view.name, &counters);
    ServerPicture {
        name: view.name.clone(),
        state: view.state.name(),
        standing: Standing::of(view, breaker),
        since: wall(sources.at, now, since(view)),
        fault: view.state.fault().map(|fault| fault.kind),
        detail: view.state.fault().map(|fault| fault.detail.as_str().into()),
        held_by: held_by(&view.state),
        retry_in: retry_at(&view.state).map(|at| at.saturating_duration_since(now)),
        sessions: view.sessions.len(),
        sessions_in_use: view.sessions.iter().filter(|live| live.outstanding() > 0).count(),
        pool_min: view.pool.min,
        pool_max: view.pool.max,
        breaker: BreakerName::of(breaker),
        retry_tokens: upstream.gate().tokens(),
        reconnects: view.reconnects,
        tools_offered: view.catalog.as_deref().map(|catalog| catalog.tools().len()),
        missing_tools: view.missing_tools.clone(),
        counters,
        last_error: sources.recent.last_error(&view.name),
        faults_last_hour: last_hour.faults,
        recoveries_last_hour: last_hour.recoveries,
        burn: sources.windows.burn(&view.name, calls.tally()),
        calls,
        tools,
        queued: reading.queued,
        limit: reading.limit,
        limit_max: view.load.max_concurrent.get(),
        shed: ShedPicture::of(reading.shed, &few),
        cache: kept.map(|kept| CachePicture::of(kept, &few)),
        processes: sources.children.get(&view.name).copied(),
        score: Score::full(),
    }
}

fn tool(sources: &Sources<'_>, upstream: &str, reading: ToolReading) -> ToolPicture {
    let windows = sources.windows.of_tool(upstream, &reading, sources.now);
    let calls = CallPicture {
        ended: reading.ended,
        in_flight: reading.in_flight,
        peak: reading.peak,
        duration: reading.duration,
        duration_sum: reading.duration_sum,
        duration_bounds: reading.duration_bounds,
        waited_sum: reading.waited_sum,
        upstream_sum: reading.upstream_sum,
        bytes_in: reading.bytes_in,
        bytes_out: reading.bytes_out,
        exemplars: reading.exemplars,
        windows,
    };
    ToolPicture { tool: reading.tool, calls }
}

fn whole(sources: &Sources<'_>, servers: &[ServerPicture]) -> WholePicture {
    let mut calls = sum(servers.iter().map(|server| &server.calls));
    let Room { max_concurrent, in_flight, peak, shed } = sources.room;
    (calls.in_flight, calls.peak) = (in_flight, peak);
    sum_windows(&mut calls, &sources.windows.empty(sources.now));
    let mut burn = BurnWindows::default();
    servers.iter().for_each(|server| burn += server.burn);
    let mut faults: Vec<_> = Vec::new();
    servers.iter().flat_map(|server| &server.faults_last_hour).for_each(|&(kind, count)| {
        match faults.iter_mut().find(|(one, _)| *one == kind) {
            Some((_, known)) => *known += count,
            None => faults.push((kind, count)),
        }
    });
    WholePicture {
        calls,
        max_concurrent,
        in_flight,
        peak,
        queued: servers.iter().map(|server| server.queued).sum(),
        shed: ShedPicture::of(shed, &sources.windows.few_of_all(Counted::of(shed, None))),
        cache: cache(sources),
        faults_last_hour: faults,
        burn,
        score: Score::full(),
    }
}

/// The cache, with what it did for upstreams that were removed since.
fn cache(sources: &Sources<'_>) -> WholeCachePicture {
    let reading = sources.cache;
    let mut all = CachePicture::default();
    for kept in &reading.servers {
        let few = sources.windows.few(&kept.upstream, Counted::of(ByReason::default(), Some(kept)));
        let one = CachePicture::of(kept, &few);
        all.counts += one.counts;
        all.minute += one.minute;
        all.hour += one.hour;
    }
    (all.entries, all.bytes) = (reading.entries, reading.bytes);
    WholeCachePicture {
        enabled: reading.enabled,
        entries_max: reading.entries_max,
        bytes_max: reading.bytes_max,
        all,
    }
}

/// Calls added up; exemplars stay with their tools.
fn sum<'a>(all: impl Iterator<Item = &'a CallPicture>) -> CallPicture {
    let mut sum = CallPicture::default();
    all.for_each(|one| sum.add(one));
    sum
}

/// Windows have their length also where nobody was called.
fn sum_windows(calls: &mut CallPicture, empty: &[WindowPicture; 3]) {
    calls.windows.iter_mut().zip(empty).for_each(|(window, empty)| window.add(empty));
}

// === impl CallPicture ===

impl CallPicture {
    fn add(&mut self, other: &Self) {
        add_all(&mut self.ended, &other.ended);
        self.in_flight += other.in_flight;
        // An upper bound: they need not have peaked at the same time.
        self.peak += other.peak;
        self.duration.merge(&other.duration);
        self.duration_sum += other.duration_sum;
        self.duration_bounds = match (self.duration_bounds, other.duration_bounds) {
            (Some((least, most)), Some((low, high))) => Some((least.min(low), most.max(high))),
            (known, None) => known,
            (None, new) => new,
        };
        self.waited_sum += other.waited_sum;
        self.upstream_sum += other.upstream_sum;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.windows.iter_mut().zip(&other.windows).for_each(|(sum, one)| sum.add(one));
    }
}

// === impl WindowPicture ===

impl WindowPicture {
    /// Adds the calls of another tool or upstream in the same window.
    pub(crate) fn add(&mut self, other: &Self) {
        self.length = self.length.max(other.length);
        add_all(&mut self.ended, &other.ended);
        self.duration.merge(&other.duration);
        self.duration_sum += other.duration_sum;
        self.waited_sum += other.waited_sum;
        self.upstream_sum += other.upstream_sum;
    }
}

fn add_all(sums: &mut [u64], others: &[u64]) {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
}

// === impl BurnWindows ===

impl std::ops::AddAssign for BurnWindows {
    fn add_assign(&mut self, other: Self) {
        self.five_minutes += other.five_minutes;
        self.half_hour += other.half_hour;
        self.hour += other.hour;
        self.six_hours += other.six_hours;
    }
}

// === impl BreakerName ===

impl BreakerName {
    const fn of(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Self::Closed,
            BreakerState::Open { .. } => Self::Open,
            BreakerState::HalfOpen { .. } => Self::HalfOpen,
        }
    }
}

// === impl Standing ===

impl Standing {
    /// How much of an upstream can be used. One that is dormant is woken by the call.
    #[must_use]
    pub fn of(view: &View, breaker: BreakerState) -> Self {
        if !view.is_ready() && view.state != State::Dormant {
            return Self::Down;
        }
        let lacks_sessions = view.is_ready() && view.sessions.len() < view.pool.min;
        let whole =
            view.missing_tools.is_empty() && !lacks_sessions && breaker == BreakerState::Closed;
        if whole { Self::Ok } else { Self::Degraded }
    }
}

/// One that is tried again and again changes its state each time.
const fn since(view: &View) -> Instant {
    match view.state {
        State::Starting { .. } | State::Resting { .. } => view.away_since,
        State::Ready | State::Held { .. } | State::Dormant | State::Stopped => view.since,
    }
}

const fn held_by(state: &State) -> Option<HeldBy> {
    match state {
        State::Held { by, .. } => Some(*by),
        State::Starting { .. }
        | State::Ready
        | State::Resting { .. }
        | State::Dormant
        | State::Stopped => None,
    }
}

const fn retry_at(state: &State) -> Option<Instant> {
    match state {
        State::Resting { retry_at, .. } => Some(*retry_at),
        State::Held { look_at, .. } => *look_at,
        State::Starting { .. } | State::Ready | State::Dormant | State::Stopped => None,
    }
}

/// A moment of our clock as people tell it.
fn wall(at: SystemTime, now: Instant, then: Instant) -> SystemTime {
    at.checked_sub(now.saturating_duration_since(then)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Seconds since the Unix epoch; 0 for what is before.
#[must_use]
pub fn epoch_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

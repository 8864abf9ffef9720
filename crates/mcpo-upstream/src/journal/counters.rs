//! What is counted of what happens, from the events alone.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::FaultKind;
use mcpo_core::outcome::OutcomeKind;

/// All counters since the start, by upstream. They only grow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// Those of each upstream that anything happened to, also of one that was removed.
    pub upstreams: BTreeMap<String, UpstreamCounters>,
}

/// What happened to one upstream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpstreamCounters {
    /// Failures, in the order of [`FaultKind::ALL`]; see [`UpstreamCounters::errors`].
    by_kind: [u64; FaultKind::ALL.len()],
    /// Times that something had to be made anew: it went away, or a session of it did.
    pub recoveries_tried: u64,
    /// Times that it was.
    pub recoveries_succeeded: u64,
    /// How long that took.
    pub time_to_recover: Histogram,
    /// Attempts at calls beyond each call's first.
    pub replays: u64,
    /// Calls of which nobody can know whether they acted, and whose callers were told so.
    pub told_unknown: u64,
    /// It is away: what follows belongs to the recovery that is under way.
    is_away: bool,
}

/// Lengths of time, counted by size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// How many were no longer than each of [`RECOVERY_BUCKETS_SECONDS`], each counted once, in the
    /// smallest that it fits; the last one counts the longer ones.
    pub buckets: [u64; RECOVERY_BUCKETS_SECONDS.len() + 1],
    /// How many in all.
    pub count: u64,
    /// All lengths together.
    pub sum: Duration,
}

/// From a warm spare (20 ms) over restarts of processes (seconds) to outages.
pub const RECOVERY_BUCKETS_SECONDS: [f64; 12] =
    [0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 600.0];

// === impl Counters ===

impl Counters {
    pub(super) fn count(&mut self, event: &Event) {
        let Some(name) = event.upstream() else { return };
        if !self.upstreams.contains_key(name) {
            self.upstreams.insert(name.to_owned(), UpstreamCounters::default());
        }
        if let Some(upstream) = self.upstreams.get_mut(name) {
            upstream.count(event);
        }
    }
}

// === impl UpstreamCounters ===

impl UpstreamCounters {
    /// Failures by kind, those kinds that there were.
    pub fn errors(&self) -> impl Iterator<Item = (FaultKind, u64)> {
        FaultKind::ALL.into_iter().zip(self.by_kind).filter(|(_, count)| *count > 0)
    }

    fn count(&mut self, event: &Event) {
        match event {
            Event::UpstreamFailed { fault, .. } | Event::SessionLost { fault, .. } => {
                self.add_error(fault.kind);
                self.begin_recovery();
            }
            Event::SessionReplaced { fault, .. } => {
                self.add_error(fault.kind);
                self.recoveries_tried += 1;
                self.recoveries_succeeded += 1;
                self.time_to_recover.add(Duration::ZERO);
            }
            // What an operator had replaced had not failed.
            Event::Recovered { .. } if !self.is_away => {}
            Event::Recovered { away, .. } => {
                self.is_away = false;
                self.recoveries_succeeded += 1;
                self.time_to_recover.add(*away);
            }
            Event::CallSentAgain { fault, .. } => {
                self.add_error(fault.kind);
                self.replays += 1;
            }
            Event::CallFailed { fault, outcome, .. } => {
                self.add_error(fault.kind);
                self.told_unknown += u64::from(*outcome == OutcomeKind::Unknown);
            }
            Event::CallsShed { count, .. } => self.add_errors(FaultKind::Overloaded, *count),
            Event::ToolsStale { fault, .. } | Event::SessionProbed { fault: Some(fault), .. } => {
                self.add_error(fault.kind);
            }
            Event::SessionProbed { fault: None, .. }
            | Event::UpstreamReady { .. }
            | Event::ToolsChanged { .. }
            | Event::ToolFlawed { .. }
            | Event::UpstreamStopped { .. }
            | Event::CallRecovered { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::BreakerOpened { .. }
            | Event::BreakerClosed { .. }
            | Event::BudgetSpent { .. }
            | Event::PoolGrew { .. }
            | Event::PoolShrank { .. }
            | Event::ToolsVanished { .. }
            | Event::ToolsUnknown { .. }
            | Event::ConfigReloaded { .. }
            | Event::ConfigRefused { .. }
            | Event::ClockJumped { .. }
            | Event::OrderGiven { .. } => {}
        }
    }

    /// However often it fails while it is away, that is one recovery.
    fn begin_recovery(&mut self) {
        self.recoveries_tried += u64::from(!self.is_away);
        self.is_away = true;
    }

    fn add_error(&mut self, kind: FaultKind) {
        self.add_errors(kind, 1);
    }

    fn add_errors(&mut self, kind: FaultKind, errors: u64) {
        for (one, count) in FaultKind::ALL.iter().zip(&mut self.by_kind) {
            *count += if *one == kind { errors } else { 0 };
        }
    }
}

// === impl Histogram ===

impl Histogram {
    fn add(&mut self, length: Duration) {
        let seconds = length.as_secs_f64();
        let bucket = RECOVERY_BUCKETS_SECONDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += length;
    }
}

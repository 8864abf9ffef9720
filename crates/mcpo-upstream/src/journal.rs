//! The one place where an event is told: its log line, its counters and its entry come from the
//! same call, so that they cannot disagree.

mod counters;
mod line;
mod repeats;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mcpo_core::event::{Event, Level};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::repeats::{Repeats, TELL_EVERY};
use crate::clock::Clock;

pub use counters::{Counters, Histogram, RECOVERY_BUCKETS_SECONDS, UpstreamCounters};

/// So many entries are kept; the oldest go first. A bad night of one upstream, or some hours of
/// many that are well.
pub const ENTRIES_MAX: usize = 4096;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Counts the entries, from 1.
    pub seq: u64,
    /// When it was told.
    pub at: SystemTime,
    /// What happened.
    pub event: Event,
}

/// What happened of late, and how often.
#[derive(Debug, Default)]
pub struct Journal {
    pages: Mutex<Pages>,
    repeats: Mutex<Repeats>,
    newest: watch::Sender<u64>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Pages {
    seq: u64,
    entries: VecDeque<Entry>,
    counters: Counters,
}

// === impl Journal ===

impl Journal {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one whose entries go by that clock.
    pub(crate) fn with_clock(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Tells one event. A call on the healthy path tells none.
    pub fn record(&self, event: &Event) {
        self.log(event);
        let entry = is_kept(event).then(|| event.clone());
        let at = self.clock.now();
        let mut pages = self.pages();
        pages.counters.count(event);
        let Some(event) = entry else { return };
        pages.seq += 1;
        let seq = pages.seq;
        if pages.entries.len() == ENTRIES_MAX {
            pages.entries.pop_front();
        }
        pages.entries.push_back(Entry { seq, at, event });
        self.newest.send_replace(seq);
    }

    /// Tells failures that were not told one by one, every now and then, for as long as it is
    /// awaited: otherwise they would wait for the next event. Cancel-safe.
    pub(crate) async fn tell_repeats(&self) -> Infallible {
        loop {
            sleep(TELL_EVERY).await;
            let sums = self.repeats().over(Instant::now());
            sums.iter().for_each(line::log_sum);
        }
    }

    /// Tells all of them that are left.
    pub(crate) fn tell_rest_of_repeats(&self) {
        let sums = self.repeats().rest();
        sums.iter().for_each(line::log_sum);
    }

    /// Writes its line, unless it repeats what was just written, and what is due of repeated ones.
    fn log(&self, event: &Event) {
        let (has_line, sums) = {
            let mut repeats = self.repeats();
            let now = Instant::now();
            let sums = repeats.over(now);
            (repeats.has_line(event, now), sums)
        };
        sums.iter().for_each(line::log_sum);
        if has_line {
            line::log(event);
        }
    }

    /// At most `limit` entries after that one, the oldest of them first; of one upstream only,
    /// where one is named. Entries that were dropped already are passed over.
    #[must_use]
    pub fn entries(&self, after_seq: u64, upstream: Option<&str>, limit: usize) -> Vec<Entry> {
        let pages = self.pages();
        let first = pages.entries.partition_point(|entry| entry.seq <= after_seq);
        let wanted = |entry: &&Entry| upstream.is_none() || entry.event.upstream() == upstream;
        pages.entries.range(first..).filter(wanted).take(limit).cloned().collect()
    }

    /// The number of the newest entry; 0 while there is none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.pages().seq
    }

    /// Follows [`Self::last_seq`]: changes with each entry that is kept. Cancel-safe, as all of
    /// `watch`.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.pages().counters.clone()
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes in floods is counted and not kept: calls that are sent away untried, probes that were
/// answered, and most of the attempts at an upstream that stays away (one a second would push out
/// all else within the hour).
fn is_kept(event: &Event) -> bool {
    match event {
        Event::CallFailed { .. } | Event::UpstreamFailed { .. } => event.level() > Level::Debug,
        Event::SessionProbed { fault, .. } => fault.is_some(),
        Event::UpstreamReady { .. }
        | Event::SessionLost { .. }
        | Event::ToolsChanged { .. }
        | Event::ToolsStale { .. }
        | Event::ToolFlawed { .. }
        | Event::UpstreamStopped { .. }
        | Event::CallSentAgain { .. }
        | Event::CallRecovered { .. }
        | Event::CallsShed { .. }
        | Event::SessionReplaced { .. }
        | Event::Recovered { .. }
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
        | Event::OrderGiven { .. } => true,
    }
}

#[cfg(test)]
mod tests;

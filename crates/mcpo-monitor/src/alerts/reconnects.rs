//! How often each upstream was connected anew of late.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::rules::RECONNECTS_WINDOW;
use crate::picture::Picture;

/// From one kept reading to the next: so many of each upstream are kept that a tenth of the window
/// is told apart.
const GRAIN: Duration = Duration::from_secs(60);

/// Counters of late, of the upstreams that there are. Times are lengths since the start of the
/// process, so that a wall clock that is set changes nothing.
#[derive(Debug, Default)]
pub(super) struct Reconnects {
    by_server: BTreeMap<String, Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// When, and what the counter was; the oldest first, at most window / grain and one before.
    readings: VecDeque<(Duration, u64)>,
    now: u64,
}

// === impl Reconnects ===

impl Reconnects {
    /// Reads the counters of this moment.
    pub(super) fn read(&mut self, picture: &Picture) {
        let names: BTreeSet<&str> =
            picture.servers.iter().map(|server| server.name.as_str()).collect();
        self.by_server.retain(|name, _| names.contains(name.as_str()));
        for server in &picture.servers {
            let counted = self.by_server.entry(server.name.clone()).or_default();
            counted.read(picture.uptime, server.reconnects);
        }
    }

    /// Reconnects within the window.
    pub(super) fn of_late(&self, server: &str) -> u64 {
        self.by_server.get(server).map_or(0, Counted::of_late)
    }
}

// === impl Counted ===

impl Counted {
    fn read(&mut self, at: Duration, count: u64) {
        // A counter that falls began anew: the upstream was replaced.
        if count < self.now {
            self.readings.clear();
        }
        self.now = count;
        if self.readings.back().is_none_or(|(last, _)| *last + GRAIN <= at) {
            self.readings.push_back((at, count));
        }
        // The oldest reading stays until the next one is as old as the window.
        while self.readings.get(1).is_some_and(|(second, _)| *second + RECONNECTS_WINDOW <= at) {
            self.readings.pop_front();
        }
    }

    fn of_late(&self) -> u64 {
        self.readings.front().map_or(0, |(_, first)| self.now - first)
    }
}

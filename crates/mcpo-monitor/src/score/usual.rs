//! What an upstream's calls usually take: its own past is what it is compared with.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::history::{Frame, Metric};

/// With fewer calls in a window a median says little.
pub const USUAL_CALLS_MIN: u64 = 10;

/// So far back is looked: a day has its quiet and its busy hours.
pub const USUAL_HOURS: u64 = 24;

/// So many samples make something usual: half an hour in which there were calls, at the default
/// interval.
pub const USUAL_SAMPLES_MIN: usize = 60;

/// Samples of one hour that are kept until it is over; more come only at intervals below 30 s, and
/// are left out.
const SAMPLES_PER_HOUR_MAX: usize = 120;

/// What is usual of each upstream, by name.
#[derive(Debug, Clone, Default)]
pub struct Baselines {
    servers: HashMap<String, Past>,
}

/// The last hours of one upstream in which it was called, each with its median.
#[derive(Debug, Clone, Default)]
struct Past {
    hours: VecDeque<Hour>,
    /// The hour that is under way, counted since the Unix epoch, with its samples.
    open: u64,
    samples: Vec<f32>,
    usual: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Hour {
    number: u64,
    median: f32,
    samples: usize,
}

// === impl Baselines ===

impl Baselines {
    /// What the median of an upstream's calls usually is, in seconds; `None` while it is not known.
    #[must_use]
    pub fn median(&self, server: &str) -> Option<f64> {
        self.servers.get(server).and_then(|past| past.usual)
    }

    /// Learns that the median of an upstream's calls was that long, in seconds, at that time in
    /// seconds since the Unix epoch. What lasts for less than half of the time that is looked back
    /// to does not become usual.
    pub fn learn(&mut self, server: &str, at: u64, median: f64) {
        if !median.is_finite() {
            return;
        }
        if !self.servers.contains_key(server) {
            self.servers.insert(server.to_owned(), Past::default());
        }
        if let Some(past) = self.servers.get_mut(server) {
            past.learn(at / 3600, median as f32);
        }
    }

    /// Learns from a frame, and forgets the upstreams that are not in it.
    pub(crate) fn follow(&mut self, frame: &Frame) {
        let names: HashSet<&str> = frame.servers.iter().map(|(name, _)| name.as_str()).collect();
        self.servers.retain(|name, _| names.contains(name.as_str()));
        for (name, row) in &frame.servers {
            self.learn(name, frame.at, f64::from(row[Metric::P50.index()]));
        }
    }
}

// === impl Past ===

impl Past {
    fn learn(&mut self, hour: u64, median: f32) {
        if hour != self.open {
            self.end_hour();
            self.open = hour;
            // Also what a clock that was set back has left in the future.
            self.hours.retain(|one| one.number <= hour && one.number + USUAL_HOURS >= hour);
        }
        if self.samples.len() < SAMPLES_PER_HOUR_MAX {
            self.samples.push(median);
        }
        self.usual = self.usual();
    }

    fn end_hour(&mut self) {
        if let Some(hour) = self.open_hour() {
            self.hours.push_back(hour);
        }
        self.samples.clear();
    }

    fn open_hour(&self) -> Option<Hour> {
        let mut samples = self.samples.clone();
        let middle = samples.len().checked_sub(1)? / 2;
        let (_, median, _) = samples.select_nth_unstable_by(middle, f32::total_cmp);
        Some(Hour { number: self.open, median: *median, samples: self.samples.len() })
    }

    /// The median of the hours' medians, each as heavy as it has samples.
    fn usual(&self) -> Option<f64> {
        let mut hours: Vec<Hour> = self.hours.iter().copied().chain(self.open_hour()).collect();
        let all: usize = hours.iter().map(|hour| hour.samples).sum();
        if all < USUAL_SAMPLES_MIN {
            return None;
        }
        hours.sort_by(|one, other| one.median.total_cmp(&other.median));
        let mut seen = 0;
        let middle = hours.iter().find(|hour| {
            seen += hour.samples;
            2 * seen >= all
        });
        middle.map(|hour| f64::from(hour.median))
    }
}

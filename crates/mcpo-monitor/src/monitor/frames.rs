//! A picture as a frame of the history: what happened since the frame before, and how things stand.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use mcpo_core::sketch::Sketch;
use mcpo_upstream::meter::{CallResult, UPSTREAMS_MAX};

use crate::history::{Frame, Metric, ROW_EMPTY, Row};
use crate::picture::{CacheUse, Picture, ServerPicture, Tally};
use crate::resources::ProcessSample;

/// What happened in less time than this says nothing of a second.
const LENGTH_MIN: Duration = Duration::from_millis(500);

/// Of so many upstreams that were removed is remembered what they had counted: as the meters do,
/// one that comes back goes on where it was.
const GONE_MAX: usize = UPSTREAMS_MAX;

/// Makes frames; remembers what the last one has counted.
#[derive(Debug, Default)]
pub(super) struct Framer {
    uptime: Duration,
    /// By upstream.
    counted: HashMap<String, Counted>,
}

/// What was counted up to a frame, or from one to the next.
#[derive(Debug, Clone, Default)]
struct Counted {
    ended: [u64; CallResult::ALL.len()],
    duration: Sketch,
    waited: Duration,
    recoveries: u64,
    shed: u64,
    cache: CacheUse,
}

// === impl Framer ===

impl Framer {
    /// The frame since the one before; `None` where that is too short a time ago.
    pub(super) fn frame(&mut self, picture: &Picture) -> Option<Frame> {
        let length = picture.uptime.saturating_sub(self.uptime);
        if length < LENGTH_MIN {
            return None;
        }
        self.uptime = picture.uptime;
        // Not what the picture has of all together: that jumps when an upstream comes or goes.
        let mut all = Counted::default();
        let servers = picture.servers.iter().map(|server| {
            let news = self.news(server);
            all.add(&news);
            let mut row = news.row(length);
            put_server(&mut row, server);
            (server.name.clone(), row)
        });
        let servers = servers.collect();
        let mut whole = all.row(length);
        put_whole(&mut whole, picture);
        self.forget(picture);
        let at = picture.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(Frame { at: at.as_secs(), whole, servers })
    }

    /// What an upstream has counted since the last frame that it was in.
    fn news(&mut self, server: &ServerPicture) -> Counted {
        let counted = Counted::of(server);
        match self.counted.get_mut(&server.name) {
            Some(before) => {
                let news = counted.since(before);
                *before = counted;
                news
            }
            None => {
                self.counted.insert(server.name.clone(), counted.clone());
                counted
            }
        }
    }

    /// Forgets those that are gone, where they are too many.
    fn forget(&mut self, picture: &Picture) {
        if self.counted.len() > picture.servers.len() + GONE_MAX {
            let there: HashSet<&str> =
                picture.servers.iter().map(|one| one.name.as_str()).collect();
            self.counted.retain(|name, _| there.contains(name.as_str()));
        }
    }
}

// === impl Counted ===

impl Counted {
    /// Everything since the start.
    fn of(server: &ServerPicture) -> Self {
        Self {
            ended: server.calls.ended,
            duration: server.calls.duration.clone(),
            waited: server.calls.waited_sum,
            recoveries: server.counters.recoveries_tried,
            shed: server.shed.total(),
            cache: server.cache.map(|cache| cache.counts.used()).unwrap_or_default(),
        }
    }

    fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// What came after `before`. Numbers that are smaller than before began anew.
    fn since(&self, before: &Self) -> Self {
        let recoveries = self.recoveries.saturating_sub(before.recoveries);
        let shed = self.shed.saturating_sub(before.shed);
        let cache = self.cache.since(before.cache);
        if self.total() < before.total() {
            return Self { recoveries, shed, cache, ..self.clone() };
        }
        let mut ended = self.ended;
        ended.iter_mut().zip(before.ended).for_each(|(now, then)| *now = now.saturating_sub(then));
        Self {
            ended,
            duration: self.duration.since(&before.duration),
            waited: self.waited.saturating_sub(before.waited),
            recoveries,
            shed,
            cache,
        }
    }

    fn add(&mut self, other: &Self) {
        self.ended.iter_mut().zip(other.ended).for_each(|(sum, one)| *sum += one);
        self.duration.merge(&other.duration);
        self.waited += other.waited;
        self.recoveries += other.recoveries;
        self.shed += other.shed;
        self.cache += other.cache;
    }

    /// As that happened within such a length of time.
    fn row(&self, length: Duration) -> Row {
        let (seconds, tally) = (length.as_secs_f64(), Tally::of(&self.ended));
        let mut row = ROW_EMPTY;
        put(&mut row, Metric::Rate, self.total() as f64 / seconds);
        put(&mut row, Metric::Recoveries, self.recoveries as f64 / seconds);
        put(&mut row, Metric::Shed, self.shed as f64 / seconds);
        if let Some(hit_rate) = self.cache.hit_rate() {
            put(&mut row, Metric::CacheHitRate, hit_rate);
        }
        if tally.total() > 0 {
            put(&mut row, Metric::ErrorRate, tally.error_rate());
        }
        let quantiles = [(Metric::P50, 0.5), (Metric::P90, 0.9), (Metric::P99, 0.99)];
        for (metric, q) in quantiles {
            put(&mut row, metric, self.duration.quantile(q).unwrap_or(f64::NAN));
        }
        // No number where there was no call.
        let waited = self.waited.as_secs_f64() / self.duration.count() as f64;
        put(&mut row, Metric::Wait, waited);
        row
    }
}

fn put_server(row: &mut Row, server: &ServerPicture) {
    put(row, Metric::InFlight, server.calls.in_flight as f64);
    put(row, Metric::Sessions, server.sessions as f64);
    put(row, Metric::SessionsInUse, server.sessions_in_use as f64);
    put(row, Metric::Score, f64::from(server.score.score));
    if let Some(sample) = &server.processes {
        put(row, Metric::Cpu, sample.cpu);
        put(row, Metric::Memory, sample.rss_bytes as f64);
    }
}

fn put_whole(row: &mut Row, picture: &Picture) {
    let servers = || picture.servers.iter();
    put(row, Metric::InFlight, picture.whole.in_flight as f64);
    // At the stop they are gone: that nothing is wrong with none is no sign of health.
    if !picture.servers.is_empty() {
        let in_use: usize = servers().map(|server| server.sessions_in_use).sum();
        put(row, Metric::Sessions, servers().map(|server| server.sessions).sum::<usize>() as f64);
        put(row, Metric::SessionsInUse, in_use as f64);
        put(row, Metric::Score, f64::from(picture.whole.score.score));
    }
    if let Some(own) = &picture.process {
        let children = || servers().filter_map(|server| server.processes.as_ref()).chain([own]);
        let sum = |of: fn(&ProcessSample) -> f64| children().map(of).sum();
        put(row, Metric::Cpu, sum(|sample| sample.cpu));
        put(row, Metric::Memory, sum(|sample| sample.rss_bytes as f64));
    }
}

fn put(row: &mut Row, metric: Metric, value: f64) {
    row[metric.index()] = value as f32;
}

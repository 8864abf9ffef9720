//! A picture as a frame of the history: what happened since the frame before, and how things stand.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use mcpo_core::sketch::Sketch;
use mcpo_upstream::meter::CallResult;

use crate::history::{Frame, Metric, ROW_EMPTY, Row};
use crate::picture::{CallPicture, Picture, ServerPicture, Tally};
use crate::resources::ProcessSample;

/// What happened in less time than this says nothing of a second.
const LENGTH_MIN: Duration = Duration::from_millis(500);

/// Makes frames; remembers what the last one has counted.
#[derive(Debug, Default)]
pub(super) struct Framer {
    uptime: Duration,
    whole: Counted,
    servers: HashMap<String, Counted>,
}

/// What was counted up to a frame.
#[derive(Debug, Clone, Default)]
struct Counted {
    ended: [u64; CallResult::ALL.len()],
    duration: Sketch,
    waited: Duration,
    recoveries: u64,
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
        let recoveries = |server: &ServerPicture| server.counters.recoveries_tried;
        let all = picture.servers.iter().map(recoveries).sum();
        let counted = Counted::new(&picture.whole.calls, all);
        let mut whole = counted.row(&self.whole, length);
        self.whole = counted;
        put_whole(&mut whole, picture);
        let mut before = std::mem::take(&mut self.servers);
        let servers = picture.servers.iter().map(|server| {
            let counted = Counted::new(&server.calls, recoveries(server));
            let last = before.remove(&server.name).unwrap_or_default();
            let mut row = counted.row(&last, length);
            self.servers.insert(server.name.clone(), counted);
            put_server(&mut row, server);
            (server.name.clone(), row)
        });
        let servers = servers.collect();
        let at = picture.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(Frame { at: at.as_secs(), whole, servers })
    }
}

// === impl Counted ===

impl Counted {
    fn new(calls: &CallPicture, recoveries: u64) -> Self {
        Self {
            ended: calls.ended,
            duration: calls.duration.clone(),
            waited: calls.waited_sum,
            recoveries,
        }
    }

    /// What came after `before`. Numbers that are smaller than before began anew.
    fn row(&self, before: &Self, length: Duration) -> Row {
        let total = |ended: &[u64]| ended.iter().sum::<u64>();
        let fresh = Self::default();
        let began_anew = total(&self.ended) < total(&before.ended);
        let before = if began_anew { &fresh } else { before };
        let mut ended = self.ended;
        ended.iter_mut().zip(before.ended).for_each(|(now, then)| *now = now.saturating_sub(then));
        let (duration, tally) = (self.duration.since(&before.duration), Tally::of(&ended));
        let seconds = length.as_secs_f64();
        let mut row = ROW_EMPTY;
        put(&mut row, Metric::Rate, total(&ended) as f64 / seconds);
        let recoveries = self.recoveries.saturating_sub(before.recoveries);
        put(&mut row, Metric::Recoveries, recoveries as f64 / seconds);
        if tally.total() > 0 {
            put(&mut row, Metric::ErrorRate, tally.error_rate());
        }
        let quantiles = [(Metric::P50, 0.5), (Metric::P90, 0.9), (Metric::P99, 0.99)];
        for (metric, q) in quantiles {
            put(&mut row, metric, duration.quantile(q).unwrap_or(f64::NAN));
        }
        let waited = self.waited.saturating_sub(before.waited).as_secs_f64();
        // No number where there was no call.
        put(&mut row, Metric::Wait, waited / duration.count() as f64);
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
    let in_use: usize = servers().map(|server| server.sessions_in_use).sum();
    put(row, Metric::InFlight, picture.whole.in_flight as f64);
    put(row, Metric::Sessions, servers().map(|server| server.sessions).sum::<usize>() as f64);
    put(row, Metric::SessionsInUse, in_use as f64);
    put(row, Metric::Score, f64::from(picture.whole.score.score));
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

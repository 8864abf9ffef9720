//! How well all is, as one number from 0 to 100, and what pulls it down. Pure: a score is made from
//! the facts of one picture, so that the same facts always have the same score.

pub mod docs;
mod parts;
mod usual;

use mcpo_core::fault::FaultKind;
use mcpo_core::life::HeldBy;
use serde::Serialize;

use crate::picture::{BreakerName, FIVE_MINUTES, Picture, ServerPicture, Standing, Tally};

pub use parts::{PARTS, Part, Scope};
pub use usual::{Baselines, USUAL_CALLS_MIN, USUAL_HOURS, USUAL_SAMPLES_MIN};

/// A score and its reasons: it is 100 less the points of all reasons, and 0 at least.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// From 0 to 100, rounded down: whoever lost anything has not all of it.
    pub score: u8,
    /// Each lost point explained, the costliest first; at most [`REASONS_MAX`].
    pub reasons: Vec<Reason>,
}

/// Why points are lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// A stable name: one of [`PARTS`], or `others` for what is beyond [`REASONS_MAX`].
    pub part: &'static str,
    /// Points lost by it, above 0.
    pub points: f64,
    /// In plain words, with the figures.
    pub why: String,
    /// The upstream that it is about; `None` for mcpo itself or the machine.
    pub server: Option<String>,
}

/// So many reasons are told one by one: more than a page shows. The last one stands for the rest.
pub const REASONS_MAX: usize = 20;

/// The whole loses at least this share of what its worst upstream loses: one of a thousand that is
/// down is to be seen.
pub const WORST_SHARE: f64 = 0.25;

/// Sums of points are exact but for less than this.
const POINTS_BLUR: f64 = 1e-6;

/// What a score is made from.
#[derive(Debug, Clone, PartialEq)]
pub enum Facts {
    /// Of one upstream.
    Server(ServerFacts),
    /// Of all of them, of mcpo itself and of its machine.
    Whole(WholeFacts),
}

/// One upstream, as far as its score goes.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFacts {
    /// Its name.
    pub name: String,
    /// The name of its state.
    pub state: &'static str,
    /// How much of it can be used.
    pub standing: Standing,
    /// What is wrong with it now, if anything is.
    pub fault: Option<FaultKind>,
    /// Who holds it, if anybody does.
    pub held_by: Option<HeldBy>,
    /// Where its breaker is.
    pub breaker: BreakerName,
    /// Sessions that there are, and how many there should be at least.
    pub sessions: usize,
    /// See `sessions`.
    pub sessions_wanted: usize,
    /// Tools that it offered before and does not any more.
    pub tools_missing: usize,
    /// Calls that wait for a place.
    pub queued: usize,
    /// What became of the calls of the last five minutes.
    pub calls: Tally,
    /// How many of these it is known of how long they took: those that were turned away are left out.
    pub timed: u64,
    /// Their median, in seconds.
    pub median: Option<f64>,
    /// What their median usually is, in seconds; `None` while that is not known.
    pub usual_median: Option<f64>,
    /// Recoveries that were begun in the last hour.
    pub recoveries: u64,
}

/// The whole, as far as its score goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WholeFacts {
    /// The score of each upstream.
    pub servers: Vec<Score>,
    /// Used share of the machine's processor time, 0 to 1; `None` where it is not known.
    pub cpu: Option<f64>,
    /// Used share of its memory.
    pub memory: Option<f64>,
    /// Open file descriptors as a share of the limit.
    pub files: Option<f64>,
    /// Calls in flight as a share of those that may be.
    pub room: Option<f64>,
    /// Calls of the last five minutes that mcpo itself had no room or no processor time for.
    pub turned_away: u64,
    /// Calls that came in that time, these included.
    pub came: u64,
    /// Free bytes of the disk that the history is on.
    pub disk_bytes_free: Option<u64>,
}

/// The score that follows from the facts.
#[must_use]
pub fn of(facts: &Facts) -> Score {
    match facts {
        Facts::Server(server) => Score::less(parts::of_server(server)),
        Facts::Whole(whole) => Score::less(parts::of_whole(whole)),
    }
}

/// Gives every upstream of the picture, and the whole, their scores.
pub(crate) fn put(picture: &mut Picture, usual: &Baselines) {
    for server in &mut picture.servers {
        server.score = of(&Facts::Server(ServerFacts::of(server, usual)));
    }
    picture.whole.score = of(&Facts::Whole(WholeFacts::of(picture)));
}

// === impl Score ===

impl Score {
    /// Nothing is lost.
    #[must_use]
    pub const fn full() -> Self {
        Self { score: 100, reasons: Vec::new() }
    }

    /// Points lost.
    #[must_use]
    pub fn lost(&self) -> f64 {
        self.reasons.iter().map(|reason| reason.points).sum()
    }

    fn less(mut reasons: Vec<Reason>) -> Self {
        reasons.retain(|reason| reason.points > 0.0);
        reasons.sort_by(|one, other| other.points.total_cmp(&one.points));
        if reasons.len() > REASONS_MAX {
            let rest = reasons.split_off(REASONS_MAX - 1);
            let points = rest.iter().map(|reason| reason.points).sum();
            let why = format!("{} more reasons that each cost less", rest.len());
            reasons.push(Reason { part: "others", points, why, server: None });
        }
        let mut score = Self { score: 0, reasons };
        // What sums of fractions are off by is not to cost a point.
        let left = 100.0 - score.lost() + POINTS_BLUR;
        score.score = left.clamp(0.0, 100.0) as u8;
        score
    }
}

// === impl ServerFacts ===

impl ServerFacts {
    /// One that is well and was never called.
    #[must_use]
    pub fn well(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: "ready",
            standing: Standing::Ok,
            fault: None,
            held_by: None,
            breaker: BreakerName::Closed,
            sessions: 1,
            sessions_wanted: 1,
            tools_missing: 0,
            queued: 0,
            calls: Tally::default(),
            timed: 0,
            median: None,
            usual_median: None,
            recoveries: 0,
        }
    }

    fn of(server: &ServerPicture, usual: &Baselines) -> Self {
        let window = &server.calls.windows[FIVE_MINUTES];
        Self {
            name: server.name.clone(),
            state: server.state,
            standing: server.standing,
            fault: server.fault,
            held_by: server.held_by,
            breaker: server.breaker,
            sessions: server.sessions,
            sessions_wanted: server.pool_min,
            tools_missing: server.missing_tools.len(),
            queued: server.queued,
            calls: window.tally(),
            timed: window.duration.count(),
            median: window.duration.quantile(0.5),
            usual_median: usual.median(&server.name),
            recoveries: server.recoveries_last_hour,
        }
    }
}

// === impl WholeFacts ===

impl WholeFacts {
    fn of(picture: &Picture) -> Self {
        let (whole, machine) = (&picture.whole, picture.machine.as_ref());
        let files = picture.process.as_ref().and_then(|process| {
            process.fds.zip(process.fds_max).map(|(open, most)| share(open as f64, most as f64))
        });
        Self {
            servers: picture.servers.iter().map(|server| server.score.clone()).collect(),
            cpu: machine.map(|machine| machine.cpu),
            memory: machine.map(|machine| machine.memory),
            files,
            room: Some(share(whole.in_flight as f64, whole.max_concurrent as f64)),
            turned_away: whole.shed.by_process(),
            came: whole.calls.windows[FIVE_MINUTES].total() + whole.shed.by_process(),
            disk_bytes_free: machine.and_then(|machine| machine.state_disk_bytes_free),
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests;

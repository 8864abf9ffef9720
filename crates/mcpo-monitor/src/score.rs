//! How well all is, as one number from 0 to 100, and what pulls it down.

use serde::Serialize;

use crate::picture::{Picture, Standing};

/// A score and its reasons: it is 100 less the points of all reasons, and 0 at least.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// From 0 to 100.
    pub score: u8,
    /// Each lost point explained, the costliest first.
    pub reasons: Vec<Reason>,
}

/// Why points are lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// A stable name: `state`, `breaker`, `errors`, `latency`, `recovery`, `pool`, `memory`, ...
    pub part: &'static str,
    /// Points lost by it, above 0.
    pub points: f64,
    /// In plain words, with the figures.
    pub why: String,
    /// The upstream that it is about; `None` for mcpo itself or the machine.
    pub server: Option<String>,
}

/// What is usual, for comparison.
#[derive(Debug, Clone, Default)]
pub struct Baselines {}

/// Gives every upstream of the picture, and the whole, their scores.
pub(crate) fn put(picture: &mut Picture, _baselines: &Baselines) {
    let mut whole = Vec::new();
    for server in &mut picture.servers {
        let points = match server.standing {
            Standing::Ok => continue,
            Standing::Degraded => 20.0,
            Standing::Down => 100.0,
        };
        let why = format!("it is {}", server.standing.name());
        let reason = Reason { part: "state", points, why, server: Some(server.name.clone()) };
        whole.push(reason.clone());
        server.score = Score::less(vec![reason]);
    }
    let count = picture.servers.len().max(1) as f64;
    whole.iter_mut().for_each(|reason| reason.points /= count);
    picture.whole.score = Score::less(whole);
}

// === impl Score ===

impl Score {
    /// Nothing is lost.
    #[must_use]
    pub const fn full() -> Self {
        Self { score: 100, reasons: Vec::new() }
    }

    fn less(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_by(|a, b| b.points.total_cmp(&a.points));
        let lost: f64 = reasons.iter().map(|reason| reason.points).sum();
        // Rounded down, so that whoever lost anything has not all of it.
        Self { score: (100.0 - lost).clamp(0.0, 100.0) as u8, reasons }
    }
}

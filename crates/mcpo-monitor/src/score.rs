//! How well all is, as one number from 0 to 100, and what pulls it down.

use serde::Serialize;

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

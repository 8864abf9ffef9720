//! What was: samples and events kept in the state directory, or in memory.

use std::time::SystemTime;

use serde::Serialize;

/// What is kept of each upstream, and of all together, at every sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Calls that ended, a second.
    Rate,
    /// Share of them that failed, 0 to 1.
    ErrorRate,
    /// Their median, in seconds.
    P50,
    /// Their 90th percentile, in seconds.
    P90,
    /// Their 99th percentile, in seconds.
    P99,
    /// Mean time until they were sent, in seconds.
    Wait,
    /// Calls in flight.
    InFlight,
    /// Sessions.
    Sessions,
    /// Of those, with calls under way.
    SessionsInUse,
    /// Recoveries that were begun, a second.
    Recoveries,
    /// Processor time used, 1 for one processor: the children's, or ours and theirs for the whole.
    Cpu,
    /// Resident memory in bytes, of the same.
    Memory,
    /// The health score, 0 to 100.
    Score,
}

/// What is asked of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which upstream; `None` for all together.
    pub server: Option<String>,
    /// What.
    pub metric: Metric,
    /// From then.
    pub from: SystemTime,
    /// Until then.
    pub to: SystemTime,
    /// Seconds from point to point; raised where the grain is coarser, or the answer would have
    /// more than [`POINTS_MAX`] points.
    pub step_seconds: u64,
}

/// What the history answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// See [`Query::server`].
    pub server: Option<String>,
    /// See [`Query::metric`].
    pub metric: Metric,
    /// Seconds from point to point, as it came to.
    pub step_seconds: u64,
    /// When, in seconds since the Unix epoch, and what; steps without a sample are left out.
    pub points: Vec<(u64, f64)>,
}

/// An answer has no more points than this: as many as a wide screen has pixels.
pub const POINTS_MAX: u64 = 2000;

/// Why the history has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// What was asked makes no sense, in words.
    #[error("{0}")]
    BadQuery(String),
    /// It could not be read.
    #[error("the history cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

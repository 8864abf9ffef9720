//! What was: samples and events kept in the state directory, or in memory.

mod base;
mod directory;
mod export;
mod failure;
mod fold;
mod frame;
mod past;
mod store;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use export::{Export, Point, export};
pub(crate) use past::{Past, past};
pub use store::{Bounds, EVENTS_ANSWER_MAX, MEMORY_BYTES_MAX, Place, STORE_BYTES_MAX, Store};

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
    /// Calls that were turned away, a second.
    Shed,
    /// Share of the calls that a kept answer would have done for, and that got one, 0 to 1.
    CacheHitRate,
}

/// One value for each [`Metric`], by [`Metric::index`]; `NaN` where there is none.
pub type Row = [f32; Metric::ALL.len()];

/// A row without any value.
pub const ROW_EMPTY: Row = [f32::NAN; Metric::ALL.len()];

/// One sample of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// When, in seconds since the Unix epoch.
    pub at: u64,
    /// All upstreams together.
    pub whole: Row,
    /// Each upstream by its name; beyond [`NAMES_MAX`] they are kept as one, [`OTHER`].
    pub servers: Vec<(String, Row)>,
}

/// One event that is kept. It holds fixed words only, and nothing that a secret could be in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptEvent {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The event's stable name.
    pub name: String,
    /// Its level: `info`, `warn`, `error`.
    pub level: String,
    /// The upstream that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What happened, in words.
    pub sentence: String,
    /// The fault's code, if there was a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Upstreams of one frame that are kept by name: a page that shows more shows nothing.
pub const NAMES_MAX: usize = 1024;

/// The name of all upstreams beyond [`NAMES_MAX`] together.
pub const OTHER: &str = "_other";

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

// === impl Metric ===

impl Metric {
    /// Each of them, in the order of [`Row`]. The order is part of the file's format: new ones come
    /// last.
    pub const ALL: [Self; 15] = [
        Self::Rate,
        Self::ErrorRate,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::Wait,
        Self::InFlight,
        Self::Sessions,
        Self::SessionsInUse,
        Self::Recoveries,
        Self::Cpu,
        Self::Memory,
        Self::Score,
        Self::Shed,
        Self::CacheHitRate,
    ];

    /// Its place in a [`Row`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its stable name, as faces take and show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::ErrorRate => "error_rate",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Wait => "wait",
            Self::InFlight => "in_flight",
            Self::Sessions => "sessions",
            Self::SessionsInUse => "sessions_in_use",
            Self::Recoveries => "recoveries",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Score => "score",
            Self::Shed => "shed",
            Self::CacheHitRate => "cache_hit_rate",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// What its values count: `1/s`, `1` (a share or a number of things), `s`, `By`, `points`.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Rate | Self::Recoveries | Self::Shed => "1/s",
            Self::ErrorRate
            | Self::InFlight
            | Self::Sessions
            | Self::SessionsInUse
            | Self::Cpu
            | Self::CacheHitRate => "1",
            Self::P50 | Self::P90 | Self::P99 | Self::Wait => "s",
            Self::Memory => "By",
            Self::Score => "points",
        }
    }
}

#[cfg(test)]
mod tests;

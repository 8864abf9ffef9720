//! What calls came to and how long they took, by upstream and tool: written by calls with a few
//! atomics, read by the monitor. Nothing here is reset; who wants to know of a time reads at
//! its two ends.

mod sharing;
mod shelf;
mod tool;
mod upstream;

use std::time::Duration;

use mcpo_core::load::ShedReason;
use mcpo_core::sketch::Sketch;

pub use sharing::{Sharing, Writing};
pub use upstream::{Ended, Meter, Metered, Meters};

/// Upstreams that are counted, those that were removed included; more only where more are in the
/// directory, or have calls under way, at once.
pub const UPSTREAMS_MAX: usize = 1024;

/// Tools of one upstream that are counted on their own; calls of those beyond are counted together
/// as [`OTHER`]. Four times the tools that the largest known catalogs have.
pub const TOOLS_MAX: usize = 4096;

/// Tools of all upstreams together that are counted on their own: an upstream that invents names
/// cannot fill our memory, nor that of who scrapes us.
pub const TOOLS_IN_ALL_MAX: usize = 16_384;

/// Tools with longer names are counted as [`OTHER`]: MCP asks for names of at most 128 characters
/// (2026-07-28, server/tools), and each name is kept and exported.
pub const TOOL_NAME_BYTES_MAX: usize = 512;

/// The name under which the tools beyond the bounds are counted. No tool is called so: names of
/// tools that begin with `_` and equal this one are counted with them.
pub const OTHER: &str = "_other";

/// What a call came to, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallResult {
    /// A result.
    Ok,
    /// The tool's own error: `isError`, or a JSON-RPC error.
    ToolError,
    /// See [`Outcome::NotSent`](mcpo_core::outcome::Outcome::NotSent).
    NotSent,
    /// See [`Outcome::Refused`](mcpo_core::outcome::Outcome::Refused).
    Refused,
    /// See [`Outcome::Unknown`](mcpo_core::outcome::Outcome::Unknown).
    Unknown,
    /// The downstream went away before.
    Cancelled,
}

/// One upstream's calls as they stand.
#[derive(Debug, Clone, Default)]
pub struct UpstreamReading {
    /// Its name.
    pub upstream: String,
    /// Calls under way, and the most at once so far.
    pub in_flight: usize,
    /// The most at once.
    pub peak: usize,
    /// Calls that wait for a place.
    pub queued: usize,
    /// Calls that may be in flight at once, as far as is known: what its operator allows, or what
    /// was learnt of it where that is less. 0 before the first.
    pub limit: usize,
    /// Calls that were turned away for each reason, in the order of [`ShedReason::ALL`]. They only
    /// grow.
    pub shed: [u64; ShedReason::ALL.len()],
    /// Seconds from begin to end of the calls of all tools; those that were cancelled or turned away
    /// are left out.
    pub duration: Sketch,
    /// Each tool that was called.
    pub tools: Vec<ToolReading>,
}

/// One tool's calls as they stand. All numbers only grow, but for those in flight.
#[derive(Debug, Clone)]
pub struct ToolReading {
    /// Its name, or [`OTHER`].
    pub tool: String,
    /// Calls that ended, in the order of [`CallResult::ALL`].
    pub ended: [u64; CallResult::ALL.len()],
    /// Calls under way.
    pub in_flight: usize,
    /// The most at once.
    pub peak: usize,
    /// Seconds from begin to end; calls that were cancelled or turned away are left out, here and
    /// below. Empty where it was [read briefly](Meters::read_briefly).
    pub duration: Sketch,
    /// The same, added up.
    pub duration_sum: Duration,
    /// The shortest and the longest; `None` before the first.
    pub duration_bounds: Option<(Duration, Duration)>,
    /// Time until they were sent: places, breakers, sessions, waits between attempts.
    pub waited_sum: Duration,
    /// Time that the upstream had them.
    pub upstream_sum: Duration,
    /// Bytes of arguments.
    pub bytes_in: u64,
    /// Bytes of answers.
    pub bytes_out: u64,
    /// The last calls that had a trace, at most one for each of [`EXEMPLAR_BOUNDS_SECONDS`] and one
    /// for what is longer, the shortest first.
    pub exemplars: Vec<Exemplar>,
}

/// One call that stands for others like it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it ended, in seconds since the Unix epoch.
    pub at: f64,
    /// The W3C trace id.
    pub trace_id: [u8; 16],
}

/// The buckets of the exposition, in seconds; those that OpenTelemetry's conventions for MCP advise
/// for `mcp.client.operation.duration`.
pub const EXEMPLAR_BOUNDS_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

// === impl CallResult ===

impl CallResult {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::ToolError, Self::NotSent, Self::Refused, Self::Unknown, Self::Cancelled];

    /// The name in metrics: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it counts against the upstream (and us): it was neither answered nor given up by
    /// the one who made it. A tool's own error is an answer.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::NotSent | Self::Refused | Self::Unknown => true,
            Self::Ok | Self::ToolError | Self::Cancelled => false,
        }
    }
}

#[cfg(test)]
mod tests;

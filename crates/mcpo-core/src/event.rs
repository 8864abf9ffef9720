//! Everything worth telling, as data: each event becomes its log line (and later its counter and
//! its journal entry) in one place, so that they cannot disagree.

use std::time::Duration;

use crate::fault::{Fault, FaultKind};
use crate::outcome::OutcomeKind;

/// How much an event matters, by what the reader must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For tracing one call.
    Debug,
    /// A state changed.
    Info,
    /// Something broke and is being healed.
    Warn,
    /// A person must act.
    Error,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An upstream can be called.
    UpstreamReady {
        /// Which.
        upstream: String,
        /// How many tools it offers.
        tools: usize,
        /// The protocol version spoken.
        protocol_version: String,
        /// From the start of the attempt.
        took: Duration,
    },
    /// An attempt to connect failed.
    UpstreamFailed {
        /// Which.
        upstream: String,
        /// Why.
        fault: Fault,
        /// Failures in a row, this one included.
        failures: u32,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A session is gone and is being replaced.
    SessionLost {
        /// Whose.
        upstream: String,
        /// Why.
        fault: Fault,
        /// The wait before the replacement; zero for at once.
        retry_in: Duration,
    },
    /// The list of tools is another than before.
    ToolsChanged {
        /// Whose.
        upstream: String,
        /// Names that came.
        added: Vec<String>,
        /// Names that went.
        removed: Vec<String>,
    },
    /// The list of tools could not be read anew; the old one stays.
    ToolsStale {
        /// Whose.
        upstream: String,
        /// Why.
        fault: Fault,
    },
    /// A tool is served although something in its declaration is broken.
    ToolFlawed {
        /// Whose.
        upstream: String,
        /// Which.
        tool: String,
        /// What is broken.
        note: String,
    },
    /// An upstream ended because it was told to.
    UpstreamStopped {
        /// Which.
        upstream: String,
    },
    /// An attempt at a call failed and the call is sent again.
    CallSentAgain {
        /// Where.
        upstream: String,
        /// What.
        tool: String,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// Why.
        fault: Fault,
    },
    /// A call ended without a reply.
    CallFailed {
        /// Where.
        upstream: String,
        /// What.
        tool: String,
        /// What it came to.
        outcome: OutcomeKind,
        /// Why.
        fault: Fault,
        /// How often it was tried.
        attempts: u32,
    },
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::UpstreamReady { .. }
            | Self::ToolsChanged { .. }
            | Self::UpstreamStopped { .. } => Level::Info,
            // The same failure is told less and less often: 1st, 2nd, 4th, 8th time.
            Self::UpstreamFailed { failures, .. } if !failures.is_power_of_two() => Level::Debug,
            Self::UpstreamFailed { fault, .. } if fault.kind.needs_operator() => Level::Error,
            // Under a flood there would be one line for each call that is sent away.
            Self::CallFailed { fault, .. } if fault.kind == FaultKind::Overloaded => Level::Debug,
            Self::UpstreamFailed { .. }
            | Self::SessionLost { .. }
            | Self::ToolsStale { .. }
            | Self::ToolFlawed { .. }
            | Self::CallFailed { .. } => Level::Warn,
            Self::CallSentAgain { .. } => Level::Debug,
        }
    }
}

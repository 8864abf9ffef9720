//! The matrix of faults: each breaks one upstream of a proxy under a steady load of calls, and
//! tells what the callers saw and what the upstream really ran. Used by `bench/faults` (against
//! us and against the original) and by the tests of the whole.

mod act;
mod finding;
mod matrix;
mod stage;
mod steady;
#[cfg(test)]
mod tests;
mod trial;

use std::time::Duration;

pub use act::Act;
pub use finding::{Count, Finding, quantile};
pub use matrix::matrix;
pub use stage::{Contestant, Kind, Stage, script};
pub use steady::{Class, End, Record, Steady};
pub use trial::{Timing, run};

use crate::script::{Era, LostSession, ReplyAs};

/// How long a call may take; the contestants that know deadlines are told.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A way to an upstream: its transport and its era.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// stdin and stdout, with a handshake.
    Stdio,
    /// stdin and stdout, 2026-07-28.
    StdioModern,
    /// Streamable HTTP, with a handshake and a session.
    Http,
    /// Streamable HTTP, 2026-07-28.
    HttpModern,
    /// HTTP+SSE.
    Sse,
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// By which it is chosen.
    pub name: &'static str,
    /// What happens, for the table.
    pub about: &'static str,
    /// The ways that it applies to.
    pub ways: &'static [Way],
    /// How long it lasts, from its begin until the upstream is let be well again.
    pub length: Duration,
    /// Whether the upstream can answer every idempotent call again within its deadline.
    pub back: bool,
    /// Whether the upstream is well again only in a new life, which somebody has to start.
    pub new_life: bool,
    /// Whether ours keeps a second session to the victim, so that another one is there at once.
    pub spare: bool,
    /// Whether an operator has to say that it is well again, by design.
    pub operator: bool,
    /// How long calls may go on failing until it counts as never.
    pub patience: Duration,
    /// How the upstream wraps its answers.
    pub reply_as: ReplyAs,
    /// What the upstream says to a session that it does not know.
    pub lost_session: LostSession,
    /// What is done.
    pub act: Act,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Stdio, Self::StdioModern, Self::Http, Self::HttpModern, Self::Sse];

    /// By which it is chosen and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::StdioModern => "stdio-modern",
            Self::Http => "http",
            Self::HttpModern => "http-modern",
            Self::Sse => "sse",
        }
    }

    /// Its era.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::Stdio | Self::Http | Self::Sse => Era::Legacy,
            Self::StdioModern | Self::HttpModern => Era::Modern,
        }
    }

    /// Whether the upstream is a child process.
    #[must_use]
    pub const fn is_stdio(self) -> bool {
        match self {
            Self::Stdio | Self::StdioModern => true,
            Self::Http | Self::HttpModern | Self::Sse => false,
        }
    }
}

impl std::str::FromStr for Way {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|way| way.name() == text);
        found.ok_or_else(|| anyhow::anyhow!("no way to an upstream is called {text}"))
    }
}

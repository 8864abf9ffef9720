//! What failed, named by its cure.

use std::fmt;
use std::time::Duration;

/// The kinds of failure that mcpo tells apart. Two failures with the same cure are one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// No connection: refused, DNS, TLS, a pipe that was dead before the write.
    Unreachable,
    /// The command could not be started: not found, not executable.
    NotStartable,
    /// The child process ended, or the stream broke, with the session on it.
    Disconnected,
    /// No answer within the deadline.
    Timeout,
    /// The upstream failed inside: 5xx, -32603.
    ServerError,
    /// The upstream does not know our session (any more).
    SessionLost,
    /// The upstream said "not now": 429, 503.
    Throttled,
    /// The upstream refuses our credentials: 401, 403.
    Unauthorized,
    /// The upstream does not speak MCP as we know it.
    Nonsense,
    /// We ourselves have no room for the call.
    Overloaded,
    /// The upstream is being stopped, or mcpo is.
    Stopping,
}

impl FaultKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 11] = [
        Self::Unreachable,
        Self::NotStartable,
        Self::Disconnected,
        Self::Timeout,
        Self::ServerError,
        Self::SessionLost,
        Self::Throttled,
        Self::Unauthorized,
        Self::Nonsense,
        Self::Overloaded,
        Self::Stopping,
    ];

    /// The name in logs, metrics and error codes: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NotStartable => "not_startable",
            Self::Disconnected => "disconnected",
            Self::Timeout => "timeout",
            Self::ServerError => "server_error",
            Self::SessionLost => "session_lost",
            Self::Throttled => "throttled",
            Self::Unauthorized => "unauthorized",
            Self::Nonsense => "nonsense",
            Self::Overloaded => "overloaded",
            Self::Stopping => "stopping",
        }
    }

    /// Whether trying again will not help until a person has changed something.
    #[must_use]
    pub const fn needs_operator(self) -> bool {
        match self {
            Self::NotStartable | Self::Unauthorized => true,
            Self::Unreachable
            | Self::Disconnected
            | Self::Timeout
            | Self::ServerError
            | Self::SessionLost
            | Self::Throttled
            | Self::Nonsense
            | Self::Overloaded
            | Self::Stopping => false,
        }
    }

    /// Whether the session that met this fault is of no more use and must be replaced.
    #[must_use]
    pub const fn ends_session(self) -> bool {
        match self {
            Self::Unreachable
            | Self::NotStartable
            | Self::Disconnected
            | Self::SessionLost
            | Self::Stopping => true,
            Self::Timeout
            | Self::ServerError
            | Self::Throttled
            | Self::Unauthorized
            | Self::Nonsense
            | Self::Overloaded => false,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One failure: its kind, and what an operator should read about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which cure it needs.
    pub kind: FaultKind,
    /// For logs and operators: may name addresses and commands, so a downstream never sees it.
    pub detail: String,
    /// When the upstream (or our own backoff) says that a new try makes sense.
    pub retry_after: Option<Duration>,
    /// What the upstream itself answered, where it did; meant for the caller.
    pub said: Option<Said>,
}

/// An upstream's own words about its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The JSON-RPC error code.
    pub code: i64,
    /// The message.
    pub message: String,
    /// `data`, as raw JSON.
    pub data: Option<String>,
}

impl Fault {
    /// A fault without a hint of when to try again.
    #[must_use]
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None, said: None }
    }

    /// The same fault with a hint of when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

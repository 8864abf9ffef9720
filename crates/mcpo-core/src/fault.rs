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
    /// The upstream is held: nothing is sent to it until it is released.
    Held,
    /// Its breaker is open: it failed too often of late to be sent more than a probe.
    BreakerOpen,
}

/// How bad a fault is for those who use the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// One call is late or sent away; the upstream works.
    Low,
    /// A session is lost; it is made again by itself.
    Medium,
    /// The upstream cannot be used for now; it is tried again by itself.
    High,
    /// The upstream cannot be used until a person has acted.
    Critical,
}

/// What is done about a fault. Each kind has exactly one, which is why it is a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cure {
    /// Connect again, or start the process again: at once the first time, then with backoff.
    Reconnect,
    /// Look whether the session still lives, and replace it if it is silent.
    Probe,
    /// Send the call again after a moment, where its outcome allows that.
    Retry,
    /// A new session, one for all who wait.
    NewSession,
    /// Wait as long as the upstream asks for.
    Wait,
    /// A new session once; if that does not help, hold with the evidence.
    NewSessionOnce,
    /// Hold until a person has acted.
    Hold,
    /// Nothing: the fault is ours or wanted, and passes.
    Pass,
}

/// How far a connection came that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The name has no address.
    Name,
    /// Nobody listens there: an attempt costs neither side anything.
    Refused,
    /// Nobody answered in time, or no way leads there.
    Route,
    /// The two do not trust or understand each other's TLS.
    Tls,
    /// None of these, or unknown.
    Other,
}

impl FaultKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 13] = [
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
        Self::Held,
        Self::BreakerOpen,
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
            Self::Held => "held",
            Self::BreakerOpen => "breaker_open",
        }
    }

    /// What is wrong with the upstream ("it") that has it, in a few fixed words for anybody: they
    /// name no address, no command and no secret.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "it cannot be reached",
            Self::NotStartable => "its command cannot be started",
            Self::Disconnected => "it went away",
            Self::Timeout => "it does not answer in time",
            Self::ServerError => "it fails inside",
            Self::SessionLost => "it lost the session",
            Self::Throttled => "it takes no more requests for now",
            Self::Unauthorized => "it refuses our credentials",
            Self::Nonsense => "it does not speak MCP as expected",
            Self::Overloaded => "too many requests wait for it",
            Self::Held => "it is held until an operator releases it",
            Self::BreakerOpen => "it failed too often of late",
            Self::Stopping => "it is stopped",
        }
    }

    /// What has happened, in one plain sentence for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "No connection could be made: refused, no such name, no route, TLS, or a pipe that was already dead."
            }
            Self::NotStartable => {
                "The command could not be started: it was not found, or is not executable."
            }
            Self::Disconnected => {
                "The process ended, or its stream broke, and the session with it."
            }
            Self::Timeout => "No answer came within the deadline.",
            Self::ServerError => {
                "The upstream failed inside: a status of 500 and above, or a JSON-RPC internal error."
            }
            Self::SessionLost => "The upstream does not know our session any more.",
            Self::Throttled => "The upstream said \"not now\": status 429 or 503.",
            Self::Unauthorized => "The upstream refuses our credentials: status 401 or 403.",
            Self::Nonsense => "What the upstream says is not MCP as mcpo knows it.",
            Self::Overloaded => "mcpo itself has no room for the call.",
            Self::Stopping => "The upstream is being stopped, or mcpo is.",
            Self::Held => "The upstream is held: nothing is sent to it until it is released.",
            Self::BreakerOpen => {
                "The upstream failed too often of late, and is sent one call now and then to see whether it works again."
            }
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Timeout | Self::Throttled | Self::Overloaded | Self::Stopping => Severity::Low,
            Self::Disconnected | Self::SessionLost => Severity::Medium,
            Self::Unreachable | Self::ServerError | Self::BreakerOpen => Severity::High,
            Self::NotStartable | Self::Unauthorized | Self::Nonsense | Self::Held => {
                Severity::Critical
            }
        }
    }

    /// What is done about it.
    #[must_use]
    pub const fn cure(self) -> Cure {
        match self {
            Self::Unreachable | Self::Disconnected | Self::NotStartable => Cure::Reconnect,
            Self::Timeout => Cure::Probe,
            Self::ServerError => Cure::Retry,
            Self::SessionLost => Cure::NewSession,
            Self::Throttled | Self::BreakerOpen => Cure::Wait,
            Self::Unauthorized | Self::Held => Cure::Hold,
            Self::Nonsense => Cure::NewSessionOnce,
            Self::Overloaded | Self::Stopping => Cure::Pass,
        }
    }

    /// Whether trying again will not help until a person has changed something.
    #[must_use]
    pub const fn needs_operator(self) -> bool {
        match self {
            Self::NotStartable | Self::Unauthorized | Self::Held => true,
            Self::Unreachable
            | Self::Disconnected
            | Self::Timeout
            | Self::ServerError
            | Self::SessionLost
            | Self::Throttled
            | Self::Nonsense
            | Self::Overloaded
            | Self::Stopping
            | Self::BreakerOpen => false,
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
            | Self::Overloaded
            | Self::Held
            | Self::BreakerOpen => false,
        }
    }
}

impl Severity {
    /// The name in logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Cure {
    /// The name in logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Probe => "probe",
            Self::Retry => "retry",
            Self::NewSession => "new_session",
            Self::Wait => "wait",
            Self::NewSessionOnce => "new_session_once",
            Self::Hold => "hold",
            Self::Pass => "pass",
        }
    }
}

/// What is to be known of a kind of fault, as data for documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub kind: FaultKind,
    /// See [`FaultKind::meaning`].
    pub meaning: &'static str,
    /// See [`FaultKind::severity`].
    pub severity: Severity,
    /// See [`FaultKind::cure`].
    pub cure: Cure,
    /// See [`FaultKind::ends_session`].
    pub ends_session: bool,
    /// See [`FaultKind::needs_operator`].
    pub needs_operator: bool,
}

/// Every kind with all that is to be known of it, in the order of the enum.
pub fn table() -> impl Iterator<Item = Row> {
    FaultKind::ALL.into_iter().map(|kind| Row {
        kind,
        meaning: kind.meaning(),
        severity: kind.severity(),
        cure: kind.cure(),
        ends_session: kind.ends_session(),
        needs_operator: kind.needs_operator(),
    })
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
    /// What the upstream itself answered, where it did; meant for the caller. It is rare and large,
    /// and every call's outcome has room for a fault.
    pub said: Option<Box<Said>>,
    /// How far the connection came, where none was made.
    pub stage: Option<Stage>,
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
        Self { kind, detail: detail.into(), retry_after: None, said: None, stage: None }
    }

    /// The same fault with a hint of when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Whether finding this out cost the upstream nothing, so that looking again soon is no burden.
    #[must_use]
    pub fn was_free(&self) -> bool {
        self.stage == Some(Stage::Refused)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

#[cfg(test)]
mod tests;

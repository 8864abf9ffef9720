//! What a call can come to, and whether it may be sent again. Everything that retries, caches,
//! counts or answers branches on this and on nothing else.

use crate::fault::Fault;

/// What one attempt at a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<R> {
    /// The upstream answered, also when it answered with an error of the tool.
    Reply(R),
    /// No byte of the request can have been acted on.
    NotSent(Fault),
    /// The upstream said "not now" without acting.
    Refused(Fault),
    /// The upstream may have acted; nobody can know.
    Unknown(Fault),
}

/// `Outcome` without its payload: for labels, headers and decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// See [`Outcome::Reply`].
    Reply,
    /// See [`Outcome::NotSent`].
    NotSent,
    /// See [`Outcome::Refused`].
    Refused,
    /// See [`Outcome::Unknown`].
    Unknown,
}

impl OutcomeKind {
    /// The name in logs, metrics and headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a call that came to this may be sent again, given what is known of its tool.
    /// Deadline and budget are the caller's to check.
    #[must_use]
    pub const fn may_be_sent_again(self, tool_is_idempotent: bool) -> bool {
        match self {
            Self::Reply => false,
            Self::NotSent | Self::Refused => true,
            Self::Unknown => tool_is_idempotent,
        }
    }
}

impl<R> Outcome<R> {
    /// The outcome without its payload.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Reply(_) => OutcomeKind::Reply,
            Self::NotSent(_) => OutcomeKind::NotSent,
            Self::Refused(_) => OutcomeKind::Refused,
            Self::Unknown(_) => OutcomeKind::Unknown,
        }
    }

    /// The fault, unless it was a reply.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Reply(_) => None,
            Self::NotSent(fault) | Self::Refused(fault) | Self::Unknown(fault) => Some(fault),
        }
    }
}

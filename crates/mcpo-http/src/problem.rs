//! Everything that can be wrong with a request or a call, and the answer to it: the only place
//! where a status is chosen, and where it is decided what a downstream may learn.

mod body;
mod status;

use std::time::Duration;

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use mcpo_core::arguments::{ArgumentError, Problem as ArgumentProblem};
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::load::ShedReason;
use mcpo_core::outcome::OutcomeKind;
use mcpo_mcp::error::RpcError;
use mcpo_policy::rate::TooOften;
use mcpo_upstream::order::OrderError;

use crate::answer::{Answer, JSON, answer};
use crate::rate_limit;

/// Why a request does not get what it asked for.
#[derive(Debug)]
pub(crate) enum Problem {
    /// No such path or tool.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed {
        /// What is.
        allow: &'static str,
    },
    /// No credentials that we can read: 401.
    NoCredentials {
        /// What is wrong with them.
        why: &'static str,
        /// What is wanted: a line each, since Chromium finds Basic only at the start of one.
        challenges: &'static [&'static str],
    },
    /// Wrong credentials: 403.
    WrongCredentials {
        /// What is wrong with them.
        why: &'static str,
    },
    /// Not for those who come from there: 403.
    Forbidden {
        /// Why, and what helps.
        why: &'static str,
    },
    /// No server of that name is configured.
    NoSuchServer {
        /// As asked for.
        server: String,
    },
    /// The server has no such tool.
    NoSuchTool {
        /// Its name in the configuration.
        server: String,
        /// As asked for.
        tool: String,
    },
    /// No order of that name is known.
    NoSuchOrder {
        /// As given.
        order: String,
    },
    /// An order was given and not carried out.
    OrderNotDone {
        /// To whom.
        server: String,
        /// Why.
        error: OrderError,
    },
    /// Nothing is measured, by the operator's will.
    MonitoringOff,
    /// As many do this already as may at once.
    Busy {
        /// What there is too much of, as a whole sentence.
        why: &'static str,
    },
    /// Too many wrong keys were shown of late.
    TooManyLogins {
        /// When the next one is looked at.
        retry_after: Duration,
    },
    /// The body of a login is none.
    BadLogin,
    /// What stands behind the `?` makes no sense.
    BadQuery {
        /// What is wrong, and what would be right.
        why: String,
    },
    /// `Idempotency-Key` is none.
    BadIdempotencyKey {
        /// How long one may be.
        bytes_max: usize,
    },
    /// The key stands for another call.
    IdempotencyKeyUsed,
    /// The header that says for whom a call is made says no name.
    BadIdentity {
        /// Which one it is.
        header: HeaderName,
    },
    /// Only an answer that is kept is wanted, and there is none.
    NotKept,
    /// Too much is in hand, so that the call was turned away.
    Shed {
        /// The upstream's name in the configuration.
        upstream: String,
        /// What there is too much of.
        reason: ShedReason,
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// A call comes too soon after others.
    TooOften {
        /// The upstream's name in the configuration.
        upstream: String,
        /// The tool's.
        tool: String,
        /// Which rate does not allow it.
        too_often: Box<TooOften>,
    },
    /// A part of us failed on this request; the rest goes on.
    Internal {
        /// What a call came to, if it was one.
        outcome: Option<OutcomeKind>,
    },
    /// The body is larger than allowed.
    BodyTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The body did not come in time.
    BodyTooSlow,
    /// The bodies of other requests take all room there is for them.
    NoRoomForBody,
    /// The body broke off, or is no text.
    BodyUnreadable,
    /// `X-Tool-Timeout` is no length of time.
    BadTimeout,
    /// The arguments do not fit the tool.
    BadArguments(Vec<ArgumentProblem>),
    /// The tool itself says that it failed.
    ToolFailed {
        /// What it says, as a JSON string.
        message: Vec<u8>,
        /// All that it says, as a JSON array.
        content: Option<Vec<u8>>,
    },
    /// The upstream answered with a JSON-RPC error.
    Refused(RpcError),
    /// The upstream answered with something that is no result of a tool.
    NotAResult {
        /// The upstream's name in the configuration.
        upstream: String,
    },
    /// The upstream has never been reached, so nobody knows its tools.
    NotReady {
        /// The upstream's name in the configuration.
        upstream: String,
        /// Why, if an attempt has failed.
        fault: Option<FaultKind>,
        /// When it is tried again.
        retry_after: Option<Duration>,
    },
    /// The call got no reply.
    NoReply {
        /// The upstream's name in the configuration.
        upstream: String,
        /// What the call came to.
        outcome: OutcomeKind,
        /// Why.
        fault: Box<Fault>,
    },
}

/// When to try again where nobody knows better: an ordinary restart takes about as long.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// The same for what is held: a person must act first.
const RETRY_AFTER_HELD: Duration = Duration::from_secs(30);

impl From<ArgumentError> for Problem {
    fn from(error: ArgumentError) -> Self {
        match error {
            ArgumentError::NotUtf8 => Self::BodyUnreadable,
            ArgumentError::Invalid(problems) => Self::BadArguments(problems),
        }
    }
}

// === impl Problem ===

impl Problem {
    /// The answer to it.
    pub(crate) fn answer(&self) -> Answer {
        let mut answer = answer(self.status(), JSON, self.body());
        match self {
            Self::MethodNotAllowed { allow } => {
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::NoCredentials { challenges, .. } => {
                for challenge in *challenges {
                    let challenge = HeaderValue::from_static(challenge);
                    answer.headers_mut().append(WWW_AUTHENTICATE, challenge);
                }
            }
            Self::NotReady { retry_after, fault, .. } => {
                come_again(&mut answer, *retry_after, *fault);
            }
            Self::NoRoomForBody
            | Self::Busy { .. }
            | Self::OrderNotDone { error: OrderError::Full, .. } => {
                come_again(&mut answer, None, None);
            }
            Self::NoReply { fault, .. }
                if fault.said.is_none() && asks_to_come_again(answer.status()) =>
            {
                come_again(&mut answer, fault.retry_after, Some(fault.kind));
            }
            Self::TooManyLogins { retry_after } => {
                come_again(&mut answer, Some(*retry_after), None);
            }
            Self::Shed { retry_after, .. } => come_again(&mut answer, *retry_after, None),
            Self::TooOften { too_often, .. } => {
                come_again(&mut answer, Some(too_often.retry_after), None);
                rate_limit::tell_refused(&mut answer, &too_often.quota);
            }
            // No other try makes sense before somebody starts mcpo anew.
            Self::MonitoringOff
            | Self::NotFound
            | Self::NoSuchServer { .. }
            | Self::NoSuchTool { .. }
            | Self::NoSuchOrder { .. }
            | Self::OrderNotDone { .. }
            | Self::BadIdentity { .. }
            | Self::NotKept
            | Self::BadLogin
            | Self::BadQuery { .. }
            | Self::BadIdempotencyKey { .. }
            | Self::IdempotencyKeyUsed
            | Self::WrongCredentials { .. }
            | Self::Forbidden { .. }
            | Self::Internal { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow
            | Self::BodyUnreadable
            | Self::BadTimeout
            | Self::BadArguments(_)
            | Self::ToolFailed { .. }
            | Self::Refused(_)
            | Self::NotAResult { .. }
            | Self::NoReply { .. } => {}
        }
        answer
    }
}

fn asks_to_come_again(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

/// Says when to come again: in whole seconds, rounded up, at least one.
fn come_again(answer: &mut Answer, wait: Option<Duration>, fault: Option<FaultKind>) {
    let usual = if fault == Some(FaultKind::Held) { RETRY_AFTER_HELD } else { RETRY_AFTER_DEFAULT };
    let wait = wait.unwrap_or(usual);
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
}

#[cfg(test)]
mod tests;

//! The status of each problem.

use http::StatusCode;
use mcpo_core::fault::FaultKind;
use mcpo_core::outcome::OutcomeKind;
use mcpo_upstream::order::OrderError;

use super::Problem;

impl Problem {
    /// The status. 502 is kept for calls that may have acted, so that a downstream can tell them.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound
            | Self::NoSuchServer { .. }
            | Self::NoSuchTool { .. }
            | Self::NoSuchOrder { .. }
            | Self::OrderNotDone { error: OrderError::Gone, .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoCredentials { .. } => StatusCode::UNAUTHORIZED,
            Self::WrongCredentials { .. } | Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::TooManyLogins { .. } | Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyUnreadable
            | Self::BadTimeout
            | Self::BadLogin
            | Self::BadQuery { .. }
            | Self::BadIdentity { .. }
            | Self::BadIdempotencyKey { .. } => StatusCode::BAD_REQUEST,
            Self::BadArguments(_) | Self::IdempotencyKeyUsed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::ToolFailed { .. } | Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(error) => status_of_code(error.code),
            Self::NotAResult { .. } => StatusCode::BAD_GATEWAY,
            Self::NotKept | Self::OrderNotDone { error: OrderError::Late, .. } => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::OrderNotDone { error: OrderError::Full, .. }
            | Self::NotReady { .. }
            | Self::Shed { .. }
            | Self::NoRoomForBody
            | Self::MonitoringOff
            | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoReply { outcome, fault, .. } => match &fault.said {
                Some(said) => status_of_code(said.code),
                None => status_of_fault(*outcome, fault.kind),
            },
        }
    }
}

const fn status_of_code(code: i64) -> StatusCode {
    match code {
        -32700 | -32600 => StatusCode::BAD_REQUEST,
        -32601 => StatusCode::NOT_FOUND,
        -32602 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn status_of_fault(outcome: OutcomeKind, kind: FaultKind) -> StatusCode {
    match (kind, outcome) {
        (FaultKind::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
        (_, OutcomeKind::Unknown | OutcomeKind::Reply) => StatusCode::BAD_GATEWAY,
        (FaultKind::Throttled, OutcomeKind::NotSent | OutcomeKind::Refused) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        (
            FaultKind::Unreachable
            | FaultKind::NotStartable
            | FaultKind::Disconnected
            | FaultKind::ServerError
            | FaultKind::SessionLost
            | FaultKind::Unauthorized
            | FaultKind::Nonsense
            | FaultKind::Overloaded
            | FaultKind::Stopping
            | FaultKind::Held
            | FaultKind::BreakerOpen,
            OutcomeKind::NotSent | OutcomeKind::Refused,
        ) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

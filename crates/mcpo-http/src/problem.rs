//! Everything that can be wrong with a request or a call, and the answer to it: the only place
//! where a status is chosen, and where it is decided what a downstream may learn.

use std::time::Duration;

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use mcpo_core::arguments::{ArgumentError, Problem as ArgumentProblem};
use mcpo_core::fault::{Fault, FaultKind, Said};
use mcpo_core::outcome::OutcomeKind;
use mcpo_mcp::error::RpcError;
use mcpo_upstream::order::{Order, OrderError};
use serde_json::{Value, json};

use crate::admin::ORDERS;
use crate::answer::{Answer, JSON, answer, put};
use crate::json::push_string;

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
    /// The status. 502 is kept for calls that may have acted, so that a downstream can tell them.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound
            | Self::NoSuchServer { .. }
            | Self::NoSuchOrder { .. }
            | Self::OrderNotDone { error: OrderError::Gone, .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoCredentials { .. } => StatusCode::UNAUTHORIZED,
            Self::WrongCredentials { .. } | Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyUnreadable
            | Self::BadTimeout
            | Self::BadQuery { .. }
            | Self::BadIdempotencyKey { .. } => StatusCode::BAD_REQUEST,
            Self::BadArguments(_) | Self::IdempotencyKeyUsed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::ToolFailed { .. } | Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(error) => status_of_code(error.code),
            Self::NotAResult { .. } => StatusCode::BAD_GATEWAY,
            Self::OrderNotDone { error: OrderError::Late, .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::OrderNotDone { error: OrderError::Full, .. }
            | Self::NotReady { .. }
            | Self::NoRoomForBody => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoReply { outcome, fault, .. } => match &fault.said {
                Some(said) => status_of_code(said.code),
                None => status_of_fault(*outcome, fault.kind),
            },
        }
    }

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
            Self::NotReady { retry_after: wait, fault, .. } => {
                put(&mut answer, RETRY_AFTER, &retry_after(*wait, *fault).to_string());
            }
            Self::NoRoomForBody | Self::OrderNotDone { error: OrderError::Full, .. } => {
                put(&mut answer, RETRY_AFTER, &retry_after(None, None).to_string());
            }
            Self::NoReply { fault, .. }
                if fault.said.is_none() && asks_to_come_again(answer.status()) =>
            {
                let wait = retry_after(fault.retry_after, Some(fault.kind));
                put(&mut answer, RETRY_AFTER, &wait.to_string());
            }
            Self::NotFound
            | Self::NoSuchServer { .. }
            | Self::NoSuchOrder { .. }
            | Self::OrderNotDone { .. }
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

    fn body(&self) -> Vec<u8> {
        match self {
            Self::NotFound => words("Not Found"),
            Self::MethodNotAllowed { .. } => words("Method Not Allowed"),
            Self::NoCredentials { why, .. } | Self::WrongCredentials { why } => words(why),
            Self::NoSuchServer { server } => {
                coded(&format!("There is no server '{server}'"), "no_such_server", None)
            }
            Self::NoSuchOrder { order } => coded(&no_such_order(order), "no_such_order", None),
            Self::OrderNotDone { server, error } => {
                let (code, what) = order_not_done(*error);
                coded(&format!("The server '{server}' {what}"), code, None)
            }
            Self::BadQuery { why } => coded(why, "bad_query", None),
            Self::BadIdempotencyKey { bytes_max } => coded(
                &format!(
                    "Idempotency-Key must be one value of 1 to {bytes_max} visible characters"
                ),
                "bad_idempotency_key",
                None,
            ),
            Self::IdempotencyKeyUsed => coded(
                "Idempotency-Key was used before, for a call with other arguments",
                "idempotency_key_used",
                None,
            ),
            Self::Forbidden { why } => coded(why, "forbidden", None),
            Self::Internal { outcome } => {
                let then = outcome.map_or("", then);
                coded(&format!("mcpo failed on this request{then}"), "internal", *outcome)
            }
            Self::BodyUnreadable => words("There was an error parsing the body"),
            Self::BodyTooLarge { limit } => coded(
                &format!("The request body is larger than {limit} bytes"),
                "body_too_large",
                None,
            ),
            Self::BodyTooSlow => {
                coded("The request body did not arrive in time", "body_too_slow", None)
            }
            Self::NoRoomForBody => coded(
                "Too many large request bodies are held; the call was not carried out",
                FaultKind::Overloaded.name(),
                Some(OutcomeKind::NotSent),
            ),
            Self::BadTimeout => {
                coded("X-Tool-Timeout must be a number of seconds above zero", "bad_timeout", None)
            }
            Self::BadArguments(problems) => bad_arguments(problems),
            Self::ToolFailed { message, content } => tool_failed(message, content.as_deref()),
            Self::Refused(error) => {
                refused(&error.message, error.data.as_ref().map(|data| data.get()), None)
            }
            Self::NotAResult { upstream } => coded(
                &format!(
                    "The server '{upstream}' answered with something that is not a tool result"
                ),
                FaultKind::Nonsense.name(),
                Some(OutcomeKind::Reply),
            ),
            Self::NotReady { upstream, fault, .. } => not_ready(upstream, *fault),
            Self::NoReply { upstream, outcome, fault } => {
                let code = fault.kind.name();
                match &fault.said {
                    Some(Said { message, data, .. }) => {
                        refused(message, data.as_deref(), Some((code, *outcome)))
                    }
                    None => coded(&sentence(upstream, *outcome, fault.kind), code, Some(*outcome)),
                }
            }
        }
    }
}

fn no_such_order(order: &str) -> String {
    let known = ORDERS.map(Order::name).join(", ");
    format!("There is no order '{order}'; there are {known}")
}

const fn order_not_done(error: OrderError) -> (&'static str, &'static str) {
    match error {
        OrderError::Gone => ("no_such_server", "was removed"),
        OrderError::Full => ("overloaded", "has too many orders to carry out already"),
        OrderError::Late => ("timeout", "has not carried out the order in time; it may yet"),
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

fn asks_to_come_again(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

/// Whole seconds, rounded up, at least one.
fn retry_after(wait: Option<Duration>, fault: Option<FaultKind>) -> u64 {
    let usual = if fault == Some(FaultKind::Held) { RETRY_AFTER_HELD } else { RETRY_AFTER_DEFAULT };
    let wait = wait.unwrap_or(usual);
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// What is said of a fault. Fixed words: a fault's detail may name addresses and commands.
fn sentence(upstream: &str, outcome: OutcomeKind, kind: FaultKind) -> String {
    let server = format!("The server '{upstream}'");
    let what = match kind {
        FaultKind::Unreachable => "cannot be reached",
        FaultKind::NotStartable => "cannot be started",
        FaultKind::Disconnected => "went away",
        FaultKind::Timeout => "did not answer in time",
        FaultKind::ServerError => "failed inside",
        FaultKind::SessionLost => "does not know the session any more",
        FaultKind::Throttled => "takes no more calls for now",
        FaultKind::Unauthorized => "refuses the credentials that it is called with",
        FaultKind::Nonsense => "does not speak MCP as expected",
        FaultKind::Overloaded => "was not called: too many calls are in flight",
        FaultKind::Stopping => "is being stopped",
        FaultKind::Held => "is held until an operator releases it",
        FaultKind::BreakerOpen => "failed too often of late and is given a rest",
    };
    format!("{server} {what}{}", then(outcome))
}

const fn then(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Unknown => "; the call may or may not have been carried out",
        OutcomeKind::NotSent | OutcomeKind::Refused => "; the call was not carried out",
        OutcomeKind::Reply => "",
    }
}

fn not_ready(upstream: &str, fault: Option<FaultKind>) -> Vec<u8> {
    match fault {
        Some(kind) => coded(
            &sentence(upstream, OutcomeKind::NotSent, kind),
            kind.name(),
            Some(OutcomeKind::NotSent),
        ),
        None => {
            let message =
                format!("The server '{upstream}' is still starting; the call was not carried out");
            coded(&message, "starting", Some(OutcomeKind::NotSent))
        }
    }
}

/// `{"detail": "..."}`.
fn words(detail: &str) -> Vec<u8> {
    let mut out = b"{\"detail\":".to_vec();
    push_string(&mut out, detail);
    out.push(b'}');
    out
}

/// `{"detail": {"message": ..., "code": ..., "outcome": ...}}`.
fn coded(message: &str, code: &str, outcome: Option<OutcomeKind>) -> Vec<u8> {
    let mut out = b"{\"detail\":{\"message\":".to_vec();
    push_string(&mut out, message);
    push_code(&mut out, code, outcome);
    out.extend_from_slice(b"}}");
    out
}

/// The upstream's own error, its data untouched.
fn refused(message: &str, data: Option<&str>, fault: Option<(&str, OutcomeKind)>) -> Vec<u8> {
    let mut out = b"{\"detail\":{\"message\":".to_vec();
    push_string(&mut out, message);
    if let Some(data) = data.filter(|data| *data != "null") {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data.as_bytes());
    }
    if let Some((code, outcome)) = fault {
        push_code(&mut out, code, Some(outcome));
    }
    out.extend_from_slice(b"}}");
    out
}

fn push_code(out: &mut Vec<u8>, code: &str, outcome: Option<OutcomeKind>) {
    out.extend_from_slice(b",\"code\":");
    push_string(out, code);
    if let Some(outcome) = outcome {
        out.extend_from_slice(b",\"outcome\":");
        push_string(out, outcome.name());
    }
}

fn tool_failed(message: &[u8], content: Option<&[u8]>) -> Vec<u8> {
    let mut out = b"{\"detail\":{\"message\":".to_vec();
    out.extend_from_slice(message);
    push_code(&mut out, "tool_error", None);
    if let Some(content) = content {
        out.extend_from_slice(b",\"content\":");
        out.extend_from_slice(content);
    }
    out.extend_from_slice(b"}}");
    out
}

fn bad_arguments(problems: &[ArgumentProblem]) -> Vec<u8> {
    let detail: Vec<Value> = problems.iter().map(ArgumentProblem::to_json).collect();
    json!({ "detail": detail }).to_string().into_bytes()
}

#[cfg(test)]
mod tests;

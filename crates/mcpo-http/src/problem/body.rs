//! What is said of each problem: fixed words, and what the downstream or the upstream said itself.

use http::HeaderName;
use mcpo_core::arguments::Problem as ArgumentProblem;
use mcpo_core::fault::{FaultKind, Said};
use mcpo_core::load::ShedReason;
use mcpo_core::outcome::OutcomeKind;
use mcpo_policy::rate::RateOf;
use mcpo_upstream::order::{Order, OrderError};
use serde_json::{Value, json};

use super::Problem;
use crate::admin::ORDERS;
use crate::identity::IDENTITY_BYTES_MAX;
use crate::json::push_string;

const MONITORING_OFF: &str =
    "Nothing is measured here: mcpo was started with MCPO_MONITOR_ENABLED=false";
const TOO_MANY_LOGINS: &str = "Too many wrong keys were shown; wait a moment, then try again";
const BAD_LOGIN: &str = "The body must be JSON of the form {\"key\": \"...\"}";
const KEY_USED: &str = "Idempotency-Key was used before, for a call with other arguments";
const NOT_KEPT: &str = "No answer to this call is kept, and no other one was wanted";
const NOT_SENT: &str = "; the call was not carried out";
const NO_ROOM: &str = "Too many large request bodies are held; the call was not carried out";

impl Problem {
    /// What is said of it.
    pub(super) fn body(&self) -> Vec<u8> {
        match self {
            Self::NotFound => words("Not Found"),
            Self::MethodNotAllowed { .. } => words("Method Not Allowed"),
            Self::NoCredentials { why, .. } | Self::WrongCredentials { why } => words(why),
            Self::NoSuchServer { server } => {
                coded(&format!("There is no server '{server}'"), "no_such_server", None)
            }
            Self::NoSuchTool { server, tool } => no_such_tool(server, tool),
            Self::NoSuchOrder { order } => coded(&no_such_order(order), "no_such_order", None),
            Self::OrderNotDone { server, error } => {
                let (code, what) = order_not_done(*error);
                coded(&format!("The server '{server}' {what}"), code, None)
            }
            Self::MonitoringOff => coded(MONITORING_OFF, "monitoring_off", None),
            Self::Busy { why } => coded(why, FaultKind::Overloaded.name(), None),
            Self::TooManyLogins { .. } => coded(TOO_MANY_LOGINS, FaultKind::Throttled.name(), None),
            Self::BadLogin => coded(BAD_LOGIN, "bad_login", None),
            Self::BadQuery { why } => coded(why, "bad_query", None),
            Self::BadIdempotencyKey { bytes_max } => coded(
                &format!(
                    "Idempotency-Key must be one value of 1 to {bytes_max} visible characters"
                ),
                "bad_idempotency_key",
                None,
            ),
            Self::BadIdentity { header } => bad_identity(header),
            Self::NotKept => coded(NOT_KEPT, "not_kept", Some(OutcomeKind::NotSent)),
            Self::Shed { upstream, reason, .. } => turned_away(upstream, *reason),
            Self::TooOften { upstream, tool, too_often } => {
                called_too_often(upstream, tool, too_often.quota.of)
            }
            Self::IdempotencyKeyUsed => coded(KEY_USED, "idempotency_key_used", None),
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
            Self::NoRoomForBody => {
                coded(NO_ROOM, FaultKind::Overloaded.name(), Some(OutcomeKind::NotSent))
            }
            Self::BadTimeout => {
                coded("X-Tool-Timeout must be a number of seconds above zero", "bad_timeout", None)
            }
            Self::BadArguments(problems) => bad_arguments(problems),
            Self::ToolFailed { message, content } => tool_failed(message, content.as_deref()),
            Self::Refused(error) => {
                refused(&error.message, error.data.as_ref().map(|data| data.get()), None)
            }
            Self::NotAResult { upstream } => not_a_result(upstream),
            Self::NotReady { upstream, fault, .. } => not_ready(upstream, *fault),
            Self::NoReply { upstream, outcome, fault } => {
                let code = fault.kind.name();
                match fault.said.as_deref() {
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

fn no_such_tool(server: &str, tool: &str) -> Vec<u8> {
    coded(&format!("The server '{server}' has no tool '{tool}'"), "no_such_tool", None)
}

fn bad_identity(header: &HeaderName) -> Vec<u8> {
    let message = format!("{header} must be one name of 1 to {IDENTITY_BYTES_MAX} bytes");
    coded(&message, "bad_identity", None)
}

fn not_a_result(upstream: &str) -> Vec<u8> {
    let message =
        format!("The server '{upstream}' answered with something that is not a tool result");
    coded(&message, FaultKind::Nonsense.name(), Some(OutcomeKind::Reply))
}

fn turned_away(upstream: &str, reason: ShedReason) -> Vec<u8> {
    let server = || format!("The server '{upstream}'");
    let what = match reason {
        ShedReason::ProcessFull => "mcpo has as many calls in hand as it takes".to_owned(),
        ShedReason::ProcessSlow => "mcpo is short of processor time".to_owned(),
        ShedReason::ServerFull => format!("{} has as many calls waiting as may", server()),
        ShedReason::TooLate => format!("{} could not have answered in time", server()),
        ShedReason::IdentityFull => "The caller has as many calls in hand as one may".to_owned(),
        ShedReason::RateLimited => format!("{} is called too often", server()),
    };
    reasoned(&(what + NOT_SENT), FaultKind::Overloaded.name(), reason)
}

fn called_too_often(upstream: &str, tool: &str, of: RateOf) -> Vec<u8> {
    let who = match of {
        RateOf::Identity => "The caller calls".to_owned(),
        RateOf::Server => format!("The server '{upstream}' is called"),
        RateOf::Tool => format!("The tool '{tool}' of the server '{upstream}' is called"),
    };
    let message = format!("{who} more often than is allowed{NOT_SENT}");
    let reason = ShedReason::RateLimited;
    reasoned(&message, reason.name(), reason)
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
        OutcomeKind::NotSent | OutcomeKind::Refused => NOT_SENT,
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

/// The same of a call that was turned away, with the reason.
fn reasoned(message: &str, code: &str, reason: ShedReason) -> Vec<u8> {
    let mut out = b"{\"detail\":{\"message\":".to_vec();
    push_string(&mut out, message);
    push_code(&mut out, code, Some(OutcomeKind::NotSent));
    out.extend_from_slice(b",\"reason\":");
    push_string(&mut out, reason.name());
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

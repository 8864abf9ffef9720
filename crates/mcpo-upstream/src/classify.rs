//! Any error of the wire -> what failed (`Fault`) and what the call came to (`Outcome`). The only
//! place where that is decided, and the only one that looks at an error's text.

use mcpo_core::fault::{Fault, FaultKind, Said, Stage};
use mcpo_core::outcome::Outcome;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::error::{Cause, RequestError, RpcError, Sent};
use mcpo_mcp::frame::{INTERNAL_ERROR, METHOD_NOT_FOUND};

/// MCP 2026-07-28: the version is not spoken here.
const UNSUPPORTED_VERSION: i64 = -32022;

/// What one attempt came to.
#[must_use]
pub fn classify(result: Result<Answer, RequestError>) -> Outcome<Answer> {
    match result {
        Ok(Answer::Result(raw)) => Outcome::Reply(Answer::Result(raw)),
        Ok(Answer::Error(error)) => classify_rpc(error),
        Err(RequestError { sent, cause }) => classify_error(sent, cause),
    }
}

/// The fault behind a session that ended or could not be made.
#[must_use]
pub fn fault_of(cause: &Cause) -> Fault {
    let kind = match cause {
        Cause::Start { .. } => FaultKind::NotStartable,
        Cause::Connect { .. } => FaultKind::Unreachable,
        Cause::Exited { .. } | Cause::Broken(_) => FaultKind::Disconnected,
        Cause::Deadline => FaultKind::Timeout,
        Cause::Status { status, body, rpc, had_session, .. } => {
            kind_of_status(*status, body, rpc.as_ref(), *had_session)
        }
        Cause::Malformed(_) | Cause::TooLarge { .. } | Cause::Unsupported(_) => FaultKind::Nonsense,
        Cause::Refused { error, .. } if names_session(error.code, &error.message) => {
            FaultKind::SessionLost
        }
        Cause::Refused { error, .. } if error.code == INTERNAL_ERROR => FaultKind::ServerError,
        Cause::Refused { .. } => FaultKind::Nonsense,
        Cause::Full { .. } => FaultKind::Overloaded,
        Cause::Closed => FaultKind::Stopping,
    };
    let fault = Fault::new(kind, detail_of(cause)).with_retry_after(retry_after_of(cause));
    Fault { stage: stage_of(cause), ..fault }
}

/// Whatever such an error says of sessions is the tool's own: where the session is meant, the
/// transport, which knows that there is one, gives [`Cause::Refused`] instead.
fn classify_rpc(error: RpcError) -> Outcome<Answer> {
    if error.code == INTERNAL_ERROR {
        let mut fault = Fault::new(FaultKind::ServerError, one_line(&error.to_string()));
        let data = error.data.map(|data| data.get().to_owned());
        fault.said = Some(Said { code: error.code, message: error.message, data });
        return Outcome::Unknown(fault);
    }
    Outcome::Reply(Answer::Error(error))
}

fn classify_error(sent: Sent, cause: Cause) -> Outcome<Answer> {
    // An error status whose body is a JSON-RPC error that says nothing of the session, of load or
    // of credentials is the upstream's answer to the request.
    let fault = fault_of(&cause);
    if let Cause::Status { status: 400..=499, rpc: Some(error), .. } = cause
        && fault.kind == FaultKind::Nonsense
    {
        return Outcome::Reply(Answer::Error(error));
    }
    match fault.kind {
        FaultKind::SessionLost | FaultKind::Unauthorized | FaultKind::Overloaded => {
            Outcome::NotSent(fault)
        }
        FaultKind::Throttled => Outcome::Refused(fault),
        FaultKind::Unreachable
        | FaultKind::NotStartable
        | FaultKind::Disconnected
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::Nonsense
        | FaultKind::Stopping
        | FaultKind::Held
        | FaultKind::BreakerOpen => match sent {
            Sent::No => Outcome::NotSent(fault),
            Sent::Maybe => Outcome::Unknown(fault),
        },
    }
}

fn kind_of_status(status: u16, body: &str, rpc: Option<&RpcError>, had_session: bool) -> FaultKind {
    let names = rpc.map_or_else(
        || text_names_session(body),
        |error| names_session(error.code, &error.message),
    );
    let code = rpc.map(|error| error.code);
    match status {
        // Refused unseen: what stands there now speaks another era, to be agreed on anew.
        400 if code == Some(UNSUPPORTED_VERSION) => FaultKind::SessionLost,
        // Older Rust servers say so of a session that they do not know.
        401 if had_session && names => FaultKind::SessionLost,
        401 | 403 | 407 => FaultKind::Unauthorized,
        404 if had_session && code != Some(METHOD_NOT_FOUND) => FaultKind::SessionLost,
        400 | 404 | 409 | 410 | 422 if names => FaultKind::SessionLost,
        429 | 503 => FaultKind::Throttled,
        500..=599 => FaultKind::ServerError,
        _ => FaultKind::Nonsense,
    }
}

/// Whether an error says that the upstream does not know our session. The codes are those that
/// servers were seen to use for it; the text must name the session as well, since the same codes
/// also stand for other things.
fn names_session(code: i64, message: &str) -> bool {
    matches!(code, -32000 | -32001 | -32600 | -32002) && text_names_session(message)
}

fn text_names_session(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let session = text.contains("session");
    let trouble = [
        "no valid",
        "not found",
        "invalid",
        "expired",
        "unknown",
        "missing",
        "terminated",
        "required",
    ];
    (session && trouble.iter().any(|word| text.contains(word)))
        || text.contains("server not initialized")
        || text.contains("not been initialized")
}

fn retry_after_of(cause: &Cause) -> Option<std::time::Duration> {
    if let Cause::Status { retry_after, .. } = cause { *retry_after } else { None }
}

fn stage_of(cause: &Cause) -> Option<Stage> {
    if let Cause::Connect { stage, .. } = cause { Some(*stage) } else { None }
}

fn detail_of(cause: &Cause) -> String {
    match cause {
        Cause::Exited { stderr, .. } if !stderr.trim().is_empty() => {
            format!("{cause}; its last words: {}", last_lines(stderr))
        }
        Cause::Status { body, rpc: None, .. } if !body.trim().is_empty() => {
            format!("{cause}: {}", one_line(body))
        }
        Cause::Status { rpc: Some(error), .. } => one_line(&format!("{cause}: {error}")),
        Cause::Start { .. }
        | Cause::Connect { .. }
        | Cause::Exited { .. }
        | Cause::Broken(_)
        | Cause::Deadline
        | Cause::Status { .. }
        | Cause::Malformed(_)
        | Cause::TooLarge { .. }
        | Cause::Unsupported(_)
        | Cause::Refused { .. }
        | Cause::Full { .. }
        | Cause::Closed => one_line(&cause.to_string()),
    }
}

/// As much of a text as fits a log line; an upstream's message may be as long as it likes.
const DETAIL_CHARS_MAX: usize = 400;

fn last_lines(text: &str) -> String {
    let flat = one_line_all(text);
    let skip = flat.chars().count().saturating_sub(DETAIL_CHARS_MAX);
    flat.chars().skip(skip).collect()
}

fn one_line(text: &str) -> String {
    one_line_all(text).chars().take(DETAIL_CHARS_MAX).collect()
}

fn one_line_all(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests;

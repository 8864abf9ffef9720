//! Any error of the wire -> what failed (`Fault`) and what the call came to (`Outcome`). The only
//! place where that is decided, and the only one that looks at an error's text. What servers and
//! gateways really say stands in `corpus/`, one file each, with what is made of it.

mod status;
mod text;

use mcpo_core::fault::{Fault, FaultKind, Said, Stage};
use mcpo_core::outcome::Outcome;
use mcpo_mcp::answer::Answer;
use mcpo_mcp::error::{Cause, RequestError, RpcError, Sent};
use mcpo_mcp::frame::INTERNAL_ERROR;

use status::{Acted, Refusal};

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
        Cause::Deadline | Cause::Silent { .. } => FaultKind::Timeout,
        Cause::Status { status, body, rpc, had_session, .. } => {
            let (rpc, had_session) = (rpc.as_ref(), *had_session);
            status::read(Refusal { status: *status, body, rpc, had_session }).0
        }
        Cause::Malformed(_) | Cause::TooLarge { .. } | Cause::Unsupported(_) => FaultKind::Nonsense,
        Cause::Refused { error, .. } if text::error_names_session(error) => FaultKind::SessionLost,
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
        let fault = Fault::new(FaultKind::ServerError, one_line(&error.to_string()));
        return Outcome::Unknown(Fault { said: Some(said(error)), ..fault });
    }
    Outcome::Reply(Answer::Error(error))
}

fn classify_error(sent: Sent, cause: Cause) -> Outcome<Answer> {
    let mut fault = fault_of(&cause);
    if let Cause::Status { status, body, rpc, had_session, .. } = cause {
        let refusal = Refusal { status, body: &body, rpc: rpc.as_ref(), had_session };
        let (_, acted) = status::read(refusal);
        return match (acted, rpc) {
            (Acted::Answered, Some(error)) => Outcome::Reply(Answer::Error(error)),
            (Acted::No, _) => Outcome::NotSent(fault),
            (Acted::NotNow, _) => Outcome::Refused(fault),
            (Acted::Maybe | Acted::Answered, error) => {
                if fault.kind == FaultKind::ServerError {
                    fault.said = error.map(said);
                }
                Outcome::Unknown(fault)
            }
        };
    }
    match (fault.kind, sent) {
        (FaultKind::SessionLost | FaultKind::Overloaded, _) | (_, Sent::No) => {
            Outcome::NotSent(fault)
        }
        (_, Sent::Maybe) => Outcome::Unknown(fault),
    }
}

fn said(error: RpcError) -> Box<Said> {
    let data = error.data.map(|data| data.get().to_owned());
    Box::new(Said { code: error.code, message: error.message, data })
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
        Cause::Silent { last_words } => {
            format!("{cause}; its last words: {}", last_lines(last_words))
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

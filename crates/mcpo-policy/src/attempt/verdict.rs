//! What one attempt says of its upstream, and whether another one makes sense after it.

use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::Outcome;
use mcpo_upstream::directory::Noted;
use mcpo_upstream::gate::Verdict;
use tokio::time::Instant;

use crate::attempt::tries::Failed;

/// What the breaker is told. A session that is lost takes any number of calls along, and only the
/// first of them counts. An attempt that was short of time ends unanswered on an upstream that may
/// be as fast as ever.
pub(super) fn verdict<R>(outcome: &Outcome<R>, noted: Noted, is_short: bool) -> Verdict<'_> {
    let counts = !noted.spent || noted.first;
    match outcome {
        Outcome::Reply(_) => Verdict::Good,
        Outcome::Unknown(fault) if is_short && fault.kind == FaultKind::Timeout => Verdict::Neutral,
        Outcome::Unknown(fault) if counts && is_its_doing(fault) => Verdict::Bad(fault),
        Outcome::NotSent(fault) if counts && fault.kind == FaultKind::Unreachable => {
            Verdict::Bad(fault)
        }
        Outcome::Unknown(_) | Outcome::NotSent(_) | Outcome::Refused(_) => Verdict::Neutral,
    }
}

/// Whether an attempt says that the upstream has more calls at once than it can take.
pub(super) fn was_too_much<R>(outcome: &Outcome<R>, is_short: bool) -> bool {
    match outcome {
        Outcome::Refused(_) => true,
        Outcome::Unknown(fault) => fault.kind == FaultKind::Timeout && !is_short,
        Outcome::Reply(_) | Outcome::NotSent(_) => false,
    }
}

/// Whether an attempt had less of its call's time left than the call had waited before. One that
/// ends with that time unanswered says nothing of the upstream: as a probe of the breaker it would
/// keep an upstream shut that is well, if a little slow.
pub(super) fn began_late(call_began: Instant, at: Instant, deadline: Instant) -> bool {
    at.saturating_duration_since(call_began) > deadline.saturating_duration_since(at)
}

/// A session that we closed, or had no room on, is no failure of the upstream's.
fn is_its_doing(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Stopping | FaultKind::Overloaded | FaultKind::Held | FaultKind::BreakerOpen => {
            false
        }
        FaultKind::Unreachable
        | FaultKind::NotStartable
        | FaultKind::Disconnected
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::SessionLost
        | FaultKind::Throttled
        | FaultKind::Unauthorized
        | FaultKind::Nonsense => true,
    }
}

/// Whether after such a failure nobody knows if the upstream is there at all, on this session or
/// on another one.
pub(super) fn takes_session_along(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Unreachable
        | FaultKind::NotStartable
        | FaultKind::Disconnected
        | FaultKind::SessionLost
        | FaultKind::Stopping => true,
        FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::Throttled
        | FaultKind::Unauthorized
        | FaultKind::Nonsense
        | FaultKind::Overloaded
        | FaultKind::Held
        | FaultKind::BreakerOpen => false,
    }
}

/// Some faults are not mended by sending again, although nothing forbids it. An answer that was no
/// MCP may be the right one the next time; a request that was refused as none will be again.
pub(super) fn worth_another(failed: &Failed) -> bool {
    match failed.fault().kind {
        FaultKind::Unreachable
        | FaultKind::Disconnected
        | FaultKind::Timeout
        | FaultKind::ServerError
        | FaultKind::SessionLost
        | FaultKind::Throttled
        | FaultKind::Overloaded
        // The session was closed under the call; whether there will be another, its upstream says.
        | FaultKind::Stopping => true,
        FaultKind::Nonsense => matches!(failed, Failed::Unknown(_)),
        FaultKind::NotStartable
        | FaultKind::Unauthorized
        | FaultKind::Held
        | FaultKind::BreakerOpen => false,
    }
}

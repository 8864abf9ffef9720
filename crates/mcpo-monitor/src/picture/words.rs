//! Fixed words for what is wrong: they name no address, no command and no secret.

use mcpo_core::fault::FaultKind;

/// What is said of a fault to anybody.
#[must_use]
pub const fn reason_of(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unreachable => "it cannot be reached",
        FaultKind::NotStartable => "its command cannot be started",
        FaultKind::Disconnected => "it went away",
        FaultKind::Timeout => "it does not answer in time",
        FaultKind::ServerError => "it fails inside",
        FaultKind::SessionLost => "it lost the session",
        FaultKind::Throttled => "it takes no more requests for now",
        FaultKind::Unauthorized => "it refuses our credentials",
        FaultKind::Nonsense => "it does not speak MCP as expected",
        FaultKind::Overloaded => "too many requests wait for it",
        FaultKind::Held => "it is held until an operator releases it",
        FaultKind::BreakerOpen => "it failed too often of late",
        FaultKind::Stopping => "it is stopped",
    }
}

//! The one place where an event is told: today as a log line.

use mcpo_core::event::{Event, Level};
use mcpo_core::fault::Fault;

// tracing fixes a line's level and fields where the line stands, so the levels share a macro.
macro_rules! emit {
    ($level:ident, $event:expr) => {
        match $event {
            Event::UpstreamReady { upstream, tools, protocol_version, took } => tracing::$level!(
                upstream,
                tools,
                protocol_version,
                took_ms = millis(*took),
                "upstream ready"
            ),
            Event::UpstreamFailed { upstream, fault, failures, retry_in } => tracing::$level!(
                upstream,
                fault = fault.kind.name(),
                detail = detail(fault),
                failures,
                retry_in_ms = millis(*retry_in),
                "upstream not reachable"
            ),
            Event::SessionLost { upstream, fault, retry_in } => tracing::$level!(
                upstream,
                fault = fault.kind.name(),
                detail = detail(fault),
                retry_in_ms = millis(*retry_in),
                "session lost, connecting anew"
            ),
            Event::ToolsChanged { upstream, added, removed } => tracing::$level!(
                upstream,
                added = added.join(","),
                removed = removed.join(","),
                "tools changed"
            ),
            Event::ToolsStale { upstream, fault } => tracing::$level!(
                upstream,
                fault = fault.kind.name(),
                detail = detail(fault),
                "tools could not be listed anew, the known ones stay"
            ),
            Event::ToolFlawed { upstream, tool, note } => {
                tracing::$level!(upstream, tool, note, "tool served with a flaw in its declaration")
            }
            Event::UpstreamStopped { upstream } => tracing::$level!(upstream, "upstream stopped"),
            Event::CallSentAgain { upstream, tool, attempt, fault } => tracing::$level!(
                upstream,
                tool,
                attempt,
                fault = fault.kind.name(),
                detail = detail(fault),
                "call sent again"
            ),
            Event::CallFailed { upstream, tool, outcome, fault, attempts } => tracing::$level!(
                upstream,
                tool,
                outcome = outcome.name(),
                fault = fault.kind.name(),
                detail = detail(fault),
                attempts,
                "call failed"
            ),
            other @ (Event::CallRecovered { .. }
            | Event::SessionProbed { .. }
            | Event::SessionReplaced { .. }
            | Event::Recovered { .. }
            | Event::Held { .. }
            | Event::Released { .. }
            | Event::BreakerOpened { .. }
            | Event::BreakerClosed { .. }
            | Event::BudgetSpent { .. }
            | Event::PoolGrew { .. }
            | Event::PoolShrank { .. }
            | Event::ToolsVanished { .. }
            | Event::ConfigReloaded { .. }
            | Event::ConfigRefused { .. }
            | Event::ClockJumped { .. }
            | Event::OrderGiven { .. }) => {
                tracing::$level!(upstream = other.upstream(), "{}", other.name())
            }
        }
    };
}
/// Tells one event.
pub fn record(event: &Event) {
    match event.level() {
        Level::Error => emit!(error, event),
        Level::Warn => emit!(warn, event),
        Level::Info => emit!(info, event),
        Level::Debug => emit!(debug, event),
    }
}

fn detail(fault: &Fault) -> &str {
    &fault.detail
}

fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

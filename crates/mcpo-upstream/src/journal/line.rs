//! The log line of each event.

use mcpo_core::event::{Event, Level};
use mcpo_core::fault::Fault;

use super::repeats::Sum;

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
            Event::CallRecovered { upstream, tool, attempts, took } => tracing::$level!(
                upstream,
                tool,
                attempts,
                took_ms = millis(*took),
                "call answered after all"
            ),
            Event::CallsShed { upstream, reason, count, over } => tracing::$level!(
                upstream,
                reason = reason.name(),
                count,
                over_ms = millis(*over),
                "calls turned away"
            ),
            Event::SessionProbed { upstream, session, fault } => tracing::$level!(
                upstream,
                session,
                fault = fault.as_ref().map(|fault| fault.kind.name()),
                detail = fault.as_ref().map(detail),
                "session probed"
            ),
            Event::SessionReplaced { upstream, session, fault } => tracing::$level!(
                upstream,
                session,
                fault = fault.kind.name(),
                detail = detail(fault),
                "session taken out of service, others go on"
            ),
            Event::Recovered { upstream, away, fault } => tracing::$level!(
                upstream,
                away_ms = millis(*away),
                fault = fault.kind.name(),
                "upstream recovered"
            ),
            Event::Held { upstream, by, fault, cure } => tracing::$level!(
                upstream,
                by = by.name(),
                fault = fault.as_ref().map(|fault| fault.kind.name()),
                detail = fault.as_ref().map(detail),
                cure,
                "upstream held, nothing is sent to it"
            ),
            Event::Released { upstream } => tracing::$level!(upstream, "upstream released"),
            Event::BreakerOpened { upstream, fault, open_for } => tracing::$level!(
                upstream,
                fault = fault.kind.name(),
                detail = detail(fault),
                open_for_ms = millis(*open_for),
                "upstream fails too often, calls are sent away"
            ),
            Event::BreakerClosed { upstream, after } => tracing::$level!(
                upstream,
                after_ms = millis(*after),
                "upstream answers again, calls are sent to it"
            ),
            Event::BudgetSpent { upstream } => {
                tracing::$level!(upstream, "too many calls fail to send each again")
            }
            Event::PoolGrew { upstream, sessions } => {
                tracing::$level!(upstream, sessions, "session added")
            }
            Event::PoolShrank { upstream, sessions } => {
                tracing::$level!(upstream, sessions, "session retired")
            }
            Event::ToolsVanished { upstream, tools } => tracing::$level!(
                upstream,
                tools = tools.join(","),
                "tools vanished: the upstream came back with fewer"
            ),
            Event::ToolsUnknown { upstream, names } => tracing::$level!(
                upstream,
                names = names.join(","),
                "the configuration names tools that the upstream does not offer"
            ),
            Event::ConfigReloaded { started, stopped, replaced, kept } => tracing::$level!(
                started = started.join(","),
                stopped = stopped.join(","),
                replaced = replaced.join(","),
                kept = kept.join(","),
                "configuration reloaded"
            ),
            Event::ConfigRefused { problems } => tracing::$level!(
                problems = problems.join("; "),
                "configuration refused, the one before stays in force"
            ),
            Event::ClockJumped { by } => tracing::$level!(
                by_ms = millis(*by),
                "time jumped: the machine slept, or we did; every session is looked at"
            ),
            Event::OrderGiven { upstream, order } => {
                tracing::$level!(upstream, order, "order given")
            }
        }
    };
}
/// Writes it.
pub(super) fn log(event: &Event) {
    match event.level() {
        Level::Error => emit!(error, event),
        Level::Warn => emit!(warn, event),
        Level::Info => emit!(info, event),
        Level::Debug => emit!(debug, event),
    }
}

/// Writes how many failed likewise.
pub(super) fn log_sum(sum: &Sum) {
    tracing::warn!(
        upstream = sum.of.upstream,
        outcome = sum.of.outcome.name(),
        fault = sum.of.fault.name(),
        count = sum.count,
        over_ms = millis(sum.over),
        "more calls failed likewise"
    );
}

fn detail(fault: &Fault) -> &str {
    &fault.detail
}

fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

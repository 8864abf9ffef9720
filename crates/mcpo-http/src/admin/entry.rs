//! An event as an entry of the journal: everything that it says, by name.

use std::time::Duration;

use mcpo_core::event::{Event, Level};
use mcpo_monitor::faces::rfc_3339;
use mcpo_upstream::journal::Entry;
use serde_json::{Map, Value, json};

use crate::standing::held_by;

/// An entry.
pub(crate) fn entry(Entry { seq, at, event }: &Entry) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("seq", (*seq).into());
    put("at", rfc_3339(*at).into());
    put("event", event.name().into());
    put("level", level(event.level()).into());
    put("server", event.upstream().into());
    put("sentence", event.sentence().into());
    if let Some(fault) = event.fault() {
        put("severity", fault.kind.severity().name().into());
        put("cure", fault.kind.cure().name().into());
    }
    let mut fields = fields(event);
    if let (Value::Object(fields), Some(fault)) = (&mut fields, event.fault()) {
        fields.insert("fault".to_owned(), fault.kind.name().into());
        fields.insert("detail".to_owned(), fault.detail.as_str().into());
    }
    put("fields", fields);
    out.into()
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// What an event says beside its upstream and its fault. Names hold their units.
fn fields(event: &Event) -> Value {
    match event {
        Event::UpstreamReady { tools, protocol_version, took, .. } => json!({
            "tools": tools, "protocol_version": protocol_version, "took_ms": millis(*took),
        }),
        Event::UpstreamFailed { failures, retry_in, .. } => {
            json!({"failures": failures, "retry_in_ms": millis(*retry_in)})
        }
        Event::SessionLost { retry_in, .. } => json!({"retry_in_ms": millis(*retry_in)}),
        Event::ToolsChanged { added, removed, .. } => json!({"added": added, "removed": removed}),
        Event::ToolFlawed { tool, note, .. } => json!({"tool": tool, "note": note}),
        Event::CallSentAgain { tool, attempt, .. } => json!({"tool": tool, "attempt": attempt}),
        Event::CallFailed { tool, outcome, attempts, .. } => {
            json!({"tool": tool, "outcome": outcome.name(), "attempts": attempts})
        }
        Event::CallRecovered { tool, attempts, took, .. } => {
            json!({"tool": tool, "attempts": attempts, "took_ms": millis(*took)})
        }
        Event::CallsShed { reason, count, over, .. } => {
            json!({"reason": reason.name(), "count": count, "over_ms": millis(*over)})
        }
        Event::SessionProbed { session, fault, .. } => {
            json!({"session": session, "answered": fault.is_none()})
        }
        Event::SessionReplaced { session, .. } => json!({"session": session}),
        Event::Recovered { away, .. } => json!({"away_ms": millis(*away)}),
        Event::Held { by, cure, .. } => json!({"by": held_by(*by), "help": cure}),
        Event::BreakerOpened { open_for, .. } => json!({"open_for_ms": millis(*open_for)}),
        Event::BreakerClosed { after, .. } => json!({"after_ms": millis(*after)}),
        Event::PoolGrew { sessions, .. } | Event::PoolShrank { sessions, .. } => {
            json!({"sessions": sessions})
        }
        Event::ToolsVanished { tools, .. } => json!({"tools": tools}),
        Event::ToolsUnknown { names, .. } => json!({"names": names}),
        Event::ConfigReloaded { started, stopped, replaced, kept } => json!({
            "started": started, "stopped": stopped, "replaced": replaced, "kept": kept,
        }),
        Event::ConfigRefused { problems } => json!({"problems": problems}),
        Event::ClockJumped { by } => json!({"by_ms": millis(*by)}),
        Event::OrderGiven { order, .. } => json!({"order": order}),
        Event::ToolsStale { .. }
        | Event::UpstreamStopped { .. }
        | Event::Released { .. }
        | Event::BudgetSpent { .. } => json!({}),
    }
}

pub(super) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

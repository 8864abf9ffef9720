//! An event as an entry of the journal: everything that it says, by name.

use std::time::{Duration, SystemTime};

use mcpo_core::event::{Event, Level};
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

/// A time as `2026-01-02T03:04:05.678Z`. Before 1970 there was no mcpo.
pub(super) fn rfc_3339(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01. Source: Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`; its eras of 400 years begin on the 1st of March.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests;

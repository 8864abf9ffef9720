//! Figures and names as they stand on the screen.

use serde_json::Value;

use crate::render::shown;

pub(super) fn plain(value: &Value) -> String {
    shown(value.as_str().unwrap_or("-"))
}

pub(super) fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

pub(super) fn share(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// Seconds, in a unit that needs few digits.
pub(super) fn latency(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.001 => format!("{:.0} us", seconds * 1e6),
        Some(seconds) if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.2} s"),
    }
}

pub(super) fn length(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or_default() as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        172_800.. => format!("{} d", seconds / 86_400),
    }
}

pub(super) fn bytes(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(bytes) if bytes < 1024.0 * 1024.0 * 1024.0 => {
            format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
        }
        Some(bytes) => format!("{:.1} GiB", bytes / (1024.0 * 1024.0 * 1024.0)),
    }
}

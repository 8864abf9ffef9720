//! Figures as people say them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `3 times`, `once`.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// `1 tool`, `3 tools`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `340 ms`, `2.5 s`, `3 min`, `2.5 h`, `3 days`.
pub(super) fn length(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    match seconds {
        s if s < 0.000_95 => "less than 1 ms".to_owned(),
        s if s < 0.95 => format!("{:.0} ms", s * 1e3),
        s if s < 99.5 => format!("{} s", short(s)),
        s if s < 5_970.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{} h", short(s / 3600.0)),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// `12 %`; one digit after the point below ten.
pub(super) fn share(share: f64) -> String {
    format!("{} %", short(share * 100.0))
}

/// `512 MiB`, `1.5 GiB`.
pub(super) fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let size = bytes.abs().max(1.0);
    let unit = ((size.log2() / 10.0) as usize).min(UNITS.len() - 1);
    format!("{} {}", short(bytes / 1024_f64.powi(i32::try_from(unit).unwrap_or(0))), UNITS[unit])
}

/// One digit after the point where that says something.
pub(super) fn short(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.abs() >= 10.0 || rounded.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{rounded:.1}")
    }
}

/// A name as a shell takes it for one word.
pub(super) fn shell_word(name: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:@%+=,".contains(char);
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// Seconds since the Unix epoch, as every face tells times.
pub(super) fn epoch(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// `just now`, `3 min ago`.
pub(super) fn ago(then: SystemTime, now: SystemTime) -> String {
    match now.duration_since(then) {
        Ok(passed) if passed >= Duration::from_secs(1) => format!("{} ago", length(passed)),
        Ok(_) | Err(_) => "just now".to_owned(),
    }
}

/// At most so many names, each in backquotes, and how many more there are.
pub(super) fn names<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 5;
    let more = all.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<String> = all.take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

//! Rules about what processes and the machine use.

use std::time::Duration;

use super::{Finding, Judge, Rule, SYMPTOMS};
use crate::alerts::Severity;
use crate::diagnosis::case::Case;
use crate::diagnosis::words::{bytes, length, share, short};
use crate::diagnosis::{Facts, TrendFact};
use crate::history::Metric;
use crate::picture::Picture;
use crate::resources::{MachineSample, ProcessSample};
use crate::trend::{Crossing, Direction};

pub(super) const MEMORY_GROWTH: Rule = Rule {
    id: "memory_growth",
    severity: Severity::Warning,
    title: "a process grows until memory is full",
    when: "The memory of a server's processes has grown for half an hour at least, surely so (Theil-Sen slope with a 95 % band), and reaches what the machine has left within a day; critical within an hour.",
    fix: &[
        "`mcpo admin reconnect {server}` starts it anew, and gives the memory back for now.",
        "Tell who makes the server behind `{server}`, or go back to the version before.",
    ],
    explains: &["memory_pressure"],
    judge: Judge::Server(memory_growth),
};

pub(super) const MEMORY_PRESSURE: Rule = Rule {
    id: "memory_pressure",
    severity: Severity::Critical,
    title: "memory is nearly full",
    when: "More than nine tenths of the machine's memory, or of the container's limit, are in use.",
    fix: &[
        "Give the machine or the container more memory, or move servers elsewhere; the evidence names those that use most.",
        "`mcpo admin reconnect NAME` starts a server anew that uses too much.",
    ],
    explains: &[],
    judge: Judge::Own(memory_pressure),
};

pub(super) const CPU_SATURATED: Rule = Rule {
    id: "cpu_saturated",
    severity: Severity::Warning,
    title: "the processors are busy",
    when: "More than nineteen twentieths of the processor time that may be used, by the machine or the container's quota, were used since the sample before.",
    fix: &[
        "Give the machine or the container more processors, or move what uses most elsewhere; the evidence names it.",
    ],
    explains: &["slow_upstream", "slow_mcpo"],
    judge: Judge::Own(cpu_saturated),
};

pub(super) const FD_LIMIT: Rule = Rule {
    id: "fd_limit",
    severity: Severity::Warning,
    title: "file descriptors run out",
    when: "mcpo uses more than four fifths of the file descriptors that it may open; critical above nineteen twentieths, where connections begin to fail.",
    fix: &[
        "Raise the limit of open files: `LimitNOFILE=` in a systemd unit, `--ulimit nofile=` of Docker, `ulimit -n` in a shell.",
        "See who keeps so many connections open.",
    ],
    explains: SYMPTOMS,
    judge: Judge::Own(|facts, _| fd_limit(facts)),
};

pub(super) const DISK_FULL: Rule = Rule {
    id: "disk_full",
    severity: Severity::Warning,
    title: "the disk of the state directory is nearly full",
    when: "Less is free than the history may grow to (256 MiB); critical below 32 MiB.",
    fix: &[
        "Free space on the disk of the state directory, or choose another with `--state-dir`.",
        "`--no-state` keeps the history in memory only.",
    ],
    explains: &[],
    judge: Judge::Own(|facts, _| disk_full(facts)),
};

pub(super) const NO_ROOM: Rule = Rule {
    id: "no_room",
    severity: Severity::Critical,
    title: "mcpo has no room for more calls",
    when: "Nine tenths of the calls that mcpo takes at once are under way.",
    fix: &[
        "Send fewer calls at once, or spread them over several instances.",
        "See which server is slow: its calls take the places.",
    ],
    explains: &[],
    judge: Judge::Own(|facts, _| no_room(facts)),
};

/// Growth over less time may be that of a start.
const GROWTH_SPAN_MIN: Duration = Duration::from_secs(1800);
/// What fills up later is found by another diagnosis in time.
const GROWTH_FORETOLD: Duration = Duration::from_secs(86_400);
/// Within this time somebody has to act now.
const GROWTH_SOON: Duration = Duration::from_secs(3600);
/// The threshold of the alert `memory_high`.
const MEMORY_SHARE_MAX: f64 = 0.9;
const CPU_SHARE_MAX: f64 = 0.95;
/// Who uses less, in processors, is not why they are busy.
const CPU_NAMED_MIN: f64 = 0.05;
const FD_SHARE_MAX: f64 = 0.8;
const FD_SHARE_CRITICAL: f64 = 0.95;
/// As much as the history may grow to.
const DISK_BYTES_MIN: u64 = 256 << 20;
const DISK_BYTES_CRITICAL: u64 = 32 << 20;
const PLACES_SHARE_MAX: f64 = 0.9;
/// So many of those who use most are named.
const NAMED_MAX: usize = 3;

fn memory_growth(case: &Case<'_>) -> Option<Finding> {
    let picture = case.facts.picture.as_ref()?;
    let machine = picture.machine?;
    let is_its = |fact: &&TrendFact| {
        fact.server.as_deref() == Some(case.name) && fact.metric == Metric::Memory
    };
    let trend = &case.facts.trends.iter().find(is_its)?.trend;
    if trend.direction != Direction::Rising || trend.span_seconds < GROWTH_SPAN_MIN.as_secs_f64() {
        return None;
    }
    let total = machine.memory_bytes_max as f64;
    let limit = trend.level + (1.0 - machine.memory).max(0.0) * total;
    let Crossing { at, earliest, .. } = trend.crosses(limit)?;
    let now = crate::diagnosis::words::epoch(case.facts.at);
    let until = |at: u64| Duration::from_secs_f64((at as f64 - now).max(0.0));
    if until(at) > GROWTH_FORETOLD {
        return None;
    }
    Some(Finding {
        severity: (until(at) <= GROWTH_SOON).then_some(Severity::Critical),
        what: format!(
            "the memory of `{}` grows and reaches the limit in {}",
            case.name,
            length(until(at))
        ),
        evidence: vec![
            format!(
                "{} now, {} more an hour ({} to {})",
                bytes(trend.level),
                bytes(trend.per_hour),
                bytes(trend.per_hour_band.0),
                bytes(trend.per_hour_band.1)
            ),
            format!(
                "{} of {} are free; at the earliest they are full in {}",
                bytes((1.0 - machine.memory).max(0.0) * total),
                bytes(total),
                length(until(earliest))
            ),
        ],
        cause: vec!["process ok".to_owned(), "memory: grows".to_owned()],
        ..Finding::default()
    })
}

fn memory_pressure(facts: &Facts, _: &[Case<'_>]) -> Option<Finding> {
    let machine = facts.machine().filter(|machine| machine.memory >= MEMORY_SHARE_MAX)?;
    let used = format!(
        "{} of {} are in use",
        share(machine.memory),
        bytes(machine.memory_bytes_max as f64)
    );
    let most = largest(facts, |sample| sample.rss_bytes as f64);
    let most = most.map(|(name, value)| format!("{name} uses {}", bytes(value)));
    Some(Finding {
        what: format!("the memory of the {} is nearly full", place(machine)),
        evidence: [used].into_iter().chain(most).collect(),
        cause: vec![format!("{}: memory nearly full", place(machine))],
        ..Finding::default()
    })
}

fn cpu_saturated(facts: &Facts, _: &[Case<'_>]) -> Option<Finding> {
    let machine = facts.machine().filter(|machine| machine.cpu >= CPU_SHARE_MAX)?;
    let used =
        format!("{} of {} processors are in use", share(machine.cpu), short(machine.processors));
    let most = largest(facts, |sample| sample.cpu).filter(|(_, value)| *value >= CPU_NAMED_MIN);
    let most = most.map(|(name, value)| format!("{name} uses {} processors", short(value)));
    let others = facts.picture.as_ref().and_then(|picture| {
        let ours: f64 = processes(picture).map(|sample| sample.cpu).sum();
        let is_little = ours < machine.cpu * machine.processors / 2.0;
        is_little.then(|| "other programs than mcpo and its servers use most".to_owned())
    });
    Some(Finding {
        what: format!("the processors of the {} are busy", place(machine)),
        evidence: [used].into_iter().chain(most).chain(others).collect(),
        cause: vec![format!("{}: processors busy", place(machine))],
        ..Finding::default()
    })
}

const fn place(machine: MachineSample) -> &'static str {
    if machine.is_container { "container" } else { "machine" }
}

/// Those of mcpo and of its servers.
fn processes(picture: &Picture) -> impl Iterator<Item = &ProcessSample> {
    let servers = picture.servers.iter().filter_map(|server| server.processes.as_ref());
    servers.chain(picture.process.as_ref())
}

/// Who uses most: mcpo itself and servers, each with how much.
fn largest(facts: &Facts, of: fn(&ProcessSample) -> f64) -> impl Iterator<Item = (String, f64)> {
    let picture = facts.picture.iter();
    let own = picture.clone().filter_map(|picture| picture.process.as_ref());
    let own = own.map(|sample| ("mcpo itself".to_owned(), of(sample)));
    let servers = picture.flat_map(|picture| &picture.servers).filter_map(|server| {
        server.processes.as_ref().map(|sample| (format!("`{}`", server.name), of(sample)))
    });
    let mut all: Vec<(String, f64)> = own.chain(servers).collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    all.into_iter().take(NAMED_MAX)
}

fn fd_limit(facts: &Facts) -> Option<Finding> {
    let sample = facts.picture.as_ref()?.process?;
    let (used, most) = (sample.fds?, sample.fds_max.filter(|most| *most > 0)?);
    let part = used as f64 / most as f64;
    (part >= FD_SHARE_MAX).then(|| Finding {
        severity: (part >= FD_SHARE_CRITICAL).then_some(Severity::Critical),
        what: "mcpo nearly runs out of file descriptors".to_owned(),
        evidence: vec![format!("{used} of {most} are in use ({})", share(part))],
        cause: vec!["file descriptors: nearly used up".to_owned()],
        ..Finding::default()
    })
}

fn disk_full(facts: &Facts) -> Option<Finding> {
    let free = facts.machine()?.state_disk_bytes_free?;
    (free < DISK_BYTES_MIN).then(|| Finding {
        severity: (free < DISK_BYTES_CRITICAL).then_some(Severity::Critical),
        what: "the disk of the state directory is nearly full".to_owned(),
        evidence: vec![format!("{} are free", bytes(free as f64))],
        cause: vec!["state directory: disk nearly full".to_owned()],
        ..Finding::default()
    })
}

fn no_room(facts: &Facts) -> Option<Finding> {
    let whole = &facts.picture.as_ref()?.whole;
    let part = whole.in_flight as f64 / whole.max_concurrent.max(1) as f64;
    (part >= PLACES_SHARE_MAX).then(|| Finding {
        what: "mcpo has hardly any room for more calls".to_owned(),
        evidence: vec![format!(
            "{} of {} calls at once are under way",
            whole.in_flight, whole.max_concurrent
        )],
        cause: vec!["places: nearly all taken".to_owned()],
        ..Finding::default()
    })
}

use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::fault::FaultKind;

use super::*;
use crate::history::Metric;
use crate::picture::{Picture, Tally};

const GIB: f64 = (1_u64 << 30) as f64;

#[test]
fn memory_that_grows_until_it_is_full() {
    let mut facts = healthy();
    // 4 GiB are free.
    facts.trends = vec![growth(Some("files"), Metric::Memory, GIB, GIB / 100.0)];
    none_but_recommendations(&facts);
    facts.trends = vec![growth(Some("files"), Metric::Memory, 3.0 * GIB, GIB)];
    let cause = ["process ok", "memory: grows"];
    let issue = only(&facts, "memory_growth", Some("files"), &cause);
    assert!(issue.what.ends_with("reaches the limit in 4 h"), "{}", issue.what);
    assert_eq!(issue.severity, Severity::Warning);
    with_picture(&mut facts, |picture| machine(picture).memory = 0.95);
    let issue = only(&facts, "memory_growth", Some("files"), &cause);
    assert_eq!(issue.severity, Severity::Critical, "and it explains that memory is nearly full");
}

fn none_but_recommendations(facts: &Facts) {
    assert_eq!(diagnose(facts).issues, []);
}

fn machine(picture: &mut Picture) -> &mut crate::resources::MachineSample {
    picture.machine.as_mut().unwrap()
}

#[test]
fn what_the_machine_lacks() {
    type Change = fn(&mut Picture);
    let cases: [(Change, &str, &str); 7] = [
        (|p| machine(p).memory = 0.9, "memory_pressure", "machine: memory nearly full"),
        (|p| machine(p).cpu = 0.95, "cpu_saturated", "machine: processors busy"),
        (
            |p| machine(p).state_disk_bytes_free = Some(255 << 20),
            "disk_full",
            "state directory: disk nearly full",
        ),
        (
            |p| p.process.as_mut().unwrap().fds = Some(820),
            "fd_limit",
            "file descriptors: nearly used up",
        ),
        (|p| p.whole.in_flight = 9000, "no_room", "places: nearly all taken"),
        (
            |p| p.watch.is_history_troubled = true,
            "history_unkept",
            "state directory: cannot be used",
        ),
        (
            |p| {
                machine(p).is_container = true;
                machine(p).memory = 0.91;
            },
            "memory_pressure",
            "container: memory nearly full",
        ),
    ];
    for (change, id, cause) in cases {
        let mut facts = healthy();
        with_picture(&mut facts, change);
        only(&facts, id, None, &[cause]);
    }
}

#[test]
fn those_who_use_most_are_named() {
    let mut facts = healthy();
    with(&mut facts, "files", |server| server.processes.as_mut().unwrap().rss_bytes = 2 << 30);
    with_picture(&mut facts, |picture| machine(picture).memory = 0.95);
    let cause = ["machine: memory nearly full"];
    let issue = only(&facts, "memory_pressure", None, &cause);
    let lines = ["95 % of 8 GiB are in use", "`files` uses 2 GiB", "mcpo itself uses 20 MiB"];
    assert_eq!(issue.evidence, lines);
}

/// A machine without processor time makes every server slow: that is told once.
#[test]
fn busy_processors_explain_slow_calls() {
    let mut facts = healthy();
    for name in ["files", "search"] {
        with(&mut facts, name, |server| {
            server.calls.windows[1] = window(Duration::from_secs(300), 100, 8.0);
        });
    }
    assert_eq!(diagnose(&facts).issues.len(), 2);
    with_picture(&mut facts, |picture| machine(picture).cpu = 1.0);
    only(&facts, "cpu_saturated", None, &["machine: processors busy"]);
}

#[test]
fn a_configuration_that_was_refused() {
    let mut facts = healthy();
    let problems = vec!["`mcpServers.x`: nothing to start".to_owned()];
    tell(&mut facts, 7200, Event::ConfigRefused { problems: problems.clone() });
    let cause = ["file read", "configuration: refused"];
    let issue = only(&facts, "config_refused", None, &cause);
    assert_eq!(issue.evidence, problems);
    let none_of = Vec::new;
    let reloaded = Event::ConfigReloaded {
        started: none_of(),
        stopped: none_of(),
        replaced: none_of(),
        kept: none_of(),
    };
    tell(&mut facts, 10, reloaded);
    none(&facts);
}

#[test]
fn a_clock_that_jumped_explains_what_it_broke() {
    let mut facts = healthy();
    tell(&mut facts, 100, Event::ClockJumped { by: Duration::from_secs(3) });
    none(&facts);
    tell(&mut facts, 100, Event::ClockJumped { by: Duration::from_secs(600) });
    for ago in 0..6 {
        lost(&mut facts, "search", FaultKind::SessionLost, ago);
    }
    let bad = Tally { good: 0, bad: 100 };
    with(&mut facts, "search", |server| {
        (server.burn.hour, server.burn.five_minutes) = (bad, bad);
    });
    only(&facts, "clock_jump", None, &["clock: jumped"]);
    facts.at += Duration::from_secs(301);
    with(&mut facts, "search", |server| server.burn = crate::picture::BurnWindows::default());
    none(&facts);
}

#[test]
fn what_rises_without_being_an_issue_is_recommended() {
    let mut facts = healthy();
    facts.trends = vec![growth(Some("search"), Metric::P99, 0.4, 0.1)];
    let diagnosis = diagnose(&facts);
    assert_eq!(diagnosis.issues, []);
    let text = "the time of the slowest calls of `search` rises by 25 % an hour: see which tool it is in `GET /metrics`.";
    assert_eq!(diagnosis.recommendations, [text]);
}

/// Who uses next to nothing is not why they are busy.
#[test]
fn busy_processors_name_who_uses_them() {
    let mut facts = healthy();
    with_picture(&mut facts, |picture| machine(picture).cpu = 1.0);
    let issue = only(&facts, "cpu_saturated", None, &["machine: processors busy"]);
    let others = "other programs than mcpo and its servers use most";
    assert_eq!(issue.evidence.last().unwrap(), others);
    with_picture(&mut facts, |picture| {
        let processors = machine(picture).processors;
        let own = picture.process.as_mut().unwrap();
        own.cpu = processors - 0.1;
    });
    let issue = only(&facts, "cpu_saturated", None, &["machine: processors busy"]);
    assert!(issue.evidence[1].starts_with("mcpo itself uses"), "{:?}", issue.evidence);
    assert!(!issue.evidence.iter().any(|text| text.contains(" 0 processors") || text == others));
}

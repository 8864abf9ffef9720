//! The matrix is whole, and what it counts is right.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::finding::{Finding, Times};
use super::trial::able;
use super::{Class, End, Fault, Kind, Record, Steady, Way, matrix, quantile};
use crate::journal::{Entry, Journal, What};
use crate::scratch::Scratch;

fn fault(name: &str) -> Fault {
    matrix().into_iter().find(|fault| fault.name == name).unwrap()
}

fn record(class: Class, key: &str, (due_ns, done_ns): (u64, u64), end: End) -> Record {
    Record { class, key: key.into(), due_ns, done_ns, end }
}

fn entry(what: What, at_ns: u64) -> Entry {
    Entry { at_ns, ..Entry::new(what) }
}

#[test]
fn there_are_enough_faults_and_each_has_a_name_and_a_way() {
    let all = matrix();
    assert!(all.len() >= 30, "{}", all.len());
    let names: HashSet<&str> = all.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), all.len());
    for way in Way::ALL {
        assert!(all.iter().filter(|fault| fault.ways.contains(&way)).count() >= 10, "{way:?}");
        assert_eq!(way.name().parse::<Way>().unwrap(), way);
    }
    assert!(all.iter().all(|fault| !fault.ways.is_empty() && !fault.about.is_empty()));
}

#[test]
fn an_upstream_that_died_is_able_when_a_new_life_says_so() {
    let old = [entry(What::Start, 10), entry(What::Ready, 20)];
    let killed = fault("kill-9");
    assert!(able(&killed, &old, 100, 100).is_none(), "nobody has started it");
    let mut all = old.to_vec();
    all.push(entry(What::Start, 130));
    assert!(able(&killed, &all, 100, 100).is_none(), "it is starting");
    all.push(entry(What::Ready, 170));
    let found = able(&killed, &all, 100, 100).unwrap();
    assert_eq!((found.at_ns, found.own_start_ns), (170, Some(40)));
    all.extend([entry(What::Start, 200), entry(What::Ready, 205)]);
    let found = able(&killed, &all, 100, 100).unwrap();
    assert_eq!((found.at_ns, found.own_start_ns), (205, Some(5)), "the last life counts");
}

#[test]
fn an_upstream_that_lived_on_is_able_when_the_fault_is_over() {
    let old = [entry(What::Start, 10), entry(What::Ready, 20)];
    let found = able(&fault("pause"), &old, 100, 150).unwrap();
    assert_eq!((found.at_ns, found.own_start_ns), (150, None));
}

#[test]
fn losses_and_repetitions_are_counted_by_class() {
    let scratch = Scratch::new().unwrap();
    let journal = Journal::new(scratch.path());
    for key in ["w-1", "w-1", "w-2", "r-1", "r-1", "w-3"] {
        journal.record(&Entry::new(What::Run).key(key)).unwrap();
    }
    let told = |outcome: &str| End::Wrong(502, Some(outcome.into()));
    let records = [
        record(Class::Write, "w-1", (1, 2), End::Right),
        record(Class::Write, "w-2", (1, 2), told("unknown")),
        record(Class::Write, "w-3", (1, 2), told("not_sent")),
        record(Class::Write, "w-4", (1, 2), told("not_sent")),
        record(Class::Read, "r-1", (1, 2), End::Right),
        record(Class::Read, "r-2", (1, 2), End::Nothing),
        record(Class::Neighbour, "n-1", (1_000_000, 4_000_000), End::Right),
        record(Class::Neighbour, "n-2", (6_000_000, 7_000_000), End::Wrong(500, None)),
    ];
    let times = Times {
        begun: 0,
        broken: 5_000_000,
        healed: 8_000_000,
        able: Some(9_000_000),
        recovered: Some(10_000_000),
        first_success: Some(9_500_000),
        over: 20_000_000,
        own_start: None,
    };
    let names = (&fault("kill-9"), Way::Stdio, Kind::Mcpo);
    let found = Finding::new(names, &times, &records, &journal).unwrap();
    assert_eq!((found.duplicated, found.repeated, found.told_wrongly), (1, 1, 1));
    assert_eq!((found.lost(), found.read.lost, found.read.errors), (1, 1, 0));
    assert_eq!((found.write.errors, found.write.unknown, found.neighbour.errors), (3, 1, 1));
    assert_eq!((found.recovery_ms, found.since_healed_ms), (Some(1.0), Some(1.5)));
    assert_eq!(found.neighbour_before_us, [3000.0]);
    assert_eq!(found.neighbour_during_us, [1000.0]);
    assert_eq!(found.statuses.get(&0), Some(&1));
}

#[test]
fn a_quantile_is_one_of_the_values() {
    let values: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(quantile(&values, 0.99), Some(99.0));
    assert_eq!(quantile(&values, 0.5), Some(50.0));
    assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    assert_eq!(quantile(&[], 0.99), None);
}

#[tokio::test]
async fn calls_come_when_they_are_due_although_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut silent = JoinSet::new();
    silent.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            kept.push(socket);
        }
    });
    let patience = Duration::from_millis(200);
    let load = Steady::start(&url, &[(Class::Read, 100.0)], patience);
    while load.ended() < 20 {
        tokio::task::yield_now().await;
    }
    let records = load.finish().await;
    assert!(records.len() >= 20, "{}", records.len());
    assert!(records.iter().all(|record| record.end == End::Nothing));
    let mut due: Vec<u64> = records.iter().map(|record| record.due_ns).collect();
    due.sort_unstable();
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 10_000_000), "{due:?}");
    let patience = u64::try_from(patience.as_nanos()).unwrap();
    assert!(records.iter().all(|record| record.done_ns - record.due_ns >= patience));
}

#[test]
fn findings_can_be_written_as_json() {
    let scratch = Scratch::new().unwrap();
    let journal = Journal::new(scratch.path());
    let times = Times {
        begun: 0,
        broken: 1,
        healed: 2,
        able: None,
        recovered: None,
        first_success: None,
        over: 3,
        own_start: None,
    };
    let names = (&fault("stop"), Way::Stdio, Kind::Python);
    let found = Finding::new(names, &times, &[], &journal).unwrap();
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!((&json["recovery_ms"], &json["contestant"]), (&Value::Null, &"python".into()));
}

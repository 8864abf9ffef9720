use std::time::Duration;

use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::OutcomeKind;

use super::*;

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "detail")
}

fn lost(upstream: &str) -> Event {
    let fault = fault(FaultKind::Disconnected);
    Event::SessionLost { upstream: upstream.to_owned(), fault, retry_in: Duration::ZERO }
}

fn failed(failures: u32) -> Event {
    let fault = fault(FaultKind::Unreachable);
    Event::UpstreamFailed { upstream: "a".to_owned(), fault, failures, retry_in: Duration::ZERO }
}

fn recovered(away: Duration) -> Event {
    Event::Recovered { upstream: "a".to_owned(), away, fault: fault(FaultKind::Unreachable) }
}

fn call_failed(kind: FaultKind, outcome: OutcomeKind) -> Event {
    let (upstream, tool) = ("a".to_owned(), "t".to_owned());
    Event::CallFailed { upstream, tool, outcome, fault: fault(kind), attempts: 1 }
}

#[test]
fn an_outage_is_one_recovery_however_often_it_is_tried() {
    let journal = Journal::new();
    journal.record(&lost("a"));
    (1..=20).for_each(|failures| journal.record(&failed(failures)));
    journal.record(&recovered(Duration::from_millis(30)));
    journal.record(&lost("a"));
    journal.record(&lost("b"));
    let counters = journal.counters();
    let a = &counters.upstreams["a"];
    assert_eq!((a.recoveries_tried, a.recoveries_succeeded), (2, 1));
    let errors: Vec<_> = a.errors().collect();
    assert_eq!(errors, [(FaultKind::Unreachable, 20), (FaultKind::Disconnected, 2)]);
    assert_eq!((a.time_to_recover.count, a.time_to_recover.sum), (1, Duration::from_millis(30)));
    let within_50_ms = RECOVERY_BUCKETS_SECONDS.iter().position(|bound| *bound == 0.05);
    assert_eq!(a.time_to_recover.buckets.iter().position(|count| *count == 1), within_50_ms);
    assert_eq!(counters.upstreams["b"].recoveries_tried, 1);
}

#[test]
fn a_length_beyond_the_last_bound_is_counted_as_well() {
    let journal = Journal::new();
    for away in [Duration::from_secs(10_000), Duration::ZERO] {
        journal.record(&lost("a"));
        journal.record(&recovered(away));
    }
    // A session that an operator had replaced was not lost.
    journal.record(&recovered(Duration::ZERO));
    let counters = journal.counters();
    let buckets = counters.upstreams["a"].time_to_recover.buckets;
    assert_eq!((buckets[0], buckets[RECOVERY_BUCKETS_SECONDS.len()]), (1, 1));
}

#[test]
fn what_comes_in_floods_is_counted_and_not_kept() {
    let journal = Journal::new();
    for _ in 0..10_000 {
        journal.record(&call_failed(FaultKind::Overloaded, OutcomeKind::NotSent));
    }
    journal.record(&call_failed(FaultKind::Timeout, OutcomeKind::Unknown));
    assert_eq!(journal.entries(0, None, usize::MAX).len(), 1);
    let counters = journal.counters();
    let a = &counters.upstreams["a"];
    assert_eq!(a.told_unknown, 1);
    assert!(a.errors().any(|error| error == (FaultKind::Overloaded, 10_000)));
}

#[test]
fn entries_are_bounded_numbered_and_read_on_from_where_one_was() {
    let journal = Journal::new();
    let total = ENTRIES_MAX as u64 + 10;
    (0..total).for_each(|number| journal.record(&lost(if number % 2 == 0 { "a" } else { "b" })));
    let all = journal.entries(0, None, usize::MAX);
    assert_eq!((all.len(), journal.last_seq()), (ENTRIES_MAX, total));
    assert_eq!((all[0].seq, all[ENTRIES_MAX - 1].seq), (11, total));
    let of_b = journal.entries(total - 5, Some("b"), 2);
    assert_eq!(of_b.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [total - 4, total - 2]);
    assert!(journal.entries(total, None, 1).is_empty());
}

#[test]
fn an_upstream_that_stays_away_pushes_nothing_out() {
    let journal = Journal::new();
    journal.record(&lost("a"));
    (1..=10_000).for_each(|failures| journal.record(&failed(failures)));
    // The loss, and the failures that are told: the 1st, the 2nd, the 4th up to the 8192nd.
    assert_eq!(journal.entries(0, None, usize::MAX).len(), 1 + 14);
    let errors: Vec<_> = journal.counters().upstreams["a"].errors().collect();
    assert_eq!(errors[0], (FaultKind::Unreachable, 10_000));
}

#[test]
fn who_follows_hears_of_each_entry_that_is_kept_and_of_no_other() {
    let journal = Journal::new();
    let mut newest = journal.follow();
    assert_eq!((*newest.borrow(), newest.has_changed().unwrap()), (0, false));
    journal.record(&lost("a"));
    assert_eq!((newest.has_changed().unwrap(), *newest.borrow_and_update()), (true, 1));
    // One that is sent away untried is counted and not kept.
    journal.record(&call_failed(FaultKind::Overloaded, OutcomeKind::NotSent));
    assert!(!newest.has_changed().unwrap());
    journal.record(&lost("b"));
    assert_eq!(*newest.borrow_and_update(), journal.last_seq());
}

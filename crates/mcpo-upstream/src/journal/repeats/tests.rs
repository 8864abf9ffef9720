use mcpo_core::fault::Fault;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

fn failed_so(upstream: &str, outcome: OutcomeKind, kind: FaultKind) -> Event {
    let (upstream, tool) = (upstream.to_owned(), "t".to_owned());
    Event::CallFailed { upstream, tool, outcome, fault: Fault::new(kind, "detail"), attempts: 1 }
}

fn failed(upstream: &str, kind: FaultKind) -> Event {
    failed_so(upstream, OutcomeKind::Unknown, kind)
}

/// The sum of failures of `a` by timeouts.
fn timeouts(count: u64, over: Duration) -> Sum {
    let (outcome, fault) = (OutcomeKind::Unknown, FaultKind::Timeout);
    Sum { of: Likeness { upstream: "a".to_owned(), outcome, fault }, count, over }
}

/// Lines of so many failures, a millisecond apart.
fn lines(repeats: &mut Repeats, event: &Event, count: u32, from: Instant) -> usize {
    (0..count).filter(|index| repeats.has_line(event, from + MILLISECOND * *index)).count()
}

#[test]
fn a_flood_of_failures_is_the_first_lines_and_a_sum_and_none_is_lost() {
    let (mut repeats, began) = (Repeats::default(), Instant::now());
    let a = failed("a", FaultKind::Timeout);
    assert_eq!(lines(&mut repeats, &a, 5000, began), 10);
    // Another server, another fault, and whether it may have acted, have lines of their own.
    assert_eq!(lines(&mut repeats, &failed("b", FaultKind::Timeout), 3, began), 3);
    assert_eq!(lines(&mut repeats, &failed("a", FaultKind::Disconnected), 3, began), 3);
    let not_sent = failed_so("a", OutcomeKind::NotSent, FaultKind::Timeout);
    assert_eq!(lines(&mut repeats, &not_sent, 3, began), 3);
    assert!(repeats.over(began + TELL_EVERY - MILLISECOND).is_empty());
    assert_eq!(repeats.over(began + TELL_EVERY), [timeouts(4990, MILLISECOND * 4999)]);
    assert!(repeats.over(began + TELL_EVERY * 2).is_empty(), "once");
    assert_eq!(lines(&mut repeats, &a, 20, began + TELL_EVERY), 10, "the next flood begins anew");
}

#[test]
fn failures_now_and_then_have_a_line_each() {
    let (mut repeats, began) = (Repeats::default(), Instant::now());
    let event = failed("a", FaultKind::Timeout);
    for second in 0..100 {
        let now = began + Duration::from_secs(second);
        assert!(repeats.over(now).is_empty());
        assert!(repeats.has_line(&event, now), "{second}");
    }
}

#[test]
fn what_is_over_is_told_and_forgotten() {
    let (mut repeats, began) = (Repeats::default(), Instant::now());
    lines(&mut repeats, &failed("a", FaultKind::Timeout), 11, began);
    let mut sums = Vec::new();
    for server in 0..500 {
        let now = began + TELL_EVERY * server;
        sums.append(&mut repeats.over(now));
        assert!(repeats.has_line(&failed(&server.to_string(), FaultKind::Timeout), now));
        assert!(repeats.spells.len() <= 2);
    }
    assert_eq!(sums, [timeouts(1, MILLISECOND * 10)]);
}

#[test]
fn beyond_the_bound_each_failure_has_its_line_and_what_is_known_is_summed_up() {
    let (mut repeats, now) = (Repeats::default(), Instant::now());
    for server in 0..SPELLS_MAX {
        assert!(repeats.has_line(&failed(&server.to_string(), FaultKind::Timeout), now));
    }
    assert_eq!(lines(&mut repeats, &failed("a", FaultKind::Timeout), 20, now), 20);
    assert_eq!(lines(&mut repeats, &failed("7", FaultKind::Timeout), 20, now), 9);
    assert_eq!(repeats.spells.len(), SPELLS_MAX);
}

#[test]
fn in_the_end_all_is_told_that_was_not() {
    let (mut repeats, began) = (Repeats::default(), Instant::now());
    lines(&mut repeats, &failed("a", FaultKind::Timeout), 12, began);
    lines(&mut repeats, &failed("b", FaultKind::Timeout), 3, began);
    assert_eq!(repeats.rest(), [timeouts(2, MILLISECOND * 11)]);
    assert!(repeats.rest().is_empty());
}

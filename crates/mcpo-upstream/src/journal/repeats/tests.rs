use mcpo_core::fault::Fault;
use mcpo_core::outcome::OutcomeKind;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

fn failed(upstream: &str, kind: FaultKind) -> Event {
    let (upstream, tool) = (upstream.to_owned(), "t".to_owned());
    let (outcome, fault) = (OutcomeKind::Unknown, Fault::new(kind, "detail"));
    Event::CallFailed { upstream, tool, outcome, fault, attempts: 1 }
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
    // Another server, and another fault, have lines of their own.
    assert_eq!(lines(&mut repeats, &failed("b", FaultKind::Timeout), 3, began), 3);
    assert_eq!(lines(&mut repeats, &failed("a", FaultKind::Disconnected), 3, began), 3);
    assert!(repeats.due(began + TELL_EVERY - MILLISECOND).is_empty());
    let sum =
        Sum { upstream: "a".to_owned(), fault: FaultKind::Timeout, count: 4990, over: TELL_EVERY };
    assert_eq!(repeats.due(began + TELL_EVERY), [sum]);
    assert!(repeats.due(began + TELL_EVERY * 2).is_empty(), "once");
    assert_eq!(lines(&mut repeats, &a, 20, began + TELL_EVERY), 10, "the next flood begins anew");
}

#[test]
fn failures_now_and_then_have_a_line_each() {
    let (mut repeats, began) = (Repeats::default(), Instant::now());
    let event = failed("a", FaultKind::Timeout);
    for second in 0..100 {
        let now = began + Duration::from_secs(second);
        assert!(repeats.due(now).is_empty());
        assert!(repeats.has_line(&event, now), "{second}");
    }
}

#[test]
fn what_is_to_be_told_outlives_a_sweep_and_all_else_does_not() {
    let (mut repeats, began) = (Repeats::default(), Instant::now());
    lines(&mut repeats, &failed("a", FaultKind::Timeout), 11, began);
    for server in 0..2 * SPELLS_UNSWEPT_MAX {
        let now = began + TELL_EVERY * u32::try_from(server).unwrap();
        assert!(repeats.has_line(&failed(&server.to_string(), FaultKind::Timeout), now));
    }
    assert!(repeats.spells.len() <= SPELLS_UNSWEPT_MAX + 1);
    assert_eq!(repeats.due(began + TELL_EVERY)[0].count, 1);
}

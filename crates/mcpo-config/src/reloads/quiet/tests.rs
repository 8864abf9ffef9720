//! A burst is over when it is quiet, or late.

use super::*;

const QUIET: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_secs(1);

#[test]
fn without_a_change_nothing_is_due() {
    assert_eq!(Quiet::default().due(QUIET, LATE), None);
}

#[test]
fn a_change_is_due_once_it_is_quiet_and_a_burst_at_its_end() {
    let start = Instant::now();
    let mut quiet = Quiet::default();
    quiet.moved(start);
    assert_eq!(quiet.due(QUIET, LATE), Some(start + QUIET));
    quiet.moved(start + Duration::from_millis(80));
    assert_eq!(quiet.due(QUIET, LATE), Some(start + Duration::from_millis(180)));
}

#[test]
fn changes_without_end_are_looked_at_when_it_is_late() {
    let start = Instant::now();
    let mut quiet = Quiet::default();
    for step in 0..1000 {
        quiet.moved(start + Duration::from_millis(step * 10));
    }
    assert_eq!(quiet.due(QUIET, LATE), Some(start + LATE));
}

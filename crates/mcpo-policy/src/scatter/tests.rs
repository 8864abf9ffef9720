use std::collections::BTreeSet;

use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::Outcome;
use tokio::task::JoinSet;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn refused(attempts: u32) -> Report {
    let fault = Fault::new(FaultKind::BreakerOpen, "its calls failed too often of late");
    Report::new(Outcome::NotSent(fault), attempts, Duration::ZERO)
}

#[test]
fn a_call_stays_for_a_part_of_the_time_that_it_stood_and_never_past_its_deadline() {
    let most = 0.999_999;
    assert_eq!(stays(4 * SECOND, SECOND, 0.0), Duration::ZERO);
    assert!(stays(SECOND, SECOND, most) <= SECOND / 4);
    assert!(stays(60 * SECOND, 60 * SECOND, most) <= STAYS_MAX);
    assert_eq!(stays(SECOND, Duration::ZERO, most), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn calls_that_stood_in_one_line_and_are_refused_at_once_go_at_many_moments() {
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..600 {
        calls.spawn(async move {
            scatter(&refused(0), 2 * SECOND, began + SECOND).await;
            began.elapsed()
        });
    }
    let went: BTreeSet<_> = calls.join_all().await.iter().map(Duration::as_millis).collect();
    assert!(went.len() > 200, "{went:?}");
    assert!(went.last().is_some_and(|last| *last <= STAYS_MAX.as_millis()), "{went:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_stood_in_no_line_or_was_sent_is_told_at_once() {
    let began = Instant::now();
    scatter(&refused(0), STOOD_MIN / 2, began + SECOND).await;
    scatter(&refused(1), SECOND, began + SECOND).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

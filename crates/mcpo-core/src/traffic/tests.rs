use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn origin() -> Instant {
    Instant::now()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_count_lasts_for_the_window_and_not_longer() {
    let start = origin();
    let traffic = Traffic::new(start);
    traffic.call(start);
    traffic.success(start + seconds(9));
    let counts = |at| (traffic.calls(start + seconds(at)), traffic.successes(start + seconds(at)));
    assert_eq!(counts(9), (1, 1));
    assert_eq!(counts(10), (0, 1));
    assert_eq!(counts(18), (0, 1));
    assert_eq!(counts(19), (0, 0));
    assert_eq!(traffic.retries(start), 0);
}

#[test]
fn after_a_long_idle_time_the_ring_begins_anew() {
    let start = origin();
    let traffic = Traffic::new(start);
    for _ in 0..5 {
        traffic.call(start + seconds(3));
    }
    // A whole number of rounds later the same slot is in turn again.
    let later = start + seconds(3 + 16 * 100_000);
    assert_eq!(traffic.calls(later), 0);
    traffic.call(later);
    assert_eq!(traffic.calls(later), 1);
}

#[test]
fn a_clock_that_stands_still_or_goes_back_loses_no_count() {
    let start = origin() + seconds(1000);
    let traffic = Traffic::new(start);
    traffic.call(start);
    traffic.call(start - seconds(500));
    assert_eq!(traffic.calls(start), 2);
    assert_eq!(traffic.calls(start - seconds(500)), 2);
    traffic.call(start + seconds(20));
    // Sixteen seconds late, the slot has gone on: the count is too young, and not lost.
    traffic.call(start + seconds(4));
    assert_eq!(traffic.calls(start + seconds(20)), 2);
}

#[test]
fn a_count_at_its_end_does_not_reach_into_the_second() {
    let ring = Ring::new();
    ring.slots[7].store((7 << COUNT_BITS) + COUNT_MAX, Ordering::Relaxed);
    ring.add(7);
    assert_eq!(ring.sum(7), COUNT_MAX);
    assert_eq!(second(origin(), origin()), 0);
}

#[test]
fn counting_from_many_threads_loses_nothing() {
    let start = origin();
    let traffic = Traffic::new(start);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for step in 0..8000 {
                    traffic.call(start + Duration::from_millis(step));
                }
            });
        }
    });
    assert_eq!(traffic.calls(start + seconds(8)), 4 * 8000);
}

proptest! {
    #[test]
    fn the_counts_are_those_of_a_list_of_all_that_came(
        moves in prop::collection::vec((0u64..40_000, 1usize..4), 0..100),
    ) {
        let start = origin();
        let traffic = Traffic::new(start);
        let mut now = start;
        let mut all = Vec::new();
        for (pause_ms, count) in moves {
            // Mostly short steps, now and then a long one.
            now += Duration::from_millis(if pause_ms > 30_000 { pause_ms } else { pause_ms / 30 });
            for _ in 0..count {
                traffic.retry(now);
                all.push((now - start).as_secs());
            }
            let second = (now - start).as_secs();
            let recent = all.iter().filter(|&&at| at + WINDOW_SECONDS > second).count();
            prop_assert_eq!(traffic.retries(now), recent as u64);
        }
    }
}

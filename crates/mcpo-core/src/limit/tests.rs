use proptest::prelude::*;

use super::*;

fn calls(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("it is not zero")
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[expect(clippy::disallowed_methods, reason = "any moment will do; all others are counted from it")]
fn origin() -> Instant {
    Instant::now()
}

/// An upstream that takes so many at once and refuses the rest, sent as many as the limit lets
/// through of those who want, once in 100 ms.
struct Upstream {
    limit: AdaptiveLimit,
    now: Instant,
}

impl Upstream {
    fn new(ceiling: usize) -> Self {
        let now = origin();
        Self { limit: AdaptiveLimit::new(calls(ceiling), now), now }
    }

    /// How many of a round were lost.
    fn round(&mut self, want: usize, takes: usize) -> usize {
        let (began, sent) = (self.now, self.limit.get().min(want));
        self.now += millis(100);
        for _ in 0..sent.min(takes) {
            self.limit.answered(sent);
        }
        for _ in takes..sent {
            self.limit.lost(began, self.now);
        }
        self.now += millis(1);
        sent.saturating_sub(takes)
    }

    fn rounds(&mut self, rounds: usize, want: usize, takes: usize) -> usize {
        (0..rounds).map(|_| self.round(want, takes)).sum()
    }
}

#[test]
fn a_limit_settles_at_what_its_upstream_takes() {
    for takes in [1, 2, 10, 100, 700] {
        let mut upstream = Upstream::new(1024);
        upstream.rounds(200, 2000, takes);
        let (mut most, mut least, mut lost) = (0, usize::MAX, 0);
        for _ in 0..200 {
            most = most.max(upstream.limit.get());
            least = least.min(upstream.limit.get());
            lost += upstream.round(2000, takes);
        }
        assert!(most <= takes + takes / 10 + 2, "{takes}: at most {most}");
        assert!(least >= takes * 8 / 10, "{takes}: at least {least}");
        // Where one more is a large part of them, it costs more to ask.
        assert!(lost * 10 <= 200 * takes || takes < 10, "{takes}: {lost} lost");
    }
}

#[test]
fn an_upstream_that_takes_all_is_sent_all() {
    let mut upstream = Upstream::new(64);
    assert_eq!(upstream.rounds(100, 1000, 64), 0);
    assert_eq!(upstream.limit.get(), 64);
}

#[test]
fn one_that_was_away_for_long_is_sent_one_call_and_is_back_in_a_few_rounds() {
    let mut upstream = Upstream::new(1024);
    upstream.rounds(200, 2000, 0);
    assert_eq!(upstream.limit.get(), 1, "the floor");
    upstream.rounds(10, 2000, 2000);
    assert!(upstream.limit.get() >= 900, "{}", upstream.limit.get());
    upstream.rounds(200, 2000, 2000);
    assert_eq!(upstream.limit.get(), 1024);
}

#[test]
fn one_that_came_back_with_less_is_not_buried() {
    let mut upstream = Upstream::new(1024);
    upstream.rounds(200, 2000, 0);
    upstream.rounds(40, 2000, 50);
    let limit = upstream.limit.get();
    assert!((40..=57).contains(&limit), "{limit}");
}

#[test]
fn calls_that_were_in_flight_together_lower_it_once() {
    let start = origin();
    let limit = AdaptiveLimit::new(calls(100), start);
    let began = start + millis(10);
    for _ in 0..50 {
        limit.lost(began, start + millis(20));
    }
    assert_eq!(limit.get(), 90);
    limit.lost(start + millis(20), start + millis(25));
    assert_eq!(limit.get(), 90, "it began in the moment of the decrease");
    limit.lost(start + millis(21), start + millis(30));
    assert_eq!(limit.get(), 81);
}

#[test]
fn a_limit_that_is_not_in_use_does_not_grow() {
    let start = origin();
    let limit = AdaptiveLimit::new(calls(100), start);
    limit.lost(start + millis(1), start + millis(2));
    for _ in 0..1000 {
        limit.answered(44);
    }
    assert_eq!(limit.get(), 90);
    for _ in 0..1000 {
        limit.answered(45);
    }
    assert_eq!(limit.get(), 91, "half of it was in use");
}

#[test]
fn another_ceiling_holds_at_once_and_keeps_what_was_learnt() {
    let start = origin();
    let limit = AdaptiveLimit::new(calls(100), start);
    limit.set_ceiling(calls(200));
    assert_eq!(limit.get(), 200, "nothing was learnt");
    limit.lost(start + millis(1), start + millis(2));
    limit.set_ceiling(calls(300));
    assert_eq!(limit.get(), 180);
    limit.set_ceiling(calls(20));
    assert_eq!(limit.get(), 20);
    limit.lost(start + millis(3), start + millis(4));
    limit.reset();
    assert_eq!(limit.get(), 20);
    limit.set_ceiling(NonZeroUsize::MAX);
    assert!(limit.get() >= u32::MAX as usize);
}

proptest! {
    #[test]
    fn whatever_happens_it_is_within_its_bounds_and_comes_back(
        moves in prop::collection::vec((0u8..4, 1usize..40, 0u64..50), 0..200),
    ) {
        let mut now = origin();
        let mut ceiling = 32;
        let limit = AdaptiveLimit::new(calls(ceiling), now);
        for (kind, count, step) in moves {
            let (began, before) = (now, limit.get());
            now += millis(step);
            match kind {
                0 => limit.answered(count),
                1 => limit.lost(began, now),
                2 => (0..count).for_each(|_| limit.lost(began, now)),
                _ => {
                    ceiling = count;
                    limit.set_ceiling(calls(count));
                }
            }
            let after = limit.get();
            prop_assert!((1..=ceiling).contains(&after));
            match kind {
                0 => prop_assert!((before..=before + 1).contains(&after)),
                // The floor of the one is a call less than nine tenths of the other.
                1 | 2 => prop_assert!(after <= before && after + 1 >= before * 9 / 10),
                _ => {}
            }
        }
        for _ in 0..2000 {
            limit.answered(limit.get());
        }
        prop_assert_eq!(limit.get(), ceiling);
    }
}

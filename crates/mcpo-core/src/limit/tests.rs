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

/// Sent then, and nothing was answered before.
fn sent(at: Instant) -> Sent {
    Sent { at, answers: 0 }
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
        let sent = self.limit.get().min(want);
        self.end(sent, sent.min(takes))
    }

    /// The same where none is answered in time once there are too many, as where all of them wait
    /// in the upstream.
    fn all_or_none(&mut self, want: usize, takes: usize) -> usize {
        let sent = self.limit.get().min(want);
        self.end(sent, if sent > takes { 0 } else { sent })
    }

    fn end(&mut self, sent: usize, answered: usize) -> usize {
        let call = Sent { at: self.now, answers: self.limit.answers() };
        self.now += millis(100);
        for _ in 0..answered {
            self.limit.answered(sent);
        }
        for _ in answered..sent {
            self.limit.lost(call, sent, self.now);
        }
        self.now += millis(1);
        sent - answered
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

/// Each lost round is a timeout: a minute, mostly.
#[test]
fn a_collapse_is_over_after_three_rounds_however_high_the_limit_was() {
    for (want, takes) in [(64, 20), (64, 40), (200, 50), (1000, 150)] {
        let mut upstream = Upstream::new(1024);
        let rounds: Vec<usize> = (0..12).map(|_| upstream.all_or_none(want, takes)).collect();
        let lost = rounds.iter().filter(|lost| **lost > 0).count();
        assert!(lost <= 4, "{want} {takes}: {rounds:?}");
        assert!(rounds[4..].iter().filter(|lost| **lost > 0).count() <= 2, "{rounds:?}");
        let limit = upstream.limit.get();
        assert!((takes / 2..=takes + 1).contains(&limit), "{want} {takes}: {limit}");
    }
}

#[test]
fn one_that_was_only_away_has_all_its_calls_back_in_a_few_rounds() {
    let mut upstream = Upstream::new(1024);
    upstream.all_or_none(800, 0);
    assert_eq!(upstream.limit.get(), 400, "half of what was in flight");
    upstream.rounds(2, 800, 800);
    assert!(upstream.limit.get() >= 800, "{}", upstream.limit.get());
    upstream.rounds(4, 800, 0);
    upstream.rounds(6, 800, 800);
    assert!(upstream.limit.get() >= 800, "{}", upstream.limit.get());
}

#[test]
fn few_losses_are_no_collapse_nor_are_those_of_one_tool_among_others_that_are_well() {
    let start = origin();
    let cases = [
        (2, 2, 0, "they are two"),
        (20, 40, 0, "half of what was in flight"),
        (30, 40, 31, "as many were answered meanwhile, and one more"),
    ];
    for (lost, in_flight, answered, why) in cases {
        let limit = AdaptiveLimit::new(calls(1000), start);
        let call = Sent { at: start + millis(1), answers: limit.answers() };
        (0..answered).for_each(|_| limit.answered(in_flight));
        (0..lost).for_each(|_| limit.lost(call, in_flight, start + millis(100)));
        assert_eq!(limit.get(), 900, "{why}");
    }
}

#[test]
fn a_collapse_halves_what_was_in_flight_once_and_not_below_ten() {
    let start = origin();
    for (in_flight, left) in [(40, 20), (12, 10), (3, 10)] {
        let limit = AdaptiveLimit::new(calls(1000), start);
        let call = Sent { at: start + millis(1), answers: 0 };
        (0..in_flight).for_each(|_| limit.lost(call, in_flight, start + millis(100)));
        assert_eq!(limit.get(), left, "{in_flight}");
    }
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
        limit.lost(sent(began), 110, start + millis(20));
    }
    assert_eq!(limit.get(), 90);
    limit.lost(sent(start + millis(20)), 110, start + millis(25));
    assert_eq!(limit.get(), 90, "it began in the moment of the decrease");
    limit.lost(sent(start + millis(21)), 1, start + millis(30));
    assert_eq!(limit.get(), 81);
}

#[test]
fn a_limit_that_is_not_in_use_does_not_grow() {
    let start = origin();
    let limit = AdaptiveLimit::new(calls(100), start);
    limit.lost(sent(start + millis(1)), 1, start + millis(2));
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
    limit.lost(sent(start + millis(1)), 1, start + millis(2));
    limit.set_ceiling(calls(300));
    assert_eq!(limit.get(), 180);
    limit.set_ceiling(calls(20));
    assert_eq!(limit.get(), 20);
    limit.lost(sent(start + millis(3)), 1, start + millis(4));
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
            let call = Sent { at: now, answers: limit.answers() };
            let before = limit.get();
            now += millis(step);
            match kind {
                0 => limit.answered(count),
                1 => limit.lost(call, count, now),
                2 => (0..count).for_each(|_| limit.lost(call, count, now)),
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
                1 | 2 => prop_assert!(after <= before && after + 1 >= (before * 9 / 10).min(10)),
                _ => {}
            }
        }
        for _ in 0..2000 {
            limit.answered(limit.get());
        }
        prop_assert_eq!(limit.get(), ceiling);
    }
}

/// A trial is over when almost all of its calls have ended: it must hear of them.
#[test]
fn whoever_ends_while_another_one_tells_waits_only_while_there_is_a_trial() {
    let limit = AdaptiveLimit::new(calls(64), origin());
    let telling = limit.knee().expect("nobody else tells");
    assert!(limit.knee().is_none());
    limit.is_on_trial.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let another = scope.spawn(|| limit.knee().is_some());
        drop(telling);
        assert!(another.join().expect("it does not panic"));
    });
}

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn origin() -> Instant {
    Instant::now()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A breaker that opened at that time, the waits of which have no jitter.
fn opened(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(BreakerPolicy::default());
    let tripped = (0..7).map(|_| breaker.failed(now, 0.0, 1000, false)).collect::<Vec<_>>();
    assert_eq!(tripped, [false, false, false, false, false, false, true]);
    breaker
}

#[test]
fn seven_failures_in_a_row_open_it_whatever_went_well_before() {
    let start = origin();
    let breaker = opened(start);
    let until = start + millis(1000);
    assert_eq!(breaker.state(), BreakerState::Open { since: start, until });
}

#[test]
fn a_success_in_between_begins_the_row_anew() {
    let start = origin();
    let mut breaker = Breaker::new(BreakerPolicy::default());
    for _ in 0..20 {
        for _ in 0..6 {
            assert!(!breaker.failed(start, 0.0, 1000, false));
        }
        assert!(!breaker.is_quiet());
        breaker.succeeded(start, false);
        assert!(breaker.is_quiet());
    }
}

#[test]
fn too_low_a_rate_opens_it_once_there_are_enough_samples() {
    let start = origin();
    let mut breaker = Breaker::new(BreakerPolicy::default());
    assert!(!breaker.failed(start, 0.0, 0, false), "one of one failed, but one says little");
    breaker.succeeded(start, false);
    assert!(!breaker.failed(start, 0.0, 2, false));
    assert!(breaker.failed(start, 0.0, 3, false), "three of six failed");
}

#[test]
fn four_of_five_is_good_enough() {
    let start = origin();
    let mut breaker = Breaker::new(BreakerPolicy::default());
    assert!(!breaker.failed(start, 0.0, 4, false));
    assert!(breaker.failed(start, 0.0, 4, false), "four of six is not");
}

#[test]
fn failures_of_another_time_do_not_count() {
    let start = origin();
    let mut breaker = Breaker::new(BreakerPolicy::default());
    for round in 0..20 {
        let now = start + millis(11_000 * round);
        assert!(!breaker.failed(now, 0.0, 5, false));
        breaker.succeeded(now, false);
    }
}

#[test]
fn one_call_is_the_probe_and_closes_it_for_all() {
    let start = origin();
    let mut breaker = opened(start);
    let until = start + millis(1000);
    let wait = Admission::Wait { since: start, until: Some(until) };
    assert_eq!(breaker.admit(start + millis(999)), wait);
    assert_eq!(breaker.admit(until), Admission::Probe);
    assert_eq!(breaker.admit(until), Admission::Wait { since: start, until: None });
    breaker.succeeded(until, false);
    assert!(breaker.state() != BreakerState::Closed, "a late answer closes nothing");
    breaker.succeeded(until, true);
    assert_eq!(breaker.admit(until), Admission::Pass);
    assert!(breaker.is_quiet());
}

#[test]
fn the_longer_the_trouble_lasts_the_longer_it_stays_open() {
    let start = origin();
    for (age_s, least_ms, most_ms) in [
        (1, 1000, 1500),
        (29, 1000, 1500),
        (60, 2000, 3000),
        (600, 20_000, 30_000),
        (86_400, 40_000, 60_000),
    ] {
        let mut breaker = opened(start);
        let now = start + millis(age_s * 1000);
        for (dice, expected) in [(0.0, least_ms), (1.0, most_ms)] {
            assert_eq!(breaker.admit(now + millis(expected)), Admission::Probe);
            assert!(!breaker.failed(now, dice, 0, true), "it is the same trouble");
            let until = now + millis(expected);
            assert_eq!(breaker.state(), BreakerState::Open { since: start, until });
        }
    }
}

#[test]
fn one_that_trips_again_soon_is_in_the_same_trouble_and_after_a_good_while_in_another() {
    let start = origin();
    for (closed_for, expected) in [(9_999, 9_999 / 30 + 2000), (10_000, 1000)] {
        let mut breaker = opened(start);
        let closed = start + millis(60_000);
        breaker.admit(closed);
        breaker.succeeded(closed, true);
        let now = closed + millis(closed_for);
        while !breaker.failed(now, 0.0, 0, false) {}
        let BreakerState::Open { since, until } = breaker.state() else { panic!("not open") };
        assert_eq!((since, (until - now).as_millis()), (now, expected));
    }
}

#[test]
fn a_probe_that_is_given_up_leaves_its_turn_to_the_next_call() {
    let start = origin();
    let mut breaker = opened(start);
    let now = start + millis(1000);
    assert_eq!(breaker.admit(now), Admission::Probe);
    breaker.probe_abandoned(now);
    assert_eq!(breaker.state(), BreakerState::HalfOpen { since: start, probing: false });
    assert_eq!(breaker.admit(now), Admission::Probe);
}

#[test]
fn a_probe_that_never_comes_back_is_forgotten() {
    let start = origin();
    let mut breaker = opened(start);
    let sent = start + millis(1000);
    assert_eq!(breaker.admit(sent), Admission::Probe);
    let waits = Admission::Wait { since: start, until: None };
    assert_eq!(breaker.admit(sent + millis(59_999)), waits);
    assert_eq!(breaker.admit(sent + millis(60_000)), Admission::Probe);
    assert_eq!(breaker.admit(sent + millis(60_001)), waits);
}

#[test]
fn a_new_session_lets_the_next_call_find_out_at_once() {
    let start = origin();
    let mut breaker = opened(start);
    let now = start + millis(10);
    breaker.begin_anew(now);
    assert_eq!(breaker.admit(now), Admission::Probe);
    breaker.begin_anew(now);
    assert_eq!(breaker.admit(now), Admission::Wait { since: start, until: None });
}

#[test]
fn a_session_that_lives_is_tried_at_once_but_only_once() {
    let start = origin();
    let mut breaker = opened(start);
    let now = start + millis(10);
    breaker.vouched_for(now);
    assert_eq!(breaker.admit(now), Admission::Probe);
    breaker.failed(now, 0.0, 0, true);
    breaker.vouched_for(now);
    let waits = Admission::Wait { since: start, until: Some(now + millis(1000)) };
    assert_eq!(breaker.admit(now), waits);
}

#[test]
fn a_reset_forgets_all() {
    let start = origin();
    let mut breaker = opened(start);
    breaker.reset(start);
    assert_eq!(breaker.admit(start), Admission::Pass);
    assert!(!breaker.failed(start, 0.0, 4, false), "nothing of before counts");
}

#[test]
fn a_clock_that_goes_back_keeps_nobody_out_for_longer_than_the_wait() {
    let start = origin() + millis(100_000);
    let mut breaker = opened(start);
    let early = start - millis(50_000);
    assert!(matches!(breaker.admit(early), Admission::Wait { until: Some(_), .. }));
    assert_eq!(breaker.admit(start + millis(1000)), Admission::Probe);
    assert!(matches!(breaker.admit(early), Admission::Wait { until: None, .. }));
    breaker.failed(early, 1.0, u64::MAX, true);
    assert!(matches!(breaker.state(), BreakerState::Open { until, .. } if until <= start));
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Admit,
    Success,
    Failure,
    ProbeSucceeds,
    ProbeFails,
    ProbeAbandoned,
    Reset,
}

fn moves() -> impl Strategy<Value = Vec<(Move, u64)>> {
    let one = prop_oneof![
        6 => Just(Move::Admit),
        3 => Just(Move::Success),
        9 => Just(Move::Failure),
        2 => Just(Move::ProbeSucceeds),
        3 => Just(Move::ProbeFails),
        1 => Just(Move::ProbeAbandoned),
        1 => Just(Move::Reset),
    ];
    let step = prop_oneof![3 => Just(0u64), 3 => 0u64..3000, 1 => 0u64..100_000];
    prop::collection::vec((one, step), 0..120)
}

proptest! {
    #[test]
    fn whatever_happens_at_most_one_probes_and_nobody_waits_for_ever(
        moves in moves(),
        dice in prop_oneof![0.0f64..1.0, Just(1.0), Just(f64::NAN)],
    ) {
        let policy = BreakerPolicy::default();
        let mut breaker = Breaker::new(policy);
        let mut now = origin();
        let mut probe_sent: Option<Instant> = None;
        let mut trouble: Option<Instant> = None;
        for (one, step_ms) in moves {
            now += millis(step_ms);
            match one {
                Move::Admit => match breaker.admit(now) {
                    Admission::Pass => prop_assert!(trouble.is_none()),
                    Admission::Probe => {
                        prop_assert!(trouble.is_some());
                        let forgotten = probe_sent.is_none_or(|sent| now - sent >= policy.open.most);
                        prop_assert!(forgotten, "two probes at a time");
                        probe_sent = Some(now);
                    }
                    Admission::Wait { since, until } => {
                        prop_assert_eq!(Some(since), trouble);
                        prop_assert_eq!(until.is_none(), probe_sent.is_some());
                        prop_assert!(until.is_none_or(|until| until > now && until - now <= policy.open.most));
                    }
                },
                Move::Success => breaker.succeeded(now, false),
                Move::Failure => {
                    let successes = 20;
                    if breaker.failed(now, dice, successes, false) {
                        prop_assert!(trouble.is_none(), "told twice");
                        trouble = Some(now);
                    }
                }
                Move::ProbeSucceeds if probe_sent.is_some() => {
                    breaker.succeeded(now, true);
                    prop_assert!(breaker.is_quiet());
                    (probe_sent, trouble) = (None, None);
                }
                Move::ProbeFails if probe_sent.is_some() => {
                    prop_assert!(!breaker.failed(now, dice, 0, true));
                    probe_sent = None;
                }
                Move::ProbeAbandoned if probe_sent.is_some() => {
                    breaker.probe_abandoned(now);
                    probe_sent = None;
                }
                Move::ProbeSucceeds | Move::ProbeFails | Move::ProbeAbandoned => {}
                Move::Reset => {
                    breaker.reset(now);
                    prop_assert!(breaker.is_quiet());
                    (probe_sent, trouble) = (None, None);
                }
            }
            prop_assert_eq!(trouble.is_none(), breaker.state() == BreakerState::Closed);
            if breaker.is_quiet() {
                prop_assert_eq!(breaker.admit(now), Admission::Pass);
            }
        }
    }
}

mod world;

use proptest::prelude::*;

use super::*;
use world::{Call, Dice, MILLI, Tally, World};

#[expect(clippy::disallowed_methods, reason = "any moment will do; all others are counted from it")]
fn origin() -> Instant {
    Instant::now()
}

/// About 5 ms.
fn short(dice: &mut Dice) -> Call {
    Call { tool: 0, work: 4500 + dice.below(1000) }
}

/// How many the upstream works on at once, and how many a second that makes.
const WORKERS: usize = 16;
const CAPACITY: f64 = 3200.0;

/// An upstream that is known with few calls in flight.
fn known(workers: usize, per_second: f64, dice: &mut Dice) -> (World, Tally) {
    let mut world = World::new(workers);
    let tally = world.load(2.0, per_second, dice, short);
    assert_eq!((tally.waited, tally.late), (0, 0));
    (world, tally)
}

#[test]
fn an_upstream_that_queues_without_end_is_sent_what_keeps_it_busy() {
    for seed in 0..6 {
        for load in [1.5, 2.0, 3.0] {
            let mut dice = Dice(seed);
            let (mut world, mut usual) = known(WORKERS, CAPACITY * 0.8, &mut dice);
            let onset = world.load(0.5, CAPACITY * load, &mut dice, short);
            let what = format!("{seed}, {load} x: {} late of {}", onset.late, onset.good);
            assert!(onset.late == 0 && onset.good as f64 >= 0.45 * CAPACITY, "{what}");
            assert!((17..=32).contains(&world.limit), "{what}: {}", world.limit);
            let mut much = world.load(25.0, CAPACITY * load, &mut dice, short);
            let p99 = (much.quantile(0.99), usual.quantile(0.99));
            let what =
                format!("{seed}, {load} x: p99 {p99:?}, {} late of {}", much.late, much.good);
            assert!(much.good as f64 >= 0.98 * CAPACITY * 25.0, "{what}");
            assert!(p99.0 <= 15 * MILLI && much.late == 0, "{what}");
        }
    }
}

/// A load at which it is just busy raises suspicions that come to naught. What comes after that is
/// seen before anybody gives up, also where the one who looks has not enough of a processor.
#[test]
fn a_sudden_load_finds_nobody_resting() {
    for pauses in [(0, 0.0), (10 * MILLI, 10.0)] {
        for (seed, load) in (0..30).flat_map(|seed| [(seed, 2.0), (seed, 3.0)]) {
            let mut dice = Dice(seed);
            let (mut world, _) = known(WORKERS, CAPACITY * 0.8, &mut dice);
            (world.pauses, world.is_impatient) = (pauses, true);
            world.load(2.0, CAPACITY, &mut dice, short);
            let tally = world.load(3.0, CAPACITY * load, &mut dice, short);
            assert_eq!(tally.late, 0, "{pauses:?}, {seed}, {load} x");
        }
    }
}

/// What it says of too many comes before they wait for long.
#[test]
fn one_that_refuses_what_is_too_much_is_sent_no_less_than_it_takes() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let (mut world, _) = known(WORKERS, CAPACITY * 0.8, &mut dice);
        world.waiting_max = WORKERS;
        world.load(2.0, CAPACITY * 2.0, &mut dice, short);
        let mut much = world.load(20.0, CAPACITY * 2.0, &mut dice, short);
        let p99 = much.quantile(0.99);
        let what = format!("{seed}: {} good, p99 {p99}", much.good);
        assert!(much.good as f64 >= 0.98 * CAPACITY * 20.0, "{what}");
        assert!(p99 <= 20 * MILLI, "{what}");
    }
}

#[test]
fn one_that_works_on_one_call_at_a_time_is_sent_a_few() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let (mut world, _) = known(1, 120.0, &mut dice);
        world.load(4.0, 400.0, &mut dice, short);
        let tally = world.load(20.0, 400.0, &mut dice, short);
        assert!((1..=3).contains(&world.limit), "{seed}: {}", world.limit);
        assert!(tally.good >= 3900 && tally.late == 0, "{seed}: {}", tally.good);
    }
}

#[test]
fn one_that_takes_more_or_less_by_now_is_found_again() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let (mut world, _) = known(WORKERS, CAPACITY * 0.8, &mut dice);
        world.load(5.0, CAPACITY * 2.0, &mut dice, short);
        for (workers, per_second) in [(64, 12_800.0), (4, 800.0), (16, 3200.0)] {
            world.workers = workers;
            world.load(25.0, per_second * 1.5, &mut dice, short);
            let tally = world.load(10.0, per_second * 1.5, &mut dice, short);
            let what = format!("{seed}, {workers}: {} of {}", tally.good, per_second * 10.0);
            assert!((workers..=workers * 2).contains(&world.limit), "{what}: {}", world.limit);
            assert!(tally.good as f64 >= 0.95 * per_second * 10.0 && tally.late == 0, "{what}");
        }
    }
}

#[test]
fn one_that_is_slow_for_a_while_is_sent_all_again() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let mut world = World::new(usize::MAX);
        (world.is_short, world.in_time) = (false, u64::MAX);
        let (mut waited, mut calls) = (0, 0);
        for turn in 0..20 {
            world.slowness = if turn % 2 == 0 { 1 } else { 20 };
            let seconds = 1.0 + dice.share() * 10.0;
            let tally = world.load(seconds, 1000.0, &mut dice, short);
            waited += tally.waited;
            calls += tally.good;
        }
        assert!(waited * 50 <= calls, "{seed}: {waited} of {calls}");
        world.slowness = 1;
        world.load(25.0, 1000.0, &mut dice, short);
        let tally = world.load(5.0, 1000.0, &mut dice, short);
        assert_eq!((tally.waited, tally.late), (0, 0), "{seed}");
    }
}

/// Minutes of an upstream that works on all that comes, under another load each moment, from a
/// few calls in flight to a thousand; the calls are as the dice and the moment say. The share of
/// those that were kept waiting.
fn kept_waiting(seed: u64, call: impl Fn(&mut Dice, u64) -> Call) -> f64 {
    let mut dice = Dice(seed);
    let mut world = World::new(usize::MAX);
    (world.is_short, world.in_time) = (false, u64::MAX);
    let (mut waited, mut calls) = (0, 0);
    for _ in 0..150 {
        let rate = (dice.share() * 9.0 + 5.0).exp2().min(5000.0);
        let seconds = (dice.share() * 6.0 - 4.0).exp2();
        let moment = dice.below(4);
        let tally = world.load(seconds, rate, &mut dice, |dice| call(dice, moment));
        waited += tally.waited;
        calls += tally.good;
    }
    waited as f64 / f64::from(u32::try_from(calls).expect("they are not so many"))
}

/// Hardly anybody waits for an upstream that works on all that comes; see [`kept_waiting`].
fn check_parallel(call: impl Fn(&mut Dice, u64) -> Call) {
    for seed in 0..6 {
        let share = kept_waiting(seed, &call);
        assert!(share <= 0.005, "{seed}: {share}");
    }
}

#[test]
fn one_that_works_on_all_at_once_is_sent_all_however_long_the_tail() {
    for octaves in [0.0, 0.5, 1.0, 2.0] {
        check_parallel(|dice, _| Call { tool: 0, work: dice.heavy(50_000.0, octaves) as u64 });
    }
}

#[test]
fn one_in_a_hundred_that_takes_seconds_limits_nothing() {
    for tool in [0, 1] {
        check_parallel(|dice, _| {
            if dice.below(100) == 0 {
                Call { tool, work: 5_000_000 }
            } else {
                Call { tool: 0, work: 5000 }
            }
        });
    }
}

#[test]
fn bursts_of_a_slow_tool_limit_nothing() {
    check_parallel(|_, moment| {
        let is_slow = moment == 0;
        Call { tool: usize::from(is_slow), work: if is_slow { 150_000 } else { 5000 } }
    });
}

/// Nothing tells them from others, and there are more in flight while they come: each of them may
/// look like a queue, but not for long.
#[test]
fn bursts_of_slow_arguments_limit_for_moments_only() {
    for seed in 0..6 {
        let share = kept_waiting(seed, |dice, moment| {
            let usual = if moment == 0 { 120_000.0 } else { 5000.0 };
            Call { tool: 0, work: dice.heavy(usual, 0.5) as u64 }
        });
        assert!(share <= 0.1, "{seed}: {share}");
    }
}

proptest! {
    /// Whatever it is told, also what cannot be, one call may be sent, and in the end all are.
    #[test]
    fn one_call_may_always_be_sent(
        answers in prop::collection::vec((0usize..20, 0u64..8, 0usize..3000, 0u32..40, 0u64..20_000), 0..2000),
    ) {
        let mut now = origin();
        let mut knee = Knee::new(now);
        let mut sent = 0;
        for (tool, out, in_flight, octaves, step) in answers {
            (sent, now) = (sent + 1, now + Duration::from_micros(step));
            let took = Duration::from_micros(1 << octaves);
            let answer = Answer { tool, number: sent - out.min(sent), in_flight, took };
            let limit = knee.answered(answer, Load { sent, in_flight, max: 1024 }, now);
            prop_assert!(limit >= 1);
        }
        for _ in 0..3 {
            now += Duration::from_secs(20_000_000);
            let took = Duration::from_millis(1);
            let answer = Answer { tool: 0, number: sent, in_flight: 1, took };
            knee.answered(answer, Load { sent, in_flight: 1, max: 1024 }, now);
        }
        prop_assert_eq!(knee.limit, usize::MAX);
    }
}

use proptest::prelude::*;

use super::*;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn the_steps_double_up_to_the_cap() {
    let policy = RetryPolicy::default();
    let longest = |pace, attempt| policy.wait(pace, attempt, None, 1.0).as_millis();
    let waits = |pace| [1, 2, 3, 9, 10, u32::MAX].map(|attempt| longest(pace, attempt));
    assert_eq!(waits(Pace::Transient), [50, 100, 200, 12_800, 20_000, 20_000]);
    assert_eq!(waits(Pace::Throttled), [1000, 2000, 4000, 20_000, 20_000, 20_000]);
}

#[test]
fn the_jitter_reaches_down_to_nothing() {
    assert_eq!(RetryPolicy::default().wait(Pace::Throttled, 9, None, 0.0), Duration::ZERO);
}

#[test]
fn what_the_upstream_asks_for_is_heeded_and_spread() {
    let policy = RetryPolicy::default();
    let asked = Some(millis(3000));
    assert_eq!(policy.wait(Pace::Throttled, 1, asked, 0.0), millis(3000));
    assert_eq!(policy.wait(Pace::Throttled, 1, asked, 1.0), millis(4000));
    assert_eq!(policy.wait(Pace::Throttled, 9, asked, 1.0), millis(8000));
}

#[test]
fn a_longer_wait_than_the_cap_is_told_as_it_is() {
    let hour = Duration::from_hours(1);
    assert!(RetryPolicy::default().wait(Pace::Transient, 1, Some(hour), 0.5) >= hour);
}

proptest! {
    #[test]
    fn a_wait_is_never_sooner_than_asked_nor_much_later(
        throttled in any::<bool>(),
        attempt in any::<u32>(),
        asked_ms in prop::option::of(any::<u64>()),
        dice in prop_oneof![0.0f64..1.0, Just(1.0), Just(f64::NAN), Just(-1.0), Just(f64::INFINITY)],
    ) {
        let policy = RetryPolicy::default();
        let pace = if throttled { Pace::Throttled } else { Pace::Transient };
        let asked = asked_ms.map(millis);
        let wait = policy.wait(pace, attempt, asked, dice);
        match asked {
            None => prop_assert!(wait <= policy.throttled.most),
            Some(asked) if asked >= NEVER => prop_assert_eq!(wait, NEVER),
            Some(asked) => {
                prop_assert!(wait >= asked && wait <= asked + policy.retry_after_slack);
            }
        }
    }
}

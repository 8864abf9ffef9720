use super::*;

const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), most: Duration::from_secs(60) };

#[test]
fn waits_double_from_the_first_to_the_most() {
    let waits: Vec<u128> =
        (1..=9).map(|failures| BACKOFF.wait(failures, 0.0).as_millis()).collect();
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 40000, 40000]);
}

#[test]
fn full_jitter_reaches_from_nothing_to_the_step() {
    let at = |failures, dice| BACKOFF.full_jitter(failures, dice).as_millis();
    assert_eq!([at(1, 0.0), at(1, 0.5), at(1, 1.0)], [0, 250, 500]);
    assert_eq!([at(3, 1.0), at(30, 1.0), at(u32::MAX, 1.0)], [2000, 60_000, 60_000]);
}

#[test]
fn dice_out_of_bounds_and_absurd_policies_are_brought_back() {
    let absurd = Backoff { first: Duration::MAX, most: Duration::MAX };
    for dice in [-1.0, 0.0, 1.0, 2.0, f64::NAN, f64::INFINITY] {
        assert!(BACKOFF.wait(u32::MAX, dice) <= BACKOFF.most);
        assert!(BACKOFF.full_jitter(u32::MAX, dice) <= BACKOFF.most);
        assert!(absurd.wait(u32::MAX, dice) <= NEVER && absurd.full_jitter(1, dice) <= NEVER);
    }
    let none = Backoff { first: Duration::ZERO, most: Duration::ZERO };
    assert_eq!(none.wait(9, 1.0), Duration::ZERO);
}

proptest::proptest! {
    #[test]
    fn full_jitter_is_the_share_of_the_step(failures in 0u32.., dice in 0.0f64..1.0) {
        let step = BACKOFF.full_jitter(failures, 1.0);
        proptest::prop_assert_eq!(BACKOFF.full_jitter(failures, dice), step.mul_f64(dice));
    }

    #[test]
    fn a_wait_is_always_within_its_bounds(failures in 0u32.., dice in 0.0f64..1.0) {
        let wait = BACKOFF.wait(failures, dice);
        proptest::prop_assert!(wait >= BACKOFF.first && wait <= BACKOFF.most);
    }

    #[test]
    fn jitter_only_adds(failures in 1u32..40, dice in 0.0f64..1.0) {
        proptest::prop_assert!(BACKOFF.wait(failures, dice) >= BACKOFF.wait(failures, 0.0));
    }
}

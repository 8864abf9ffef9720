use super::*;

const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), most: Duration::from_secs(60) };

#[test]
fn waits_double_from_the_first_to_the_most() {
    let waits: Vec<u128> =
        (1..=9).map(|failures| BACKOFF.wait(failures, 0.0).as_millis()).collect();
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 40000, 40000]);
}

proptest::proptest! {
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

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn of(lengths: &[f64]) -> Sketch {
    let mut sketch = Sketch::default();
    lengths.iter().for_each(|&length| sketch.add(length));
    sketch
}

#[test]
fn what_is_no_length_or_out_of_bounds_is_counted_at_an_end() {
    assert_eq!(bucket(0.0), 0);
    assert_eq!(bucket(-1.0), 0);
    assert_eq!(bucket(f64::NAN), 0);
    assert_eq!(bucket(1e-9), 0);
    assert_eq!(usize::from(bucket(1e9)), BUCKETS - 1);
    assert_eq!(usize::from(bucket(f64::INFINITY)), BUCKETS - 1);
    assert_eq!(of(&[]).quantile(0.5), None);
}

proptest! {
    #[test]
    fn a_quantile_is_the_length_of_that_rank_but_for_the_error(
        mut lengths in prop::collection::vec(1e-6f64..4000.0, 1..200),
        q in 0.0f64..=1.0,
    ) {
        let told = of(&lengths).quantile(q).unwrap();
        lengths.sort_by(f64::total_cmp);
        let rank = ((q * lengths.len() as f64).ceil() as usize).max(1);
        let exact = lengths[rank - 1];
        prop_assert!((told - exact).abs() <= exact * RELATIVE_ERROR_MAX, "{told} for {exact}");
    }

    #[test]
    fn adding_up_and_taking_away_are_each_others_inverse(
        first in prop::collection::vec(1e-6f64..4000.0, 0..50),
        second in prop::collection::vec(1e-6f64..4000.0, 0..50),
    ) {
        let (first, second) = (of(&first), of(&second));
        let mut both = first.clone();
        both.merge(&second);
        prop_assert_eq!(both.count(), first.count() + second.count());
        prop_assert_eq!(both.since(&first), second);
    }

    #[test]
    fn a_length_lies_in_its_bucket(length in 1e-6f64..4000.0) {
        let bucket = bucket(length);
        // The logarithm may be off by its last digit.
        prop_assert!(lower_bound(bucket) <= length * (1.0 + 1e-12));
        prop_assert!(length <= lower_bound(bucket + 1) * (1.0 + 1e-12));
    }
}

proptest! {
    #[test]
    fn what_is_recorded_at_once_is_the_sketch_of_the_same_lengths(
        nanos in proptest::collection::vec(any::<u64>().prop_map(|bits| bits >> (bits % 64)), 0..200)
    ) {
        let recorder = Recorder::default();
        let (one, other) = nanos.split_at(nanos.len() / 2);
        std::thread::scope(|scope| {
            for part in [one, other] {
                let recorder = &recorder;
                scope.spawn(move || {
                    part.iter().for_each(|&nanos| recorder.record(Duration::from_nanos(nanos)));
                });
            }
        });
        let lengths: Vec<Duration> = nanos.iter().copied().map(Duration::from_nanos).collect();
        let mut expected = Sketch::default();
        lengths.iter().for_each(|length| expected.add(length.as_secs_f64()));
        prop_assert_eq!(recorder.sketch(), expected.clone());
        let mut both = Sum::default();
        (0..2).for_each(|_| both.add(&recorder));
        expected.merge(&expected.clone());
        prop_assert_eq!((both.take(), both.take()), (expected, Sketch::default()));
        let sum = nanos.iter().fold(0_u64, |sum, &nanos| sum.wrapping_add(nanos));
        prop_assert_eq!(recorder.sum(), Duration::from_nanos(sum));
        let bounds = lengths.iter().min().copied().zip(lengths.iter().max().copied());
        prop_assert_eq!(recorder.bounds(), bounds.filter(|(min, _)| min.as_nanos() != u64::MAX.into()));
    }
}

use std::thread;
use std::time::Duration;

use super::*;
use crate::sketch::middle;

/// Counts once in every third bucket.
fn fill(recorder: &Recorder) {
    let middles = (0..BUCKETS).step_by(3).map(|bucket| middle(bucket as u16));
    middles.for_each(|length| recorder.record(Duration::from_secs_f64(length)));
}

#[test]
fn nothing_is_left_behind_by_what_is_recorded_while_it_is_added_up() {
    let mut sum = Sum::default();
    for _ in 0..100 {
        // Its buckets are met for the first time while they are looked at.
        let recorder = Recorder::default();
        thread::scope(|scope| {
            let writer = scope.spawn(|| fill(&recorder));
            while !writer.is_finished() {
                sum.add(&recorder);
                sum.take();
                assert_eq!(*sum.counts, [0; BUCKETS]);
            }
        });
        sum.add(&recorder);
        assert_eq!(sum.take(), recorder.sketch());
    }
}

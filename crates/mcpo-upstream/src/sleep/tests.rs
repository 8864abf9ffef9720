use super::*;

/// Each row: what the machine had slept before and has now, how late the look is, and what is said.
#[test]
fn time_that_passed_uncounted_is_found_in_either_way() {
    let seconds = Duration::from_secs;
    for (before, after, late, by) in [
        (Some(seconds(5)), Some(seconds(5)), seconds(0), None),
        (Some(seconds(5)), Some(seconds(6)), seconds(1), None),
        (Some(seconds(5)), Some(seconds(3605)), seconds(0), Some(seconds(3600))),
        (Some(seconds(5)), Some(seconds(5)), seconds(60), Some(seconds(60))),
        (None, None, seconds(60), Some(seconds(60))),
        (Some(seconds(5)), None, seconds(0), None),
        (Some(seconds(5)), Some(seconds(4)), seconds(0), None),
    ] {
        assert_eq!(jump(before, after, late), by, "{before:?} {after:?} {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_is_noticed_and_one_that_goes_is_not() {
    let mut jumps = Jumps::new(Beat::new());
    let quiet = tokio::time::timeout(Duration::from_secs(100), jumps.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    tokio::time::advance(Duration::from_secs(50)).await;
    assert!(jumps.next().await >= Duration::from_secs(49));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_before_the_late_look_knows_that_it_is_late() {
    let beat = Beat::new();
    tokio::time::advance(Duration::from_secs(50)).await;
    assert!(!beat.is_late(Instant::now()), "nobody looks at all");
    let mut jumps = Jumps::new(Arc::clone(&beat));
    for _ in 0..20 {
        let _quiet = tokio::time::timeout(Duration::from_millis(700), jumps.next()).await;
        assert!(!beat.is_late(Instant::now()));
    }
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(beat.is_late(Instant::now()), "the look is still to come");
    jumps.next().await;
    assert!(!beat.is_late(Instant::now()));
}

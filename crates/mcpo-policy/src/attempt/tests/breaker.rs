//! Calls that meet an open breaker, or open one.

use super::*;

impl Bench {
    /// Its breaker opens, and nothing more is wrong.
    pub(super) async fn trip(&self) {
        self.up.always(Act::Fail(Maybe, status(500, None)));
        while self.upstream().gate().breaker_state() == BreakerState::Closed {
            assert_eq!(self.call("write", MINUTE).await.outcome.kind(), Unknown);
        }
        // Its session answers probes, for which one call more is sent at once.
        assert_eq!(self.call("write", MINUTE).await.outcome.kind(), Unknown);
        self.up.always(Act::Echo);
    }
}

/// A restart breaks many calls at once, and is over by the time that the session is asked.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_over_a_moment_lets_the_next_call_find_out_at_once() {
    let bench = Bench::ready(Make { connection_per_call: true, ..Make::default() }).await;
    bench.up.acts(vec![Act::Fail(Maybe, broken()); 5]);
    for _ in 0..5 {
        assert_eq!(bench.call("write", MINUTE).await.outcome.kind(), Unknown);
    }
    assert_ne!(bench.upstream().gate().breaker_state(), BreakerState::Closed);
    let began = Instant::now();
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
    assert!(began.elapsed() < SECOND / 2, "{:?}", began.elapsed());
    assert_eq!(bench.upstream().gate().breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_breaker_that_has_just_opened() {
    let bench = Bench::ready(Make::default()).await;
    bench.trip().await;
    let began = Instant::now();
    let reports = tokio::join!(bench.call("write", MINUTE), bench.call("write", MINUTE));
    assert_eq!((told(&reports.0), told(&reports.1)), ((Reply, 1, None), (Reply, 1, None)));
    let took = began.elapsed();
    assert!(SECOND <= took && took <= 2 * SECOND, "{took:?}");
    assert_eq!(bench.upstream().gate().breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_too_late_for_a_call_answers_it_at_once_and_sends_nothing() {
    let bench = Bench::ready(Make::default()).await;
    bench.trip().await;
    let (seen, began) = (bench.up.seen(), Instant::now());
    let report = bench.call("write", SECOND / 2).await;
    assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::BreakerOpen)));
    assert_eq!((bench.up.seen(), began.elapsed()), (seen, Duration::ZERO));
    let wait = report.outcome.fault().and_then(|fault| fault.retry_after);
    assert!(wait.is_some_and(|wait| SECOND <= wait && wait <= 2 * SECOND), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn trouble_that_lasts_is_not_waited_for() {
    let bench = Bench::ready(Make::default()).await;
    bench.trip().await;
    bench.up.always(Act::Fail(Maybe, status(500, None)));
    let tripped = Instant::now();
    while tripped.elapsed() < 10 * SECOND {
        let report = bench.call("write", MINUTE).await;
        assert!(tripped.elapsed() <= 10 * SECOND, "{report:?}");
        sleep_until(Instant::now() + SECOND).await;
    }
    // Only what becomes the probe is sent; whoever comes while the breaker is open is not.
    for _ in 0..100 {
        let (seen, began) = (bench.up.seen(), Instant::now());
        let report = bench.call("write", MINUTE).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "{report:?}");
        assert_eq!(bench.up.seen(), seen + report.attempts as usize);
        sleep_until(Instant::now() + SECOND).await;
    }
    assert!(bench.up.seen() <= 7 + 55, "{}", bench.up.seen());
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_goes_away_leaves_its_turn_to_the_next_call() {
    let bench = Bench::ready(Make::default()).await;
    bench.trip().await;
    bench.up.acts([Act::Hang]);
    let seen = bench.up.seen();
    {
        let probe = bench.call("write", MINUTE);
        tokio::pin!(probe);
        while bench.up.seen() == seen {
            let tick = sleep_until(Instant::now() + SECOND / 10);
            tokio::select! {
                report = &mut probe => panic!("it hangs: {report:?}"),
                () = tick => {}
            }
        }
    }
    assert_eq!(told(&bench.call("write", SECOND).await), (Reply, 1, None));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_left_too_little_time_does_not_keep_the_breaker_open() {
    let bench = Bench::ready(Make::default()).await;
    bench.trip().await;
    let BreakerState::Open { until, .. } = bench.upstream().gate().breaker_state() else {
        panic!("it has opened")
    };
    let wait = until.saturating_duration_since(Instant::now().into_std());
    bench.up.always(Act::Slow(SECOND / 4));
    let report = bench.call("write", wait + SECOND / 10).await;
    assert_eq!(told(&report), (Unknown, 1, Some(FaultKind::Timeout)));
    assert_eq!(told(&bench.call("write", SECOND).await), (Reply, 1, None));
    assert_eq!(bench.upstream().gate().breaker_state(), BreakerState::Closed);

    // One that had its time is a failure.
    bench.trip().await;
    advance(3 * SECOND).await;
    bench.up.always(Act::Hang);
    assert_eq!(bench.call("write", SECOND).await.attempts, 1);
    assert!(matches!(bench.upstream().gate().breaker_state(), BreakerState::Open { .. }));
}

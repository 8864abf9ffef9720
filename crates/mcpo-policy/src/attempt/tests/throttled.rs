//! Upstreams that name the time at which they want to be called again.

use super::*;

/// It takes no calls for three and a half seconds, and says each time to come back in one.
#[tokio::test(start_paused = true)]
async fn a_throttled_upstream_is_left_alone_until_the_time_that_it_named() {
    let bench = Arc::new(Bench::ready(Make::default()).await);
    bench.up.always(Act::Fail(Maybe, status(429, Some(SECOND))));
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for at in 0..600 {
        let bench = Arc::clone(&bench);
        calls.spawn(async move {
            sleep_until(began + SECOND * at / 150).await;
            told(&bench.call("write", 20 * SECOND).await)
        });
    }
    sleep_until(began + SECOND * 7 / 2).await;
    let refused = bench.up.seen();
    assert!((1..=20).contains(&refused), "{refused}");
    bench.up.always(Act::Echo);
    let came_to = calls.join_all().await;
    assert!(came_to.iter().all(|(kind, _, _)| *kind == Reply), "{came_to:?}");
    assert!(began.elapsed() <= 8 * SECOND, "{:?}", began.elapsed());
    assert_eq!(bench.up.seen(), 600 + refused);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_the_time_to_wait_for_a_throttled_upstream_is_told_when_to_come_back() {
    let bench = Bench::ready(Make::default()).await;
    for (asked, left) in [(3 * SECOND, 2 * SECOND), (3600 * SECOND, 9 * SECOND)] {
        bench.up.acts([Act::Fail(Maybe, status(429, Some(asked)))]);
        assert_eq!(bench.call("write", SECOND).await.outcome.kind(), Refused);
        advance(SECOND).await;
        let (seen, began) = (bench.up.seen(), Instant::now());
        let report = bench.call("write", SECOND).await;
        assert_eq!(told(&report), (NotSent, 0, Some(FaultKind::Throttled)));
        assert_eq!((bench.up.seen(), began.elapsed()), (seen, Duration::ZERO));
        assert_eq!(report.outcome.fault().and_then(|fault| fault.retry_after), Some(left));
        // One that has the time waits, and is not kept back for longer than ten seconds.
        assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
        let waited = began.elapsed();
        assert!(left <= waited && waited <= left + SECOND / 4, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_sends_what_a_throttled_upstream_keeps_back() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.acts([Act::Fail(Maybe, status(429, Some(MINUTE)))]);
    assert_eq!(bench.call("write", SECOND).await.outcome.kind(), Refused);
    let began = Instant::now();
    let (report, ()) = tokio::join!(bench.call("write", MINUTE), async {
        sleep_until(Instant::now() + SECOND).await;
        bench.upstream().gate().reset(Instant::now());
    });
    assert_eq!((told(&report), began.elapsed()), ((Reply, 1, None), SECOND));
}

/// Each row: what time the calls have, and how many milliseconds they come back apart at most.
#[tokio::test(start_paused = true)]
async fn calls_that_were_kept_back_do_not_come_back_together_and_none_too_late() {
    for (limit, spread) in [(MINUTE, 250), (SECOND + SECOND / 50, 10)] {
        let bench = Arc::new(Bench::ready(Make::default()).await);
        bench.up.acts([Act::Fail(Maybe, status(429, Some(SECOND)))]);
        assert_eq!(bench.call("write", SECOND).await.outcome.kind(), Refused);
        let (began, mut calls) = (Instant::now(), JoinSet::new());
        for _ in 0..200 {
            let bench = Arc::clone(&bench);
            calls.spawn(async move { (told(&bench.call("write", limit).await), began.elapsed()) });
        }
        let mut at = Vec::new();
        for (came_to, took) in calls.join_all().await {
            assert_eq!(came_to, (Reply, 1, None));
            at.push(took.as_millis());
        }
        at.sort_unstable();
        assert!(1_000 <= at[0] && at[199] <= 1_001 + spread, "{at:?}");
        at.dedup();
        assert!(at.len() > 5, "{at:?}");
    }
}

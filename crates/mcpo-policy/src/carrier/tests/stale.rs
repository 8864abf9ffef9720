//! What is given past its ttl, and what is fetched anew before.

use super::*;

const STALE: CacheTimes = CacheTimes {
    ttl: MINUTE,
    stale_while_revalidate: SECOND.saturating_mul(30),
    stale_if_error: Duration::from_mins(10),
    refresh: false,
};

async fn bench(times: CacheTimes) -> Arc<Bench> {
    let bench = Arc::new(Bench::ready(Make { times, ..Make::default() }).await);
    bench.up.always(Act::Count);
    bench
}

fn refreshing(bench: &Bench) -> JoinSet<()> {
    let mut refreshing = JoinSet::new();
    refreshing.spawn(bench.pipeline.refreshes());
    refreshing
}

fn came_to(report: &Report) -> (Option<u64>, Option<CacheWord>, Option<Duration>) {
    let status = report.cache;
    (number(report), status.map(|status| status.word), status.and_then(|status| status.age))
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_while_one_new_one_is_fetched() {
    for tool in ["kept", "alone"] {
        let bench = bench(STALE).await;
        let _refreshing = refreshing(&bench);
        let ask = || bench.ask(Ask { tool, ..Ask::default() });
        ask().await;
        sleep(70 * SECOND).await;
        bench.up.acts([Act::CountAfter(2 * SECOND)]);
        for _ in 0..5 {
            let given = came_to(&ask().await);
            assert_eq!(given, (Some(1), Some(CacheWord::Stale), Some(70 * SECOND)));
        }
        sleep(3 * SECOND).await;
        assert_eq!(came_to(&ask().await), (Some(2), Some(CacheWord::Hit), Some(SECOND)));
        assert_eq!((bench.up.seen(), figures(&bench).refreshes, figures(&bench).stale), (2, 1, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_fetched_anew_by_its_caller_where_nobody_else_does() {
    let bench = bench(STALE).await;
    bench.ask(Ask::default()).await;
    sleep(70 * SECOND).await;
    assert_eq!(came_to(&bench.ask(Ask::default()).await), (Some(2), Some(CacheWord::Miss), None));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_tried_again_after_a_pause_and_the_stale_answer_given_meanwhile() {
    let bench = bench(STALE).await;
    let _refreshing = refreshing(&bench);
    bench.ask(Ask::default()).await;
    sleep(65 * SECOND).await;
    bench.up.acts([Act::Refuse]);
    for _ in 0..3 {
        let given = bench.ask(Ask::default()).await;
        assert_eq!(number(&given), Some(1));
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(bench.up.seen(), 2, "an error is not kept, and not asked for again at once");
    sleep(SECOND).await;
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(1));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(3));
}

/// Each row: what keeps a new answer from being had.
#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_where_no_new_one_can_be_had() {
    for act in [Act::Fail(Sent::Maybe, status(401, None)), Act::Hang] {
        let bench = bench(STALE).await;
        bench.ask(Ask::default()).await;
        sleep(2 * MINUTE).await;
        bench.up.always(act.clone());
        let given = came_to(&bench.ask(Ask::default()).await);
        assert_eq!(given.0, Some(1), "{act:?}");
        assert_eq!(given.1, Some(CacheWord::Stale), "{act:?}");
        assert_eq!(bench.up.seen(), 2, "{act:?}: it was tried");
        // Not past its time.
        sleep(Duration::from_mins(9)).await;
        assert_eq!(number(&bench.ask(Ask { limit: SECOND, ..Ask::default() }).await), None);
    }
}

/// Each row: how many calls may wait for the one place, and how long it takes to be told that there
/// is none.
#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_to_who_would_be_turned_away() {
    for (max_waiting, wanted) in [(0, Duration::ZERO), (1, 5 * SECOND)] {
        let load =
            ServerLoad { max_concurrent: NonZeroUsize::MIN, max_waiting, ..ServerLoad::default() };
        let bench = Bench::ready(Make { times: STALE, load, ..Make::default() }).await;
        let bench = Arc::new(bench);
        bench.up.always(Act::Count);
        bench.ask(Ask::default()).await;
        sleep(2 * MINUTE).await;
        bench.up.always(Act::Hang);
        let _busy = crowd(&bench, [Ask { tool: "write", ..Ask::default() }]).await;
        let began = Instant::now();
        let short = || Ask { limit: 5 * SECOND, ..Ask::default() };
        let reports = crowd(&bench, [short(), short()]).await.join_all().await;
        for report in &reports {
            let (number, word, _) = came_to(report);
            assert_eq!((number, word, report.shed), (Some(1), Some(CacheWord::Stale), None));
        }
        assert!((wanted..wanted + SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
        // Nobody was turned away.
        assert_eq!((bench.pipeline.gauge().shed_total(), figures(&bench).stale), (0, 2));
        let other = Ask { arguments: r#"{"a":1}"#, ..short() };
        let reports = crowd(&bench, [other.clone(), other]).await.join_all().await;
        assert!(reports.iter().all(|report| report.shed.is_some()), "nothing is kept for them");
        // Each of those who share a call that is turned away is.
        assert_eq!((bench.pipeline.gauge().shed_total(), bench.up.seen()), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_at_once_while_the_upstream_is_away() {
    let bench = bench(STALE).await;
    bench.ask(Ask::default()).await;
    sleep(2 * MINUTE).await;
    bench.up.go_down();
    bench.until(|state| !matches!(state, mcpo_upstream::directory::State::Ready)).await;
    let began = Instant::now();
    let given = came_to(&bench.ask(Ask::default()).await);
    assert_eq!(
        (given.0, given.1, began.elapsed()),
        (Some(1), Some(CacheWord::Stale), Duration::ZERO)
    );
    bench.up.come_back();
    bench.until(|state| matches!(state, mcpo_upstream::directory::State::Ready)).await;
    assert_eq!(came_to(&bench.ask(Ask::default()).await), (Some(2), Some(CacheWord::Miss), None));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_where_the_breaker_is_open() {
    let bench = bench(STALE).await;
    bench.ask(Ask::default()).await;
    sleep(2 * MINUTE).await;
    bench.up.always(Act::Fail(Sent::Maybe, status(500, None)));
    for _ in 0..40 {
        bench.ask(Ask { tool: "write", ..Ask::default() }).await;
    }
    let seen = bench.up.seen();
    let given = came_to(&bench.ask(Ask::default()).await);
    assert_eq!((given.0, given.1), (Some(1), Some(CacheWord::Stale)));
    assert_eq!(bench.up.seen(), seen, "it was not even tried");
}

#[tokio::test(start_paused = true)]
async fn no_stale_answer_is_given_to_those_who_want_none() {
    let bench = bench(STALE).await;
    bench.ask(Ask::default()).await;
    sleep(2 * MINUTE).await;
    bench.up.always(Act::Fail(Sent::Maybe, status(401, None)));
    let any = Freshness::default();
    for freshness in
        [Freshness { may_be_kept: false, ..any }, Freshness { age_max: Some(MINUTE), ..any }]
    {
        let report = bench.ask(Ask { freshness, ..Ask::default() }).await;
        assert!(report.outcome.fault().is_some(), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_often_is_fetched_anew_before_its_time_is_over() {
    let bench = bench(CacheTimes { refresh: true, ..TIMES }).await;
    let _refreshing = refreshing(&bench);
    let often = Ask::default();
    let seldom = Ask { arguments: r#"{"a":1}"#, ..Ask::default() };
    bench.ask(often.clone()).await;
    bench.ask(seldom.clone()).await;
    for _ in 0..3 {
        sleep(10 * SECOND).await;
        assert_eq!(number(&bench.ask(often.clone()).await), Some(1));
    }
    assert_eq!(bench.up.seen(), 2, "there is time");
    sleep(20 * SECOND).await;
    assert_eq!(number(&bench.ask(often.clone()).await), Some(1));
    assert_eq!(number(&bench.ask(seldom.clone()).await), Some(2));
    sleep(SECOND).await;
    assert_eq!((bench.up.seen(), figures(&bench).refreshes), (3, 1));
    assert_eq!(came_to(&bench.ask(often).await), (Some(3), Some(CacheWord::Hit), Some(SECOND)));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_be_given_the_stale_answer_waits_for_the_server_to_come_back() {
    let bench = bench(CacheTimes { stale_if_error: Duration::ZERO, ..STALE }).await;
    bench.ask(Ask::default()).await;
    sleep(70 * SECOND).await;
    bench.up.acts([Act::Die(Sent::No, broken())]);
    let report = bench.ask(Ask::default()).await;
    assert_eq!((number(&report), report.attempts), (Some(3), 2), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn refreshes_end_with_whoever_makes_them() {
    let bench = bench(STALE).await;
    let mut refreshing = refreshing(&bench);
    bench.ask(Ask::default()).await;
    sleep(70 * SECOND).await;
    bench.up.acts([Act::Hang]);
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(1));
    sleep(SECOND).await;
    assert_eq!((bench.up.seen(), bench.up.given_up()), (2, 0));
    refreshing.shutdown().await;
    assert_eq!(bench.up.given_up(), 1);
    sleep(SECOND).await;
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(3));
}

#[tokio::test(start_paused = true)]
async fn what_was_being_fetched_is_fetched_by_whoever_makes_refreshes_next() {
    let bench = bench(STALE).await;
    let mut first = refreshing(&bench);
    bench.ask(Ask::default()).await;
    sleep(70 * SECOND).await;
    bench.up.acts([Act::Hang]);
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(1));
    sleep(SECOND).await;
    first.shutdown().await;
    let _next = refreshing(&bench);
    sleep(2 * SECOND).await;
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(1));
    sleep(SECOND).await;
    assert_eq!(number(&bench.ask(Ask::default()).await), Some(3));
}

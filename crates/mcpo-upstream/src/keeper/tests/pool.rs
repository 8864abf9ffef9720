//! Spares take over at once, and a pool follows its load.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_spare_takes_over_without_a_wait_and_the_lost_one_is_replaced() {
    let bench = bench(Manner { dial_takes: 5 * SECOND, ..Manner::default() }, 2, 2);
    bench.until_ready(2).await;
    let view = bench.view();
    let first = view.pick(&[]).expect("it is ready").clone();
    assert_eq!(first.epoch, 1, "of equals the oldest");
    let began = Instant::now();
    bench.up.kill_one();
    let (outcome, noted) = attempt(&first, SECOND).await;
    assert_eq!(outcome.kind(), OutcomeKind::NotSent);
    assert!(noted.spent);
    // In the very snapshot that the call has, nothing was published yet.
    let second = view.pick(&[]).expect("there is a spare").clone();
    assert_eq!((second.epoch, began.elapsed()), (2, Duration::ZERO));
    let (outcome, _) = attempt(&second, SECOND).await;
    assert_eq!((outcome.kind(), began.elapsed()), (OutcomeKind::Reply, Duration::ZERO));
    let view = bench.until("without it", |view| view.sessions.len() == 1).await;
    assert_eq!((&view.state, view.pool.starting), (&State::Ready, 1));
    bench.until_ready(2).await;
    assert_eq!(began.elapsed(), 5 * SECOND, "the replacement was started at once");
    assert_eq!(bench.events("session_replaced").len(), 1);
    assert!(bench.events("session_lost").is_empty());
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_grows_with_its_load_and_shrinks_when_idle() {
    let bench = bench(Manner { call_takes: 30 * SECOND, ..Manner::default() }, 1, 3);
    bench.until_ready(1).await;
    let mut calls = bench.calls(16, MINUTE);
    bench.until_ready(2).await;
    let more = bench.calls(64, MINUTE);
    bench.until_ready(3).await;
    assert_eq!(bench.view().outstanding(), 80);
    while let Some(answered) = calls.join_next().await {
        assert!(answered.unwrap());
    }
    assert!(more.join_all().await.into_iter().all(|answered| answered));
    let idle = Instant::now();
    let view = bench.until_ready(1).await;
    assert_eq!(view.sessions[0].epoch, 1, "the oldest stays: state may live in it");
    assert!(idle.elapsed() >= MINUTE, "{:?}", idle.elapsed());
    bench.until("closed", |view| view.pool.draining == 0).await;
    assert_eq!((bench.up.open(), bench.up.made()), (1, 3));
    bench.up.set(|manner| manner.call_takes = Duration::ZERO);
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_is_over_in_a_moment_starts_nothing() {
    let call_takes = Duration::from_millis(50);
    let bench = bench(Manner { call_takes, ..Manner::default() }, 1, 3);
    bench.until_ready(1).await;
    for _ in 0..20 {
        let calls = bench.calls(50, MINUTE);
        assert!(calls.join_all().await.into_iter().all(|answered| answered));
        sleep(SECOND).await;
    }
    assert_eq!(bench.up.made(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_on_a_session_that_is_retired_is_answered() {
    let bench = bench(Manner { call_takes: 10 * SECOND, ..Manner::default() }, 2, 2);
    bench.until_ready(2).await;
    let mut calls = bench.calls(2, MINUTE);
    bench.order(Order::Reconnect).await;
    let view = bench.until("replaced", |view| view.epochs == 4 && view.is_ready()).await;
    assert_eq!(view.pool.draining, 2);
    assert_eq!(bench.up.open(), 4);
    while let Some(answered) = calls.join_next().await {
        assert!(answered.unwrap());
    }
    bench.until("closed", |view| view.pool.draining == 0).await;
    assert_eq!(bench.up.open(), 2);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_doubted_session_is_avoided_while_there_is_another() {
    let bench = bench(Manner::default(), 2, 2);
    let view = bench.until_ready(2).await;
    bench.up.set(|manner| manner.hung = 1);
    view.sessions[0].member.doubt();
    assert_eq!(view.pick(&[]).map(|live| live.epoch), Some(2));
    assert_eq!(view.pick(&[2]).map(|live| live.epoch), Some(1), "better than none");
    assert!(view.pick(&[1, 2]).is_none());
    bench.until("replaced", |view| view.sessions.iter().map(|live| live.epoch).eq([2, 3])).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn further_sessions_that_fail_are_tried_with_growing_waits_and_the_first_one_serves() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    bench.up.set(|manner| manner.dial_fails = Some(exited()));
    let sizes = mcpo_config::PoolSizes { min: 2, max: 2 };
    bench.wanted.send_replace(Arc::new(vec![server("up", sizes)]));
    sleep(10 * MINUTE).await;
    let dialled = bench.up.dialled();
    assert!((8..=25).contains(&dialled), "{dialled} attempts");
    assert_eq!(bench.view().state, State::Ready);
    works(&bench).await;
    bench.up.set(|manner| manner.dial_fails = None);
    bench.until_ready(2).await;
    bench.stop().await;
}

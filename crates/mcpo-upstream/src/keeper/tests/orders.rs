//! An operator's orders are carried out, and acknowledged once they are.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_held_upstream_is_sent_nothing_and_goes_on_with_its_sessions() {
    let bench = bench(Manner { call_takes: 10 * SECOND, ..Manner::default() }, 1, 1);
    bench.until_ready(1).await;
    let mut calls = bench.calls(1, MINUTE);
    let told = bench.order(Order::Hold).await;
    assert_eq!((told.state, told.sessions, told.in_flight), ("held", 0, 1));
    assert_eq!(bench.view().withheld.len(), 1);
    assert!(bench.view().pick(&[]).is_none());
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(true), "it ends as it would");
    sleep(30 * MINUTE).await;
    assert_eq!(bench.view().state.name(), "held", "by nobody but the operator");
    // Another configuration does not release it.
    let mut changed = server("up", mcpo_config::PoolSizes { min: 1, max: 2 });
    changed.timeout = Some(SECOND);
    bench.wanted.send_replace(Arc::new(vec![changed]));
    let view = bench.until("changed", |view| view.timeout == Some(SECOND)).await;
    assert_eq!(view.state.name(), "held");
    bench.order(Order::Release).await;
    bench.until_ready(1).await;
    assert_eq!(bench.up.made(), 1);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_drained_upstream_closes_its_sessions_once_their_calls_have_ended() {
    let bench = bench(Manner { call_takes: 20 * MINUTE, ..Manner::default() }, 2, 2);
    bench.until_ready(2).await;
    let mut calls = bench.calls(1, 60 * MINUTE);
    assert_eq!(bench.order(Order::Drain).await.state, "held");
    let view = bench.until("one closed", |view| view.pool.draining == 1).await;
    assert_eq!((bench.up.open(), view.withheld.len(), view.outstanding()), (1, 1, 1));
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(true));
    let view = bench.until("closed", |view| view.pool.draining == 0).await;
    assert_eq!((bench.up.open(), view.withheld.len()), (0, 0));
    sleep(30 * MINUTE).await;
    assert_eq!(bench.up.made(), 2);
    bench.order(Order::Release).await;
    bench.until_ready(2).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_takes_too_long_does_not_hold_up_a_removal() {
    let bench = bench(Manner { call_takes: 60 * MINUTE, ..Manner::default() }, 1, 1);
    bench.until_ready(1).await;
    let mut calls = bench.calls(1, 120 * MINUTE);
    bench.order(Order::Drain).await;
    let began = Instant::now();
    bench.wanted.send_replace(Arc::default());
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(false));
    assert_eq!(began.elapsed(), 30 * SECOND);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_stops_the_attempt_under_way() {
    let bench = bench(Manner { dial_takes: 10 * SECOND, ..Manner::default() }, 1, 1);
    bench.until("starting", |view| view.pool.starting == 1).await;
    bench.order(Order::Hold).await;
    sleep(MINUTE).await;
    assert_eq!((bench.up.dialled(), bench.up.made()), (1, 0));
    bench.order(Order::Release).await;
    bench.until_ready(1).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_tries_a_resting_upstream_at_once() {
    let bench = bench(Manner { dial_fails: Some(status(500)), ..Manner::default() }, 1, 1);
    let resting = |view: &View| matches!(view.state, State::Resting { failures: 8, .. });
    bench.until("resting", resting).await;
    bench.up.set(|manner| manner.dial_fails = None);
    let began = Instant::now();
    bench.order(Order::Reset).await;
    bench.until_ready(1).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    works(&bench).await;
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_validation_finds_what_is_dead_and_tries_what_is_away() {
    let bench = bench(Manner::default(), 1, 1);
    bench.until_ready(1).await;
    let told = bench.order(Order::Validate).await;
    assert_eq!((told.state, told.sessions, bench.up.probed()), ("ready", 1, 1));
    bench.up.set(|manner| manner.expired = 1);
    let told = bench.order(Order::Validate).await;
    assert_eq!((told.state, told.sessions, bench.up.made()), ("ready", 1, 2));
    works(&bench).await;

    bench.up.set(|manner| manner.dial_fails = Some(status(500)));
    bench.up.kill_all();
    bench.until("resting", |view| matches!(view.state, State::Resting { .. })).await;
    let dialled = bench.up.dialled();
    let told = bench.order(Order::Validate).await;
    assert_eq!((told.state, bench.up.dialled()), ("resting", dialled + 1));
    assert!(told.fault.is_some_and(|fault| fault.kind == FaultKind::ServerError));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_validation_of_one_that_hangs_ends_at_its_deadline() {
    let bench = bench(Manner { dial_takes: MINUTE, ..Manner::default() }, 1, 1);
    bench.until("starting", |view| view.pool.starting == 1).await;
    let began = Instant::now();
    let upstream = bench.upstream();
    let told = upstream.order(Order::Validate, began + 2 * SECOND).await.expect("it is told");
    assert_eq!((told.state, told.sessions), ("starting", 0));
    assert_eq!(began.elapsed(), 2 * SECOND);
    bench.stop().await;
}

/// What drains with all the time that its calls have is given less once somebody waits for its end.
#[tokio::test(start_paused = true)]
async fn a_release_bounds_the_drain_before_it() {
    let bench = bench(Manner { call_takes: 60 * MINUTE, ..Manner::default() }, 1, 1);
    bench.until_ready(1).await;
    let mut calls = bench.calls(1, 120 * MINUTE);
    bench.order(Order::Drain).await;
    let began = Instant::now();
    bench.order(Order::Release).await;
    bench.until_ready(1).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(bench.view().outstanding(), 1, "the old session is still there");
    assert_eq!(calls.join_next().await.map(Result::unwrap), Some(false));
    assert_eq!(began.elapsed(), REPLACED_LINGER);
    bench.stop().await;
}

//! How long calls waited, and how long their attempts took.

use mcpo_upstream::directory::CALLS_IN_FLIGHT_MAX;

use super::*;
use crate::pipeline::Report;

fn times(report: &Report) -> (Duration, Duration) {
    (report.waited, report.upstream)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_sent_at_once_waited_for_nothing() {
    let bench = Bench::ready(Make::default()).await;
    for (act, upstream) in [
        (Act::Echo, Duration::ZERO),
        (Act::Refuse, Duration::ZERO),
        (Act::Slow(3 * SECOND), 3 * SECOND),
        (Act::Hang, MINUTE),
    ] {
        bench.up.acts([act]);
        assert_eq!(times(&bench.call("write", MINUTE).await), (Duration::ZERO, upstream));
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_place_is_no_time_of_the_upstreams() {
    let bench = Arc::new(Bench::ready(Make::default()).await);
    let gauge = bench.pipeline.gauge();
    bench.up.always(Act::Slow(10 * SECOND));
    let mut calls = JoinSet::new();
    for _ in 0..=CALLS_IN_FLIGHT_MAX {
        let bench = Arc::clone(&bench);
        calls.spawn(async move { times(&bench.call("write", MINUTE).await) });
    }
    sleep_until(Instant::now() + SECOND).await;
    assert_eq!(bench.upstream().queued(), 1);
    assert_eq!(gauge.in_flight(), CALLS_IN_FLIGHT_MAX + 1);
    let mut waits: Vec<_> = calls.join_all().await;
    waits.sort();
    let last = waits.pop();
    assert_eq!(last, Some((10 * SECOND, 10 * SECOND)));
    assert!(waits.iter().all(|times| *times == (Duration::ZERO, 10 * SECOND)));
    assert_eq!((bench.upstream().queued(), gauge.in_flight()), (0, 0));
    assert_eq!((gauge.peak(), gauge.shed_total()), (CALLS_IN_FLIGHT_MAX + 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_breaker_counts_as_one() {
    let bench = Bench::ready(Make::default()).await;
    bench.trip().await;
    bench.up.acts([Act::Slow(2 * SECOND)]);
    let began = Instant::now();
    let report = bench.call("write", MINUTE).await;
    assert_eq!(report.upstream, 2 * SECOND);
    assert!(SECOND <= report.waited && report.waited <= 2 * SECOND, "{:?}", report.waited);
    assert_eq!(report.waited + report.upstream, began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn attempts_are_added_up_and_the_waits_between_them_are_not_among_them() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.acts([Act::Hang, Act::Slow(2 * SECOND)]);
    let began = Instant::now();
    let breaks = async {
        sleep_until(began + SECOND).await;
        bench.up.go_down();
        sleep_until(began + 4 * SECOND).await;
        bench.up.come_back();
    };
    let (report, ()) = tokio::join!(bench.call("read", MINUTE), breaks);
    assert_eq!(told(&report), (Reply, 2, None));
    // The one attempt that broke after a second, and the one that was answered after two.
    assert_eq!(report.upstream, 3 * SECOND);
    assert!(report.waited >= 3 * SECOND, "{:?}", report.waited);
    assert_eq!(report.waited + report.upstream, began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_its_moment() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.acts([Act::Fail(Maybe, status(429, Some(2 * SECOND))), Act::Slow(SECOND)]);
    let report = bench.call("write", MINUTE).await;
    assert_eq!((told(&report), report.upstream), ((Reply, 2, None), SECOND));
    assert!((2 * SECOND..3 * SECOND).contains(&report.waited), "{:?}", report.waited);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_sent_only_waited() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.go_down();
    bench.until(|state| !matches!(state, State::Ready)).await;
    let began = Instant::now();
    let report = bench.call("write", 2 * SECOND).await;
    assert_eq!((report.outcome.kind(), report.attempts), (NotSent, 0));
    assert_eq!(times(&report), (began.elapsed(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_call_waited_for_the_other_ones_answer() {
    let bench = Bench::ready(Make::default()).await;
    bench.up.acts([Act::Slow(5 * SECOND)]);
    let began = Instant::now();
    let second = async {
        sleep_until(began + SECOND).await;
        bench.keyed("key", MINUTE).await
    };
    let (first, second) = tokio::join!(bench.keyed("key", MINUTE), second);
    assert_eq!((first.repeated, times(&first)), (false, (Duration::ZERO, 5 * SECOND)));
    assert_eq!((second.repeated, times(&second)), (true, (4 * SECOND, Duration::ZERO)));
    let third = bench.keyed("key", MINUTE).await;
    assert_eq!((third.repeated, times(&third)), (true, (Duration::ZERO, Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_room_is_counted_as_sent_away_and_one_that_goes_leaves_its_room() {
    let options = PipelineOptions { calls_in_flight_max: 2, ..PipelineOptions::default() };
    let bench = Bench::ready(Make { options, ..Make::default() }).await;
    let gauge = bench.pipeline.gauge();
    assert_eq!((gauge.capacity(), gauge.in_flight(), gauge.peak()), (2, 0, 0));
    bench.up.always(Act::Hang);
    {
        let two = async { tokio::join!(bench.call("write", MINUTE), bench.call("write", MINUTE)) };
        let mut two = std::pin::pin!(two);
        assert!(timeout(SECOND, &mut two).await.is_err());
        let third = bench.call("write", MINUTE).await;
        assert_eq!(told(&third), (NotSent, 0, Some(FaultKind::Overloaded)));
        assert_eq!(times(&third), (Duration::ZERO, Duration::ZERO));
        assert_eq!((gauge.in_flight(), gauge.shed_total()), (2, 1));
    }
    assert_eq!((gauge.in_flight(), gauge.peak(), gauge.shed_total()), (0, 2, 1));
    bench.up.always(Act::Echo);
    assert_eq!(told(&bench.call("write", MINUTE).await), (Reply, 1, None));
}

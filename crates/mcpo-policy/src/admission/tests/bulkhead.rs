//! Upstreams share nothing but the bound of the process, of which each leaves half to the others.

use tokio::time::sleep;

use super::*;
use crate::play::{Ask, OTHER};

const CALLS_MAX: usize = 64;
const TOOK: Duration = Duration::from_millis(50);

/// Many more callers than there are places, none of whom ever has an answer.
async fn call_what_hangs(bench: Arc<Bench>, ends: Instant) {
    while Instant::now() < ends {
        let limit = Duration::from_secs(5);
        let report = bench.ask(Ask { tool: "write", limit, ..Ask::default() }).await;
        assert_ne!(report.outcome.kind(), OutcomeKind::Reply);
        sleep(Duration::from_millis(100)).await;
    }
}

/// How many were answered. None waits, and none takes longer than it takes.
async fn call_its_neighbour(bench: Arc<Bench>, ends: Instant) -> usize {
    let upstream = bench.directory.load().upstream(OTHER).expect("it is there").clone();
    let mut answered = 0;
    while Instant::now() < ends {
        let began = Instant::now();
        let report = bench.ask_of(&upstream, Ask { tool: "write", ..Ask::default() }).await;
        assert_eq!((report.outcome.kind(), report.attempts), (OutcomeKind::Reply, 1), "{report:?}");
        assert_eq!(report.waited, Duration::ZERO);
        assert!(began.elapsed() <= TOOK + Duration::from_millis(1), "{:?}", began.elapsed());
        answered += 1;
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_neighbour_of_a_hung_upstream_are_answered_without_a_wait() {
    let options = PipelineOptions { calls_in_flight_max: CALLS_MAX, ..PipelineOptions::default() };
    let bench = Arc::new(Bench::ready(Make { options, ..Make::default() }).await);
    bench.and_another().await;
    let mut views = bench.directory.load().upstream(OTHER).expect("it is there").follow();
    views.wait_for(|view| view.is_ready()).await.expect("it is kept");
    bench.up.always(Act::Hang);
    bench.other.always(Act::Slow(TOOK));
    let ends = Instant::now() + Duration::from_secs(20);
    let mut hung = JoinSet::new();
    (0..4 * CALLS_MAX).for_each(|_| drop(hung.spawn(call_what_hangs(Arc::clone(&bench), ends))));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.pipeline.gauge().in_flight(), CALLS_MAX / 2, "it has its half");
    let mut calls = JoinSet::new();
    for _ in 0..CALLS_MAX / 2 {
        calls.spawn(call_its_neighbour(Arc::clone(&bench), ends));
    }
    for answered in calls.join_all().await {
        assert!(answered >= 370, "{answered}");
    }
    hung.join_all().await;
    assert_eq!(bench.pipeline.gauge().in_flight(), 0);
}

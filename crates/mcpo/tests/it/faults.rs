//! A handful of the faults of `bench/faults`, each under a steady load of calls: every call gets
//! its answer, nothing that changes something runs twice, and calls succeed again.

use std::time::Duration;

use mcpo_testkit::faults::{Contestant, Finding, Kind, Timing, Way, matrix, run};

/// A fifth of the load of the benchmark, and more patience: tests share their machine.
fn timing() -> Timing {
    Timing { slack: Duration::from_secs(20), load: 0.2, ..Timing::default() }
}

async fn check(fault: &str, way: Way) -> Finding {
    let all = matrix();
    let fault = all.iter().find(|known| known.name == fault).unwrap();
    let mcpo = Contestant::new(Kind::Mcpo, env!("CARGO_BIN_EXE_mcpo"));
    let found = run(fault, way, &mcpo, timing()).await.unwrap();
    assert!(found.read.calls > 0 && found.write.calls > 0 && found.neighbour.calls > 0);
    assert_eq!(found.lost(), 0, "{found:#?}");
    assert_eq!(found.duplicated, 0, "{found:#?}");
    assert_eq!(found.told_wrongly, 0, "{found:#?}");
    assert_eq!(found.neighbour.errors, 0, "{found:#?}");
    assert!(found.recovery_ms.is_some(), "{found:#?}");
    found
}

/// Callers who only read notice nothing.
async fn check_unseen(fault: &str, way: Way) {
    let found = check(fault, way).await;
    assert_eq!(found.read.errors, 0, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_child_is_replaced_unseen() {
    check_unseen("kill-9", Way::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_before_it_answers_runs_no_call_twice() {
    check_unseen("crash-after", Way::StdioModern).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_runs_no_call_twice() {
    check_unseen("half-line", Way::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_bridged() {
    check_unseen("restart-0.5s", Way::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_sessions_are_made_again_unseen() {
    check_unseen("session-404", Way::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_event_stream_is_opened_again_unseen() {
    check_unseen("sse-ended", Way::Sse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_reset_run_no_call_twice() {
    check("reset-after", Way::HttpModern).await;
}

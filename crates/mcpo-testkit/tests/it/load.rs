//! The generator counts what it sent, and tells right answers from wrong ones.

use std::time::Duration;

use mcpo_testkit::load::{HttpLoad, Pace, PipeLoad, Plan, http_request};
use mcpo_testkit::{HttpUpstream, Scratch, Script, ScriptedStdio};

const LENGTH: Duration = Duration::from_millis(300);

fn http_load(upstream: &HttpUpstream, expected: &str) -> HttpLoad {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"key":"k"}}}"#;
    let request = http_request(upstream.address(), "/mcp", &[("accept", "application/json")], body);
    HttpLoad { address: upstream.address(), request, expected: expected.into() }
}

#[tokio::test]
async fn an_open_loop_sends_what_is_due_and_no_more() {
    let upstream = HttpUpstream::start(Script { sessions: false, ..Script::echo() }).await.unwrap();
    let pace = Pace::Open { per_second: 100.0 };
    let plan = Plan { connections: 3, warm_up: Duration::ZERO, length: LENGTH, pace };
    let report = http_load(&upstream, r#"\"key\":\"k\""#).run(&plan).await.unwrap();
    assert!((1..=30).contains(&report.calls), "{report:?}");
    assert_eq!((report.errors, report.calls_in_all), (0, report.calls));
    assert_eq!(upstream.journal().runs("k"), usize::try_from(report.calls).unwrap());
    assert!(report.latency_us(0.5) > 0.0 && report.latency_us(0.5) <= report.latency_us(0.999));
}

#[tokio::test]
async fn a_wrong_answer_is_an_error_and_not_a_call() {
    let upstream = HttpUpstream::start(Script { sessions: false, ..Script::echo() }).await.unwrap();
    let pace = Pace::Open { per_second: 50.0 };
    let plan = Plan { connections: 1, warm_up: Duration::ZERO, length: LENGTH, pace };
    let report = http_load(&upstream, "something else").run(&plan).await.unwrap();
    assert_eq!(report.calls_in_all, 0);
    assert!(report.errors > 0);
}

#[tokio::test]
async fn a_pipe_is_loaded_with_many_calls_in_flight() {
    let scratch = Scratch::new().unwrap();
    let upstream = ScriptedStdio::new(scratch.path(), "up", Script::echo()).unwrap();
    let command = [vec![upstream.command.clone()], upstream.arguments.clone()].concat();
    let params = r#"{"name":"echo","arguments":{"key":"k"}}"#;
    let mut load = PipeLoad::start(&command, params, r#"\"k\""#).await.unwrap();
    let plan = Plan {
        connections: 4,
        warm_up: Duration::ZERO,
        length: LENGTH,
        pace: Pace::Open { per_second: 100.0 },
    };
    let report = load.run(&plan).await.unwrap();
    assert_eq!(report.errors, 0);
    assert_eq!(upstream.journal().runs("k"), usize::try_from(report.calls_in_all).unwrap());
}

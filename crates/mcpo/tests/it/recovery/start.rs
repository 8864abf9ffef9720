//! An upstream does not come up, or not for long.

use mcpo_testkit::{Script, Step, What};
use serde_json::json;

use super::{mcpo, write_and_read};

#[tokio::test]
async fn an_upstream_that_fails_at_start_and_then_works_needs_nobody() {
    let script =
        write_and_read(&[]).on_start(vec![vec![Step::Exit(1)], vec![Step::Exit(1)], vec![]]);
    let bench = super::bench(super::Over::Stdio, script).await;
    bench.works("write", "a").await;
    assert_eq!(bench.journal.count(What::Start), 3);
}

#[tokio::test]
async fn an_upstream_that_crashes_at_every_start_is_given_growing_waits_and_disturbs_nobody() {
    let crashing = write_and_read(&[]).on_start(vec![vec![Step::Exit(7)]]);
    let world = mcpo().arg("--log-level").arg("DEBUG");
    let world = world.stdio("bad", crashing).unwrap().stdio("good", write_and_read(&[])).unwrap();
    let world = world.start().await.unwrap();
    world.journal("bad").wait_for_what(What::Start, 4).await.unwrap();
    let reply = world.post("/good/write", &json!({"key": "a"})).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({"key": "a"})));
    world.wait_stderr("failures=4").await.unwrap();
    let waits: Vec<u64> = world.stderr().lines().filter_map(retry_in_ms).take(4).collect();
    assert_eq!(waits.len(), 4, "{}", world.stderr());
    for (failure, wait) in waits.iter().enumerate() {
        let least = 500 << failure;
        assert!((least - 1..=least * 3 / 2).contains(wait), "{waits:?}");
    }
    let reply = world.post("/bad/write", &json!({})).await.unwrap();
    assert_eq!(reply.status, 503, "{reply}");
    assert!(reply.header("retry-after").is_some(), "{reply}");
    assert_eq!(world.journal("good").count(What::Start), 1);
    assert_eq!(world.journal("good").runs("a"), 1);
    assert_eq!(world.get("/good/openapi.json").await.unwrap().status, 200);
}

/// From `... upstream not reachable ... retry_in_ms=512`.
fn retry_in_ms(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("upstream not reachable")?.1.split_once("retry_in_ms=")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[tokio::test]
async fn an_upstream_that_dies_soon_after_every_handshake_is_given_growing_waits() {
    let script = Script { background: vec![Step::Exit(1)], ..write_and_read(&[]) };
    let world = mcpo().arg("--log-level").arg("DEBUG").stdio("up", script).unwrap();
    let world = world.start().await.unwrap();
    world.wait_stderr("failures=3").await.unwrap();
    assert!(world.journal("up").count(What::Start) <= 4, "{}", world.stderr());
}

#[tokio::test]
async fn a_call_during_the_first_start_is_answered() {
    let world = mcpo()
        .stdio("up", Script { start: Script::slow_start().start, ..write_and_read(&[]) })
        .unwrap();
    let world = world.start().await.unwrap();
    let body = json!({"key": "a"});
    let (reply, ()) = tokio::join!(world.post("/up/write", &body), async {
        world.control("up").wait_at("start", 1).await.unwrap();
        world.control("up").open("start").unwrap();
    });
    let reply = reply.unwrap();
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({"key": "a"})));
    assert_eq!(world.journal("up").runs("a"), 1);
}

/// Its first start costs two: `initialize` is tried first. Each later one is a single start.
#[tokio::test]
async fn an_upstream_of_the_modern_era_is_started_once_after_it_was_killed() {
    let script = write_and_read(&[]).era(mcpo_testkit::Era::Modern);
    let bench = super::bench(super::Over::Stdio, script).await;
    bench.works("write", "a").await;
    let first = bench.journal.count(What::Start);
    let child = mcpo_testkit::ScriptedChild::all(&bench.journal).unwrap().pop().unwrap();
    child.kill().unwrap();
    let reply = bench.world.post("/up/read", &json!({"key": "b"})).await.unwrap();
    assert_eq!(reply.status, 200, "{reply}");
    assert_eq!(bench.journal.count(What::Start), first + 1);
}

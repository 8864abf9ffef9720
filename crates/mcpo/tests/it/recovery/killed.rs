//! Children are killed again and again under a steady load of calls.

use std::time::Duration;

use mcpo_testkit::{Script, ScriptedChild, Step, What};
use serde_json::json;

use super::load::{Called, runs_by_key, under_load};
use super::{Bench, Over, bench_with, until, write_and_read};

/// A neighbour's call may take so long on a machine that is busy with starting processes.
const NEIGHBOURLY: Duration = Duration::from_secs(5);

/// Works long enough for calls to be under way when a child dies.
fn busy() -> Script {
    write_and_read(&[vec![Step::Run, Step::Delay(10), Step::Echo]])
}

fn answered(called: &[Called], path: &str) -> usize {
    let all: Vec<_> = called.iter().filter(|call| call.path == path).collect();
    assert!(!all.is_empty(), "nobody called {path}");
    all.iter().filter(|call| call.reply.status == 200).count()
}

fn all_answered(bench: &Bench, called: &[Called], path: &str) {
    for Called { key, reply, .. } in called.iter().filter(|call| call.path == path) {
        assert_eq!(reply.status, 200, "{key}: {reply}\n{}", bench.world.stderr());
        assert_eq!(reply.json(), json!({ "key": key }));
    }
    assert!(answered(called, path) > 0);
}

/// Waits until every child that was started last has answered calls.
async fn all_serve(bench: &Bench, children: usize) {
    until("every child serves", async || {
        let starts = bench.journal.matching(|entry| entry.what == What::Start);
        let runs = bench.journal.matching(|entry| entry.what == What::Run);
        let serves = |pid: u32| runs.iter().filter(|entry| entry.pid == pid).count() > 3;
        starts.len() >= children
            && starts.iter().rev().take(children).all(|entry| serves(entry.pid))
    })
    .await;
}

#[tokio::test]
async fn of_two_children_one_is_killed_and_only_what_was_under_way_on_it_is_unknown() {
    let two =
        |world: mcpo_testkit::WorldBuilder| world.set("up", "pool", json!({"min": 2, "max": 2}));
    let bench = bench_with(Over::Stdio, busy(), two).await;
    let callers = [("/up/write", 3), ("/up/read", 3)];
    let (killed, called) = under_load(&bench.world, &callers, async {
        all_serve(&bench, 2).await;
        let victim = ScriptedChild::all(&bench.journal).unwrap().remove(0);
        victim.kill().unwrap();
        until("a third child", async || bench.journal.count(What::Start) == 3).await;
        all_serve(&bench, 2).await;
        bench.journal.matching(|entry| entry.what == What::Start)[0].pid
    })
    .await;
    all_answered(&bench, &called, "/up/read");
    let runs = runs_by_key(&bench.journal);
    let came_elsewhere = bench.journal.matching(|entry| {
        entry.what == What::Received && entry.pid != killed && entry.tool == "write"
    });
    let writes: Vec<_> = called.iter().filter(|call| call.path == "/up/write").collect();
    for Called { key, reply, .. } in &writes {
        let ran = runs.get(key).copied().unwrap_or_default();
        if reply.status == 200 {
            assert_eq!((reply.json(), ran), (json!({ "key": key }), 1), "{key}: {reply}");
        } else {
            bench.failed(reply, 502, "unknown", "disconnected");
            assert!(ran <= 1, "{key} ran {ran} times");
            assert!(!came_elsewhere.iter().any(|entry| entry.key == *key), "{key}: {reply}");
        }
    }
    // As many as there are callers of it, at the worst.
    assert!(writes.len() - answered(&called, "/up/write") <= 3, "{}", bench.world.stderr());
    bench.works("write", "after").await;
}

#[tokio::test]
async fn an_only_child_that_is_killed_over_and_over_fails_no_idempotent_call_and_no_neighbour() {
    let neighbour = busy();
    let bench = bench_with(Over::Stdio, busy(), |world| world.stdio("next", neighbour).unwrap());
    let bench = bench.await;
    let callers = [("/up/read", 4), ("/next/write", 2)];
    let ((), called) = under_load(&bench.world, &callers, async {
        for _ in 0..5 {
            all_serve(&bench, 1).await;
            // The pace of the kills is what is tested.
            tokio::time::sleep(Duration::from_millis(300)).await;
            ScriptedChild::newest(&bench.journal).unwrap().kill().unwrap();
        }
        until("the last child", async || bench.journal.count(What::Start) == 6).await;
        all_serve(&bench, 1).await;
    })
    .await;
    all_answered(&bench, &called, "/up/read");
    all_answered(&bench, &called, "/next/write");
    let next = bench.world.journal("next");
    let runs = runs_by_key(&next);
    for Called { key, took, .. } in called.iter().filter(|call| call.path == "/next/write") {
        assert_eq!(runs[key], 1, "{key}");
        assert!(*took < NEIGHBOURLY, "{key}: {took:?}");
    }
    assert_eq!(next.count(What::Start), 1);
}

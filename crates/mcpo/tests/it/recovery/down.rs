//! An upstream is away between calls: killed, restarted, or down for a while.

use std::time::Duration;

use futures_util::future::join_all;
use mcpo_testkit::{Entry, Request, Script, Step, What};
use serde_json::json;
use tokio::process::Command;

use super::load::{Called, under_load};
use super::{AT_ONCE, Bench, HTTP, Over, bench, keyed, timed, write_and_read};

/// Kills the child that was started last.
pub(super) async fn kill_child(bench: &Bench) {
    let starts = bench.journal.matching(|entry: &Entry| entry.what == What::Start);
    let pid = starts.last().expect("a child was started").pid.to_string();
    let killed = Command::new("kill").args(["-9", &pid]).status().await.unwrap();
    assert!(killed.success());
}

#[tokio::test]
async fn a_child_killed_between_calls_is_not_noticed_by_the_next_one() {
    let bench = bench(Over::Stdio, write_and_read(&[])).await;
    bench.works("write", "a").await;
    kill_child(&bench).await;
    bench.journal.wait_for_what(What::Start, 2).await.unwrap();
    bench.works("write", "b").await;
    assert_eq!(bench.journal.count(What::Start), 2);
}

#[tokio::test]
async fn calls_wait_for_the_child_that_is_started_anew() {
    let again = Step::Gate("again".to_owned());
    let script = write_and_read(&[]).on_start(vec![vec![], vec![again]]);
    let bench = bench(Over::Stdio, script).await;
    bench.works("write", "before").await;
    kill_child(&bench).await;
    bench.control.wait_at("again", 1).await.unwrap();
    let keys: Vec<String> = (0..20).map(|number| format!("call-{number}")).collect();
    let calls = join_all(keys.iter().map(|key| bench.call("write", key)));
    let (replies, ()) = tokio::join!(calls, async {
        bench.world.wait_reply("/readyz", |reply| reply.status == 503).await.unwrap();
        bench.control.open("again").unwrap();
    });
    for (reply, key) in replies.iter().zip(&keys) {
        bench.answered(reply, key, 1);
        assert_eq!(bench.journal.runs(key), 1, "{key}");
    }
    assert_eq!(bench.journal.count(What::Start), 2);
}

#[tokio::test]
async fn a_child_that_reads_nothing_and_is_killed_costs_only_what_was_written() {
    let turns = vec![vec![Step::Echo], vec![Step::IgnoreStdin, Step::Hang], vec![Step::Echo]];
    let bench =
        bench(Over::Stdio, Script::new("scripted").tool(keyed("write")).on_call("write", turns))
            .await;
    bench.works("write", "before").await;
    // More than a pipe holds: whichever comes first is written in part, and the others wait.
    let padding = "x".repeat(200_000);
    let keys: Vec<String> = (0..8).map(|number| format!("call-{number}")).collect();
    let calls = join_all(keys.iter().map(|key| {
        let body = json!({"key": key, "padding": padding});
        let request = Request::post(&bench.world.url("/up/write")).json(&body);
        async { bench.world.send(request).await.unwrap() }
    }));
    let (hung, replies, ()) = tokio::join!(bench.call("write", "hung"), calls, async {
        bench.journal.wait_for_what(What::Run, 2).await.unwrap();
        kill_child(&bench).await;
    });
    let unknown = replies.iter().filter(|reply| reply.status == 502).count();
    let answered = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(unknown + answered, keys.len(), "{replies:?}");
    // How many the child had read by then nobody knows; the pipe holds less than all of them.
    assert!(answered > 0, "{replies:?} {hung}");
    bench.ran_at_most_once(keys.iter().cloned().chain(["hung".to_owned()]));
    for (reply, key) in replies.iter().zip(&keys) {
        assert!(reply.status == 502 || bench.journal.runs(key) == 1, "{key}: {reply}");
    }
    bench.works("write", "after").await;
}

#[tokio::test]
async fn a_server_restarted_between_calls_is_not_noticed_by_the_next_one() {
    for over in HTTP {
        let mut bench = bench(over, write_and_read(&[])).await;
        bench.works("write", "a").await;
        // What shows that the restart was seen: its own stream is what mcpo loses first.
        let sign = match over {
            Over::Modern => What::Listen,
            Over::Stdio | Over::Legacy | Over::Sse => What::Handshake,
        };
        if over != Over::Sse {
            bench.journal.wait_for_what(What::Listen, 1).await.unwrap();
        }
        bench.upstream().restart().await.unwrap();
        bench.journal.wait_for_what(sign, 2).await.unwrap();
        let reply = bench.call("write", "b").await;
        assert_eq!(reply.status, 200, "{over:?}: {reply}\n{}", bench.world.stderr());
        assert_eq!(bench.journal.runs("b"), 1, "{over:?}");
        bench.works("write", "c").await;
    }
}

#[tokio::test]
async fn a_call_at_the_moment_of_a_restart_is_told_the_truth_and_never_runs_twice() {
    for over in HTTP {
        let mut bench = bench(over, write_and_read(&[])).await;
        let mut http = bench.http.take().expect("an upstream over HTTP");
        for round in 0..3 {
            let key = format!("call-{round}");
            let (reply, ()) =
                tokio::join!(bench.call("write", &key), async { http.restart().await.unwrap() });
            let runs = bench.journal.runs(&key);
            match reply.status.as_u16() {
                200 => assert_eq!(runs, 1, "{over:?} {key}"),
                502 => {
                    bench.failed(&reply, 502, "unknown", "disconnected");
                    assert!(runs <= 1, "{over:?} {key}");
                }
                // It is restarted more often than it is waited for.
                503 => assert_eq!(runs, 0, "{over:?} {key}"),
                _ => unreachable!("{over:?}: {reply}\n{}", bench.world.stderr()),
            }
        }
        bench.world.wait_ready().await.unwrap();
        let reply = bench.call("write", "after").await;
        assert_eq!(reply.status, 200, "{over:?}: {reply}");
    }
}

#[tokio::test]
async fn calls_during_a_short_outage_are_answered_when_the_server_is_back() {
    for over in HTTP {
        let mut bench = bench(over, write_and_read(&[])).await;
        bench.works("write", "before").await;
        let mut http = bench.http.take().expect("an upstream over HTTP");
        http.stop().await;
        if over == Over::Sse {
            // A call that finds the stream of answers broken under it may have acted.
            bench.world.wait_reply("/readyz", |reply| reply.status == 503).await.unwrap();
        }
        let keys: Vec<String> = (0..20).map(|number| format!("call-{number}")).collect();
        let calls = join_all(keys.iter().map(|key| bench.call("write", key)));
        let (replies, ()) = tokio::join!(calls, async {
            bench.world.wait_reply("/readyz", |reply| reply.status == 503).await.unwrap();
            http.restart().await.unwrap();
        });
        for (reply, key) in replies.iter().zip(&keys) {
            assert_eq!(reply.status, 200, "{over:?}: {reply}\n{}", bench.world.stderr());
            assert_eq!(bench.journal.runs(key), 1, "{over:?} {key}");
        }
        bench.works("write", "after").await;
    }
}

/// Told at once as soon as it is longer than what calls wait out.
async fn a_long_outage(over: Over) {
    let mut bench = bench(over, write_and_read(&[])).await;
    bench.works("write", "before").await;
    bench.upstream().stop().await;
    let down = bench.request("write", "down");
    let reply = bench.world.wait_request(&down, |reply| reply.status == 503).await.unwrap();
    bench.failed(&reply, 503, "not_sent", "unreachable");
    let (reply, took) = timed(bench.call("write", "down")).await;
    bench.failed(&reply, 503, "not_sent", "unreachable");
    bench.came_to(&reply, "not_sent", 0);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{over:?}: {reply}");
    assert!(took < AT_ONCE, "{over:?}: {took:?}");
    assert_eq!(bench.world.get("/up/openapi.json").await.unwrap().status, 200, "{over:?}");
    bench.upstream().restart().await.unwrap();
    bench.world.wait_ready().await.unwrap();
    bench.works("write", "after").await;
    assert_eq!(bench.journal.received("down"), 0, "{over:?}");
}

#[tokio::test]
async fn a_long_outage_of_a_legacy_server_is_told_at_once_and_ends_by_itself() {
    a_long_outage(HTTP[0]).await;
}

#[tokio::test]
async fn a_long_outage_of_a_modern_server_is_told_at_once_and_ends_by_itself() {
    a_long_outage(HTTP[1]).await;
}

#[tokio::test]
async fn a_long_outage_of_an_sse_server_is_told_at_once_and_ends_by_itself() {
    a_long_outage(HTTP[2]).await;
}

#[tokio::test]
async fn a_call_for_an_upstream_that_is_away_ends_at_its_deadline() {
    let again = Step::Gate("again".to_owned());
    let script = write_and_read(&[]).on_start(vec![vec![], vec![again]]);
    let bench = bench(Over::Stdio, script).await;
    kill_child(&bench).await;
    bench.control.wait_at("again", 1).await.unwrap();
    let (reply, took) = timed(bench.call_within("0.3", "write", "a")).await;
    bench.failed(&reply, 503, "not_sent", "disconnected");
    bench.came_to(&reply, "not_sent", 0);
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    bench.control.open("again").unwrap();
    bench.world.wait_ready().await.unwrap();
    bench.works("write", "b").await;
    assert_eq!(bench.journal.received("a"), 0);
}

/// A server that is back within milliseconds is not left alone for what its restart broke.
async fn a_restart_under_load(over: Over) {
    let turn = vec![Step::Run, Step::Delay(10), Step::Echo];
    let mut bench = bench(over, write_and_read(&[turn])).await;
    let mut http = bench.http.take().expect("an upstream over HTTP");
    let ((), called) = under_load(&bench.world, &[("/up/read", 8)], async {
        bench.journal.wait_for_what(What::Run, 50).await.unwrap();
        http.restart().await.unwrap();
        let before = bench.journal.count(What::Run);
        bench.journal.wait_for_what(What::Run, before + 50).await.unwrap();
    })
    .await;
    for Called { key, reply, took, .. } in &called {
        assert_eq!(reply.status, 200, "{over:?} {key}: {reply}\n{}", bench.world.stderr());
        assert!(*took < AT_ONCE, "{over:?} {key}: {took:?}\n{}", bench.world.stderr());
    }
}

#[tokio::test]
async fn a_restart_under_load_is_over_when_the_server_is_back() {
    for over in HTTP {
        a_restart_under_load(over).await;
    }
}

//! Recovery is switched off: nothing is probed, nothing is sent twice, and what was lost is
//! connected anew when the next call asks for it.

use std::time::Duration;

use mcpo_testkit::{What, WorldBuilder};

use super::down::kill_child;
use super::{ALL, Bench, HTTP, Over, Script, Step, bench_with, once_broken, until, write_and_read};

async fn without_recovery(over: Over, script: Script) -> Bench {
    let off = |world: WorldBuilder| {
        world.env("MCPO_ERROR_RECOVERY_ENABLED", "false").env("MCPO_PROBE_INTERVAL", "0.1")
    };
    bench_with(over, script, off).await
}

#[tokio::test]
async fn without_recovery_nothing_is_sent_twice() {
    for over in ALL {
        let bench = without_recovery(over, once_broken(vec![Step::DropConnection])).await;
        bench.works("read", "a").await;
        let reply = bench.call("read", "b").await;
        bench.failed(&reply, 502, "unknown", "disconnected");
        bench.came_to(&reply, "unknown", 1);
        assert_eq!(bench.journal.received("b"), 1, "{over:?}");
        let reply = bench.call("read", "c").await;
        assert_eq!(reply.status, 200, "{over:?}: {reply}\n{}", bench.world.stderr());
    }
}

#[tokio::test]
async fn without_recovery_a_killed_child_stays_away_until_a_call_asks_for_it() {
    let bench = without_recovery(Over::Stdio, write_and_read(&[])).await;
    bench.works("write", "before").await;
    kill_child(&bench).await;
    until("it is seen", async || {
        let shown = bench.world.get("/admin/servers/up").await.unwrap().json();
        shown["state"] == "dormant"
    })
    .await;
    // Longer than the wait before a child is started again with recovery.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(bench.journal.count(What::Start), 1);
    bench.works("write", "after").await;
    assert_eq!(bench.journal.count(What::Start), 2);
}

#[tokio::test]
async fn without_recovery_a_call_after_a_restart_works_at_the_second_asking() {
    for over in HTTP {
        let mut bench = without_recovery(over, write_and_read(&[])).await;
        bench.works("write", "before").await;
        bench.upstream().restart().await.unwrap();
        // It may be the one that finds out, which is not sent again.
        let first = bench.call("write", "first").await;
        assert!(first.status == 200 || bench.journal.runs("first") == 0, "{over:?}: {first}");
        let reply = bench.call("write", "second").await;
        assert_eq!(reply.status, 200, "{over:?}: {reply}\n{}", bench.world.stderr());
        assert_eq!(bench.journal.runs("second"), 1, "{over:?}");
        assert_eq!(bench.journal.count(What::Ping), 0, "{over:?}");
    }
}

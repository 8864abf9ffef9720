//! An upstream goes away while it works on a call.

use futures_util::future::join_all;
use mcpo_testkit::{ReplyAs, Script, Step, What};
use serde_json::json;

use super::{
    ALL, Bench, Over, STREAMABLE, bench, bench_with, html, keyed, once_broken, write_and_read,
};

/// What changes something is reported as unknown and ran once; what only reads is sent again.
async fn check(over: Over, script: Script, code: &str) {
    let bench = bench(over, script).await;
    told_as_unknown(&bench, "write", code).await;
    bench.works("read", "read-before").await;
    let reply = bench.call("read", "read-broken").await;
    bench.answered(&reply, "read-broken", 2);
    assert_eq!(bench.journal.received("read-broken"), 2, "{over:?}");
    bench.works("read", "read-after").await;
}

async fn told_as_unknown(bench: &Bench, tool: &str, code: &str) {
    let [before, broken, after] =
        ["before", "broken", "after"].map(|stage| format!("{tool}-{stage}"));
    bench.works(tool, &before).await;
    let reply = bench.call(tool, &broken).await;
    bench.failed(&reply, 502, "unknown", code);
    bench.came_to(&reply, "unknown", 1);
    assert_eq!(bench.journal.received(&broken), 1, "{:?}", bench.over);
    assert_eq!(bench.journal.runs(&broken), 1, "{:?}", bench.over);
    let reply = bench.call(tool, &after).await;
    assert_eq!(reply.status, 200, "{:?}: {reply}", bench.over);
    assert_eq!(bench.journal.runs(&after), 1, "{:?}", bench.over);
}

#[tokio::test]
async fn a_child_that_exits_during_a_call_leaves_it_unknown_unless_it_only_reads() {
    check(Over::Stdio, once_broken(vec![Step::Exit(3)]), "disconnected").await;
}

#[tokio::test]
async fn a_child_that_exits_within_an_answer_leaves_it_unknown_unless_it_only_reads() {
    check(Over::Stdio, once_broken(vec![Step::ExitMidLine]), "disconnected").await;
}

#[tokio::test]
async fn a_cut_connection_leaves_a_call_unknown_unless_it_only_reads() {
    for over in STREAMABLE {
        check(over, once_broken(vec![Step::DropConnection]), "disconnected").await;
    }
}

#[tokio::test]
async fn a_cut_event_stream_of_all_answers_leaves_a_call_unknown_unless_it_only_reads() {
    check(Over::Sse, once_broken(vec![Step::DropConnection]), "disconnected").await;
}

#[tokio::test]
async fn an_event_stream_that_breaks_after_its_start_leaves_a_call_unknown_unless_it_only_reads() {
    let notice = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}});
    for over in STREAMABLE {
        for cut in [Step::DropConnection, Step::ExitMidLine] {
            let turn = vec![Step::Send(notice.to_string()), cut];
            check(over, once_broken(turn).reply_as(ReplyAs::Sse), "disconnected").await;
        }
    }
}

#[tokio::test]
async fn an_error_page_leaves_a_call_unknown_unless_it_only_reads() {
    for over in STREAMABLE {
        for status in [500, 502, 504] {
            check(over, once_broken(vec![Step::Run, html(status)]), "server_error").await;
        }
    }
}

#[tokio::test]
async fn an_internal_error_is_told_with_its_words_and_is_unknown_unless_it_only_reads() {
    let failure = Step::RpcError {
        code: -32603,
        message: "database is locked".to_owned(),
        data: json!({"table": "t"}),
    };
    for over in ALL {
        let bench = bench(over, once_broken(vec![Step::Run, failure.clone()])).await;
        bench.works("write", "a").await;
        let reply = bench.call("write", "b").await;
        bench.failed(&reply, 500, "unknown", "server_error");
        bench.came_to(&reply, "unknown", 1);
        assert_eq!(reply.json()["detail"]["message"], "database is locked", "{over:?}");
        assert_eq!(reply.json()["detail"]["data"], json!({"table": "t"}), "{over:?}");
        bench.works("write", "c").await;
        assert_eq!(bench.journal.received("b"), 1, "{over:?}");
        bench.works("read", "d").await;
        let reply = bench.call("read", "e").await;
        bench.answered(&reply, "e", 2);
        bench.works("read", "f").await;
    }
}

#[tokio::test]
async fn hints_that_are_not_trusted_are_no_leave_to_send_again() {
    for over in ALL {
        let script = once_broken(vec![Step::DropConnection]);
        let untrusted =
            |world: mcpo_testkit::WorldBuilder| world.set("up", "trustAnnotations", json!(false));
        let bench = bench_with(over, script, untrusted).await;
        told_as_unknown(&bench, "read", "disconnected").await;
    }
}

#[tokio::test]
async fn a_reading_tool_that_always_breaks_is_sent_three_times_and_no_more() {
    let script = Script::new("scripted")
        .tool(super::reading("read"))
        .on_call("read", vec![vec![Step::Run, html(500)]]);
    for over in STREAMABLE {
        let bench = bench(over, script.clone()).await;
        let reply = bench.call("read", "a").await;
        bench.failed(&reply, 502, "unknown", "server_error");
        bench.came_to(&reply, "unknown", 3);
        assert_eq!(bench.journal.received("a"), 3, "{over:?}");
    }
}

#[tokio::test]
async fn a_call_that_breaks_its_own_connection_does_not_cost_another_one_under_way() {
    let script = Script::new("scripted")
        .tool(keyed("slow"))
        .tool(keyed("drop"))
        .on_call("slow", vec![vec![Step::Gate("slow".to_owned())]])
        .on_call("drop", vec![vec![Step::DropConnection]]);
    for over in STREAMABLE {
        let bench = bench(over, script.clone()).await;
        let breaks = async {
            bench.control.wait_at("slow", 1).await.unwrap();
            let reply = bench.call("drop", "b").await;
            bench.failed(&reply, 502, "unknown", "disconnected");
            // Longer than what an ending session gives those under way.
            let patience = tokio::time::timeout(std::time::Duration::from_secs(3), async {
                bench
                    .journal
                    .wait("the end of the slow call", |all| {
                        all.iter().any(|entry| entry.what == What::Gone)
                    })
                    .await
            });
            assert!(patience.await.is_err(), "{over:?}: the slow call was given up");
            bench.control.open("slow").unwrap();
        };
        let (slow, ()) = tokio::join!(bench.call("slow", "a"), breaks);
        bench.answered(&slow, "a", 1);
        assert_eq!((bench.journal.runs("a"), bench.journal.runs("b")), (1, 1), "{over:?}");
    }
}

#[tokio::test]
async fn a_tool_that_always_breaks_its_connection_costs_the_others_nothing() {
    let script =
        write_and_read(&[]).tool(keyed("drop")).on_call("drop", vec![vec![Step::DropConnection]]);
    for over in STREAMABLE {
        let bench = bench(over, script.clone()).await;
        for round in 0..5 {
            let reply = bench.call("drop", &format!("drop-{round}")).await;
            bench.failed(&reply, 502, "unknown", "disconnected");
            bench.works("write", &format!("write-{round}")).await;
        }
        assert_eq!(bench.journal.received("drop"), 5, "{over:?}");
        // A probe in the modern era is what its handshake is; each new session lists once.
        assert_eq!(bench.journal.count(What::List), 1, "{over:?}: the session stays");
    }
}

#[tokio::test]
async fn of_many_calls_under_way_at_a_death_each_is_told_the_truth() {
    let turn = vec![Step::Run, Step::Gate("go".to_owned()), Step::Echo];
    for over in ALL {
        let mut bench = bench(over, write_and_read(std::slice::from_ref(&turn))).await;
        let keys = |tool: &str| -> Vec<String> {
            (0..15).map(|number| format!("{tool}-{number}")).collect()
        };
        let (writes, reads) = (keys("write"), keys("read"));
        let mut http = bench.http.take();
        let (writing, reading, ()) = tokio::join!(
            join_all(writes.iter().map(|key| bench.call("write", key))),
            join_all(reads.iter().map(|key| bench.call("read", key))),
            async {
                bench.control.wait_at("go", 30).await.unwrap();
                match &mut http {
                    Some(http) => http.restart().await.unwrap(),
                    None => super::down::kill_child(&bench).await,
                }
                bench.control.open("go").unwrap();
            }
        );
        for (reply, key) in writing.iter().zip(&writes) {
            bench.failed(reply, 502, "unknown", "disconnected");
            assert_eq!((bench.journal.runs(key), bench.journal.received(key)), (1, 1), "{over:?}");
        }
        for (reply, key) in reading.iter().zip(&reads) {
            assert_eq!(reply.status, 200, "{over:?} {key}: {reply}\n{}", bench.world.stderr());
            assert_eq!(bench.journal.runs(key), 2, "{over:?} {key}");
        }
        bench.works("write", "after").await;
    }
}

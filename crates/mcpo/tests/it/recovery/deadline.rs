//! An upstream does not answer in time.

use std::time::Duration;

use mcpo_testkit::{Entry, Step, What};

use super::{ALL, Over, bench, once_broken, timed};

#[tokio::test]
async fn a_hang_ends_at_the_deadline_is_cancelled_upstream_and_costs_nothing_else() {
    for over in ALL {
        for tool in ["write", "read"] {
            let bench = bench(over, once_broken(vec![Step::Hang])).await;
            bench.works(tool, "a").await;
            let (reply, took) = timed(bench.call_within("0.3", tool, "b")).await;
            bench.failed(&reply, 504, "unknown", "timeout");
            bench.came_to(&reply, "unknown", 1);
            assert!(took >= Duration::from_millis(300), "{over:?}: {took:?}");
            assert!(took < Duration::from_secs(5), "{over:?}: {took:?}");
            assert_eq!((bench.journal.runs("b"), bench.journal.received("b")), (1, 1), "{over:?}");
            let received = |entry: &Entry| entry.what == What::Received && entry.key == "b";
            let hung = bench.journal.matching(received).remove(0).id;
            let told = |entry: &Entry| match over {
                Over::Modern => entry.what == What::Gone && entry.key == "b",
                Over::Stdio | Over::Legacy | Over::Sse => {
                    entry.what == What::Cancelled && entry.id == hung
                }
            };
            bench.journal.wait("the cancellation", |all| all.iter().any(told)).await.unwrap();
            bench.works(tool, "c").await;
            // A probe in the modern era is what its handshake is; each new session lists once.
            assert_eq!(bench.journal.count(What::List), 1, "{over:?}: the session stays");
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_its_call_upstream() {
    for over in ALL {
        let bench = bench(over, once_broken(vec![Step::Hang])).await;
        bench.works("write", "a").await;
        tokio::select! {
            reply = bench.call("write", "b") => unreachable!("{reply}"),
            ran = bench.journal.wait_for("b", 1) => ran.unwrap(),
        }
        let told = |entry: &Entry| match over {
            Over::Modern => entry.what == What::Gone && entry.key == "b",
            Over::Stdio | Over::Legacy | Over::Sse => entry.what == What::Cancelled,
        };
        bench.journal.wait("the cancellation", |all| all.iter().any(told)).await.unwrap();
        bench.works("write", "c").await;
        assert_eq!(bench.journal.received("b"), 1, "{over:?}");
    }
}

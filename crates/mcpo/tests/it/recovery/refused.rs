//! An upstream says "not now".

use std::time::Duration;

use mcpo_testkit::{HttpStep, Script, Step};
use serde_json::json;

use super::{AT_ONCE, STREAMABLE, bench, keyed, once_broken, timed};

#[tokio::test]
async fn a_refusal_is_waited_out_where_the_deadline_allows_it() {
    for over in STREAMABLE {
        for status in [429, 503] {
            let refusal = HttpStep::status(status).header("retry-after", "1");
            let bench = bench(over, once_broken(vec![Step::Http(refusal)])).await;
            bench.works("write", "a").await;
            let (reply, took) = timed(bench.call("write", "b")).await;
            bench.answered(&reply, "b", 2);
            assert!(took >= Duration::from_secs(1), "{over:?} {status}: {took:?}");
            assert_eq!((bench.journal.runs("b"), bench.journal.received("b")), (1, 2));
            bench.works("write", "c").await;
            assert!(bench.sessions_made() <= 1, "{over:?}: a refusal is no loss of the session");
        }
    }
}

#[tokio::test]
async fn a_refusal_for_longer_than_the_deadline_is_passed_on_at_once() {
    for over in STREAMABLE {
        for status in [429, 503] {
            let refusal = HttpStep::status(status).header("retry-after", "30");
            let bench = bench(over, once_broken(vec![Step::Http(refusal)])).await;
            bench.works("write", "a").await;
            let (reply, took) = timed(bench.call_within("20", "write", "b")).await;
            bench.failed(&reply, 429, "refused", "throttled");
            bench.came_to(&reply, "refused", 1);
            assert_eq!(reply.header("retry-after"), Some("30"), "{over:?} {status}: {reply}");
            assert!(took < AT_ONCE, "{over:?} {status}: {took:?}");
            assert_eq!((bench.journal.runs("b"), bench.journal.received("b")), (0, 1));
            bench.works("write", "c").await;
        }
    }
}

#[tokio::test]
async fn a_refusal_that_does_not_end_is_passed_on_after_three_attempts() {
    let refusal = Step::Http(HttpStep::json(429, &json!({"error": "slow down"}).to_string()));
    let script = Script::new("scripted").tool(keyed("write")).on_call("write", vec![vec![refusal]]);
    for over in STREAMABLE {
        let bench = bench(over, script.clone()).await;
        let reply = bench.call("write", "a").await;
        bench.failed(&reply, 429, "refused", "throttled");
        bench.came_to(&reply, "refused", 3);
        assert!(reply.header("retry-after").is_some(), "{over:?}: {reply}");
        assert_eq!((bench.journal.runs("a"), bench.journal.received("a")), (0, 3));
    }
}

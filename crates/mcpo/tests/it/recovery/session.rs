//! An upstream forgets our session.

use futures_util::future::join_all;
use mcpo_testkit::{LostSession, Script, Step, What};
use serde_json::json;

use super::{Over, bench, keyed, once_broken, write_and_read};

const CALLS: usize = 50;

#[tokio::test]
async fn fifty_calls_on_a_forgotten_session_share_one_new_one_and_each_runs_once() {
    for lost_session in
        [LostSession::NotFound, LostSession::BadRequest, LostSession::PlainBadRequest]
    {
        let script = Script { lost_session, ..write_and_read(&[]) };
        let mut bench = bench(Over::Legacy, script).await;
        bench.works("write", "before").await;
        assert_eq!(bench.sessions_made(), 1);
        bench.upstream().forget_sessions();
        let keys: Vec<String> = (0..CALLS).map(|number| format!("call-{number}")).collect();
        let replies = join_all(keys.iter().map(|key| bench.call("write", key))).await;
        for (reply, key) in replies.iter().zip(&keys) {
            assert_eq!(reply.status, 200, "{lost_session:?}: {reply}\n{}", bench.world.stderr());
            assert_eq!(reply.json(), json!({ "key": key }));
            assert_eq!((bench.journal.runs(key), bench.journal.received(key)), (1, 1));
        }
        assert_eq!(bench.sessions_made(), 2, "{lost_session:?}");
        assert_eq!(bench.journal.count(What::Handshake), 2, "{lost_session:?}");
        bench.works("write", "after").await;
    }
}

#[tokio::test]
async fn a_forgotten_session_costs_one_attempt_and_nothing_else() {
    let mut bench = bench(Over::Legacy, write_and_read(&[])).await;
    bench.works("write", "a").await;
    bench.upstream().forget_sessions();
    let reply = bench.call("write", "b").await;
    bench.answered(&reply, "b", 2);
    assert_eq!(bench.journal.runs("b"), 1);
    bench.works("write", "c").await;
    assert_eq!(bench.sessions_made(), 2);
}

#[tokio::test]
async fn an_answer_that_names_the_session_as_lost_makes_a_new_one() {
    for (code, message) in [
        (-32600, "Session not found"),
        (-32001, "Session terminated"),
        (-32000, "Bad Request: No valid session ID provided"),
    ] {
        let failure = Step::RpcError { code, message: message.to_owned(), data: json!(null) };
        let bench = bench(Over::Legacy, once_broken(vec![failure])).await;
        bench.works("write", "a").await;
        let reply = bench.call("write", "b").await;
        bench.answered(&reply, "b", 2);
        assert_eq!((bench.journal.runs("b"), bench.journal.received("b")), (1, 2), "{message}");
        bench.works("write", "c").await;
        assert_eq!(bench.journal.count(What::Handshake), 2, "{message}");
    }
}

#[tokio::test]
async fn where_there_is_no_session_an_error_that_names_one_is_the_tools_own() {
    let error =
        Step::RpcError { code: -32600, message: "Session not found".to_owned(), data: json!(null) };
    for over in [Over::Stdio, Over::Modern, Over::Sse] {
        let bench = bench(over, once_broken(vec![Step::Run, error.clone()])).await;
        bench.works("write", "a").await;
        let reply = bench.call("write", "b").await;
        assert_eq!(reply.status, 400, "{over:?}: {reply}");
        bench.came_to(&reply, "reply", 1);
        bench.works("write", "c").await;
        assert_eq!((bench.journal.runs("b"), bench.journal.received("b")), (1, 1), "{over:?}");
        assert_eq!(bench.journal.count(What::Handshake), 1, "{over:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_lost_at_every_call_is_not_chased_for_ever() {
    let failure =
        Step::RpcError { code: -32600, message: "Session not found".to_owned(), data: json!(null) };
    let script = Script::new("scripted").tool(keyed("write")).on_call("write", vec![vec![failure]]);
    let bench = bench(Over::Legacy, script).await;
    let reply = bench.call("write", "a").await;
    bench.failed(&reply, 503, "not_sent", "session_lost");
    bench.came_to(&reply, "not_sent", 3);
    assert!(reply.header("retry-after").is_some(), "{reply}");
    assert_eq!((bench.journal.runs("a"), bench.journal.received("a")), (0, 3));
}

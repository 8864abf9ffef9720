//! Claims about requests over one stream; the test is writer and upstream.

mod play;

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

type Calls = JoinSet<Result<Answer, RequestError>>;

fn call(
    multiplexer: &Multiplexer,
    manner: Manner,
) -> impl Future<Output = Result<Answer, RequestError>> + use<> {
    let multiplexer = multiplexer.clone();
    let deadline = Instant::now() + TIMEOUT;
    async move { multiplexer.request(Request { method: "m", params: &[b"{}"], deadline, manner }).await }
}

/// Lets every task run as far as it can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Takes out what there is to write; panics if there is nothing.
async fn written(outbox: &mut Outbox) -> Vec<Value> {
    let mut batch = Vec::new();
    let more = tokio::time::timeout(Duration::from_millis(1), outbox.next(&mut batch)).await;
    assert!(more.expect("something is to be written"), "the outbox has ended");
    batch
        .iter()
        .map(|outgoing| serde_json::from_slice(&outgoing.frame).expect("frames are JSON"))
        .collect()
}

async fn nothing_to_write(outbox: &mut Outbox) -> bool {
    tokio::time::timeout(Duration::from_millis(1), outbox.next(&mut Vec::new())).await.is_err()
}

fn receive(multiplexer: &Multiplexer, text: &str) {
    multiplexer.receive(&Bytes::copy_from_slice(text.as_bytes())).expect("it is a message");
}

async fn ended(calls: &mut Calls) -> Result<Answer, RequestError> {
    calls.join_next().await.expect("a call is there").expect("it did not panic")
}

fn result(answer: Result<Answer, RequestError>) -> String {
    match answer.expect("an answer came") {
        Answer::Result(result) => String::from_utf8(result.to_vec()).expect("JSON is UTF-8"),
        Answer::Error(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_callers_in_any_order_and_as_slices_of_the_message() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    for _ in 0..3 {
        calls.spawn(call(&multiplexer, Manner::Call));
    }
    settle().await;
    let ids: Vec<u64> =
        written(&mut outbox).await.iter().filter_map(|frame| frame["id"].as_u64()).collect();
    assert_eq!(ids, [1, 2, 3]);
    let message =
        Bytes::from_static(br#"[{"id":3,"result":"c"},{"id":1,"result":null},{"nonsense":1}]"#);
    multiplexer.receive(&message).expect("it is a batch");
    let first = ended(&mut calls).await;
    let Ok(Answer::Result(bytes)) = &first else { panic!("it was answered") };
    assert!(message.as_ptr_range().contains(&bytes.as_ptr()), "the result is no copy");
    let mut results = vec![result(first), result(ended(&mut calls).await)];
    results.sort();
    assert_eq!(results, ["\"c\"", "null"]);
    receive(&multiplexer, r#"{"id":2,"error":{"code":7,"message":"no"}}"#);
    assert_eq!(result(ended(&mut calls).await), "JSON-RPC error 7: no");
    assert_eq!(multiplexer.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_tells_which_requests_it_can_have_seen() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut seen = Calls::new();
    seen.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    let mut queued = Calls::new();
    queued.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    multiplexer.end(&Cause::Broken("cut".to_owned()));
    let of = |answer: Result<Answer, RequestError>| answer.expect_err("the stream ended").sent;
    assert_eq!(of(ended(&mut seen).await), Sent::Maybe);
    assert_eq!(of(ended(&mut queued).await), Sent::No);
    let later = call(&multiplexer, Manner::Call).await.expect_err("the stream ended");
    assert!(matches!(later, RequestError { sent: Sent::No, cause: Cause::Broken(_) }));
}

/// The upstream has refused another request because it does not know the session any more. What it
/// took before that it may have carried out.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_request_refuses_no_other() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut seen = Calls::new();
    seen.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    let mut queued = Calls::new();
    queued.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    multiplexer.end(&Cause::Status {
        status: 404,
        retry_after: None,
        body: "Could not find session".to_owned(),
        rpc: None,
        had_session: true,
    });
    let error = ended(&mut seen).await.expect_err("the session ended");
    assert!(matches!(error, RequestError { sent: Sent::Maybe, cause: Cause::Broken(_) }));
    let error = ended(&mut queued).await.expect_err("the session ended");
    assert!(matches!(error, RequestError { sent: Sent::No, cause: Cause::Status { .. } }));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_was_not_sent() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    outbox.take_back([1]);
    multiplexer.end(&Cause::Broken("cut".to_owned()));
    assert_eq!(ended(&mut calls).await.expect_err("the stream ended").sent, Sent::No);
}

/// HTTP+SSE waits for events at the same time, so that it often leaves the outbox half-way.
#[tokio::test(start_paused = true)]
async fn what_a_writer_left_half_way_is_written_and_counts_as_sent() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    // Not alone in flight: the outbox lets others queue before it gives this one out.
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    let mut batch = Vec::new();
    let left = tokio::select! {
        biased;
        _ = outbox.next(&mut batch) => false,
        () = std::future::ready(()) => true,
    };
    assert!(left && batch.is_empty(), "nothing is given out unmarked");
    assert_eq!(written(&mut outbox).await[0]["id"], 2);
    multiplexer.end(&Cause::Broken("cut".to_owned()));
    while let Some(ended) = calls.join_next().await {
        let error = ended.expect("it did not panic").expect_err("the stream ended");
        assert_eq!(error.sent, Sent::Maybe);
    }
}

#[tokio::test(start_paused = true)]
async fn a_written_request_is_cancelled_exactly_at_its_deadline() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    let begun = Instant::now();
    settle().await;
    written(&mut outbox).await;
    let error = ended(&mut calls).await.expect_err("nobody answered");
    assert!(matches!(error, RequestError { sent: Sent::Maybe, cause: Cause::Deadline }));
    let late = begun.elapsed().saturating_sub(TIMEOUT);
    assert!(begun.elapsed() >= TIMEOUT && late <= Duration::from_millis(2), "late by {late:?}");
    let frames = written(&mut outbox).await;
    assert_eq!(frames[0]["method"], "notifications/cancelled");
    assert_eq!(frames[0]["params"]["requestId"], 1);
    receive(&multiplexer, r#"{"id":1,"result":{}}"#);
    assert_eq!(multiplexer.counts().late.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_before_it_was_written_never_is() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    calls.shutdown().await;
    assert_eq!(multiplexer.pending(), 0);
    assert!(nothing_to_write(&mut outbox).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_after_it_was_written_is_cancelled() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    calls.shutdown().await;
    assert_eq!(written(&mut outbox).await[0]["method"], "notifications/cancelled");
}

#[tokio::test(start_paused = true)]
async fn initialize_is_never_cancelled() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Handshake));
    settle().await;
    written(&mut outbox).await;
    calls.shutdown().await;
    assert!(nothing_to_write(&mut outbox).await);
}

#[tokio::test(start_paused = true)]
async fn an_error_without_an_id_belongs_to_the_only_request_there_is() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    let mut lasting = Calls::new();
    lasting.spawn(call(&multiplexer, Manner::Lasting));
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    let error = r#"{"id":null,"error":{"code":-32700,"message":"parse"}}"#;
    receive(&multiplexer, error);
    assert_eq!(result(ended(&mut calls).await), "JSON-RPC error -32700: parse");
    calls.spawn(call(&multiplexer, Manner::Call));
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    receive(&multiplexer, error);
    settle().await;
    assert_eq!(multiplexer.pending(), 3, "of two it could be anyone's");
    assert_eq!(multiplexer.counts().homeless.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_says_nothing_ends_its_call() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    receive(&multiplexer, r#"{"jsonrpc":"2.0","id":1}"#);
    let error = ended(&mut calls).await.expect_err("it says nothing");
    assert!(matches!(error, RequestError { sent: Sent::Maybe, cause: Cause::Malformed(_) }));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_callers_until_their_deadline() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    for _ in 0..QUEUE_FRAMES_MAX {
        calls.spawn(call(&multiplexer, Manner::Call));
    }
    settle().await;
    advance(Duration::from_secs(1)).await;
    let mut held = Calls::new();
    held.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    assert_eq!(written(&mut outbox).await.len(), QUEUE_FRAMES_MAX);
    assert_eq!(written(&mut outbox).await.len(), 1, "with room the held one comes in");
    // Nobody reads any more: the queue fills with cancellations and never empties.
    for _ in 0..QUEUE_FRAMES_MAX {
        ended(&mut calls).await.expect_err("nobody answers");
    }
    let error = call(&multiplexer, Manner::Call).await.expect_err("there is no room");
    assert!(matches!(error, RequestError { sent: Sent::No, cause: Cause::Full { .. } }));
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_answer_are_bounded() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    for _ in 0..REQUESTS_PENDING_MAX / QUEUE_FRAMES_MAX {
        for _ in 0..QUEUE_FRAMES_MAX {
            calls.spawn(call(&multiplexer, Manner::Call));
        }
        settle().await;
        written(&mut outbox).await;
    }
    let error = call(&multiplexer, Manner::Call).await.expect_err("there are too many");
    assert!(matches!(
        error,
        RequestError { sent: Sent::No, cause: Cause::Full { waiting: REQUESTS_PENDING_MAX } }
    ));
}

#[tokio::test(start_paused = true)]
async fn an_id_as_large_as_a_message_is_not_sent_back() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let id = "x".repeat(2000);
    receive(&multiplexer, &format!(r#"{{"id":"{id}","method":"ping"}}"#));
    receive(&multiplexer, r#"{"id":"short","method":"ping"}"#);
    let frames = written(&mut outbox).await;
    assert_eq!((frames.len(), frames[0]["id"].as_str()), (1, Some("short")));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_is_answered() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    receive(&multiplexer, r#"{"jsonrpc":"2.0","id":"p-1","method":"ping"}"#);
    receive(
        &multiplexer,
        r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#,
    );
    let frames = written(&mut outbox).await;
    assert_eq!(frames[0], serde_json::json!({"jsonrpc":"2.0","id":"p-1","result":{}}));
    assert_eq!(
        (&frames[1]["id"], &frames[1]["error"]["code"]),
        (&Value::from(9), &Value::from(-32601))
    );
}

#[tokio::test(start_paused = true)]
async fn changed_tools_are_heard() {
    let (multiplexer, _outbox) = Multiplexer::new();
    let mut changes = multiplexer.tools_changed();
    receive(&multiplexer, r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
    assert!(!changes.has_changed().expect("the stream lives"));
    receive(&multiplexer, r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    changes.changed().await.expect("the stream lives");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_may_end_a_subscription_but_no_call() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Lasting));
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    written(&mut outbox).await;
    for id in [1, 2] {
        receive(
            &multiplexer,
            &format!(r#"{{"method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#),
        );
    }
    assert!(matches!(ended(&mut calls).await, Err(RequestError { cause: Cause::Broken(_), .. })));
    assert_eq!(multiplexer.pending(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = Calls::new();
    calls.spawn(call(&multiplexer, Manner::Call));
    settle().await;
    multiplexer.close();
    let refused = call(&multiplexer, Manner::Call).await.expect_err("it is closed");
    assert!(matches!(refused, RequestError { sent: Sent::No, cause: Cause::Closed }));
    assert_eq!(written(&mut outbox).await.len(), 1);
    assert!(!outbox.next(&mut Vec::new()).await, "then the outbox ends");
    receive(&multiplexer, r#"{"id":1,"result":1}"#);
    assert_eq!(result(ended(&mut calls).await), "1");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_its_deadline_behind_it_is_not_sent() {
    let (multiplexer, mut outbox) = Multiplexer::new();
    let late = call(&multiplexer, Manner::Call);
    sleep(TIMEOUT * 2).await;
    assert!(matches!(late.await, Err(RequestError { sent: Sent::No, cause: Cause::Deadline })));
    assert!(nothing_to_write(&mut outbox).await);
}

//! Claims about writing, over an in-memory pipe.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, duplex};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::error::{Cause, RequestError, Sent};
use crate::multiplex::{Manner, Multiplexer, Request};

async fn call(multiplexer: Multiplexer, bytes: usize) -> Result<(), RequestError> {
    let params = format!("\"{}\"", "x".repeat(bytes));
    let deadline = Instant::now() + Duration::from_secs(10);
    let request =
        Request { method: "m", params: &[params.as_bytes()], deadline, manner: Manner::Call };
    multiplexer.request(request).await.map(|_answer| ())
}

#[tokio::test(start_paused = true)]
async fn frames_come_out_whole_one_a_line_through_a_narrow_pipe() {
    let (ours, theirs) = duplex(16);
    let (multiplexer, outbox) = Multiplexer::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = write_messages(ours, outbox).await;
    });
    let mut calls = JoinSet::new();
    for bytes in [0, 1000, 10] {
        calls.spawn(call(multiplexer.clone(), bytes));
    }
    let mut lines = BufReader::new(theirs).lines();
    for id in 1..=3 {
        let line =
            lines.next_line().await.expect("the pipe is whole").expect("a line for each call");
        let frame: serde_json::Value = serde_json::from_str(&line).expect("a line is a frame");
        assert_eq!(frame["id"], id);
    }
    multiplexer.close();
    assert!(
        lines.next_line().await.expect("the pipe is whole").is_none(),
        "closing ends the stream"
    );
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_read_costs_no_more_than_the_deadline() {
    let (ours, _theirs) = duplex(16);
    let (multiplexer, outbox) = Multiplexer::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(write_messages(ours, outbox));
    let mut calls = JoinSet::new();
    calls.spawn(call(multiplexer.clone(), 100));
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    calls.spawn(call(multiplexer.clone(), 100));
    let begun = Instant::now();
    let mut sent = Vec::new();
    while let Some(ended) = calls.join_next().await {
        let error = ended.expect("it did not panic").expect_err("nobody answers");
        assert!(matches!(error.cause, Cause::Deadline));
        sent.push(error.sent == Sent::Maybe);
    }
    sent.sort_unstable();
    assert_eq!(sent, [false, true], "the second one stayed in the queue");
    assert!(begun.elapsed() < Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_pipe_that_is_dead_before_the_write_sent_nothing() {
    let (ours, theirs) = duplex(16);
    drop(theirs);
    let (multiplexer, outbox) = Multiplexer::new();
    let mut calls = JoinSet::new();
    calls.spawn(call(multiplexer.clone(), 10));
    let mut tasks = JoinSet::new();
    tasks.spawn(write_messages(ours, outbox));
    assert!(tasks.join_next().await.expect("it is there").expect("no panic").is_err());
    multiplexer.end(&Cause::Broken("stdin".to_owned()));
    let error = calls
        .join_next()
        .await
        .expect("it is there")
        .expect("no panic")
        .expect_err("the pipe is dead");
    assert_eq!(error.sent, Sent::No);
}

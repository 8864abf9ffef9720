//! Claims about reading, over an in-memory pipe.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::answer::Answer;
use crate::error::RequestError;
use crate::multiplex::{Manner, Outbox, Request};
use crate::redact::Redactor;

/// Small, so that the bound can be met.
const LIMIT_BYTES: usize = 4096;

struct Play {
    upstream: DuplexStream,
    _outbox: Outbox,
    reading: JoinSet<Cause>,
    calls: JoinSet<(u64, Result<Answer, RequestError>)>,
}

/// A reader, and as many calls that wait (ids from 1 on).
async fn play(calls_count: u64) -> Play {
    let (ours, upstream) = duplex(64);
    let (multiplexer, mut outbox) = Multiplexer::new();
    let mut calls = JoinSet::new();
    for id in 1..=calls_count {
        let multiplexer = multiplexer.clone();
        calls.spawn(async move {
            let deadline = Instant::now() + Duration::from_secs(10);
            (
                id,
                multiplexer
                    .request(Request { method: "m", params: &[], deadline, manner: Manner::Call })
                    .await,
            )
        });
        tokio::task::yield_now().await;
    }
    let mut batch = Vec::new();
    while batch.len() < usize::try_from(calls_count).expect("few calls") {
        assert!(outbox.next(&mut batch).await);
    }
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let tail = Tail::new(Redactor::new(&[]));
        let reader = Reader {
            multiplexer: &multiplexer,
            tail: &tail,
            garbage: 0,
            message_bytes_max: LIMIT_BYTES,
        };
        let cause = reader.run(ours).await;
        multiplexer.end(&cause);
        cause
    });
    Play { upstream, _outbox: outbox, reading, calls }
}

impl Play {
    async fn say(&mut self, text: &[u8]) {
        self.upstream.write_all(text).await.expect("the reader reads");
    }

    async fn ended(&mut self) -> (u64, Result<String, Cause>) {
        let (id, answer) =
            self.calls.join_next().await.expect("a call is there").expect("no panic");
        let text = answer.map(|answer| match answer {
            Answer::Result(result) => String::from_utf8(result.to_vec()).expect("JSON is UTF-8"),
            Answer::Error(error) => error.to_string(),
        });
        (id, text.map_err(|error| error.cause))
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_between_messages_is_skipped() {
    let mut play = play(1).await;
    play.say(b"\n\r\nStarting...\n{'python': True}\n{\"level\":30}\n\xff\xfe\n{\"id\":1,\n").await;
    play.say(b"{\"id\":1,\"result\":7}\r\n").await;
    assert!(matches!(play.ended().await, (1, Ok(text)) if text == "7"));
}

#[tokio::test(start_paused = true)]
async fn a_byte_that_is_not_utf8_does_not_cost_the_answer() {
    let mut play = play(1).await;
    play.say(b"{\"id\":1,\"result\":\"caf\xe9\"}\n").await;
    assert!(matches!(play.ended().await, (1, Ok(text)) if text == "\"caf\u{fffd}\""));
}

#[tokio::test(start_paused = true)]
async fn a_last_line_without_its_line_break_counts() {
    let mut play = play(1).await;
    play.say(b"{\"id\":1,\"result\":7}").await;
    play.upstream.shutdown().await.expect("it is open");
    assert!(matches!(play.ended().await, (1, Ok(text)) if text == "7"));
    let cause = play.reading.join_next().await.expect("it is there").expect("no panic");
    assert!(matches!(cause, Cause::Broken(_)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_fails_its_own_call_only() {
    let long = "x".repeat(LIMIT_BYTES * 3);
    for large in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"id":9}},"{long}"]}}}}"#),
        format!(r#"{{"result":{{"content":["{long}"]}},"jsonrpc":"2.0","id":1}}"#),
        format!(r#"{{"result":{{"id":2,"content":["{long}"]}},"id":"1"}}"#),
    ] {
        let mut play = play(2).await;
        play.say(large.as_bytes()).await;
        play.say(b"\n{\"id\":2,\"result\":7}\n").await;
        assert!(matches!(
            play.ended().await,
            (1, Err(Cause::TooLarge { limit_bytes: LIMIT_BYTES }))
        ));
        assert!(matches!(play.ended().await, (2, Ok(text)) if text == "7"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_large_and_could_be_anyones_ends_the_session() {
    let long = "x".repeat(LIMIT_BYTES * 3);
    for large in [
        long.clone(),
        format!(r#"{{"result":{{"content":["{long}"],"id":1}}}}"#),
        format!(r#"{{"meta":{{"id":1}},"result":{{"content":["{long}"]}}}}"#),
        format!(r#"{{"id":77,"result":"{long}"}}"#),
    ] {
        let mut play = play(2).await;
        play.say(large.as_bytes()).await;
        play.say(b"\n").await;
        for _ in 0..2 {
            assert!(matches!(play.ended().await, (_, Err(Cause::TooLarge { .. }))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_just_under_the_bound_arrives() {
    let mut play = play(1).await;
    let long = "x".repeat(LIMIT_BYTES - 100);
    play.say(format!("{{\"id\":1,\"result\":\"{long}\"}}\n").as_bytes()).await;
    assert!(matches!(play.ended().await, (1, Ok(text)) if text.len() == long.len() + 2));
}

//! The parsers of what an upstream sends, for fuzzers: each function feeds the real parser and
//! panics where one of its invariants does not hold.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use serde_json::value::RawValue;

use crate::frame::{self, Message, Reply};
use crate::http::bounds::{EVENT_ID_BYTES_MAX, RETRY_AFTER_MAX};
use crate::http::retry_after as retry_after_header;
use crate::http::sse_stream::{Cursor, Event, Parser};

/// One JSON-RPC message or batch of them, and one frame around arguments of ours.
///
/// # Panics
/// An invariant does not hold.
pub fn frame(data: &[u8]) {
    let is_json = serde_json::from_slice::<&RawValue>(data).is_ok();
    match Message::parse(data) {
        Ok(message) => {
            // A member that nobody reads is skipped without a look at its characters.
            let text = String::from_utf8_lossy(data);
            let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
            assert!(is_json && !frame::is_batch(data), "a message that is no JSON object");
            check_message(data, &message);
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error without words"),
    }
    if let Ok(messages) = frame::split_batch(data) {
        assert!(is_json, "a batch that is not JSON");
        for message in messages {
            if let Ok(message) = Message::parse(message.get().as_bytes()) {
                check_message(data, &message);
            }
        }
    }
    check_request(data, is_json);
}

fn check_message(whole: &[u8], message: &Message<'_>) {
    match message {
        Message::Response { reply: Reply::Result(raw), .. } => {
            assert!(is_part_of(whole, raw.as_bytes()), "a result that is no slice of its message");
        }
        Message::Response { reply: Reply::Nonsense(why), .. } => assert!(!why.is_empty()),
        Message::Request { id, .. } => {
            for answer in [frame::empty_result(id), frame::method_not_found(id)] {
                let parsed = Message::parse(&answer);
                assert!(matches!(parsed, Ok(Message::Response { .. })), "a reply of ours is odd");
            }
        }
        Message::Response { reply: Reply::Error(_), .. } | Message::Notification { .. } => {}
    }
}

fn is_part_of(whole: &[u8], part: &[u8]) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr())
        && part.as_ptr_range().end <= whole.as_ptr_range().end
}

/// Whatever the parameters are, a frame is one line; and where they are JSON, it is.
fn check_request(params: &[u8], is_json: bool) {
    let request = frame::request(u64::MAX, "tools/call", &[params]);
    assert!(memchr::memchr2(b'\n', b'\r', &request).is_none(), "a frame of several lines");
    if is_json {
        let parsed = Message::parse(&request);
        assert!(matches!(parsed, Ok(Message::Request { .. })), "a request of ours is odd");
    }
}

/// A stream of server-sent events: any cut of it into chunks gives the same events.
///
/// # Panics
/// An invariant does not hold.
pub fn sse(data: &[u8]) {
    let whole = events(data, data.len());
    for chunk in [1, 2, 3, 7, 64] {
        assert_eq!(whole, events(data, chunk), "cut into chunks of {chunk} bytes");
    }
    let (events, cursor) = whole;
    let bytes: usize = events.iter().map(|event| event.data.len()).sum();
    assert!(bytes <= data.len(), "more data than came");
    assert!(events.iter().all(|event| !event.data.is_empty()), "an event without data");
    assert!(cursor.last_event_id.is_none_or(|id| !id.is_empty() && id.len() <= EVENT_ID_BYTES_MAX));
}

fn events(data: &[u8], chunk: usize) -> (Vec<Event>, Cursor) {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for piece in data.chunks(chunk.max(1)) {
        parser.feed(Bytes::copy_from_slice(piece));
        while let Ok(Some(event)) = parser.next_event() {
            events.push(event);
        }
    }
    events.extend(parser.finish().ok().flatten());
    (events, parser.cursor().clone())
}

/// The value of a `Retry-After` header.
///
/// # Panics
/// An invariant does not hold.
pub fn retry_after(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let early = SystemTime::UNIX_EPOCH;
    let late = early + Duration::from_secs(4_000_000_000);
    let [first, second] = [early, late].map(|now| retry_after_header::parse(&value, now));
    assert_eq!(first.is_some(), second.is_some(), "the clock decides whether it is understood");
    assert!(first >= second, "a later look finds a longer wait");
    assert!(first.is_none_or(|wait| wait <= RETRY_AFTER_MAX), "a wait over the bound");
    let text = data.trim_ascii();
    if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        assert!(first.is_some() && first == second, "seconds are seconds");
    }
}

#[cfg(test)]
mod tests;

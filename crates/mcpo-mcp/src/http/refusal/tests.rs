//! Telling a lost session from other refusals.

use http::HeaderValue;

use super::*;

fn status(status: u16, body: &str, had_session: bool) -> Cause {
    Cause::Status {
        status,
        retry_after: None,
        body: body.to_owned(),
        rpc: error_in(body.as_bytes()),
        had_session,
    }
}

#[test]
fn a_session_is_lost_only_where_the_upstream_says_so() {
    let error = |code: i64, message: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"{message}"}}}}"#)
    };
    let lost = [
        (404, String::new()),
        (404, error(-32001, "Session not found")),
        (404, "Not Found".to_owned()),
        (400, error(-32000, "Bad Request: No valid session ID provided")),
        (400, error(-32600, "Session terminated")),
        (400, "Invalid session".to_owned()),
        (400, error(-32000, "Bad Request: Server not initialized")),
        (401, "Unauthorized: Session not found".to_owned()),
    ];
    for (code, body) in &lost {
        assert!(is_session_lost(&status(*code, body, true)), "{code} {body}");
        assert!(!is_session_lost(&status(*code, body, false)), "{code} {body} without a session");
    }
    let kept = [
        (404, error(-32601, "Method not found")),
        (400, error(-32602, "session_name is required")),
        (400, error(-32600, "Invalid request")),
        (400, String::new()),
        (401, "session".to_owned()),
        (500, error(-32000, "session")),
    ];
    for (code, body) in &kept {
        assert!(!is_session_lost(&status(*code, body, true)), "{code} {body}");
    }
}

#[test]
fn an_excerpt_is_bounded_and_whole_characters() {
    let long = "é".repeat(EXCERPT_BYTES_MAX);
    let start = excerpt(&long.as_bytes()[1..]);
    assert!(start.len() <= EXCERPT_BYTES_MAX + 3);
    assert!(!start.ends_with('\u{FFFD}'));
}

#[test]
fn only_the_event_stream_type_is_one() {
    let is = |value: &'static str| {
        is_event_stream(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
    };
    assert!(
        is("text/event-stream")
            && is("Text/Event-Stream; charset=utf-8")
            && is("text/event-stream ;x")
    );
    assert!(!is("application/json") && !is("text/event-streams") && !is(""));
}

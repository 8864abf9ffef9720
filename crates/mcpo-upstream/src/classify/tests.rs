mod corpus;

use std::time::Duration;

use mcpo_core::outcome::OutcomeKind;

use super::*;

fn rpc(code: i64, message: &str) -> RpcError {
    RpcError { code, message: message.to_owned(), data: None }
}

fn status(status: u16, body: &str, had_session: bool) -> Cause {
    Cause::Status { status, retry_after: None, body: body.to_owned(), rpc: None, had_session }
}

fn status_rpc(code_http: u16, code: i64, message: &str, had_session: bool) -> Cause {
    let error = rpc(code, message);
    Cause::Status {
        status: code_http,
        retry_after: None,
        body: String::new(),
        rpc: Some(error),
        had_session,
    }
}

/// What the transport makes of an error as answer to a request of its own, or that means the
/// session.
fn refused(code: i64, message: &str) -> Cause {
    Cause::Refused { method: "tools/call", error: rpc(code, message) }
}

/// Each row: what happened, what it is, what the call came to when it may have been written.
fn check(cause: &Cause, kind: FaultKind, written: OutcomeKind) {
    let outcome = classify(Err(RequestError::maybe_sent(cause.clone())));
    assert_eq!(outcome.kind(), written, "{cause:?}");
    assert_eq!(fault_of(cause).kind, kind, "{cause:?}");
}

#[test]
fn every_cause_has_its_fault_and_its_outcome() {
    use FaultKind as F;
    use OutcomeKind as O;
    let exited = Cause::Exited { status: "exit code 1".into(), stderr: "boom\n".into() };
    for (cause, kind, outcome) in [
        (exited, F::Disconnected, O::Unknown),
        (Cause::Broken("reset".into()), F::Disconnected, O::Unknown),
        (Cause::Deadline, F::Timeout, O::Unknown),
        (status(500, "<html>oops</html>", true), F::ServerError, O::Unknown),
        (status(502, "", true), F::ServerError, O::Unknown),
        (status(504, "", true), F::ServerError, O::Unknown),
        (status(503, "", true), F::Throttled, O::Refused),
        (status(429, "", true), F::Throttled, O::Refused),
        (status(401, "", true), F::Unauthorized, O::NotSent),
        (status(403, "", true), F::Unauthorized, O::NotSent),
        (status(404, "", true), F::SessionLost, O::NotSent),
        (status(404, "Not Found", false), F::Unreachable, O::NotSent),
        (status(410, "Gone", false), F::Unreachable, O::NotSent),
        (status(303, "", false), F::Nonsense, O::Unknown),
        (status_rpc(503, -32000, "Server is shutting down", true), F::ServerError, O::Unknown),
        (
            status_rpc(400, -32000, "Bad Request: No valid session ID provided", true),
            F::SessionLost,
            O::NotSent,
        ),
        (status_rpc(404, -32600, "Session not found", true), F::SessionLost, O::NotSent),
        (status_rpc(404, -32001, "Session not found", false), F::SessionLost, O::NotSent),
        (status(400, "Bad Request: Server not initialized", true), F::SessionLost, O::NotSent),
        (status_rpc(400, -32022, "unsupported protocol version", true), F::SessionLost, O::NotSent),
        (status_rpc(401, -32001, "Session not found", true), F::SessionLost, O::NotSent),
        (status(401, "invalid token", true), F::Unauthorized, O::NotSent),
        (status_rpc(404, -32601, "Method not found", true), F::Nonsense, O::Reply),
        (status_rpc(400, -32602, "Invalid arguments", true), F::Nonsense, O::Reply),
        (Cause::Malformed("not JSON".into()), F::Nonsense, O::Unknown),
        (Cause::TooLarge { limit_bytes: 1 }, F::Nonsense, O::Unknown),
        (Cause::Closed, F::Stopping, O::Unknown),
        (refused(-32001, "Session not found"), F::SessionLost, O::NotSent),
        (refused(-32603, "Session not found"), F::ServerError, O::Unknown),
    ] {
        check(&cause, kind, outcome);
    }
}

#[test]
fn what_was_never_written_may_be_sent_again_whatever_broke() {
    let exited = Cause::Exited { status: "signal 9".into(), stderr: String::new() };
    let refused = Cause::Connect { stage: Stage::Refused, reason: "refused".into() };
    assert!(fault_of(&refused).was_free());
    for cause in [refused, exited, Cause::Broken("eof".into()), Cause::Deadline] {
        let outcome = classify(Err(RequestError::not_sent(cause)));
        assert_eq!(outcome.kind(), OutcomeKind::NotSent);
    }
}

#[test]
fn an_error_of_the_upstream_is_a_reply_whatever_it_says_of_sessions() {
    for (code, message, kind) in [
        (-32602, "Invalid params", OutcomeKind::Reply),
        (-32001, "Request timed out", OutcomeKind::Reply),
        (-32000, "The browser session expired after the order was placed", OutcomeKind::Reply),
        (-32001, "Session not found", OutcomeKind::Reply),
        (-32602, "session parameter is invalid", OutcomeKind::Reply),
        (-32603, "Internal error", OutcomeKind::Unknown),
    ] {
        assert_eq!(
            classify(Ok(Answer::Error(rpc(code, message)))).kind(),
            kind,
            "{code} {message}"
        );
    }
}

#[test]
fn the_wait_that_the_upstream_asks_for_is_kept() {
    let cause = Cause::Status {
        status: 429,
        retry_after: Some(Duration::from_secs(7)),
        body: String::new(),
        rpc: None,
        had_session: true,
    };
    assert_eq!(fault_of(&cause).retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_message_without_end_is_bounded_in_the_detail() {
    let long = "x".repeat(100_000);
    assert!(fault_of(&refused(-32602, &long)).detail.len() < 600);
    let outcome = classify(Ok(Answer::Error(rpc(-32603, &long))));
    let fault = outcome.fault().expect("an internal error is no reply");
    assert!(fault.detail.len() < 600);
    assert_eq!(fault.said.as_ref().map(|said| said.message.len()), Some(long.len()));
}

#[test]
fn the_last_words_of_a_child_are_in_the_detail_but_bounded() {
    let cause = Cause::Exited {
        status: "exit code 1".into(),
        stderr: format!("{}\nlast line\n", "x".repeat(5000)),
    };
    let detail = fault_of(&cause).detail;
    assert!(detail.ends_with("last line") && detail.len() < 600, "{detail}");
}

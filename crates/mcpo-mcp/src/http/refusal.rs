//! An HTTP status that is no answer: what it says, as facts.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};

use crate::error::{Cause, RpcError};
use crate::frame::{METHOD_NOT_FOUND, Message, Reply};
use crate::http::bounds::{ERROR_BODY_BYTES_MAX, ERROR_BODY_WAIT_MAX, EXCERPT_BYTES_MAX};
use crate::http::exchange::Response;
use crate::http::retry_after;
use crate::http::sse_stream::Parser;

/// Reads the body, within its bounds, and tells what came. Never fails: a body that breaks off
/// only says less.
pub(crate) async fn refusal(mut response: Response, had_session: bool) -> Cause {
    let status = response.status();
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value| retry_after::parse(value, now()));
    let redirected = status.is_redirection().then(|| redirected_to(response.headers())).flatten();
    let is_stream = is_event_stream(response.headers());
    let body = start_of_body(&mut response).await;
    let rpc = if is_stream { error_in_stream(body.clone()) } else { error_in(&body) };
    let body = redirected.unwrap_or_else(|| excerpt(&body));
    Cause::Status { status: status.as_u16(), retry_after, body, rpc, had_session }
}

/// Whether the cause says that the session is gone. The status alone does not tell: the
/// specification wants 404, TypeScript servers answer 400, older Rust ones 401, and other errors
/// have the same statuses and codes. What a call makes of it is decided elsewhere.
pub(crate) fn is_session_lost(cause: &Cause) -> bool {
    let Cause::Status { status, body, rpc, had_session: true, .. } = cause else { return false };
    let code = rpc.as_ref().map(|error| error.code);
    let text = rpc.as_ref().map_or(body.as_str(), |error| &error.message).to_ascii_lowercase();
    match status {
        404 => code != Some(METHOD_NOT_FOUND),
        400 => {
            matches!(code, None | Some(SERVER_ERROR | SESSION_NOT_FOUND | INVALID_REQUEST))
                && (text.contains("session") || text.contains("not initialized"))
        }
        401 => text.contains("session not found"),
        _other => false,
    }
}

/// Whether an error that came as an ordinary answer says that the session is gone. A tool's own
/// error may speak of sessions too, so the words are taken narrowly.
pub(crate) fn names_lost_session(error: &RpcError) -> bool {
    const WORDS: [&str; 5] = [
        "session not found",
        "session expired",
        "session terminated",
        "no valid session",
        "invalid session id",
    ];
    let text = error.message.to_ascii_lowercase();
    matches!(error.code, SERVER_ERROR | SESSION_NOT_FOUND | INVALID_REQUEST)
        && WORDS.iter().any(|words| text.contains(words))
}

/// Codes that servers use for a session that they do not know.
const SERVER_ERROR: i64 = -32000;
const SESSION_NOT_FOUND: i64 = -32001;
const INVALID_REQUEST: i64 = -32600;

pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}

/// The start of a text for people, cut at a character.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES_MAX)]);
    text.trim_end_matches('\u{FFFD}').to_owned()
}

async fn start_of_body(response: &mut Response) -> Bytes {
    let until = Instant::now() + ERROR_BODY_WAIT_MAX;
    let mut body = BytesMut::new();
    while body.len() < ERROR_BODY_BYTES_MAX {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    body.truncate(ERROR_BODY_BYTES_MAX);
    body.freeze()
}

fn error_in(body: &[u8]) -> Option<RpcError> {
    match Message::parse(body).ok()? {
        Message::Response { reply: Reply::Error(error), .. } => Some(error),
        Message::Response { .. } | Message::Request { .. } | Message::Notification { .. } => None,
    }
}

fn error_in_stream(body: Bytes) -> Option<RpcError> {
    let mut parser = Parser::default();
    parser.feed(body);
    let event = parser.next_event().ok()?.or(parser.finish().ok()?)?;
    error_in(&event.data)
}

/// Where a redirect that we do not follow leads, without what may be secret in it.
fn redirected_to(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let target = url::Url::parse(location).ok()?;
    Some(format!("redirected to {}, which is not followed", crate::http::peer::origin(&target)))
}

#[expect(clippy::disallowed_methods, reason = "an HTTP date means wall clock time")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[cfg(test)]
mod tests;

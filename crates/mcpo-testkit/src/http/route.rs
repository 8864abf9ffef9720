//! Which request is which, and what is refused before it reaches the script: unknown paths,
//! methods and sessions, and modern headers that do not fit the body.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Body, Cut, Shared, never, sse, stream};
use crate::engine::{Effect, is_modern, lock};
use crate::journal::{Entry, What};
use crate::reply::{self, MODERN, VERSION_KEY};
use crate::script::{Era, LostSession};

/// The response, or the end of the connection.
pub(crate) type Routed = Result<Response<Body>, Cut>;

pub(crate) async fn route(shared: &Arc<Shared>, request: Request<Incoming>) -> Routed {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let session =
        parts.uri.query().and_then(|query| query.strip_prefix("session=")).unwrap_or_default();
    match (parts.uri.path(), &parts.method) {
        ("/mcp", &Method::POST) => post(shared, &parts.headers, &body).await,
        ("/mcp", &Method::GET) if shared.engine.script.era != Era::Modern => {
            listen(shared, &parts.headers)
        }
        ("/mcp", &Method::DELETE) if shared.engine.script.era != Era::Modern => {
            Ok(delete(shared, &parts.headers))
        }
        ("/sse", &Method::GET) => Ok(sse::open(shared)),
        ("/messages", &Method::POST) => {
            Ok(sse::post(shared, session, &body, journaled(&parts.headers)))
        }
        ("/mcp" | "/sse" | "/messages", _) => {
            Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
        }
        _ => Ok(plain(StatusCode::NOT_FOUND, "Not Found")),
    }
}

async fn post(shared: &Arc<Shared>, headers: &HeaderMap, body: &Bytes) -> Routed {
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        let error = reply::error(&Value::Null, -32700, "Parse error", &Value::Null);
        return Ok(json_reply(StatusCode::BAD_REQUEST, error));
    };
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    let modern = is_modern(&message["params"]) && shared.engine.script.era != Era::Legacy;
    let refusal = if modern {
        bad_headers(&message, headers)
    } else {
        lost_session(shared, &method, headers)
    };
    if let Some(refusal) = refusal {
        shared.engine.record(&Entry {
            headers: journaled(headers),
            ..Entry::new(What::Refused).tool(&method)
        });
        return Ok(refusal);
    }
    let is_request = !method.is_empty() && !message["id"].is_null();
    let effects = shared.play(message, journaled(headers));
    if !is_request {
        return Ok(empty(StatusCode::ACCEPTED));
    }
    let mut response = stream::answer(shared, effects, modern).await?;
    if method == "initialize"
        && response.status() == StatusCode::OK
        && shared.engine.script.sessions
    {
        let id = shared.new_session().parse().expect("our session ids are header values");
        response.headers_mut().insert("mcp-session-id", id);
    }
    Ok(response)
}

/// The refusal of a legacy request whose session is missing or unknown.
fn lost_session(shared: &Shared, method: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let script = &shared.engine.script;
    // A modern-only server refuses by its protocol version, which the engine does.
    if method == "initialize" || !script.sessions || script.era == Era::Modern {
        return None;
    }
    let no_session = || {
        let message = "Bad Request: No valid session ID provided";
        json_reply(
            StatusCode::BAD_REQUEST,
            reply::error(&Value::Null, -32000, message, &Value::Null),
        )
    };
    let Some(id) = session_id(headers) else { return Some(no_session()) };
    if lock(&shared.sessions).contains(id) {
        return None;
    }
    Some(match script.lost_session {
        LostSession::NotFound => json_reply(
            StatusCode::NOT_FOUND,
            reply::error(&Value::Null, -32001, "Session not found", &Value::Null),
        ),
        LostSession::BadRequest => no_session(),
        LostSession::PlainBadRequest => {
            plain(StatusCode::BAD_REQUEST, "Invalid or missing session ID")
        }
    })
}

fn session_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("mcp-session-id").and_then(|id| id.to_str().ok())
}

/// The refusal of a modern request whose headers do not say what its body says.
fn bad_headers(message: &Value, headers: &HeaderMap) -> Option<Response<Body>> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let version = message["params"]["_meta"][VERSION_KEY].as_str();
    if version != Some(MODERN) {
        let data = json!({"supported": [MODERN], "requested": version});
        let error = reply::error(&message["id"], -32022, "unsupported protocol version", &data);
        return Some(json_reply(StatusCode::BAD_REQUEST, error));
    }
    let method = message["method"].as_str();
    let named =
        if method == Some("tools/call") { message["params"]["name"].as_str() } else { None };
    // A name that is no plain ASCII comes encoded; what it decodes to is the client's own test.
    let name_fits = header("mcp-name") == named
        || header("mcp-name").is_some_and(|name| name.starts_with("=?base64?"));
    if header("mcp-protocol-version") == version && header("mcp-method") == method && name_fits {
        return None;
    }
    let error = reply::error(&message["id"], -32020, "headers do not match the body", &Value::Null);
    Some(json_reply(StatusCode::BAD_REQUEST, error))
}

/// The legacy GET stream: the rest of an ended stream, or what the server says unasked.
fn listen(shared: &Arc<Shared>, headers: &HeaderMap) -> Routed {
    if let Some(refusal) = lost_session(shared, "GET", headers) {
        return Ok(refusal);
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    shared
        .engine
        .record(&Entry { headers: journaled(headers), ..Entry::new(What::Listen).key(last) });
    let rest = lock(&shared.resumable).remove(last);
    Ok(match rest {
        Some(effects) => stream::events(shared, None, effects),
        None => stream::notices(shared),
    })
}

fn delete(shared: &Shared, headers: &HeaderMap) -> Response<Body> {
    let known = session_id(headers).is_some_and(|id| lock(&shared.sessions).remove(id));
    if known {
        shared.engine.record(&Entry::new(What::Deleted));
    }
    empty(if known { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

/// Whether the first effect is an answer that a status other than 200 belongs to.
pub(crate) fn status_of(answer: &str, modern: bool) -> StatusCode {
    let code = if modern { error_code(answer) } else { None };
    match code {
        Some(-32601) => StatusCode::NOT_FOUND,
        Some(-32022..=-32020) => StatusCode::BAD_REQUEST,
        Some(_) | None => StatusCode::OK,
    }
}

fn error_code(answer: &str) -> Option<i64> {
    serde_json::from_str::<Value>(answer).ok()?.get("error")?.get("code")?.as_i64()
}

pub(crate) fn scripted(effect: &crate::HttpStep) -> Response<Body> {
    let mut response = Response::builder().status(effect.status);
    for (name, value) in &effect.headers {
        response = response.header(name, value);
    }
    response.body(full(effect.body.clone())).expect("a script's status and headers are valid")
}

pub(crate) fn json_reply(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    typed(status, "application/json", body)
}

pub(crate) fn typed(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    typed(status, "text/plain", text)
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(never).boxed_unsync()
}

fn journaled(headers: &HeaderMap) -> Value {
    let pairs = headers.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        )
    });
    Value::Object(pairs.collect())
}

/// Whether an effect can stand at the head of a plain (not streamed) response.
pub(crate) fn stands_alone(effect: &Effect) -> bool {
    matches!(effect, Effect::Last(_) | Effect::Bytes(_) | Effect::Http(_))
}

//! HTTP+SSE (2024-11-05): one event stream for all that the server says, and a POST for each
//! message of the client.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{once, unfold};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use super::route::{empty, json_reply};
use super::stream::{event, event_stream};
use super::{Body, Cut, Shared};
use crate::engine::{EFFECTS_MAX, Effect, lock};
use crate::reply;

/// Opens a session: its first event names the endpoint.
pub(crate) fn open(shared: &Arc<Shared>) -> Response<Body> {
    let session = shared.new_session();
    let (tx, effects) = mpsc::channel(EFFECTS_MAX);
    let notices = shared.engine.notices.subscribe();
    lock(&shared.streams).insert(session.clone(), tx);
    let endpoint = Bytes::from(format!("event: endpoint\ndata: /messages?session={session}\n\n"));
    let end = SessionEnd { shared: Arc::clone(shared), session };
    let rest = unfold((effects, notices, end), |(mut effects, mut notices, end)| async move {
        loop {
            let frame = tokio::select! {
                effect = effects.recv() => frame(&end.shared, effect?),
                Ok(notice) = notices.recv() => Some(Ok(Frame::data(event(&notice)))),
            };
            if let Some(frame) = frame {
                return Some((frame, (effects, notices, end)));
            }
        }
    });
    let frames = once(async { Ok(Frame::data(endpoint)) }).chain(rest);
    event_stream(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

/// Takes one message; what it comes to is written to the session's stream.
pub(crate) fn post(
    shared: &Arc<Shared>,
    session: &str,
    body: &Bytes,
    headers: Value,
) -> Response<Body> {
    let Some(out) = lock(&shared.streams).get(session).cloned() else {
        return json_reply(StatusCode::NOT_FOUND, "Could not find session");
    };
    match serde_json::from_slice(body) {
        Ok(message) => {
            shared.play_to(message, headers, out);
            empty(StatusCode::ACCEPTED)
        }
        Err(error) => {
            let text = reply::error(&Value::Null, -32700, &error.to_string(), &Value::Null);
            json_reply(StatusCode::BAD_REQUEST, text)
        }
    }
}

fn frame(shared: &Shared, effect: Effect) -> Option<Result<Frame<Bytes>, Cut>> {
    match effect {
        Effect::Message(text) | Effect::Last(text) => Some(Ok(Frame::data(event(&text)))),
        Effect::Bytes(bytes) | Effect::Half(bytes) => Some(Ok(Frame::data(Bytes::from(bytes)))),
        Effect::Http(response) => Some(Ok(Frame::data(event(&response.body)))),
        Effect::Exit(_) | Effect::SseBreak { .. } => Some(Err(Cut)),
        Effect::ForgetSessions => {
            lock(&shared.streams).clear();
            None
        }
        Effect::Stderr(_) | Effect::IgnoreStdin | Effect::CloseStdout => None,
    }
}

/// Forgets the session when its stream ends.
struct SessionEnd {
    shared: Arc<Shared>,
    session: String,
}

impl Drop for SessionEnd {
    fn drop(&mut self) {
        lock(&self.shared.streams).remove(&self.session);
        lock(&self.shared.sessions).remove(&self.session);
    }
}

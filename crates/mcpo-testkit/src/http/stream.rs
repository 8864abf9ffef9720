//! Effects as HTTP responses: one JSON body, or an event stream that may end before its answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::{broadcast, mpsc};

use super::route::{json_reply, scripted, stands_alone, status_of, typed};
use super::{Body, Cut, Shared, route::Routed};
use crate::engine::{Effect, lock};
use crate::script::ReplyAs;

/// The response to a POST, from the first effect on.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    mut effects: mpsc::Receiver<Effect>,
    modern: bool,
) -> Routed {
    let first = loop {
        match effects.recv().await {
            Some(Effect::ForgetSessions) => lock(&shared.sessions).clear(),
            // Without a process there is no stderr, and without a stdin nothing to ignore.
            Some(Effect::Stderr(_) | Effect::IgnoreStdin | Effect::CloseStdout) => {}
            Some(Effect::Exit(_)) | None => return Err(Cut),
            Some(effect) => break effect,
        }
    };
    let reply_as = shared.engine.script.reply_as;
    if stands_alone(&first) && (reply_as != ReplyAs::Sse || !matches!(first, Effect::Last(_))) {
        return Ok(whole(first, modern, reply_as));
    }
    Ok(events(shared, Some(first), effects))
}

fn whole(effect: Effect, modern: bool, reply_as: ReplyAs) -> Response<Body> {
    match effect {
        Effect::Last(text) if reply_as == ReplyAs::JsonTypedAsSse => {
            typed(status_of(&text, modern), "text/event-stream", text)
        }
        Effect::Last(text) => json_reply(status_of(&text, modern), text),
        Effect::Http(response) => scripted(&response),
        Effect::Bytes(bytes) | Effect::Half(bytes) => json_reply(StatusCode::OK, bytes),
        Effect::Message(_)
        | Effect::Exit(_)
        | Effect::SseBreak { .. }
        | Effect::Stderr(_)
        | Effect::IgnoreStdin
        | Effect::CloseStdout
        | Effect::ForgetSessions => json_reply(StatusCode::OK, Bytes::new()),
    }
}

/// Where an event stream is.
struct Events {
    shared: Arc<Shared>,
    first: Option<Effect>,
    /// `None` once the stream is over.
    effects: Option<mpsc::Receiver<Effect>>,
    /// The connection breaks after what was written last.
    cut: bool,
}

/// The effects as an event stream that ends with the answer.
pub(crate) fn events(
    shared: &Arc<Shared>,
    first: Option<Effect>,
    effects: mpsc::Receiver<Effect>,
) -> Response<Body> {
    let state = Events { shared: Arc::clone(shared), first, effects: Some(effects), cut: false };
    event_stream(BodyExt::boxed_unsync(StreamBody::new(unfold(state, next_frame))))
}

async fn next_frame(mut state: Events) -> Option<(Result<Frame<Bytes>, Cut>, Events)> {
    if state.cut {
        state.cut = false;
        state.effects = None;
        return Some((Err(Cut), state));
    }
    loop {
        let effects = state.effects.as_mut()?;
        let effect = match state.first.take() {
            Some(effect) => effect,
            // The play ended without an answer: the stream just ends.
            None => effects.recv().await?,
        };
        let bytes = match effect {
            Effect::Message(text) => event(&text),
            Effect::Last(text) => {
                state.effects = None;
                event(&text)
            }
            Effect::Bytes(bytes) => Bytes::from(bytes),
            Effect::Half(bytes) => {
                state.cut = true;
                Bytes::from([b"data: ".as_slice(), &bytes].concat())
            }
            Effect::SseBreak { id, retry_ms } => {
                if let Some(rest) = state.effects.take() {
                    lock(&state.shared.resumable).insert(id.clone(), rest);
                }
                Bytes::from(format!("id: {id}\nretry: {retry_ms}\ndata: \n\n"))
            }
            Effect::Exit(_) | Effect::Http(_) => {
                state.effects = None;
                return Some((Err(Cut), state));
            }
            Effect::ForgetSessions => {
                lock(&state.shared.sessions).clear();
                continue;
            }
            Effect::Stderr(_) | Effect::IgnoreStdin | Effect::CloseStdout => continue,
        };
        return Some((Ok(Frame::data(bytes)), state));
    }
}

/// What the server says unasked, for as long as the client listens.
pub(crate) fn notices(shared: &Arc<Shared>) -> Response<Body> {
    let receiver = shared.engine.notices.subscribe();
    let frames = unfold(receiver, |mut receiver| async move {
        loop {
            match receiver.recv().await {
                Ok(message) => return Some((Ok(Frame::data(event(&message))), receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    event_stream(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

pub(crate) fn event(message: &str) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

pub(crate) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache"));
    response
}

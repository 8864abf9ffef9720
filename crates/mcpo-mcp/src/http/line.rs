//! Streamable HTTP, below the eras: one POST a request, its answer on whichever stream it comes,
//! and the state of the session that all of them share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answer::Answer;
use crate::error::{Cause, RequestError, Sent};
use crate::frame;
use crate::http::agent::HandedOver;
use crate::http::bounds::{
    RESUMES_IN_VAIN_MAX, SIDE_POST_WAIT_MAX, STREAM_PAUSE_MAX, STREAM_RETRY, STREAM_RETRY_MAX,
    STREAM_RETRY_MIN,
};
use crate::http::ear::Ear;
use crate::http::exchange::Response;
use crate::http::peer::{Outgoing, Peer};
use crate::http::refusal::{is_event_stream, is_session_lost, refusal};
use crate::http::reply::{EventStream, Read, follow, read};
use crate::http::sse_stream::Cursor;

pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const ACCEPT_BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const ACCEPT_EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// One upstream over Streamable HTTP.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) peer: Peer,
    pub(crate) ear: Ear,
    /// Of every POST.
    headers: HeaderMap,
    has_session: bool,
    /// The session id that came with an answer while there was none.
    offered: OnceLock<HeaderValue>,
    next_id: AtomicU64,
    state: watch::Sender<State>,
}

/// How a line stands.
#[derive(Debug, Clone)]
enum State {
    Open,
    /// No new request is taken; those under way may end.
    Ended(Cause),
    /// Nobody runs the line any more: nothing goes on.
    Abandoned,
}

/// What may go over a line beside requests and their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEra {
    /// Requests from the upstream, which are answered.
    Legacy,
    /// Only notifications.
    Modern,
}

/// One request to be made.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Raw JSON in parts.
    pub(crate) params: &'a [&'a [u8]],
    /// Beyond those of every POST.
    pub(crate) headers: HeaderMap,
    pub(crate) deadline: Instant,
    pub(crate) manner: Manner,
}

/// A request as it is POSTed.
pub(crate) struct Post {
    id: u64,
    body: Bytes,
    /// Instead of those of every POST.
    headers: Option<HeaderMap>,
    deadline: Instant,
    manner: Manner,
}

/// What becomes of a request that is given up or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Closing its stream is all (modern, and all handshakes).
    CloseOnly,
    /// It is cancelled by a notification, and its stream can be taken up again (legacy).
    CancelAndResume,
}

// === impl Line ===

impl Line {
    /// The line, and the messages that are to be POSTed beside the requests.
    pub(crate) fn new(peer: Peer, era: LineEra) -> (Self, mpsc::Receiver<Bytes>) {
        let mut headers = peer.headers().clone();
        headers.insert(ACCEPT, ACCEPT_BOTH);
        headers.insert(CONTENT_TYPE, JSON);
        for ours in [SESSION_ID, PROTOCOL_VERSION, LAST_EVENT_ID] {
            headers.remove(ours);
        }
        let (ear, outbound) = Ear::new(era == LineEra::Legacy);
        // Not 0: some upstreams take that for no id.
        let next_id = AtomicU64::new(1);
        let state = watch::Sender::new(State::Open);
        let offered = OnceLock::new();
        (Self { peer, ear, headers, has_session: false, offered, next_id, state }, outbound)
    }

    /// Sends a header with every request from now on.
    pub(crate) fn always_send(&mut self, name: HeaderName, value: HeaderValue) {
        self.has_session |= name == SESSION_ID;
        self.headers.insert(name, value);
    }

    pub(crate) const fn has_session(&self) -> bool {
        self.has_session
    }

    /// The session id that the upstream gave, once.
    pub(crate) fn take_offered_session(&mut self) -> Option<HeaderValue> {
        self.offered.take()
    }

    /// Makes a request and waits for its answer.
    ///
    /// Cancel-safe: dropping it closes its stream, and cancels it where the manner says so.
    pub(crate) async fn request(&self, request: Request<'_>) -> Result<Answer, RequestError> {
        self.answered(&self.compose(request)).await
    }

    /// A request to be made with [`Line::answered`]. Each call holds the future of that, which is
    /// kept small: the request is composed before it and only lent to it, and what is rare is in
    /// boxes.
    pub(crate) fn compose(&self, request: Request<'_>) -> Post {
        let Request { method, params, headers, deadline, manner } = request;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = Bytes::from(frame::request(id, method, params));
        Post { id, body, headers: self.merged(headers), deadline, manner }
    }

    /// See [`Line::request`].
    pub(crate) async fn answered(&self, post: &Post) -> Result<Answer, RequestError> {
        let mut waiting = self.ear.wait_for(post.id);
        // Only now: whoever abandons the line after this gives up the waiting as well.
        self.still_open()?;
        let mut care = Care {
            line: self,
            id: post.id,
            manner: post.manner,
            handed_over: HandedOver::default(),
        };
        let handed_over = care.handed_over.clone();
        let own_stream = self.post_and_read(post, &handed_over);
        let answered = tokio::select! {
            biased;
            answered = timeout_at(post.deadline, own_stream) => answered
                .unwrap_or_else(|_| Err(RequestError { sent: handed_over.sent(), cause: Cause::Deadline })),
            answer = waiting.answer() => answer
                .ok_or_else(|| RequestError { sent: handed_over.sent(), cause: Cause::Closed }),
        };
        let given_up = matches!(
            &answered,
            Err(RequestError { cause: Cause::Deadline | Cause::Broken(_), .. })
        );
        if !given_up {
            care.manner = Manner::CloseOnly;
        }
        answered
    }

    async fn post_and_read(
        &self,
        post: &Post,
        handed_over: &HandedOver,
    ) -> Result<Answer, RequestError> {
        let response = self.send(post, handed_over).await?;
        if !self.has_session
            && let Some(session) = response.headers().get(SESSION_ID)
        {
            self.offered.get_or_init(|| session.clone());
        }
        let read = read(response, &self.ear, post.id, self.has_session())
            .await
            .map_err(RequestError::maybe_sent)?;
        match read {
            Read::Answer(answer) => Ok(answer),
            Read::Cut { cursor, .. }
                if post.manner == Manner::CancelAndResume && cursor.last_event_id.is_some() =>
            {
                Box::pin(self.resume(post.id, cursor)).await.map_err(RequestError::maybe_sent)
            }
            Read::Cut { reason, .. } => Err(RequestError::maybe_sent(Cause::Broken(reason))),
        }
    }

    async fn send(&self, post: &Post, handed_over: &HandedOver) -> Result<Response, RequestError> {
        let headers = post.headers.as_ref().unwrap_or(&self.headers);
        let body = Some(post.body.clone());
        self.peer.send(&Outgoing { method: Method::POST, headers, body, handed_over }).await
    }

    /// The headers of every POST and these; `None` where there are none to add.
    fn merged(&self, extra: HeaderMap) -> Option<HeaderMap> {
        let mut headers = (!extra.is_empty()).then(|| self.headers.clone())?;
        headers.extend(extra);
        Some(headers)
    }

    /// Takes up a call's stream where it was cut (2025-11-25, "Resumability"), until the deadline
    /// around it. What the upstream says to that is never given as a status: the call itself was
    /// accepted, and must not look refused.
    async fn resume(&self, id: u64, mut cursor: Cursor) -> Result<Answer, Cause> {
        let mut in_vain = 0;
        loop {
            // However long the upstream wants: the deadline is the bound.
            let pause = cursor.retry.unwrap_or(STREAM_RETRY).max(STREAM_RETRY_MIN);
            sleep(pause.saturating_mul(2_u32.pow(in_vain))).await;
            let failed = match self.open_stream(&cursor).await {
                Ok(stream) => match follow(stream, &self.ear, id).await? {
                    Read::Answer(answer) => return Ok(answer),
                    Read::Cut { cursor: next, .. } => {
                        (cursor, in_vain) = (next, 0);
                        continue;
                    }
                },
                Err(failed) => failed,
            };
            in_vain += 1;
            if let Cause::Status { status, .. } = &failed {
                self.lose_if_lost(&failed);
                if (400..500).contains(status) && *status != 429 || in_vain > RESUMES_IN_VAIN_MAX {
                    return Err(Cause::Broken(format!(
                        "taking the stream up again: HTTP status {status}"
                    )));
                }
            } else if in_vain > RESUMES_IN_VAIN_MAX {
                return Err(Cause::Broken(format!("taking the stream up again: {failed}")));
            }
        }
    }

    /// GETs a stream of events: the one that the cursor belongs to, or the upstream's own.
    pub(crate) async fn open_stream(&self, cursor: &Cursor) -> Result<EventStream, Cause> {
        let mut headers = self.headers.clone();
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, ACCEPT_EVENTS);
        if let Some(id) = &cursor.last_event_id {
            headers.insert(LAST_EVENT_ID, id.clone());
        }
        let handed_over = HandedOver::default();
        let get = Outgoing {
            method: Method::GET,
            headers: &headers,
            body: None,
            handed_over: &handed_over,
        };
        let response = self.peer.send(&get).await.map_err(|error| error.cause)?;
        if !response.status().is_success() {
            return Err(refusal(response, self.has_session()).await);
        }
        if is_event_stream(response.headers()) {
            Ok(EventStream::new(response, cursor.clone()))
        } else {
            Err(Cause::Malformed("a GET was answered with something else than events".to_owned()))
        }
    }

    /// POSTs a message that has no answer but a status, within its own bound of time.
    pub(crate) async fn post(&self, message: Bytes) -> Result<StatusCode, RequestError> {
        let handed_over = HandedOver::default();
        let post = Outgoing {
            method: Method::POST,
            headers: &self.headers,
            body: Some(message),
            handed_over: &handed_over,
        };
        let late = |_| Err(RequestError { sent: handed_over.sent(), cause: Cause::Deadline });
        let answer = timeout(SIDE_POST_WAIT_MAX, self.peer.send(&post)).await;
        answer.unwrap_or_else(late).map(Response::let_go)
    }

    /// Tells the upstream that its session is not needed any more. It may not care (405).
    pub(crate) async fn delete(&self) {
        let mut headers = self.headers.clone();
        headers.remove(CONTENT_TYPE);
        let handed_over = HandedOver::default();
        let delete = Outgoing {
            method: Method::DELETE,
            headers: &headers,
            body: None,
            handed_over: &handed_over,
        };
        let answer = timeout(SIDE_POST_WAIT_MAX, self.peer.send(&delete)).await;
        tracing::debug!(status = ?answer.ok().and_then(Result::ok).map(Response::let_go), "ended the session");
    }

    fn still_open(&self) -> Result<(), RequestError> {
        match &*self.state.borrow() {
            State::Open => Ok(()),
            State::Ended(cause) => Err(RequestError::not_sent(cause.clone())),
            State::Abandoned => Err(RequestError::not_sent(Cause::Closed)),
        }
    }

    /// Ends the line, unless it has ended: no request is taken any more.
    pub(crate) fn end(&self, cause: Cause) {
        self.state.send_if_modified(|state| {
            let open = matches!(state, State::Open);
            if open {
                *state = State::Ended(cause);
            }
            open
        });
    }

    /// Ends the line with the cause if that says that the session is gone.
    pub(crate) fn lose_if_lost(&self, cause: &Cause) {
        if is_session_lost(cause) {
            self.end(cause.clone());
        }
    }

    /// Nobody runs the line any more: requests under way fail as well.
    pub(crate) fn abandon(&self) {
        self.state.send_replace(State::Abandoned);
        self.ear.give_up();
    }

    /// Nobody runs the line any more. Where it has ended before, requests under way live on.
    pub(crate) fn abandon_unless_ended(&self) {
        let abandoned = self.state.send_if_modified(|state| {
            let open = matches!(state, State::Open);
            if open {
                *state = State::Abandoned;
            }
            open
        });
        if abandoned {
            self.ear.give_up();
        }
    }

    /// Returns when the line has ended; why.
    ///
    /// Cancel-safe.
    pub(crate) async fn ended(&self) -> Cause {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| !matches!(state, State::Open)).await;
        match ended.as_deref() {
            Ok(State::Ended(cause)) => cause.clone(),
            Ok(State::Open | State::Abandoned) | Err(_) => Cause::Closed,
        }
    }
}

/// Cancels its request when dropped, unless it was answered or closing is all.
struct Care<'a> {
    line: &'a Line,
    id: u64,
    manner: Manner,
    handed_over: HandedOver,
}

impl Drop for Care<'_> {
    fn drop(&mut self) {
        if self.manner == Manner::CancelAndResume && self.handed_over.sent() == Sent::Maybe {
            let params = format!(
                "{{\"requestId\":{},\"reason\":\"nobody waits for it any more\"}}",
                self.id
            );
            let frame = frame::notification("notifications/cancelled", &[params.as_bytes()]);
            self.line.ear.say(frame.into());
        }
    }
}

/// How long to wait before a stream is opened again after so many vain attempts.
pub(crate) fn pause_after(vain_attempts: u32, asked: Option<Duration>) -> Duration {
    let doubled =
        STREAM_RETRY_MIN.saturating_mul(2_u32.saturating_pow(vain_attempts)).min(STREAM_PAUSE_MAX);
    asked.unwrap_or(STREAM_RETRY).max(doubled).min(STREAM_RETRY_MAX)
}

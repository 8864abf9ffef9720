//! One request and its answer on one connection. Over HTTP/1 whoever waits for the answer drives
//! the connection meanwhile; over HTTP/2 it is driven by a task of its own.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, Request, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};

use crate::http::agent::WatchedBody;
use crate::http::pool::{Pool, Seat};
use crate::http::way::Wire;

/// How many pieces of a rest may be there at once to be thrown away. More are not the end of
/// something, but more of it.
const DRAINED_PIECES_MAX: usize = 64;

/// How long an unused connection is kept: below the 60 s after which common proxies close theirs,
/// so that we rarely write into a connection that is being closed.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(50);
/// How much earlier than a server that says when it closes its unused connections we close ours.
const IDLE_MARGIN: Duration = Duration::from_secs(1);

/// `Keep-Alive: timeout=5`, as Node and others say it (RFC 2068, section 19.7.1.1).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A connection of HTTP/1.
pub(super) struct Plain {
    sender: http1::SendRequest<WatchedBody>,
    /// `None`: it has ended.
    connection: Option<http1::Connection<Box<dyn Wire>, WatchedBody>>,
    idle_max: Duration,
    /// Counts among the connections that somebody uses.
    user: Option<Seat>,
}

/// What came of sending a request on a connection.
pub(super) enum Attempt {
    /// The head of the answer is there.
    Answered(Response),
    /// The connection was closed before anything was sent.
    Untouched(hyper::Error),
    /// No answer.
    Failed(hyper::Error),
}

/// An answer whose head is there. Dropping it before its end closes the connection, or resets the
/// stream.
pub(crate) struct Response {
    head: Parts,
    body: Incoming,
    length: Option<u64>,
    /// What is to be driven until the end of the body.
    plain: Option<Box<Plain>>,
    /// Over HTTP/2, its place on the connection.
    seat: Option<Seat>,
    pool: Arc<Pool>,
}

// === impl Plain ===

impl Plain {
    pub(super) fn new(
        sender: http1::SendRequest<WatchedBody>,
        connection: http1::Connection<Box<dyn Wire>, WatchedBody>,
    ) -> Self {
        Self { sender, connection: Some(connection), idle_max: IDLE_MAX, user: None }
    }

    /// `compose` makes the request, which is large, where it is taken over.
    pub(super) async fn send(
        mut self: Box<Self>,
        compose: impl FnOnce() -> Request<WatchedBody>,
        pool: &Arc<Pool>,
    ) -> Attempt {
        let mut answer = pin!(self.sender.try_send_request(compose()));
        let answered = std::future::poll_fn(|context| {
            drive(&mut self.connection, context);
            // Only what was just driven can have answered: it is asked at once, and must not wake
            // the very task that drives it.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        match answered {
            Ok(answer) => Attempt::Answered(Response::new(answer, Some(self), pool)),
            Err(error) => Attempt::failed(error),
        }
    }

    pub(super) fn set_user(&mut self, user: Option<Seat>) {
        self.user = user;
    }

    /// How long it may be unused: what is sent just when the other side closes it is lost, and
    /// nobody knows whether it was acted on.
    pub(super) const fn idle_max(&self) -> Duration {
        self.idle_max
    }

    /// Whether another request can be sent.
    pub(super) fn is_usable(&mut self, context: &mut Context<'_>) -> bool {
        drive(&mut self.connection, context);
        self.connection.is_some() && self.sender.is_ready()
    }
}

/// How long its connection may be unused after an answer.
fn idle_max(headers: &HeaderMap) -> Duration {
    let said = headers.get(KEEP_ALIVE).and_then(|value| value.to_str().ok());
    let seconds = said
        .and_then(|said| said.split(',').find_map(|part| part.trim().strip_prefix("timeout=")))
        .and_then(|seconds| seconds.parse().ok());
    let Some(timeout) = seconds.map(Duration::from_secs) else { return IDLE_MAX };
    timeout.saturating_sub(IDLE_MARGIN).max(timeout / 2).min(IDLE_MAX)
}

/// Takes from the wire and gives to it what there is. Without the connection's own end nothing of
/// what waits for it would be told that it has ended.
fn drive(
    connection: &mut Option<http1::Connection<Box<dyn Wire>, WatchedBody>>,
    context: &mut Context<'_>,
) {
    if let Some(running) = connection
        && Pin::new(running).poll(context).is_ready()
    {
        *connection = None;
    }
}

/// Throws away what has come of the rest of an answer. `Some(true)`: that was all, and the
/// connection can be used again; `None`: it cannot.
pub(super) fn drain(plain: &mut Plain, rest: &mut Incoming) -> Option<bool> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..DRAINED_PIECES_MAX {
        let mut piece = Pin::new(&mut *rest).poll_frame(&mut context);
        if piece.is_pending() {
            drive(&mut plain.connection, &mut context);
            piece = Pin::new(&mut *rest).poll_frame(&mut context);
        }
        match piece {
            Poll::Pending => return Some(false),
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(_))) => return None,
            Poll::Ready(None) => return plain.is_usable(&mut context).then_some(true),
        }
    }
    None
}

// === impl Attempt ===

impl Attempt {
    fn failed(mut error: TrySendError<Request<WatchedBody>>) -> Self {
        if error.take_message().is_some() {
            Self::Untouched(error.into_error())
        } else {
            Self::Failed(error.into_error())
        }
    }

    pub(super) fn shared(
        answered: Result<http::Response<Incoming>, TrySendError<Request<WatchedBody>>>,
        seat: Seat,
        pool: &Arc<Pool>,
    ) -> Self {
        match answered {
            Ok(answer) => {
                let mut response = Response::new(answer, None, pool);
                response.seat = Some(seat);
                Self::Answered(response)
            }
            Err(error) => Self::failed(error),
        }
    }
}

// === impl Response ===

impl Response {
    fn new(
        answer: http::Response<Incoming>,
        mut plain: Option<Box<Plain>>,
        pool: &Arc<Pool>,
    ) -> Self {
        let (head, body) = answer.into_parts();
        if let Some(plain) = &mut plain {
            plain.idle_max = idle_max(&head.headers);
        }
        let length = body.size_hint().exact();
        let pool = Arc::clone(pool);
        let mut response = Self { head, body, length, plain, seat: None, pool };
        if response.body.is_end_stream() {
            response.release();
        }
        response
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(crate) const fn version(&self) -> Version {
        self.head.version
    }

    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// How long the body is, where that was said.
    pub(crate) const fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Whether all of the body has been taken.
    pub(crate) fn is_over(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The next piece of the body.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The body broke off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        std::future::poll_fn(|context| self.poll_chunk(context)).await.transpose()
    }

    fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            let mut piece = Pin::new(&mut self.body).poll_frame(context);
            if piece.is_pending()
                && let Some(plain) = &mut self.plain
            {
                drive(&mut plain.connection, context);
                piece = Pin::new(&mut self.body).poll_frame(context);
            }
            match ready!(piece) {
                Some(Ok(frame)) => {
                    // What is no data is trailers, which mean nothing to MCP.
                    let Ok(data) = frame.into_data() else { continue };
                    if self.body.is_end_stream() {
                        self.release();
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => {
                    self.plain = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.release();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Nothing more is needed of it than its status. The connection can be used again once the
    /// rest has come, and a stream is not reset: servers take many resets for an attack
    /// (CVE-2023-44487) and close the connection with all that is on it.
    pub(crate) fn let_go(self) -> StatusCode {
        let Self { head, body, plain, seat, pool, .. } = self;
        match plain {
            Some(plain) => pool.keep_for_rest(plain, body),
            None if !body.is_end_stream() => pool.await_rest(body, seat),
            None => {}
        }
        head.status
    }

    /// Gives the connection back after the end of the body.
    fn release(&mut self) {
        let Some(mut plain) = self.plain.take() else { return };
        // Nobody is to be woken for what happens to it from now on.
        if plain.is_usable(&mut Context::from_waker(Waker::noop())) {
            self.pool.keep(plain);
        }
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers may be secret.
        f.debug_struct("Response").field("status", &self.head.status).finish_non_exhaustive()
    }
}

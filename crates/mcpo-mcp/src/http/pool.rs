//! The connections to one origin, shared by all sessions with it. A connection of HTTP/1 has no
//! task of its own: the call that uses it drives it, so that no call waits for another task to be
//! woken; while it is unused, only a sweep now and then looks at it.
//!
//! Upstreams of one origin share its connections, so that a thousand of them that are seldom called
//! need a few. One that hangs gives none back, and would take all that the others left: of the last
//! few none is taken by one that has more in use than that, which makes its own.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;
use url::Url;

use crate::error::{Cause, RequestError};
use crate::http::agent::{HandedOver, WatchedBody, failure, reason};
use crate::http::bounds::{HEADER_BYTES_MAX, HEADERS_MAX};
use crate::http::exchange::{Attempt, IDLE_MAX, Plain, Response, drain};
use crate::http::way::{Connected, KEEPALIVE, KEEPALIVE_WAIT, Way, Wire};

/// How many unused connections to one origin are kept. Calls come in waves: with fewer kept than
/// a wave has calls, every wave closes and opens connections.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// So many unused connections are left for other upstreams of the origin by one that has more of
/// them in use. Where there is one that has all in use it is so many connections more.
const LEFT_FOR_OTHERS: usize = 16;
/// How many connections are kept for the rest of an answer that nobody needs: the end of a stream
/// of events mostly, which comes right behind the answer.
const DRAINING_CONNECTIONS_MAX: usize = 64;
/// A rest that has not come by then is not waited for.
const DRAINING_MAX: Duration = Duration::from_secs(2);
/// How many of these a call looks at before it makes a connection.
const DRAINING_TRIED_MAX: usize = 4;
/// How many such rests are awaited on connections of HTTP/2.
const RESTS_MAX: usize = 256;
/// The bytes of one of them. What is longer is not an end, but something that nobody wants.
const REST_BYTES_MAX: usize = 256 * 1024;
/// A request that was given up before says nothing of the line: answers take that long.
const SILENCE_MIN: Duration = Duration::from_secs(1);
/// Requests at once on one connection of HTTP/2, streams that stay open included: servers allow 100
/// or more (RFC 9113, section 6.5.2), and what is beyond that would wait for another to end.
const STREAMS_MAX: usize = 96;
/// How often unused connections are looked at: one that the other side closed is kept no longer.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// One pool an origin, for as long as anybody uses it.
static POOLS: LazyLock<Mutex<HashMap<String, Weak<Pool>>>> = LazyLock::new(Mutex::default);

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    way: Way,
    kept: Mutex<Kept>,
    /// Connections are made one after the other where each carries any number of requests. Holds
    /// how the last one failed, and when.
    making: tokio::sync::Mutex<Option<(Instant, Cause)>>,
    /// Something is there to be swept.
    filled: Notify,
    /// How many [parts](Part) there are.
    parts: AtomicUsize,
}

/// What one upstream has of a pool.
#[derive(Debug)]
pub(crate) struct Part {
    pool: Arc<Pool>,
    /// Each of its connections that is in use holds one more.
    in_use: Seat,
}

#[derive(Default)]
struct Kept {
    /// The one used last is at the end.
    idle: Vec<(Instant, Box<Plain>)>,
    /// The one that was looked at least recently is at the front.
    draining: VecDeque<(Instant, Box<Plain>, Incoming)>,
    /// Each is full but the last ones.
    shared: Vec<Shared>,
    /// Connections of HTTP/2; dropping them closes them.
    tasks: JoinSet<()>,
    rests: JoinSet<()>,
    /// The origin speaks HTTP/2.
    speaks_h2: bool,
    /// Somebody waits for the pool to be filled.
    waits: bool,
    /// Each session with the origin sweeps; once is enough.
    swept: Option<Instant>,
}

/// A connection of HTTP/2.
struct Shared {
    stream: Stream,
    used: Instant,
}

/// A stream on a connection of HTTP/2, which is counted for as long as this is there.
#[derive(Clone)]
pub(super) struct Stream {
    sender: http2::SendRequest<WatchedBody>,
    seat: Seat,
}

/// Counts among those that share it.
pub(super) type Seat = Arc<()>;

/// A request on a connection that was there. Dropped before its end, after a long silence, it says
/// that the line may be dead, and then it is so for all that were unused at the same time: whoever
/// comes next must not find that out once more for each of them.
struct Asked<'p> {
    pool: &'p Pool,
    at: Instant,
    is_over: bool,
}

/// What a request can be sent on.
pub(super) enum Connection {
    Plain(Box<Plain>),
    Shared(Stream),
}

impl Pool {
    /// The pool of an address's origin.
    fn of(url: &Url) -> Result<Arc<Self>, Cause> {
        let origin = url.origin().ascii_serialization();
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&origin).and_then(Weak::upgrade) {
            return Ok(pool);
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Self {
            way: Way::to(url)?,
            kept: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            filled: Notify::new(),
            parts: AtomicUsize::new(0),
        });
        pools.insert(origin, Arc::downgrade(&pool));
        Ok(pool)
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// Sends a request, on a connection that is there or on a new one, and waits for the answer's
    /// head. `compose` makes the request, for HTTP/2 if `true`; it may be asked again, since a
    /// connection that was unused may turn out to be closed before anything was sent on it.
    ///
    /// Cancel-safe: dropping it closes the connection, or resets the stream.
    async fn send(
        self: &Arc<Self>,
        compose: impl Fn(bool) -> Request<WatchedBody>,
        (handed_over, in_use): (&HandedOver, &Seat),
    ) -> Result<Response, RequestError> {
        // Each turn takes one of the bounded number of connections that there are, or makes one.
        let mut now = Instant::now();
        while let Some(connection) = self.take(now, in_use) {
            let mut asked = Asked { pool: self, at: now, is_over: false };
            let attempt = self.send_on(connection, &compose).await;
            asked.is_over = true;
            match attempt {
                Attempt::Answered(response) => return Ok(response),
                Attempt::Untouched(_) => now = Instant::now(),
                Attempt::Failed(error) => return Err(failure(&error, handed_over)),
            }
        }
        // Its type ends here: the compiler has enough to look through around a call.
        let connecting: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(self.connect());
        let connection = connecting.await.map_err(RequestError::not_sent)?;
        let connection = connection.used_by(in_use);
        match self.send_on(connection, &compose).await {
            Attempt::Answered(response) => Ok(response),
            Attempt::Untouched(error) | Attempt::Failed(error) => Err(failure(&error, handed_over)),
        }
    }

    async fn send_on(
        self: &Arc<Self>,
        connection: Connection,
        compose: &impl Fn(bool) -> Request<WatchedBody>,
    ) -> Attempt {
        match connection {
            Connection::Plain(plain) => plain.send(|| compose(false), self).await,
            Connection::Shared(Stream { mut sender, seat }) => {
                Attempt::shared(sender.try_send_request(compose(true)).await, seat, self)
            }
        }
    }

    fn take(&self, now: Instant, in_use: &Seat) -> Option<Connection> {
        let mut kept = self.kept();
        if let Some(stream) = kept.stream(now) {
            return Some(Connection::Shared(stream));
        }
        kept.settle(now);
        let left = kept.idle.len();
        let is_shared = self.parts.load(Ordering::Relaxed) > 1;
        if is_shared && left < LEFT_FOR_OTHERS && seats(in_use) > left {
            return None;
        }
        // Those below the first one are hardly younger.
        let (since, plain) = kept.idle.pop()?;
        (now.duration_since(since) < plain.idle_max())
            .then(|| Connection::Plain(plain).used_by(in_use))
    }

    async fn connect(&self) -> Result<Connection, Cause> {
        if !self.kept().speaks_h2 {
            return self.make().await;
        }
        let asked = Instant::now();
        let mut last_failure = self.making.lock().await;
        if let Some(stream) = self.kept().stream(Instant::now()) {
            return Ok(Connection::Shared(stream));
        }
        // What failed while this waited would have failed for it as well: those that ask for an
        // origin that never answers must not wait for it one after the other.
        if let Some((_, cause)) = last_failure.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(cause.clone());
        }
        let made = self.make().await;
        *last_failure = made.as_ref().err().map(|cause| (Instant::now(), cause.clone()));
        made
    }

    async fn make(&self) -> Result<Connection, Cause> {
        let Connected { wire, is_h2 } = self.way.connect().await?;
        let agreed = if is_h2 {
            self.share(wire).await
        } else {
            // The origin may have been replaced by one without HTTP/2.
            self.kept().speaks_h2 = false;
            plain(wire).await
        };
        agreed.map_err(|error| Cause::Broken(reason(&error)))
    }

    /// Speaks HTTP/2, and keeps the connection for all.
    async fn share(&self, wire: Box<dyn Wire>) -> Result<Connection, hyper::Error> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_WAIT)
            .adaptive_window(true)
            .max_header_list_size(HEADER_BYTES_MAX)
            .handshake(wire)
            .await?;
        let mut kept = self.kept();
        kept.speaks_h2 = true;
        // Of those that found out at the same time the first one shares its connection.
        if let Some(stream) = kept.stream(Instant::now()) {
            return Ok(Connection::Shared(stream));
        }
        let running = async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = reason(&error), "a connection of HTTP/2 broke");
            }
        };
        while kept.tasks.try_join_next().is_some() {}
        kept.tasks.spawn(running.in_current_span());
        let stream = Stream { sender, seat: Seat::default() };
        kept.shared.push(Shared { stream: stream.clone(), used: Instant::now() });
        self.tell_filled(&mut kept);
        Ok(Connection::Shared(stream))
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn keep(&self, mut plain: Box<Plain>) {
        plain.set_user(None);
        let mut kept = self.kept();
        kept.keep(Instant::now(), plain);
        self.tell_filled(&mut kept);
    }

    /// Keeps a connection with the rest of an answer that nobody needs.
    pub(super) fn keep_for_rest(&self, mut plain: Box<Plain>, rest: Incoming) {
        plain.set_user(None);
        let mut kept = self.kept();
        if kept.draining.len() >= DRAINING_CONNECTIONS_MAX {
            kept.draining.pop_front();
        }
        kept.draining.push_back((Instant::now(), plain, rest));
        self.tell_filled(&mut kept);
    }

    /// Awaits the rest of an answer that nobody needs, on a connection that others use meanwhile.
    pub(super) fn await_rest(&self, mut rest: Incoming, seat: Option<Seat>) {
        let mut kept = self.kept();
        while kept.rests.try_join_next().is_some() {}
        if kept.rests.len() < RESTS_MAX {
            kept.rests.spawn(async move {
                let mut bytes = 0;
                let all = poll_fn(|context| {
                    while bytes <= REST_BYTES_MAX
                        && let Some(Ok(frame)) = ready!(Pin::new(&mut rest).poll_frame(context))
                    {
                        bytes += frame.data_ref().map_or(0, Bytes::len);
                    }
                    Poll::Ready(())
                });
                let _in_time = timeout(DRAINING_MAX, all).await;
                drop(seat);
            });
        }
    }

    /// Closes what has been unused for too long, and what the other side closed, for as long as it
    /// is polled. Never ends.
    ///
    /// Cancel-safe.
    pub(crate) async fn tend(&self) -> Infallible {
        loop {
            let filled = self.filled.notified();
            if self.sweep() {
                sleep(SWEEP_EVERY).await;
            } else {
                filled.await;
            }
        }
    }

    /// Whether there is something to look at later.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut kept = self.kept();
        if kept.swept.is_none_or(|last| now.duration_since(last) >= SWEEP_EVERY / 2) {
            kept.sweep(now);
            kept.swept = Some(now);
        }
        kept.waits = kept.idle.is_empty() && kept.draining.is_empty() && kept.shared.is_empty();
        !kept.waits
    }

    fn tell_filled(&self, kept: &mut Kept) {
        if std::mem::take(&mut kept.waits) {
            // Each session with the origin tends it, and any of them may end.
            self.filled.notify_waiters();
        }
    }

    /// Sections under this lock move a connection, or look at a few without waiting.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// A part of the pool of an address's origin.
    ///
    /// # Errors
    /// See [`Way::to`].
    pub(crate) fn of(url: &Url) -> Result<Self, Cause> {
        let pool = Pool::of(url)?;
        pool.parts.fetch_add(1, Ordering::Relaxed);
        Ok(Self { pool, in_use: Seat::default() })
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// See [`Pool::send`].
    pub(crate) async fn send(
        &self,
        compose: impl Fn(bool) -> Request<WatchedBody>,
        handed_over: &HandedOver,
    ) -> Result<Response, RequestError> {
        self.pool.send(compose, (handed_over, &self.in_use)).await
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.pool.parts.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    fn used_by(mut self, in_use: &Seat) -> Self {
        if let Self::Plain(plain) = &mut self {
            plain.set_user(Some(Arc::clone(in_use)));
        }
        self
    }
}

/// How many hold one but the owner.
fn seats(seat: &Seat) -> usize {
    Arc::strong_count(seat).saturating_sub(1)
}

async fn plain(wire: Box<dyn Wire>) -> Result<Connection, hyper::Error> {
    let (sender, connection) =
        http1::Builder::new().max_headers(HEADERS_MAX).handshake(wire).await?;
    Ok(Connection::Plain(Box::new(Plain::new(sender, connection))))
}

impl Kept {
    /// A stream on the first connection of HTTP/2 that has room for one.
    fn stream(&mut self, now: Instant) -> Option<Stream> {
        self.shared.retain(|shared| !shared.stream.sender.is_closed());
        let shared = self.shared.iter_mut().find(|shared| shared.streams() < STREAMS_MAX)?;
        shared.used = now;
        Some(shared.stream.clone())
    }

    fn keep(&mut self, since: Instant, plain: Box<Plain>) {
        if self.idle.len() >= IDLE_CONNECTIONS_MAX {
            self.idle.remove(0);
        }
        self.idle.push((since, plain));
    }

    /// Looks whether some of those that wait for a rest have got it.
    fn settle(&mut self, now: Instant) {
        for _ in 0..self.draining.len().min(DRAINING_TRIED_MAX) {
            let Some((since, mut plain, mut rest)) = self.draining.pop_front() else { return };
            match drain(&mut plain, &mut rest) {
                Some(true) => self.keep(since, plain),
                Some(false) if now.duration_since(since) < DRAINING_MAX => {
                    self.draining.push_back((since, plain, rest));
                }
                Some(false) | None => {}
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.settle(now);
        self.draining.retain(|(since, ..)| now.duration_since(*since) < DRAINING_MAX);
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.idle.retain_mut(|(since, plain)| {
            now.duration_since(*since) < plain.idle_max() && plain.is_usable(&mut context)
        });
        self.shared.retain(|shared| {
            !shared.stream.sender.is_closed()
                && (shared.streams() > 0 || now.duration_since(shared.used) < IDLE_MAX)
        });
        while self.tasks.try_join_next().is_some() {}
        while self.rests.try_join_next().is_some() {}
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.is_over && self.at.elapsed() >= SILENCE_MIN {
            self.pool.kept().idle.retain(|(since, _)| *since >= self.at);
        }
    }
}

impl Shared {
    fn streams(&self) -> usize {
        seats(&self.stream.seat)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("idle", &self.idle.len())
            .field("draining", &self.draining.len())
            .field("shared", &self.shared.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

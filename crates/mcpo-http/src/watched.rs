//! A connection that cannot be held for ever: it fails when a write makes no progress, or when
//! nothing goes on between requests.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// HTTP/2's answers to pings and settings are smaller than this; they are no sign that a downstream
/// takes what it asked for.
const CONTROL_BYTES_MAX: usize = 64;

/// When we stop, a viewer that takes nothing cannot be told so, and is waited for no longer than
/// twice this.
const VIEW_END_TIME_MAX: Duration = Duration::from_secs(1);

/// How long things may take on one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the start of the connection to the whole head of its first request.
    pub(crate) first_head: Duration,
    /// From the last sign of life to the whole head of the next request.
    pub(crate) idle: Duration,
    /// A write without a byte of progress.
    pub(crate) write: Duration,
}

/// What goes on on one connection, shared between the socket and the requests.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    patience: Patience,
    requests_in_flight: AtomicU32,
    /// When something last happened, in milliseconds after `began`; 0 before the first request.
    last_ms: AtomicU64,
    /// A request has just ended; what is written first after it is its answer.
    has_ended: AtomicBool,
    /// Whether something was told live on it.
    has_viewed: AtomicBool,
}

/// A request in flight; ends when dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Activity>);

/// A socket under watch.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
    idle: Pin<Box<Sleep>>,
    /// Whom the timer wakes.
    idler: Option<Waker>,
    stalled: Option<Pin<Box<Sleep>>>,
}

// === impl Activity ===

impl Activity {
    pub(crate) fn new(patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            patience,
            requests_in_flight: AtomicU32::new(0),
            last_ms: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            has_viewed: AtomicBool::new(false),
        })
    }

    /// A request starts.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.requests_in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Something is told live on it from now on.
    pub(crate) fn view(&self) {
        self.has_viewed.store(true, Ordering::Relaxed);
    }

    /// Waits until nothing is left that is worth to be waited for at the end: a view, and no
    /// request.
    ///
    /// Cancel-safe.
    pub(crate) async fn only_views(&self) {
        let mut looks = 0;
        // The answer of a request that has just ended may still be on its way.
        while looks < 2 {
            sleep(VIEW_END_TIME_MAX).await;
            let is_so = self.has_viewed.load(Ordering::Relaxed)
                && self.requests_in_flight.load(Ordering::Relaxed) == 0;
            looks = if is_so { looks + 1 } else { 0 };
        }
    }

    /// Something of an answer was taken. An answer is written as soon as its request has ended,
    /// when the clock has just been read, unless it had to wait for those before it to be taken.
    fn write(&self, has_waited: bool) {
        let has_ended = self.has_ended.load(Ordering::Relaxed);
        if has_ended {
            self.has_ended.store(false, Ordering::Relaxed);
        }
        if has_waited || !has_ended {
            self.touch();
        }
    }

    fn touch(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now.max(1), Ordering::Relaxed);
    }

    /// When the connection has been idle for too long, as things stand.
    fn idle_at(&self) -> Instant {
        if self.requests_in_flight.load(Ordering::Relaxed) > 0 {
            return Instant::now() + self.patience.idle;
        }
        match self.last_ms.load(Ordering::Relaxed) {
            0 => self.began + self.patience.first_head,
            last => self.began + Duration::from_millis(last) + self.patience.idle,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.touch();
        self.0.has_ended.store(true, Ordering::Relaxed);
        self.0.requests_in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Watched ===

impl<S> Watched<S> {
    pub(crate) fn new(socket: S, activity: Arc<Activity>) -> Self {
        let idle = Box::pin(sleep_until(activity.idle_at()));
        Self { socket, activity, idle, idler: None, stalled: None }
    }

    /// Whether the connection has been idle for too long. The timer is moved only when it goes
    /// off, and asked only then and when somebody else waits, so that a request costs none.
    fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        let knows = self.idler.as_ref().is_some_and(|idler| idler.will_wake(cx.waker()));
        if knows && !self.idle.is_elapsed() {
            return false;
        }
        // Whoever has used up its turn would not get to be woken by the timer.
        while Pin::new(&mut unconstrained(self.idle.as_mut())).poll(cx).is_ready() {
            let due = self.activity.idle_at();
            if due <= Instant::now() {
                return true;
            }
            self.idle.as_mut().reset(due);
        }
        if !knows {
            self.idler = Some(cx.waker().clone());
        }
        false
    }

    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(progress) = &written {
            let has_waited = self.stalled.take().is_some();
            if progress.as_ref().is_ok_and(|&bytes| bytes > CONTROL_BYTES_MAX) {
                self.activity.write(has_waited);
            }
            return written;
        }
        let patience = self.activity.patience.write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        if read.is_pending() && this.is_idle(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.watch_write(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;

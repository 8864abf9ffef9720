//! Takes connections and ends them: HTTP/1.1 and HTTP/2 without TLS on the same port, every wait
//! on a downstream bounded, a stop that lets running calls finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::select_all;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::surface::Surface;
use crate::watched::{Activity, Patience, Watched};

/// How many requests one HTTP/2 connection may have in flight (hyper's default is 200).
const STREAMS_MAX: u32 = 256;

/// The largest request head in bytes; nginx allows 32 kB in all.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// nginx waits 60 s between requests, browsers up to 300 s; above what load balancers do (60 s),
/// so that they close first and never write into a connection that is just being closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(75);

/// From the start of a connection to its first request.
const FIRST_HEAD_TIME_MAX: Duration = Duration::from_secs(15);

/// A downstream that takes no byte of an answer for so long is gone (nginx `send_timeout`: 60 s).
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// The rest after a failed accept: file descriptors may have run out.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How many connections, and how to end.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// How many connections may be open. Each costs a file descriptor and some 30 KiB; more wait in
    /// the system's queue until one ends.
    pub connections_max: NonZeroUsize,
    /// How long requests in flight may go on after the signal to stop.
    pub grace: Duration,
}

/// Serves until `stop` is ready, then lets requests in flight finish within the grace. When it
/// returns, no connection and no task is left.
///
/// Dropping it closes all connections at once.
pub async fn serve(
    listeners: Vec<TcpListener>,
    surface: Arc<Surface>,
    options: ServeOptions,
    stop: impl Future<Output = ()>,
) {
    let (stopping, stopped) = watch::channel(false);
    let places = Places::new(options.connections_max);
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept_all(&listeners, &surface, &stopped, places, &mut connections) => {}
        () = stop => {}
    }
    drop(listeners);
    stopping.send_replace(true);
    surface.end_views();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(options.grace, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut off after the grace");
    }
    connections.shutdown().await;
}

async fn accept_all(
    listeners: &[TcpListener],
    surface: &Arc<Surface>,
    stopped: &watch::Receiver<bool>,
    places: Places,
    connections: &mut JoinSet<()>,
) {
    loop {
        let place = places.take().await;
        match next(listeners, connections).await {
            Ok((socket, peer)) => {
                let surface = surface.clone();
                connections.spawn(connection(socket, peer, surface, stopped.clone(), place));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(error = %error, "no connection can be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// The next connection. Tasks of those that have ended give back their memory meanwhile.
async fn next(
    listeners: &[TcpListener],
    connections: &mut JoinSet<()>,
) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        tokio::select! {
            accepted = accept(listeners) => return accepted,
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    match listeners {
        [listener] => listener.accept().await,
        many => {
            let accepts = many.iter().map(|listener| Box::pin(listener.accept()));
            let (accepted, _, _) = select_all(accepts).await;
            accepted
        }
    }
}

/// Whether the newcomer failed rather than the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    surface: Arc<Surface>,
    mut stopped: watch::Receiver<bool>,
    _place: Place,
) {
    // Answers are small and written in one piece; without it the last part may wait for an ACK.
    let _best_effort = socket.set_nodelay(true);
    let activity = Activity::new(Patience {
        first_head: FIRST_HEAD_TIME_MAX,
        idle: IDLE_TIME_MAX,
        write: WRITE_STALL_MAX,
    });
    let io = TokioIo::new(Watched::new(socket, activity.clone()));
    let seen = activity.clone();
    let service = service_fn(move |request| {
        let (surface, activity) = (surface.clone(), seen.clone());
        let in_flight = activity.enter();
        async move {
            let answer = surface.handle(request, peer.ip()).await;
            if answer.body().is_live() {
                activity.view();
            }
            drop(in_flight);
            Ok::<_, Infallible>(answer)
        }
    });
    let builder = builder(Streams::default());
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    // How a connection ends is the downstream's business.
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = is_stopped(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = serving.as_mut() => ended,
                () = activity.only_views() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error, "connection ended");
    }
}

async fn is_stopped(stopped: &mut watch::Receiver<bool>) {
    // Whoever would say so being gone is a stop, too.
    let _stopped = stopped.wait_for(|stopped| *stopped).await;
}

fn builder(streams: Streams) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(streams);
    // The time for a head is kept by `Watched`, without a timer for each request.
    builder.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    builder.http2().max_concurrent_streams(STREAMS_MAX).max_header_list_size(HEAD_BYTES_MAX as u32);
    builder
}

/// Room for connections.
struct Places(Arc<Semaphore>);

/// Room for one, until it is dropped.
type Place = OwnedSemaphorePermit;

// === impl Places ===

impl Places {
    fn new(max: NonZeroUsize) -> Self {
        Self(Arc::new(Semaphore::new(max.get().min(Semaphore::MAX_PERMITS))))
    }

    async fn take(&self) -> Place {
        Arc::clone(&self.0).acquire_owned().await.expect("the semaphore is never closed")
    }
}

/// Owns the tasks of one HTTP/2 connection: they end with it.
#[derive(Debug, Clone, Default)]
struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

#[cfg(test)]
mod tests;

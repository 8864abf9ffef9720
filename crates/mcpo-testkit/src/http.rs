//! The scripted upstream over HTTP, inside the test's process: Streamable HTTP of both eras at
//! `/mcp`, HTTP+SSE at `/sse`. Can be stopped, started again on its port, and paused.

mod route;
mod sse;
mod stream;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::control::Control;
use crate::engine::{EFFECTS_MAX, Effect, Engine, lock};
use crate::journal::Journal;
use crate::scratch::Scratch;
use crate::script::Script;

/// A response body that can break.
pub(crate) type Body = UnsyncBoxBody<Bytes, Cut>;

/// The upstream breaks its connection here.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script cuts the connection")
    }
}

impl std::error::Error for Cut {}

/// A scripted HTTP upstream. It ends with this value.
#[derive(Debug)]
pub struct HttpUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    _scratch: Scratch,
}

/// What all connections of one upstream know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// The legacy sessions that are known.
    pub(crate) sessions: Mutex<HashSet<String>>,
    sessions_made: Mutex<usize>,
    /// The rest of turns whose stream was ended, by event id.
    pub(crate) resumable: Mutex<HashMap<String, mpsc::Receiver<Effect>>>,
    /// The event streams of HTTP+SSE, by session.
    pub(crate) streams: Mutex<HashMap<String, mpsc::Sender<Effect>>>,
    /// Requests being played; they go on when their client is gone, as in real servers.
    plays: Mutex<JoinSet<()>>,
    paused: watch::Sender<bool>,
}

impl HttpUpstream {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port or no scratch directory.
    pub async fn start(script: Script) -> Result<Self> {
        let scratch = Scratch::new()?;
        let engine = Engine::new(Script { control: scratch.path().to_owned(), ..script })?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind a free port")?;
        let shared = Arc::new(Shared {
            engine,
            sessions: Mutex::default(),
            sessions_made: Mutex::default(),
            resumable: Mutex::default(),
            streams: Mutex::default(),
            plays: Mutex::default(),
            paused: watch::Sender::new(false),
        });
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(Arc::clone(&shared), listener));
        Ok(Self { address, shared, tasks, _scratch: scratch })
    }

    /// The Streamable HTTP endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The HTTP+SSE endpoint.
    #[must_use]
    pub fn sse_url(&self) -> String {
        format!("http://{}/sse", self.address)
    }

    /// Where it listens, also while it is stopped.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its entry in `mcpServers`, over Streamable HTTP.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({"type": "streamable-http", "url": self.url()})
    }

    /// Its entry in `mcpServers`, over HTTP+SSE.
    #[must_use]
    pub fn sse_config(&self) -> Value {
        json!({"type": "sse", "url": self.sse_url()})
    }

    /// What it did.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.engine.journal.clone()
    }

    /// Its gates.
    #[must_use]
    pub fn control(&self) -> Control {
        self.shared.engine.control.clone()
    }

    /// Cuts every connection and refuses new ones; sessions and running requests are lost.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
        let mut plays = std::mem::take(&mut *lock(&self.shared.plays));
        plays.shutdown().await;
        self.forget_sessions();
        lock(&self.shared.resumable).clear();
        lock(&self.shared.streams).clear();
    }

    /// Stops it if it runs, and starts it again on its port.
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.context("bind the same port again")?;
        self.tasks.spawn(serve(Arc::clone(&self.shared), listener));
        Ok(())
    }

    /// Lets every request wait, answered by nothing, until [`Self::resume`].
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Lets the waiting requests go on.
    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }

    /// Forgets every legacy session, as a restart behind a load balancer does.
    pub fn forget_sessions(&self) {
        lock(&self.shared.sessions).clear();
    }

    /// How many legacy sessions are open.
    #[must_use]
    pub fn sessions_open(&self) -> usize {
        lock(&self.shared.sessions).len()
    }

    /// How many legacy sessions were ever made.
    #[must_use]
    pub fn sessions_made(&self) -> usize {
        *lock(&self.shared.sessions_made)
    }
}

async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let (tx, mut effects) = mpsc::channel(EFFECTS_MAX);
    let mut connections = JoinSet::new();
    // Its receiver must outlive it: a start has no transport, so its effects go nowhere.
    connections.spawn(async move { while effects.recv().await.is_some() {} });
    shared.engine.start(tx).await;
    loop {
        tokio::select! {
            Ok((socket, _)) = listener.accept() => { connections.spawn(connection(Arc::clone(&shared), socket)); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(shared: Arc<Shared>, socket: TcpStream) {
    // Small answers must not wait for the client's acknowledgement.
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move {
            shared.unpaused().await;
            route::route(&shared, request).await
        }
    });
    // A broken connection is what many scripts are for.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

impl Shared {
    async fn unpaused(&self) {
        // The sender lives as long as this value.
        let _ = self.paused.subscribe().wait_for(|paused| !paused).await;
    }

    /// Plays a request; its effects come out of the receiver.
    pub(crate) fn play(&self, message: Value, headers: Value) -> mpsc::Receiver<Effect> {
        let (tx, rx) = mpsc::channel(EFFECTS_MAX);
        self.play_to(message, headers, tx);
        rx
    }

    /// Plays a request whose effects go to `out`.
    pub(crate) fn play_to(&self, message: Value, headers: Value, out: mpsc::Sender<Effect>) {
        lock(&self.plays).spawn(Arc::clone(&self.engine).take(message, headers, out));
    }

    /// Makes a legacy session.
    pub(crate) fn new_session(&self) -> String {
        let mut made = lock(&self.sessions_made);
        *made += 1;
        let id = format!("session-{made}");
        lock(&self.sessions).insert(id.clone());
        id
    }
}

/// For bodies that cannot break.
pub(crate) fn never(impossible: Infallible) -> Cut {
    match impossible {}
}

//! The floor: the least code that does a proxy's job. The body of a POST is spliced into a frame
//! for the upstream, and the result spliced back; no checks, no policy, no healing.
//!
//! `floor PORT bare` only echoes the body, `floor PORT stdio COMMAND...` and `floor PORT http URL`
//! stand before an upstream; `floor PORT many URL` sends `/sN/TOOL` to the server at `URL/N`.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How many frames may wait for the pipe, and how many one write takes.
const FRAMES_MAX: usize = 256;
/// Connections that wait to be accepted: as many as ours lets wait.
const BACKLOG: u32 = 4096;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"floor","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[derive(Deserialize)]
struct Answer<'a> {
    id: u64,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// Who waits for which id.
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>;

/// The upstream at the other end of two pipes.
struct Pipe {
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next_id: AtomicU64,
}

/// The upstream behind a URL.
struct Remote {
    client: Client<HttpConnector, Full<Bytes>>,
    url: http::Uri,
    next_id: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (port, kind, rest) = match arguments.as_slice() {
        [port, kind, rest @ ..] => (port.parse::<u16>()?, kind.as_str(), rest),
        _ => bail!("usage: floor PORT bare|stdio|http ..."),
    };
    let mut tasks = JoinSet::new();
    let router = match kind {
        "bare" => Router::new().route("/{tool}", post(|body: Bytes| async { body })),
        "stdio" => Router::new()
            .route("/{tool}", post(call_pipe))
            .with_state(Arc::new(open_pipe(rest, &mut tasks).await?)),
        "http" => Router::new()
            .route("/{tool}", post(call_remote))
            .with_state(Arc::new(Remote::new(rest)?)),
        "many" => Router::new()
            .route("/{server}/{tool}", post(call_one_of_many))
            .with_state(Arc::new(Remote::new(rest)?)),
        other => bail!("unknown kind {other}"),
    };
    // Large bodies are measured, too.
    let router = router.layer(DefaultBodyLimit::disable());
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    let listener = socket.listen(BACKLOG)?;
    tokio::select! {
        served = axum::serve(axum::serve::ListenerExt::tap_io(listener, |socket| {
            // Without it a small answer may wait for an acknowledgement.
            let _ = socket.set_nodelay(true);
        }), router) => served?,
        Some(ended) = tasks.join_next() => ended??,
    }
    Ok(())
}

async fn open_pipe(command: &[String], tasks: &mut JoinSet<Result<()>>) -> Result<Pipe> {
    let (program, arguments) = command.split_first().context("a command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    let mut stdout = child.stdout.take().context("stdout is piped")?;
    stdin.write_all(format!("{INITIALIZE}\n").as_bytes()).await?;
    let mut buffer = BytesMut::with_capacity(64 << 10);
    while !buffer.contains(&b'\n') {
        stdout.read_buf(&mut buffer).await?;
    }
    buffer.clear();
    stdin.write_all(format!("{INITIALIZED}\n").as_bytes()).await?;
    let (frames, queue) = mpsc::channel(FRAMES_MAX);
    let waiting = Waiting::default();
    tasks.spawn(write_frames(stdin, queue));
    tasks.spawn(read_answers(stdout, buffer, Arc::clone(&waiting)));
    tasks.spawn(async move { bail!("the upstream ended: {}", child.wait().await?) });
    Ok(Pipe { frames, waiting, next_id: AtomicU64::new(1) })
}

async fn write_frames(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Vec<u8>>) -> Result<()> {
    let (mut frames, mut batch) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut frames, FRAMES_MAX).await > 0 {
        for frame in frames.drain(..) {
            batch.extend_from_slice(&frame);
        }
        stdin.write_all(&batch).await?;
        batch.clear();
    }
    Ok(())
}

async fn read_answers(
    mut stdout: ChildStdout,
    mut buffer: BytesMut,
    waiting: Waiting,
) -> Result<()> {
    // How far the buffer was searched in vain: a line of megabytes comes in many reads.
    let mut searched = 0;
    loop {
        while let Some(end) = memchr::memchr(b'\n', &buffer[searched..]).map(|at| searched + at) {
            let line = buffer.split_to(end).freeze();
            buffer.advance(1);
            searched = 0;
            let answer: Answer<'_> = serde_json::from_slice(&line)?;
            let waiter = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer.id);
            if let Some(waiter) = waiter {
                // Whoever asked may be gone.
                let _ = waiter.send(line.slice_ref(answer.result.get().as_bytes()));
            }
        }
        searched = buffer.len();
        if stdout.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn call_pipe(
    State(pipe): State<Arc<Pipe>>,
    Path(tool): Path<String>,
    body: Bytes,
) -> Result<Bytes, StatusCode> {
    let id = pipe.next_id.fetch_add(1, Ordering::Relaxed);
    let (tx, rx) = oneshot::channel();
    pipe.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, tx);
    let mut frame = frame(id, &tool, &body);
    frame.push(b'\n');
    pipe.frames.send(frame).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    rx.await.map_err(|_| StatusCode::BAD_GATEWAY)
}

fn frame(id: u64, tool: &str, arguments: &[u8]) -> Vec<u8> {
    let head = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":"#
    );
    let mut frame = Vec::with_capacity(head.len() + arguments.len() + 3);
    frame.extend_from_slice(head.as_bytes());
    frame.extend_from_slice(arguments);
    frame.extend_from_slice(b"}}");
    frame
}

impl Remote {
    fn new(arguments: &[String]) -> Result<Self> {
        let url = arguments.first().context("a URL")?.parse()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url, next_id: AtomicU64::new(1) })
    }
}

async fn call_remote(
    State(remote): State<Arc<Remote>>,
    Path(tool): Path<String>,
    body: Bytes,
) -> Result<Bytes, StatusCode> {
    ask(&remote, remote.url.clone(), &tool, &body).await
}

async fn call_one_of_many(
    State(remote): State<Arc<Remote>>,
    Path((server, tool)): Path<(String, String)>,
    body: Bytes,
) -> Result<Bytes, StatusCode> {
    let number = server.strip_prefix('s').ok_or(StatusCode::NOT_FOUND)?;
    let url = format!("{}/{number}", remote.url).parse().map_err(|_| StatusCode::NOT_FOUND)?;
    ask(&remote, url, &tool, &body).await
}

async fn ask(
    remote: &Remote,
    url: http::Uri,
    tool: &str,
    body: &Bytes,
) -> Result<Bytes, StatusCode> {
    let id = remote.next_id.fetch_add(1, Ordering::Relaxed);
    let request = http::Request::post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(Bytes::from(frame(id, tool, body))))
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let response = remote.client.request(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let text =
        response.into_body().collect().await.map_err(|_| StatusCode::BAD_GATEWAY)?.to_bytes();
    let answer: Answer<'_> = serde_json::from_slice(&text).map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(text.slice_ref(answer.result.get().as_bytes()))
}

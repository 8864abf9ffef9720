//! An echoing MCP server over Streamable HTTP (legacy era, without sessions) that costs next to
//! nothing. Any path is an endpoint of its own, so that one process stands for a thousand servers.
//!
//! `echo-http PORT [--tools N] [--read-only] [--workers K --service-ms S --full endless|503|429]`.
//! With workers its capacity is K calls at once, each for S milliseconds. `GET /told` says how many
//! calls came; `POST /hang?PATH` lets that path accept and never answer until `POST /heal`.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::echo::{Done, Server};
use bench::workers::{Capacity, Workers};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

/// What the connections share.
struct Upstream {
    server: Server,
    /// The workers, and what is said when there is no room before them.
    limited: Option<(Workers, StatusCode)>,
    calls: AtomicU64,
    refused: AtomicU64,
    hanging: RwLock<Option<String>>,
}

/// The command line.
struct Options {
    port: u16,
    tools: usize,
    read_only: bool,
    workers: usize,
    service: Duration,
    full: Option<StatusCode>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], options.port).into())?;
    let listener = socket.listen(BACKLOG)?;
    let mut tasks = JoinSet::new();
    let upstream = Arc::new(Upstream::new(&options, &mut tasks));
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let upstream = Arc::clone(&upstream);
        tasks.spawn(async move {
            let service = service_fn(|request| upstream.answer(request));
            // A client that goes away is no error of ours.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
        while tasks.try_join_next().is_some() {}
    }
}

// === impl Options ===

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let port = arguments.next().context("usage: echo-http PORT [OPTIONS]")?.parse()?;
        let mut options = Self {
            port,
            tools: 1,
            read_only: false,
            workers: 0,
            service: Duration::ZERO,
            full: None,
        };
        while let Some(flag) = arguments.next() {
            if flag == "--read-only" {
                options.read_only = true;
                continue;
            }
            let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--tools" => options.tools = value.parse()?,
                "--workers" => options.workers = value.parse()?,
                "--service-ms" => options.service = Duration::from_millis(value.parse()?),
                "--full" if value == "endless" => options.full = None,
                "--full" => options.full = Some(value.parse()?),
                _ => bail!("{flag} is unknown"),
            }
        }
        Ok(options)
    }
}

// === impl Upstream ===

impl Upstream {
    fn new(options: &Options, tasks: &mut JoinSet<()>) -> Self {
        let capacity = Capacity {
            workers: options.workers,
            service: options.service,
            // As many wait as are served: a call takes twice as long at worst.
            room: options.full.map(|_| options.workers),
        };
        let said = options.full.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let limited = (options.workers > 0).then(|| (Workers::start(capacity, tasks), said));
        Self {
            server: Server::new(options.tools, options.read_only),
            limited,
            calls: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            hanging: RwLock::default(),
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        if path == "/told" {
            let (calls, refused) =
                (self.calls.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
            return Ok(json(format!(r#"{{"calls":{calls},"refused":{refused}}}"#).into_bytes()));
        }
        if request.method() != Method::POST {
            return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        match path.as_str() {
            "/hang" => return Ok(self.set_hanging(request.uri().query().map(str::to_owned))),
            "/heal" => return Ok(self.set_hanging(None)),
            _ => {}
        }
        let Ok(body) = request.into_body().collect().await else {
            return Ok(empty(StatusCode::BAD_REQUEST));
        };
        if self.hangs(&path) {
            // Not a word to whoever asked meanwhile, also after it was healed.
            pending::<()>().await;
        }
        Ok(self.reply(&body.to_bytes()).await)
    }

    async fn reply(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let mut out = Vec::with_capacity(body.len() + 256);
        match self.server.answer(body, &mut out) {
            Done::Nothing => return empty(StatusCode::ACCEPTED),
            Done::Told => {}
            Done::Called => {
                self.calls.fetch_add(1, Ordering::Relaxed);
                if let Some((workers, said)) = &self.limited
                    && workers.serve().await.is_err()
                {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return empty(*said);
                }
            }
        }
        json(out)
    }

    fn hangs(&self, path: &str) -> bool {
        let hanging = self.hanging.read().unwrap_or_else(PoisonError::into_inner);
        hanging.as_deref() == Some(path)
    }

    fn set_hanging(&self, path: Option<String>) -> Response<Full<Bytes>> {
        *self.hanging.write().unwrap_or_else(PoisonError::into_inner) = path;
        empty(StatusCode::OK)
    }
}

fn json(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

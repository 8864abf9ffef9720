//! A small HTTP client for tests: one connection per request, everything visible, nothing clever
//! (no redirects, no pool, no decompression).

use std::future::pending;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// After this a request has failed, so that no test hangs: longer than any deadline under test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// A request with that method, without a body.
    #[must_use]
    pub fn new(method: Method, url: &str) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A GET.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST without a body.
    #[must_use]
    pub fn post(url: &str) -> Self {
        Self::new(Method::POST, url)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body, byte for byte, and no content type of its own.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// With this JSON as its body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends it and reads the whole answer. Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// No connection, a broken answer, or nothing within a minute.
    pub async fn send(self) -> Result<Reply> {
        let what = format!("{} {}", self.method, self.url);
        match tokio::time::timeout(PATIENCE, self.exchange()).await {
            Ok(reply) => reply.with_context(|| format!("send {what}")),
            Err(_) => anyhow::bail!("{what}: no answer within {PATIENCE:?}"),
        }
    }

    async fn exchange(self) -> Result<Reply> {
        let uri: Uri = self.url.parse()?;
        let authority = uri.authority().context("a URL with a host")?.clone();
        let socket = TcpStream::connect(authority.as_str()).await.context("connect")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(path)
            .header("host", authority.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body))?;
        let answer = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            anyhow::Ok(Reply { status: parts.status, headers: parts.headers, body })
        };
        // The connection may end before its last bytes are read; that is the answer's to tell.
        let drive = async {
            let _ = connection.await;
            pending::<()>().await;
        };
        tokio::select! {
            reply = answer => reply,
            () = drive => unreachable!("it is pending for ever"),
        }
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => unreachable!("a JSON body was expected: {error}; it is {self}"),
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.status, self.text())
    }
}

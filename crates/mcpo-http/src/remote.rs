//! A running mcpo as seen from another process: asks what only operators may ask, over plain HTTP.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mcpo_config::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest answer that is read: a whole journal of long entries is well below.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long a connection may take: a machine that is on answers within a round trip.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// What a name may hold as it is in a path or a query (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A running mcpo.
#[derive(Debug, Clone)]
pub struct Remote {
    authority: Authority,
    /// What stands in front of `/admin`: nothing, or a root path.
    base: String,
    credentials: Option<HeaderValue>,
}

/// What it answered.
#[derive(Debug)]
pub struct Told {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// Which entries of the journal are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct JournalQuery<'a> {
    /// Only those with a greater sequence number.
    pub after: Option<u64>,
    /// Only those about this server.
    pub server: Option<&'a str>,
    /// At most so many, the newest.
    pub limit: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The URL is none, or none of ours.
    #[error("`{0}` is no URL of the form http://HOST:PORT")]
    BadUrl(String),
    /// It names a user, and most likely a password, which is therefore not repeated.
    #[error("the URL has a user in it")]
    UserInUrl,
    /// There is no TLS in here.
    #[error("https:// is not spoken here")]
    Tls,
    /// The key cannot be sent.
    #[error("the key holds characters that no HTTP header can carry")]
    BadKey,
    /// Nobody listens there.
    #[error("nobody can be reached at {0}")]
    Unreachable(String, #[source] io::Error),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Slow(String),
    /// What came is no answer of HTTP, or broke off, or is too large.
    #[error("{0} gave no whole HTTP answer")]
    Broken(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

// === impl Remote ===

impl Remote {
    /// The mcpo at a URL such as `http://127.0.0.1:8000`, to which this key is shown.
    ///
    /// # Errors
    /// When URL or key cannot be used. Nothing is asked yet.
    pub fn new(url: &str, key: Option<&Secret>) -> Result<Self, RemoteError> {
        if url.contains('@') {
            return Err(RemoteError::UserInUrl);
        }
        let bad = || RemoteError::BadUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => return Err(RemoteError::Tls),
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(_) | None => return Err(bad()),
        }
        let authority = uri.authority().cloned().ok_or_else(bad)?;
        let base = uri.path().trim_end_matches('/').to_owned();
        let credentials = match key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
                    .map_err(|_| RemoteError::BadKey)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self { authority, base, credentials })
    }

    /// Where it is, for people.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}{}", self.authority, self.base)
    }

    /// Asks for all servers.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn servers(&self, patience: Duration) -> Result<Told, RemoteError> {
        self.ask(Method::GET, "/admin/servers", patience).await
    }

    /// Asks for all that is known at this moment, as the dashboard shows it.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn picture(&self, patience: Duration) -> Result<Told, RemoteError> {
        self.ask(Method::GET, "/admin/picture", patience).await
    }

    /// Asks for the figures.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn metrics(&self, patience: Duration) -> Result<Told, RemoteError> {
        self.ask(Method::GET, "/metrics?format=json", patience).await
    }

    /// Asks for the alerts.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn alerts(&self, patience: Duration) -> Result<Told, RemoteError> {
        self.ask(Method::GET, "/alerts", patience).await
    }

    /// Asks what is wrong.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn diagnostics(&self, patience: Duration) -> Result<Told, RemoteError> {
        self.ask(Method::GET, "/diagnostics", patience).await
    }

    /// Gives an order to one server.
    ///
    /// Cancel-safe: dropping it closes the connection; an order that was given is carried out.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn order(
        &self,
        server: &str,
        order: &str,
        patience: Duration,
    ) -> Result<Told, RemoteError> {
        let server = utf8_percent_encode(server, ENCODED);
        self.ask(Method::POST, &format!("/admin/servers/{server}/{order}"), patience).await
    }

    /// Has all connections checked, within that many seconds each.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn validate(
        &self,
        seconds: Option<f64>,
        patience: Duration,
    ) -> Result<Told, RemoteError> {
        let query = seconds.map(|seconds| format!("?timeout={seconds}")).unwrap_or_default();
        self.ask(Method::POST, &format!("/admin/validate{query}"), patience).await
    }

    /// Asks how the cache stands.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn cache(&self, patience: Duration) -> Result<Told, RemoteError> {
        self.ask(Method::GET, "/admin/cache", patience).await
    }

    /// Has the answers that are kept forgotten: all, those of a server, or of one tool of it.
    ///
    /// Cancel-safe: dropping it closes the connection; an order that was given is carried out.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn purge(
        &self,
        server: Option<&str>,
        tool: Option<&str>,
        patience: Duration,
    ) -> Result<Told, RemoteError> {
        let path = format!("/admin/cache{}", query([named("server", server), named("tool", tool)]));
        self.ask(Method::POST, &path, patience).await
    }

    /// Asks for entries of the journal.
    ///
    /// Cancel-safe: dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn journal(
        &self,
        query: JournalQuery<'_>,
        patience: Duration,
    ) -> Result<Told, RemoteError> {
        let JournalQuery { after, server, limit } = query;
        let after = after.map(|after| format!("after={after}"));
        let limit = limit.map(|limit| format!("limit={limit}"));
        let path =
            format!("/admin/journal{}", self::query([after, named("server", server), limit]));
        self.ask(Method::GET, &path, patience).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
    ) -> Result<Told, RemoteError> {
        let socket = self.connect().await?;
        match timeout(patience, self.exchange(socket, method, path)).await {
            Ok(told) => told.map_err(|error| RemoteError::Broken(self.address(), error)),
            Err(_) => Err(RemoteError::Slow(self.address())),
        }
    }

    async fn connect(&self) -> Result<TcpStream, RemoteError> {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(80);
        match timeout(CONNECT_TIME_MAX, TcpStream::connect((host, port))).await {
            Ok(socket) => socket.map_err(|error| RemoteError::Unreachable(self.address(), error)),
            Err(_) => Err(RemoteError::Unreachable(self.address(), io::ErrorKind::TimedOut.into())),
        }
    }

    async fn exchange(
        &self,
        socket: TcpStream,
        method: Method,
        path: &str,
    ) -> Result<Told, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, self.authority.as_str());
        if let Some(credentials) = &self.credentials {
            request = request.header(AUTHORIZATION, credentials);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        let answered = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Told { status: parts.status.as_u16(), body })
        };
        tokio::select! {
            told = answered => told,
            // What is left of it is of interest only if the answer is not there yet.
            Err(error) = connection => Err(error.into()),
        }
    }
}

/// What stands behind a path, with its mark; nothing where nothing is asked for.
fn query<const MAX: usize>(pairs: [Option<String>; MAX]) -> String {
    let pairs: Vec<String> = pairs.into_iter().flatten().collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    format!("{mark}{}", pairs.join("&"))
}

/// A pair of a query whose value somebody made up.
fn named(name: &str, value: Option<&str>) -> Option<String> {
    value.map(|value| format!("{name}={}", utf8_percent_encode(value, ENCODED)))
}

#[cfg(test)]
mod tests;

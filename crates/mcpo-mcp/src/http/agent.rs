//! The HTTP clients of this process, made when the first HTTP upstream is, and what their errors
//! mean. TLS roots and pools cost memory that a user of stdio alone never pays.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mcpo_core::fault::Stage;
use reqwest::{Client, ClientBuilder};
use url::Url;

use crate::error::{Cause, RequestError, Sent};
use crate::http::bounds::{CONNECT_WAIT_MAX, HEADER_BYTES_MAX, HEADERS_MAX};
use crate::loopback::is_loopback;

/// How long an unused connection is kept: below the 60 s after which common proxies close theirs,
/// so that we rarely write into a connection that is being closed.
const POOL_IDLE_MAX: Duration = Duration::from_secs(50);
/// How many unused connections to one upstream are kept. Calls come in waves: with fewer kept than
/// a wave has calls, every wave closes and opens connections.
const POOL_IDLE_CONNECTIONS_MAX: usize = 256;
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_WAIT: Duration = Duration::from_secs(10);

static LOOPBACK_PLAIN: OnceLock<Client> = OnceLock::new();
static LOOPBACK_TLS: OnceLock<Client> = OnceLock::new();
static OUTWARD: OnceLock<Client> = OnceLock::new();

/// The client for an address. A proxy from the environment is never asked for loopback, and
/// without TLS no certificates are loaded there.
///
/// # Errors
/// [`Cause::Connect`] when no client can be made (no usable TLS roots).
pub(crate) fn client(url: &Url) -> Result<&'static Client, Cause> {
    let (place, builder) = match (is_loopback(url), url.scheme()) {
        (true, "http") => (&LOOPBACK_PLAIN, base().no_proxy().tls_certs_only([])),
        (true, _) => (&LOOPBACK_TLS, base().no_proxy()),
        (false, _) => (&OUTWARD, base()),
    };
    if let Some(client) = place.get() {
        return Ok(client);
    }
    let client = builder.build().map_err(|error| unconnected(&error))?;
    Ok(place.get_or_init(|| client))
}

fn base() -> ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_WAIT_MAX)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE_WAIT)
        .tcp_keepalive_retries(3)
        .http2_keep_alive_interval(KEEPALIVE)
        .http2_keep_alive_timeout(KEEPALIVE_WAIT)
        .http2_adaptive_window(true)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http1_max_headers(HEADERS_MAX)
        .pool_idle_timeout(POOL_IDLE_MAX)
        .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS_MAX)
}

/// Whether the body of one request has been handed to a connection. The HTTP stack reads it when
/// the connection stands and the head is in its buffer, never before: until then the upstream
/// cannot have seen a request that it could act on.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandedOver(Arc<AtomicBool>);

impl HandedOver {
    pub(crate) fn sent(&self) -> Sent {
        if self.0.load(Ordering::Acquire) { Sent::Maybe } else { Sent::No }
    }

    /// An answer came, so the upstream has seen the request, whatever it has read of it.
    pub(crate) fn was_answered(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// A body of known length that remembers that it was read.
    pub(crate) fn body(&self, bytes: Bytes) -> reqwest::Body {
        reqwest::Body::wrap(WatchedBody { bytes: Some(bytes), handed_over: self.clone() })
    }
}

struct WatchedBody {
    bytes: Option<Bytes>,
    handed_over: HandedOver,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.handed_over.0.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// What the failure of a request means.
pub(crate) fn failure(error: &reqwest::Error, handed_over: &HandedOver) -> RequestError {
    if error.is_connect() || error.is_builder() {
        return RequestError::not_sent(unconnected(error));
    }
    let sent = if was_refused_unseen(error) { Sent::No } else { handed_over.sent() };
    RequestError { sent, cause: Cause::Broken(reason(error)) }
}

fn unconnected(error: &reqwest::Error) -> Cause {
    Cause::Connect { stage: stage(error), reason: reason(error) }
}

/// How far an attempt to connect came, as far as the chain of errors below it tells. The innermost
/// error that knows decides.
fn stage(error: &reqwest::Error) -> Stage {
    let mut stage = if error.is_timeout() { Stage::Route } else { Stage::Other };
    let mut source = error.source();
    while let Some(cause) = source {
        stage = stage_of(cause).unwrap_or(stage);
        source = cause.source();
    }
    stage
}

fn stage_of(error: &(dyn std::error::Error + 'static)) -> Option<Stage> {
    if error.is::<rustls::Error>() {
        return Some(Stage::Tls);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An I/O error that wraps one of TLS hides it from the chain of sources.
        let inner = error.get_ref().and_then(|inner| stage_of(inner));
        return inner.or_else(|| stage_of_kind(error.kind()));
    }
    // The connector's own type is private.
    error.to_string().starts_with("dns error").then_some(Stage::Name)
}

fn stage_of_kind(kind: io::ErrorKind) -> Option<Stage> {
    use io::ErrorKind as Kind;
    let stages = [
        (Kind::ConnectionRefused, Stage::Refused),
        (Kind::TimedOut, Stage::Route),
        (Kind::HostUnreachable, Stage::Route),
        (Kind::NetworkUnreachable, Stage::Route),
        (Kind::NetworkDown, Stage::Route),
        (Kind::AddrNotAvailable, Stage::Route),
    ];
    stages.into_iter().find(|(known, _)| *known == kind).map(|(_, stage)| stage)
}

/// HTTP/2 says outright when a stream was not looked at (RFC 9113, section 8.7).
fn was_refused_unseen(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            return error.is_remote()
                && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
                    || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM));
        }
        source = cause.source();
    }
    false
}

/// The chain of sources below reqwest's own words, which may hold the URL and say little else.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        let said = words.last().is_some_and(|last| last.ends_with(&text));
        if !said && !text.starts_with("client error (") {
            words.push(text);
        }
        source = cause.source();
    }
    if words.is_empty() { kind(error).to_owned() } else { words.join(": ") }
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_builder() {
        "not an HTTP address"
    } else if error.is_body() || error.is_decode() {
        "the body broke off"
    } else {
        "the connection was closed"
    }
}

#[cfg(test)]
mod tests;

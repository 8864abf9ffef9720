//! Whether a request left, and what the errors of the HTTP stack mean.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcpo_core::fault::Stage;

use crate::error::{Cause, RequestError, Sent};

/// Whether the body of one request has been handed to a connection. The HTTP stack reads it when
/// the connection stands and the head is in its buffer, never before: until then the upstream
/// cannot have seen a request that it could act on.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandedOver(Arc<AtomicBool>);

/// A body of known length, or none, that remembers that it was read.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    bytes: Option<Bytes>,
    handed_over: HandedOver,
}

// === impl HandedOver ===

impl HandedOver {
    pub(crate) fn sent(&self) -> Sent {
        if self.0.load(Ordering::Acquire) { Sent::Maybe } else { Sent::No }
    }

    /// An answer came, so the upstream has seen the request, whatever it has read of it.
    pub(crate) fn was_answered(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn body(&self, bytes: Option<Bytes>) -> WatchedBody {
        WatchedBody { bytes, handed_over: self.clone() }
    }
}

// === impl WatchedBody ===

impl Body for WatchedBody {
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

/// What the failure of a request on a connection means.
pub(crate) fn failure(error: &hyper::Error, handed_over: &HandedOver) -> RequestError {
    let sent = if was_refused_unseen(error) { Sent::No } else { handed_over.sent() };
    RequestError { sent, cause: Cause::Broken(reason(error)) }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// How far an attempt to connect came, as far as the chain of errors tells. The innermost error
/// that knows decides.
pub(crate) fn stage(error: &(dyn Error + 'static)) -> Stage {
    chain(error).filter_map(stage_of).last().unwrap_or(Stage::Other)
}

fn stage_of(error: &(dyn Error + 'static)) -> Option<Stage> {
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
fn was_refused_unseen(error: &hyper::Error) -> bool {
    let Some(error) = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let reason = error.reason();
    error.is_remote()
        && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
            || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
}

/// What the errors of a chain say, each thing once.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if !words.last().is_some_and(|last| last.ends_with(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

#[cfg(test)]
mod tests;

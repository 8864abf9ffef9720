//! One upstream's address: sends a request there with its headers, follows it within its origin,
//! and never shows more of it than scheme, host and port.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use mcpo_core::fault::Stage;
use url::{Position, Url};

use crate::error::{Cause, RequestError};
use crate::http::agent::{HandedOver, WatchedBody};
use crate::http::base64;
use crate::http::bounds::REDIRECTS_MAX;
use crate::http::exchange::Response;
use crate::http::pool::Part;

/// Where requests go.
pub(crate) struct Peer {
    /// Moves when the upstream redirects within its origin, so that only the first request pays.
    place: RwLock<Arc<Place>>,
    /// The operator's headers, and `Host`.
    headers: HeaderMap,
    /// `Host` is ours: HTTP/2 says the same elsewhere.
    names_host: bool,
}

/// An address, as requests name it.
struct Place {
    url: Url,
    /// The path and the query, unless a proxy must be told more.
    target: Uri,
    whole: Uri,
    part: Part,
}

impl Place {
    fn new(mut url: Url) -> Result<Self, Cause> {
        // What an upstream redirects to may name credentials. Ours go along in a header.
        let _cannot_fail_with_a_host = (url.set_username(""), url.set_password(None));
        url.set_fragment(None);
        let no_address = |_| unusable("not an HTTP address");
        let whole = Uri::try_from(url.as_str()).map_err(no_address)?;
        let part = Part::of(&url)?;
        let target = if part.pool().way().is_forwarded() {
            whole.clone()
        } else {
            Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]).map_err(no_address)?
        };
        Ok(Self { url, target, whole, part })
    }
}

impl Peer {
    /// # Errors
    /// [`Cause::Connect`] for an address that is not HTTP, and where no TLS roots can be used.
    pub(crate) fn new(url: &Url, headers: &HeaderMap) -> Result<Self, Cause> {
        let mut headers = headers.clone();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(unusable("the address is neither http nor https"));
        }
        if let Some(credentials) = credentials(url) {
            headers.entry(AUTHORIZATION).or_insert(credentials);
        }
        // They are secrets: `Debug` hides such values, and HTTP/2 keeps them out of its tables.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let names_host = !headers.contains_key(HOST);
        if names_host {
            // A redirect that is followed stays with the host, and with a port that is named.
            let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
                .map_err(|_| unusable("not an HTTP address"))?;
            headers.insert(HOST, host);
        }
        Ok(Self { place: RwLock::new(Arc::new(Place::new(url.clone())?)), headers, names_host })
    }

    /// The same upstream at another address of its origin.
    ///
    /// # Errors
    /// See [`Peer::new`].
    pub(crate) fn at(&self, url: Url) -> Result<Self, Cause> {
        let place = RwLock::new(Arc::new(Place::new(url)?));
        Ok(Self { place, headers: self.headers.clone(), names_host: self.names_host })
    }

    pub(crate) fn url(&self) -> Url {
        self.place().url.clone()
    }

    /// What every request carries, for a session to build its own headers upon.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// See [`Pool::tend`].
    pub(crate) async fn tend(&self) -> Infallible {
        let pool = Arc::clone(self.place().part.pool());
        pool.tend().await
    }

    /// Sends a request; gives the answer's head. A redirect within the origin is followed (the
    /// upstream did not act on what it redirects), any other one is an answer like others.
    ///
    /// Cancel-safe: dropping it closes the connection or resets the stream.
    pub(crate) async fn send(&self, out: &Outgoing<'_>) -> Result<Response, RequestError> {
        let mut redirects = 0;
        loop {
            let place = self.place();
            let compose = |is_h2| self.compose(&place, out, is_h2);
            let response = place
                .part
                .send(compose, out.handed_over)
                .await
                .map_err(|error| named(&place.url, error))?;
            match redirect(&place.url, &out.method, &response) {
                Some(next) if redirects < REDIRECTS_MAX => {
                    redirects += 1;
                    response.let_go();
                    let next = Place::new(next).map_err(RequestError::not_sent)?;
                    *self.place.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
                }
                Some(_) | None => return Ok(response),
            }
        }
    }

    fn compose(&self, place: &Place, out: &Outgoing<'_>, is_h2: bool) -> Request<WatchedBody> {
        let mut request = Request::new(out.handed_over.body(out.body.clone()));
        *request.method_mut() = out.method.clone();
        request.headers_mut().clone_from(out.headers);
        if is_h2 {
            *request.uri_mut() = place.whole.clone();
            if self.names_host {
                request.headers_mut().remove(HOST);
            }
        } else {
            *request.uri_mut() = place.target.clone();
            if let Some(credentials) = place.part.pool().way().proxy_credentials() {
                request.headers_mut().entry(PROXY_AUTHORIZATION).or_insert(credentials.clone());
            }
        }
        request
    }

    fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unusable(reason: &str) -> Cause {
    Cause::Connect { stage: Stage::Other, reason: reason.to_owned() }
}

/// The same error; where there was no connection it says with whom.
fn named(url: &Url, RequestError { sent, mut cause }: RequestError) -> RequestError {
    if let Cause::Connect { reason, .. } = &mut cause {
        *reason = format!("{}: {reason}", origin(url));
    }
    RequestError { sent, cause }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Peer").field(&origin(&self.url())).finish()
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    /// All headers.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) handed_over: &'a HandedOver,
}

/// Scheme, host and port: path, query and credentials may be secret.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Where an answer sends us, if that is ours to follow: the method must stay, and the origin too,
/// since credentials go along.
fn redirect(from: &Url, method: &Method, response: &Response) -> Option<Url> {
    let keeps_method = match response.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::GET,
        _answer => false,
    };
    if !keeps_method {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let next = from.join(location).ok()?;
    same_place(from, &next).then_some(next)
}

/// The same origin, or its HTTPS at the usual ports.
fn same_place(from: &Url, next: &Url) -> bool {
    from.origin() == next.origin()
        || from.scheme() == "http"
            && next.scheme() == "https"
            && from.host() == next.host()
            && from.port().is_none()
            && next.port().is_none()
}

fn credentials(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", base64::encode(&pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

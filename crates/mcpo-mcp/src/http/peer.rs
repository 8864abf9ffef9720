//! One upstream's address: sends a request there with its headers, follows it within its origin,
//! and never shows more of it than scheme, host and port.

use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use mcpo_core::fault::Stage;
use reqwest::{Client, Request, Response};
use url::Url;

use crate::error::{Cause, RequestError};
use crate::http::agent::{self, HandedOver};
use crate::http::base64;
use crate::http::bounds::REDIRECTS_MAX;

/// Where requests go.
pub(crate) struct Peer {
    client: &'static Client,
    /// Moves when the upstream redirects within its origin, so that only the first request pays.
    url: RwLock<Url>,
    /// The operator's headers.
    headers: HeaderMap,
}

impl Peer {
    /// # Errors
    /// [`Cause::Connect`] for an address that is not HTTP.
    pub(crate) fn new(url: &Url, headers: &HeaderMap) -> Result<Self, Cause> {
        let mut url = url.clone();
        let mut headers = headers.clone();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Cause::Connect {
                stage: Stage::Other,
                reason: "the address is neither http nor https".to_owned(),
            });
        }
        if let Some(credentials) = credentials(&url) {
            headers.entry(AUTHORIZATION).or_insert(credentials);
            let _cannot_fail_with_a_host = (url.set_username(""), url.set_password(None));
        }
        url.set_fragment(None);
        // They are secrets: `Debug` hides such values, and HTTP/2 keeps them out of its tables.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self { client: agent::client(&url)?, url: RwLock::new(url), headers })
    }

    /// The same upstream at another address of its origin.
    pub(crate) fn at(&self, url: Url) -> Self {
        Self { client: self.client, url: RwLock::new(url), headers: self.headers.clone() }
    }

    pub(crate) fn url(&self) -> Url {
        self.url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operator's headers, for a session to build its own upon.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Sends a request; gives the answer's head. A redirect within the origin is followed (the
    /// upstream did not act on what it redirects), any other one is an answer like others.
    ///
    /// Cancel-safe: dropping it closes the connection or resets the stream.
    pub(crate) async fn send(&self, out: Outgoing<'_>) -> Result<Response, RequestError> {
        let mut redirects = 0;
        loop {
            let mut request = Request::new(out.method.clone(), self.url());
            request.headers_mut().clone_from(out.headers);
            *request.body_mut() = out.body.clone().map(|body| out.handed_over.body(body));
            let answered = self.client.execute(request).await;
            let response = answered.map_err(|error| self.failure(&error, out.handed_over))?;
            match redirect(response.url(), &out.method, &response) {
                Some(next) if redirects < REDIRECTS_MAX => {
                    redirects += 1;
                    *self.url.write().unwrap_or_else(PoisonError::into_inner) = next;
                }
                Some(_) | None => return Ok(response),
            }
        }
    }

    fn failure(&self, error: &reqwest::Error, handed_over: &HandedOver) -> RequestError {
        let RequestError { sent, mut cause } = agent::failure(error, handed_over);
        if let Cause::Connect { reason, .. } = &mut cause {
            *reason = format!("{}: {reason}", origin(&self.url()));
        }
        RequestError { sent, cause }
    }
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
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let next = from.join(location).ok()?;
    (keeps_method && same_place(from, &next)).then_some(next)
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

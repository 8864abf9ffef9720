//! Who may come to `/admin`. With a key whoever shows it; without one whoever sits at this machine,
//! and not a page of another site that a browser on this machine happens to show.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Version};

use crate::access::Gate;
use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What proxies add of their own accord or by the usual examples.
const FORWARDING: [HeaderName; 3] = [FORWARDED, VIA, HeaderName::from_static("x-real-ip")];
/// How the names of more of them begin: `X-Forwarded-For`, `-Host`, `-Proto`, `-Prefix`, `-Server`.
const FORWARDING_PREFIX: &str = "x-forwarded-";

const OTHER_SITE: &str = "The admin interface does not answer pages of other sites";
const NOT_HERE: &str = "Without an API key the admin interface answers only on the machine that \
     mcpo runs on: start mcpo with --api-key, and show the key";
const THROUGH_PROXY: &str = "Without an API key the admin interface answers nobody who comes \
     through a proxy: start mcpo with --api-key, and show the key";
const OTHER_NAME: &str = "Without an API key the admin interface answers only under localhost, \
     127.0.0.1 or [::1]";

/// Whether whoever sends this from there may come in.
pub(crate) fn admit(gate: &Gate, parts: &Parts, peer: IpAddr) -> Result<(), Problem> {
    let refused = |why| Err(Problem::Forbidden { why });
    // First of all, and with a key, too: a browser may know the key and send it by itself.
    if is_of_other_site(parts) {
        return refused(OTHER_SITE);
    }
    if gate.needs_key() {
        return gate.admin(&parts.headers);
    }
    if !peer.to_canonical().is_loopback() {
        return refused(NOT_HERE);
    }
    if came_through_proxy(parts) {
        return refused(THROUGH_PROXY);
    }
    // The name of another site may be made to lead here (DNS rebinding); the page that does it is
    // of the same origin then, but cannot call itself localhost.
    if !names(parts).all(|name| name.is_some_and(|name| is_loopback(name.host()))) {
        return refused(OTHER_NAME);
    }
    Ok(())
}

fn is_of_other_site(parts: &Parts) -> bool {
    let site = parts.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if matches!(site, Some(b"cross-site" | b"same-site")) {
        return true;
    }
    let own = names(parts).next().flatten();
    parts.headers.get_all(ORIGIN).iter().any(|origin| !is_same(origin, own.as_ref()))
}

/// Whether an origin is the host that was asked. `null` is nobody.
fn is_same(origin: &HeaderValue, own: Option<&Authority>) -> bool {
    let parsed = || {
        let (scheme, rest) = origin.to_str().ok()?.split_once("://")?;
        let port = if scheme == "https" { 443 } else { 80 };
        Some((rest.parse::<Authority>().ok()?, port))
    };
    let (Some((origin, default)), Some(own)) = (parsed(), own) else { return false };
    origin.host().eq_ignore_ascii_case(own.host())
        && origin.port_u16().unwrap_or(default) == own.port_u16().unwrap_or(default)
}

fn came_through_proxy(parts: &Parts) -> bool {
    let is_forwarding = |name: &HeaderName| {
        FORWARDING.contains(name) || name.as_str().starts_with(FORWARDING_PREFIX)
    };
    // nginx before 1.29.7 speaks HTTP/1.0 to what is behind it unless it is told otherwise, and
    // nobody else does.
    parts.version < Version::HTTP_11 || parts.headers.keys().any(is_forwarding)
}

/// The names under which we were asked, one of them at least; `None` for one that is none.
fn names(parts: &Parts) -> impl Iterator<Item = Option<Authority>> {
    let of_uri = parts.uri.authority().cloned().map(Some);
    let of_headers: Vec<_> = hosts(&parts.headers).collect();
    let nobody = (of_uri.is_none() && of_headers.is_empty()).then_some(None);
    of_uri.into_iter().chain(of_headers).chain(nobody)
}

fn hosts(headers: &HeaderMap) -> impl Iterator<Item = Option<Authority>> {
    headers.get_all(HOST).iter().map(|host| Authority::try_from(host.as_bytes()).ok())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;

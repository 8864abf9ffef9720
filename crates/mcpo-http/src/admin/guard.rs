//! Who may come to `/admin`. With a key whoever shows it; without one whoever sits at this machine,
//! and not a page of another site that a browser on this machine happens to show.

use std::net::IpAddr;

use http::Version;
use http::header::{FORWARDED, HeaderName, VIA};
use http::request::Parts;

use crate::access::Gate;
use crate::problem::Problem;
use crate::shown::Shown;

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
    refuse_other_sites(parts)?;
    if gate.needs_key() {
        return gate.admin(Shown::from(parts));
    }
    if !peer.to_canonical().is_loopback() {
        return refused(NOT_HERE);
    }
    if came_through_proxy(parts) {
        return refused(THROUGH_PROXY);
    }
    // The name of another site may be made to lead here (DNS rebinding); the page that does it is
    // of the same origin then, but cannot call itself localhost.
    if !Shown::from(parts).names().all(|name| name.is_some_and(|name| is_loopback(name.host()))) {
        return refused(OTHER_NAME);
    }
    Ok(())
}

/// What nobody else may send, a login above all.
pub(crate) fn refuse_other_sites(parts: &Parts) -> Result<(), Problem> {
    if Shown::from(parts).is_of_other_site() { Err(other_site()) } else { Ok(()) }
}

/// Not for pages of other origins.
pub(crate) const fn other_site() -> Problem {
    Problem::Forbidden { why: OTHER_SITE }
}

fn came_through_proxy(parts: &Parts) -> bool {
    let is_forwarding = |name: &HeaderName| {
        FORWARDING.contains(name) || name.as_str().starts_with(FORWARDING_PREFIX)
    };
    // nginx before 1.29.7 speaks HTTP/1.0 to what is behind it unless it is told otherwise, and
    // nobody else does.
    parts.version < Version::HTTP_11 || parts.headers.keys().any(is_forwarding)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;

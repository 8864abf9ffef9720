//! What a request shows of who sends it: a page of another site, our own page, or no page at all.

use http::header::{COOKIE, FORWARDED, HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What our own page sends along. No form can send it, and no script of another origin without
/// saying its origin.
const OUR_PAGE: HeaderName = HeaderName::from_static("x-mcpo-dashboard");

/// A request without its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
}

impl<'r> From<&'r Parts> for Shown<'r> {
    fn from(parts: &'r Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers }
    }
}

impl<'r, B> From<&'r Request<B>> for Shown<'r> {
    fn from(request: &'r Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

// === impl Shown ===

impl<'r> Shown<'r> {
    /// Whether it changes nothing.
    pub(crate) fn only_looks(self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }

    /// Whether a page of another origin sends it, as far as browsers say so.
    pub(crate) fn is_of_other_site(self) -> bool {
        let site = self.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        if matches!(site, Some(b"cross-site" | b"same-site")) {
            return true;
        }
        let own = self.names().next().flatten();
        self.headers.get_all(ORIGIN).iter().any(|origin| !is_same(origin, own.as_ref()))
    }

    /// Whether it says that our own page sends it.
    pub(crate) fn is_of_our_page(self) -> bool {
        self.headers.get(OUR_PAGE).is_some_and(|value| value == "1")
    }

    /// Whether a script sends it, whose reader would be asked for a password by the browser if the
    /// answer challenged for one.
    pub(crate) fn is_of_script(self) -> bool {
        self.is_of_our_page() || self.headers.get(SEC_FETCH_DEST).is_some_and(|to| to == "empty")
    }

    /// Whether the browser came by TLS, which ends at a proxy in front of us. Browsers say so
    /// themselves where they send something; what proxies say counts for the first of them.
    pub(crate) fn came_by_tls(self) -> bool {
        let first = |name: HeaderName| {
            let said = self.headers.get(name)?.to_str().ok()?;
            said.split(',').next().map(|first| first.trim().to_ascii_lowercase())
        };
        if let Some(origin) = first(ORIGIN) {
            return origin.starts_with("https://");
        }
        let is_https = |pair: &str| matches!(pair.trim(), "proto=https" | "proto=\"https\"");
        first(FORWARDED_PROTO).is_some_and(|proto| proto == "https")
            || first(FORWARDED).is_some_and(|hop| hop.split(';').any(is_https))
    }

    /// The values of all cookies of that name.
    pub(crate) fn cookies(self, name: &'static str) -> impl Iterator<Item = &'r str> {
        let lines = self.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';'));
        pairs.filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// The names under which we were asked, one of them at least; `None` for one that is none.
    pub(crate) fn names(self) -> impl Iterator<Item = Option<Authority>> {
        let of_uri = self.uri.authority().cloned().map(Some);
        let of_headers: Vec<_> = hosts(self.headers).collect();
        let nobody = (of_uri.is_none() && of_headers.is_empty()).then_some(None);
        of_uri.into_iter().chain(of_headers).chain(nobody)
    }
}

fn hosts(headers: &HeaderMap) -> impl Iterator<Item = Option<Authority>> {
    headers.get_all(HOST).iter().map(|host| Authority::try_from(host.as_bytes()).ok())
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

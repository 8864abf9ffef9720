//! What the documentation pages are made of, kept packed in the binary so that they work offline.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderName, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};

use crate::answer::{Answer, answer};
use crate::documents::is_known;

/// One file.
#[derive(Debug)]
pub(crate) struct Asset {
    name: &'static str,
    content_type: &'static str,
    etag: &'static str,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Plain(&'static [u8]),
    Gzip(&'static [u8]),
}

pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(crate) const STYLE: &str = "text/css; charset=utf-8";

/// The ETags name the version; the first letters are those of the product.
static ASSETS: [Asset; 5] = [
    Asset {
        name: "swagger-ui.css",
        content_type: STYLE,
        etag: "\"swagger-ui-5.35.0\"",
        content: Content::Gzip(include_bytes!("../assets/swagger-ui.css.gz")),
    },
    Asset {
        name: "swagger-ui.js",
        content_type: SCRIPT,
        etag: "\"swagger-ui-5.35.0\"",
        content: Content::Gzip(include_bytes!("../assets/swagger-ui-bundle.js.gz")),
    },
    Asset {
        name: "swagger-init.js",
        content_type: SCRIPT,
        etag: concat!("\"mcpo-", env!("CARGO_PKG_VERSION"), "\""),
        content: Content::Plain(include_bytes!("../assets/swagger-init.js")),
    },
    Asset {
        name: "redoc.js",
        content_type: SCRIPT,
        etag: "\"redoc-3.0.1\"",
        content: Content::Gzip(include_bytes!("../assets/redoc.standalone.js.gz")),
    },
    Asset {
        name: "favicon.png",
        content_type: "image/png",
        etag: "\"swagger-ui-5.35.0\"",
        content: Content::Plain(include_bytes!("../assets/favicon-32x32.png")),
    },
];

/// A day; a newer mcpo has other ETags.
const CACHED: HeaderValue = HeaderValue::from_static("private, max-age=86400");

/// The file of that name.
pub(crate) fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

// === impl Asset ===

impl Asset {
    /// The file, packed where the downstream takes that.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Answer {
        let known = is_known(headers, self.etag);
        let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let (body, encoding) = match self.content {
            _ if known => (Bytes::new(), None),
            Content::Plain(plain) => (Bytes::from_static(plain), None),
            Content::Gzip(packed) if takes_gzip(headers) => {
                (Bytes::from_static(packed), Some("gzip"))
            }
            Content::Gzip(packed) => (unpacked(packed), None),
        };
        let mut told = answer(status, HeaderValue::from_static(self.content_type), body);
        let mut put = |name: HeaderName, value| {
            told.headers_mut().insert(name, HeaderValue::from_static(value))
        };
        put(ETAG, self.etag);
        put(VARY, "Accept-Encoding");
        put(X_CONTENT_TYPE_OPTIONS, "nosniff");
        if let Some(encoding) = encoding {
            put(CONTENT_ENCODING, encoding);
        }
        told.headers_mut().insert(CACHE_CONTROL, CACHED);
        told
    }
}

/// Whether the downstream unpacks what is packed.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    codings(headers).any(|(name, is_taken)| name.eq_ignore_ascii_case("gzip") && is_taken)
}

/// Whether the downstream takes nothing but what is packed (RFC 9110, 12.5.3): `identity;q=0`, or
/// `*;q=0` where it does not speak of `identity`.
pub(crate) fn refuses_plain(headers: &HeaderMap) -> bool {
    let taken = |wanted| {
        let mut said = codings(headers).filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        said.next().map(|(_, is_taken)| is_taken)
    };
    taken("identity").or_else(|| taken("*")) == Some(false)
}

/// The codings that the downstream speaks of, and whether it takes them.
fn codings(headers: &HeaderMap) -> impl Iterator<Item = (&str, bool)> {
    let sent = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|list| list.split(',')).map(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = quality.split_once('=').is_some_and(|(q, quality)| {
            q.trim().eq_ignore_ascii_case("q") && quality.trim().parse() == Ok(0.0)
        });
        (name.trim(), !is_refused)
    })
}

fn unpacked(packed: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("our own files are packed well");
    plain.into()
}

#[cfg(test)]
mod tests;

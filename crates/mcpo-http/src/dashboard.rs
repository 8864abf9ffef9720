//! The dashboard: one page and what it is made of, kept in the binary. There is no data in it, so
//! that anybody may load it; what it then asks for, it asks as everybody else does.

use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};

use crate::answer::{Answer, answer, put};
use crate::assets::{SCRIPT, STYLE, takes_gzip};
use crate::documents::{etag_of, is_known};

/// All that the page loads and asks comes from us; nothing in the page itself is run, whatever an
/// upstream calls its tools; and no other page draws it in, to have its buttons pressed unseen.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    packed: OnceLock<Packed>,
}

/// A file as it is sent, made when it is first asked for.
#[derive(Debug)]
struct Packed {
    etag: String,
    gzip: Bytes,
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        File {
            name: $name,
            content_type: $content_type,
            plain: include_bytes!(concat!("../dashboard/", $name)),
            packed: OnceLock::new(),
        }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SVG: &str = "image/svg+xml";

static PAGE: File = file!("index.html", HTML);

/// What the page is made of, by the names under `docs/assets/dashboard-`.
static FILES: [File; 18] = [
    file!("app.js", SCRIPT),
    file!("base.js", SCRIPT),
    file!("charts.js", SCRIPT),
    file!("dialogs.js", SCRIPT),
    file!("events.js", SCRIPT),
    file!("form.js", SCRIPT),
    file!("icon.svg", SVG),
    file!("live.js", SCRIPT),
    file!("overview.js", SCRIPT),
    file!("problems.js", SCRIPT),
    file!("servers.js", SCRIPT),
    file!("story.js", SCRIPT),
    file!("style.css", STYLE),
    file!("theme.js", SCRIPT),
    file!("tools.js", SCRIPT),
    file!("uplot.css", STYLE),
    file!("uplot.js", SCRIPT),
    file!("words.js", SCRIPT),
];

/// The page.
pub(crate) fn page() -> &'static File {
    &PAGE
}

/// What stands under that name, `dashboard-` included.
pub(crate) fn file(name: &str) -> Option<&'static File> {
    let name = name.strip_prefix("dashboard-")?;
    FILES.iter().find(|file| file.name == name)
}

// === impl File ===

impl File {
    /// The file, packed where the downstream takes that. Names say nothing of versions, so that it
    /// is asked for each time; who has it already is told so.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Answer {
        let packed = self.packed.get_or_init(|| Packed::new(self.plain));
        let known = is_known(headers, &packed.etag);
        let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let zipped = !known && takes_gzip(headers);
        let body = match known {
            true => Bytes::new(),
            false if zipped => packed.gzip.clone(),
            false => Bytes::from_static(self.plain),
        };
        let mut told = answer(status, HeaderValue::from_static(self.content_type), body);
        put(&mut told, ETAG, &packed.etag);
        let headers = told.headers_mut();
        for (name, value) in [
            (CACHE_CONTROL, "no-cache"),
            (OPENER_POLICY, "same-origin"),
            (REFERRER_POLICY, "no-referrer"),
            (RESOURCE_POLICY, "same-origin"),
            (VARY, "Accept-Encoding"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        if zipped {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        told
    }
}

// === impl Packed ===

impl Packed {
    fn new(plain: &[u8]) -> Self {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(plain).expect("memory takes what is written");
        let gzip = packer.finish().expect("memory takes what is written");
        Self { etag: etag_of(plain), gzip: gzip.into() }
    }
}

#[cfg(test)]
mod tests;

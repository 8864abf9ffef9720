//! OpenAPI documents. A short one is written when it is asked for; a long one on a thread of its own,
//! once for all who ask, and kept until its catalogs change, packed as well for those who unpack.

mod document;
mod flight;
mod writer;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use mcpo_config::{Mode, Site};
use mcpo_upstream::directory::{Directory, Snapshot};
use sha2::{Digest, Sha256};

use self::document::Document;
use self::flight::Flights;
use self::writer::{Subject, Writer};
use crate::answer::{Answer, JSON, answer, put};
use crate::assets::{refuses_plain, takes_gzip};
use crate::route::Scope;

/// Tools and servers of a document that is written where it is asked for: at some 2 us each a
/// worker is kept no longer than by a large call, and keeping it would save hardly anything. Nor
/// would packing it, which takes longer than writing it and more than its way over a network.
const WEIGHT_INLINE_MAX: usize = 128;

/// All documents.
#[derive(Debug)]
pub(crate) struct Documents {
    writer: Arc<Writer>,
    directory: Arc<Directory>,
    /// The name of the document of everything, and the generation of catalogs that has it: with
    /// many servers it is not worked out anew for each request.
    whole: Mutex<(u64, String)>,
    flights: Flights,
}

// === impl Documents ===

impl Documents {
    pub(crate) fn new(mode: Mode, site: Site, needs_key: bool, directory: Arc<Directory>) -> Self {
        let writer = Arc::new(Writer { mode, site, needs_key });
        Self { writer, directory, whole: Mutex::default(), flights: Flights::default() }
    }

    /// The document about that as it is now, or that it is still the one that the downstream has;
    /// packed if the downstream unpacks it, once a long one has been packed. One that takes it in no
    /// other form waits for that, also for a short one.
    ///
    /// Cancel-safe: what others wait for as well goes on.
    pub(crate) async fn answer(&self, scope: Scope<'_>, headers: &HeaderMap) -> Answer {
        let subject = self.subject(scope);
        let etag = self.etag(&subject);
        let is_long = subject.weight() > WEIGHT_INLINE_MAX;
        let must_pack = takes_gzip(headers) && refuses_plain(headers);
        let packs = must_pack || is_long && takes_gzip(headers);
        if is_known(headers, &etag) {
            let etag = if packs { weak(&etag) } else { etag };
            return named(crate::answer::empty(StatusCode::NOT_MODIFIED), &etag);
        }
        let document = if is_long {
            Box::pin(self.long(scope, subject, etag)).await
        } else {
            Arc::new(Document::new(self.writer.write(&subject), etag))
        };
        let packed = match (must_pack, packs) {
            (true, _) => document.packing().await,
            (false, true) => document.gzip(),
            (false, false) => None,
        };
        match packed {
            Some(packed) => {
                let mut told = answer(StatusCode::OK, JSON, packed);
                told.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                named(told, &weak(&document.etag))
            }
            None => named(answer(StatusCode::OK, JSON, document.plain.clone()), &document.etag),
        }
    }

    /// The title that its pages carry.
    pub(crate) fn title(&self, snapshot: &Snapshot, scope: Scope<'_>) -> String {
        self.writer.title(snapshot, scope)
    }

    /// One writing at a time: who comes while an older document is written waits for the end of
    /// that, and then takes what is begun after. However often catalogs change, nobody waits for
    /// more than two, and there are never more than two of one subject in memory.
    async fn long(&self, scope: Scope<'_>, subject: Subject, etag: String) -> Arc<Document> {
        let name = match scope {
            Scope::Whole => "",
            Scope::One(upstream) => &upstream.view.name,
        };
        self.forget_removed();
        let flight = self.flights.join(name, &etag, None, || self.written(subject, &etag));
        let document = flight.ended().await;
        if document.etag == etag {
            return document;
        }
        let subject = self.subject(scope);
        let etag = self.etag(&subject);
        let write = || self.written(subject, &etag);
        self.flights.join(name, &etag, Some(&flight), write).ended().await
    }

    /// Begins to write on a thread of its own.
    fn written(&self, subject: Subject, etag: &str) -> impl FnOnce() -> Document + Send + 'static {
        let (writer, etag) = (Arc::clone(&self.writer), etag.to_owned());
        move || Document::new(writer.write(&subject), etag)
    }

    fn forget_removed(&self) {
        let snapshot = self.directory.load();
        self.flights.retain(|name| name.is_empty() || snapshot.upstream(name).is_some());
    }

    /// Newer than what the request came with is better.
    fn subject(&self, scope: Scope<'_>) -> Subject {
        let snapshot = self.directory.load();
        match scope {
            Scope::Whole => Subject::Whole(Arc::clone(&snapshot)),
            Scope::One(upstream) => {
                let newest = snapshot.upstream(&upstream.view.name).unwrap_or(upstream);
                Subject::One(Arc::clone(&newest.view))
            }
        }
    }

    fn etag(&self, subject: &Subject) -> String {
        let Subject::Whole(snapshot) = subject else { return self.writer.etag(subject) };
        let known = || self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let (generation, etag) = known().clone();
        if generation == snapshot.catalog_generation && !etag.is_empty() {
            return etag;
        }
        let etag = self.writer.etag(subject);
        *known() = (snapshot.catalog_generation, etag.clone());
        etag
    }
}

fn named(mut told: Answer, etag: &str) -> Answer {
    put(&mut told, ETAG, etag);
    told.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    told.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    told
}

/// A name for the same in other bytes: equal to the one given where weakness does not matter (RFC
/// 9110, 8.8.3.3), so that whoever has either of the two is told that it is still good.
fn weak(etag: &str) -> String {
    format!("W/{etag}")
}

/// A name for what is in there, and for nothing else.
pub(crate) fn etag_of(bytes: &[u8]) -> String {
    let mut etag = String::from("\"");
    for byte in &Sha256::digest(bytes)[..16] {
        let _fits = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    etag
}

/// Whether the downstream has what carries this ETag (RFC 9110, weak comparison). None of ours has a
/// comma inside, and a star stands alone.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let mut lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.any(|list| {
        let mut tags = list.split(',').map(str::trim);
        list.trim() == "*" || tags.any(|tag| tag.trim_start_matches("W/") == etag)
    })
}

#[cfg(test)]
mod tests;

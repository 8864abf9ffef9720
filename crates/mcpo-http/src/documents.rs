//! OpenAPI documents, made when they are first asked for and kept until a catalog changes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use mcpo_config::{Mode, Site};
use mcpo_core::catalog::{Catalog, CatalogPolicy, ServerIdentity};
use mcpo_core::openapi::{DocumentInfo, Mounted, root_document, server_document};
use mcpo_upstream::directory::{Snapshot, Upstream, View};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::answer::{Answer, JSON, answer, put};
use crate::route::Scope;

const TITLE: &str = "MCP OpenAPI Proxy";
const DESCRIPTION: &str = "Automatically generated API from MCP Tool Schemas";
const VERSION: &str = "1.0";

/// What a path segment may hold as it is (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All documents.
#[derive(Debug)]
pub(crate) struct Documents {
    mode: Mode,
    site: Site,
    needs_key: bool,
    made: Mutex<Made>,
}

/// What was made from the catalogs of one generation: at most one document for each upstream, and
/// one for the whole under the empty name.
#[derive(Debug, Default)]
struct Made {
    generation: u64,
    documents: HashMap<String, Document>,
}

/// A document, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    bytes: Bytes,
    etag: String,
}

// === impl Documents ===

impl Documents {
    pub(crate) fn new(mode: Mode, site: Site, needs_key: bool) -> Self {
        Self { mode, site, needs_key, made: Mutex::default() }
    }

    /// The document about that, as of the snapshot.
    pub(crate) fn document(&self, snapshot: &Snapshot, scope: Scope<'_>) -> Document {
        let name = match scope {
            Scope::Whole => "",
            Scope::One(upstream) => &upstream.view.name,
        };
        if let Some(known) = self.known(snapshot.catalog_generation, name) {
            return known;
        }
        // Made outside of the lock: several may do so at once, but nobody waits.
        let document = Document::new(&self.make(snapshot, scope));
        self.keep(snapshot.catalog_generation, name, &document);
        document
    }

    /// The title that its pages carry.
    pub(crate) fn title(&self, snapshot: &Snapshot, scope: Scope<'_>) -> String {
        match (scope, self.mode) {
            (Scope::One(upstream), _) => self.info_of_one(&upstream.view, None).title,
            (Scope::Whole, Mode::Single) => self.info_of_single(snapshot.upstreams().first()).title,
            (Scope::Whole, Mode::Many) => {
                self.site.name.clone().unwrap_or_else(|| TITLE.to_owned())
            }
        }
    }

    fn known(&self, generation: u64, name: &str) -> Option<Document> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        (made.generation == generation).then(|| made.documents.get(name).cloned())?
    }

    fn keep(&self, generation: u64, name: &str, document: &Document) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.generation < generation {
            *made = Made { generation, documents: HashMap::new() };
        }
        if made.generation == generation {
            made.documents.insert(name.to_owned(), document.clone());
        }
    }

    fn make(&self, snapshot: &Snapshot, scope: Scope<'_>) -> serde_json::Value {
        match (scope, self.mode) {
            (Scope::One(upstream), _) => {
                let url = format!("{}{}", self.site.root_path, self.mount(&upstream.view.name));
                of_one(&self.info_of_one(&upstream.view, Some(url)), &upstream.view)
            }
            (Scope::Whole, Mode::Single) => {
                let upstream = snapshot.upstreams().first();
                let info = self.info_of_single(upstream);
                upstream.map_or_else(
                    || server_document(&info, &no_tools()),
                    |upstream| of_one(&info, &upstream.view),
                )
            }
            (Scope::Whole, Mode::Many) => self.make_whole(snapshot),
        }
    }

    fn make_whole(&self, snapshot: &Snapshot) -> serde_json::Value {
        let views = snapshot.upstreams().iter().map(|upstream| &upstream.view);
        let mounts: Vec<(String, &Catalog)> = views
            .filter_map(|view| Some((self.mount(&view.name), view.catalog.as_deref()?)))
            .collect();
        let mounted: Vec<Mounted<'_>> = mounts
            .iter()
            .map(|(mount, catalog)| Mounted { name: mount.trim_start_matches('/'), catalog })
            .collect();
        root_document(&self.info_of_whole(snapshot), &mounted)
    }

    fn info_of_whole(&self, snapshot: &Snapshot) -> DocumentInfo {
        let mut description =
            self.site.description.clone().unwrap_or_else(|| DESCRIPTION.to_owned());
        let (known, unknown): (Vec<&Upstream>, Vec<&Upstream>) =
            snapshot.upstreams().iter().partition(|upstream| upstream.view.catalog.is_some());
        self.list(&mut description, "available tools", &known);
        self.list(&mut description, "not reached yet", &unknown);
        DocumentInfo {
            title: self.site.name.clone().unwrap_or_else(|| TITLE.to_owned()),
            description,
            version: self.site.version.clone().unwrap_or_else(|| VERSION.to_owned()),
            server_url: self.root_url(),
            needs_key: self.needs_key,
        }
    }

    fn list(&self, out: &mut String, heading: &str, upstreams: &[&Upstream]) {
        if upstreams.is_empty() {
            return;
        }
        let _fits = write!(out, "\n\n- **{heading}**:");
        for upstream in upstreams {
            let name = &upstream.view.name;
            let _fits =
                write!(out, "\n    - [{name}]({}{}/docs)", self.site.root_path, self.mount(name));
        }
    }

    fn info_of_single(&self, upstream: Option<&Upstream>) -> DocumentInfo {
        let site = &self.site;
        let Some(catalog) = upstream.and_then(|upstream| upstream.view.catalog.as_deref()) else {
            let description = site.description.as_deref().unwrap_or(DESCRIPTION);
            return DocumentInfo {
                title: site.name.clone().unwrap_or_else(|| TITLE.to_owned()),
                description: not_yet(description),
                version: site.version.clone().unwrap_or_else(|| VERSION.to_owned()),
                server_url: self.root_url(),
                needs_key: self.needs_key,
            };
        };
        let fallback = site.name.as_deref().unwrap_or(TITLE);
        let description = site.description.as_deref().unwrap_or(DESCRIPTION);
        let version = site.version.as_deref().unwrap_or(VERSION);
        self.info_of_identity(&catalog.identity, [fallback, description, version], self.root_url())
    }

    fn info_of_one(&self, view: &View, server_url: Option<String>) -> DocumentInfo {
        let description = format!("{} MCP Server", view.name);
        match view.catalog.as_deref() {
            Some(catalog) => self.info_of_identity(
                &catalog.identity,
                [&view.name, &description, VERSION],
                server_url,
            ),
            None => DocumentInfo {
                title: view.name.clone(),
                description: not_yet(&description),
                version: VERSION.to_owned(),
                server_url,
                needs_key: self.needs_key,
            },
        }
    }

    /// What the upstream says of itself, and else the title, description and version given.
    fn info_of_identity(
        &self,
        identity: &ServerIdentity,
        [title, description, version]: [&str; 3],
        server_url: Option<String>,
    ) -> DocumentInfo {
        let or =
            |said: &str, fallback: &str| if said.is_empty() { fallback } else { said }.to_owned();
        let named = match identity.name.as_str() {
            "" => description.to_owned(),
            name => format!("{name} MCP Server"),
        };
        DocumentInfo {
            title: or(&identity.name, title),
            description: identity
                .instructions
                .clone()
                .filter(|said| !said.is_empty())
                .unwrap_or(named),
            version: or(&identity.version, version),
            server_url,
            needs_key: self.needs_key,
        }
    }

    fn root_url(&self) -> Option<String> {
        Some(self.site.root_path.clone()).filter(|path| !path.is_empty())
    }

    /// The path of an upstream, without the root path.
    fn mount(&self, name: &str) -> String {
        format!("{}{}", self.site.path_prefix, utf8_percent_encode(name, SEGMENT))
    }
}

fn of_one(info: &DocumentInfo, view: &View) -> serde_json::Value {
    match view.catalog.as_deref() {
        Some(catalog) => server_document(info, catalog),
        None => server_document(info, &no_tools()),
    }
}

fn no_tools() -> Catalog {
    Catalog::new(ServerIdentity::default(), Vec::new(), &CatalogPolicy::default())
}

fn not_yet(description: &str) -> String {
    format!(
        "{description}\n\nThis server has not been reached yet, so its tools are not known. They appear here \
         as soon as it answers; `/health` says what it lacks."
    )
}

// === impl Document ===

impl Document {
    fn new(value: &serde_json::Value) -> Self {
        let bytes = Bytes::from(value.to_string());
        let etag = etag_of(&bytes);
        Self { bytes, etag }
    }

    /// The document, or that it is still the one that the downstream has.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Answer {
        let mut told = if is_known(headers, &self.etag) {
            crate::answer::empty(StatusCode::NOT_MODIFIED)
        } else {
            answer(StatusCode::OK, JSON, self.bytes.clone())
        };
        put(&mut told, ETAG, &self.etag);
        told.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        told
    }
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

/// Whether the downstream has what carries this ETag (RFC 9110, weak comparison).
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests;

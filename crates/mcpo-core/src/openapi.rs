//! OpenAPI 3.1 documents from catalogs.

use serde_json::Value;

use crate::catalog::Catalog;

/// What a document says beside the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentInfo {
    /// `info.title`.
    pub title: String,
    /// `info.description`.
    pub description: String,
    /// `info.version`.
    pub version: String,
    /// `servers[0].url`: where the paths start, e.g. `/time`; empty means the document's origin.
    pub server_url: Option<String>,
    /// Whether calls need a key: adds the `HTTPBearer` security scheme.
    pub needs_key: bool,
}

/// One upstream's place in the root document.
#[derive(Debug, Clone, Copy)]
pub struct Mounted<'a> {
    /// The path under which its tools are, without slashes at the ends, percent-encoded as needed
    /// by the document: e.g. `time`.
    pub name: &'a str,
    /// What it offers.
    pub catalog: &'a Catalog,
}

/// The document of one upstream: every tool is `POST /{tool}`.
#[must_use]
pub fn server_document(_info: &DocumentInfo, _catalog: &Catalog) -> Value {
    Value::Null
}

/// The document of all upstreams: every tool is `POST /{server}/{tool}`.
#[must_use]
pub fn root_document(_info: &DocumentInfo, _servers: &[Mounted<'_>]) -> Value {
    Value::Null
}

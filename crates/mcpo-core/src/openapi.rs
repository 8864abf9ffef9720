//! OpenAPI 3.1 documents from catalogs, in the shape in which FastAPI writes them: clients that
//! were made for the Python original find everything where it was.

mod fragment;
mod names;
mod written;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use self::fragment::Filling;
use self::names::Wanted;
use self::written::{Entry, Written, json_string};
use crate::catalog::{Catalog, Tool};

pub(crate) use self::fragment::{Fragment, Shapes};

/// Characters of an operation id in the root document. Model providers refuse functions with
/// longer names, and there the server's name comes on top of the tool's. The documents of single
/// servers keep the ids of the Python original at any length.
pub const ROOT_OPERATION_ID_CHARS_MAX: usize = 64;

/// What stands for itself in a path segment (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands for itself in a path that is encoded already.
const ENCODED: &AsciiSet = &SEGMENT.remove(b'/').remove(b'%');

/// What a document says beside the tools.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentInfo {
    /// `info.title`.
    pub title: String,
    /// `info.description`; left out when empty.
    pub description: String,
    /// `info.version`.
    pub version: String,
    /// `servers[0].url`: where the paths start, e.g. `/time`; `None` or empty means the document's
    /// origin.
    pub server_url: Option<String>,
    /// Whether calls need a key: adds the `HTTPBearer` security scheme.
    pub needs_key: bool,
}

/// One upstream's place in the root document.
#[derive(Debug, Clone, Copy)]
pub struct Mounted<'a> {
    /// The path under which its tools are, percent-encoded, without slashes at the ends: e.g.
    /// `time`, `tools/my%20time`. Its last segment, decoded, is the upstream's name in operation
    /// ids and tags. No two upstreams have the same path.
    pub name: &'a str,
    /// What it offers.
    pub catalog: &'a Catalog,
}

/// The document of one upstream, as JSON: every tool is `POST /{tool}`. The same catalog gives the
/// same bytes.
#[must_use]
pub fn server_document(info: &DocumentInfo, catalog: &Catalog) -> Vec<u8> {
    let wanted: Vec<Wanted> = catalog.tools().iter().map(|tool| wanted(None, tool)).collect();
    let bases = names::plain_forms(&wanted, usize::MAX);
    let entries = catalog.tools().iter().zip(&bases).map(|(tool, base)| Entry {
        mount: "",
        tool,
        filling: Filling { tags: "", around: ("tool_", "_post"), base, security: security(info) },
    });
    Written::of(info, &entries.collect::<Vec<_>>(), &[])
}

/// The document of all upstreams, as JSON: every tool is `POST /{server}/{tool}`. The same catalogs
/// in the same order give the same bytes.
#[must_use]
pub fn root_document(info: &DocumentInfo, servers: &[Mounted<'_>]) -> Vec<u8> {
    let places: Vec<Mount> = servers.iter().map(Mount::of).collect();
    let tools = || {
        servers.iter().zip(&places).flat_map(|(server, place)| {
            server.catalog.tools().iter().map(move |tool| (server, place, tool))
        })
    };
    let wanted: Vec<Wanted> = tools()
        .map(|(server, place, tool)| wanted(Some((server.name, &place.name)), tool))
        .collect();
    let bases = names::plain_forms(&wanted, ROOT_OPERATION_ID_CHARS_MAX);
    drop(wanted);
    let entries = tools().zip(&bases).map(|((_, place, tool), base)| Entry {
        mount: &place.path,
        tool,
        filling: Filling { tags: &place.tags, around: ("", ""), base, security: security(info) },
    });
    let mut seen = HashSet::new();
    let offering =
        servers.iter().zip(&places).filter(|(server, _)| !server.catalog.tools().is_empty());
    let tags: Vec<String> = offering
        .filter(|(_, place)| seen.insert(place.name.as_str()))
        .map(|(server, place)| tag(server, &place.name))
        .collect();
    Written::of(info, &entries.collect::<Vec<_>>(), &tags)
}

/// Stands for [`server_document`] of the same: another document has another one. It is found
/// without writing the document, in no more time for many tools than for few.
///
/// It may be another one in another version of this program, though the document is the same.
#[must_use]
pub fn server_mark(info: &DocumentInfo, catalog: &Catalog) -> u64 {
    root_mark(info, &[Mounted { name: "", catalog }])
}

/// Stands for [`root_document`] of the same, as [`server_mark`] does for that of one server.
#[must_use]
pub fn root_mark(info: &DocumentInfo, servers: &[Mounted<'_>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What the fragments do not hold is written in a way that is this version's own.
    (env!("CARGO_PKG_VERSION"), info, servers.len()).hash(&mut hasher);
    for Mounted { name, catalog } in servers {
        (name, catalog.mark(), &catalog.identity.title, &catalog.identity.instructions)
            .hash(&mut hasher);
    }
    hasher.finish()
}

/// Stands for all that documents show of these tools.
pub(crate) fn mark_of(tools: &[Tool]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for tool in tools {
        (&tool.definition.name, tool.fragment.mark).hash(&mut hasher);
    }
    hasher.finish()
}

fn security(info: &DocumentInfo) -> &'static str {
    if info.needs_key { r#","security":[{"HTTPBearer":[]}]"# } else { "" }
}

fn wanted(server: Option<(&str, &str)>, tool: &Tool) -> Wanted {
    let tool = &tool.definition.name;
    match server {
        None => Wanted { full: tool.clone(), shown: tool.clone() },
        // No path holds a NUL, so no two pairs have the same full name.
        Some((path, name)) => {
            Wanted { full: format!("{path}\0{tool}"), shown: format!("{name}_{tool}") }
        }
    }
}

fn tag(server: &Mounted<'_>, name: &str) -> String {
    let identity = &server.catalog.identity;
    let about = identity.title.as_deref().or(identity.instructions.as_deref());
    let name = json_string(name);
    match about.filter(|text| !text.is_empty()) {
        Some(about) => format!(r#"{{"name":{name},"description":{}}}"#, json_string(about)),
        None => format!(r#"{{"name":{name}}}"#),
    }
}

/// What all tools of one upstream share in the root document.
struct Mount {
    /// Its name, from its path.
    name: String,
    /// In front of the tools, without a slash.
    path: String,
    /// What each of its operations begins with.
    tags: String,
}

// === impl Mount ===

impl Mount {
    fn of(server: &Mounted<'_>) -> Self {
        let segment = server.name.rsplit('/').next().unwrap_or_default();
        let name = percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let path = utf8_percent_encode(server.name, ENCODED).to_string();
        let tags = format!(r#""tags":[{}],"#, json_string(&name));
        Self { name, path, tags }
    }
}

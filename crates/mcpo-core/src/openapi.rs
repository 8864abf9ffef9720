//! OpenAPI 3.1 documents from catalogs, in the shape in which FastAPI writes them: clients that
//! were made for the Python original find everything where it was.

mod names;
mod operation;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use self::names::Wanted;
use self::operation::{Place, Template, object};
use crate::catalog::{Catalog, Tool};

/// Characters of an operation id in the root document. Model providers refuse functions with
/// longer names, and there the server's name comes on top of the tool's. The documents of single
/// servers keep the ids of the Python original at any length.
pub const ROOT_OPERATION_ID_CHARS_MAX: usize = 64;

/// What stands for itself in a path segment (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands for itself in a path that is encoded already.
const ENCODED: &AsciiSet = &SEGMENT.remove(b'/').remove(b'%');

/// What a document says beside the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The document of one upstream: every tool is `POST /{tool}`. The same catalog gives the same
/// bytes.
#[must_use]
pub fn server_document(info: &DocumentInfo, catalog: &Catalog) -> Value {
    let wanted: Vec<Wanted> = catalog.tools().iter().map(|tool| wanted(None, tool)).collect();
    let mut document = Document::new(info, wanted.len());
    let template = Template::new(info.needs_key);
    for (tool, base) in catalog.tools().iter().zip(names::plain_forms(&wanted, usize::MAX)) {
        let operation_id = format!("tool_{base}_post");
        let place = Place { base: &base, operation_id, tag: None, template: &template };
        document.add(None, tool, place);
    }
    document.finish(None)
}

/// The document of all upstreams: every tool is `POST /{server}/{tool}`. The same catalogs in the
/// same order give the same bytes.
#[must_use]
pub fn root_document(info: &DocumentInfo, servers: &[Mounted<'_>]) -> Value {
    let names: Vec<String> = servers.iter().map(Mounted::upstream).collect();
    let tools: Vec<(&Mounted<'_>, &String, &Tool)> = servers
        .iter()
        .zip(&names)
        .flat_map(|(server, name)| {
            server.catalog.tools().iter().map(move |tool| (server, name, tool))
        })
        .collect();
    let wanted: Vec<Wanted> =
        tools.iter().map(|(server, name, tool)| wanted(Some((server.name, name)), tool)).collect();
    let mut document = Document::new(info, wanted.len());
    let template = Template::new(info.needs_key);
    let forms = names::plain_forms(&wanted, ROOT_OPERATION_ID_CHARS_MAX);
    for ((server, name, tool), base) in tools.iter().zip(forms) {
        let operation_id = base.clone();
        let place = Place { base: &base, operation_id, tag: Some(name), template: &template };
        document.add(Some(server.name), tool, place);
    }
    let mut seen = HashSet::new();
    let offering =
        servers.iter().zip(&names).filter(|(server, _)| !server.catalog.tools().is_empty());
    let tags: Vec<Value> = offering
        .filter(|(_, name)| seen.insert(name.as_str()))
        .map(|(server, name)| tag(server, name))
        .collect();
    document.finish((!tags.is_empty()).then_some(tags))
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

fn tag(server: &Mounted<'_>, name: &str) -> Value {
    let identity = &server.catalog.identity;
    let about = identity.title.as_deref().or(identity.instructions.as_deref());
    match about.filter(|text| !text.is_empty()) {
        Some(about) => object([("name", name.into()), ("description", about.into())]),
        None => object([("name", name.into())]),
    }
}

// === impl Mounted ===

impl Mounted<'_> {
    /// The upstream's name, from its path.
    fn upstream(&self) -> String {
        let segment = self.name.rsplit('/').next().unwrap_or_default();
        percent_decode_str(segment).decode_utf8_lossy().into_owned()
    }
}

/// A document while tools are added to it.
struct Document {
    head: Map<String, Value>,
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
    needs_key: bool,
}

// === impl Document ===

impl Document {
    fn new(info: &DocumentInfo, tools: usize) -> Self {
        let mut about = Map::with_capacity(3);
        about.insert("title".to_owned(), info.title.as_str().into());
        if !info.description.is_empty() {
            about.insert("description".to_owned(), info.description.as_str().into());
        }
        about.insert("version".to_owned(), info.version.as_str().into());
        let mut head = Map::with_capacity(6);
        head.insert("openapi".to_owned(), "3.1.0".into());
        head.insert("info".to_owned(), about.into());
        if let Some(url) = info.server_url.as_deref().filter(|url| !url.is_empty()) {
            head.insert("servers".to_owned(), Value::Array(vec![object([("url", url.into())])]));
        }
        let mut schemas = Map::with_capacity(tools + 2);
        schemas.insert("HTTPValidationError".to_owned(), validation_errors());
        schemas.insert("ValidationError".to_owned(), validation_error());
        Self { head, paths: Map::with_capacity(tools), schemas, needs_key: info.needs_key }
    }

    fn add(&mut self, server: Option<&str>, tool: &Tool, place: Place<'_>) {
        let name = utf8_percent_encode(&tool.definition.name, SEGMENT);
        let path = match server {
            None => format!("/{name}"),
            Some(server) => format!("/{}/{name}", utf8_percent_encode(server, ENCODED)),
        };
        let item = operation::path_item(tool, place, &mut self.schemas);
        self.paths.insert(path, item);
    }

    fn finish(self, tags: Option<Vec<Value>>) -> Value {
        let Self { mut head, paths, mut schemas, needs_key } = self;
        let mut components = Map::with_capacity(2);
        // Without arguments anywhere nothing can fail validation.
        let validates = paths.values().any(|item| item["post"].get("requestBody").is_some());
        if !validates {
            schemas.shift_remove("HTTPValidationError");
            schemas.shift_remove("ValidationError");
        }
        if !schemas.is_empty() {
            components.insert("schemas".to_owned(), schemas.into());
        }
        if needs_key && !paths.is_empty() {
            let bearer = object([("type", "http".into()), ("scheme", "bearer".into())]);
            components.insert("securitySchemes".to_owned(), object([("HTTPBearer", bearer)]));
        }
        head.insert("paths".to_owned(), paths.into());
        if !components.is_empty() {
            head.insert("components".to_owned(), components.into());
        }
        if let Some(tags) = tags {
            head.insert("tags".to_owned(), tags.into());
        }
        Value::Object(head)
    }
}

/// The body of a 422, as FastAPI describes it.
fn validation_errors() -> Value {
    let items = crate::schema::component_reference("ValidationError");
    let detail = object([("items", items), ("type", "array".into()), ("title", "Detail".into())]);
    object([
        ("properties", object([("detail", detail)])),
        ("type", "object".into()),
        ("title", "HTTPValidationError".into()),
    ])
}

/// One problem in the body of a 422, as FastAPI describes it.
fn validation_error() -> Value {
    let of_type = |name: &str| object([("type", name.into())]);
    let titled = |name: &str, title: &str| object([("type", name.into()), ("title", title.into())]);
    let step = object([("anyOf", Value::Array(vec![of_type("string"), of_type("integer")]))]);
    let loc = object([("items", step), ("type", "array".into()), ("title", "Location".into())]);
    let properties = object([
        ("loc", loc),
        ("msg", titled("string", "Message")),
        ("type", titled("string", "Error Type")),
        ("input", object([("title", "Input".into())])),
        ("ctx", titled("object", "Context")),
    ]);
    object([
        ("properties", properties),
        ("type", "object".into()),
        ("required", vec!["loc", "msg", "type"].into()),
        ("title", "ValidationError".into()),
    ])
}

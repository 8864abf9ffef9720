//! The documents built as trees of values: slow and plain, the measure of what is written.

use std::collections::HashSet;

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::super::names::{self, Wanted};
use super::super::{DocumentInfo, ENCODED, Mounted, ROOT_OPERATION_ID_CHARS_MAX, SEGMENT, wanted};
use crate::catalog::{Annotations, Catalog, Tool};
use crate::schema::{self, Shaped};

/// The document of one upstream: every tool is `POST /{tool}`. The same catalog gives the same
/// bytes.
pub(super) fn server_document(info: &DocumentInfo, catalog: &Catalog) -> Value {
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
pub(super) fn root_document(info: &DocumentInfo, servers: &[Mounted<'_>]) -> Value {
    let names: Vec<String> = servers.iter().map(upstream).collect();
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

/// The upstream's name, from its path.
fn upstream(server: &Mounted<'_>) -> String {
    let segment = server.name.rsplit('/').next().unwrap_or_default();
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn tag(server: &Mounted<'_>, name: &str) -> Value {
    let identity = &server.catalog.identity;
    let about = identity.title.as_deref().or(identity.instructions.as_deref());
    match about.filter(|text| !text.is_empty()) {
        Some(about) => object([("name", name.into()), ("description", about.into())]),
        None => object([("name", name.into())]),
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
        let item = path_item(tool, place, &mut self.schemas);
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
    let items = schema::component_reference("ValidationError");
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

/// What is the same for every tool: made once and copied, which is much cheaper.
#[derive(Debug)]
struct Template {
    answer: Value,
    refusal: Value,
    security: Option<Value>,
}

/// How one tool appears in a document.
#[derive(Debug)]
struct Place<'a> {
    /// The unique plain name that its components start with.
    base: &'a str,
    /// Its `operationId`.
    operation_id: String,
    /// The group it is shown in.
    tag: Option<&'a str>,
    /// What it shares with all others.
    template: &'a Template,
}

// === impl Template ===

impl Template {
    fn new(needs_key: bool) -> Self {
        let bearer = || Value::Array(vec![object([("HTTPBearer", Value::Array(Vec::new()))])]);
        let problem = schema::component_reference("HTTPValidationError");
        Self {
            answer: response("Successful Response", Value::Null),
            refusal: response("Validation Error", problem),
            security: needs_key.then(bearer),
        }
    }
}

/// The path item of a tool. Its schemas go to `components`.
///
/// Responses are 200 and 422, as the Python original has them. There is no `default` response for
/// the other problems: generators make the answer's type a union with it or, like Rust's
/// progenitor, refuse a document with two kinds of errors.
fn path_item(tool: &Tool, place: Place<'_>, components: &mut Map<String, Value>) -> Value {
    let definition = &tool.definition;
    let name = format!("{}_form_model", place.base);
    let arguments = schema::shape_arguments(&definition.input_schema, &name);
    let (takes, requires) = (arguments.takes_arguments(), arguments.requires_arguments());
    let mut notes = tool.notes.clone();
    notes.extend_from_slice(&arguments.notes);

    let mut operation = Map::with_capacity(10);
    if let Some(tag) = place.tag {
        operation.insert("tags".to_owned(), vec![tag].into());
    }
    operation.insert("summary".to_owned(), names::heading(&definition.name).into());
    let responses = responses(tool, &place, takes, (components, &mut notes));
    if let Some(description) = description(definition.description.as_deref(), &notes) {
        operation.insert("description".to_owned(), description.into());
    }
    operation.insert("operationId".to_owned(), place.operation_id.into());
    if takes {
        let mut body = Map::with_capacity(2);
        body.insert("content".to_owned(), json_content(schema::component_reference(&name)));
        if requires {
            body.insert("required".to_owned(), true.into());
        }
        operation.insert("requestBody".to_owned(), body.into());
        add(components, name, arguments);
    }
    operation.insert("responses".to_owned(), responses);
    if let Some(security) = &place.template.security {
        operation.insert("security".to_owned(), security.clone());
    }
    if let Some(title) = &definition.title {
        operation.insert("x-mcp-title".to_owned(), title.as_str().into());
    }
    if let Some(annotations) = annotations(definition.annotations) {
        operation.insert("x-mcp-annotations".to_owned(), annotations);
    }
    object([("post", operation.into())])
}

fn responses(
    tool: &Tool,
    place: &Place<'_>,
    takes: bool,
    (components, notes): (&mut Map<String, Value>, &mut Vec<String>),
) -> Value {
    let answer = match &tool.definition.output_schema {
        Some(output) => {
            let name = format!("{}_response_model", place.base);
            let shaped = schema::shape_output(output, &name);
            notes.extend(shaped.notes.iter().map(|note| format!("output: {note}")));
            let reference = schema::component_reference(&name);
            add(components, name, shaped);
            reference
        }
        None if takes => {
            let heading = names::heading(&format!("Response {}", place.operation_id));
            object([("title", heading.into())])
        }
        None => Value::Object(Map::new()),
    };
    let mut responses = Map::with_capacity(2);
    let mut success = place.template.answer.clone();
    success["content"]["application/json"]["schema"] = answer;
    responses.insert("200".to_owned(), success);
    if takes {
        responses.insert("422".to_owned(), place.template.refusal.clone());
    }
    responses.into()
}

fn add(components: &mut Map<String, Value>, name: String, shaped: Shaped) {
    components.insert(name, shaped.schema);
    components.extend(shaped.parts);
}

/// What the server says about the tool, and after it what is wrong with its schemas.
fn description(text: Option<&str>, notes: &[String]) -> Option<String> {
    let mut distinct: Vec<&str> = Vec::with_capacity(notes.len());
    for note in notes {
        if !distinct.contains(&note.as_str()) {
            distinct.push(note);
        }
    }
    let text = text.filter(|text| !text.is_empty());
    if distinct.is_empty() {
        return text.map(str::to_owned);
    }
    let remark = format!("Note on the schema of this tool: {}.", distinct.join("; "));
    Some(text.map_or_else(|| remark.clone(), |text| format!("{text}\n\n{remark}")))
}

fn annotations(hints: Annotations) -> Option<Value> {
    let stated = [
        ("readOnlyHint", hints.read_only),
        ("destructiveHint", hints.destructive),
        ("idempotentHint", hints.idempotent),
        ("openWorldHint", hints.open_world),
    ];
    let stated: Map<String, Value> = stated
        .iter()
        .filter_map(|(key, hint)| Some(((*key).to_owned(), (*hint)?.into())))
        .collect();
    (!stated.is_empty()).then_some(Value::Object(stated))
}

fn response(description: &str, schema: Value) -> Value {
    object([("description", description.into()), ("content", json_content(schema))])
}

fn json_content(schema: Value) -> Value {
    object([("application/json", object([("schema", schema)]))])
}

/// An object of those members, in that order.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Map::with_capacity(N);
    for (key, value) in members {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

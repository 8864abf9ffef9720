//! One tool as an operation, with the components that it needs.

use serde_json::{Map, Value};

use super::names;
use crate::catalog::{Annotations, Tool};
use crate::schema::{self, Shaped};

/// What is the same for every tool: made once and copied, which is much cheaper.
#[derive(Debug)]
pub(super) struct Template {
    answer: Value,
    refusal: Value,
    security: Option<Value>,
}

/// How one tool appears in a document.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The unique plain name that its components start with.
    pub(super) base: &'a str,
    /// Its `operationId`.
    pub(super) operation_id: String,
    /// The group it is shown in.
    pub(super) tag: Option<&'a str>,
    /// What it shares with all others.
    pub(super) template: &'a Template,
}

// === impl Template ===

impl Template {
    pub(super) fn new(needs_key: bool) -> Self {
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
pub(super) fn path_item(
    tool: &Tool,
    place: Place<'_>,
    components: &mut Map<String, Value>,
) -> Value {
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
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Map::with_capacity(N);
    for (key, value) in members {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

//! Arguments that a modern upstream wants to see in headers too (`x-mcp-header` in a tool's input
//! schema), and the encoding of such headers. MCP 2026-07-28, basic/transports/streamable-http,
//! "Custom Headers from Tool Parameters".

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::http::base64;

const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";

/// Which arguments of which tool go into headers.
#[derive(Debug, Default)]
pub(crate) struct Mirrors {
    by_tool: RwLock<HashMap<String, Arc<[Mirror]>>>,
}

/// One argument and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// The names of nested properties that lead to it.
    path: Vec<String>,
    header: HeaderName,
}

// === impl Mirrors ===

impl Mirrors {
    /// Learns from a listing, and takes the tools out of it that the specification forbids to use.
    pub(crate) fn learn(&self, tools: &mut Vec<Value>) {
        let mut by_tool = HashMap::new();
        tools.retain(|tool| {
            let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
            let Some(schema) = tool.get("inputSchema") else { return true };
            match mirrors_in(schema) {
                Ok(mirrors) if mirrors.is_empty() => true,
                Ok(mirrors) => {
                    by_tool.insert(name.to_owned(), Arc::from(mirrors));
                    true
                }
                Err(why) => {
                    tracing::warn!(
                        tool = name,
                        why,
                        "a tool with an invalid x-mcp-header is left out"
                    );
                    false
                }
            }
        });
        *self.by_tool.write().unwrap_or_else(PoisonError::into_inner) = by_tool;
    }

    /// What is mirrored for a tool.
    pub(crate) fn of(&self, tool: &str) -> Option<Arc<[Mirror]>> {
        self.by_tool.read().unwrap_or_else(PoisonError::into_inner).get(tool).cloned()
    }

    /// Adds the headers for a call.
    pub(crate) fn show(&self, tool: &str, arguments: &[u8], headers: &mut HeaderMap) {
        let Some(mirrors) = self.of(tool) else { return };
        let Ok(arguments) = serde_json::from_slice::<Value>(arguments) else { return };
        for mirror in &*mirrors {
            let found = mirror.path.iter().try_fold(&arguments, |value, key| value.get(key));
            if let Some(text) = found.and_then(shown) {
                headers.insert(mirror.header.clone(), header_value(&text));
            }
        }
    }
}

/// A value as a header shows it; `None` for null and for what no schema may mirror.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text as a header value: as it is where that is safe, else in the specification's Base64 form.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
        && text.trim_ascii() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let encoded = if plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", base64::encode(text.as_bytes()))
    };
    HeaderValue::try_from(encoded).expect("visible ASCII, blanks and tabs only")
}

// === reading schemas ===

/// Keywords whose value is a schema or holds schemas, where an annotation must not stand.
const HOLDS_SCHEMAS: [&str; 21] = [
    "$defs",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

fn mirrors_in(schema: &Value) -> Result<Vec<Mirror>, &'static str> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    visit(schema, &mut path, &mut found)?;
    Ok(found)
}

/// Walks what is reachable by `properties` alone. The depth of JSON that we parse is bounded.
fn visit(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<Mirror>,
) -> Result<(), &'static str> {
    let Value::Object(members) = schema else { return Ok(()) };
    if let Some(name) = members.get(ANNOTATION) {
        let mirror = mirror(name, members.get("type"), path)?;
        if found.iter().any(|other| other.header == mirror.header) {
            return Err("the same name twice");
        }
        found.push(mirror);
    }
    for keyword in HOLDS_SCHEMAS {
        if members.get(keyword).is_some_and(is_annotated) {
            return Err("it stands where no plain property is");
        }
    }
    let Some(Value::Object(properties)) = members.get("properties") else { return Ok(()) };
    for (name, property) in properties {
        path.push(name.clone());
        visit(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn mirror(name: &Value, kind: Option<&Value>, path: &[String]) -> Result<Mirror, &'static str> {
    let name = name.as_str().ok_or("its name is not a string")?;
    if path.is_empty() {
        return Err("it stands at the root");
    }
    if !matches!(kind.and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
        return Err("its property is neither string, integer nor boolean");
    }
    if name.is_empty() {
        return Err("its name is empty");
    }
    let header = HeaderName::try_from(format!("{PREFIX}{name}"))
        .map_err(|_| "its name is not a header's")?;
    Ok(Mirror { path: path.to_vec(), header })
}

/// Whether an annotation stands anywhere in schemas, a list of them, or a map of them.
fn is_annotated(schemas: &Value) -> bool {
    match schemas {
        Value::Array(list) => list.iter().any(is_annotated),
        Value::Object(members) => members.iter().any(|(key, value)| match (key.as_str(), value) {
            (ANNOTATION, Value::String(_)) => true,
            ("const" | "default" | "enum" | "examples", _) => false,
            (_, value) => is_annotated(value),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests;

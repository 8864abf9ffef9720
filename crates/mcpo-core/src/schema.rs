//! Shapes a tool's JSON Schema, of any draft, for OpenAPI 3.1 and for the clients that read it.
//!
//! Nothing that a schema says is lost, except what would break the readers: references are
//! resolved (recursive parts become components of their own), old drafts are lifted to 2020-12,
//! and what cannot be read at all becomes `{}`, with a note that says so. A schema never makes a
//! tool unusable: the server's own schema, unchanged, is what arguments are checked against.

mod budget;
mod graph;
mod keyword;
mod lift;
mod reference;
mod shaper;
mod typing;
mod upward;

#[cfg(test)]
pub(crate) mod tests;

use serde_json::{Map, Value};

/// Schemas in the shape of one tool, beyond which `{}` stands. The largest schemas of public
/// servers have a few thousand.
pub const NODES_MAX: usize = 20_000;

/// Schemas within one another. Clients walk schemas recursively, and Python gives up at a
/// recursion of 1000 frames, of which its `deepcopy` takes four for each schema.
pub const DEPTH_MAX: usize = 64;

/// Bytes of all values and names in the shape of one tool; whatever does not fit is left out. No
/// model reads more than a fraction of that.
pub const BYTES_MAX: usize = 1 << 20;

/// Schemas that references may add to one tool by being replaced with what they lead to. Beyond
/// it they lead to components: the document stays linear in what the server sent.
pub const INLINED_NODES_MAX: usize = 4_000;

/// Notes on one schema; more of them tell nobody more.
pub const NOTES_MAX: usize = 8;

/// A schema, ready for `components.schemas` of an OpenAPI 3.1 document.
#[derive(Debug, Clone, PartialEq)]
pub struct Shaped {
    /// The schema itself, to be placed under the name that was given for it.
    pub schema: Value,
    /// Recursive and very large parts that `schema` refers to, by their component names. Each
    /// name starts with the name that was given, and a `-`.
    pub parts: Vec<(String, Value)>,
    /// What could not be kept, in words for the tool's description and for the log.
    pub notes: Vec<String>,
}

/// What a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Clients make function declarations of it, with all their limits.
    Arguments,
    /// It documents an answer.
    Output,
}

/// Shapes the schema of a tool's arguments for the component `name`. The result is always of
/// `type` `object`, with `properties` that hold every argument, also those that only a branch of
/// a top-level `oneOf`, `anyOf` or `allOf` names.
///
/// `name` consists of `A-Z a-z 0-9 _ . -`.
#[must_use]
pub fn shape_arguments(schema: &Value, name: &str) -> Shaped {
    let mut shaped = shaper::shape(schema, name, Purpose::Arguments);
    upward::merge(&mut shaped, name);
    shaped
}

/// Shapes the schema of a tool's output for the component `name`, which consists of
/// `A-Z a-z 0-9 _ . -`.
#[must_use]
pub fn shape_output(schema: &Value, name: &str) -> Shaped {
    shaper::shape(schema, name, Purpose::Output)
}

// === impl Shaped ===

impl Shaped {
    /// Whether there is anything to send: tools without arguments are called without a body.
    #[must_use]
    pub fn takes_arguments(&self) -> bool {
        let holds = |key: &str| self.keyword(key).is_some_and(|members| !members.is_empty());
        // `additionalProperties: true` is what every schema says that says nothing.
        holds("properties") || holds("patternProperties") || holds("additionalProperties")
    }

    /// Whether a call without arguments is refused.
    #[must_use]
    pub fn requires_arguments(&self) -> bool {
        self.schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty())
    }

    fn keyword(&self, key: &str) -> Option<&Map<String, Value>> {
        self.schema.get(key)?.as_object()
    }
}

/// Whether ids are called `id`, as they were up to draft 4; later that is an unknown keyword.
fn has_bare_ids(root: &Value) -> bool {
    let dialect = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
    dialect.contains("draft-04") || dialect.contains("draft-03")
}

/// The reference to a component.
pub(crate) fn component_reference(name: &str) -> Value {
    let mut reference = Map::with_capacity(1);
    reference.insert("$ref".to_owned(), Value::String(format!("#/components/schemas/{name}")));
    Value::Object(reference)
}

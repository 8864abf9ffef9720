//! Brings all arguments to the top of their schema.
//!
//! Clients make a function of the top-level `properties` and `required` and of nothing else. What
//! only a branch of `oneOf`, `anyOf`, `allOf` or `if` names would never reach the model, and be
//! stripped from the call. The branches stay where they are; the top gets the union.

use std::collections::{HashMap, HashSet};

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use super::{DEPTH_MAX, Shaped, component_reference, typing};

/// Properties that branches may bring to the top, counted each time they are named.
const GATHERED_MAX: usize = 4_000;

/// The keywords whose schemas apply to the arguments as a whole.
const BRANCHING: [&str; 7] =
    ["$ref", "allOf", "oneOf", "anyOf", "then", "else", "dependentSchemas"];

/// What the arguments can be, over all branches.
#[derive(Debug, Default)]
struct Gathered {
    properties: IndexMap<String, Value>,
    required: IndexSet<String>,
}

#[derive(Debug, Clone, Copy)]
enum Join {
    /// Both apply.
    All,
    /// One of them applies.
    Any,
}

struct Gatherer<'a> {
    parts: HashMap<&'a str, &'a Value>,
    root_name: &'a str,
    left: usize,
}

/// Makes the schema one of an object, with every argument among its `properties`.
pub(super) fn merge(shaped: &mut Shaped, name: &str) {
    let Value::Object(schema) = &shaped.schema else { return };
    let gathered = BRANCHING.iter().any(|key| schema.contains_key(*key)).then(|| {
        let parts = shaped.parts.iter().map(|(name, part)| (name.as_str(), part)).collect();
        Gatherer { parts, root_name: name, left: GATHERED_MAX }.gather(schema, 0)
    });
    let Value::Object(schema) = &mut shaped.schema else { return };
    let stated = schema.get("type").map(|value| typing::read_keyword(value).0);
    if let Some(Some(stated)) = stated
        && !stated.admits("object")
    {
        shaped.notes.push("its `type` is not `object`, though arguments always are one".to_owned());
    }
    // A reference must stand alone, and the whole has its own keywords.
    if let Some(Value::String(reference)) = schema.remove("$ref") {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let members = schema.entry("allOf").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(members) = members {
            members.insert(0, component_reference(name));
        }
    }
    match schema.get_mut("type") {
        Some(present) => *present = Value::from("object"),
        None => drop(schema.shift_insert(0, "type".to_owned(), Value::from("object"))),
    }
    if let Some(gathered) = gathered {
        schema.insert(
            "properties".to_owned(),
            gathered.properties.into_iter().collect::<Map<_, _>>().into(),
        );
        if !gathered.required.is_empty() {
            schema.insert("required".to_owned(), gathered.required.into_iter().collect());
        }
    }
    declare_required(schema);
}

/// Declares what is required and not declared: clients send nothing else than what is declared.
fn declare_required(schema: &mut Map<String, Value>) {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let other = match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        Some(other @ Value::Object(_)) => Some(other.clone()),
        Some(_) | None => Some(Value::Object(Map::new())),
    };
    let properties = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let (Some(other), Value::Object(properties)) = (other, properties) else { return };
    for name in required.iter().filter_map(Value::as_str) {
        if !properties.contains_key(name) {
            properties.insert(name.to_owned(), other.clone());
        }
    }
}

// === impl Gatherer ===

impl Gatherer<'_> {
    fn gather(&mut self, schema: &Map<String, Value>, depth: usize) -> Gathered {
        let mut all = Gathered::of(schema);
        self.left = self.left.saturating_sub(all.properties.len());
        if depth >= DEPTH_MAX || self.left == 0 {
            return all;
        }
        if let Some(part) =
            schema.get("$ref").and_then(Value::as_str).and_then(|reference| self.part(reference))
        {
            all.join(self.gather(&part, depth + 1), Join::All);
        }
        for member in members(schema, "allOf") {
            all.join(self.gather(member, depth + 1), Join::All);
        }
        for key in ["oneOf", "anyOf"] {
            let branches = members(schema, key).filter(admits_objects);
            let branches: Vec<Gathered> =
                branches.map(|branch| self.gather(branch, depth + 1)).collect();
            all.join(Gathered::one_of(branches), Join::All);
        }
        let conditional = ["then", "else"].iter().filter_map(|key| schema.get(*key)?.as_object());
        let dependent =
            schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten();
        for branch in conditional.chain(dependent.filter_map(|(_, branch)| branch.as_object())) {
            let branch = self.gather(branch, depth + 1);
            all.join(Gathered { required: IndexSet::new(), ..branch }, Join::All);
        }
        all
    }

    fn part(&self, reference: &str) -> Option<Map<String, Value>> {
        let name = reference.rsplit('/').next()?;
        if name == self.root_name {
            return None;
        }
        self.parts.get(name)?.as_object().cloned()
    }
}

// === impl Gathered ===

impl Gathered {
    /// What the schema names itself.
    fn of(schema: &Map<String, Value>) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        Self {
            properties: properties
                .map(|(name, property)| (name.clone(), property.clone()))
                .collect(),
            required: required.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        }
    }

    /// What applies when one of the branches does: every property, and what all of them require.
    fn one_of(branches: Vec<Self>) -> Self {
        let mut variants: IndexMap<String, Vec<Value>> = IndexMap::new();
        let mut required: Option<IndexSet<String>> = None;
        for branch in branches {
            for (name, property) in branch.properties {
                variants.entry(name).or_default().push(property);
            }
            required = Some(match required {
                None => branch.required,
                Some(common) => {
                    common.into_iter().filter(|name| branch.required.contains(name)).collect()
                }
            });
        }
        let properties =
            variants.into_iter().map(|(name, variants)| (name, join(variants, Join::Any)));
        Self { properties: properties.collect(), required: required.unwrap_or_default() }
    }

    /// Adds what applies as well.
    fn join(&mut self, other: Self, how: Join) {
        for (name, property) in other.properties {
            let joined = match self.properties.get_mut(&name).map(Value::take) {
                Some(present) => join(vec![present, property], how),
                None => property,
            };
            self.properties.insert(name, joined);
        }
        self.required.extend(other.required);
    }
}

/// One schema of several for the same property.
fn join(variants: Vec<Value>, how: Join) -> Value {
    let is_empty = |variant: &Value| variant.as_object().is_some_and(Map::is_empty);
    let mut seen = HashSet::new();
    // One that fits everything adds nothing to the others. Among alternatives it is the others that
    // add nothing, but they tell the model more.
    let mut distinct = variants;
    distinct.retain(|variant| !is_empty(variant) && seen.insert(variant.to_string()));
    if distinct.len() < 2 {
        return distinct.pop().unwrap_or_else(|| Value::Object(Map::new()));
    }
    let mut joined = Map::new();
    match how {
        Join::Any => {
            if let Some(choice) = one_choice(&distinct) {
                return choice;
            }
            if let Some(types) = typing::united(&distinct) {
                joined.insert("type".to_owned(), types);
            }
            joined.insert("anyOf".to_owned(), Value::Array(distinct));
        }
        Join::All => {
            if let Some(types) = distinct.iter().find_map(|variant| variant.get("type")) {
                joined.insert("type".to_owned(), types.clone());
            }
            joined.insert("allOf".to_owned(), Value::Array(distinct));
        }
    }
    super::lift::give_arrays_items(&mut joined);
    Value::Object(joined)
}

/// The variants as one `enum`, where each of them only lists values: so a tag that differs from
/// branch to branch reads as the choice that it is.
fn one_choice(variants: &[Value]) -> Option<Value> {
    let mut values: IndexMap<String, Value> = IndexMap::new();
    for variant in variants {
        let known = |key: &String| {
            matches!(key.as_str(), "type" | "const" | "enum" | "title" | "description" | "default")
        };
        let variant = variant.as_object().filter(|variant| variant.keys().all(known))?;
        let listed = match (variant.get("const"), variant.get("enum")) {
            (Some(value), None) => std::slice::from_ref(value),
            (None, Some(Value::Array(values))) => values,
            (None | Some(_), Some(_)) | (None, None) => return None,
        };
        values.extend(listed.iter().map(|value| (value.to_string(), value.clone())));
    }
    let mut choice = Map::new();
    if let Some(types) = typing::united(variants) {
        choice.insert("type".to_owned(), types);
    }
    choice.insert("enum".to_owned(), values.into_values().collect());
    Some(Value::Object(choice))
}

fn members<'a>(
    schema: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Whether the branch can apply to arguments at all: one for `null` says nothing about them.
fn admits_objects(branch: &&Map<String, Value>) -> bool {
    match branch.get("type").map(|value| typing::read_keyword(value).0) {
        Some(Some(stated)) => stated.admits("object"),
        Some(None) | None => true,
    }
}

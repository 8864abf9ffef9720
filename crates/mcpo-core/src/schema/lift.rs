//! What older drafts say otherwise than 2020-12, and what is written wrongly.

use serde_json::{Map, Value};

use super::keyword::Keyword;

/// Whether a value is what its keyword may have.
pub(super) fn is_well_formed(keyword: Keyword, value: &Value) -> bool {
    match keyword {
        Keyword::Text => value.is_string(),
        Keyword::Number => value.is_number(),
        Keyword::Count => value.as_number().is_some_and(|count| !count.as_str().starts_with('-')),
        Keyword::Flag => value.is_boolean(),
        Keyword::List | Keyword::Examples => value.is_array(),
        Keyword::Object => value.is_object(),
        // Readers that look for references look everywhere, and would find one that leads nowhere.
        Keyword::Unknown => !has_reference(value),
        Keyword::Reference
        | Keyword::Definitions
        | Keyword::Identity
        | Keyword::Type
        | Keyword::Required
        | Keyword::Properties
        | Keyword::Items
        | Keyword::AdditionalItems
        | Keyword::Dependencies
        | Keyword::NameLists
        | Keyword::ExclusiveBound
        | Keyword::Discriminator
        | Keyword::Schema
        | Keyword::SchemaOrFlag
        | Keyword::Schemas
        | Keyword::SchemaMap
        | Keyword::Datum => true,
    }
}

fn has_reference(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_reference),
        Value::Object(members) => {
            members.get("$ref").is_some_and(Value::is_string) || members.values().any(has_reference)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The bound that draft 4 makes exclusive with a flag.
pub(super) fn inclusive(exclusive: &str) -> &'static str {
    if exclusive == "exclusiveMinimum" { "minimum" } else { "maximum" }
}

/// Whether the inclusive bound `key` is said to be exclusive by a flag beside it.
pub(super) fn is_bound_made_exclusive(all: &Map<String, Value>, key: &str) -> bool {
    let flag = match key {
        "minimum" => "exclusiveMinimum",
        "maximum" => "exclusiveMaximum",
        _ => return false,
    };
    all.get(flag) == Some(&Value::Bool(true))
}

/// The lists of names in `dependentRequired` or `dependencies`; draft 3 wrote a single name bare.
pub(super) fn name_lists(value: &Value) -> Map<String, Value> {
    let mut lists = Map::new();
    for (name, needed) in value.as_object().into_iter().flatten() {
        let names = match needed {
            Value::String(_) => vec![needed.clone()],
            Value::Array(names) => names.iter().filter(|name| name.is_string()).cloned().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => continue,
        };
        lists.insert(name.clone(), without_repeats(&Value::Array(names)));
    }
    lists
}

/// Adds the members to the object under `key`, if there are any.
pub(super) fn merge_into(out: &mut Map<String, Value>, key: &str, members: Map<String, Value>) {
    if members.is_empty() {
        return;
    }
    match out.get_mut(key) {
        Some(Value::Object(present)) => present.extend(members),
        Some(_) | None => drop(out.insert(key.to_owned(), Value::Object(members))),
    }
}

/// Adds names to `required`, each once.
pub(super) fn require(out: &mut Map<String, Value>, names: Vec<Value>) {
    let mut all = match out.get_mut("required").map(Value::take) {
        Some(Value::Array(present)) => present,
        Some(_) | None => Vec::with_capacity(names.len()),
    };
    all.extend(names);
    out.insert("required".to_owned(), without_repeats(&Value::Array(all)));
}

/// A list of strings with each of them once; another value as it is.
pub(super) fn without_repeats(value: &Value) -> Value {
    let Some(items) = value.as_array().filter(|items| items.len() > 1) else {
        return value.clone();
    };
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    Value::Array(
        items
            .iter()
            .filter(|item| item.as_str().is_none_or(|text| seen.insert(text)))
            .cloned()
            .collect(),
    )
}

/// Gives an array without `items` the `items` that fit everything: providers refuse a function
/// with an array that says nothing of its items.
pub(super) fn give_arrays_items(schema: &mut Map<String, Value>) {
    let is_array = match schema.get("type") {
        Some(Value::String(name)) => name == "array",
        Some(Value::Array(names)) => names.iter().any(|name| name == "array"),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    };
    if is_array && !schema.contains_key("items") {
        schema.insert("items".to_owned(), Value::Object(Map::new()));
    }
}

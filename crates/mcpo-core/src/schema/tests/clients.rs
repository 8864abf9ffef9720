//! A client that resolves references as Open WebUI does, and what it makes of the schemas.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::schema::{Shaped, shape_arguments};

/// Follows flat component references in `properties`, `items`, `oneOf`, `anyOf` and `allOf`, and
/// nowhere else. What stands beside a reference is lost; a part within itself becomes `{}`.
pub(super) fn resolve(
    schema: &Value,
    components: &Map<String, Value>,
    seen: &HashSet<String>,
) -> Value {
    let Value::Object(schema) = schema else { panic!("TypeError: {schema} is no object") };
    if let Some(reference) = schema.get("$ref") {
        let name = reference
            .as_str()
            .and_then(|text| text.strip_prefix("#/components/schemas/"))
            .expect("flat");
        if seen.contains(name) {
            return json!({});
        }
        let seen = seen.iter().cloned().chain([name.to_owned()]).collect();
        return resolve(components.get(name).unwrap_or(&json!({})), components, &seen);
    }
    let mut resolved = schema.clone();
    if let Some(properties) = resolved.get_mut("properties") {
        for member in properties.as_object_mut().expect("TypeError").values_mut() {
            *member = resolve(member, components, seen);
        }
    }
    if let Some(items) = resolved.get_mut("items") {
        *items = resolve(items, components, seen);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for member in resolved.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            *member = resolve(member, components, seen);
        }
    }
    if let Some(required) = resolved.get("required") {
        required.as_array().expect("TypeError: required is iterated");
    }
    Value::Object(resolved)
}

/// What reaches the model as the function's parameters.
pub(super) fn parameters(shaped: &Shaped) -> Value {
    let mut components: Map<String, Value> = shaped.parts.iter().cloned().collect();
    components.insert("t".to_owned(), shaped.schema.clone());
    let body = resolve(&json!({"$ref": "#/components/schemas/t"}), &components, &HashSet::new());
    json!({"type": "object", "properties": body["properties"], "required": body.get("required").unwrap_or(&json!([]))})
}

#[test]
fn the_model_sees_every_argument_with_its_type_and_its_bounds() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "oneOf": [{"$ref": "#/definitions/ByName"}, {"$ref": "#/definitions/ById"}],
        "definitions": {
            "ByName": {"type": "object", "properties": {"name": {"$ref": "#/definitions/Name"}, "deep": {"$ref": "#/definitions/Tree"}}, "required": ["name"]},
            "ById": {"type": "object", "properties": {"id": {"minimum": 1, "exclusiveMinimum": true, "type": "integer"}, "deep": {"$ref": "#/definitions/Tree"}}, "required": ["id"]},
            "Name": {"type": "string", "maxLength": 9, "enum": ["a", "b"]},
            "Tree": {"type": "object", "properties": {"leaf": {"$ref": "#/definitions/Name"}, "sub": {"type": "array", "items": {"$ref": "#/definitions/Tree"}}}}
        }
    });
    let seen = serde_json::to_string_pretty(&parameters(&shape_arguments(&schema, "t"))).unwrap();
    insta::assert_snapshot!(seen, @r#"
    {
      "type": "object",
      "properties": {
        "name": {
          "type": "string",
          "maxLength": 9,
          "enum": [
            "a",
            "b"
          ]
        },
        "deep": {
          "type": "object",
          "properties": {
            "leaf": {
              "type": "string",
              "maxLength": 9,
              "enum": [
                "a",
                "b"
              ]
            },
            "sub": {
              "type": "array",
              "items": {}
            }
          }
        },
        "id": {
          "exclusiveMinimum": 1,
          "type": "integer"
        }
      },
      "required": []
    }
    "#);
}

#[test]
fn no_reference_reaches_the_model() {
    let everywhere = |reference: Value| {
        json!({
            "properties": {
                "map": {"additionalProperties": reference}, "tuple": {"prefixItems": [reference]}, "not": {"not": reference},
                "names": {"propertyNames": reference}, "by": {"patternProperties": {"x": reference}}, "has": {"contains": reference},
                "if": {"if": reference, "then": reference, "else": reference}, "rest": {"unevaluatedItems": reference},
                "list": {"items": {"anyOf": [{"additionalProperties": {"items": reference}}, reference]}}
            },
            "$defs": {"R": {"type": "object", "properties": {"r": reference, "m": {"additionalProperties": reference}}}}
        })
    };
    let shaped = shape_arguments(&everywhere(json!({"$ref": "#/$defs/R"})), "t");
    let seen = parameters(&shaped).to_string();
    assert!(!seen.contains("$ref"), "{seen}");
    assert!(!shaped.parts.is_empty(), "recursive parts are components where they can be followed");
}

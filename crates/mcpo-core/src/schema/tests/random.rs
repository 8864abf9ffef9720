//! Any JSON whatsoever as a schema.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::clients::parameters;
use crate::schema::{BYTES_MAX, NODES_MAX, NOTES_MAX, Shaped, shape_arguments, shape_output};

const KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "items",
    "prefixItems",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "$ref",
    "$defs",
    "definitions",
    "$id",
    "id",
    "$anchor",
    "enum",
    "const",
    "default",
    "dependencies",
    "dependentSchemas",
    "dependentRequired",
    "patternProperties",
    "exclusiveMinimum",
    "minimum",
    "examples",
    "description",
    "discriminator",
    "x-vendor",
    "a",
    "b",
    "$dynamicRef",
    "$schema",
];

const TEXTS: &[&str] = &[
    "#",
    "#/$defs/a",
    "#/definitions/b",
    "#/properties/a",
    "#/properties/a/items",
    "#/allOf/0",
    "#a",
    "b",
    "urn:x",
    "object",
    "array",
    "string",
    "integer",
    "https://example.test/s#/a",
    "a",
    "http://json-schema.org/draft-04/schema#",
    "",
];

pub(crate) fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(|text| json!({"$ref": text})),
    ];
    leaf.prop_recursive(7, 120, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((prop::sample::select(KEYWORDS), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    })
}

/// Shows `visit` every schema in the shape, by the keywords that hold schemas.
fn each_schema(schema: &Value, visit: &mut dyn FnMut(&Map<String, Value>)) {
    let members = schema.as_object().expect("every schema is an object");
    visit(members);
    for (key, value) in members {
        match key.as_str() {
            "properties" | "patternProperties" | "dependentSchemas" => {
                value
                    .as_object()
                    .expect("a map")
                    .values()
                    .for_each(|member| each_schema(member, visit));
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                value
                    .as_array()
                    .expect("a list")
                    .iter()
                    .for_each(|member| each_schema(member, visit));
            }
            "items" | "not" | "if" | "then" | "else" | "contains" | "propertyNames" => {
                each_schema(value, visit);
            }
            "additionalProperties" | "unevaluatedItems" | "unevaluatedProperties"
                if !value.is_boolean() =>
            {
                each_schema(value, visit);
            }
            _ => {}
        }
    }
}

fn check_whole(shaped: &Shaped) {
    let mut known: Vec<String> =
        shaped.parts.iter().map(|(name, _)| format!("#/components/schemas/{name}")).collect();
    known.push("#/components/schemas/t".to_owned());
    let mut nodes = 0;
    for schema in shaped.parts.iter().map(|part| &part.1).chain([&shaped.schema]) {
        each_schema(schema, &mut |members| {
            nodes += 1;
            if let Some(reference) = members.get("$ref") {
                assert!(known.iter().any(|name| reference == name), "{reference} leads nowhere");
                assert_eq!(members.len(), 1, "a reference has siblings");
            }
            for gone in [
                "$defs",
                "definitions",
                "$id",
                "$schema",
                "$anchor",
                "dependencies",
                "additionalItems",
            ] {
                assert!(!members.contains_key(gone), "{gone} is left");
            }
            assert!(members.get("required").is_none_or(Value::is_array));
        });
    }
    assert!(
        nodes <= 3 * NODES_MAX
            && shaped.schema.to_string().len() <= 4 * BYTES_MAX
            && shaped.notes.len() <= NOTES_MAX + 1
    );
    let mut names: Vec<&String> = shaped.parts.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), shaped.parts.len(), "names repeat");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_json_makes_a_sound_schema_of_arguments(schema in any_schema()) {
        let shaped = shape_arguments(&schema, "t");
        check_whole(&shaped);
        prop_assert_eq!(&shaped.schema["type"], "object");
        prop_assert!(shaped.schema["properties"].is_object());
        let seen = parameters(&shaped);
        each_schema(&seen, &mut |members| assert!(!members.contains_key("$ref"), "a reference reaches the model: {seen}"));
        prop_assert_eq!(shape_arguments(&schema, "t"), shaped);
    }

    #[test]
    fn any_json_makes_a_sound_schema_of_output(schema in any_schema()) {
        check_whole(&shape_output(&schema, "t"));
    }
}

//! What becomes of schemas: cases as data, a large snapshot, and random ones.

mod clients;
mod random;

pub(crate) use random::any_schema;

use serde_json::{Value, json};

use super::*;

/// Shapes `given` as the arguments of `t` and compares the schema; no parts are expected.
#[track_caller]
fn check(given: &Value, expected: &Value) {
    let shaped = shape_arguments(given, "t");
    assert_eq!(shaped.parts, [], "parts of {given}");
    assert_eq!(
        serde_json::to_string_pretty(&shaped.schema).unwrap(),
        serde_json::to_string_pretty(expected).unwrap(),
        "shape of {given}"
    );
}

/// The same for the schema of one property.
#[track_caller]
fn check_property(given: &Value, expected: &Value) {
    let around = |inner: &Value| json!({"type": "object", "properties": {"a": inner}});
    check(&around(given), &around(expected));
}

#[track_caller]
fn notes(given: &Value) -> Vec<String> {
    shape_arguments(given, "t").notes
}

#[test]
fn what_is_fine_stays_as_it_is() {
    let fine = json!({
        "type": "object",
        "title": "Search",
        "description": "Finds things",
        "x-order": [1, null, {"deep": true}],
        "x-nothing": null,
        "properties": {
            "query": {"type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[a-z]+$", "format": "uri"},
            "limit": {"type": "integer", "minimum": 1, "exclusiveMaximum": 100, "multipleOf": 5, "default": 10},
            "order": {"type": "string", "enum": ["up", "down", null], "examples": ["up"]},
            "kind": {"type": "string", "const": "k", "deprecated": true},
            "flags": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": true, "minItems": 0},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {}], "items": {"not": {}}},
            "map": {"type": "object", "additionalProperties": {"type": "number"}, "propertyNames": {"maxLength": 3}},
            "by": {"type": "object", "patternProperties": {"^x": {"type": "null"}}, "additionalProperties": false},
            "any": {},
            "none": {"type": ["string", "null"], "default": null},
            "one": {"type": "string", "oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]},
            "when": {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {}},
            "needs": {"type": "object", "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"not": {}}}},
            "big": {"type": "integer", "maximum": 1, "vendor": {"kept": [null]}, "nullable": true}
        },
        "required": ["query"],
        "additionalProperties": false
    });
    check(&fine, &fine);
    assert_eq!(notes(&fine), Vec::<String>::new());
}

#[test]
fn numbers_keep_their_digits() {
    let text = r#"{"type":"object","properties":{"n":{"type":"number","maximum":123456789012345678901234567890,"default":1.10,"const":1e400}}}"#;
    let given: Value = serde_json::from_str(text).unwrap();
    assert_eq!(shape_arguments(&given, "t").schema.to_string(), text.replace("1e400", "1e+400"));
}

#[test]
fn older_drafts_are_lifted() {
    let cases = [
        (
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
            json!({"type": "integer", "exclusiveMinimum": 1}),
        ),
        (
            json!({"type": "integer", "exclusiveMaximum": false, "maximum": 9}),
            json!({"type": "integer", "maximum": 9}),
        ),
        (
            json!({"type": "array", "items": [{"type": "string"}, true], "additionalItems": {"type": "null"}}),
            json!({"type": "array", "prefixItems": [{"type": "string"}, {}], "items": {"type": "null"}}),
        ),
        (
            json!({"type": "array", "items": [{}], "additionalItems": false}),
            json!({"type": "array", "prefixItems": [{}], "items": {"not": {}}}),
        ),
        (
            json!({"type": "array", "items": {}, "additionalItems": false}),
            json!({"type": "array", "items": {}}),
        ),
        (
            json!({"type": "object", "dependencies": {"a": ["b"], "c": "d", "e": {"minProperties": 2}}}),
            json!({"type": "object", "dependentRequired": {"a": ["b"], "c": ["d"]}, "dependentSchemas": {"e": {"minProperties": 2}}}),
        ),
        (
            json!({"type": "object", "properties": {"x": {"type": "string", "required": true}}}),
            json!({"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}),
        ),
        (json!({"$comment": "c", "$id": "#a", "type": "null"}), json!({"type": "null"})),
        (
            json!({"type": "string", "examples": "one"}),
            json!({"type": "string", "examples": ["one"]}),
        ),
    ];
    for (given, expected) in cases {
        check_property(&given, &expected);
    }
    let draft4 = json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "urn:x", "properties": {"id": {"type": "string"}}});
    check(&draft4, &json!({"type": "object", "properties": {"id": {"type": "string"}}}));
}

#[test]
fn what_breaks_clients_is_written_otherwise() {
    let cases = [
        (json!(true), json!({})),
        (json!(false), json!({"not": {}})),
        (json!({"type": "array", "items": true}), json!({"type": "array", "items": {}})),
        (json!({"anyOf": [true, {"type": "null"}]}), json!({"anyOf": [{}, {"type": "null"}]})),
        (
            json!({"type": "object", "required": null, "properties": null}),
            json!({"type": "object"}),
        ),
        (json!({"type": "array"}), json!({"type": "array", "items": {}})),
        (json!({"type": ["array", "null"]}), json!({"type": ["array", "null"], "items": {}})),
        (
            json!({"type": "string", "description": null, "default": null}),
            json!({"type": "string", "default": null}),
        ),
        (json!({"type": "string", "oneOf": []}), json!({"type": "string"})),
        (
            json!({"type": "object", "required": ["a", "a", 3]}),
            json!({"type": "object", "required": ["a"]}),
        ),
    ];
    for (given, expected) in cases {
        check_property(&given, &expected);
    }
}

#[test]
fn a_property_has_the_type_that_can_be_known() {
    let cases = [
        (json!({"const": "x"}), json!("string")),
        (json!({"const": 5}), json!("integer")),
        (json!({"const": 5.5}), json!("number")),
        (json!({"enum": ["a", 1, null]}), json!(["string", "integer", "null"])),
        (json!({"enum": [1, 2.5]}), json!("number")),
        (json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), json!(["integer", "null"])),
        (json!({"oneOf": [{"const": "a"}, {"enum": [true]}]}), json!(["string", "boolean"])),
        (json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}), json!("number")),
        (json!({"allOf": [{"type": "number"}, {"type": ["integer", "string"]}]}), json!("integer")),
        (json!({"properties": {}}), json!("object")),
        (json!({"minimum": 1}), json!("number")),
        (json!({"anyOf": [{"type": "string"}, {}]}), Value::Null),
        (json!({"description": "anything"}), Value::Null),
        (json!({"properties": {}, "items": {}}), Value::Null),
        (json!({"allOf": [{"type": "string"}, {"type": "null"}]}), Value::Null),
    ];
    for (given, expected) in cases {
        let schema = json!({"properties": {"a": given}});
        let shaped = shape_arguments(&schema, "t").schema;
        assert_eq!(shaped["properties"]["a"]["type"], expected, "type of {given}");
    }
}

#[test]
fn what_cannot_be_read_is_left_out_with_a_note() {
    let cases = [
        (json!("string"), json!({}), "`a`: a schema that is not an object was left out"),
        (json!({"type": "str"}), json!({}), "`a`: its `type` names no JSON type and was left out"),
        (
            json!({"type": ["string", 5]}),
            json!({"type": "string"}),
            "`a`: its `type` names no JSON type and was left out",
        ),
        (
            json!({"type": "object", "properties": ["x"]}),
            json!({"type": "object"}),
            "`a`: its `properties` cannot be read and were left out",
        ),
        (
            json!({"type": "string", "minLength": "3"}),
            json!({"type": "string"}),
            "`a`: its `minLength` cannot be read and was left out",
        ),
        (
            json!({"type": "object", "required": "x"}),
            json!({"type": "object"}),
            "`a`: its `required` cannot be read and was left out",
        ),
        (
            json!({"type": "string", "anyOf": {}}),
            json!({"type": "string"}),
            "`a`: its `anyOf` cannot be read and was left out",
        ),
        (
            json!({"type": "null", "odd": {"$ref": "#/x"}}),
            json!({"type": "null"}),
            "`a`: its `odd` cannot be read and was left out",
        ),
    ];
    for (given, expected, note) in cases {
        check_property(&given, &expected);
        assert_eq!(notes(&json!({"properties": {"a": given}})), [note]);
    }
    for odd in [json!(null), json!("x"), json!(5), json!([1])] {
        check(&odd, &json!({"type": "object", "properties": {}}));
        assert_eq!(notes(&odd), ["a schema that is not an object was left out"]);
    }
    check(&json!(true), &json!({"type": "object", "properties": {}}));
    check(&json!(false), &json!({"type": "object", "not": {}, "properties": {}}));
}

#[test]
fn every_way_to_point_at_a_part_finds_it() {
    let parts = json!({
        "properties": {"list": {"type": "array", "items": {"type": "integer"}}},
        "$defs": {
            "X": {"type": "boolean"},
            "a/b~c d": {"type": "null"},
            "named": {"$anchor": "spot", "type": "number"},
            "apart": {"$id": "https://example.test/apart.json", "type": "string", "$defs": {"In": {"type": "object"}}},
            "user": {"$id": "https://example.test/dir/user.json", "properties": {"a": {"$ref": "../apart.json"}, "b": {"$ref": "/apart.json#/$defs/In"}}}
        },
        "definitions": {"Old": {"type": "string", "$id": "#old"}}
    });
    let cases = [
        ("#/$defs/X", json!("boolean")),
        ("#/definitions/Old", json!("string")),
        ("#old", json!("string")),
        ("#/properties/list/items", json!("integer")),
        ("#/$defs/a~1b~0c%20d", json!("null")),
        ("#/%24defs/X", json!("boolean")),
        ("#spot", json!("number")),
        ("https://example.test/apart.json", json!("string")),
        ("https://example.test/apart.json#/$defs/In", json!("object")),
        ("https://example.test/dir/user.json#/properties/b", json!("object")),
    ];
    for (reference, expected) in cases {
        let mut schema = parts.clone();
        schema["properties"]["a"] = json!({"$ref": reference});
        let shaped = shape_arguments(&schema, "t");
        assert_eq!(shaped.schema["properties"]["a"]["type"], expected, "{reference}");
        assert_eq!(shaped.notes, Vec::<String>::new(), "{reference}");
        assert_eq!(shaped.parts, [], "{reference}");
    }
}

#[test]
fn what_leads_out_of_the_schema_or_nowhere_is_not_followed() {
    let cases = [
        (
            "https://example.test/s.json#/x",
            "`a`: the reference to https://example.test/s.json#/x leads outside the schema and is not followed",
        ),
        (
            "other.json",
            "`a`: the reference to other.json leads outside the schema and is not followed",
        ),
        ("#/$defs/Gone", "`a`: the reference to #/$defs/Gone leads nowhere"),
        ("#gone", "`a`: the reference to #gone leads nowhere"),
        ("#/properties/a", "`a`: the reference to #/properties/a leads back to itself"),
    ];
    for (reference, note) in cases {
        let schema = json!({"properties": {"a": {"$ref": reference, "description": "kept"}}});
        check(&schema, &json!({"type": "object", "properties": {"a": {"description": "kept"}}}));
        assert_eq!(notes(&schema), [note]);
    }
}

#[test]
fn siblings_of_a_reference_are_kept() {
    let part =
        json!({"type": "object", "description": "part", "properties": {"x": {"type": "string"}}});
    let cases = [
        (
            json!({"$ref": "#/$defs/P", "description": "mine", "default": null}),
            json!({"type": "object", "description": "mine", "properties": {"x": {"type": "string"}}, "default": null}),
        ),
        (
            json!({"minProperties": 1, "$ref": "#/$defs/P"}),
            json!({"type": "object", "description": "part", "properties": {"x": {"type": "string"}}, "minProperties": 1}),
        ),
        (
            json!({"$ref": "#/$defs/P", "properties": {"y": {}}}),
            json!({"type": "object", "properties": {"y": {}}, "allOf": [part]}),
        ),
    ];
    for (given, expected) in cases {
        check(
            &json!({"properties": {"a": given}, "$defs": {"P": part}}),
            &json!({"type": "object", "properties": {"a": expected}}),
        );
    }
}

#[test]
fn recursive_parts_become_components() {
    let tree = json!({
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/Node", "description": "where to start"}, "plain": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"type": "object", "properties": {
            "name": {"$ref": "#/$defs/Name"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}
        }}, "Name": {"type": "string"}}
    });
    let shaped = shape_arguments(&tree, "t");
    insta::assert_snapshot!(shaped.schema["properties"], @r##"{"root":{"type":"object","description":"where to start","anyOf":[{"$ref":"#/components/schemas/t-Node"}]},"plain":{"$ref":"#/components/schemas/t-Node"}}"##);
    assert_eq!(shaped.parts.len(), 1);
    assert_eq!(shaped.parts[0].0, "t-Node");
    insta::assert_snapshot!(shaped.parts[0].1, @r##"{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/components/schemas/t-Node"}}}}"##);
}

#[test]
fn a_schema_that_is_its_own_part_refers_to_itself() {
    let own =
        json!({"type": "object", "properties": {"and": {"type": "array", "items": {"$ref": "#"}}}});
    let shaped = shape_arguments(&own, "filter");
    assert_eq!(
        shaped.schema["properties"]["and"]["items"],
        json!({"$ref": "#/components/schemas/filter"})
    );
    assert_eq!(shaped.parts, []);
}

#[test]
fn where_clients_follow_no_references_none_is_left() {
    let value = json!({
        "type": "object",
        "properties": {"data": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}}},
        "$defs": {"Json": {"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"$ref": "#/$defs/Json"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}}
        ]}}
    });
    let shaped = shape_arguments(&value, "t");
    assert_eq!(shaped.parts, []);
    let list = &shaped.schema["properties"]["data"]["additionalProperties"]["anyOf"][1];
    insta::assert_snapshot!(list, @r#"{"type":"array","items":{"type":["string","object","array"],"items":{}}}"#);
}

#[test]
fn parts_of_one_name_stay_apart() {
    let part = |next: &str| json!({"type": "object", "properties": {"n": {"$ref": next}}});
    let schema = json!({
        "properties": {"a": {"$ref": "#/$defs/A~1B"}, "b": {"$ref": "#/$defs/A B"}, "c": {"$ref": "#/$defs/A_B_2"}},
        "$defs": {"A/B": part("#/$defs/A~1B"), "A B": part("#/$defs/A B"), "A_B_2": part("#/$defs/A_B_2")}
    });
    let names: Vec<String> =
        shape_arguments(&schema, "t").parts.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["t-A_B", "t-A_B_2", "t-A_B_2_2"]);
}

#[test]
fn arguments_of_branches_come_to_the_top() {
    let cases = [
        (
            json!({"oneOf": [
                {"properties": {"kind": {"const": "a"}, "x": {"type": "string"}}, "required": ["kind", "x"]},
                {"properties": {"kind": {"const": "b"}, "y": {"type": "integer"}}, "required": ["kind"]}
            ]}),
            json!({"kind": {"type": "string", "enum": ["a", "b"]}, "x": {"type": "string"}, "y": {"type": "integer"}}),
            json!(["kind"]),
        ),
        (
            json!({"anyOf": [{"properties": {"x": {"type": "string"}}}, {"properties": {"x": {"type": "array"}}}, {"type": "null"}]}),
            json!({"x": {"type": ["string", "array"], "anyOf": [{"type": "string"}, {"type": "array", "items": {}}], "items": {}}}),
            Value::Null,
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"y": {"type": "null"}}, "required": ["y"]}],
                   "$defs": {"A": {"properties": {"x": {"type": "string"}}, "required": ["x"]}}}),
            json!({"x": {"type": "string"}, "y": {"type": "null"}}),
            json!(["x", "y"]),
        ),
        (
            json!({"properties": {"x": {"type": "string"}}, "if": {}, "then": {"properties": {"t": {"type": "null"}}, "required": ["t"]}, "else": {"properties": {"e": {}}}}),
            json!({"x": {"type": "string"}, "t": {"type": "null"}, "e": {}}),
            Value::Null,
        ),
        (
            json!({"properties": {"x": {"type": "string"}}, "required": ["x", "undeclared"]}),
            json!({"x": {"type": "string"}, "undeclared": {}}),
            json!(["x", "undeclared"]),
        ),
        (
            json!({"$ref": "#/$defs/Node", "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}, "required": ["next"]}}}),
            json!({"next": {"$ref": "#/components/schemas/t-Node"}}),
            json!(["next"]),
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/Node"}], "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}}),
            json!({"next": {"$ref": "#/components/schemas/t-Node"}}),
            Value::Null,
        ),
    ];
    for (given, properties, required) in cases {
        let shaped = shape_arguments(&given, "t").schema;
        assert_eq!(shaped["type"], "object", "{given}");
        assert_eq!(shaped["properties"], properties, "{given}");
        assert_eq!(shaped.get("required").cloned().unwrap_or_default(), required, "{given}");
    }
}

#[test]
fn a_type_that_arguments_never_have_is_noted() {
    check(&json!({"type": "string"}), &json!({"type": "object", "properties": {}}));
    assert_eq!(
        notes(&json!({"type": "string"})),
        ["its `type` is not `object`, though arguments always are one"]
    );
    assert_eq!(notes(&json!({"type": ["object", "null"]})), Vec::<String>::new());
}

#[test]
fn an_output_schema_is_kept_without_what_only_arguments_need() {
    let output = json!({"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/R"}, {"const": 1}]},
        "$defs": {"R": {"additionalProperties": {"$ref": "#/$defs/R"}}}});
    let shaped = shape_output(&output, "r");
    assert_eq!(
        shaped.schema,
        json!({"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/r-R"}, {"const": 1}]}})
    );
    assert_eq!(
        shaped.parts,
        [("r-R".to_owned(), json!({"additionalProperties": {"$ref": "#/components/schemas/r-R"}}))]
    );
}

#[test]
fn whether_a_call_has_a_body() {
    let cases = [
        (json!({}), false, false),
        (json!({"type": "object", "additionalProperties": false}), false, false),
        (json!({"properties": {"a": {}}}), true, false),
        (json!({"properties": {"a": {}}, "required": ["a"]}), true, true),
        (json!({"additionalProperties": {"type": "string"}}), true, false),
    ];
    for (given, takes, requires) in cases {
        let shaped = shape_arguments(&given, "t");
        assert_eq!(
            (shaped.takes_arguments(), shaped.requires_arguments()),
            (takes, requires),
            "{given}"
        );
    }
}

#[test]
fn a_schema_beyond_the_bounds_is_cut_and_noted() {
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = json!({"type": "object", "properties": {"d": deep}});
    }
    let wide: Map<String, Value> =
        (0..NODES_MAX + 10).map(|n| (format!("p{n}"), json!({"type": "null"}))).collect();
    let long = json!({"properties": {"a": {"description": "x".repeat(BYTES_MAX)}}});
    // Twice as many at every step: 2^40 schemas when written out.
    let mut doubling =
        json!({"properties": {"a": {"$ref": "#/$defs/D0"}}, "$defs": {"D40": {"type": "null"}}});
    for step in 0..40 {
        let next = json!({"$ref": format!("#/$defs/D{}", step + 1)});
        doubling["$defs"][format!("D{step}")] =
            json!({"type": "object", "properties": {"l": next, "r": next}});
    }
    for (given, is_cut) in
        [(deep, true), (json!({"properties": wide}), true), (long, true), (doubling, false)]
    {
        let shaped = shape_arguments(&given, "t");
        let size = shaped.schema.to_string().len()
            + shaped.parts.iter().map(|part| part.1.to_string().len()).sum::<usize>();
        assert!(size < 2 * BYTES_MAX, "{size} bytes");
        assert_eq!(
            shaped.notes.iter().any(|note| note.contains("too large or too deep")),
            is_cut,
            "{:?}",
            shaped.notes
        );
    }
}

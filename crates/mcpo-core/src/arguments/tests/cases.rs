//! By example: what the original never did, and what must never happen.

use super::*;

fn checked(schema: &Value, body: &str) -> Result<Checked, ArgumentError> {
    ArgumentCheck::compile(schema).0.check(body.as_bytes())
}

fn rewritten(text: &str) -> Result<Checked, ArgumentError> {
    Ok(Checked::Rewritten(text.as_bytes().to_vec()))
}

/// Types and places of all problems, e.g. `missing body.a; int_type body.b.0`.
fn problems(schema: &Value, body: &str) -> String {
    let Err(ArgumentError::Invalid(problems)) = checked(schema, body) else { return "none".into() };
    let place = |problem: &Problem| {
        let steps = problem
            .loc
            .iter()
            .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
        steps.collect::<Vec<_>>().join(".")
    };
    problems
        .iter()
        .map(|problem| format!("{} {}", problem.kind, place(problem)))
        .collect::<Vec<_>>()
        .join("; ")
}

fn with(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"v": schema}, "required": ["v"]})
}

#[test]
fn a_body_that_needs_no_change_goes_byte_for_byte() {
    let schema = with(&json!({"type": "number"}));
    for body in [
        r#"{"v":1.50}"#,
        "{ \"v\" :\n 1E+2 }",
        r#"{"v":123456789012345678901234567890.10}"#,
        " {\"v\":-0} ",
    ] {
        assert_eq!(checked(&schema, body), Ok(Checked::AsSent), "{body}");
    }
}

#[test]
fn digits_survive_a_rewrite() {
    let schema = json!({"properties": {"v": {"type": "integer"}, "w": {"type": "integer"}}});
    let body = r#"{"v":"+00123456789012345678901234567890","w":98765432109876543210987654321}"#;
    assert_eq!(
        checked(&schema, body),
        rewritten(r#"{"v":123456789012345678901234567890,"w":98765432109876543210987654321}"#)
    );
}

#[test]
fn repeated_keys_are_settled_before_anybody_else_reads_them() {
    let schema = with(&json!({"type": "object"}));
    assert_eq!(checked(&schema, r#"{"v":{"a":1,"a":2}}"#), rewritten(r#"{"v":{"a":2}}"#));
    assert_eq!(checked(&schema, r#"{"v":{"a":1},"v":{}}"#), rewritten(r#"{"v":{}}"#));
}

#[test]
fn a_key_that_serde_json_uses_inside_is_a_key_like_any_other() {
    let body = r#"{"v":{"$serde_json::private::Number":"1"}}"#;
    assert_eq!(checked(&with(&json!({"type": "object"})), body), Ok(Checked::AsSent));
    assert_eq!(problems(&with(&json!({"type": "integer"})), body), "int_type body.v");
}

#[test]
fn too_deep_a_body_is_refused_and_nothing_else_happens() {
    let schema = with(&json!({}));
    let nested = |depth: usize| format!("{{\"v\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(checked(&schema, &nested(127)), Ok(Checked::AsSent));
    assert_eq!(problems(&schema, &nested(128)), "json_invalid body.132");
    assert_eq!(problems(&schema, &"[".repeat(1_000_000)), "json_invalid body.128");
}

#[test]
fn half_a_surrogate_pair_and_words_that_json_lacks_are_refused() {
    let schema = with(&json!({}));
    for body in [
        r#"{"v":"\ud800"}"#,
        r#"{"v":"\udc00"}"#,
        r#"{"v":"\ud800\u0041"}"#,
        r#"{"v":NaN}"#,
        r#"{"v":-Infinity}"#,
    ] {
        assert!(problems(&schema, body).starts_with("json_invalid"), "{body}");
    }
}

#[test]
fn a_tool_without_arguments_takes_any_body() {
    let nothing = [
        json!({}),
        json!({"type": "object"}),
        json!({"type": "object", "additionalProperties": false}),
    ];
    for schema in nothing {
        let (check, notes) = ArgumentCheck::compile(&schema);
        assert_eq!((check.takes_arguments(), notes.len()), (false, 0));
        assert_eq!(check.check(b"{}"), Ok(Checked::AsSent));
        assert_eq!(check.check(b"\xff no json"), rewritten("{}"));
    }
}

#[test]
fn arguments_that_only_a_composition_declares_are_known() {
    let part = json!({"properties": {"a": {"type": "integer"}}});
    let schemas = [
        json!({"allOf": [part]}),
        json!({"anyOf": [part, {"required": ["b"]}]}),
        json!({"$ref": "#/$defs/part", "$defs": {"part": part}}),
        json!({"$ref": "#part", "$defs": {"part": {"$anchor": "part", "properties": {"a": {"type": "integer"}}}}}),
        json!({"if": part, "then": part}),
        json!({"dependentSchemas": {"x": part}}),
        json!({"patternProperties": {"^a$": {"type": "integer"}}}),
    ];
    for schema in schemas {
        assert!(ArgumentCheck::compile(&schema).0.takes_arguments(), "{schema}");
        assert_eq!(checked(&schema, r#"{"a":1}"#), Ok(Checked::AsSent), "{schema}");
    }
}

#[test]
fn types_are_coerced_through_references_and_compositions() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {
            "type": "object",
            "properties": {"n": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["n"],
        }},
    });
    let body = r#"{"n":"1","next":{"n":"2","next":{"n":"3","next":null}}}"#;
    assert_eq!(checked(&tree, body), rewritten(r#"{"n":1,"next":{"n":2,"next":{"n":3}}}"#));
    assert_eq!(
        problems(&tree, r#"{"n":1,"next":{"next":{"n":"x"}}}"#),
        "missing body.next.n; int_parsing body.next.next.n"
    );

    let pair = with(
        &json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": {"type": "number"}}),
    );
    assert_eq!(
        checked(&pair, r#"{"v":["1","no","2.50","1e1"]}"#),
        rewritten(r#"{"v":[1,false,2.50,1e+1]}"#)
    );
}

#[test]
fn a_tag_decides_which_of_several_objects_is_meant() {
    let shape = |tag: &str, member: Value| json!({"type": "object", "properties": {"kind": {"const": tag}, "n": member}, "required": ["kind", "n"], "additionalProperties": false});
    let schema = with(
        &json!({"oneOf": [shape("a", json!({"type": "integer"})), shape("b", json!({"type": "string"}))]}),
    );
    assert_eq!(
        checked(&schema, r#"{"v":{"kind":"a","n":"5"}}"#),
        rewritten(r#"{"v":{"kind":"a","n":5}}"#)
    );
    assert_eq!(checked(&schema, r#"{"v":{"kind":"b","n":"5"}}"#), Ok(Checked::AsSent));
}

#[test]
fn all_that_is_wrong_is_told_once_and_at_its_place() {
    let schema = json!({
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"type": "integer"}, "maxItems": 2, "uniqueItems": true},
            "size": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "mode": {"enum": ["a", 1, null, true]},
        },
        "required": ["list", "name"],
    });
    let body = r#"{"list":["x",2,2],"size":0,"mode":"z","extra":1}"#;
    let told = "int_parsing body.list.0; literal_error body.mode; missing body.name; too_long body.list; \
                unique_items body.list; greater_than_equal body.size";
    let mut ours: Vec<String> = problems(&schema, body).split("; ").map(str::to_owned).collect();
    let mut expected: Vec<String> = told.split("; ").map(str::to_owned).collect();
    ours.sort();
    expected.sort();
    assert_eq!(ours, expected);
}

#[test]
fn equal_items_are_found_however_they_are_written() {
    let schema = with(&json!({"type": "array", "uniqueItems": true}));
    for same in ["1,1.0", "10,1e1", "0,-0.0", r#"{"a":1,"b":[2]},{"b":[2.0],"a":1}"#, "null,null"] {
        let told = problems(&schema, &format!(r#"{{"v":["first",{same}]}}"#));
        assert_eq!(told, "unique_items body.v", "{same}");
    }
    for other in [r#"1,"1",true"#, "[],[[]],{},null", "1e400,2e400,1e-400", r#"{"a":1},{"b":1}"#] {
        let body = format!(r#"{{"v":["first",{other}]}}"#);
        assert_eq!(checked(&schema, &body), Ok(Checked::AsSent), "{other}");
    }
    let any = with(&json!({"type": "array", "uniqueItems": false}));
    assert_eq!(checked(&any, r#"{"v":[1,1]}"#), Ok(Checked::AsSent));
}

#[test]
fn many_numbers_beyond_a_double_are_told_apart_at_once() {
    let schema = with(&json!({"type": "array", "uniqueItems": true}));
    let items: Vec<String> = (1..20_000).map(|i| format!("{i}e400")).collect();
    let body = format!(r#"{{"v":[{}]}}"#, items.join(","));
    // Compared pair by pair they would take hours.
    assert_eq!(checked(&schema, &body), Ok(Checked::AsSent));
}

#[test]
fn allowed_values_are_named_as_python_names_them() {
    let (_, answer) = answer(&with(&json!({"enum": ["a", "it's", 1, null, true]})), br#"{"v":2}"#);
    let expected = r#"'a', "it's", 1, None or True"#;
    assert_eq!(answer["detail"][0]["ctx"]["expected"], expected);
    assert_eq!(answer["detail"][0]["msg"], format!("Input should be {expected}"));
}

#[test]
fn a_default_that_breaks_its_schema_is_left_out_with_a_note() {
    let schema = json!({"properties": {"v": {"type": "integer", "maximum": 3, "default": 9}, "w": {"default": 1}}});
    let (check, notes) = ArgumentCheck::compile(&schema);
    assert_eq!(notes, ["the default of \"v\" is not filled in: it does not match its own schema"]);
    assert_eq!(check.check(b"{}"), rewritten(r#"{"w":1}"#));
}

#[test]
fn a_default_without_end_is_left_out() {
    let schema = json!({"properties": {"child": {"$ref": "#", "default": {}}}});
    let (check, notes) = ArgumentCheck::compile(&schema);
    assert_eq!((check.check(b"{}"), notes.len()), (rewritten("{}").map(|_| Checked::AsSent), 1));
}

#[test]
fn a_schema_with_mistakes_is_checked_but_for_these() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "float"},
            "b": {"type": "integer", "required": true},
            "c": {"type": "string", "pattern": "(unclosed"},
            "d": null,
            "e": true,
            "f": {"$ref": "https://example.com/elsewhere.json"},
        },
        "required": ["b"],
    });
    let (check, notes) = ArgumentCheck::compile(&schema);
    assert!(!notes.is_empty() && notes.iter().all(|note| !note.contains('\n')), "{notes:?}");
    assert_eq!(check.check(br#"{"a":1.5,"b":1,"c":"x","d":2,"e":3,"f":4}"#), Ok(Checked::AsSent));
    assert_eq!(problems(&schema, r#"{"a":1}"#), "missing body.b");
}

#[test]
fn a_schema_that_is_none_lets_every_object_through() {
    for schema in [json!(null), json!([1]), json!("x"), json!({"allOf": [{"$ref": "#"}]})] {
        let (check, notes) = ArgumentCheck::compile(&schema);
        assert_eq!(notes.len(), 1, "{schema}: {notes:?}");
        assert_eq!(check.check(br#"{"a":1}"#), Ok(Checked::AsSent), "{schema}");
        assert_eq!(problems(&schema, "[]"), "model_attributes_type body");
    }
}

#[test]
fn references_in_a_circle_do_not_end_the_process() {
    let circle = json!({"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"not": {"$ref": "#/$defs/a"}}]}});
    let schema = json!({"properties": {"v": {"$ref": "#/$defs/a"}}, "$defs": circle});
    let (check, notes) = ArgumentCheck::compile(&schema);
    assert_eq!(
        notes,
        [
            "arguments are not checked, because the schema cannot be used: it refers to itself without end"
        ]
    );
    assert_eq!(check.check(br#"{"v":1}"#), Ok(Checked::AsSent));
}

#[test]
fn chains_of_references_do_not_end_the_process() {
    let chain = |length: usize| {
        let link = |i: usize| (format!("a{i}"), json!({"$ref": format!("#/$defs/a{}", i + 1)}));
        let mut links: Map<String, Value> = (0..length).map(link).collect();
        links.insert(format!("a{length}"), json!({"type": "integer"}));
        json!({"properties": {"v": {"$ref": "#/$defs/a0"}}, "$defs": links})
    };
    assert_eq!(checked(&chain(20), r#"{"v":"1"}"#), rewritten(r#"{"v":1}"#));
    for length in [1_000, 30_000] {
        assert_eq!(ArgumentCheck::compile(&chain(length)).1.len(), 1);
    }
}

#[test]
fn the_deepest_body_is_checked_to_its_end() {
    let item = json!({"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/item"}}, {"type": "null"}, {"type": "integer"}]});
    let schema = json!({"properties": {"v": {"$ref": "#/$defs/item"}}, "$defs": {"item": item}});
    let body = |leaf: &str| format!("{{\"v\":{}{leaf}{}}}", "[".repeat(127), "]".repeat(127));
    assert_eq!(checked(&schema, &body("1")), Ok(Checked::AsSent));
    assert_eq!(checked(&schema, &body("\"1\"")), rewritten(&body("1")));
    assert_ne!(problems(&schema, r#"{"v":[[[{}]]]}"#), "none");
    assert_eq!(checked(&schema, r#"{"v":[[["1"]]]}"#), rewritten(r#"{"v":[[[1]]]}"#));
}

#[test]
fn a_pattern_that_runs_wild_refuses_nobody() {
    let schema = with(&json!({"type": "string", "pattern": "^(?=(a+)+$)(a|aa)+\\1$"}));
    let body = format!("{{\"v\":\"{}!\"}}", "a".repeat(5_000));
    assert_ne!(checked(&schema, &body), Err(ArgumentError::NotUtf8));
}

#[test]
fn a_body_of_too_many_values_is_refused() {
    let body = |items: usize| format!(r#"{{"v":[0{}]}}"#, ",0".repeat(items - 1));
    // The object and the list are two of them.
    let most = json::VALUES_MAX - 2;
    assert_eq!(checked(&with(&json!({})), &body(most)), Ok(Checked::AsSent));
    assert_eq!(
        problems(&with(&json!({})), &body(most + 1)),
        format!("json_invalid body.{}", body(most).len() - 1)
    );
}

#[test]
fn branches_within_branches_come_to_an_end() {
    let tree = json!({
        "$ref": "#/$defs/t",
        "$defs": {"t": {"anyOf": [
            {"type": "object", "properties": {"t": {"$ref": "#/$defs/t"}, "n": {"type": "integer"}}},
            {"type": "object", "properties": {"t": {"$ref": "#/$defs/t"}, "n": {"type": "boolean"}}},
        ]}},
    });
    let body =
        |depth: usize| format!("{}{{\"n\":\"5\"}}{}", "{\"t\":".repeat(depth), "}".repeat(depth));
    assert_eq!(checked(&tree, &body(3)), rewritten(&body(3).replace("\"5\"", "5")));
    assert_eq!(checked(&tree, &body(100)), Ok(Checked::AsSent));
}

#[test]
fn a_refusal_repeats_no_more_than_it_may() {
    let names: Vec<String> = (0..200).map(|i| format!("n{i}")).collect();
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(300_000));
    let Err(ArgumentError::Invalid(problems)) = checked(&json!({"required": names}), &body) else {
        panic!("refused")
    };
    let bytes: usize = problems.iter().map(|problem| problem.to_json().to_string().len()).sum();
    assert!(problems.len() == 100 && bytes < 1_200_000, "{} {bytes}", problems.len());
    assert_eq!(problems[99].input, "... (too long to repeat)");
    let (check, _) = ArgumentCheck::compile(&json!({"required": ["n"]}));
    let list = format!("[\"{}\"]", "x".repeat(2_000_000));
    for refusal in [check.check(list.as_bytes()), check.check_unread(list.as_bytes())] {
        let Err(ArgumentError::Invalid(problems)) = refusal else { panic!("refused") };
        assert_eq!(problems[0].input, "... (too long to repeat)");
    }
}

#[test]
fn a_body_that_is_not_said_to_be_json_is_refused_wherever_arguments_are_declared() {
    let declared = json!({"properties": {"n": {"type": "integer"}}});
    let elsewhere = json!({"allOf": [declared], "type": "object"});
    for schema in [declared, elsewhere, json!({"required": ["n"]})] {
        let (check, _) = ArgumentCheck::compile(&schema);
        let Err(ArgumentError::Invalid(problems)) = check.check_unread(b"n=1") else {
            panic!("{schema}")
        };
        assert_eq!(
            (problems[0].kind, &problems[0].input),
            ("model_attributes_type", &json!("n=1"))
        );
    }
    let (check, _) = ArgumentCheck::compile(&json!({"type": "object"}));
    assert_eq!(check.check_unread(b"n=1"), rewritten("{}"));
}

#[test]
fn older_drafts_are_read_as_they_are_meant() {
    let tuple = |items: &str, id: Option<&str>| {
        let mut schema =
            with(&json!({"type": "array", items: [{"type": "integer"}, {"type": "string"}]}));
        if let Some(id) = id {
            schema["$schema"] = id.into();
        }
        schema
    };
    let drafts = [
        tuple("items", Some("http://json-schema.org/draft-07/schema#")),
        tuple("items", None),
        tuple("prefixItems", Some("https://json-schema.org/draft/2020-12/schema")),
        tuple("prefixItems", Some("https://example.com/unheard-of")),
    ];
    for schema in drafts {
        let (check, notes) = ArgumentCheck::compile(&schema);
        assert_eq!(notes, Vec::<String>::new(), "{schema}");
        assert_eq!(check.check(br#"{"v":["1","a"]}"#), rewritten(r#"{"v":[1,"a"]}"#), "{schema}");
        assert_eq!(problems(&schema, r#"{"v":[1,2]}"#), "string_type body.v.1", "{schema}");
    }
}

#[test]
fn a_null_that_says_nothing_is_left_out_and_one_that_is_needed_stays() {
    let nullable = json!({"type": ["string", "null"]});
    let schema = json!({"properties": {"a": nullable, "b": nullable, "c": {"$ref": "#/properties/a"}}, "required": ["b"]});
    assert_eq!(checked(&schema, r#"{"a":null,"b":null,"c":null}"#), rewritten(r#"{"b":null}"#));
}

/// A schema that is too long to be compiled while a call waits is compiled at once; and one that is
/// nested so deep that it is not read again.
#[test]
fn arguments_are_judged_alike_whenever_the_schema_is_compiled() {
    let bodies: [&[u8]; 5] =
        [br#"{"n":1}"#, br#"{"n":"2"}"#, br#"{"n":"two"}"#, br#"{"n":11}"#, b"{}"];
    let schema = |notes: Value| {
        let n = json!({"type": "integer", "maximum": 10, "examples": [notes]});
        json!({"type": "object", "properties": {"n": n}, "required": ["n"]})
    };
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    for body in bodies {
        let later = answer(&schema(json!("short")), body);
        assert_eq!(answer(&schema(json!("long".repeat(2000))), body), later);
        assert_eq!(answer(&schema(deep.clone()), body), later);
    }
    let answers = bodies.map(|body| answer(&schema(Value::Null), body).0);
    assert_eq!(answers, [200, 200, 422, 422, 422]);
}

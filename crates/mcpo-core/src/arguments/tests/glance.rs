//! The first look: whatever it lets pass, the whole check lets pass with the same result.

use proptest::prelude::*;

use super::play::{bodies, names, schemas, values};
use super::*;

/// What the first look says; `None` where it leaves the body to the whole check.
fn looked(check: &ArgumentCheck, body: &str) -> Option<Passes> {
    let rules = check.rules.as_ref()?;
    rules.glance.look(&rules.plan, body.as_bytes())
}

/// Whether the first look says the same as the whole check, if it says anything.
fn agrees(check: &ArgumentCheck, body: &str) -> bool {
    match looked(check, body) {
        None => true,
        Some(Passes::AsSent) => check.check_whole(body.as_bytes()) == Ok(Checked::AsSent),
        Some(Passes::Filled(filled)) => {
            let filled: Value = serde_json::from_slice(&filled).unwrap();
            check.check_whole(body.as_bytes()) == Ok(Checked::Rewritten(serialized(&filled)))
        }
    }
}

/// A value for a schema: mostly one that fits.
fn fitting(schema: &Value, dice: &mut impl Iterator<Item = u32>) -> Value {
    let roll = dice.next().unwrap_or(7);
    let types = schema["type"].as_array();
    let one_type =
        types.map_or(&schema["type"], |types| &types[roll as usize % types.len()]).clone();
    if let Some(options) = schema["enum"].as_array().filter(|options| !options.is_empty()) {
        return options[roll as usize % options.len()].clone();
    }
    if let Some(branches) = schema["anyOf"].as_array() {
        return fitting(&branches[roll as usize % branches.len()], dice);
    }
    match one_type.as_str() {
        Some("string") => ["", "a", "\u{e9}\n", "aa\"\\", "null"][roll as usize % 5].into(),
        Some("integer") => [0, 1, 5, -3, 6][roll as usize % 5].into(),
        Some("number") => {
            serde_json::from_str(["1", "1.5", "5.0", "1e2"][roll as usize % 4]).unwrap()
        }
        Some("boolean") => roll.is_multiple_of(2).into(),
        Some("null") => Value::Null,
        Some("array") => {
            (0..roll % 4).map(|_| fitting(&schema["items"], dice)).collect::<Vec<_>>().into()
        }
        _ => object_fitting(schema, dice),
    }
}

fn object_fitting(schema: &Value, dice: &mut impl Iterator<Item = u32>) -> Value {
    let mut members = Map::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if !dice.next().unwrap_or(1).is_multiple_of(4) {
            members.insert(name.clone(), fitting(member, dice));
        }
    }
    if dice.next().unwrap_or(1).is_multiple_of(4) {
        members.insert("more".into(), fitting(&schema["additionalProperties"], dice));
    }
    Value::Object(members)
}

/// Schemas as most servers write them.
fn ordinary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer", "title": "N"})),
        Just(json!({"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 6})),
        Just(json!({"type": "number", "maximum": 1.5})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "string", "minLength": 1, "maxLength": 2})),
        Just(json!({"enum": ["a", "aa\"\\", 5, null, true]})),
        Just(json!({"const": "a"})),
        Just(json!({"type": "string", "pattern": "^a"})),
        Just(json!({"$ref": "#/$defs/p"})),
        Just(json!({})),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let property = (names(), inner.clone(), prop::option::weighted(0.3, values()));
        let object = (prop::collection::vec(property, 0..4), prop::option::of(names()), 0..4_usize);
        let object = object.prop_map(|(members, required, extra)| {
            let mut schema = json!({"type": "object", "properties": {}});
            for (name, mut member, default) in members {
                if let (Value::Object(keywords), Some(default)) = (&mut member, default) {
                    keywords.insert("default".into(), default);
                }
                schema["properties"][name] = member;
            }
            if let Some(name) = required {
                schema["required"] = json!([name]);
            }
            let extras = [json!(true), json!(false), json!({"type": "integer"})];
            if let Some(extra) = extras.get(extra) {
                schema["additionalProperties"] = extra.clone();
            }
            schema
        });
        prop_oneof![
            3 => object,
            1 => prop::collection::vec(inner.clone(), 1..4).prop_map(|branches| json!({"anyOf": branches})),
            1 => inner.clone().prop_map(|one| json!({"anyOf": [one, {"type": "null"}]})),
            1 => inner.prop_map(|items| json!({"type": "array", "items": items, "maxItems": 2})),
        ]
    })
}

proptest! {
    #[test]
    fn what_passes_at_first_sight_passes_the_whole_check(
        schema in ordinary(),
        part in prop_oneof![ordinary(), schemas()],
        dice in prop::collection::vec(0..60_u32, 0..40),
        body in bodies(),
    ) {
        let mut schema = json!({"type": "object", "properties": {"a": schema, "b": part}});
        schema["$defs"] = json!({"p": part});
        let (check, _) = ArgumentCheck::compile(&schema);
        let fitting = object_fitting(&schema, &mut dice.into_iter());
        for body in [&fitting, &body] {
            prop_assert!(agrees(&check, &body.to_string()), "{}", body);
            let spaced = serde_json::to_string_pretty(body).unwrap();
            prop_assert!(agrees(&check, &spaced), "{}", spaced);
        }
    }

    #[test]
    fn damaged_bodies_are_no_exception(
        schema in ordinary(),
        dice in prop::collection::vec(0..60_u32, 0..40),
        place in any::<prop::sample::Index>(),
        damage in "[\\[\\]{}\",:0-9eE.tfn \\\\u\u{1}d-]{0,2}",
        takes in 0..3_usize,
    ) {
        let (check, _) = ArgumentCheck::compile(&schema);
        let body = fitting(&schema, &mut dice.into_iter()).to_string();
        let mut places = body.char_indices().map(|(at, _)| at);
        let at = places.nth(place.index(body.chars().count())).unwrap();
        let rest: String = body[at..].chars().skip(takes).collect();
        let damaged = format!("{}{damage}{rest}", &body[..at]);
        prop_assert!(agrees(&check, &damaged), "{}", damaged);
    }
}

#[test]
fn what_most_clients_send_passes_at_first_sight() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "url": {"type": "string", "format": "uri", "minLength": 1},
            "depth": {"type": "integer", "minimum": 1, "maximum": 9},
            "ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "kind": {"enum": ["short", "long"]},
            "only": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "what": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            "point": {"$ref": "#/definitions/point"},
            "free": {},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "required": ["url"],
        "additionalProperties": false,
        "definitions": {"point": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
            "required": ["x", "y"],
        }},
    });
    let (check, _) = ArgumentCheck::compile(&schema);
    let passing = [
        r#"{"url":"a"}"#,
        " {\"depth\" : 9 , \"url\":\"\\u00e9\u{e9}/\\/\"}\r\n ",
        r#"{"url":"\\\"","only":"x","what":3}"#,
        r#"{"url":"a","ratio":0.5,"kind":"long","tags":[],"what":"3"}"#,
        r#"{"url":"a","tags":["a","b"],"point":{"y":1e3,"x":-0.5}}"#,
        r#"{"url":"a","free":{"a":[1,{"b":null}],"c":true},"map":{"a":1,"b":2}}"#,
    ];
    for body in passing {
        // A text with a bound and an escape is counted by the whole check.
        let expected =
            (!body.starts_with(' ') && !body.contains(r#"\""#)).then_some(Passes::AsSent);
        assert_eq!(looked(&check, body), expected, "{body}");
        assert!(agrees(&check, body));
        assert_eq!(check.check(body.as_bytes()), Ok(Checked::AsSent), "{body}");
    }
    let left = [
        r#"{"url":""}"#,
        r#"{"url":"a","url":"a"}"#,
        r#"{"url":"a","depth":10}"#,
        r#"{"url":"a","depth":"5"}"#,
        r#"{"url":"a","depth":5.0}"#,
        r#"{"url":"a","ratio":0}"#,
        r#"{"url":"a","other":0}"#,
        r#"{"url":"a","only":null}"#,
        r#"{"url":"a","tags":["a","b","c"]}"#,
        r#"{"url":"a","point":{"x":1}}"#,
        r#"{"url":"a","free":{"a":1,"a":1}}"#,
        r#"{"url":"a","map":{"a":"1"}}"#,
        r#"{"url":"a","free":"\ud83d\ude00"}"#,
        r#"{"url":"a","free":01}"#,
        "{\"url\":\"a\",\"free\":\"\u{1}\"}",
        r#"{"url":"a",}"#,
        r#"{"url":"a"}x"#,
        r#"["url"]"#,
        "",
    ];
    for body in left {
        assert_eq!(looked(&check, body), None, "{body}");
    }
}

#[test]
fn defaults_are_filled_in_at_first_sight() {
    let schema = json!({
        "type": "object",
        "properties": {
            "n": {"type": "integer", "default": 5},
            "o": {
                "type": "object",
                "properties": {"p\"": {"type": "string", "default": "x"}, "q": {}},
            },
            "s": {"type": "string", "default": "\u{e9}"},
        },
    });
    let (check, _) = ArgumentCheck::compile(&schema);
    let cases = [
        ("{}", r#"{"n":5,"s":"é"}"#),
        (r#"{ "s" : "" }"#, r#"{ "s" : "" ,"n":5}"#),
        (r#"{"o":{},"n":1}"#, r#"{"o":{"p\"":"x"},"n":1,"s":"é"}"#),
        (r#"{"o":{"q":[]}}"#, r#"{"o":{"q":[],"p\"":"x"},"n":5,"s":"é"}"#),
    ];
    for (body, filled) in cases {
        assert_eq!(looked(&check, body), Some(Passes::Filled(filled.into())), "{body}");
        assert!(agrees(&check, body), "{body}");
    }
}

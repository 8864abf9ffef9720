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

/// Values in which something is odd.
const ODD_VALUES: &[&str] = &[
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "-0.0",
    "0e0",
    "0E+0",
    "1E5",
    "5.0",
    "50e-1",
    "00",
    "-01",
    "-",
    "+1",
    ".5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "0x1",
    "NaN",
    "Infinity",
    "nul",
    "truex",
    "9007199254740993",
    "-9007199254740993",
    "0.30000000000000000000001",
    "123456789012345678901234567890123456789",
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""\udc00""#,
    r#""\uD83D\u0041""#,
    r#""\u0000""#,
    r#""\u00e9""#,
    r#""\u12g4""#,
    r#""\x""#,
    r#""\""#,
    "\"\0\"",
    "\"\u{1f}\"",
    "\"\u{7f}\"",
    "\"\u{feff}\"",
    "\"\u{10ffff}\"",
    "\"a\nb\"",
    "\u{a0}1",
    "1\0",
    r#"{"\u0061":1}"#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"x":1,"x":1}"#,
    r#"{"x":{"y":1,"y":2}}"#,
    r#"[{"x":1,"x":1}]"#,
    r#"{"":1,"":2}"#,
    r#"{"a":1,}"#,
    "[1,]",
    "[,1]",
    "[1 2]",
    "{1:2}",
    "[1}",
    "{]",
];

/// Bodies in which something is odd around the values, or in names.
const ODD_BODIES: [&[u8]; 18] = [
    b"\xef\xbb\xbf{}",
    b"{}\xef\xbb\xbf",
    b"{}\0",
    b"\0{}",
    b"{}{}",
    b"{} x",
    b"{},",
    b"{}\xc2\xa0",
    b"\x0c{}",
    b"\r\n\t {\r\n\t }\r\n\t ",
    b"{\"b\":\"\xff\"}",
    b"{\"b\":\"\xc3\"}",
    b"{\"b\":\"\xed\xa0\x80\"}",
    b"{\"\xff\":1}",
    b"{\"a\":1,\"\\u0061\":2}",
    b"{\"\\u0061\":1}",
    b"{\"a\":1,\"a\":1}",
    b"null",
];

/// Bodies in which something is odd that a schema does not speak of; the members' names are `a` to `e`.
fn odd_bodies() -> Vec<Vec<u8>> {
    let names = ["a", "b", "c", "d", "e"];
    let mut bodies: Vec<Vec<u8>> = ODD_VALUES
        .iter()
        .flat_map(|value| names.map(|name| format!("{{\"{name}\":{value}}}").into_bytes()))
        .collect();
    for depth in [1, 30, 31, 32, 33, 126, 127, 128, 129, 5000] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        let members = r#"{"x":"#.repeat(depth) + "1" + &"}".repeat(depth);
        bodies.extend([nested, members].map(|value| format!("{{\"e\":{value}}}").into_bytes()));
    }
    bodies.extend(ODD_BODIES.map(<[u8]>::to_vec));
    bodies
}

#[test]
fn what_is_odd_is_left_or_passes_the_whole_check_as_well() {
    let properties = json!({
        "a": {"type": "integer", "minimum": 0, "maximum": 1e15},
        "b": {"type": "string", "maxLength": 3},
        "c": {"enum": [0, 5.0, "\u{e9}", true, null]},
        "d": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}, {"type": "null"}]},
        "e": {},
    });
    let schemas = [
        json!({"type": "object", "properties": properties}),
        json!({"type": "object", "properties": properties, "additionalProperties": true}),
        json!({"type": "object", "properties": {"f": {"default": -0.0}}, "additionalProperties": true}),
        json!({"type": "object", "additionalProperties": {"type": ["number", "string", "null"]}}),
    ];
    let mut passed = 0;
    for schema in &schemas {
        let (check, notes) = ArgumentCheck::compile(schema);
        assert_eq!(notes, Vec::<String>::new());
        for body in odd_bodies() {
            let shown = String::from_utf8_lossy(&body);
            if let Ok(text) = std::str::from_utf8(&body) {
                passed += usize::from(looked(&check, text).is_some());
                assert!(agrees(&check, text), "{shown} in {schema}");
            } else {
                assert_eq!(check.check(&body), Err(ArgumentError::NotUtf8), "{shown}");
            }
        }
    }
    assert!(passed > 100, "{passed}: the first look sees hardly any");
}

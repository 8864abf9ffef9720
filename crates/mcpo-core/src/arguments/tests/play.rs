//! Random schemas and bodies: what must hold for all of them.

use proptest::prelude::*;

use super::*;

pub(super) fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d/e", "ü"]).prop_map(str::to_owned)
}

/// Written out, so that numbers keep their digits.
const SCALARS: [&str; 20] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "5",
    "-3",
    "1.5",
    "5.0",
    "1e2",
    "1e400",
    "123456789012345678901",
    "-0.0",
    "\"5\"",
    "\"x\"",
    "\"\"",
    "\"yes\"",
    "\"1.5\"",
    "\"1_0\"",
    "\"aa\"",
];

fn scalars() -> impl Strategy<Value = Value> {
    prop::sample::select(SCALARS.to_vec()).prop_map(|text| serde_json::from_str(text).unwrap())
}

pub(super) fn values() -> impl Strategy<Value = Value> {
    scalars().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((names(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Keywords of a schema that has no schemas within; `wild` ones are seldom right.
fn leaf() -> impl Strategy<Value = Value> {
    let types = prop::sample::select(vec![
        "null", "boolean", "integer", "number", "string", "array", "object",
    ]);
    prop_oneof![
        6 => types.clone().prop_map(|one| json!({"type": one})),
        2 => prop::collection::vec(types, 1..3).prop_map(|several| json!({"type": several})),
        1 => values().prop_map(|value| json!({"const": value})),
        1 => prop::collection::vec(scalars(), 1..4).prop_map(|options| json!({"enum": options})),
        1 => (0..6, prop::sample::select(vec!["minimum", "maximum", "minLength", "maxItems", "maxProperties"]))
            .prop_map(|(limit, keyword)| json!({keyword: limit})),
        1 => prop::sample::select(vec!["^a+$", "x", "(a+)+$"]).prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        1 => prop::sample::select(vec!["#/$defs/p", "#/$defs/q", "#", "#/properties/a"]).prop_map(|place| json!({"$ref": place})),
        1 => Just(json!({})),
        1 => any::<bool>().prop_map(Value::Bool),
    ]
}

pub(super) fn schemas() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let branches = prop::collection::vec(inner.clone(), 1..4);
        let combined = (prop::sample::select(vec!["anyOf", "oneOf", "allOf"]), branches)
            .prop_map(|(keyword, branches)| json!({keyword: branches}));
        prop_oneof![3 => object(inner.clone()), 1 => combined, 1 => inner.prop_map(|items| json!({"type": "array", "items": items}))]
    })
}

fn object(inner: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    let member = (names(), inner.clone(), prop::option::weighted(0.3, values()));
    let extra =
        prop::option::weighted(0.3, prop_oneof![any::<bool>().prop_map(Value::Bool), inner]);
    (prop::collection::vec(member, 0..4), prop::collection::vec(names(), 0..2), extra).prop_map(
        |(members, mut required, extra)| {
            let mut properties = Map::new();
            for (name, mut schema, default) in members {
                if let (Some(keywords), Some(default)) = (schema.as_object_mut(), default) {
                    keywords.insert("default".into(), default);
                }
                properties.insert(name, schema);
            }
            required.sort();
            required.dedup();
            let mut schema =
                json!({"type": "object", "properties": properties, "required": required});
            if let Some(extra) = extra {
                schema["additionalProperties"] = extra;
            }
            schema
        },
    )
}

fn roots() -> impl Strategy<Value = Value> {
    (object(schemas().boxed()), schemas(), schemas()).prop_map(|(mut root, p, q)| {
        root["$defs"] = json!({"p": p, "q": q});
        root
    })
}

pub(super) fn bodies() -> impl Strategy<Value = Value> {
    prop::collection::vec((names(), values()), 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// The schema itself, apart from our code; `None` where it cannot be used as it is.
fn judge(schema: &Value, notes: &[String]) -> Option<jsonschema::Validator> {
    if notes.iter().any(|note| note.contains("not checked")) {
        return None;
    }
    jsonschema::options().offline().should_validate_formats(false).build(schema).ok()
}

/// Whether the check leaves it as it is.
fn is_stable(check: &ArgumentCheck, sent: &[u8]) -> bool {
    match check.check(sent) {
        Ok(Checked::AsSent) => true,
        Ok(Checked::Rewritten(bytes)) => bytes == sent,
        Err(_) => false,
    }
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(holds_null),
        Value::Object(members) => members.values().any(holds_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

proptest! {
    #[test]
    fn what_goes_on_satisfies_the_schema_and_goes_on_unchanged_the_next_time(schema in roots(), body in bodies()) {
        let (check, notes) = ArgumentCheck::compile(&schema);
        let Some(judge) = judge(&schema, &notes) else { return Ok(()) };
        let sent = serde_json::to_vec(&body).unwrap();
        match check.check(&sent) {
            Ok(Checked::AsSent) => prop_assert!(!check.takes_arguments() || judge.is_valid(&body)),
            Ok(Checked::Rewritten(bytes)) => {
                let rewritten: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert!(!check.takes_arguments() || judge.is_valid(&rewritten), "{}", rewritten);
                let again = check.check(&bytes);
                // A null that says nothing is left out, and its default is not put there: as in the
                // original, that is for what was never said.
                let is_filled = |filled: &[u8]| holds_null(&body) && is_stable(&check, filled);
                let is_fine = match &again {
                    Ok(Checked::AsSent) => true,
                    Ok(Checked::Rewritten(next)) => *next == bytes || is_filled(next),
                    Err(_) => false,
                };
                prop_assert!(is_fine, "{} then {:?}", rewritten, again.map(text_of));
            }
            Err(ArgumentError::Invalid(problems)) => {
                prop_assert!(!judge.is_valid(&body), "the schema accepts it as it came: {:?}", problems);
                prop_assert!(!problems.is_empty() && problems.iter().all(|problem| problem.loc[0] == "body"));
            }
            Err(ArgumentError::NotUtf8) => prop_assert!(false, "it is UTF-8"),
        }
    }

    #[test]
    fn no_schema_and_no_body_breaks_it(schema in values(), keywords in schemas(), body in values(), bytes in any::<Vec<u8>>()) {
        for schema in [&schema, &keywords, &json!({"properties": schema, "required": schema, "anyOf": schema, "$defs": schema})] {
            let (check, _) = ArgumentCheck::compile(schema);
            let _ = check.check(&serde_json::to_vec(&body).unwrap());
            let _ = check.check(&bytes);
        }
    }

    #[test]
    fn it_reads_what_serde_json_reads(value in values(), damage in any::<prop::sample::Index>(), byte in "[\\[\\]{}\",:0-9eE.tfn \\\\u-]") {
        let text = value.to_string();
        prop_assert_eq!(&json::parse(&text).unwrap().value, &value);
        let mut places = text.char_indices().map(|(at, _)| at);
        let at = places.nth(damage.index(text.chars().count())).unwrap();
        let damaged = format!("{}{byte}{}", &text[..at], &text[at..]);
        let theirs = serde_json::from_str::<Value>(&damaged);
        match (json::parse(&damaged), theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.value, theirs),
            (ours, theirs) => prop_assert!(ours.is_err() && theirs.is_err(), "{}: {:?} {:?}", damaged, ours, theirs),
        }
    }
}

fn text_of(checked: Checked) -> String {
    match checked {
        Checked::AsSent => "as sent".into(),
        Checked::Rewritten(bytes) => String::from_utf8(bytes).unwrap(),
    }
}

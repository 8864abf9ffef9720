//! Schemas of upstreams and arguments of callers: each function feeds the real code and panics
//! where one of its invariants does not hold. The ordinary tests run the seeds through it, too.

use mcpo_core::arguments::{ArgumentCheck, ArgumentError, Checked};
use mcpo_core::schema::{NOTES_MAX, Shaped, shape_arguments, shape_output};
use serde_json::Value;

/// Problems that are told at once; beyond them stands one that says so.
const PROBLEMS_MAX: usize = 101;

/// The name that components are given.
const NAME: &str = "tool";

/// Shapes a schema for both of its purposes.
///
/// # Panics
/// An invariant does not hold.
pub fn schema(data: &[u8]) {
    let Ok(schema) = serde_json::from_slice::<Value>(data) else { return };
    let arguments = shape_arguments(&schema, NAME);
    check_shaped(&arguments);
    assert_eq!(arguments.schema["type"], "object", "arguments are an object");
    assert!(arguments.schema["properties"].is_object(), "arguments have properties");
    assert_eq!(arguments, shape_arguments(&schema, NAME), "the same schema, another shape");
    check_shaped(&shape_output(&schema, NAME));
}

fn check_shaped(shaped: &Shaped) {
    assert!(shaped.notes.len() <= NOTES_MAX, "more notes than the bound");
    let names: Vec<&str> = shaped.parts.iter().map(|(name, _)| name.as_str()).collect();
    for name in &names {
        assert!(name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-')), "part {name}");
    }
    check_references(&shaped.schema, &names);
    shaped.parts.iter().for_each(|(_, part)| check_references(part, &names));
    // Clients read it as text.
    let text = shaped.schema.to_string();
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "a shape that is no JSON");
}

/// A reference that leads nowhere takes the whole document down in some clients. `$ref` may be
/// the name of a property, and an example may hold anything.
fn check_references(schema: &Value, names: &[&str]) {
    const FREE: [&str; 5] = ["const", "enum", "default", "example", "examples"];
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                let name = target.strip_prefix("#/components/schemas/");
                let is_known = name.is_some_and(|name| name == NAME || names.contains(&name));
                assert!(is_known, "{target} leads nowhere");
            }
            let parts = members.iter().filter(|(key, _)| !FREE.contains(&key.as_str()));
            for (key, part) in parts.filter(|(key, _)| !key.starts_with("x-")) {
                match (key.as_str(), part) {
                    (
                        "properties" | "patternProperties" | "dependentSchemas",
                        Value::Object(parts),
                    ) => {
                        parts.values().for_each(|part| check_references(part, names));
                    }
                    _other => check_references(part, names),
                }
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| check_references(part, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks a body against a schema: the first line is the schema, the rest is the body.
///
/// # Panics
/// An invariant does not hold.
pub fn arguments(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (schema, body) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let Ok(schema) = serde_json::from_slice::<Value>(schema) else { return };
    let (check, _) = ArgumentCheck::compile(&schema);
    match check.check(body) {
        Ok(Checked::AsSent) => {
            assert!(is_object(body), "what goes on as it came is an object");
        }
        Ok(Checked::Rewritten(rewritten)) => {
            assert!(is_object(&rewritten), "what goes on is an object");
        }
        Err(ArgumentError::NotUtf8) => {
            assert!(std::str::from_utf8(body).is_err(), "text that is refused as none");
        }
        Err(ArgumentError::Invalid(problems)) => {
            assert!(!problems.is_empty(), "refused without a reason");
            assert!(problems.len() <= PROBLEMS_MAX, "{} problems", problems.len());
            for problem in &problems {
                assert!(problem.to_json().is_object(), "a problem that cannot be told");
            }
        }
    }
}

fn is_object(text: &[u8]) -> bool {
    matches!(serde_json::from_slice(text), Ok(Value::Object(_)))
}

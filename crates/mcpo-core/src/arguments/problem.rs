//! What is wrong with a body, in pydantic's words: its error types, messages and contexts.

use serde_json::{Map, Value, json};

use super::{ArgumentError, json::SyntaxError};

/// One thing that is wrong, as pydantic would say it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// pydantic's error type, e.g. `missing`, `int_parsing`.
    pub kind: &'static str,
    /// Where: names and indices, starting with `"body"`.
    pub loc: Vec<Value>,
    /// What is wrong, as pydantic words it.
    pub msg: String,
    /// What was sent there.
    pub input: Value,
    /// Further facts, e.g. the bound that was passed.
    pub ctx: Option<Value>,
}

/// What is wrong, before it is known where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Complaint {
    pub(super) kind: &'static str,
    pub(super) msg: String,
    pub(super) ctx: Option<Value>,
}

// === impl Problem ===

impl Problem {
    /// The entry of `detail` in FastAPI's answer.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("type".into(), self.kind.into());
        entry.insert("loc".into(), Value::Array(self.loc.clone()));
        entry.insert("msg".into(), self.msg.clone().into());
        entry.insert("input".into(), self.input.clone());
        if let Some(ctx) = &self.ctx {
            entry.insert("ctx".into(), ctx.clone());
        }
        Value::Object(entry)
    }

    pub(super) fn new(complaint: Complaint, loc: Vec<Value>, input: Value) -> Self {
        Self { kind: complaint.kind, loc, msg: complaint.msg, input, ctx: complaint.ctx }
    }
}

impl From<SyntaxError> for ArgumentError {
    fn from(error: SyntaxError) -> Self {
        let ctx = Some(json!({"error": error.message}));
        let complaint = Complaint { kind: "json_invalid", msg: "JSON decode error".into(), ctx };
        Self::Invalid(vec![Problem::new(
            complaint,
            vec!["body".into(), error.position.into()],
            json!({}),
        )])
    }
}

/// A body, or an object with known properties, that is no object.
pub(super) fn not_an_object() -> Complaint {
    plain(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    )
}

/// A required argument that is not there.
pub(super) fn missing() -> Complaint {
    plain("missing", "Field required")
}

/// A complaint without further facts.
pub(super) fn plain(kind: &'static str, msg: impl Into<String>) -> Complaint {
    Complaint { kind, msg: msg.into(), ctx: None }
}

/// A complaint about a bound: `msg` ends with the bound, `ctx` names it.
pub(super) fn bound(kind: &'static str, msg: &str, name: &str, limit: &Value) -> Complaint {
    Complaint { kind, msg: format!("{msg} {limit}"), ctx: Some(named(name, limit)) }
}

/// A text that is too short or too long.
pub(super) fn text_length(kind: &'static str, words: &str, name: &str, limit: u64) -> Complaint {
    let unit = if limit == 1 { "character" } else { "characters" };
    let ctx = Some(named(name, &limit.into()));
    Complaint { kind, msg: format!("String should have {words} {limit} {unit}"), ctx }
}

/// A list or an object with too few or too many members.
pub(super) fn size(
    kind: &'static str,
    field_type: &str,
    name: &str,
    (limit, actual): (u64, usize),
) -> Complaint {
    let words = if kind == "too_short" { "at least" } else { "at most" };
    let unit = if limit == 1 { "item" } else { "items" };
    let msg =
        format!("{field_type} should have {words} {limit} {unit} after validation, not {actual}");
    Complaint {
        kind,
        msg,
        ctx: Some(json!({"field_type": field_type, name: limit, "actual_length": actual})),
    }
}

/// A value that is none of those allowed.
pub(super) fn literal(allowed: &[Value]) -> Complaint {
    let words: Vec<String> = allowed.iter().map(python_repr).collect();
    let expected = match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".into(),
    };
    let ctx = Some(json!({"expected": expected}));
    Complaint { kind: "literal_error", msg: format!("Input should be {expected}"), ctx }
}

fn named(name: &str, value: &Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value.clone())]))
}

/// The value as Python would show it, for messages that name allowed values.
fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

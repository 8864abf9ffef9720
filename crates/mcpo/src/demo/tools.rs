//! The demo's tools: what they say of themselves, and what they do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::demo::clock;

/// Bounds of the memory: enough to play with, too little to hurt.
const KEYS_MAX: usize = 1000;
const KEY_CHARS_MAX: usize = 200;
const VALUE_BYTES_MAX: usize = 64 << 10;

/// The longest that `slow` waits, in seconds: longer than any usual timeout.
const SLOW_SECONDS_MAX: f64 = 600.0;

/// What `memory_set` stored; gone with the process.
pub(super) type Memory = BTreeMap<String, Value>;

/// What a call comes to.
pub(super) enum Called {
    /// The result.
    Done(Value),
    /// The result, when that time has passed.
    After(Duration, Value),
}

/// What `tools/list` says.
pub(super) fn definitions() -> Value {
    json!([time(), echo(), memory_set(), memory_get(), memory_list(), slow(), fail()])
}

/// Calls a tool; `None` if there is none of that name.
pub(super) fn call(name: &str, arguments: &Value, memory: &mut Memory) -> Option<Called> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let result = match name {
        "get_current_time" => current_time(text("offset").unwrap_or("Z")),
        "echo" => text("message").map_or_else(
            || failure("`message` must be a string"),
            |message| echoed(message, arguments.get("times").and_then(Value::as_u64).unwrap_or(1)),
        ),
        "memory_set" => match (text("key"), arguments.get("value")) {
            (Some(key), Some(value)) => stored(key, value, memory),
            (Some(_) | None, Some(_) | None) => {
                failure("`key` must be a string, and `value` be there")
            }
        },
        "memory_get" => text("key").map_or_else(
            || failure("`key` must be a string"),
            |key| success(&json!({"found": memory.contains_key(key), "value": memory.get(key)})),
        ),
        "memory_list" => success(&json!({"keys": memory.keys().collect::<Vec<_>>()})),
        "slow" => return Some(slept(arguments.get("seconds").and_then(Value::as_f64))),
        "fail" => failure(text("message").unwrap_or("this tool always fails")),
        _ => return None,
    };
    Some(Called::Done(result))
}

/// The result of a tool that failed.
pub(super) fn failure(message: &str) -> Value {
    json!({"content": [{"type": "text", "text": message}], "isError": true})
}

/// A result, as structure and (for those who read only that) as text.
fn success(structure: &Value) -> Value {
    json!({
        "content": [{"type": "text", "text": structure.to_string()}],
        "structuredContent": structure,
        "isError": false,
    })
}

// === what they do ===

fn current_time(offset: &str) -> Value {
    let Some(seconds) = clock::offset(offset) else {
        return failure("`offset` must be `Z`, or hours and minutes such as `+02:00`");
    };
    let now = clock::now();
    let (time, weekday) = clock::local(now, seconds);
    success(&json!({"time": time, "weekday": weekday, "unix_seconds": now}))
}

fn echoed(message: &str, times: u64) -> Value {
    match usize::try_from(times) {
        Ok(times @ 1..=10) => success(&json!({"message": vec![message; times].join(" ")})),
        Ok(_) | Err(_) => failure("`times` must be from 1 to 10"),
    }
}

fn stored(key: &str, value: &Value, memory: &mut Memory) -> Value {
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
        return failure("`key` must have from 1 to 200 characters");
    }
    if value.to_string().len() > VALUE_BYTES_MAX {
        return failure("`value` must not be larger than 64 KiB");
    }
    if memory.len() >= KEYS_MAX && !memory.contains_key(key) {
        return failure("the memory is full");
    }
    let replaced = memory.insert(key.to_owned(), value.clone()).is_some();
    success(&json!({"replaced": replaced}))
}

fn slept(seconds: Option<f64>) -> Called {
    match seconds {
        Some(seconds) if (0.0..=SLOW_SECONDS_MAX).contains(&seconds) => Called::After(
            Duration::from_secs_f64(seconds),
            success(&json!({"slept_seconds": seconds})),
        ),
        Some(_) | None => Called::Done(failure("`seconds` must be a number from 0 to 600")),
    }
}

// === what they say of themselves ===

fn time() -> Value {
    json!({
        "name": "get_current_time",
        "title": "Current time",
        "description": "Tells the current date and time, at an offset from UTC.",
        "inputSchema": {
            "type": "object",
            "properties": {"offset": {
                "type": "string",
                "description": "Offset from UTC: `Z`, or hours and minutes such as `+02:00`.",
                "pattern": "^(Z|[+-][0-9]{2}:[0-9]{2})$",
                "default": "Z",
                "examples": ["+02:00"],
            }},
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "time": {"type": "string", "format": "date-time"},
                "weekday": {"type": "string"},
                "unix_seconds": {"type": "integer", "description": "Seconds since 1970."},
            },
            "required": ["time", "weekday", "unix_seconds"],
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

fn echo() -> Value {
    json!({
        "name": "echo",
        "title": "Echo",
        "description": "Says what it is told.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "What to say.", "examples": ["Hello!"]},
                "times": {
                    "type": "integer",
                    "description": "How often to say it.",
                    "minimum": 1,
                    "maximum": 10,
                    "default": 1,
                },
            },
            "required": ["message"],
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {"message": {"type": "string"}},
            "required": ["message"],
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

fn key() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "examples": ["colour"]})
}

fn memory_set() -> Value {
    json!({
        "name": "memory_set",
        "title": "Remember",
        "description": "Remembers a value under a key until the server ends. An earlier value is replaced.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "key": key(),
                "value": {"description": "Any JSON value.", "examples": ["blue"]},
            },
            "required": ["key", "value"],
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {"replaced": {"type": "boolean", "description": "Whether there was an earlier value."}},
            "required": ["replaced"],
        },
        "annotations": {"destructiveHint": true, "idempotentHint": true, "openWorldHint": false},
    })
}

fn memory_get() -> Value {
    json!({
        "name": "memory_get",
        "title": "Recall",
        "description": "Recalls the value under a key.",
        "inputSchema": {
            "type": "object",
            "properties": {"key": key()},
            "required": ["key"],
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "found": {"type": "boolean"},
                "value": {"description": "The value; null if there is none."},
            },
            "required": ["found", "value"],
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

fn memory_list() -> Value {
    json!({
        "name": "memory_list",
        "title": "List keys",
        "description": "Lists the keys of all remembered values.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
        "outputSchema": {
            "type": "object",
            "properties": {"keys": {"type": "array", "items": {"type": "string"}}},
            "required": ["keys"],
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

fn slow() -> Value {
    json!({
        "name": "slow",
        "title": "Take time",
        "description": "Answers after so many seconds: to see a deadline pass, or a call being cancelled.",
        "inputSchema": {
            "type": "object",
            "properties": {"seconds": {"type": "number", "minimum": 0, "maximum": SLOW_SECONDS_MAX, "examples": [2.5]}},
            "required": ["seconds"],
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {"slept_seconds": {"type": "number"}},
            "required": ["slept_seconds"],
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

fn fail() -> Value {
    json!({
        "name": "fail",
        "title": "Fail",
        "description": "Fails with a message: to see what an error of a tool looks like.",
        "inputSchema": {
            "type": "object",
            "properties": {"message": {"type": "string", "description": "What to fail with."}},
            "additionalProperties": false,
        },
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

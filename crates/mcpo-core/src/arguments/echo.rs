//! Repeats to the caller what was sent, within a bound: every missing argument repeats the whole
//! object around it.

use serde_json::Value;

/// All that one answer repeats weighs at most this many bytes, roughly.
const ECHO_BYTES_MAX: usize = 1 << 20;
/// Stands where a value would pass the bound.
const TOO_LONG: &str = "... (too long to repeat)";

/// What may still be repeated in one answer.
#[derive(Debug)]
pub(super) struct Echo {
    bytes_left: usize,
}

// === impl Echo ===

impl Echo {
    pub(super) const fn new() -> Self {
        Self { bytes_left: ECHO_BYTES_MAX }
    }

    /// The value, or a remark in its place.
    pub(super) fn of(&mut self, value: &Value) -> Value {
        match spend(self.bytes_left, value) {
            Some(left) => {
                self.bytes_left = left;
                value.clone()
            }
            None => TOO_LONG.into(),
        }
    }
}

/// What is left of the bytes after the value; `None` if they do not suffice.
fn spend(bytes: usize, value: &Value) -> Option<usize> {
    // A value takes some bytes of its own, however short its text.
    let left = bytes.checked_sub(8)?;
    match value {
        Value::Null | Value::Bool(_) => Some(left),
        Value::Number(number) => left.checked_sub(number.as_str().len()),
        Value::String(text) => left.checked_sub(text.len()),
        Value::Array(items) => items.iter().try_fold(left, spend),
        Value::Object(map) => map
            .iter()
            .try_fold(left, |left, (name, member)| spend(left.checked_sub(name.len())?, member)),
    }
}

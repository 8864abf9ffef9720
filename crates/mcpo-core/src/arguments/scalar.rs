//! Coerces one value to one JSON type as pydantic's lax mode does.

use serde_json::{Number, Value};

use super::number::{self, NotInteger, NotNumber, Whole};
use super::problem::{Complaint, not_an_object, plain};

/// A type as `type` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum JsonType {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// What became of a value.
#[derive(Debug)]
pub(super) enum Coerced {
    /// It has the type.
    Kept,
    /// This one has it.
    Changed(Value),
    /// It cannot be made to have it.
    Refused(Complaint),
}

// === impl JsonType ===

impl JsonType {
    /// The type of that name; `None` for a name that JSON Schema does not know.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "null" => Some(Self::Null),
            "boolean" => Some(Self::Boolean),
            "integer" => Some(Self::Integer),
            "number" => Some(Self::Number),
            "string" => Some(Self::String),
            "array" => Some(Self::Array),
            "object" => Some(Self::Object),
            _ => None,
        }
    }

    /// Whether the value has the type as it stands; `5.0` is not yet an integer.
    pub(super) fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            (Self::Integer, Value::Number(number)) => number::whole(number) == Whole::AsWritten,
            (_, _) => false,
        }
    }

    /// Coerces a value that the type does not admit. `is_model` tells an object with declared
    /// properties from a free one: pydantic words their refusals differently.
    pub(super) fn coerce(self, value: &Value, is_model: bool) -> Coerced {
        match self {
            Self::Null => Coerced::Refused(plain("none_required", "Input should be None")),
            Self::Boolean => boolean(value),
            Self::Integer => integer(value),
            Self::Number => float(value),
            Self::String => {
                Coerced::Refused(plain("string_type", "Input should be a valid string"))
            }
            Self::Array => Coerced::Refused(plain("list_type", "Input should be a valid list")),
            Self::Object if is_model => Coerced::Refused(not_an_object()),
            Self::Object => {
                Coerced::Refused(plain("dict_type", "Input should be a valid dictionary"))
            }
        }
    }
}

fn integer(value: &Value) -> Coerced {
    match value {
        Value::Bool(flag) => Coerced::Changed(u8::from(*flag).into()),
        Value::Number(number) => match number::whole(number) {
            Whole::AsWritten => Coerced::Kept,
            Whole::Written(number) => Coerced::Changed(Value::Number(number)),
            Whole::Fraction => Coerced::Refused(plain(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
            )),
        },
        Value::String(text) => match number::integer_from_text(text) {
            Ok(number) => Coerced::Changed(Value::Number(number)),
            Err(NotInteger::Unreadable) => Coerced::Refused(plain(
                "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer",
            )),
            Err(NotInteger::TooLong) => Coerced::Refused(plain(
                "int_parsing_size",
                "Unable to parse input string as an integer, exceeded maximum size",
            )),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Coerced::Refused(plain("int_type", "Input should be a valid integer"))
        }
    }
}

fn float(value: &Value) -> Coerced {
    match value {
        Value::Number(_) => Coerced::Kept,
        Value::Bool(flag) => Coerced::Changed(u8::from(*flag).into()),
        Value::String(text) => match number::number_from_text(text) {
            Ok(number) => Coerced::Changed(Value::Number(number)),
            Err(NotNumber::Unreadable) => Coerced::Refused(plain(
                "float_parsing",
                "Input should be a valid number, unable to parse string as a number",
            )),
            Err(NotNumber::NotFinite) => {
                Coerced::Refused(plain("finite_number", "Input should be a finite number"))
            }
        },
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Coerced::Refused(plain("float_type", "Input should be a valid number"))
        }
    }
}

fn boolean(value: &Value) -> Coerced {
    let meaning = match value {
        Value::Bool(_) => return Coerced::Kept,
        Value::Number(number) if number::whole(number) == Whole::Fraction => None,
        Value::Number(number) => Some(zero_or_one(number)),
        Value::String(text) => Some(yes_or_no(text)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match meaning {
        Some(Some(flag)) => Coerced::Changed(Value::Bool(flag)),
        Some(None) => Coerced::Refused(plain(
            "bool_parsing",
            "Input should be a valid boolean, unable to interpret input",
        )),
        None => Coerced::Refused(plain("bool_type", "Input should be a valid boolean")),
    }
}

fn zero_or_one(number: &Number) -> Option<bool> {
    if number::same(number, &Number::from(0)) {
        Some(false)
    } else {
        number::same(number, &Number::from(1)).then_some(true)
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(&["1", "on", "t", "true", "y", "yes"]) {
        Some(true)
    } else {
        is_one_of(&["0", "off", "f", "false", "n", "no"]).then_some(false)
    }
}

//! Checks the arguments of a call against the tool's own schema, and coerces what lenient
//! clients send.

use serde_json::Value;

/// How the arguments of one tool are checked. Compiled once per catalog.
#[derive(Debug)]
pub struct ArgumentCheck {}

/// Arguments that passed: what goes to the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The body as it came, byte for byte (it is one JSON object; it may contain line breaks).
    AsSent,
    /// Something was coerced, filled in or dropped: this JSON object goes instead.
    Rewritten(Vec<u8>),
}

/// Why the arguments were refused.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentError {
    /// The body is not UTF-8: 400.
    NotUtf8,
    /// Everything that is wrong, in pydantic's shape: 422.
    Invalid(Vec<Problem>),
}

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

impl ArgumentCheck {
    /// Compiles the check. A schema that cannot be used makes a check that lets every object
    /// through, and a note that says what is wrong with it.
    #[must_use]
    pub fn compile(_schema: &Value) -> (Self, Vec<String>) {
        (Self {}, Vec::new())
    }

    /// Checks one request body. An empty body counts as `{}`.
    ///
    /// # Errors
    /// All problems at once, or that the body is not text.
    pub fn check(&self, _body: &[u8]) -> Result<Checked, ArgumentError> {
        Ok(Checked::AsSent)
    }
}

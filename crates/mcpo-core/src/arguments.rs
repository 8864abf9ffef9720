//! Checks the arguments of a call against the tool's own schema, and coerces what lenient
//! clients send: first our own pass (types, defaults, unknown names), then the schema itself has
//! the last word. A body that the schema accepts as it came is never refused.

use serde_json::{Map, Value};

mod coerce;
mod echo;
mod glance;
mod json;
mod number;
mod plan;
mod problem;
mod scalar;
#[cfg(test)]
mod tests;
mod unique;
mod verdict;

pub(crate) use json::plain_length;
pub use problem::Problem;

use coerce::{PROBLEMS_MAX, Passed, Told};
use echo::Echo;
use glance::{Glance, Passes};
use plan::Plan;
use problem::{missing, not_an_object};
use verdict::Verdict;

/// How the arguments of one tool are checked. Compiled once per catalog, and what few calls need
/// once more, by the first of them.
#[derive(Debug)]
pub struct ArgumentCheck {
    rules: Option<Rules>,
    takes_arguments: bool,
}

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

#[derive(Debug)]
struct Rules {
    plan: Plan,
    glance: Glance,
    verdict: Verdict,
}

/// A body that is JSON, and whether its bytes can be passed on as they are.
struct Body {
    value: Value,
    can_go_as_sent: bool,
    /// No body at all, or `null`, which FastAPI takes for none.
    is_absent: bool,
}

// === impl ArgumentCheck ===

impl ArgumentCheck {
    /// Compiles the check. A schema that cannot be used makes a check that lets every object
    /// through, and a note that says what is wrong with it. `format` is not checked.
    #[must_use]
    pub fn compile(schema: &Value) -> (Self, Vec<String>) {
        match Rules::compile(schema) {
            Ok((rules, notes)) => {
                let takes_arguments = rules.plan.takes_arguments();
                (Self { rules: Some(rules), takes_arguments }, notes)
            }
            Err(reason) => {
                let note = format!(
                    "arguments are not checked, because the schema cannot be used: {reason}"
                );
                (Self { rules: None, takes_arguments: true }, vec![note])
            }
        }
    }

    /// Whether the tool has any arguments. If not, every body is taken as `{}`.
    #[must_use]
    pub const fn takes_arguments(&self) -> bool {
        self.takes_arguments
    }

    /// Checks one request body. An empty body counts as `{}`.
    ///
    /// # Errors
    /// All problems at once (the first hundred), or that the body is not text.
    pub fn check(&self, body: &[u8]) -> Result<Checked, ArgumentError> {
        if !self.takes_arguments {
            return Ok(if body == b"{}" {
                Checked::AsSent
            } else {
                Checked::Rewritten(b"{}".to_vec())
            });
        }
        match self.rules.as_ref().and_then(|rules| rules.glance.look(&rules.plan, body)) {
            Some(Passes::AsSent) => Ok(Checked::AsSent),
            Some(Passes::Filled(filled)) => Ok(Checked::Rewritten(filled)),
            None => self.check_whole(body),
        }
    }

    /// Checks a body of which a first look does not say enough.
    fn check_whole(&self, body: &[u8]) -> Result<Checked, ArgumentError> {
        let length = body.len();
        let body = Body::read(body)?;
        let Some(rules) = &self.rules else { return Ok(body.unchanged()) };
        let passed = coerce::coerce(&rules.plan, &body.value, length);
        // The validator would multiply the branches as well. The upstream checks anyway.
        if passed.gave_up {
            return Ok(body.unchanged());
        }
        if passed.problems.is_empty()
            && rules.verdict.accepts(passed.changed.as_ref().unwrap_or(&body.value))
        {
            return Ok(body.passed(passed.changed.as_ref()));
        }
        rules.settle(&body, passed)
    }

    /// Checks a body that is not said to be JSON: it is not read. Where there are no arguments
    /// that makes no difference.
    ///
    /// # Errors
    /// There are arguments.
    pub fn check_unread(&self, body: &[u8]) -> Result<Checked, ArgumentError> {
        if self.takes_arguments {
            return Err(refused(not_an_object(), &String::from_utf8_lossy(body).into()));
        }
        Ok(Checked::Rewritten(b"{}".to_vec()))
    }
}

// === impl Rules ===

impl Rules {
    fn compile(schema: &Value) -> Result<(Self, Vec<String>), String> {
        let mut plan = plan::plan(schema).ok_or("it has too many parts")?;
        if !plan.is_bounded() {
            return Err("it refers to itself without end".into());
        }
        let mut compiled = Verdict::compile(schema)?;
        let mut notes = plan.settle_defaults(&compiled);
        notes.append(&mut compiled.notes);
        let glance = Glance::new(&plan, schema);
        let verdict = if glance.is_whole() { compiled.rarely_needed() } else { compiled.verdict };
        Ok((Self { plan, glance, verdict }, notes))
    }

    /// Decides what did not simply pass: what the schema accepts as it came goes as it came, the
    /// rest is refused, if something can be said against it.
    fn settle(&self, body: &Body, mut passed: Passed) -> Result<Checked, ArgumentError> {
        if self.verdict.accepts(&body.value) {
            return Ok(body.unchanged());
        }
        let value = passed.changed.as_ref().unwrap_or(&body.value);
        let mut found = self.verdict.problems(value, &body.value, &mut passed.echo);
        found.retain(|problem| !passed.problems.iter().any(|told| says_as_much(told, problem)));
        let mut problems: Vec<Problem> =
            passed.problems.into_iter().map(|told| told.problem).collect();
        problems.append(&mut found);
        problems.truncate(PROBLEMS_MAX);
        if problems.is_empty() {
            return Ok(body.passed(passed.changed.as_ref()));
        }
        if body.is_absent {
            return Err(refused(missing(), &Value::Null));
        }
        Err(ArgumentError::Invalid(problems))
    }
}

/// Whether `other` adds nothing to what was told: about the same place, or in general about
/// a value of which the exact place is already told.
fn says_as_much(told: &Told, other: &Problem) -> bool {
    let is_general = other.kind.starts_with("union_")
        || other.kind.ends_with("_type")
        || other.kind.ends_with("_mismatch");
    told.place == other.loc || (is_general && told.place.starts_with(&other.loc))
}

// === impl Body ===

impl Body {
    fn read(bytes: &[u8]) -> Result<Self, ArgumentError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ArgumentError::NotUtf8)?;
        if text.is_empty() {
            return Ok(Self::absent());
        }
        let (has_mark, text) = match text.strip_prefix('\u{feff}') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let parsed = json::parse(text)?;
        match parsed.value {
            Value::Null => Ok(Self::absent()),
            Value::Object(_) => {
                let can_go_as_sent = !has_mark && !parsed.has_duplicates;
                Ok(Self { value: parsed.value, can_go_as_sent, is_absent: false })
            }
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Err(refused(not_an_object(), &other))
            }
        }
    }

    fn absent() -> Self {
        Self { value: Value::Object(Map::new()), can_go_as_sent: false, is_absent: true }
    }

    fn passed(&self, changed: Option<&Value>) -> Checked {
        changed.map_or_else(|| self.unchanged(), |changed| Checked::Rewritten(serialized(changed)))
    }

    fn unchanged(&self) -> Checked {
        if self.can_go_as_sent {
            Checked::AsSent
        } else {
            Checked::Rewritten(serialized(&self.value))
        }
    }
}

fn serialized(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a JSON value with text keys can be written")
}

fn refused(complaint: problem::Complaint, input: &Value) -> ArgumentError {
    let input = Echo::new().of(input);
    ArgumentError::Invalid(vec![Problem::new(complaint, vec!["body".into()], input)])
}

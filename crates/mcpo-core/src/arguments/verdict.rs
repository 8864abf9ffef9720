//! The last word on arguments: the server's own schema, compiled once.

use std::fmt;
use std::sync::OnceLock;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, ValidatorMap};
use serde_json::Value;

use super::echo::Echo;
use super::plan::{escaped, resolve};
use super::problem::Problem;
use super::unique::{self, UNIQUE_ITEMS};

mod words;

use words::Teller;

/// One pattern may take this many steps back; then it is not decided. A twentieth of the
/// library's own limit: a worker must not stand still for it.
const BACKTRACKS_MAX: usize = 50_000;
/// A compiled pattern may take this many bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// A schema is mended at this many places before it is given up.
const MENDS_MAX: usize = 32;

/// A schema of no more bytes than this, and without patterns, may be compiled while a call waits
/// for it: that is done within a millisecond.
const LATER_BYTES_MAX: usize = 4096;

/// A schema that compiles, compiled when it is needed first at the latest.
pub(super) struct Verdict {
    validator: OnceLock<Validator>,
    /// What it is compiled of; `None` where that is done.
    source: Option<Source>,
}

/// A schema as a text: compiled, or as a value, it takes several times the room.
struct Source {
    schema: Box<str>,
    draft: Draft,
}

/// A schema that compiled, perhaps after some of its keywords were left out.
pub(super) struct Compiled {
    pub(super) verdict: Verdict,
    /// The schema that compiled.
    pub(super) schema: Value,
    pub(super) draft: Draft,
    /// What was left out, a line each.
    pub(super) notes: Vec<String>,
}

// === impl Verdict ===

impl Verdict {
    /// Compiles the schema as it is, in the draft that it names, else 2020-12, else an older one
    /// in which it makes sense. A keyword that makes no sense in any is left out.
    ///
    /// # Errors
    /// Says in a line why nothing can be made of it.
    pub(super) fn compile(schema: &Value) -> Result<Compiled, String> {
        let named = Draft::default().detect(schema);
        let named = if named == Draft::Unknown { Draft::Draft202012 } else { named };
        for draft in [named, Draft::Draft202012, Draft::Draft7, Draft::Draft4] {
            if let Ok(validator) = options(draft).build(schema) {
                let verdict = Self::now(validator);
                return Ok(Compiled { verdict, schema: schema.clone(), draft, notes: Vec::new() });
            }
        }
        Self::compile_mended(schema, named)
    }

    fn compile_mended(schema: &Value, draft: Draft) -> Result<Compiled, String> {
        let mut schema = schema.clone();
        let mut notes = Vec::new();
        for _ in 0..MENDS_MAX {
            let error = match options(draft).build(&schema) {
                Ok(validator) => {
                    return Ok(Compiled { verdict: Self::now(validator), schema, draft, notes });
                }
                Err(error) => error,
            };
            let place = error.instance_path().as_str().to_owned();
            let reason = one_line(&error);
            if remove(&mut schema, &place) {
                notes.push(format!("the schema's {place} is not checked: {reason}"));
                continue;
            }
            // A reference that leads nowhere comes without its place.
            let lost = lost_references(&schema);
            if lost.is_empty() {
                return Err(reason);
            }
            for place in lost {
                remove(&mut schema, &place);
                notes.push(format!(
                    "the schema's {place} is not checked: it leads out of the schema"
                ));
            }
        }
        Err("it has too many mistakes".into())
    }

    fn now(validator: Validator) -> Self {
        Self { validator: validator.into(), source: None }
    }

    fn validator(&self) -> &Validator {
        let later = || self.source.as_ref().expect("what is not compiled has a source").compile();
        self.validator.get_or_init(later)
    }

    /// Whether the schema accepts the value.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        self.validator().is_valid(value)
    }

    /// What the schema finds wrong with `value`, which came of `raw`. Nothing if it cannot decide:
    /// a pattern that runs wild is no fault of the arguments.
    pub(super) fn problems(&self, value: &Value, raw: &Value, echo: &mut Echo) -> Vec<Problem> {
        let mut teller = Teller { raw, echo, problems: Vec::new() };
        for error in self.validator().iter_errors(value) {
            teller.tell(&error);
        }
        teller.problems
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict").finish_non_exhaustive()
    }
}

// === impl Compiled ===

impl Compiled {
    /// The verdict, where hardly any call asks for it: it takes less room, and is compiled again by
    /// the first call that does, unless that may take long. For schemas without patterns.
    pub(super) fn rarely_needed(self) -> Verdict {
        match Source::of(&self.schema, self.draft) {
            Some(source) => Verdict { validator: OnceLock::new(), source: Some(source) },
            None => self.verdict,
        }
    }
}

// === impl Source ===

impl Source {
    /// Of a schema that compiles in that draft; `None` if it is too long, or nested so deep that it
    /// is not read again.
    fn of(schema: &Value, draft: Draft) -> Option<Self> {
        let text = schema.to_string();
        let is_same = |again: Value| again == *schema;
        let is_read =
            text.len() <= LATER_BYTES_MAX && serde_json::from_str(&text).is_ok_and(is_same);
        is_read.then(|| Self { schema: text.into(), draft })
    }

    fn compile(&self) -> Validator {
        let schema: Value = serde_json::from_str(&self.schema).expect("it was read before");
        options(self.draft).build(&schema).expect("it compiled before")
    }
}

/// Compiles every part of the schema on its own, for checking its defaults.
pub(super) fn parts(compiled: &Compiled) -> Option<ValidatorMap> {
    options(compiled.draft).build_map(&compiled.schema).ok()
}

/// Nothing is fetched, and formats are notes to the reader, as the current draft has them: what
/// one library takes for a date or an address another does not.
fn options(draft: Draft) -> jsonschema::ValidationOptions<'static> {
    let patterns =
        PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS_MAX).size_limit(PATTERN_BYTES_MAX);
    jsonschema::options()
        .with_draft(draft)
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(patterns)
        .with_keyword(UNIQUE_ITEMS, unique::keyword)
}

fn one_line(error: &ValidationError<'_>) -> String {
    let text: String =
        error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Where the references stand that lead nowhere within the schema.
fn lost_references(schema: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    let mut places = vec![(String::new(), schema)];
    while let Some((place, value)) = places.pop() {
        let reference = value.get("$ref").and_then(Value::as_str);
        if reference.is_some_and(|reference| resolve(schema, reference).is_none()) {
            lost.push(format!("{place}/$ref"));
        }
        match value {
            Value::Object(map) => {
                let inner =
                    map.iter().map(|(name, inner)| (format!("{place}/{}", escaped(name)), inner));
                places.extend(inner);
            }
            Value::Array(items) => {
                places.extend(
                    items.iter().enumerate().map(|(i, item)| (format!("{place}/{i}"), item)),
                );
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    lost
}

/// Takes the keyword at the place out of the schema.
fn remove(schema: &mut Value, place: &str) -> bool {
    let Some((parent, last)) = place.rsplit_once('/') else { return false };
    let name = last.replace("~1", "/").replace("~0", "~");
    match schema.pointer_mut(parent) {
        Some(Value::Object(keywords)) => keywords.shift_remove(&name).is_some(),
        // A list without one of its members means something else: the whole keyword goes.
        Some(Value::Array(_)) => remove(schema, parent),
        Some(_) | None => false,
    }
}

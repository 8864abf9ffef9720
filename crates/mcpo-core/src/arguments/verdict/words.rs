//! Words what the validator finds as pydantic would, where pydantic knows the rule; for the rest
//! there are kinds of our own: `union_*`, `unique_items`, `contains`, `not_allowed`,
//! `property_names`, `extra_items`, `type_mismatch`, `schema_mismatch`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the validator's enum grows with every keyword"
)]

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use serde_json::Value;

use crate::arguments::coerce::PROBLEMS_MAX;
use crate::arguments::echo::Echo;
use crate::arguments::problem::{
    Complaint, Problem, bound, literal, missing, plain, size, text_length,
};
use crate::arguments::scalar::{Coerced, JsonType};
use crate::arguments::unique::UNIQUE_ITEMS;

/// Whether the validator could not decide: a pattern that runs wild, a reference that leads
/// nowhere. That is no fault of the arguments.
fn is_undecided(kind: &ValidationErrorKind) -> bool {
    matches!(
        kind,
        ValidationErrorKind::BacktrackLimitExceeded { .. }
            | ValidationErrorKind::RegexEngineFailure { .. }
            | ValidationErrorKind::Referencing(_)
    )
}

/// Collects problems about the value that came of `raw`.
pub(super) struct Teller<'a> {
    pub(super) raw: &'a Value,
    pub(super) echo: &'a mut Echo,
    pub(super) problems: Vec<Problem>,
}

// === impl Teller ===

impl Teller<'_> {
    /// Adds what one error says, in pydantic's words.
    pub(super) fn tell(&mut self, error: &ValidationError<'_>) {
        let place: Vec<Value> = error.instance_path().iter().map(segment).collect();
        match error.kind() {
            kind if is_undecided(kind) => {}
            ValidationErrorKind::Required { property } => {
                self.add(&place, Some(property.clone()), missing());
            }
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                for name in unexpected {
                    let place = [place.clone(), vec![name.as_str().into()]].concat();
                    self.add(&place, None, not_permitted());
                }
            }
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => {
                match the_one_meant(error, context) {
                    Some(branch) => branch.iter().for_each(|error| self.tell(error)),
                    None => self.add(&place, None, complaint(error)),
                }
            }
            _ => self.add(&place, None, complaint(error)),
        }
    }

    fn add(&mut self, place: &[Value], missing: Option<Value>, what: Complaint) {
        if self.problems.len() == PROBLEMS_MAX {
            return;
        }
        let sent = place.iter().try_fold(self.raw, |value, step| match step {
            Value::String(name) => value.get(name),
            other => value.get(usize::try_from(other.as_u64()?).ok()?),
        });
        let loc: Vec<Value> =
            std::iter::once("body".into()).chain(place.iter().cloned()).chain(missing).collect();
        if !self.problems.iter().any(|other| other.loc == loc && other.kind == what.kind) {
            let input = self.echo.of(sent.unwrap_or(&Value::Null));
            self.problems.push(Problem::new(what, loc, input));
        }
    }
}

fn segment(segment: LocationSegment<'_>) -> Value {
    match segment {
        LocationSegment::Property(name) => name.into_owned().into(),
        LocationSegment::Index(index) => index.into(),
    }
}

/// The branch that the value was meant for: the only one that accepts its type and tag.
fn the_one_meant<'e>(
    union: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e Vec<ValidationError<'static>>> {
    let is_of_other_make = |error: &ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Type { .. } => error.instance_path() == union.instance_path(),
        ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. } => {
            error.instance_path() != union.instance_path()
        }
        _ => false,
    };
    let mut candidates = branches.iter().filter(|errors| !errors.iter().any(is_of_other_make));
    let first = candidates.next()?;
    candidates.next().is_none().then_some(first)
}

fn not_permitted() -> Complaint {
    plain("extra_forbidden", "Extra inputs are not permitted")
}

fn complaint(error: &ValidationError<'_>) -> Complaint {
    use ValidationErrorKind as Kind;
    let members = || members(error.instance());
    match error.kind() {
        Kind::Enum { options } => literal(options.as_array().map_or(&[], Vec::as_slice)),
        Kind::Constant { expected_value } => literal(std::slice::from_ref(expected_value)),
        Kind::Minimum { limit } => {
            bound("greater_than_equal", "Input should be greater than or equal to", "ge", limit)
        }
        Kind::ExclusiveMinimum { limit } => {
            bound("greater_than", "Input should be greater than", "gt", limit)
        }
        Kind::Maximum { limit } => {
            bound("less_than_equal", "Input should be less than or equal to", "le", limit)
        }
        Kind::ExclusiveMaximum { limit } => {
            bound("less_than", "Input should be less than", "lt", limit)
        }
        Kind::MultipleOf { multiple_of } => {
            bound("multiple_of", "Input should be a multiple of", "multiple_of", multiple_of)
        }
        Kind::MinLength { limit } => {
            text_length("string_too_short", "at least", "min_length", *limit)
        }
        Kind::MaxLength { limit } => {
            text_length("string_too_long", "at most", "max_length", *limit)
        }
        Kind::Pattern { pattern } => Complaint {
            kind: "string_pattern_mismatch",
            msg: format!("String should match pattern '{pattern}'"),
            ctx: Some(serde_json::json!({"pattern": pattern})),
        },
        Kind::MinItems { limit } => size("too_short", "List", "min_length", (*limit, members())),
        Kind::MaxItems { limit } => size("too_long", "List", "max_length", (*limit, members())),
        Kind::MinProperties { limit } => {
            size("too_short", "Dictionary", "min_length", (*limit, members()))
        }
        Kind::MaxProperties { limit } => {
            size("too_long", "Dictionary", "max_length", (*limit, members()))
        }
        Kind::AdditionalItems { limit } => size(
            "too_long",
            "List",
            "max_length",
            (u64::try_from(*limit).unwrap_or(u64::MAX), members()),
        ),
        Kind::FalseSchema => not_permitted(),
        Kind::Type { kind: TypeKind::Single(json_type) } => {
            type_complaint(&json_type.to_string(), error.instance())
        }
        Kind::Type { kind: TypeKind::Multiple(_) } => own("type_mismatch", error),
        Kind::Custom { keyword, .. } if keyword == UNIQUE_ITEMS => {
            plain("unique_items", "List should not contain the same item twice")
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            plain("union_no_match", "Input should match one of the schema's alternatives")
        }
        Kind::OneOfMultipleValid { .. } => plain(
            "union_ambiguous",
            "Input should match exactly one of the schema's alternatives, not several",
        ),
        Kind::Not { .. } => plain("not_allowed", "Input matches what the schema excludes"),
        Kind::Contains => {
            plain("contains", "List should contain a matching item, as often as the schema says")
        }
        Kind::PropertyNames { .. } => {
            plain("property_names", "Keys should match the schema's rule for names")
        }
        Kind::UnevaluatedItems { .. } => plain("extra_items", "Extra items are not permitted"),
        _ => own("schema_mismatch", error),
    }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// What pydantic says of a value of another type.
fn type_complaint(name: &str, value: &Value) -> Complaint {
    match JsonType::named(name).map(|json_type| json_type.coerce(value, false)) {
        Some(Coerced::Refused(complaint)) => complaint,
        Some(Coerced::Kept | Coerced::Changed(_)) | None => {
            plain("type_mismatch", format!("Input should be of type {name}"))
        }
    }
}

/// The validator's own words, without the value: it goes into `input`.
fn own(kind: &'static str, error: &ValidationError<'_>) -> Complaint {
    plain(kind, format!("Input does not match the schema: {}", error.masked_with("it")))
}

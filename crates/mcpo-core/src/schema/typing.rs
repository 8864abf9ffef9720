//! Which JSON types a schema admits, as far as it says so.

use serde_json::{Map, Value};

use super::reference::{LazyReferences, Site};

/// Schemas looked at to learn one type: enough for real unions, and an end for hostile ones.
const STEPS_MAX: usize = 256;

/// A set of JSON types, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

const NAMES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
const NUMBER: Types = Types(1 << 1);
const INTEGER: Types = Types(1 << 2);

// === impl Types ===

impl Types {
    /// The type of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let index = NAMES.iter().position(|known| *known == name)?;
        Some(Self(1 << index))
    }

    /// The type of a value. A number with a fraction or an exponent is a `number` even where its
    /// value is whole.
    fn of_value(value: &Value) -> Self {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.to_string().contains(['.', 'e', 'E']) => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Self::named(name).expect("every JSON type is in NAMES")
    }

    fn union(self, other: Self) -> Self {
        let both = Self(self.0 | other.0);
        if both.contains(NUMBER) { Self(both.0 & !INTEGER.0) } else { both }
    }

    /// What is left when both must hold: an integer is a number too.
    fn intersection(self, other: Self) -> Self {
        let whole = |one: Self| if one.contains(NUMBER) { Self(one.0 | INTEGER.0) } else { one };
        let common = Self(whole(self).0 & whole(other).0);
        if common.contains(NUMBER) { Self(common.0 & !INTEGER.0) } else { common }
    }

    fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the type of that name is one of them.
    pub(super) fn admits(self, name: &str) -> bool {
        Self::named(name).is_some_and(|one| self.contains(one))
    }

    /// The value of the keyword `type`; nothing for no type at all.
    pub(super) fn to_keyword(self) -> Option<Value> {
        let mut names: Vec<Value> = (0..NAMES.len())
            .filter(|index| self.0 & (1 << index) != 0)
            .map(|index| NAMES[index].into())
            .collect();
        if names.len() < 2 { names.pop() } else { Some(Value::Array(names)) }
    }
}

/// Reads the keyword `type`. The flag says whether all of it could be read.
pub(super) fn read_keyword(value: &Value) -> (Option<Types>, bool) {
    let one = |name: &Value| name.as_str().and_then(Types::named);
    match value {
        Value::Array(names) => {
            let known: Vec<Types> = names.iter().filter_map(one).collect();
            let whole = known.len() == names.len() && !known.is_empty();
            // Written side by side, `number` and `integer` both stay: the list is the server's.
            (known.into_iter().reduce(|left, right| Types(left.0 | right.0)), whole)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            (one(value), one(value).is_some())
        }
    }
}

/// The keyword `type` for any of several schemas, where each of them has one.
pub(super) fn united(schemas: &[Value]) -> Option<Value> {
    let each: Option<Vec<Types>> =
        schemas.iter().map(|schema| read_keyword(schema.get("type")?).0).collect();
    each?.into_iter().reduce(Types::union)?.to_keyword()
}

/// Works out types, following references.
pub(super) struct Inference<'r, 'a> {
    references: &'r LazyReferences<'a>,
    left: usize,
}

// === impl Inference ===

impl<'r, 'a> Inference<'r, 'a> {
    pub(super) fn new(references: &'r LazyReferences<'a>) -> Self {
        Self { references, left: STEPS_MAX }
    }

    /// The types that a schema admits; `None` where it does not say.
    pub(super) fn of(&mut self, schema: &Value) -> Option<Types> {
        let keywords = schema.as_object().filter(|keywords| !keywords.is_empty())?;
        self.left = self.left.checked_sub(1)?;
        if let Some(stated) = keywords.get("type").and_then(|value| read_keyword(value).0) {
            return Some(stated);
        }
        let known = [
            keywords.get("const").map(Types::of_value),
            keywords
                .get("enum")
                .and_then(Value::as_array)
                .and_then(|values| values.iter().map(Types::of_value).reduce(Types::union)),
            self.of_union(keywords.get("oneOf")),
            self.of_union(keywords.get("anyOf")),
            self.of_all(keywords.get("allOf")),
            self.of_reference(schema, keywords),
        ];
        let known = known.into_iter().flatten().reduce(Types::intersection);
        known.or_else(|| by_structure(keywords)).filter(|types| types.0 != 0)
    }

    fn of_union(&mut self, members: Option<&Value>) -> Option<Types> {
        let members = members?.as_array()?;
        let types: Option<Vec<Types>> = members.iter().map(|member| self.of(member)).collect();
        types?.into_iter().reduce(Types::union)
    }

    fn of_all(&mut self, members: Option<&Value>) -> Option<Types> {
        let members = members?.as_array()?;
        members.iter().filter_map(|member| self.of(member)).reduce(Types::intersection)
    }

    fn of_reference(&mut self, schema: &Value, keywords: &Map<String, Value>) -> Option<Types> {
        keywords.get("$ref")?;
        match self.references.get().site(schema) {
            Site::Target(id) => self.of(self.references.get().target(id).value),
            Site::Outside | Site::Missing | Site::TooLarge => None,
        }
    }
}

/// What a schema is about when it only has keywords of one type. Strictly they let every other
/// type pass, but no author means that, and a client that sees no type takes it for a string.
fn by_structure(keywords: &Map<String, Value>) -> Option<Types> {
    let stated = keywords.iter().filter(|(_, value)| !value.is_null());
    let mut families = stated.filter_map(|(key, _)| family(key));
    let first = families.next()?;
    families.all(|other| other == first).then(|| Types::named(first))?
}

/// The type that a keyword is about.
fn family(key: &str) -> Option<&'static str> {
    match key {
        "properties"
        | "required"
        | "additionalProperties"
        | "patternProperties"
        | "minProperties"
        | "maxProperties" => Some("object"),
        "items" | "prefixItems" | "minItems" | "maxItems" | "uniqueItems" | "contains" => {
            Some("array")
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
            Some("number")
        }
        "minLength" | "maxLength" | "pattern" => Some("string"),
        _ => None,
    }
}

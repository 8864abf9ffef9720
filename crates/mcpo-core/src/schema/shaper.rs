//! One pass over a schema that writes it anew: every keyword as 2020-12 has it, every reference
//! resolved.

mod resolve;

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use super::budget::{Budget, Notes};
use super::keyword::{self, Keyword};
use super::reference::LazyReferences;
use super::typing::{self, Inference};
use super::{Purpose, Shaped, lift};

/// Shapes one schema and the parts that it refers to.
pub(super) fn shape(schema: &Value, name: &str, purpose: Purpose) -> Shaped {
    let mut shaper = Shaper {
        root: schema,
        name,
        purpose,
        bare_ids: super::has_bare_ids(schema),
        references: LazyReferences::new(schema),
        budget: Budget::new(),
        notes: Notes::default(),
        hoisted: HashMap::new(),
        taken: HashSet::new(),
        repeats: HashMap::new(),
        waiting: VecDeque::new(),
        unrolling: Vec::new(),
    };
    let shaped = shaper.schema(schema, At::root());
    let mut parts = Vec::new();
    while let Some(part) = shaper.waiting.pop_front() {
        let value = shaper.references.get().target(part.target).value;
        let at = At { depth: part.depth, is_root: false, ..At::root() };
        let schema = shaper.typed(value, at);
        parts.push((part.name, schema));
    }
    Shaped { schema: shaped, parts, notes: shaper.notes.into_vec() }
}

/// The work on one schema.
struct Shaper<'a> {
    root: &'a Value,
    /// The component name of the whole schema.
    name: &'a str,
    purpose: Purpose,
    bare_ids: bool,
    references: LazyReferences<'a>,
    budget: Budget,
    notes: Notes,
    /// Component names of the parts that are referred to.
    hoisted: HashMap<usize, String>,
    /// Labels that parts have.
    taken: HashSet<String>,
    /// How often each label was wanted again.
    repeats: HashMap<String, usize>,
    /// Parts that are still to be written.
    waiting: VecDeque<Part>,
    /// Recursive parts that are being written out where clients follow no references.
    unrolling: Vec<usize>,
}

struct Part {
    target: usize,
    name: String,
    depth: usize,
}

/// Where in the schema the work is.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    depth: usize,
    /// Clients follow no references from here on down.
    opaque: bool,
    /// Only keywords that apply to the very same value lie between here and the start.
    in_place: bool,
    /// It is the whole schema.
    is_root: bool,
    /// The name of the nearest property, for notes.
    place: &'a str,
}

// === impl At ===

impl<'a> At<'a> {
    fn root() -> Self {
        Self { depth: 0, opaque: false, in_place: true, is_root: true, place: "" }
    }

    /// The place of a schema under the keyword `key`.
    fn under(self, key: &str, purpose: Purpose) -> Self {
        let followed = purpose == Purpose::Output || keyword::is_followed_by_clients(key);
        Self {
            depth: self.depth + 1,
            opaque: self.opaque || !followed,
            in_place: self.in_place && keyword::applies_in_place(key),
            is_root: false,
            place: self.place,
        }
    }

    fn named(self, place: &'a str) -> Self {
        Self { place, ..self }
    }
}

// === impl Shaper ===

impl<'a> Shaper<'a> {
    /// Writes one schema anew. The result is always an object.
    fn schema(&mut self, value: &'a Value, at: At<'a>) -> Value {
        let keywords = match value {
            Value::Object(keywords) => keywords,
            Value::Bool(true) => return Value::Object(Map::new()),
            Value::Bool(false) => return nothing(),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.note(at, "a schema that is not an object was left out");
                return Value::Object(Map::new());
            }
        };
        if !self.budget.take_node(at.depth) {
            self.note(at, "the schema is too large or too deep to be shown whole");
            return Value::Object(Map::new());
        }
        let mut out = Map::with_capacity(keywords.len());
        let mut refers = false;
        for (key, value) in keywords {
            let kind = keyword::classify(key);
            if kind == Keyword::Reference {
                refers |= value.is_string();
            } else {
                self.keyword(&mut out, keywords, (key, kind, value), at);
            }
        }
        if refers {
            out = self.resolved(out, value, at);
        }
        if self.purpose == Purpose::Arguments {
            lift::give_arrays_items(&mut out);
        }
        Value::Object(out)
    }

    fn keyword(
        &mut self,
        out: &mut Map<String, Value>,
        all: &'a Map<String, Value>,
        (key, kind, value): (&'a str, Keyword, &'a Value),
        at: At<'a>,
    ) {
        if value.is_null() && kind != Keyword::Datum && !key.starts_with("x-") {
            return;
        }
        match kind {
            Keyword::Reference | Keyword::Definitions | Keyword::Identity => {}
            Keyword::Type => self.types(out, value, at),
            Keyword::Required => self.required(out, value, at),
            Keyword::Properties => self.properties(out, value, at.under(key, self.purpose)),
            Keyword::Items => self.items(out, all, value, at.under(key, self.purpose)),
            Keyword::AdditionalItems => {
                if all.get("items").is_some_and(Value::is_array) {
                    let rest = self.typed(value, at.under("items", self.purpose));
                    out.insert("items".to_owned(), rest);
                }
            }
            Keyword::Dependencies => self.dependencies(out, value, at),
            Keyword::NameLists => lift::merge_into(out, key, lift::name_lists(value)),
            Keyword::ExclusiveBound => self.exclusive_bound(out, all, (key, value), at),
            Keyword::Discriminator => {
                // Its mapping refers to parts by the addresses that they had.
                if let Some(property) = value.get("propertyName").filter(|name| name.is_string()) {
                    let kept = [("propertyName".to_owned(), property.clone())];
                    out.insert(key.to_owned(), Value::Object(kept.into_iter().collect()));
                }
            }
            Keyword::SchemaOrFlag if value.is_boolean() => {
                out.insert(key.to_owned(), value.clone());
            }
            Keyword::Schema | Keyword::SchemaOrFlag => {
                let schema = self.schema(value, at.under(key, self.purpose));
                out.insert(key.to_owned(), schema);
            }
            Keyword::Schemas => self.schemas(out, (key, value), at.under(key, self.purpose)),
            Keyword::SchemaMap => {
                if let Some(members) = self.schema_map(key, value, at.under(key, self.purpose)) {
                    lift::merge_into(out, key, members);
                }
            }
            Keyword::Number if lift::is_bound_made_exclusive(all, key) => {}
            Keyword::Unknown if key == "id" && self.bare_ids && value.is_string() => {}
            Keyword::Examples if !value.is_array() => {
                self.value(out, key, Value::Array(vec![value.clone()]), at);
            }
            Keyword::Text
            | Keyword::Number
            | Keyword::Count
            | Keyword::Flag
            | Keyword::List
            | Keyword::Examples
            | Keyword::Object
            | Keyword::Datum
            | Keyword::Unknown => {
                if lift::is_well_formed(kind, value) {
                    self.value(out, key, value.clone(), at);
                } else {
                    self.note(at, &format!("its `{}` cannot be read and was left out", short(key)));
                }
            }
        }
    }

    /// Keeps a value that is no schema.
    fn value(&mut self, out: &mut Map<String, Value>, key: &str, value: Value, at: At<'a>) {
        if self.budget.take_value(key, &value) {
            out.insert(key.to_owned(), value);
        } else {
            self.note(at, "the schema is too large or too deep to be shown whole");
        }
    }

    fn types(&mut self, out: &mut Map<String, Value>, value: &Value, at: At<'a>) {
        let (types, whole) = typing::read_keyword(value);
        // "any" is how draft 3 says nothing.
        if !whole && value != "any" {
            self.note(at, "its `type` names no JSON type and was left out");
        }
        let kept = if whole {
            Some(lift::without_repeats(value))
        } else {
            types.and_then(typing::Types::to_keyword)
        };
        if let Some(kept) = kept {
            out.insert("type".to_owned(), kept);
        }
    }

    fn required(&mut self, out: &mut Map<String, Value>, value: &Value, at: At<'a>) {
        match value {
            Value::Array(names) => {
                let names: Vec<Value> =
                    names.iter().filter(|name| name.is_string()).cloned().collect();
                lift::require(out, names);
            }
            // Draft 3 said it at the property; there it is read.
            Value::Bool(_) => {}
            Value::Null | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                self.note(at, "its `required` cannot be read and was left out");
            }
        }
    }

    fn properties(&mut self, out: &mut Map<String, Value>, value: &'a Value, below: At<'a>) {
        let Value::Object(members) = value else {
            return self.note(below, "its `properties` cannot be read and were left out");
        };
        let mut shaped = Map::with_capacity(members.len());
        let mut required = Vec::new();
        for (name, member) in members {
            if !self.budget.take_name(name) {
                self.note(below, "the schema is too large or too deep to be shown whole");
                break;
            }
            if member.get("required") == Some(&Value::Bool(true)) {
                required.push(Value::String(name.clone()));
            }
            let member = self.typed(member, below.named(name));
            shaped.insert(name.clone(), member);
        }
        out.insert("properties".to_owned(), Value::Object(shaped));
        if !required.is_empty() {
            lift::require(out, required);
        }
    }

    /// A schema with the type that clients look for, where it can be known.
    fn typed(&mut self, value: &'a Value, at: At<'a>) -> Value {
        let mut shaped = self.schema(value, at);
        let Value::Object(out) = &mut shaped else { return shaped };
        let stated = out.contains_key("type") || out.contains_key("$ref") || out.is_empty();
        if self.purpose == Purpose::Output || stated {
            return shaped;
        }
        let types = Inference::new(&self.references).of(value);
        if let Some(types) = types.and_then(typing::Types::to_keyword) {
            out.shift_insert(0, "type".to_owned(), types);
            lift::give_arrays_items(out);
        }
        shaped
    }

    fn items(
        &mut self,
        out: &mut Map<String, Value>,
        all: &Map<String, Value>,
        value: &'a Value,
        below: At<'a>,
    ) {
        let Value::Array(_) = value else {
            let items = self.typed(value, below);
            out.insert("items".to_owned(), items);
            return;
        };
        if all.contains_key("prefixItems") {
            return self.note(below, "its `items` stand beside `prefixItems` and were left out");
        }
        self.schemas(
            out,
            ("prefixItems", value),
            At { opaque: self.purpose == Purpose::Arguments, ..below },
        );
    }

    fn schemas(
        &mut self,
        out: &mut Map<String, Value>,
        (key, value): (&str, &'a Value),
        below: At<'a>,
    ) {
        let Value::Array(members) = value else {
            return self.note(below, &format!("its `{key}` cannot be read and was left out"));
        };
        let shaped: Vec<Value> = members.iter().map(|member| self.schema(member, below)).collect();
        if !shaped.is_empty() {
            out.insert(key.to_owned(), Value::Array(shaped));
        }
    }

    fn schema_map(
        &mut self,
        key: &str,
        value: &'a Value,
        below: At<'a>,
    ) -> Option<Map<String, Value>> {
        let Value::Object(members) = value else {
            self.note(below, &format!("its `{key}` cannot be read and was left out"));
            return None;
        };
        let mut shaped = Map::with_capacity(members.len());
        for (name, member) in members {
            if !self.budget.take_name(name) {
                self.note(below, "the schema is too large or too deep to be shown whole");
                break;
            }
            let member = self.schema(member, below);
            shaped.insert(name.clone(), member);
        }
        Some(shaped)
    }

    fn dependencies(&mut self, out: &mut Map<String, Value>, value: &'a Value, at: At<'a>) {
        let Value::Object(members) = value else {
            return self.note(at, "its `dependencies` cannot be read and were left out");
        };
        let mut schemas = Map::new();
        for (name, member) in
            members.iter().filter(|(_, member)| member.is_object() || member.is_boolean())
        {
            let member = self.schema(member, at.under("dependentSchemas", self.purpose));
            schemas.insert(name.clone(), member);
        }
        lift::merge_into(out, "dependentRequired", lift::name_lists(value));
        lift::merge_into(out, "dependentSchemas", schemas);
    }

    fn exclusive_bound(
        &mut self,
        out: &mut Map<String, Value>,
        all: &Map<String, Value>,
        (key, value): (&str, &Value),
        at: At<'a>,
    ) {
        let bound = match value {
            Value::Bool(true) => all.get(lift::inclusive(key)).filter(|bound| bound.is_number()),
            Value::Number(_) => Some(value),
            Value::Bool(false) => None,
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return self.note(at, &format!("its `{key}` cannot be read and was left out"));
            }
        };
        if let Some(bound) = bound {
            self.value(out, key, bound.clone(), at);
        }
    }

    fn note(&mut self, at: At<'a>, text: &str) {
        if at.place.is_empty() {
            self.notes.add(text);
        } else {
            self.notes.add(format!("`{}`: {text}", short(at.place)));
        }
    }
}

/// The schema that no value fits.
fn nothing() -> Value {
    let never = [("not".to_owned(), Value::Object(Map::new()))];
    Value::Object(never.into_iter().collect())
}

/// A name as a note shows it: the server's names can be of any length.
fn short(name: &str) -> String {
    const CHARS_MAX: usize = 120;
    match name.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

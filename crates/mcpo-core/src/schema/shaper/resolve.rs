//! What stands in the place of a reference.

use serde_json::{Map, Value};

use super::{At, Part, Shaper, short};
use crate::schema::keyword;
use crate::schema::reference::Site;
use crate::schema::typing::Inference;
use crate::schema::{NODES_MAX, component_reference};

/// Recursive parts written out within one another where clients follow no references. Below that,
/// only the type of a part is told: a model needs no more to write such a value.
const UNROLLED_MAX: usize = 2;

// === impl Shaper ===

impl<'a> Shaper<'a> {
    /// The schema `value`, whose other keywords are already in `siblings`, with its reference
    /// resolved.
    pub(super) fn resolved(
        &mut self,
        siblings: Map<String, Value>,
        value: &'a Value,
        at: At<'a>,
    ) -> Map<String, Value> {
        let target = match self.references.get().site(value) {
            Site::Target(target) => target,
            Site::Outside => {
                return self.unresolved(
                    siblings,
                    value,
                    at,
                    "leads outside the schema and is not followed",
                );
            }
            Site::Missing => return self.unresolved(siblings, value, at, "leads nowhere"),
            Site::TooLarge => {
                return self.unresolved(
                    siblings,
                    value,
                    at,
                    "is not followed, the schema is too large",
                );
            }
        };
        let part = self.references.get().target(target);
        let (recursive, nodes) = (part.recursive, part.nodes);
        if part.vacuous && (at.in_place || std::ptr::eq(part.value, value)) {
            return self.unresolved(siblings, value, at, "leads back to itself");
        }
        let fits = !recursive
            && at.depth < crate::schema::DEPTH_MAX / 2
            && self.budget.take_inlined(nodes);
        let resolved = if fits || at.is_root {
            self.written_out(target, at)
        } else if !at.opaque {
            component_reference(&self.hoist(target, at))
        } else if self.may_unroll(target, nodes) {
            self.unrolling.push(target);
            let unrolled = self.written_out(target, at);
            self.unrolling.pop();
            unrolled
        } else {
            self.outline(target)
        };
        let Value::Object(resolved) = resolved else { return siblings };
        combine(siblings, resolved)
    }

    fn unresolved(
        &mut self,
        siblings: Map<String, Value>,
        value: &'a Value,
        at: At<'a>,
        why: &str,
    ) -> Map<String, Value> {
        let reference = ["$ref", "$dynamicRef", "$recursiveRef"]
            .iter()
            .find_map(|key| value.get(*key)?.as_str());
        self.note(at, &format!("the reference to {} {why}", short(reference.unwrap_or_default())));
        siblings
    }

    fn written_out(&mut self, target: usize, at: At<'a>) -> Value {
        let value = self.references.get().target(target).value;
        self.schema(value, At { depth: at.depth + 1, ..at })
    }

    /// The component name of a part, which from now on is to be written.
    fn hoist(&mut self, target: usize, at: At<'a>) -> String {
        if let Some(name) = self.hoisted.get(&target) {
            return name.clone();
        }
        let part = self.references.get().target(target);
        let (is_whole, label) = (std::ptr::eq(part.value, self.root), flat(&part.label));
        let name = if is_whole { self.name.to_owned() } else { self.unique(&label) };
        self.hoisted.insert(target, name.clone());
        if !is_whole {
            self.waiting.push_back(Part { target, name: name.clone(), depth: at.depth });
        }
        name
    }

    fn unique(&mut self, label: &str) -> String {
        let mut candidate = label.to_owned();
        while !self.taken.insert(candidate.clone()) {
            let repeats = self.repeats.entry(label.to_owned()).or_insert(1);
            *repeats += 1;
            candidate = format!("{label}_{repeats}");
        }
        format!("{}-{candidate}", self.name)
    }

    fn may_unroll(&mut self, target: usize, nodes: usize) -> bool {
        self.unrolling.len() < UNROLLED_MAX
            && !self.unrolling.contains(&target)
            && nodes < NODES_MAX
            && self.budget.take_inlined(nodes)
    }

    /// The type and the name of a part that is not written out any more.
    fn outline(&mut self, target: usize) -> Value {
        let value = self.references.get().target(target).value;
        let types = Inference::new(&self.references)
            .of(value)
            .and_then(crate::schema::typing::Types::to_keyword);
        let mut outline = Map::new();
        if let Some(types) = types {
            outline.insert("type".to_owned(), types);
        }
        for key in ["title", "description"] {
            if let Some(text) =
                value.get(key).filter(|text| text.is_string() && self.budget.take_value(key, text))
            {
                outline.insert(key.to_owned(), text.clone());
            }
        }
        crate::schema::lift::give_arrays_items(&mut outline);
        Value::Object(outline)
    }
}

/// A schema that both sides must hold for. What a reference's siblings say about the value is
/// said last and wins; what they assert is joined where that cannot change its meaning, else the
/// resolved part becomes a branch.
fn combine(siblings: Map<String, Value>, resolved: Map<String, Value>) -> Map<String, Value> {
    if siblings.is_empty() {
        return resolved;
    }
    if resolved.is_empty() {
        return siblings;
    }
    // Siblings of a reference are lost with some clients, so a reference never has any.
    let separable = !resolved.contains_key("$ref")
        && siblings.iter().all(|(key, value)| {
            keyword::is_annotation(key)
                || resolved.get(key) == Some(value)
                || (!resolved.contains_key(key) && !depends_on_others(key))
        });
    if separable {
        let mut joined = resolved;
        joined.extend(siblings);
        return joined;
    }
    let mut joined = siblings;
    // Of one member, `anyOf` says the same, and more providers and validators cope with it.
    let key = if resolved.contains_key("$ref") && !joined.contains_key("anyOf") {
        "anyOf"
    } else {
        "allOf"
    };
    let mut members = vec![Value::Object(resolved)];
    if let Some(Value::Array(others)) = joined.remove(key) {
        members.extend(others);
    }
    joined.insert(key.to_owned(), Value::Array(members));
    joined
}

/// Whether the keyword's meaning hangs on its neighbours, or theirs on it.
fn depends_on_others(key: &str) -> bool {
    matches!(
        key,
        "properties"
            | "patternProperties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "items"
            | "prefixItems"
            | "unevaluatedItems"
            | "contains"
            | "minContains"
            | "maxContains"
            | "if"
            | "then"
            | "else"
    )
}

/// A label as a component name can have it.
fn flat(label: &str) -> String {
    let flat: String = label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
        .take(80)
        .collect();
    if flat.is_empty() { "part".to_owned() } else { flat }
}

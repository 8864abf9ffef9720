//! Works a schema out into a [`Plan`]. Whatever is malformed is taken as "anything goes".

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::{Items, JsonType, Known, Members, Node, NodeId, Plan, Property};

/// A schema of more parts is not used: a bound to memory and to the time of a refresh.
const NODES_MAX: usize = 20_000;

/// Works out the whole schema. `None` if it is too large.
pub(in crate::arguments) fn plan(schema: &Value) -> Option<Plan> {
    let mut builder =
        Builder { schema, nodes: Vec::new(), known: Known::new(), waiting: VecDeque::new() };
    builder.node(schema, "");
    // A queue, not recursion: references may form chains of any length.
    while let Some((id, keywords)) = builder.waiting.pop_front() {
        if builder.nodes.len() > NODES_MAX {
            return None;
        }
        builder.fill(id, keywords);
    }
    let mut plan = Plan { nodes: builder.nodes };
    plan.settle_nulls();
    plan.settle_names();
    // It stays as long as its tool, beside thousands of others.
    plan.nodes.shrink_to_fit();
    Some(plan)
}

struct Builder<'a> {
    schema: &'a Value,
    nodes: Vec<Node>,
    known: Known,
    /// Nodes whose keywords are still to be read.
    waiting: VecDeque<(NodeId, &'a Map<String, Value>)>,
}

// === impl Builder ===

impl<'a> Builder<'a> {
    /// The node of the schema at that place.
    fn node(&mut self, schema: &'a Value, pointer: &str) -> NodeId {
        if let Some(&id) = self.known.get(pointer) {
            return id;
        }
        let id = self.nodes.len();
        self.nodes.push(Node { pointer: pointer.to_owned(), ..Node::default() });
        self.known.insert(pointer.to_owned(), id);
        if let Value::Object(keywords) = schema {
            self.waiting.push_back((id, keywords));
        }
        id
    }

    fn fill(&mut self, id: NodeId, keywords: &'a Map<String, Value>) {
        let pointer = self.nodes[id].pointer.clone();
        let place = pointer.as_str();
        let unions = ["anyOf", "oneOf"].into_iter();
        self.nodes[id] = Node {
            types: types(keywords.get("type")),
            literals: literals(keywords),
            object: self.members(keywords, place).map(Box::new),
            list: self.items(keywords, place).map(Box::new),
            all_of: self.all_of(keywords, place),
            unions: unions.filter_map(|key| self.branches(keywords, key, place)).collect(),
            conditional: self.conditional(keywords, place),
            title: keywords.get("title").and_then(Value::as_str).map(str::to_owned),
            pointer: pointer.clone(),
        };
    }

    fn child(
        &mut self,
        keywords: &'a Map<String, Value>,
        key: &str,
        place: &str,
    ) -> Option<NodeId> {
        let schema =
            keywords.get(key).filter(|schema| schema.is_object() || schema.is_boolean())?;
        Some(self.node(schema, &format!("{place}/{key}")))
    }

    fn branches(
        &mut self,
        keywords: &'a Map<String, Value>,
        key: &str,
        place: &str,
    ) -> Option<Vec<NodeId>> {
        let branches = keywords.get(key)?.as_array().filter(|branches| !branches.is_empty())?;
        let nodes = branches.iter().enumerate();
        Some(nodes.map(|(i, one)| self.node(one, &format!("{place}/{key}/{i}"))).collect())
    }

    fn named(
        &mut self,
        keywords: &'a Map<String, Value>,
        key: &str,
        place: &str,
    ) -> Vec<(String, NodeId)> {
        let Some(Value::Object(schemas)) = keywords.get(key) else { return Vec::new() };
        let mut nodes = Vec::with_capacity(schemas.len());
        for (name, schema) in schemas {
            let pointer = format!("{}/{key}/{}", place, escaped(name));
            nodes.push((name.clone(), self.node(schema, &pointer)));
        }
        nodes
    }

    fn members(&mut self, keywords: &'a Map<String, Value>, place: &str) -> Option<Members> {
        let declared = self.named(keywords, "properties", place);
        let required: Vec<&str> = strings(keywords.get("required"));
        let mut members =
            Members { additional: self.additional(keywords, place), ..Members::default() };
        members.is_open = openness(keywords);
        for (name, node) in declared {
            let written = keywords.get("properties").and_then(|properties| properties.get(&name));
            let default = written
                .and_then(|schema| schema.get("default"))
                .or_else(|| self.referred_default(written));
            let property = Property {
                node,
                is_required: required.contains(&name.as_str()),
                drops_null: default.is_some_and(Value::is_null),
                default: default.filter(|default| !default.is_null()).cloned(),
            };
            members.properties.insert(name, property);
        }
        for name in required.into_iter().filter(|name| !members.properties.contains_key(*name)) {
            members.other_names.insert(name.to_owned());
            members.other_required.push(name.to_owned());
        }
        for name in dependent_names(keywords) {
            members.other_names.insert(name.to_owned());
        }
        let says_something = members.wants_some() || members.is_open.is_some();
        let is_object =
            keywords.get("type").is_some_and(|types| strings(Some(types)).contains(&"object"));
        (says_something || is_object).then_some(members)
    }

    /// The default that stands where a property's `$ref` leads.
    fn referred_default(&self, property: Option<&Value>) -> Option<&'a Value> {
        let reference = property?.get("$ref")?.as_str()?;
        let (_, target) = resolve(self.schema, reference)?;
        target.get("default")
    }

    /// Undeclared members are coerced only where no pattern may claim them first.
    fn additional(&mut self, keywords: &'a Map<String, Value>, place: &str) -> Option<NodeId> {
        if keywords.contains_key("patternProperties") {
            return None;
        }
        keywords.get("additionalProperties").filter(|schema| schema.is_object())?;
        self.child(keywords, "additionalProperties", place)
    }

    fn items(&mut self, keywords: &'a Map<String, Value>, place: &str) -> Option<Items> {
        // Up to draft 2019-09 a list of schemas in `items` was what `prefixItems` is now.
        let listed = if keywords.get("items").is_some_and(Value::is_array) {
            "items"
        } else {
            "prefixItems"
        };
        let following = if listed == "items" { "additionalItems" } else { "items" };
        let prefix = self.branches(keywords, listed, place).unwrap_or_default();
        let rest = self.child(keywords, following, place);
        (!prefix.is_empty() || rest.is_some()).then_some(Items { prefix, rest })
    }

    fn all_of(&mut self, keywords: &'a Map<String, Value>, place: &str) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(reference) = keywords.get(key).and_then(Value::as_str) else { continue };
            match resolve(self.schema, reference) {
                Some((pointer, target)) => nodes.push(self.node(target, &pointer)),
                None => nodes.push(self.unknown()),
            }
        }
        nodes.extend(self.branches(keywords, "allOf", place).unwrap_or_default());
        nodes
    }

    /// The target of a reference that we do not follow: all of its members must pass.
    fn unknown(&mut self) -> NodeId {
        let members = Members { is_open: Some(true), ..Members::default() };
        self.nodes.push(Node { object: Some(members.into()), ..Node::default() });
        self.nodes.len() - 1
    }

    fn conditional(&mut self, keywords: &'a Map<String, Value>, place: &str) -> Vec<NodeId> {
        let conditions = ["if", "then", "else", "not"];
        let mut nodes: Vec<NodeId> =
            conditions.into_iter().filter_map(|key| self.child(keywords, key, place)).collect();
        for key in ["dependentSchemas", "dependencies"] {
            nodes.extend(self.named(keywords, key, place).into_iter().map(|(_, node)| node));
        }
        nodes
    }
}

// === impl Plan ===

impl Plan {
    /// `null` for an optional argument is left out where the schema allows null.
    fn settle_nulls(&mut self) {
        let allowing: Vec<bool> = (0..self.nodes.len()).map(|id| self.allows_null(id, 0)).collect();
        for members in self.nodes.iter_mut().filter_map(|node| node.object.as_mut()) {
            for property in members.properties.values_mut() {
                property.drops_null =
                    !property.is_required && (property.drops_null || allowing[property.node]);
            }
        }
    }

    /// Names that are declared under a condition are known without it.
    fn settle_names(&mut self) {
        for id in 0..self.nodes.len() {
            let mut names = Vec::new();
            for &condition in &self.nodes[id].conditional {
                for other in self.in_place(condition) {
                    let Some(members) = &self.nodes[other].object else { continue };
                    names.extend(members.properties.keys().chain(&members.other_names).cloned());
                }
            }
            if !names.is_empty() {
                self.nodes[id].object.get_or_insert_default().other_names.extend(names);
            }
        }
    }
}

fn types(keyword: Option<&Value>) -> Vec<JsonType> {
    let names = strings(keyword);
    let known: Vec<JsonType> = names.iter().filter_map(|name| JsonType::named(name)).collect();
    // An unknown name (`float`, `any`) is no ground to coerce or to refuse.
    if known.len() == names.len() { known } else { Vec::new() }
}

fn literals(keywords: &Map<String, Value>) -> Option<Vec<Value>> {
    match (keywords.get("const"), keywords.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        (None, _) => None,
    }
}

/// Whether undeclared members are welcome. Patterns are not matched here: where there are some,
/// every member passes on to the validator.
fn openness(keywords: &Map<String, Value>) -> Option<bool> {
    if keywords.contains_key("patternProperties") {
        return Some(true);
    }
    let says = |key: &str| match keywords.get(key) {
        Some(Value::Bool(is_open)) => Some(*is_open),
        Some(Value::Object(_)) => Some(true),
        Some(_) | None => None,
    };
    says("additionalProperties").or_else(|| says("unevaluatedProperties"))
}

fn strings(keyword: Option<&Value>) -> Vec<&str> {
    match keyword {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Names that `dependentRequired` and `dependentSchemas` mention.
fn dependent_names(keywords: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let tables = ["dependentRequired", "dependentSchemas", "dependencies"].into_iter();
    let entries = tables.filter_map(|key| keywords.get(key)?.as_object()).flatten();
    entries.flat_map(|(name, needed)| std::iter::once(name.as_str()).chain(strings(Some(needed))))
}

/// Finds what a reference within the schema means: where it stands, and what it is.
pub(in crate::arguments) fn resolve<'a>(
    schema: &'a Value,
    reference: &str,
) -> Option<(String, &'a Value)> {
    let fragment = reference.strip_prefix('#')?;
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return schema.pointer(&fragment).map(|target| (fragment.into_owned(), target));
    }
    anchored(schema, &fragment, &mut String::new())
}

/// Finds the subschema with that `$anchor`.
fn anchored<'a>(
    schema: &'a Value,
    name: &str,
    pointer: &mut String,
) -> Option<(String, &'a Value)> {
    if ["$anchor", "$dynamicAnchor"].iter().any(|key| schema.get(*key).is_some_and(|it| it == name))
    {
        return Some((pointer.clone(), schema));
    }
    let length = pointer.len();
    let mut look_into = |key: &str, child: &'a Value| {
        pointer.push('/');
        pointer.push_str(&escaped(key));
        let found = anchored(child, name, pointer);
        pointer.truncate(length);
        found
    };
    match schema {
        Value::Object(keywords) => keywords.iter().find_map(|(key, child)| look_into(key, child)),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, child)| look_into(&index.to_string(), child))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// The name as a step of a JSON pointer.
pub(in crate::arguments) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

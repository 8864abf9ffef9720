//! A schema worked out for coercion: an arena of nodes, one per subschema, so that references
//! (also circular ones) are indices. It knows types, members and literals; every other keyword
//! is left to the validator.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use serde_json::Value;

use super::scalar::JsonType;

mod build;
mod defaults;

pub(super) use build::{escaped, plan, resolve};

/// Which node of the plan.
pub(super) type NodeId = usize;

/// A branch's name tells its make-up down to this depth.
const LABEL_DEPTH_MAX: usize = 4;

/// No more schemas may follow one another on the same value: with a body of 128 levels that is
/// what a worker's stack bears twice over, and no real schema has ten.
const CHAIN_MAX: usize = 64;

/// The root of every plan.
pub(super) const ROOT: NodeId = 0;

/// A schema, worked out.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: Vec<Node>,
}

/// One subschema. In this order: what is looked at in nearly every one is in one line of memory, and
/// what most have not is elsewhere.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Node {
    /// Allowed types in the order of the schema; empty means any.
    pub(super) types: Vec<JsonType>,
    /// `enum` or `const`.
    pub(super) literals: Option<Vec<Value>>,
    /// What it says of an object's members.
    pub(super) object: Option<Box<Members>>,
    /// What it says of a list's items.
    pub(super) list: Option<Box<Items>>,
    /// `$ref` and `allOf`: each applies to the same value.
    pub(super) all_of: Vec<NodeId>,
    /// Each `anyOf` and `oneOf`: one of the nodes applies to the same value.
    pub(super) unions: Vec<Vec<NodeId>>,
    /// `if`, `then`, `else`, `dependentSchemas`, `not`: apply to the same value under conditions
    /// that only the validator knows. Only the names that they declare are used.
    pub(super) conditional: Vec<NodeId>,
    /// `title`, which names an object in the place of a problem.
    pub(super) title: Option<String>,
    /// Where it stands in the schema, as a JSON pointer.
    pub(super) pointer: String,
}

/// What a subschema says of an object's members.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// `properties`.
    pub(super) properties: IndexMap<String, Property>,
    /// Names that are required, or declared under a condition, and not in `properties`.
    pub(super) other_names: HashSet<String>,
    /// Names in `required` that are not in `properties`, in order.
    pub(super) other_required: Vec<String>,
    /// Whether members that are not declared are welcome. `None`: the schema does not say.
    pub(super) is_open: Option<bool>,
    /// The schema of undeclared members.
    pub(super) additional: Option<NodeId>,
}

/// One declared member.
#[derive(Debug)]
pub(super) struct Property {
    /// Its schema.
    pub(super) node: NodeId,
    /// Whether it must be there.
    pub(super) is_required: bool,
    /// What is sent if it is left out.
    pub(super) default: Option<Value>,
    /// Whether `null` says the same as leaving it out.
    pub(super) drops_null: bool,
}

/// What a subschema says of a list's items.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// The first ones.
    pub(super) prefix: Vec<NodeId>,
    /// The rest.
    pub(super) rest: Option<NodeId>,
}

// === impl Plan ===

impl Plan {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether any argument can be of interest. If not, every body counts as `{}`.
    pub(super) fn takes_arguments(&self) -> bool {
        self.in_place(ROOT)
            .into_iter()
            .filter_map(|id| self.nodes[id].object.as_deref())
            .any(Members::wants_some)
    }

    /// Whether a value meets a bounded number of schemas at each of its places. If not, a schema
    /// refers to itself (or through very many others), and a validator follows until its stack
    /// ends.
    pub(super) fn is_bounded(&self) -> bool {
        let mut visits = vec![Visit::New; self.nodes.len()];
        (0..self.nodes.len()).all(|id| self.height(id, 0, &mut visits).is_some())
    }

    /// The longest chain of nodes, from this one, that apply to the same value.
    fn height(&self, id: NodeId, depth: usize, visits: &mut [Visit]) -> Option<usize> {
        match visits[id] {
            Visit::Done(height) => return Some(height),
            Visit::Open => return None,
            Visit::New if depth > CHAIN_MAX => return None,
            Visit::New => visits[id] = Visit::Open,
        }
        let mut height = 0;
        for next in self.nodes[id].same_value() {
            height = height.max(1 + self.height(next, depth + 1, visits)?);
        }
        visits[id] = Visit::Done(height);
        (height <= CHAIN_MAX).then_some(height)
    }

    /// The node and all that apply to the same value.
    fn in_place(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = vec![id];
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            let fresh: Vec<NodeId> =
                self.nodes[id].same_value().filter(|id| !found.contains(id)).collect();
            found.extend(fresh);
        }
        found
    }

    /// Whether `null` satisfies the types, literals and unions.
    fn allows_null(&self, id: NodeId, depth: usize) -> bool {
        let node = &self.nodes[id];
        // Deeper than any honest chain of references: an endless one.
        depth < 32
            && (node.types.is_empty() || node.types.contains(&JsonType::Null))
            && node.literals.as_ref().is_none_or(|literals| literals.contains(&Value::Null))
            && node.all_of.iter().all(|&id| self.allows_null(id, depth + 1))
            && node
                .unions
                .iter()
                .all(|union| union.iter().any(|&id| self.allows_null(id, depth + 1)))
    }

    /// Whether the node is `null` and nothing else.
    pub(super) fn is_null(&self, id: NodeId) -> bool {
        self.nodes[id].types == [JsonType::Null]
    }

    /// The name of a union's branch in the place of a problem, as pydantic has it; only models
    /// without a title, for which the original makes up long names, are simply counted.
    pub(super) fn branch_label(&self, id: NodeId, index: usize) -> String {
        let node = &self.nodes[id];
        let has_name = node.title.is_some() || !node.is_model();
        if has_name { self.label_within(id, 0) } else { format!("choice_{index}") }
    }

    fn label_within(&self, id: NodeId, depth: usize) -> String {
        let node = &self.nodes[id];
        let untitled = || node.title.clone().unwrap_or_else(|| "any".into());
        match (node.types.as_slice(), node.all_of.as_slice()) {
            // A list of lists of itself, and so on.
            _ if depth > LABEL_DEPTH_MAX => "any".into(),
            ([one], _) => self.type_label_within(id, *one, depth),
            ([], [only]) if node.unions.is_empty() => self.label_within(*only, depth + 1),
            ([], _) => untitled(),
            (several, _) => {
                let names: Vec<String> =
                    several.iter().map(|&one| self.type_label_within(id, one, depth)).collect();
                format!("union[{}]", names.join(","))
            }
        }
    }

    /// The label of one type of a node.
    pub(super) fn type_label(&self, id: NodeId, json_type: JsonType) -> String {
        self.type_label_within(id, json_type, 0)
    }

    fn type_label_within(&self, id: NodeId, json_type: JsonType, depth: usize) -> String {
        let node = &self.nodes[id];
        match json_type {
            JsonType::Null => "none".into(),
            JsonType::Boolean => "bool".into(),
            JsonType::Integer => "int".into(),
            JsonType::Number => "float".into(),
            JsonType::String => "str".into(),
            JsonType::Array => {
                let item = node.list.as_ref().and_then(|items| items.rest);
                format!(
                    "list[{}]",
                    item.map_or_else(|| "any".into(), |item| self.label_within(item, depth + 1))
                )
            }
            JsonType::Object if node.is_model() => {
                node.title.clone().unwrap_or_else(|| "object".into())
            }
            JsonType::Object => "dict[str,any]".into(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Visit {
    New,
    Open,
    Done(usize),
}

// === impl Node ===

impl Node {
    /// Whether it declares properties.
    pub(super) fn is_model(&self) -> bool {
        self.object.as_ref().is_some_and(|members| !members.properties.is_empty())
    }

    fn same_value(&self) -> impl Iterator<Item = NodeId> {
        let conditional = self.conditional.iter();
        self.all_of.iter().chain(self.unions.iter().flatten()).chain(conditional).copied()
    }
}

// === impl Members ===

impl Members {
    /// Whether the name is declared.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.properties.contains_key(name) || self.other_names.contains(name)
    }

    /// Whether it declares any name without a condition. If so, other names are unknown.
    pub(super) fn names_some(&self) -> bool {
        !self.properties.is_empty() || !self.other_required.is_empty()
    }

    fn wants_some(&self) -> bool {
        self.names_some() || !self.other_names.is_empty() || self.is_open == Some(true)
    }
}

/// Where a node stands, and which node that is.
type Known = HashMap<String, NodeId>;

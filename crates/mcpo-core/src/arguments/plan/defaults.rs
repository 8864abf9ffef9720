//! Vets the defaults of a plan: what is filled in must satisfy the schema, and be whole.

use serde_json::Value;

use super::{NodeId, Plan};
use crate::arguments::coerce::coerce_at;
use crate::arguments::verdict::{Compiled, parts};

// === impl Plan ===

impl Plan {
    /// Brings each default into its final form: coerced, and with the defaults within it. One that
    /// does not satisfy its own schema, or never comes to an end, is left out, with a note.
    pub(in crate::arguments) fn settle_defaults(&mut self, compiled: &Compiled) -> Vec<String> {
        let mut notes = Vec::new();
        let places = self.defaults();
        if places.is_empty() {
            return notes;
        }
        let parts = parts(compiled);
        // Nodes within come after the nodes around them: their defaults are settled first.
        for (id, name, written, node) in places.into_iter().rev() {
            let pointer = &self.nodes[node].pointer;
            let part = parts.as_ref().and_then(|parts| parts.get(&format!("#{pointer}")));
            let accepts = |value: &Value| part.is_none_or(|part| part.is_valid(value));
            let settled = self.settled(node, &written).filter(accepts);
            if settled.is_none() {
                notes.push(format!(
                    "the default of \"{name}\" is not filled in: it does not match its own schema"
                ));
            }
            if let Some(property) =
                self.nodes[id].object.as_mut().and_then(|members| members.properties.get_mut(&name))
            {
                property.default = settled;
            }
        }
        notes
    }

    fn defaults(&self) -> Vec<(NodeId, String, Value, NodeId)> {
        let mut found = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            for (name, property) in node.object.iter().flat_map(|members| &members.properties) {
                if let Some(default) = &property.default {
                    found.push((id, name.clone(), default.clone(), property.node));
                }
            }
        }
        found
    }

    fn settled(&self, node: NodeId, written: &Value) -> Option<Value> {
        let coerced = coerce_at(self, node, written, 0);
        let settled = coerced.changed.unwrap_or_else(|| written.clone());
        let again = coerce_at(self, node, &settled, 0);
        (coerced.problems.is_empty() && again.problems.is_empty() && again.changed.is_none())
            .then_some(settled)
    }
}

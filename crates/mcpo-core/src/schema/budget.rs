//! How much may still be written for one tool, and what had to be said about it.

use serde_json::Value;

use super::{BYTES_MAX, DEPTH_MAX, INLINED_NODES_MAX, NODES_MAX, NOTES_MAX};

/// What is left of the bounds of one schema.
#[derive(Debug)]
pub(super) struct Budget {
    nodes: usize,
    bytes: usize,
    inlined: usize,
}

/// Notes, each once, and not more than a reader would read.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<String>);

// === impl Budget ===

impl Budget {
    pub(super) fn new() -> Self {
        Self { nodes: NODES_MAX, bytes: BYTES_MAX, inlined: INLINED_NODES_MAX }
    }

    /// Takes one schema at that depth, if there is room for it.
    pub(super) fn take_node(&mut self, depth: usize) -> bool {
        let room = depth < DEPTH_MAX && self.nodes > 0;
        self.nodes -= usize::from(room);
        room
    }

    /// Takes the room that a value and its name need.
    pub(super) fn take_value(&mut self, key: &str, value: &Value) -> bool {
        match weigh(value, self.bytes).and_then(|weight| self.bytes.checked_sub(weight + key.len()))
        {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }

    /// Takes the room that a name needs.
    pub(super) fn take_name(&mut self, name: &str) -> bool {
        let left = self.bytes.checked_sub(name.len() + 1);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }

    /// Takes that many schemas from what references may add.
    pub(super) fn take_inlined(&mut self, nodes: usize) -> bool {
        let left = self.inlined.checked_sub(nodes);
        self.inlined = left.unwrap_or(self.inlined);
        left.is_some()
    }
}

/// About the bytes of a value as JSON; `None` when it is heavier than `limit`.
fn weigh(value: &Value, limit: usize) -> Option<usize> {
    let own = match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len() + 2,
        Value::Array(items) => {
            return items.iter().try_fold(2, |sum, item| add(sum, weigh(item, limit)?, limit));
        }
        Value::Object(members) => {
            return members.iter().try_fold(2, |sum, (key, member)| {
                add(sum, key.len() + 3 + weigh(member, limit)?, limit)
            });
        }
    };
    add(own, 0, limit)
}

fn add(sum: usize, more: usize, limit: usize) -> Option<usize> {
    Some(sum + more + 1).filter(|total| *total <= limit)
}

// === impl Notes ===

impl Notes {
    pub(super) fn add(&mut self, note: impl Into<String>) {
        let note = note.into();
        if self.0.len() < NOTES_MAX && !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        self.0
    }
}

//! What is on the screen: the last picture, the last events, and what the operator points at.

use std::collections::VecDeque;

use serde_json::Value;

/// So many events are kept: more than any screen shows.
pub(super) const EVENTS_MAX: usize = 200;

/// What one look brought, as mcpo answers it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The live picture.
    pub(super) picture: Value,
    /// Entries of the journal since the look before.
    pub(super) journal: Value,
}

/// What the operator is asked to confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) server: String,
    pub(super) order: &'static str,
}

/// What is on the screen.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) address: String,
    pub(super) picture: Value,
    pub(super) events: VecDeque<Value>,
    /// Why mcpo does not answer; `None` while it does.
    pub(super) lost: Option<String>,
    /// The name of the server that is pointed at.
    selected: Option<String>,
    pub(super) question: Option<Question>,
    /// What came of the last order, or is under way.
    pub(super) note: Option<String>,
    last_seq: u64,
}

// === impl Model ===

impl Model {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            picture: Value::Null,
            events: VecDeque::new(),
            lost: None,
            selected: None,
            question: None,
            note: None,
            last_seq: 0,
        }
    }

    /// The number of the newest event that is known; 0 before the first.
    pub(super) const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn saw(&mut self, seen: Seen) {
        self.lost = None;
        self.picture = seen.picture;
        let next = seen.journal["next_after"].as_u64().unwrap_or(self.last_seq);
        // One that was started anew counts anew.
        self.last_seq = next;
        for entry in seen.journal["entries"].as_array().into_iter().flatten() {
            if self.events.len() == EVENTS_MAX {
                self.events.pop_front();
            }
            self.events.push_back(entry.clone());
        }
        if self.selected_index().is_none() {
            self.selected = self.name_at(0);
        }
    }

    /// mcpo does not answer: what was seen last stays, and is said to be old.
    pub(super) fn lost(&mut self, reason: String) {
        self.lost = Some(reason);
    }

    pub(super) fn ordered(&mut self, done: Result<(), String>) {
        self.note = Some(match done {
            Ok(()) => "done".to_owned(),
            Err(reason) => reason,
        });
    }

    /// The servers of the last picture, the worst first, as they stand on the screen.
    pub(super) fn servers(&self) -> Vec<&Value> {
        let mut servers: Vec<&Value> =
            self.picture["servers"].as_array().into_iter().flatten().collect();
        servers.sort_by_key(|server| match server["standing"].as_str() {
            Some("down") => 0,
            Some("degraded") => 1,
            Some(_) | None => 2,
        });
        servers
    }

    pub(super) fn selected(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    pub(super) fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.servers().iter().position(|server| server["name"] == *selected)
    }

    /// Points at the one so many lines below, or above where it is negative.
    pub(super) fn select_by(&mut self, lines: isize) {
        let last = self.servers().len().saturating_sub(1);
        let now = self.selected_index().unwrap_or(0);
        self.selected = self.name_at(now.saturating_add_signed(lines).min(last));
    }

    fn name_at(&self, index: usize) -> Option<String> {
        self.servers().get(index)?["name"].as_str().map(str::to_owned)
    }
}

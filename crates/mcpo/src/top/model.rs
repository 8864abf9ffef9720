//! What is on the screen: the last picture, the last events, and what the operator points at.

use std::collections::VecDeque;

use serde_json::{Value, json};

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
    /// What came of the last order, or is under way; until the next key.
    pub(super) note: Option<String>,
    last_seq: u64,
}

/// How long the mcpo of a picture was up, in seconds; 0 where there is no picture.
pub(super) fn uptime_of(picture: &Value) -> f64 {
    picture["uptime"].as_f64().unwrap_or_default()
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

    /// How long mcpo was up in the last picture, in seconds.
    pub(super) fn uptime(&self) -> f64 {
        uptime_of(&self.picture)
    }

    /// What a look brought, or why it brought nothing.
    pub(super) fn looked(&mut self, looked: Result<Seen, String>) {
        match looked {
            Ok(seen) => self.saw(seen),
            // What was seen last stays, and is said to be old.
            Err(reason) => self.lost = Some(reason),
        }
    }

    pub(super) fn saw(&mut self, seen: Seen) {
        self.lost = None;
        if uptime_of(&seen.picture) < self.uptime() {
            self.push(json!({"level": "warn", "sentence": "mcpo was started anew"}));
        }
        self.picture = seen.picture;
        self.last_seq = seen.journal["next_after"].as_u64().unwrap_or(self.last_seq);
        for entry in seen.journal["entries"].as_array().into_iter().flatten() {
            self.push(entry.clone());
        }
        if self.selected_index().is_none() {
            self.selected = self.name_at(0);
        }
    }

    fn push(&mut self, entry: Value) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(entry);
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

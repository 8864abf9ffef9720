//! Trouble under way: steps that are played instead of a script's own from a moment that the test
//! chooses until another, or so many times. A trouble is in a file, as gates are, so that it
//! works alike for processes and for servers inside the test.

use serde::{Deserialize, Serialize};

use crate::script::Step;

/// What a trouble is met by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// The start of a life.
    Start,
    /// `initialize` and `server/discover`.
    Handshake,
    /// `tools/list`.
    List,
    /// `tools/call`.
    Call,
}

/// Steps that are played instead of the script's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// By which its meetings are counted.
    pub name: String,
    /// What meets it; empty: everything.
    pub on: Vec<On>,
    /// The tool whose calls meet it; empty: all.
    pub tool: String,
    /// How many meet it, over all lives of the upstream; `None` is all of them.
    pub times: Option<usize>,
    /// What is played. Where no step ends the turn, the ordinary answer follows.
    pub steps: Vec<Step>,
}

impl Trouble {
    /// What every call meets.
    #[must_use]
    pub fn on_call(steps: Vec<Step>) -> Self {
        Self::on(On::Call, steps)
    }

    /// What all of these meet.
    #[must_use]
    pub fn on(on: On, steps: Vec<Step>) -> Self {
        Self { name: format!("{on:?}"), on: vec![on], tool: String::new(), times: None, steps }
    }

    /// What every request, and every start, meets.
    #[must_use]
    pub fn on_all(steps: Vec<Step>) -> Self {
        Self { name: "all".into(), on: Vec::new(), ..Self::on_call(steps) }
    }

    /// Met only so many times.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Met only by calls of that tool.
    #[must_use]
    pub fn tool(self, tool: &str) -> Self {
        Self { tool: tool.into(), ..self }
    }

    pub(crate) fn fits(&self, on: On, tool: &str) -> bool {
        (self.on.is_empty() || self.on.contains(&on)) && (self.tool.is_empty() || self.tool == tool)
    }
}

//! What is wrong, why, and what a person can do about it: rules as data ([`RULES`]) look at
//! [`Facts`], and what one cause explains is told once.

mod case;
pub mod check;
pub mod docs;
mod doctor;
mod facts;
mod judge;
mod rules;
mod words;

use serde::Serialize;
use std::collections::BTreeMap;

use crate::alerts::Severity;

pub(crate) use case::LATELY;
pub use doctor::doctor;
pub use facts::{CacheFacts, Facts, TrendFact};
pub use judge::diagnose;
pub use rules::{RULES, Rule};

/// How all is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No issue.
    Healthy,
    /// Warnings only.
    Warning,
    /// A critical issue at least.
    Critical,
}

/// One thing that is wrong. What it says may name addresses and commands: it is for operators.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Issue {
    /// The rule's stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The upstream that it is about; `None` for mcpo itself or the machine.
    pub server: Option<String>,
    /// One sentence.
    pub what: String,
    /// Since when, in seconds since the Unix epoch, where that is known.
    pub since: Option<f64>,
    /// What was seen: figures, events, the last words of a child.
    pub evidence: Vec<String>,
    /// The chain that led to it, from the first link that holds to the one that is broken.
    pub cause: Vec<String>,
    /// What a person can do, the likeliest first; never empty.
    pub fix: Vec<String>,
}

/// What `/diagnostics` and `mcpo doctor` answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// In one word.
    pub status: Status,
    /// See [`crate::score`].
    pub score: u8,
    /// The worst first.
    pub issues: Vec<Issue>,
    /// What would make things better although nothing is wrong: one sentence each.
    pub recommendations: Vec<String>,
    /// The figures that it was made from, in short.
    pub metrics: BTreeMap<String, f64>,
    /// Which upstreams can be called now.
    pub connection_health: BTreeMap<String, bool>,
    /// In seconds since the Unix epoch.
    pub timestamp: f64,
}

#[cfg(test)]
mod tests;

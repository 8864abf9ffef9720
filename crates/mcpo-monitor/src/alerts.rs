//! Rules that watch the picture, and what becomes of them: pending, firing, resolved.

use std::time::SystemTime;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look at it in working hours.
    Warning,
    /// Somebody should look at it now.
    Critical,
}

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its condition holds, not yet for as long as the rule asks.
    Pending,
    /// It holds.
    Firing,
    /// It held, and does not any more.
    Resolved,
}

/// One alert, as every face shows it. Words are fixed and name no address and no command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// The rule's stable name.
    pub rule: String,
    /// The upstream that it is about; `None` for mcpo itself or the machine.
    pub server: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub phase: Phase,
    /// Its condition holds since then, in seconds since the Unix epoch.
    pub since: f64,
    /// When it was resolved, in seconds since the Unix epoch.
    pub resolved_at: Option<f64>,
    /// The value that was compared, and the threshold.
    pub value: f64,
    /// See `value`.
    pub threshold: f64,
    /// In plain words, with the figures.
    pub summary: String,
    /// What a person can do.
    pub fix: String,
    /// It fires, but another alert says why, so that nobody is told of it: that one's rule.
    pub inhibited_by: Option<String>,
}

/// All alerts of one moment: those that are pending or fire, and the last ones resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alerts {
    /// Pending and firing, the worst first.
    pub active: Vec<Alert>,
    /// Resolved, the newest first, at most [`RESOLVED_MAX`].
    pub resolved: Vec<Alert>,
    /// When the rules were looked at last.
    #[serde(skip)]
    pub at: SystemTime,
}

/// So many resolved alerts are shown.
pub const RESOLVED_MAX: usize = 100;

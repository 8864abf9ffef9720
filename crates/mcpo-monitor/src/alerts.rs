//! Rules that watch the picture, and what becomes of them: pending, firing, resolved; and who is
//! told.
//!
//! ```text
//! Picture -> Engine::look -> Notices -> log, and Deliverer::tell -> webhooks
//!                   \-> Engine::alerts -> /alerts, dashboard, metrics
//! ```

pub mod deliver;
pub mod docs;
pub mod engine;
mod measure;
mod promql;
mod reconnects;
pub mod rules;
#[cfg(test)]
pub(crate) mod scene;

use std::time::SystemTime;

use serde::Serialize;

pub use deliver::{Deliverer, DeliveryError, WebhookState, test};
pub use engine::Engine;

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
    /// When it was resolved, in seconds since the Unix epoch; never before `since`.
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
    /// What came of telling each webhook, in the order of the configuration: see
    /// [`Deliverer::states`].
    pub webhooks: Vec<WebhookState>,
    /// When the rules were looked at last.
    #[serde(skip)]
    pub at: SystemTime,
}

/// An alert that began to fire or is resolved, or whose being told has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// As it is now; its phase is firing or resolved.
    pub alert: Alert,
    /// Whether people are told: nobody is of one that another alert explains. One that was told
    /// of is also told of when it is resolved.
    pub is_told: bool,
}

/// So many resolved alerts are shown.
pub const RESOLVED_MAX: usize = 100;

// === impl Severity ===

impl Severity {
    /// The name in answers and labels: lower case, stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl From<mcpo_config::AlertSeverity> for Severity {
    fn from(severity: mcpo_config::AlertSeverity) -> Self {
        match severity {
            mcpo_config::AlertSeverity::Warning => Self::Warning,
            mcpo_config::AlertSeverity::Critical => Self::Critical,
        }
    }
}

// === impl Alerts ===

impl Alerts {
    /// None at all.
    #[must_use]
    pub const fn none(at: SystemTime) -> Self {
        Self { active: Vec::new(), resolved: Vec::new(), webhooks: Vec::new(), at }
    }
}

// === impl Notice ===

impl Notice {
    /// Writes the line of the log. `error` asks for a person now, `warn` for one soon.
    pub fn log(&self) {
        let Alert { rule, server, summary, value, threshold, severity, phase, .. } = &self.alert;
        let server = server.as_deref().unwrap_or("-");
        let inhibited_by = self.alert.inhibited_by.as_deref().unwrap_or("-");
        match (phase, self.is_told, severity) {
            (_, false, _) => {
                tracing::debug!(rule, server, value, threshold, inhibited_by, "alert: {summary}");
            }
            (Phase::Resolved, true, _) => {
                tracing::info!(rule, server, value, threshold, "alert resolved: {summary}");
            }
            (Phase::Pending | Phase::Firing, true, Severity::Warning) => {
                tracing::warn!(rule, server, value, threshold, "alert: {summary}");
            }
            (Phase::Pending | Phase::Firing, true, Severity::Critical) => {
                tracing::error!(rule, server, value, threshold, "alert: {summary}");
            }
        }
    }
}

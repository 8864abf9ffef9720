//! What time it is for people, in records of what happened.

use std::time::SystemTime;

use tokio::time::Instant;

/// Tells the time of records. Nothing is waited for by it: it may be set.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// It was that time at that moment, and goes on with tokio's time, which may be virtual.
    From(SystemTime, Instant),
}

// === impl Clock ===

impl Clock {
    /// What time it is.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "records say when they were made, for people")]
    pub fn now(self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::From(time, moment) => time + moment.elapsed(),
        }
    }
}

//! What time it is for people: the system's clock; in tests one that goes with the virtual one.

use std::time::SystemTime;

/// Tells the time of records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Clock {
    /// The system's, which may be set.
    #[default]
    System,
    /// It was that time at that moment.
    #[cfg(test)]
    From(SystemTime, tokio::time::Instant),
}

// === impl Clock ===

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "records say when they were made, for people")]
    pub(crate) fn now(self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            #[cfg(test)]
            Self::From(time, moment) => time + moment.elapsed(),
        }
    }
}

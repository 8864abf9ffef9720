//! Whether it makes sense for a call to wait for an upstream that it cannot be sent to now: a
//! restart is bridged, an outage fails fast.

use std::time::{Duration, Instant};

/// How many starts of an upstream may fail in a row before calls stop waiting for it.
pub const FAILED_STARTS_BRIDGED: u32 = 3;

/// However many starts fail, calls wait while the trouble is younger than this: servers in Python
/// or Node take some seconds to come back.
pub const TROUBLE_BRIDGED: Duration = Duration::from_secs(10);

/// Why a call cannot be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// When it began.
    pub since: Instant,
    /// Whether it may be no more than a restart, which is waited for however long it takes; what
    /// is none is waited for while it is young.
    pub is_restart: bool,
    /// When it may be over.
    pub chance: Chance,
}

/// When an upstream may be usable again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// An attempt is under way.
    UnderWay,
    /// The next attempt is then.
    At(Instant),
    /// Not before a person has acted; an attempt that is made all the same is then.
    NotByItself(Option<Instant>),
}

/// What a call does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hope {
    /// It waits for a change until then at most, and asks again.
    Wait {
        /// Never after the call's deadline.
        until: Instant,
    },
    /// It is answered at once.
    None {
        /// When a new call makes sense, as a length from now, where that is known.
        retry_after: Option<Duration>,
    },
}

impl Trouble {
    /// Whether a call with that deadline waits.
    #[must_use]
    pub fn hope(&self, now: Instant, deadline: Instant) -> Hope {
        let bridged = if self.is_restart { deadline } else { self.since + TROUBLE_BRIDGED };
        let until = bridged.min(deadline);
        let (is_in_time, next) = match self.chance {
            Chance::UnderWay => (true, None),
            Chance::At(at) => (at < until, Some(at)),
            Chance::NotByItself(at) => (false, at),
        };
        if is_in_time && now < until {
            return Hope::Wait { until };
        }
        Hope::None { retry_after: next.map(|at| at.saturating_duration_since(now)) }
    }
}

#[cfg(test)]
mod tests;

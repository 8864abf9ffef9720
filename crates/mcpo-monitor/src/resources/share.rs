//! How much of the processor time that we may use is used, for one who asks often.

use std::time::Duration;

use tokio::time::Instant;

use super::Places;
use super::cgroup::{self, Group};
use super::machine::Times;

/// The system counts the machine's time in ticks of 10 ms for each processor: in less than a few of
/// them there is nothing to see.
const APART_MIN: Duration = Duration::from_millis(50);

/// Limits may be set on a group while we run. To find them takes some file reads for each level of
/// groups, so that is not done each time.
const LIMITS_LOOKED_FOR_EVERY: Duration = Duration::from_secs(10);

/// The used share of the processor time that we may use, from read to read: that of the cgroup with
/// the narrowest quota that we are in, measured against the quota, else that of the processors that we
/// may run on, whoever uses them.
#[derive(Debug)]
pub struct CpuShare {
    places: Places,
    limited: Option<Group>,
    /// When limits were looked for.
    looked_at: Option<Instant>,
    before: Option<Look>,
    share: Option<f64>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    used: Used,
}

/// What was used until then.
#[derive(Debug)]
enum Used {
    /// Seconds of processor time, of a group that may use so many each second.
    OfGroup { seconds: f64, quota: f64 },
    /// Of the machine.
    OfMachine(Times),
}

// === impl CpuShare ===

impl CpuShare {
    /// One of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Places::here())
    }

    pub(super) const fn of(places: Places) -> Self {
        Self { places, limited: None, looked_at: None, before: None, share: None }
    }

    /// The share that was used since the last read, 0 to 1; `None` the first time, where nothing can
    /// be read, and where the limit is another one than before. Sooner than 50 ms after a read it
    /// tells the same again. Reads one or three small files; waits for nothing but the kernel.
    pub fn read(&mut self) -> Option<f64> {
        let now = Instant::now();
        if let Some(before) = &self.before
            && now.saturating_duration_since(before.at) < APART_MIN
        {
            return self.share;
        }
        let look = self.used(now).map(|used| Look { at: now, used });
        self.share = match (&self.before, &look) {
            (Some(before), Some(look)) => look.since(before),
            (None, _) | (_, None) => None,
        };
        self.before = look;
        self.share
    }

    fn used(&mut self, now: Instant) -> Option<Used> {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= LIMITS_LOOKED_FOR_EVERY;
        if self.looked_at.is_none_or(is_due) {
            self.limited = cgroup::group(&self.places).map(|(group, _)| group);
            self.looked_at = Some(now);
        }
        let limit = self.limited.as_ref().and_then(Group::read);
        match limit {
            Some(limit) => Some(Used::OfGroup { seconds: limit.used_seconds, quota: limit.quota }),
            None => Times::read(&self.places).map(Used::OfMachine),
        }
    }
}

impl Default for CpuShare {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Look ===

impl Look {
    fn since(&self, before: &Self) -> Option<f64> {
        let share = match (&before.used, &self.used) {
            (Used::OfGroup { seconds: used, .. }, Used::OfGroup { seconds, quota }) => {
                let elapsed = self.at.saturating_duration_since(before.at).as_secs_f64();
                (seconds - used) / (elapsed * quota)
            }
            (Used::OfMachine(before), Used::OfMachine(now)) => now.used_since(before)?,
            (Used::OfGroup { .. }, Used::OfMachine(_))
            | (Used::OfMachine(_), Used::OfGroup { .. }) => return None,
        };
        share.is_finite().then(|| share.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests;

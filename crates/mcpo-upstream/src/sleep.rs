//! Notices when time passed in which nothing ran here: the machine slept, or the process was
//! stopped. Connections may have died meanwhile without a sign.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How often it is looked at.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// A look that comes later than this was not merely late: a busy machine delays one by
/// milliseconds.
const LATE: Duration = Duration::from_secs(2);

/// From a look to when the next one is as late as that.
const LATE_US: u64 = (TICK.as_secs() + LATE.as_secs()) * 1_000_000;

/// When it was looked last, for calls: one may come before the look that is late.
#[derive(Debug)]
pub(crate) struct Beat {
    born: Instant,
    /// In microseconds since then; 0 before the first look.
    at_us: AtomicU64,
}

/// Finds jumps of time.
#[derive(Debug)]
pub(crate) struct Jumps {
    beat: Arc<Beat>,
    due: Instant,
    /// How much longer the machine has been up than our clock, which stands still while it sleeps,
    /// has counted.
    asleep: Option<Duration>,
    /// By the clock of the system, whatever our timers go by.
    started: std::time::Instant,
}

// === impl Beat ===

impl Beat {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { born: Instant::now(), at_us: AtomicU64::new(0) })
    }

    /// Whether nobody has looked for so long that time may have jumped. Without anybody who looks
    /// nobody knows.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        let at_us = self.at_us.load(Ordering::Relaxed);
        at_us > 0 && self.since_birth(now).saturating_sub(at_us) > LATE_US
    }

    fn tell(&self, now: Instant) {
        self.at_us.store(self.since_birth(now).max(1), Ordering::Relaxed);
    }

    fn since_birth(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_micros()).unwrap_or(u64::MAX)
    }
}

// === impl Jumps ===

impl Jumps {
    #[expect(clippy::disallowed_methods, reason = "compared with what the system says")]
    pub(crate) fn new(beat: Arc<Beat>) -> Self {
        let started = std::time::Instant::now();
        let now = Instant::now();
        beat.tell(now);
        Self { beat, due: now + TICK, asleep: slept(started), started }
    }

    /// Ends at the next jump, says how long it was.
    ///
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Duration {
        loop {
            sleep_until(self.due).await;
            let now = Instant::now();
            let late = now.saturating_duration_since(self.due);
            self.due = now + TICK;
            self.beat.tell(now);
            let asleep = slept(self.started);
            let slept = jump(self.asleep, asleep, late);
            self.asleep = asleep;
            if let Some(by) = slept {
                return by;
            }
        }
    }
}

/// How much time is missing: by what the machine has slept more since the last look, or by how late
/// this look is.
fn jump(before: Option<Duration>, after: Option<Duration>, late: Duration) -> Option<Duration> {
    let slept = match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        (None, _) | (_, None) => Duration::ZERO,
    };
    let by = slept.max(late);
    (by > LATE).then_some(by)
}

/// What `/proc/uptime`, which counts while the machine sleeps, is ahead of our clock. `None` where
/// there is no such file.
fn slept(started: std::time::Instant) -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds = text.split_whitespace().next()?.parse().ok()?;
    let up = Duration::try_from_secs_f64(seconds).ok()?;
    Some(up.saturating_sub(started.elapsed()))
}

#[cfg(test)]
mod tests;

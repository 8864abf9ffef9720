//! Turns calls away while the process is short of processor time, so that those which it takes in
//! hand are answered soon.
//!
//! The sign of it is how late the guard's own wake-ups come: that is how long anything waits in the
//! runtime's queue before it is looked at. Late alone may be one slow piece of work, and a busy
//! processor alone is what it is there for; both together, look after look, are too much.
//!
//! The law is that of DAGOR (Zhou et al., "Overload Control for Scaling `WeChat` Microservices",
//! `SoCC` 2018, sections 4.2.1 and 4.2.3): waiting for longer than 20 ms in the queue is overload;
//! while it lasts, each look lets in 5 % less than the one before, and otherwise 1 % of all more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::admission::Sheds;
use crate::pipeline::PipelineGauge;

/// How often it looks. DAGOR looks each second, or after 2000 requests, which is as often as this
/// for those who have 20,000 in a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often it looks while no call is in hand and none is turned away: then there is nothing to find
/// out, and a process that does nothing should not wake up for it. It is as often as DAGOR looks at
/// all, so that a flood out of nothing is noticed a second later at the most.
const LOOK_IDLE_EVERY: Duration = Duration::from_secs(1);

/// Later than this is overload (DAGOR).
const LATE_MIN: Duration = Duration::from_millis(20);

/// The share of the processor time that we may use above which being late is for want of it.
const CPU_MIN: f64 = 0.8;

/// So many looks in a row make an overload: one may be a single slow piece of work.
const LOOKS_MIN: u32 = 2;

/// What a look under overload leaves of the calls that are let in (DAGOR's alpha is 5 %).
const LEFT: f64 = 0.95;

/// What another look gives back, of all calls (DAGOR's beta is 1 %).
const BACK: f64 = 0.01;

/// So much is let in at the least: should it be something else that takes the processor, turning
/// all calls away mends nothing.
const LET_IN_MIN: f64 = 0.1;

/// Says of each call whether it is turned away.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// The share of calls that is, of 2^32; 0 for none.
    share: AtomicU32,
    /// Goes round once for each call that is.
    phase: AtomicU32,
}

/// Watches how late its own wake-ups come, for as long as somebody runs it.
#[derive(Debug)]
pub struct Watch {
    guard: Option<Arc<Guard>>,
    gauge: Arc<PipelineGauge>,
    sheds: Arc<Sheds>,
}

/// What the looks so far come to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Law {
    /// The share of calls that is let in.
    let_in: f64,
    /// Looks in a row that found it slow.
    slow: u32,
}

/// Nobody is turned away once the watch has ended.
struct Watched(Option<Arc<Guard>>);

// === impl Guard ===

impl Guard {
    /// Whether this call is turned away. One load while none is; otherwise the share is spread
    /// evenly, without dice.
    pub(crate) fn turns_away(&self) -> bool {
        let share = self.share.load(Ordering::Relaxed);
        share > 0 && self.phase.fetch_add(share, Ordering::Relaxed).checked_add(share).is_none()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share is from 0 to 1, and the cast saturates"
    )]
    fn set(&self, let_in: f64) {
        let share = ((1.0 - let_in) * f64::from(u32::MAX)) as u32;
        if self.share.load(Ordering::Relaxed) != share {
            self.share.store(share, Ordering::Relaxed);
        }
    }
}

// === impl Law ===

impl Law {
    const fn new() -> Self {
        Self { let_in: 1.0, slow: 0 }
    }

    /// Its wake-up came so late, and such a share of the processor time was in use.
    fn look(&mut self, late: Duration, cpu: Option<f64>) {
        let is_slow = late > LATE_MIN && cpu.is_some_and(|cpu| cpu > CPU_MIN);
        self.slow = if is_slow { self.slow.saturating_add(1) } else { 0 };
        if self.slow >= LOOKS_MIN {
            self.let_in = (self.let_in * LEFT).max(LET_IN_MIN);
        } else if !is_slow {
            self.let_in = (self.let_in + BACK).min(1.0);
        }
    }
}

// === impl Watch ===

impl Watch {
    /// Without a guard it only tells what was turned away.
    pub(crate) const fn new(
        guard: Option<Arc<Guard>>,
        gauge: Arc<PipelineGauge>,
        sheds: Arc<Sheds>,
    ) -> Self {
        Self { guard, gauge, sheds }
    }

    /// Watches until it is dropped, and tells what was turned away and is not told yet. `cpu` says
    /// which share of the processor time that we may use was used since it was asked last, 0 to 1;
    /// `None` where nobody can know, which turns nobody away.
    ///
    /// Cancel-safe: dropping it ends the watch, and no call is turned away by it any more.
    pub async fn watch(self, mut cpu: impl FnMut() -> Option<f64>) {
        let watched = Watched(self.guard);
        let mut law = Law::new();
        let mut due = Instant::now() + LOOK_EVERY;
        loop {
            sleep_until(due).await;
            let now = Instant::now();
            if let Some(guard) = &watched.0 {
                law.look(now.saturating_duration_since(due), cpu());
                guard.set(law.let_in);
            }
            self.sheds.tell_due(now);
            let is_idle = law == Law::new() && self.gauge.in_flight() == 0;
            due = now + if is_idle { LOOK_IDLE_EVERY } else { LOOK_EVERY };
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(guard) = &self.0 {
            guard.set(1.0);
        }
    }
}

#[cfg(test)]
mod tests;

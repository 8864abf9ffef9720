//! Failures of calls that repeat: in the log the first ones stand each on a line of its own, the
//! others are told together, so that a server that fails thousands of calls a second neither buries
//! all else in the log nor costs the other servers the writing of it. Nothing is left out of the
//! counters or the entries.

use std::collections::HashMap;
use std::time::Duration;

use mcpo_core::event::{Event, Level};
use mcpo_core::fault::FaultKind;
use tokio::time::Instant;

/// Failures of a server with the same fault are told together this often, as calls that are turned
/// away are.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// So many of them are told one by one in that time: what a person reads line by line.
const TOLD_MAX: u32 = 10;
/// Servers and faults that may be looked after before those that are over are looked for.
const SPELLS_UNSWEPT_MAX: usize = 256;

/// How often calls of each server failed of late, by the fault.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    spells: HashMap<(String, FaultKind), Spell>,
    /// When the first of the sums is to be told.
    due: Option<Instant>,
}

/// The failures since the first one of them, for [`TELL_EVERY`].
#[derive(Debug)]
struct Spell {
    began: Instant,
    told: u32,
    untold: u64,
}

/// Failures that were not told one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) upstream: String,
    pub(super) fault: FaultKind,
    pub(super) count: u64,
    pub(super) over: Duration,
}

// === impl Repeats ===

impl Repeats {
    /// Whether the event has a line of its own.
    pub(super) fn has_line(&mut self, event: &Event, now: Instant) -> bool {
        let Event::CallFailed { upstream, fault, .. } = event else { return true };
        // Those below a warning come in floods by their nature, and are rarely written at all.
        if event.level() <= Level::Debug {
            return true;
        }
        if self.spells.len() >= SPELLS_UNSWEPT_MAX {
            self.spells.retain(|_, spell| spell.untold > 0 || !spell.is_over(now));
        }
        let spell = self
            .spells
            .entry((upstream.clone(), fault.kind))
            .and_modify(|spell| spell.renew(now))
            .or_insert_with(|| Spell::new(now));
        if spell.told < TOLD_MAX {
            spell.told += 1;
            return true;
        }
        spell.untold += 1;
        let due = spell.began + TELL_EVERY;
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
        false
    }

    /// What is to be told now of those that have no line of their own. Whoever tells anything asks.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Sum> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let mut sums = Vec::new();
        self.spells.retain(|(upstream, fault), spell| {
            let is_over = spell.is_over(now);
            if is_over && spell.untold > 0 {
                let (upstream, count) = (upstream.clone(), spell.untold);
                sums.push(Sum { upstream, fault: *fault, count, over: now - spell.began });
            }
            !is_over
        });
        let left = self.spells.values().filter(|spell| spell.untold > 0);
        self.due = left.map(|spell| spell.began + TELL_EVERY).min();
        sums
    }
}

// === impl Spell ===

impl Spell {
    const fn new(now: Instant) -> Self {
        Self { began: now, told: 0, untold: 0 }
    }

    /// Begins anew once it is over; what is still to be told keeps it.
    fn renew(&mut self, now: Instant) {
        if self.is_over(now) && self.untold == 0 {
            *self = Self::new(now);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= TELL_EVERY
    }
}

#[cfg(test)]
mod tests;

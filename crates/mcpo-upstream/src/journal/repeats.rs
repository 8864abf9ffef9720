//! Failures of calls that repeat: in the log the first ones stand each on a line of its own, the
//! others are told together, so that a server that fails thousands of calls a second neither buries
//! all else in the log nor costs the other servers the writing of it. Nothing is left out of the
//! counters or the entries.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use mcpo_core::event::{Event, Level};
use mcpo_core::fault::FaultKind;
use mcpo_core::outcome::OutcomeKind;
use tokio::time::Instant;

/// Failures of a server with the same fault are told together this often, as calls that are turned
/// away are.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(10);
/// So many of them are told one by one in that time: what a person reads line by line.
const TOLD_MAX: u32 = 10;
/// Spells at once; what is beyond has a line for each failure. Ten for each of many servers.
const SPELLS_MAX: usize = 10_000;

/// How often calls of each server failed of late.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    spells: HashMap<Likeness, Spell>,
    /// When the first of the spells is over; `None` while there are none.
    due: Option<Instant>,
}

/// What failures have in common that are told together. Whether a call may have acted is more than
/// the fault says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Likeness {
    pub(super) upstream: String,
    pub(super) outcome: OutcomeKind,
    pub(super) fault: FaultKind,
}

/// The failures since the first one of them, for [`TELL_EVERY`].
#[derive(Debug)]
struct Spell {
    began: Instant,
    last: Instant,
    told: u32,
    untold: u64,
}

/// Failures that were not told one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) of: Likeness,
    pub(super) count: u64,
    /// From the first of the failures that were alike, those with a line included, to the last.
    pub(super) over: Duration,
}

// === impl Repeats ===

impl Repeats {
    /// Whether the event has a line of its own. What is [over](Self::over) by then must have been
    /// taken out.
    pub(super) fn has_line(&mut self, event: &Event, now: Instant) -> bool {
        let Event::CallFailed { upstream, outcome, fault, .. } = event else { return true };
        // Those below a warning come in floods by their nature, and are rarely written at all.
        if event.level() <= Level::Debug {
            return true;
        }
        let of = Likeness { upstream: upstream.clone(), outcome: *outcome, fault: fault.kind };
        if self.spells.len() >= SPELLS_MAX && !self.spells.contains_key(&of) {
            return true;
        }
        // One that begins now is not over before any other.
        self.due.get_or_insert(now + TELL_EVERY);
        self.spells.entry(of).or_insert_with(|| Spell::new(now)).has_line(now)
    }

    /// Takes out what is over, and says what is to be told of it.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Sum> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let over = self.spells.extract_if(|_, spell| spell.is_over(now));
        let sums = over.filter_map(Spell::sum).collect();
        self.due = self.spells.values().map(|spell| spell.began + TELL_EVERY).min();
        sums
    }

    /// Takes out all there is, and says what is to be told of it.
    pub(super) fn rest(&mut self) -> Vec<Sum> {
        mem::take(self).spells.into_iter().filter_map(Spell::sum).collect()
    }
}

// === impl Spell ===

impl Spell {
    const fn new(now: Instant) -> Self {
        Self { began: now, last: now, told: 0, untold: 0 }
    }

    /// One more failure; whether it is told by itself.
    fn has_line(&mut self, now: Instant) -> bool {
        self.last = now;
        let has_line = self.told < TOLD_MAX;
        if has_line {
            self.told += 1;
        } else {
            self.untold += 1;
        }
        has_line
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= TELL_EVERY
    }

    fn sum((of, spell): (Likeness, Self)) -> Option<Sum> {
        let over = spell.last.saturating_duration_since(spell.began);
        (spell.untold > 0).then_some(Sum { of, count: spell.untold, over })
    }
}

#[cfg(test)]
mod tests;

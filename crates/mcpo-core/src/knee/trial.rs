//! Calls that are sent one after the other, to see how long they take.

use super::mean::{Mean, total};
use super::{Answer, TOOLS};

/// A trial is judged by two calls for each place, within these bounds,
const TRIAL_CALLS: (u64, u64) = (16, 64);

/// as soon as no more than one in so many is out.
const TRIAL_REST: u64 = 8;

/// Calls that were sent one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trial {
    pub(super) first: u64,
    calls: u64,
    answered: u64,
    /// They ended without an answer: timed out, given up, or were refused.
    gone: u64,
    /// Of those that were, by their tools.
    pub(super) means: [Mean; TOOLS],
}

// === impl Trial ===

impl Trial {
    /// Of the calls that are sent from now on.
    pub(super) fn new(sent: u64, limit: usize) -> Self {
        let (min, max) = TRIAL_CALLS;
        let calls = (limit as u64).saturating_mul(2).clamp(min, max);
        Self { first: sent, calls, ..Self::default() }
    }

    /// Those of other tools, or with fewer in flight, are no measure.
    pub(super) fn note(&mut self, answer: Answer, tools: &[Mean; TOOLS], above: usize) {
        if !self.is_of(answer.number) {
            return;
        }
        self.answered += 1;
        let tool = answer.tool % TOOLS;
        if tools[tool].calls > 0.0 && answer.in_flight > above {
            self.means[tool].add(Mean::of(answer));
        }
    }

    /// Nothing is to be heard of that one any more.
    pub(super) const fn note_gone(&mut self, number: u64) {
        if self.is_of(number) {
            self.gone += 1;
        }
    }

    const fn is_of(&self, number: u64) -> bool {
        number >= self.first && number - self.first < self.calls
    }

    pub(super) const fn is_over(&self) -> bool {
        self.answered + self.gone + self.calls / TRIAL_REST >= self.calls
    }

    /// Whether half of them are a measure.
    pub(super) fn is_enough(&self) -> bool {
        total(&self.means) * 2.0 >= self.calls as f32
    }

    /// Those that are still out, or were never answered, take as long as the slowest of the others, or
    /// longer.
    pub(super) fn count_rest(&mut self) {
        let share = self.calls.saturating_sub(self.answered) as f32 / self.answered.max(1) as f32;
        for mean in &mut self.means {
            mean.took = (mean.took + mean.longest * share) / (1.0 + share);
        }
    }
}

//! How long calls take, and how many there are meanwhile: means, and how they differ.

use std::time::Duration;

use super::{Answer, TOOLS};

/// Of more than that the new ones count as one in so many, so that the old ones fade.
const CALLS_MAX: f32 = 128.0;

/// Means of logarithms.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    pub(super) calls: f32,
    pub(super) in_flight: f32,
    pub(super) took: f32,
    pub(super) longest: f32,
}

/// How a mean differs from another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// How many were in flight before.
    pub(super) before: f32,
    pub(super) in_flight: f32,
    pub(super) took: f32,
}

// === impl Mean ===

impl Mean {
    pub(super) fn of(answer: Answer) -> Self {
        let in_flight = (answer.in_flight.max(1) as f32).log2();
        let took = log_us(answer.took);
        Self { calls: 1.0, in_flight, took, longest: took }
    }

    pub(super) fn add(&mut self, sample: Self) {
        self.calls = (self.calls + 1.0).min(CALLS_MAX);
        self.in_flight += (sample.in_flight - self.in_flight) / self.calls;
        self.took += (sample.took - self.took) / self.calls;
        self.longest = self.longest.max(sample.longest);
    }

    /// Its length in microseconds.
    pub(super) fn took_us(self) -> f32 {
        self.took.exp2()
    }
}

fn log_us(length: Duration) -> f32 {
    (length.as_micros().max(1) as f32).log2()
}

pub(super) fn total(means: &[Mean]) -> f32 {
    means.iter().map(|mean| mean.calls).sum()
}

pub(super) fn mean_of(means: &[Mean]) -> Mean {
    let calls = total(means).max(f32::MIN_POSITIVE);
    let sum = |of: fn(&Mean) -> f32| means.iter().map(|mean| of(mean) * mean.calls).sum::<f32>();
    let longest = means.iter().map(|mean| mean.longest).fold(0.0, f32::max);
    let (in_flight, took) = (sum(|mean| mean.in_flight), sum(|mean| mean.took));
    Mean { calls, in_flight: in_flight / calls, took: took / calls, longest }
}

/// The change of each tool, by how many calls of it there are now.
pub(super) fn change(before: &[Mean; TOOLS], now: &[Mean; TOOLS]) -> Change {
    let calls = total(now).max(f32::MIN_POSITIVE);
    let sum = |of: fn(&Mean) -> f32| {
        let pairs = before.iter().zip(now);
        pairs.map(|(before, now)| (of(now) - of(before)) * now.calls).sum::<f32>() / calls
    };
    let before = before.iter().zip(now).map(|(before, now)| before.in_flight * now.calls);
    Change {
        before: before.sum::<f32>() / calls,
        in_flight: sum(|mean| mean.in_flight),
        took: sum(|mean| mean.took),
    }
}

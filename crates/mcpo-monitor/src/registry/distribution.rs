//! Lengths counted up to each of some bounds, as histograms with fixed buckets tell them.

use std::time::Duration;

use mcpo_core::sketch::{self, Sketch};
use mcpo_upstream::journal::Histogram;
use mcpo_upstream::meter::Exemplar;

/// No histogram of ours has more bounds than this: those that conventions advise have 14.
pub const BOUNDS_MAX: usize = 14;

/// One histogram's sample.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a> {
    /// The ends of the buckets in seconds, without the last one, which has none.
    pub bounds: &'static [f64],
    /// How many were no longer than each bound; what is beyond their number is 0.
    pub at_most: [u64; BOUNDS_MAX],
    /// How many in all.
    pub count: u64,
    /// All lengths together, in seconds.
    pub sum: f64,
    /// Calls that stand for those of a bucket.
    pub exemplars: &'a [Exemplar],
}

// === impl Distribution ===

impl<'a> Distribution<'a> {
    /// Of a sketch. Its buckets are finer than these: one that a bound lies within counts as
    /// longer, so that a length may be told up to [`sketch::RELATIVE_ERROR_MAX`] too long, twice.
    #[must_use]
    pub fn of_sketch(
        lengths: &Sketch,
        sum: Duration,
        bounds: &'static [f64],
        exemplars: &'a [Exemplar],
    ) -> Self {
        let mut at_most = [0; BOUNDS_MAX];
        let mut buckets = lengths.buckets().peekable();
        let mut seen = 0;
        for (bound, at_most) in bounds.iter().zip(&mut at_most) {
            let end = sketch::bucket(*bound);
            while let Some((_, count)) = buckets.next_if(|(bucket, _)| *bucket < end) {
                seen += count;
            }
            *at_most = seen;
        }
        Self { bounds, at_most, count: lengths.count(), sum: sum.as_secs_f64(), exemplars }
    }

    /// Of what the journal counts.
    #[must_use]
    pub fn of_histogram(lengths: &Histogram, bounds: &'static [f64]) -> Self {
        let mut at_most = [0; BOUNDS_MAX];
        let mut seen = 0;
        for (count, at_most) in lengths.buckets.iter().take(bounds.len()).zip(&mut at_most) {
            seen += count;
            *at_most = seen;
        }
        let sum = lengths.sum.as_secs_f64();
        Self { bounds, at_most, count: lengths.count, sum, exemplars: &[] }
    }

    /// Each bucket's end, `None` for the last one, and how many were no longer than that.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let ends = self.bounds.iter().copied().map(Some);
        ends.zip(self.at_most).chain([(None, self.count)])
    }
}

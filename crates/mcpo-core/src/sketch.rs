//! Lengths of time, counted in buckets that grow by a fixed ratio: quantiles with a bounded relative
//! error, and sketches that can be added up (DDSketch, Masson et al., VLDB 2019). The buckets are
//! those of an OpenTelemetry exponential histogram of scale 6, so that it can be exported as it is.

mod recorder;
mod sum;

pub use recorder::Recorder;
pub use sum::Sum;

/// How many buckets there are between a length and its double.
pub const BUCKETS_PER_OCTAVE: u16 = 64;

/// Ends of a bucket are this far apart, at most: a value told for any in it is off by no more.
/// `(2^(1/64) - 1) / (2^(1/64) + 1)` is 0.54 %.
pub const RELATIVE_ERROR_MAX: f64 = 0.0055;

/// The shortest length that is told apart is `2^OCTAVE_MIN` s (0.95 us); shorter ones count as it.
pub const OCTAVE_MIN: i32 = -20;

/// Lengths of `2^OCTAVE_MAX` s (68 minutes) and more count as the last bucket: no call may take so
/// long.
pub const OCTAVE_MAX: i32 = 12;

/// How many buckets there are.
pub const BUCKETS: usize = ((OCTAVE_MAX - OCTAVE_MIN) as usize) * (BUCKETS_PER_OCTAVE as usize);

/// Counted lengths; empty buckets cost nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Buckets that are not empty, in order.
    buckets: Vec<(u16, u64)>,
    count: u64,
}

/// The bucket of a length in seconds; the first one also for what is no length.
#[must_use]
pub fn bucket(seconds: f64) -> u16 {
    let place = (seconds.log2() - f64::from(OCTAVE_MIN)) * f64::from(BUCKETS_PER_OCTAVE);
    // A cast of a float is bounded, and makes 0 of NaN.
    (place as u16).min(BUCKETS as u16 - 1)
}

/// Where a bucket begins, in seconds; its end is the beginning of the next one.
#[must_use]
pub fn lower_bound(bucket: u16) -> f64 {
    let octaves = f64::from(bucket) / f64::from(BUCKETS_PER_OCTAVE) + f64::from(OCTAVE_MIN);
    octaves.exp2()
}

/// The value told for all in a bucket: equally wrong, as a ratio, about both of its ends.
#[must_use]
pub fn middle(bucket: u16) -> f64 {
    let (low, high) = (lower_bound(bucket), lower_bound(bucket + 1));
    2.0 * low * high / (low + high)
}

// === impl Sketch ===

impl Sketch {
    fn with_capacity(buckets: usize) -> Self {
        Self { buckets: Vec::with_capacity(buckets), count: 0 }
    }

    /// From buckets with their counts, in any order.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u16, u64)>) -> Self {
        let mut sketch = Self::default();
        buckets.into_iter().for_each(|(bucket, count)| sketch.add_many(bucket, count));
        sketch
    }

    /// Counts one length in seconds.
    pub fn add(&mut self, seconds: f64) {
        self.add_many(bucket(seconds), 1);
    }

    /// Counts that many in a bucket.
    pub fn add_many(&mut self, bucket: u16, count: u64) {
        if count == 0 {
            return;
        }
        self.count += count;
        // Whoever counts many comes in order.
        if self.buckets.last().is_none_or(|(last, _)| *last < bucket) {
            self.buckets.push((bucket, count));
            return;
        }
        match self.buckets.binary_search_by_key(&bucket, |(at, _)| *at) {
            Ok(known) => self.buckets[known].1 += count,
            Err(place) => self.buckets.insert(place, (bucket, count)),
        }
    }

    /// Adds another one up.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        let known = self.buckets.len();
        let mut place = 0;
        for &(bucket, count) in &other.buckets {
            place += self.buckets[place..known].iter().take_while(|(at, _)| *at < bucket).count();
            match self.buckets[place..known].first_mut() {
                Some((at, sum)) if *at == bucket => *sum += count,
                Some(_) | None => self.buckets.push((bucket, count)),
            }
        }
        if self.buckets.len() > known {
            // Two runs in order, which a stable sort only has to merge.
            self.buckets.sort_by_key(|(bucket, _)| *bucket);
        }
    }

    /// What was counted since `earlier`, which is an earlier state of the same sketch.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut before = earlier.buckets.iter().peekable();
        let mut since = Self::default();
        for &(bucket, count) in &self.buckets {
            while before.next_if(|(at, _)| *at < bucket).is_some() {}
            let counted = before.next_if(|(at, _)| *at == bucket).map_or(0, |(_, count)| *count);
            since.add_many(bucket, count.saturating_sub(counted));
        }
        since
    }

    /// How many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The buckets that are not empty, in order, each with its count.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (u16, u64)> + '_ {
        self.buckets.iter().copied()
    }

    /// The length in seconds that a share `q` (0 to 1) is no longer than, by nearest rank; `None`
    /// while nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let at_rank = |&&(_, count): &&(u16, u64)| {
            seen += count;
            seen >= rank
        };
        self.buckets.iter().find(at_rank).map(|&(bucket, _)| middle(bucket))
    }

    /// How many were no longer than that, in seconds; those in the bucket of the bound count as
    /// longer, unless the bound is that bucket's end.
    #[must_use]
    pub fn at_most(&self, seconds: f64) -> u64 {
        let end = bucket(seconds);
        self.buckets.iter().take_while(|(at, _)| *at < end).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests;

//! Many recorders added up. Merging their sketches one after the other would look at each bucket of
//! the sum once for each of them.

use super::recorder::{CHUNK, CHUNKS, Recorder};
use super::{BUCKETS, Sketch};

/// The counts of as many recorders as are added; 16 KiB, to be used again.
#[derive(Debug)]
pub struct Sum {
    counts: Box<[u64]>,
    /// A bit for each bucket that was met, so that the others are passed over.
    used: [u64; CHUNKS],
}

// === impl Sum ===

impl Default for Sum {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), used: [0; CHUNKS] }
    }
}

impl Sum {
    /// Adds what a recorder has counted so far.
    pub fn add(&mut self, recorder: &Recorder) {
        for (chunk, counts) in recorder.chunks() {
            for (place, count) in counts.iter() {
                // Of the same look as the count: what was met only after it would be left behind for
                // whoever takes the next sum.
                self.used[chunk] |= 1 << place;
                self.counts[chunk * CHUNK + place] += count;
            }
        }
    }

    /// All that was added, and begins anew.
    pub fn take(&mut self) -> Sketch {
        let buckets = self.used.iter().map(|used| used.count_ones() as usize).sum();
        let mut sketch = Sketch::with_capacity(buckets);
        for (chunk, used) in self.used.iter_mut().enumerate() {
            while *used != 0 {
                let bucket = chunk * CHUNK + used.trailing_zeros() as usize;
                *used &= *used - 1;
                sketch.add_many(bucket as u16, std::mem::take(&mut self.counts[bucket]));
            }
        }
        sketch
    }
}

#[cfg(test)]
mod tests;

//! Names as numbers, of which buckets are found.

use std::hash::{BuildHasher, RandomState};

/// Makes numbers of names, differently in each process, so that nobody can choose names that share a
/// bucket. Each eight bytes take one multiplication whose halves are folded together, as in wyhash
/// (github.com/wangyi-fudan/wyhash, which has passed `SMHasher`): each call asks for several.
#[derive(Debug)]
pub(super) struct Names {
    start: u64,
    /// Odd, so that no bit of it is lost.
    factor: u64,
}

/// Bytes that are taken in at once.
const WORD_BYTES: usize = 8;

// === impl Names ===

impl Names {
    pub(super) fn new() -> Self {
        let secret = RandomState::new();
        Self { start: secret.hash_one(0), factor: secret.hash_one(1) | 1 }
    }

    /// The number of something that has these names, one inside the other. Each length counts, too,
    /// so that none goes on where another one ends.
    pub(super) fn number<const NAMES: usize>(&self, names: [&str; NAMES]) -> u64 {
        names.iter().fold(self.start, |number, name| self.with(number, name.as_bytes()))
    }

    fn with(&self, number: u64, name: &[u8]) -> u64 {
        let (words, rest) = name.as_chunks::<WORD_BYTES>();
        let number = self.folded(number, name.len() as u64);
        let number = words
            .iter()
            .fold(number, |number, word| self.folded(number, u64::from_le_bytes(*word)));
        let last = rest.iter().fold(0, |last, &byte| last << 8 | u64::from(byte));
        self.folded(number, last)
    }

    fn folded(&self, number: u64, word: u64) -> u64 {
        let (low, high) = (number ^ word).carrying_mul(self.factor, 0);
        low ^ high
    }
}

#[cfg(test)]
mod tests;

//! Buckets by number, at most so many. One that has all its tokens is the same as none, so that it
//! can be forgotten without a loss.

use std::array;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::bucket::Bucket;
use crate::question::Hashed;

/// Parts with a lock each, that is only written when a bucket is new. A power of two.
const SHARDS: usize = 16;

/// The bits of a number that say in which part it is: none of those by which a map finds it.
const SHARD_BITS_FROM: u32 = 32;

/// The part of a full shard that is forgotten where all of its buckets lack tokens: an eighth at
/// once, so that a flood of names does not sort a shard for each of them.
const FORGOTTEN_SHARE: usize = 8;

/// All of them.
#[derive(Debug)]
pub(super) struct Buckets {
    shards: [Shard; SHARDS],
    shard_max: usize,
}

type Shard = RwLock<ByNumber>;

/// The numbers are hashes already.
type ByNumber = HashMap<u64, Bucket, BuildHasherDefault<Hashed>>;

// === impl Buckets ===

impl Buckets {
    /// At most so many.
    pub(super) fn new(max: usize) -> Self {
        Self { shards: array::from_fn(|_| Shard::default()), shard_max: (max / SHARDS).max(1) }
    }

    /// Does something with the bucket of that number, which is full where it is new.
    pub(super) fn with<T>(&self, key: u64, now: u64, act: impl FnOnce(&Bucket) -> T) -> T {
        let index = (key >> SHARD_BITS_FROM) % SHARDS as u64;
        let shard = &self.shards[usize::try_from(index).unwrap_or_default()];
        if let Some(bucket) = read(shard).get(&key) {
            return act(bucket);
        }
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= self.shard_max && !shard.contains_key(&key) {
            self.make_room(&mut shard, now);
        }
        act(shard.entry(key).or_default())
    }

    /// Forgets those that are full; where that is not enough, those that lack least.
    fn make_room(&self, shard: &mut ByNumber, now: u64) {
        shard.retain(|_, bucket| !bucket.is_full(now));
        if shard.len() < self.shard_max {
            return;
        }
        let mut moments: Vec<u64> = shard.values().map(Bucket::full_at).collect();
        let (_, last, _) = moments.select_nth_unstable(self.shard_max / FORGOTTEN_SHARE);
        let last = *last;
        shard.retain(|_, bucket| bucket.full_at() > last);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }
}

fn read(shard: &Shard) -> RwLockReadGuard<'_, ByNumber> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

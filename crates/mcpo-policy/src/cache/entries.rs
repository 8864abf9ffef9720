//! The map of the answers that are kept, bounded in number and in bytes.
//!
//! Where there is no room, an answer goes that was not asked for lately. One that was asked for again
//! is preferred to those that were not, so that many calls that are made once do not drive out what
//! is asked for all the time; whoever comes back soon after it went is believed at once.

use std::sync::{Arc, Mutex, PoisonError};

use mcpo_config::CacheBounds;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::store::Kept;
use crate::question::{ByQuestion, Question};

/// What an entry takes beside its texts: its share of the maps and the lists, and its allocations,
/// rounded up.
pub(super) const ENTRY_BYTES: usize = 512;

/// The map is kept in so many parts with a lock each. Each part has its share of the bounds: more of
/// them, and the largest answer that is kept, an eighth of all bytes, would not have room in one.
const PARTS: usize = 4;

/// Fewer entries are kept in one part: what chance makes of their distribution would matter.
const ENTRIES_IN_PARTS_MIN: usize = 1000;

/// Of the answers that went, the hashes of half as many as there is room for are remembered. So that
/// their memory is nothing beside that of the answers, these are taken to be no smaller than that.
const REMEMBERED_BYTES: usize = 4096;

/// Answers of so many questions may be put at once.
const PUTTING_AT_ONCE: usize = 16;

/// The answers that are kept, by question.
#[derive(Debug)]
pub(super) struct Entries {
    kept: Cache<Question, Arc<Kept>, Part, ByQuestion, Leaving>,
    /// Whoever puts an answer in the place of another one has looked at that, and nobody came between.
    putting: [Mutex<()>; PUTTING_AT_ONCE],
}

/// One bound for both number and bytes: an entry weighs its part of all bytes, and never less than
/// its part of all entries. Without a fraction, as both are counted in parts of their product.
#[derive(Debug, Clone, Copy)]
struct Part {
    entries_max: u64,
    bytes_max: u64,
}

/// Collects what has to go, so that it is told and dropped without the lock.
#[derive(Debug, Clone, Copy)]
struct Leaving;

/// What has to go. Mostly that is one for each that comes, which costs no allocation.
#[derive(Debug, Default)]
struct Gone {
    first: Option<(Question, Arc<Kept>)>,
    more: Vec<(Question, Arc<Kept>)>,
}

// === impl Entries ===

impl Entries {
    pub(super) fn new(bounds: CacheBounds) -> Self {
        let part = Part::of(bounds);
        let (entries_max, bytes_max) = (bounds.entries_max.get(), bounds.bytes_max.get());
        let mut options = OptionsBuilder::new();
        options
            .shards(if entries_max < ENTRIES_IN_PARTS_MIN { 1 } else { PARTS })
            .estimated_items_capacity(entries_max.min(bytes_max / REMEMBERED_BYTES))
            .weight_capacity(part.entries_max.saturating_mul(part.bytes_max));
        if part.entries_max == 1 {
            // Else a part would be left for those that nobody has asked for again yet.
            options.hot_allocation(1.0);
        }
        let options = options.build().expect("both bounds are set");
        let kept = Cache::with_options(options, part, ByQuestion::default(), Leaving);
        Self { kept, putting: Default::default() }
    }

    pub(super) fn get(&self, question: &Question) -> Option<Arc<Kept>> {
        self.kept.get(question)
    }

    /// Keeps an answer, unless there is one that was asked for later: it came sooner. Whether it is
    /// kept.
    pub(super) fn put(&self, question: &Question, kept: &Arc<Kept>) -> bool {
        let place = question.hash() % PUTTING_AT_ONCE as u64;
        let alone = self.putting[place as usize].lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = self.kept.peek(question);
        if earlier.as_ref().is_some_and(|earlier| earlier.asked_at > kept.asked_at) {
            return false;
        }
        // Before it can go again, which takes it out of the numbers.
        kept.comes();
        let mut gone = Gone::default();
        self.kept.insert_with_lifecycle(question.clone(), Arc::clone(kept), &mut gone);
        drop(alone);
        let is_earlier =
            |one: &Arc<Kept>| earlier.as_ref().is_some_and(|earlier| Arc::ptr_eq(earlier, one));
        let mut is_kept = true;
        for (_, one) in gone.first.into_iter().chain(gone.more) {
            if is_earlier(&one) {
                one.goes();
            } else {
                one.makes_room(kept.at);
            }
            is_kept &= !Arc::ptr_eq(&one, kept);
        }
        is_kept
    }

    /// Takes that answer out, unless it is gone or another one is in its place. Whether it was
    /// there: of several who take it at once, one hears so.
    pub(super) fn take(&self, question: &Question, kept: &Arc<Kept>) -> bool {
        let is_it = |found: &Arc<Kept>| Arc::ptr_eq(found, kept);
        let is_taken = self.kept.remove_if(question, is_it).is_some();
        if is_taken {
            kept.goes();
        }
        is_taken
    }

    /// Those that stay meanwhile, and perhaps some that come or go. The lock is held for one entry at
    /// a time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Question, Arc<Kept>)> {
        self.kept.iter()
    }

    /// What all of them weigh, and may weigh at most.
    #[cfg(test)]
    pub(super) fn fullness(&self) -> (u64, u64) {
        (self.kept.weight(), self.kept.capacity())
    }
}

// === impl Part ===

impl Part {
    fn of(bounds: CacheBounds) -> Self {
        let bytes_max = bounds.bytes_max.get();
        // More have no room by their bytes; so the product is far from what fits.
        let entries_max = bounds.entries_max.get().min((bytes_max / ENTRY_BYTES).max(1));
        Self { entries_max: entries_max as u64, bytes_max: bytes_max as u64 }
    }
}

impl Weighter<Question, Arc<Kept>> for Part {
    fn weight(&self, _question: &Question, kept: &Arc<Kept>) -> u64 {
        kept.bytes.saturating_mul(self.entries_max).max(self.bytes_max)
    }
}

// === impl Leaving ===

impl Lifecycle<Question, Arc<Kept>> for Leaving {
    type RequestState = Gone;

    fn on_evict(&self, gone: &mut Gone, question: Question, kept: Arc<Kept>) {
        match &mut gone.first {
            None => gone.first = Some((question, kept)),
            Some(_) => gone.more.push((question, kept)),
        }
    }
}

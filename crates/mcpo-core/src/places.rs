//! Where things stand in a list, by name. The list alone has the names: to find one meets fewer
//! lines of memory than in a map that has them a second time, which matters where there are
//! thousands and each line is one that no core has at hand.

use ahash::RandomState;
use hashbrown::HashTable;

/// Places in a list of things that have names, all different ones.
#[derive(Debug, Clone, Default)]
pub struct Places {
    places: HashTable<u32>,
    /// Upstreams choose the names, and must not be able to choose where they are put.
    seed: RandomState,
}

// === impl Places ===

impl Places {
    /// None yet, with room for so many.
    #[must_use]
    pub fn with_capacity(places: usize) -> Self {
        Self { places: HashTable::with_capacity(places), seed: RandomState::new() }
    }

    /// Where the one of that name stands, given the name of each.
    pub fn find<'a>(&self, name: &str, name_at: impl Fn(usize) -> &'a str) -> Option<usize> {
        let is_it = |place: &u32| name_at(*place as usize) == name;
        self.places.find(self.seed.hash_one(name), is_it).map(|place| *place as usize)
    }

    /// One more place, whose name stands at none yet.
    ///
    /// # Panics
    /// The list has 2^32 of them.
    pub fn add<'a>(&mut self, place: usize, name_at: impl Fn(usize) -> &'a str) {
        let hash = |place: &u32| self.seed.hash_one(name_at(*place as usize));
        let place = u32::try_from(place).expect("no list of names is that long");
        self.places.insert_unique(hash(&place), place, hash);
    }
}

#[cfg(test)]
mod tests;

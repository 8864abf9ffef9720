//! The tools of one upstream that are counted on their own, found by name. A tool stays where it was
//! put, so that who looks one up takes no lock, counts no reference, and meets few lines of memory:
//! with thousands of tools each line is one that no core has at hand.

use std::array;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use ahash::RandomState;

use super::TOOLS_MAX;
use super::tool::Tool;

/// Most upstreams have no more tools than find room here, beside all else that a call counts.
const FEW_SLOTS: usize = 16;
/// Next come so many.
const SOME_SLOTS: usize = 256;
/// In the end all have room, in twice as many slots, so that ways to them stay short.
const MANY_SLOTS: usize = 2 * TOOLS_MAX;
/// But for the last ones, a tool is among so many slots from its first one, or in a later row.
const WAY_SLOTS_MAX: usize = 8;
/// Where a slot is found by a mask.
const _: () = assert!(FEW_SLOTS.is_power_of_two() && SOME_SLOTS.is_power_of_two());
const _: () = assert!(MANY_SLOTS.is_power_of_two());

/// Tools by name. None is ever taken out.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Upstreams choose the names, and must not be able to choose where they are put.
    seed: RandomState,
    len: AtomicUsize,
    few: [Slot; FEW_SLOTS],
    some: OnceLock<Box<[Slot]>>,
    many: OnceLock<Box<[Slot]>>,
    /// One is added after another.
    adding: Mutex<()>,
}

type Slot = OnceLock<Shelved>;

/// A tool in its slot. The hash stands beside it, so that other tools on the way are not looked at.
#[derive(Debug)]
struct Shelved {
    hash: u64,
    tool: Box<Tool>,
}

// === impl Shelf ===

impl Default for Shelf {
    fn default() -> Self {
        Self {
            seed: RandomState::new(),
            len: AtomicUsize::new(0),
            few: array::from_fn(|_| OnceLock::new()),
            some: OnceLock::new(),
            many: OnceLock::new(),
            adding: Mutex::new(()),
        }
    }
}

impl Shelf {
    /// How many tools there are.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// All tools, in no order.
    pub(super) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.rows().flatten().filter_map(OnceLock::get).map(|shelved| &*shelved.tool)
    }

    /// The tool of that name. Never waits.
    pub(super) fn find(&self, name: &str) -> Option<&Tool> {
        let hash = self.hash(name);
        for slot in self.rows().flat_map(|row| way(row, hash)) {
            // Slots of a way are filled in its order.
            let shelved = slot.get()?;
            if shelved.hash == hash && shelved.tool.name() == name {
                return Some(&shelved.tool);
            }
        }
        None
    }

    /// The tool of that name, which is added if there is none and it may be; that is asked once.
    pub(super) fn find_or_add(&self, name: &str, may: impl FnOnce() -> bool) -> Option<&Tool> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been the first.
        if let Some(known) = self.find(name) {
            return Some(known);
        }
        if self.len() >= TOOLS_MAX || !may() {
            return None;
        }
        let hash = self.hash(name);
        let slot = self.free(hash);
        self.len.fetch_add(1, Ordering::Relaxed);
        Some(&slot.get_or_init(|| Shelved { hash, tool: Box::new(Tool::new(name)) }).tool)
    }

    /// The first free slot on the way of a tool.
    fn free(&self, hash: u64) -> &Slot {
        let free = |row| way(row, hash).find(|slot| slot.get().is_none());
        free(&self.few)
            .or_else(|| free(self.some.get_or_init(|| row(SOME_SLOTS))))
            .or_else(|| free(self.many.get_or_init(|| row(MANY_SLOTS))))
            .expect("there are more slots than tools, and the last way leads past all of them")
    }

    fn rows(&self) -> impl Iterator<Item = &[Slot]> {
        let more = [&self.some, &self.many];
        [&self.few[..]]
            .into_iter()
            .chain(more.into_iter().filter_map(|row| row.get().map(|row| &**row)))
    }

    fn hash(&self, name: &str) -> u64 {
        self.seed.hash_one(name)
    }
}

fn row(slots: usize) -> Box<[Slot]> {
    (0..slots).map(|_| OnceLock::new()).collect()
}

/// The slots of a row in which a tool may be, in the order in which they are filled.
fn way(row: &[Slot], hash: u64) -> impl Iterator<Item = &Slot> {
    let steps = if row.len() == MANY_SLOTS { MANY_SLOTS } else { WAY_SLOTS_MAX };
    let mask = row.len() - 1;
    // A cast takes the lower bits, which is all that the mask leaves.
    let first = hash as usize & mask;
    (0..steps).map(move |step| &row[(first + step) & mask])
}

#[cfg(test)]
mod tests;

//! The calls of one tool in the last hour: what is older is kept in longer slots.

use super::delta::{self, Delta};
use super::grain::Slot;
use crate::picture::WindowPicture;

/// Deltas with the slots that they belong to, the oldest first, one behind the other in one piece of
/// memory: at most one for each slot of the three grains.
#[derive(Debug, Default)]
pub(super) struct Slots {
    packed: Vec<u8>,
}

// === impl Slots ===

impl Slots {
    pub(super) const fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Adds what happened in that slot, which is no older than any that is there.
    pub(super) fn push(&mut self, slot: Slot, delta: &Delta) {
        write(&mut self.packed, slot, delta);
    }

    /// Joins what is to be joined, and drops what is too old, now that this slot is under way.
    pub(super) fn age(&mut self, now: Slot) {
        if self.iter_slots().all(|slot| now.keeps(slot) == Some(slot)) {
            return;
        }
        let mut packed = Vec::with_capacity(self.packed.len());
        let mut joined: Option<(Slot, Delta)> = None;
        for (slot, delta) in self.iter() {
            let Some(slot) = now.keeps(slot) else { continue };
            match &mut joined {
                Some((last, sum)) if *last == slot => sum.merge(&delta),
                Some((last, sum)) => {
                    write(&mut packed, *last, sum);
                    joined = Some((slot, delta));
                }
                None => joined = Some((slot, delta)),
            }
        }
        if let Some((slot, delta)) = joined {
            write(&mut packed, slot, &delta);
        }
        packed.shrink_to_fit();
        self.packed = packed;
    }

    /// Adds to each window what is in it, now that this slot is under way.
    pub(super) fn show(&self, now: Slot, windows: &mut [WindowPicture; 3]) {
        let since = now.windows();
        for (slot, delta) in self.iter() {
            let shown = windows.iter_mut().zip(since).filter(|(_, since)| slot >= *since);
            shown.for_each(|(window, _)| delta.show(window));
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.packed.capacity()
    }

    fn iter(&self) -> impl Iterator<Item = (Slot, Delta)> {
        let mut left = self.packed.as_slice();
        std::iter::from_fn(move || {
            let (slot, length) = head(&mut left)?;
            let (mut packed, rest) = left.split_at(length);
            left = rest;
            Some((slot, Delta::unpack(&mut packed)))
        })
    }

    fn iter_slots(&self) -> impl Iterator<Item = Slot> {
        let mut left = self.packed.as_slice();
        std::iter::from_fn(move || {
            let (slot, length) = head(&mut left)?;
            left = left.split_at(length).1;
            Some(slot)
        })
    }
}

fn head(left: &mut &[u8]) -> Option<(Slot, usize)> {
    if left.is_empty() {
        return None;
    }
    let slot = Slot(delta::take(left));
    let length = delta::take(left) as usize;
    Some((slot, length.min(left.len())))
}

fn write(out: &mut Vec<u8>, slot: Slot, delta: &Delta) {
    let mut packed = Vec::new();
    delta.pack(&mut packed);
    delta::put(out, slot.0);
    delta::put(out, packed.len() as u64);
    out.extend(packed);
}

//! How many each identity has, where that is bounded. Nothing is kept of one that has none.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcpo_core::identity::Identity;

/// Counts by identity.
#[derive(Debug, Default)]
pub struct Headcount {
    heads: Mutex<HashMap<Identity, usize>>,
}

/// One that is counted, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct Counted<'h> {
    count: &'h Headcount,
    identity: Identity,
}

// === impl Headcount ===

impl Headcount {
    /// Counts one more of that identity; `None` where it has as many as that already.
    pub fn enter(&self, identity: &Identity, max: usize) -> Option<Counted<'_>> {
        let mut heads = self.heads();
        match heads.get_mut(identity) {
            Some(count) if *count >= max => return None,
            Some(count) => *count += 1,
            None if max == 0 => return None,
            None => drop(heads.insert(identity.clone(), 1)),
        }
        Some(Counted { count: self, identity: identity.clone() })
    }

    /// How many identities have any.
    #[must_use]
    pub fn identities(&self) -> usize {
        self.heads().len()
    }

    fn heads(&self) -> MutexGuard<'_, HashMap<Identity, usize>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Counted ===

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut heads = self.count.heads();
        match heads.get_mut(&self.identity) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(heads.remove(&self.identity)),
        }
    }
}

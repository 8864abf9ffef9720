//! What one upstream's calls shared with each other: answers that were kept, and calls in flight.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts what the calls of one upstream shared. All but `entries` and `bytes` only grow. Whoever
/// keeps answers writes it; it stays when the upstream is replaced.
#[derive(Debug, Default)]
pub struct Sharing {
    /// Calls that were answered with one that was kept and within its ttl.
    pub hits: AtomicU64,
    /// Calls whose answer might have been kept, and was not.
    pub misses: AtomicU64,
    /// Calls that were answered with one past its ttl.
    pub stale: AtomicU64,
    /// Calls that wanted none that is kept.
    pub bypassed: AtomicU64,
    /// Calls that shared the answer of an equal call in flight.
    pub coalesced: AtomicU64,
    /// Answers that went since there was no room.
    pub evictions: AtomicU64,
    /// Answers that went since their time was over.
    pub expirations: AtomicU64,
    /// Answers that were forgotten by an operator's order.
    pub purged: AtomicU64,
    /// Answers that were fetched anew before they were asked for.
    pub refreshes: AtomicU64,
    /// Answers that are kept now.
    pub entries: AtomicU64,
    /// Bytes that they take.
    pub bytes: AtomicU64,
    /// The upstream itself said of an answer for how long it may be kept.
    pub has_told: AtomicBool,
    is_shared: AtomicBool,
    writes: AtomicU64,
}

/// A call that may change something, until it is dropped.
#[derive(Debug)]
pub struct Writing<'a>(&'a Sharing);

// === impl Sharing ===

impl Sharing {
    /// From now on its calls share something. Whether that is new.
    pub fn begin(&self) -> bool {
        !self.is_shared.load(Ordering::SeqCst) && !self.is_shared.swap(true, Ordering::SeqCst)
    }

    /// A call begins that may change something.
    #[must_use]
    pub fn write(&self) -> Writing<'_> {
        self.count_write();
        Writing(self)
    }

    /// Another number whenever a call that may change something has begun or ended: what was asked
    /// under one number may be answered to whoever asks under the same one. Only after
    /// [`begin`](Self::begin).
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Nobody looks at the number where nothing is shared, and calls on other cores need not write
    /// the same cache line for it. In one order with `begin`: a write that ends without being
    /// counted has ended before the first call that might be shared began.
    fn count_write(&self) {
        if self.is_shared.load(Ordering::SeqCst) {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.count_write();
    }
}

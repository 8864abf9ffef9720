//! The last failure of each upstream, read from the journal as it grows.

use std::collections::BTreeMap;
use std::time::SystemTime;

use mcpo_core::event::Event;
use mcpo_core::fault::FaultKind;
use mcpo_upstream::journal::{ENTRIES_MAX, Entry, Journal};

/// What of the journal outlives its entries.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Entries up to this one were read.
    seq: u64,
    last_errors: BTreeMap<String, (SystemTime, FaultKind)>,
}

// === impl Recent ===

impl Recent {
    /// Reads what came since it was called last.
    pub(crate) fn follow(&mut self, journal: &Journal) {
        // Each entry is copied once in its life, however often this is called.
        for entry in journal.entries(self.seq, None, ENTRIES_MAX) {
            self.seq = entry.seq;
            self.read(&entry);
        }
    }

    /// The last failure of an upstream.
    pub(crate) fn last_error(&self, upstream: &str) -> Option<(SystemTime, FaultKind)> {
        self.last_errors.get(upstream).copied()
    }

    /// Forgets those that are not configured any more.
    pub(crate) fn retain(&mut self, is_known: impl Fn(&str) -> bool) {
        self.last_errors.retain(|name, _| is_known(name));
    }

    fn read(&mut self, entry: &Entry) {
        let Some(upstream) = entry.event.upstream() else { return };
        let Some(fault) = entry.event.fault().filter(|_| is_failure(&entry.event)) else { return };
        self.last_errors.insert(upstream.to_owned(), (entry.at, fault.kind));
    }
}

/// Whether the event's fault happened now: of one that recovered, or is held, it happened before.
const fn is_failure(event: &Event) -> bool {
    !matches!(event, Event::Recovered { .. } | Event::Held { .. } | Event::BreakerOpened { .. })
}

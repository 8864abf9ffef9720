//! What was turned away, told for many at once: a flood makes neither a log line nor an entry of the
//! journal for each call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpo_core::event::Event;
use mcpo_core::load::ShedReason;
use mcpo_upstream::journal::Journal;
use mcpo_upstream::meter::Meter;
use tokio::time::Instant;

/// The same reason of the same upstream is told this often at most: the first time at once.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// So many tallies may wait for whoever tells them; beyond, those that are told already are looked
/// for and forgotten. There are no more than six for each upstream.
const TALLIES_UNSWEPT_MAX: usize = 256;

/// Counts what was turned away until it is told.
#[derive(Debug)]
pub(crate) struct Sheds {
    journal: Arc<Journal>,
    tallies: Mutex<HashMap<(Whose, ShedReason), Tally>>,
}

/// Whose room it was that was missing: the process', or that of the upstream of that meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Process,
    Upstream(usize),
}

#[derive(Debug)]
struct Tally {
    /// `None` of the process itself. Held, so that its address stays its own.
    meter: Option<Arc<Meter>>,
    /// Since it was told last.
    count: u64,
    /// When the first of them was.
    since: Instant,
    told_at: Option<Instant>,
}

// === impl Sheds ===

impl Sheds {
    pub(crate) fn new(journal: &Arc<Journal>) -> Self {
        Self { journal: Arc::clone(journal), tallies: Mutex::default() }
    }

    /// One call to that upstream was turned away. The first one is told now, the others by whoever
    /// comes when it is time.
    pub(crate) fn note(&self, meter: &Arc<Meter>, reason: ShedReason, now: Instant) {
        let meter = if is_of_process(reason) { None } else { Some(meter) };
        let whose =
            meter.map_or(Whose::Process, |meter| Whose::Upstream(Arc::as_ptr(meter).addr()));
        let event = {
            let mut tallies = self.tallies();
            if tallies.len() >= TALLIES_UNSWEPT_MAX {
                tallies.retain(|_, tally| !tally.is_over(now));
            }
            let tally = tallies.entry((whose, reason)).or_insert_with(|| Tally::new(meter, now));
            tally.add(now);
            tally.due(reason, now)
        };
        if let Some(event) = event {
            self.journal.record(&event);
        }
    }

    /// Tells what is due, and forgets what is over.
    pub(crate) fn tell_due(&self, now: Instant) {
        let mut events = Vec::new();
        {
            let mut tallies = self.tallies();
            tallies.retain(|(_, reason), tally| {
                events.extend(tally.due(*reason, now));
                !tally.is_over(now)
            });
        }
        events.iter().for_each(|event| self.journal.record(event));
    }

    fn tallies(&self) -> MutexGuard<'_, HashMap<(Whose, ShedReason), Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_of_process(reason: ShedReason) -> bool {
    match reason {
        ShedReason::ProcessFull | ShedReason::ProcessSlow => true,
        ShedReason::ServerFull
        | ShedReason::TooLate
        | ShedReason::IdentityFull
        | ShedReason::RateLimited => false,
    }
}

// === impl Tally ===

impl Tally {
    fn new(meter: Option<&Arc<Meter>>, now: Instant) -> Self {
        Self { meter: meter.map(Arc::clone), count: 0, since: now, told_at: None }
    }

    const fn add(&mut self, now: Instant) {
        if self.count == 0 {
            self.since = now;
        }
        self.count += 1;
    }

    fn due(&mut self, reason: ShedReason, now: Instant) -> Option<Event> {
        if self.count == 0 || !self.may_be_told(now) {
            return None;
        }
        self.told_at = Some(now);
        let upstream = self.meter.as_ref().map(|meter| meter.upstream().to_owned());
        let over = now.saturating_duration_since(self.since);
        Some(Event::CallsShed { upstream, reason, count: std::mem::take(&mut self.count), over })
    }

    fn is_over(&self, now: Instant) -> bool {
        self.count == 0 && self.may_be_told(now)
    }

    fn may_be_told(&self, now: Instant) -> bool {
        self.told_at.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY)
    }
}

#[cfg(test)]
mod tests;

//! What is kept: where the history is, the events of the journal in it, and what is learnt from it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mcpo_core::event::Level;
use mcpo_upstream::journal::Entry;

use crate::history::{self, HistoryError, KeptEvent, Metric, Past, Place, Store};
use crate::picture::Tally;
use crate::score::{Baselines, USUAL_HOURS};

/// Burn rates look back so far.
const BURN_SPAN: Duration = Duration::from_secs(6 * 3600);

/// What a new process knows of the time before it.
#[derive(Debug, Default)]
pub(super) struct Memories {
    pub(super) usual: Baselines,
    /// By upstream, oldest first: how long ago, and what became of the calls.
    pub(super) calls: HashMap<String, Vec<(Duration, Tally)>>,
}

/// Opens the history, and logs what is wrong with it. Waits for the disk.
pub(super) fn open(directory: Option<PathBuf>) -> Store {
    let (store, warnings) = Store::open(directory.map_or(Place::Memory, Place::Directory));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    store
}

/// What is kept of an entry; `None` of what only matters while one looks.
pub(super) fn kept(entry: &Entry) -> Option<KeptEvent> {
    let level = match entry.event.level() {
        Level::Debug => return None,
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let since = entry.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(KeptEvent {
        at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        name: entry.event.name().to_owned(),
        level: level.to_owned(),
        server: entry.event.upstream().map(str::to_owned),
        sentence: entry.event.sentence(),
        code: entry.event.fault().map(|fault| fault.kind.name().to_owned()),
    })
}

/// What the history knows of the last day. Waits for the disk.
///
/// # Errors
/// It cannot be read.
pub(super) fn remember(store: &Store, now: SystemTime) -> Result<Memories, HistoryError> {
    let mut memories = Memories::default();
    let day = Duration::from_secs(USUAL_HOURS * 3600);
    let since = now.checked_sub(day).unwrap_or(SystemTime::UNIX_EPOCH);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    history::past(store, since, |past| memories.take(&past, now))?;
    Ok(memories)
}

// === impl Memories ===

impl Memories {
    fn take(&mut self, past: &Past<'_>, now: Duration) {
        let Some(server) = past.server else { return };
        let value = |metric: Metric| f64::from(past.row[metric.index()]);
        self.usual.learn(server, past.at, value(Metric::P50));
        let ago = now.saturating_sub(Duration::from_secs(past.at));
        let calls = value(Metric::Rate) * f64::from(past.covered_seconds);
        let bad = (calls * value(Metric::ErrorRate)).round();
        // Also where there is no value: that is no number.
        if ago > BURN_SPAN || !bad.is_finite() {
            return;
        }
        let tally = Tally { good: (calls.round() - bad) as u64, bad: bad as u64 };
        if let Some(known) = self.calls.get_mut(server) {
            known.push((ago, tally));
        } else {
            self.calls.insert(server.to_owned(), vec![(ago, tally)]);
        }
    }
}

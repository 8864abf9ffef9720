//! The last day of the history, for somebody who is asked for help.

use std::collections::BTreeMap;

use serde::Serialize;

use super::failure::Failure;
use super::fold::Fold;
use super::frame::{self, WHOLE};
use super::store::widened;
use super::{KeptEvent, Metric, Row, Store};

/// So many seconds are exported, up to the last sample.
const EXPORT_SECONDS: u64 = 24 * 3600;
/// From point to point: a day has 288.
const EXPORT_STEP_SECONDS: u64 = 300;
/// Upstreams that are exported: those that come first by name.
const EXPORT_SERVERS_MAX: usize = 100;
/// The newest events that are exported.
const EXPORT_EVENTS_MAX: usize = 500;

/// The last day, in steps. Holds names, numbers and fixed words only.
#[derive(Debug, Serialize)]
pub struct Export {
    /// What the values of a point are, in this order.
    pub metrics: Vec<&'static str>,
    /// Seconds from point to point.
    pub step_seconds: u64,
    /// All upstreams together, see [`Point`].
    pub whole: Vec<Point>,
    /// Each upstream, by name.
    pub servers: BTreeMap<String, Vec<Point>>,
    /// Whether these are all; of more than a bound, those that come first by name are.
    pub are_all_servers: bool,
    /// The last events, oldest first.
    pub events: Vec<KeptEvent>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// When, in seconds since the Unix epoch, and the value of each metric, if there is one.
pub type Point = (u64, Vec<Option<f64>>);

/// The last 24 hours of all upstreams together and of each, and the last events, within bounds of
/// its own. What cannot be read is left out, which it says. Waits for the disk.
#[must_use]
pub fn export(store: &Store) -> Export {
    let mut export = Export {
        metrics: Metric::ALL.map(Metric::name).to_vec(),
        step_seconds: EXPORT_STEP_SECONDS,
        whole: Vec::new(),
        servers: BTreeMap::new(),
        are_all_servers: true,
        events: Vec::new(),
        problem: None,
    };
    if let Err(failure) = fill(&mut export, store) {
        export.problem = Some(failure.to_string());
    }
    export
}

fn fill(export: &mut Export, store: &Store) -> Result<(), Failure> {
    let base = store.base();
    export.events = base.events(0..u64::MAX, EXPORT_EVENTS_MAX, |_| true)?;
    let Some(span) = base.span()? else { return Ok(()) };
    let mut names = Names::default();
    let times = span.last.saturating_sub(EXPORT_SECONDS)..span.last.saturating_add(1);
    base.scan(times, |at, covered, bytes| {
        for (name, row) in frame::rows(bytes) {
            names.add(name, at - at % EXPORT_STEP_SECONDS, covered, &row);
        }
    })?;
    export.are_all_servers = !names.is_cut;
    for (name, steps) in names.of {
        let points = steps.iter().map(|(at, fold)| point(*at, fold)).collect();
        if name == WHOLE {
            export.whole = points;
        } else {
            export.servers.insert(name, points);
        }
    }
    Ok(())
}

/// What is known of each name, by the start of its step.
#[derive(Default)]
struct Names {
    of: BTreeMap<String, BTreeMap<u64, Fold>>,
    is_cut: bool,
}

impl Names {
    fn add(&mut self, name: &str, step: u64, covered_seconds: u32, row: &Row) {
        if !self.of.contains_key(name) {
            self.of.insert(name.to_owned(), BTreeMap::new());
            // The whole has the least name: it is never the one that goes.
            if self.of.len() > EXPORT_SERVERS_MAX + 1 {
                self.of.pop_last();
                self.is_cut = true;
            }
        }
        if let Some(steps) = self.of.get_mut(name) {
            steps.entry(step).or_default().add(covered_seconds.into(), row);
        }
    }
}

fn point(at: u64, fold: &Fold) -> Point {
    (at, Metric::ALL.map(|metric| fold.value(metric).map(widened)).to_vec())
}

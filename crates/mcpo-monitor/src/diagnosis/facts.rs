//! What a diagnosis is made from.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use mcpo_config::Server;
use mcpo_upstream::journal::Entry;

use super::case::{Case, Known};
use super::check::Chain;
use crate::history::Metric;
use crate::picture::Picture;
use crate::resources::MachineSample;
use crate::trend::Trend;

/// All that is known when a diagnosis is made.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it is made.
    pub at: SystemTime,
    /// What is configured.
    pub servers: Arc<Vec<Server>>,
    /// What runs; `None` where nothing does, as for `mcpo doctor`.
    pub picture: Option<Arc<Picture>>,
    /// The machine, where nothing runs that knows it.
    pub machine: Option<MachineSample>,
    /// The directory that the history would be kept in and cannot be, where nothing runs.
    pub unwritable: Option<PathBuf>,
    /// What the journal holds, the oldest first.
    pub entries: Vec<Entry>,
    /// Where things go.
    pub trends: Vec<TrendFact>,
    /// What was seen of upstreams that were looked at, by name.
    pub chains: BTreeMap<String, Chain>,
    /// What share of the calls must come to an answer.
    pub slo_objective: f64,
    /// How the cache does; `None` where there is none.
    pub cache: Option<CacheFacts>,
}

/// Where one thing goes.
#[derive(Debug, Clone)]
pub struct TrendFact {
    /// Of which upstream; `None` for all together.
    pub server: Option<String>,
    /// What.
    pub metric: Metric,
    /// Where it goes.
    pub trend: Trend,
}

/// How a cache did in the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheFacts {
    /// Calls whose answers could have been kept.
    pub asked: u64,
    /// Those that were answered from it.
    pub hits: u64,
}

// === impl Facts ===

impl Facts {
    /// Nothing but what is configured.
    #[must_use]
    pub fn new(at: SystemTime, servers: Arc<Vec<Server>>) -> Self {
        Self {
            at,
            servers,
            picture: None,
            machine: None,
            unwritable: None,
            entries: Vec::new(),
            trends: Vec::new(),
            chains: BTreeMap::new(),
            slo_objective: mcpo_config::Monitoring::SLO_OBJECTIVE,
            cache: None,
        }
    }

    /// The machine, as far as it is known.
    pub(super) fn machine(&self) -> Option<MachineSample> {
        self.picture.as_ref().map_or(self.machine, |picture| picture.machine)
    }

    /// What is known of each upstream, in the order of the configuration.
    pub(super) fn cases(&self) -> Vec<Case<'_>> {
        let mut entries: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for entry in &self.entries {
            if let Some(name) = entry.event.upstream() {
                entries.entry(name).or_default().push(entry);
            }
        }
        let configured: HashMap<&str, &Server> =
            self.servers.iter().map(|server| (server.name.as_str(), server)).collect();
        let mut case = |name, seen| {
            let entries = entries.remove(name).unwrap_or_default();
            Case::new(self, name, Known { config: configured.get(name).copied(), seen, entries })
        };
        match &self.picture {
            Some(picture) => {
                picture.servers.iter().map(|server| case(&server.name, Some(server))).collect()
            }
            None => self.servers.iter().map(|server| case(server.name.as_str(), None)).collect(),
        }
    }
}

//! What a diagnosis is made from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use mcpo_config::Server;
use mcpo_upstream::journal::Entry;

use super::check::Chain;
use crate::history::Metric;
use crate::picture::Picture;
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
            entries: Vec::new(),
            trends: Vec::new(),
            chains: BTreeMap::new(),
            slo_objective: mcpo_config::Monitoring::SLO_OBJECTIVE,
            cache: None,
        }
    }
}

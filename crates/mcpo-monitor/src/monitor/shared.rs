//! What diagnoses share: whoever asks again at once is told what was seen just now, so that no
//! number of askers makes more work, here or at the upstreams.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpo_config::Server;
use tokio::time::Instant;

use crate::diagnosis::TrendFact;
use crate::diagnosis::check::{self, Chain};

/// An upstream is looked at no more often than this.
pub(super) const LOOK_AGE_MAX: Duration = Duration::from_secs(5);

/// What was found for the last diagnoses.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Samples that the history has taken in.
    samples: AtomicU64,
    trends: Mutex<Option<Trends>>,
    looks: Mutex<HashMap<String, Look>>,
}

/// Where things go, as far as so many samples tell.
#[derive(Debug)]
struct Trends {
    samples: u64,
    facts: Vec<TrendFact>,
}

/// A look at one upstream.
#[derive(Debug)]
struct Look {
    began: Instant,
    /// As it was configured.
    server: Server,
    /// `None` while it is under way, or if it came to nothing.
    chain: Option<Chain>,
}

// === impl Shared ===

impl Shared {
    /// The history has another sample.
    pub(super) fn has_sample(&self) {
        self.samples.fetch_add(1, Ordering::Relaxed);
    }

    /// Where things go: made anew only if there was a sample since. Waits as long as `make` does.
    pub(super) fn trends(&self, make: impl FnOnce() -> Vec<TrendFact>) -> Vec<TrendFact> {
        let samples = self.samples.load(Ordering::Relaxed);
        // Held meanwhile: who comes now needs the same.
        let mut known = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.samples == samples) {
            return known.facts.clone();
        }
        let facts = make();
        *known = Some(Trends { samples, facts: facts.clone() });
        facts
    }

    /// What is seen of these upstreams, by name: those that were not looked at of late are looked at
    /// now, until the deadline at the latest.
    ///
    /// Cancel-safe, as [`check::look_all`]; who asks soon after that is told nothing of those that
    /// were being looked at.
    pub(super) async fn look(
        &self,
        wanted: Vec<Server>,
        deadline: Instant,
    ) -> BTreeMap<String, Chain> {
        let seen = check::look_all(self.begin(&wanted), deadline).await;
        let mut looks = self.looks();
        for (name, chain) in seen {
            if let Some(look) = looks.get_mut(&name) {
                look.chain = Some(chain);
            }
        }
        let chain = |server: &Server| {
            let name = server.name.as_str();
            Some((name.to_owned(), looks.get(name)?.chain.clone()?))
        };
        wanted.iter().filter_map(chain).collect()
    }

    /// Those that are to be looked at now.
    fn begin(&self, wanted: &[Server]) -> Vec<Server> {
        let (mut looks, now) = (self.looks(), Instant::now());
        looks.retain(|_, look| now.saturating_duration_since(look.began) < LOOK_AGE_MAX);
        let is_due = |server: &&Server| {
            looks.get(server.name.as_str()).is_none_or(|look| look.server != **server)
        };
        let due: Vec<Server> = wanted.iter().filter(is_due).cloned().collect();
        for server in due.iter().cloned() {
            looks.insert(server.name.to_string(), Look { began: now, server, chain: None });
        }
        due
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<String, Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

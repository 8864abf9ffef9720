//! What an upstream's calls usually take: its own past is what it is compared with.

use std::collections::HashMap;

/// With fewer calls in a window a median says little.
pub const USUAL_CALLS_MIN: u64 = 10;

/// So many values make something usual: half an hour of samples in which there were calls, at the
/// default interval.
const VALUES_MIN: usize = 60;

/// What is usual of each upstream, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Baselines {
    medians: HashMap<String, f64>,
}

// === impl Baselines ===

impl Baselines {
    /// What the median of an upstream's calls usually is, in seconds; `None` while it is not known.
    #[must_use]
    pub fn median(&self, server: &str) -> Option<f64> {
        self.medians.get(server).copied()
    }

    /// Learns from the medians of an upstream's calls at many moments of its past, in seconds. The
    /// median of them stays what it was through trouble that is shorter than half of that time.
    pub fn learn(&mut self, server: &str, mut medians: Vec<f64>) {
        medians.retain(|value| value.is_finite());
        if medians.len() < VALUES_MIN {
            self.medians.remove(server);
            return;
        }
        let middle = medians.len() / 2;
        let (_, usual, _) = medians.select_nth_unstable_by(middle, f64::total_cmp);
        self.medians.insert(server.to_owned(), *usual);
    }

    /// Forgets upstreams that are not configured any more.
    pub(crate) fn retain(&mut self, is_known: impl Fn(&str) -> bool) {
        self.medians.retain(|name, _| is_known(name));
    }
}

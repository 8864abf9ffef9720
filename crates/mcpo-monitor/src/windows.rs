//! Calls of the last minute, five minutes and hour, as differences of what the meters say.

use mcpo_core::fault::FaultKind;
use mcpo_upstream::journal::Counters;
use mcpo_upstream::meter::{CallResult, ToolReading};
use tokio::time::Instant;

use crate::picture::{BurnWindows, WindowPicture};

/// What was, in few bytes.
#[derive(Debug, Default)]
pub(crate) struct Windows {}

// === impl Windows ===

impl Windows {
    /// The windows of one tool.
    pub(crate) fn of(
        &self,
        _upstream: &str,
        _reading: &ToolReading,
        _now: Instant,
    ) -> [WindowPicture; 3] {
        Default::default()
    }

    /// The windows of one upstream, whose tools' are added up already.
    pub(crate) fn whole_of(
        &self,
        _upstream: &str,
        tools: &[WindowPicture; 3],
        _now: Instant,
    ) -> [WindowPicture; 3] {
        tools.clone()
    }

    /// What burn rates are made from.
    pub(crate) fn burn(
        &self,
        _upstream: &str,
        _ended: &[u64; CallResult::ALL.len()],
    ) -> BurnWindows {
        BurnWindows::default()
    }

    /// Faults of the last hour, by kind.
    pub(crate) fn faults(&self, upstream: &str, counters: &Counters) -> Vec<(FaultKind, u64)> {
        counters.upstreams.get(upstream).map(|one| one.errors().collect()).unwrap_or_default()
    }
}

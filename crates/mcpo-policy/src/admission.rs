//! Room in the process: calls in all, of one identity, and the share of one upstream.

mod sheds;

use std::num::NonZeroUsize;
use std::sync::Arc;

use mcpo_core::identity::Identity;
use mcpo_core::load::ShedReason;
use mcpo_upstream::directory::Upstream;
use mcpo_upstream::headcount::{Counted, Headcount};
use mcpo_upstream::journal::Journal;
use mcpo_upstream::rooms;
use tokio::time::Instant;

use crate::guard::{Guard, Watch};
use crate::pipeline::{GaugePlace, PipelineGauge, PipelineOptions};

pub(crate) use crate::admission::sheds::Sheds;

/// One upstream has at most this part of the process' places, unless it is alone: what hangs leaves
/// as much to all others. It is above the bounds of an upstream's own unless the process is given
/// few places.
const SHARE_DIVISOR: usize = 2;

/// Gives calls their place in the process, or turns them away.
#[derive(Debug)]
pub(crate) struct Admission {
    gauge: Arc<PipelineGauge>,
    per_identity_max: Option<NonZeroUsize>,
    identities: Headcount,
    /// `None` if no call is turned away for want of processor time.
    guard: Option<Arc<Guard>>,
    sheds: Arc<Sheds>,
}

/// A call's place in the process, until it is dropped.
#[derive(Debug)]
pub(crate) struct InHand<'a> {
    _place: GaugePlace<'a>,
    _share: rooms::InHand<'a>,
    _of_identity: Option<Counted<'a>>,
}

// === impl Admission ===

impl Admission {
    pub(crate) fn new(options: &PipelineOptions, journal: &Arc<Journal>) -> Self {
        Self {
            gauge: Arc::new(PipelineGauge::new(options.calls_in_flight_max)),
            per_identity_max: options.calls_per_identity_max,
            identities: Headcount::default(),
            guard: options.guard.then(Arc::default),
            sheds: Arc::new(Sheds::new(journal)),
        }
    }

    pub(crate) const fn gauge(&self) -> &Arc<PipelineGauge> {
        &self.gauge
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(self.guard.clone(), Arc::clone(&self.gauge), Arc::clone(&self.sheds))
    }

    /// Whether one more call is worth being read. Holds nothing.
    pub(crate) fn look(&self) -> Result<(), ShedReason> {
        if self.gauge.in_flight() >= self.gauge.capacity() {
            return Err(ShedReason::ProcessFull);
        }
        if self.guard.as_deref().is_some_and(Guard::turns_away) {
            return Err(ShedReason::ProcessSlow);
        }
        Ok(())
    }

    /// Takes a call in hand.
    pub(crate) fn enter<'a>(
        &'a self,
        upstream: &'a Upstream,
        identity: &Identity,
    ) -> Result<InHand<'a>, ShedReason> {
        let place = self.gauge.enter().ok_or(ShedReason::ProcessFull)?;
        let share = (self.gauge.capacity() / SHARE_DIVISOR).max(1);
        // It is the process' bound that keeps it out; the upstream's own may be far from reached.
        let share = upstream.take_in_hand(share).ok_or(ShedReason::ProcessFull)?;
        let of_identity = match self.per_identity_max {
            None => None,
            Some(max) => {
                let counted = self.identities.enter(identity, max.get());
                Some(counted.ok_or(ShedReason::IdentityFull)?)
            }
        };
        Ok(InHand { _place: place, _share: share, _of_identity: of_identity })
    }

    /// A call was turned away: it is counted, and told together with others.
    pub(crate) fn turned_away(&self, upstream: &Upstream, reason: ShedReason) {
        self.gauge.count_shed(reason);
        upstream.meter().shed(reason);
        self.sheds.note(upstream.meter(), reason, Instant::now());
    }
}

#[cfg(test)]
mod tests;

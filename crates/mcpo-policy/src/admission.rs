//! Room in the process: calls in all, of one identity and of one upstream.

use std::sync::Arc;

use mcpo_core::identity::Identity;
use mcpo_core::load::ShedReason;
use mcpo_upstream::directory::Upstream;

use crate::guard::Watch;
use crate::pipeline::{PipelineGauge, PipelineOptions};

/// Gives calls their place in the process, or turns them away.
#[derive(Debug)]
pub(crate) struct Admission {
    gauge: Arc<PipelineGauge>,
}

/// A call's place in the process, until it is dropped.
#[derive(Debug)]
pub(crate) struct InHand<'a> {
    _place: crate::pipeline::GaugePlace<'a>,
}

// === impl Admission ===

impl Admission {
    pub(crate) fn new(options: &PipelineOptions) -> Self {
        Self { gauge: Arc::new(PipelineGauge::new(options.calls_in_flight_max)) }
    }

    pub(crate) const fn gauge(&self) -> &Arc<PipelineGauge> {
        &self.gauge
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch {}
    }

    /// Whether one more call is worth being read. Holds nothing.
    pub(crate) fn look(&self) -> Result<(), ShedReason> {
        if self.gauge.in_flight() >= self.gauge.capacity() {
            return Err(ShedReason::ProcessFull);
        }
        Ok(())
    }

    /// Takes a call in hand.
    pub(crate) fn enter(
        &self,
        _upstream: &Upstream,
        _identity: &Identity,
    ) -> Result<InHand<'_>, ShedReason> {
        let place = self.gauge.enter().ok_or(ShedReason::ProcessFull)?;
        Ok(InHand { _place: place })
    }

    /// A call was turned away: it is counted, and told with others.
    pub(crate) fn turned_away(&self, upstream: &Upstream, reason: ShedReason) {
        self.gauge.count_shed(reason);
        upstream.meter().shed(reason);
    }
}

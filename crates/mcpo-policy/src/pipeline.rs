//! The order of the steps that a call passes, on one screen.

use bytes::Bytes;
use mcpo_core::catalog::Tool;
use mcpo_core::event::Event;
use mcpo_core::fault::{Fault, FaultKind};
use mcpo_core::outcome::Outcome;
use mcpo_mcp::answer::Answer;
use mcpo_upstream::directory::Upstream;
use mcpo_upstream::record::record;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::attempt::attempt;

/// One call: checked, and with its deadline set.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where it goes.
    pub upstream: &'a Upstream,
    /// What is called.
    pub tool: &'a Tool,
    /// One JSON object.
    pub arguments: Bytes,
    /// When the caller must have its answer.
    pub deadline: Instant,
}

/// What a call came to, and how often it was sent.
#[derive(Debug)]
pub struct Report {
    /// What the last attempt came to.
    pub outcome: Outcome<Answer>,
    /// How many attempts were made to send it.
    pub attempts: u32,
}

/// Everything a call passes between the surface and a session.
#[derive(Debug)]
pub struct Pipeline {
    places: Semaphore,
}

impl Pipeline {
    /// A pipeline with room for `calls_in_flight_max` calls at once.
    #[must_use]
    pub const fn new(calls_in_flight_max: usize) -> Self {
        Self { places: Semaphore::const_new(calls_in_flight_max) }
    }

    /// Takes one call through all steps; has an answer by its deadline.
    ///
    /// Cancel-safe: dropping it cancels the call towards the upstream and frees its place.
    pub async fn call(&self, call: Call<'_>) -> Report {
        let (Ok(_place), Some(_share)) = (self.places.try_acquire(), call.upstream.place()) else {
            return told(&call, Report { outcome: Outcome::NotSent(no_room()), attempts: 0 });
        };
        let report = attempt(&call).await;
        told(&call, report)
    }
}

fn no_room() -> Fault {
    Fault::new(FaultKind::Overloaded, "as many calls as allowed are in flight")
}

fn told(call: &Call<'_>, report: Report) -> Report {
    if let Some(fault) = report.outcome.fault() {
        record(&Event::CallFailed {
            upstream: call.upstream.view.name.clone(),
            tool: call.tool.definition.name.clone(),
            outcome: report.outcome.kind(),
            fault: fault.clone(),
            attempts: report.attempts,
        });
    }
    report
}

#[cfg(test)]
mod tests;

//! The order of the steps that a call passes, on one screen.

use bytes::Bytes;
use mcpo_core::catalog::Tool;
use mcpo_core::outcome::Outcome;
use mcpo_mcp::answer::Answer;
use mcpo_upstream::directory::Upstream;
use tokio::time::Instant;

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
pub struct Pipeline {}

impl Pipeline {
    /// A pipeline with room for `calls_in_flight_max` calls at once.
    #[must_use]
    pub fn new(_calls_in_flight_max: usize) -> Self {
        Self {}
    }

    /// Takes one call through all steps; has an answer by its deadline.
    ///
    /// Cancel-safe: dropping it cancels the call towards the upstream and frees its place.
    pub async fn call(&self, _call: Call<'_>) -> Report {
        unreachable!("to be written")
    }
}

//! Requests of downstreams, counted by route, method and status class, as the surface tells them.

use std::time::Duration;

use mcpo_core::sketch::Sketch;

/// What was asked for: a closed set, whatever paths downstreams send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// A tool's call.
    Tool,
    /// An OpenAPI document.
    Document,
    /// Documentation pages and what they are made of.
    Docs,
    /// `/livez`, `/readyz`, `/health`.
    Probe,
    /// `/metrics`, `/metrics/history`, `/alerts`, `/diagnostics`.
    Monitor,
    /// `/admin` and `/dashboard`.
    Admin,
    /// Nothing that is there.
    Other,
}

/// Requests that are alike.
#[derive(Debug, Clone)]
pub struct RequestSeries {
    /// What was asked for.
    pub route: Route,
    /// The method as [`method_name`] has it: one of the standard ones, or `_OTHER`.
    pub method: &'static str,
    /// The status; a closed set, since we choose it.
    pub status: u16,
    /// Seconds from the head of the request to its answer.
    pub duration: Sketch,
    /// The same, added up.
    pub duration_sum: Duration,
}

/// Counts requests; shared by the surface and those who read.
#[derive(Debug, Default)]
pub struct Requests {}

impl Requests {
    /// Counts one request that was answered.
    pub fn record(&self, _route: Route, _method: &http::Method, _status: u16, _took: Duration) {}

    /// All series that there were, in a stable order.
    #[must_use]
    pub fn read(&self) -> Vec<RequestSeries> {
        Vec::new()
    }
}

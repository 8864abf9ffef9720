//! Requests of downstreams, counted by route, method and status class, as the surface tells them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Method;
use mcpo_core::sketch::{Recorder, Sketch};

/// What was asked for: a closed set, whatever paths downstreams send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    #[default]
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

/// Series that are told apart by the very status. Our own are some hundreds at most; beyond that
/// requests count by route and class of status alone, which are 35 more.
pub const SERIES_MAX: usize = 1024;

/// A method that is none of the standard ones, as OpenTelemetry has it (`http.request.method`).
pub const OTHER_METHOD: &str = "_OTHER";

/// Counts requests; shared by the surface and those who read. A request waits for nobody but the
/// first one of another kind.
#[derive(Debug, Default)]
pub struct Requests {
    /// Those of [`ANSWERED`]: nearly all requests are. They need not be looked up, and threads
    /// count them apart: what several cores write to costs each of them more than the counting.
    answered: [Stripe; STRIPES],
    series: RwLock<HashMap<Kind, Arc<Recorder>>>,
}

/// A recorder on lines of memory that it shares with nobody (prefetched in pairs of 64 bytes).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(Recorder);

/// As many threads count apart; more of them share. Each stripe takes some KiB once it is used.
const STRIPES: usize = 8;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which stripe this thread counts on.
    static STRIPE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
}

/// Calls that were answered well.
const ANSWERED: Kind = Kind { route: Route::Tool, method: "POST", status: 200 };

/// Which requests are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Kind {
    route: Route,
    method: &'static str,
    status: u16,
}

/// A method's name in labels: downstreams may send any, and none may make a series of its own.
#[must_use]
pub fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::PATCH => "PATCH",
        _ => OTHER_METHOD,
    }
}

// === impl Requests ===

impl Requests {
    /// Counts one request that was answered.
    pub fn record(&self, route: Route, method: &Method, status: u16, took: Duration) {
        let kind = Kind { route, method: method_name(method), status };
        if kind == ANSWERED {
            return self.answered[STRIPE.with(|stripe| *stripe)].0.record(took);
        }
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        known.unwrap_or_else(|| self.first(kind)).record(took);
    }

    fn first(&self, kind: Kind) -> Arc<Recorder> {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = series.len() >= SERIES_MAX && !series.contains_key(&kind);
        let kind = if is_full { kind.coarse() } else { kind };
        Arc::clone(series.entry(kind).or_default())
    }

    /// All series that there were, in a stable order.
    #[must_use]
    pub fn read(&self) -> Vec<RequestSeries> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let kinds: Vec<(Kind, Arc<Recorder>)> =
            series.iter().map(|(kind, durations)| (*kind, Arc::clone(durations))).collect();
        drop(series);
        let others = kinds
            .into_iter()
            .map(|(kind, durations)| RequestSeries::of(kind, durations.sketch(), durations.sum()));
        let mut all: Vec<RequestSeries> = self.answered().into_iter().chain(others).collect();
        all.sort_by_key(|one| (one.route, one.method, one.status));
        all
    }

    /// All stripes together; `None` before the first.
    fn answered(&self) -> Option<RequestSeries> {
        let mut durations = Sketch::default();
        self.answered.iter().for_each(|Stripe(stripe)| durations.merge(&stripe.sketch()));
        let sum = self.answered.iter().map(|Stripe(stripe)| stripe.sum()).sum();
        (durations.count() > 0).then(|| RequestSeries::of(ANSWERED, durations, sum))
    }
}

// === impl RequestSeries ===

impl RequestSeries {
    fn of(kind: Kind, duration: Sketch, duration_sum: Duration) -> Self {
        let Kind { route, method, status } = kind;
        Self { route, method, status, duration, duration_sum }
    }
}

// === impl Kind ===

impl Kind {
    /// The one that it counts as when there are too many.
    const fn coarse(self) -> Self {
        let class = match self.status / 100 {
            class @ 1..=5 => class,
            _ => 5,
        };
        Self { route: self.route, method: OTHER_METHOD, status: class * 100 }
    }
}

#[cfg(test)]
mod tests;

//! What a diagnosis is made from: what is known now, and where things go.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcpo_upstream::journal::ENTRIES_MAX;
use tokio::task::spawn_blocking;

use super::Monitor;
use crate::diagnosis::{CacheFacts, Facts, TrendFact};
use crate::history::{self, Metric, Store};
use crate::picture::{CacheUse, Picture, ServerPicture};
use crate::trend::{Options, analyse};

/// So far back is looked for where things go: a leak of an hour is seen as well as one of a shift.
const TREND_SPAN: Duration = Duration::from_secs(6 * 3600);

/// So many upstreams have their trends looked at, those with the lowest scores first: each costs
/// some milliseconds.
const TREND_SERVERS_MAX: usize = 32;

/// What is looked at of each, and of the whole.
const TREND_METRICS: [Metric; 4] = [Metric::P50, Metric::P99, Metric::ErrorRate, Metric::Memory];

/// A jump is put down to an event no further from it than this.
const BECAUSE_WITHIN_SECONDS: u64 = 300;

/// Times in seconds since the Unix epoch, and values.
type Points = Vec<(u64, f64)>;

/// What was of one metric.
struct Line {
    server: Option<String>,
    metric: Metric,
    points: Points,
}

/// All that is known, but for what a look at the upstreams will say.
pub(super) async fn facts(monitor: &Monitor) -> Facts {
    let inner = &monitor.inner;
    // What is looked at now is judged by what holds now.
    let picture = inner.fresh();
    let servers = Arc::clone(&inner.options.servers.borrow());
    let mut facts = Facts::new(picture.at, servers);
    facts.entries = inner.directory.journal().entries(0, None, ENTRIES_MAX);
    facts.slo_objective = picture.watch.slo_objective;
    let (store, seen, monitor) = (monitor.store().await, Arc::clone(&picture), monitor.clone());
    let known = spawn_blocking(move || monitor.inner.shared.trends(|| trends(&store, &seen))).await;
    // Without them there are fewer recommendations.
    facts.trends = known.unwrap_or_default();
    facts.cache = cache(&picture);
    facts.picture = Some(picture);
    facts
}

/// How the cache did, where there is one.
fn cache(picture: &Picture) -> Option<CacheFacts> {
    let whole = &picture.whole.cache;
    let CacheUse { asked, hits } = whole.all.hour;
    whole.enabled.then_some(CacheFacts { asked, hits })
}

/// Where things go. Waits for the disk.
fn trends(store: &Store, picture: &Picture) -> Vec<TrendFact> {
    let since = picture.at.checked_sub(TREND_SPAN).unwrap_or(SystemTime::UNIX_EPOCH);
    let events = store.events(since, picture.at, None, ENTRIES_MAX);
    let facts = series(store, since, &worst(picture)).into_iter().map(|series| {
        let Line { server, metric, points } = series;
        let mut trend = analyse(&points, Options::default());
        let about: Vec<(u64, String)> = events
            .iter()
            .filter(|event| server.is_none() || event.server == server)
            .map(|event| (event.at_ms / 1000, event.sentence.clone()))
            .collect();
        trend.explain(&about, BECAUSE_WITHIN_SECONDS);
        TrendFact { server, metric, trend }
    });
    facts.collect()
}

/// The upstreams that are looked at.
fn worst(picture: &Picture) -> HashSet<&str> {
    let mut servers: Vec<&ServerPicture> = picture.servers.iter().collect();
    servers.sort_by_key(|server| server.score.score);
    servers.iter().take(TREND_SERVERS_MAX).map(|server| server.name.as_str()).collect()
}

/// What was of each of them, and of the whole, in a stable order.
fn series(store: &Store, since: SystemTime, names: &HashSet<&str>) -> Vec<Line> {
    let mut lines: BTreeMap<(Option<String>, usize), Points> = BTreeMap::new();
    let read = history::past(store, since, |past| {
        if past.server.is_some_and(|name| !names.contains(name)) {
            return;
        }
        for (index, metric) in TREND_METRICS.into_iter().enumerate() {
            let value = past.row[metric.index()];
            if value.is_finite() {
                let key = (past.server.map(str::to_owned), index);
                lines.entry(key).or_default().push((past.at, f64::from(value)));
            }
        }
    });
    if let Err(error) = read {
        tracing::warn!(%error, "no trends are told");
    }
    let line = |((server, index), points)| Line { server, metric: TREND_METRICS[index], points };
    lines.into_iter().map(line).collect()
}
